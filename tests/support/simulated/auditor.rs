//! The judge: after every change it looks at the sandbox as it is, and at nothing of rekeyd's.

use std::collections::{BTreeMap, BTreeSet};

use rekeyd_sandbox::{LoginAnswer, NodeView, Sandbox, SecretView, VersionView};

/// What the auditor holds against rekeyd:
///
/// - P1: where the password under AWSCURRENT logged in once, the password under AWSCURRENT logs in
///   for ever, on every running node.
/// - P2: AWSCURRENT moves only to a password that every running node accepts that ElastiCache calls
///   available and where the user is on.
/// - One version carries AWSCURRENT, at every moment.
///
/// What others do is not held against rekeyd: whoever acts for them calls [`Auditor::excuse`].
#[derive(Default)]
pub struct Auditor {
    /// Where a secret's current password has logged in: secret ARN and node.
    works: BTreeSet<(String, String)>,
    /// The version under AWSCURRENT when it last looked, by secret ARN.
    current: BTreeMap<String, String>,
    /// Names of users whom others have changed, until the nodes know.
    excused: BTreeSet<String>,
    violations: Vec<String>,
    looks: u64,
}

/// What a secret's current version says.
struct Current<'a> {
    secret: &'a SecretView,
    version: &'a VersionView,
    username: String,
    password: String,
}

impl Auditor {
    /// Somebody else is about to change this user or its secret: what then works is looked at anew.
    pub fn excuse(&mut self, username: &str) {
        self.excused.insert(username.to_owned());
    }

    /// What was found.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// What was found, which is thereby settled.
    pub fn take_violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }

    /// How often it has looked.
    pub fn looks(&self) -> u64 {
        self.looks
    }

    /// Looks at everything.
    pub fn look(&mut self, sandbox: &Sandbox) {
        self.looks += 1;
        let (secrets, nodes) = (sandbox.secrets(), sandbox.nodes());
        for secret in &secrets {
            let holders = secret
                .versions
                .iter()
                .filter(|version| version.labels.contains("AWSCURRENT"));
            if secret.deleted.is_none() && holders.count() != 1 {
                self.accuse(
                    sandbox,
                    format!("{} has not one AWSCURRENT: {:?}", secret.name, secret.versions),
                );
            }
            if let Some(current) = current(secret) {
                self.look_at(sandbox, &current, &nodes);
            }
        }
        let busy = |name: &String| nodes.iter().any(|node| node.pending.contains(name));
        self.excused.retain(busy);
    }

    fn look_at(&mut self, sandbox: &Sandbox, current: &Current<'_>, nodes: &[NodeView]) {
        let arn = &current.secret.arn;
        let before = self.current.insert(arn.clone(), current.version.id.clone());
        let moved = before.is_some_and(|before| before != current.version.id);
        let excused = self.excused.contains(&current.username);
        for node in nodes {
            let place = (arn.clone(), node.id.clone());
            if excused {
                self.works.remove(&place);
                continue;
            }
            match sandbox.node_accepts(&node.id, &current.username, &current.password) {
                LoginAnswer::Down => {}
                LoginAnswer::Ok => drop(self.works.insert(place)),
                LoginAnswer::WrongPass => {
                    let version = &current.version.id;
                    if self.works.remove(&place) {
                        let what = format!(
                            "P1: {} is locked out of {}: version {version}",
                            current.username, node.id
                        );
                        self.accuse(sandbox, what);
                    } else if moved && node.status == "available" && is_on(node, &current.username) {
                        let what = format!("P2: version {version} was promoted, which {} refuses", node.id);
                        self.accuse(sandbox, what);
                    }
                }
            }
        }
    }

    fn accuse(&mut self, sandbox: &Sandbox, what: String) {
        self.violations
            .push(format!("{} {what}", sandbox.now().format("%T%.3f")));
    }
}

fn is_on(node: &NodeView, username: &str) -> bool {
    node.users.iter().any(|user| user.name == username && user.on)
}

/// The current version's credentials, if it holds any.
fn current(secret: &SecretView) -> Option<Current<'_>> {
    let version = secret.holder("AWSCURRENT")?;
    let document: serde_json::Value = serde_json::from_str(version.text.as_ref()?.expose()).ok()?;
    Some(Current {
        secret,
        version,
        username: document["username"].as_str()?.to_owned(),
        password: document["password"].as_str()?.to_owned(),
    })
}
