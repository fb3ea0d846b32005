//! The judge: after every change it looks at the sandbox as it is, and at nothing of rekeyd's but how it
//! derives version ids.

use std::collections::{BTreeMap, BTreeSet};

use rekeyd::rotation::version::generation_of;
use rekeyd_sandbox::{LoginAnswer, NodeView, Sandbox, SecretView, VersionView};

/// What the auditor holds against rekeyd:
///
/// - P1: where the password under AWSCURRENT logged in once, the password under AWSCURRENT logs in
///   for ever, on every running node; so the version under AWSCURRENT holds one.
/// - P2: AWSCURRENT moves only to a password that every running node accepts that ElastiCache calls
///   available and where the user is on.
/// - P3: AWSCURRENT moves only to a version whose id is derived from the one that carried it before.
/// - One version carries AWSCURRENT, at every moment.
///
/// What others do is not held against rekeyd: whoever acts for them calls [`Auditor::excuse`].
#[derive(Default)]
pub struct Auditor {
    /// Where a secret's current password has logged in: secret ARN and node.
    works: BTreeSet<(String, String)>,
    /// What was under AWSCURRENT when it last looked, by secret ARN.
    current: BTreeMap<String, Seen>,
    /// Names of users whom others have changed, until the nodes know.
    excused: BTreeSet<String>,
    violations: Vec<String>,
    looks: u64,
}

/// A version that carried AWSCURRENT.
struct Seen {
    version: String,
    /// The user that it names, or the last version before it that names one.
    username: Option<String>,
}

/// What clients log in with.
struct Credentials {
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
            if let Some(version) = secret.holder("AWSCURRENT") {
                self.look_at(sandbox, secret, version, &nodes);
            }
        }
        let busy = |name: &String| nodes.iter().any(|node| node.pending.contains(name));
        self.excused.retain(busy);
    }

    fn look_at(&mut self, sandbox: &Sandbox, secret: &SecretView, version: &VersionView, nodes: &[NodeView]) {
        let credentials = credentials(version);
        let before = self.current.remove(&secret.arn);
        let moved_from = before
            .as_ref()
            .map(|seen| &seen.version)
            .filter(|id| **id != version.id);
        let username = match &credentials {
            Some(credentials) => Some(credentials.username.clone()),
            None => before.as_ref().and_then(|seen| seen.username.clone()),
        };
        let excused = username.as_ref().is_some_and(|name| self.excused.contains(name));
        if let Some(parent) = moved_from.filter(|_| !excused) {
            self.look_at_descent(sandbox, &secret.arn, parent, &version.id);
        }
        match credentials {
            _ if excused => self.works.retain(|(arn, _)| *arn != secret.arn),
            Some(credentials) => {
                let current = (secret.arn.as_str(), version.id.as_str());
                self.look_at_nodes(sandbox, current, &credentials, moved_from.is_some(), nodes);
            }
            None => self.look_at_nothing(sandbox, &secret.arn, &version.id),
        }
        let seen = Seen {
            version: version.id.clone(),
            username,
        };
        self.current.insert(secret.arn.clone(), seen);
    }

    fn look_at_descent(&mut self, sandbox: &Sandbox, arn: &str, parent: &str, version: &str) {
        if generation_of(arn, parent, version).is_none() {
            let what = format!("P3: version {version} was promoted, which is not derived from {parent}");
            self.accuse(sandbox, what);
        }
    }

    /// A current version that holds no credentials locks clients out wherever one let them in.
    fn look_at_nothing(&mut self, sandbox: &Sandbox, arn: &str, version: &str) {
        let (lost, kept) = std::mem::take(&mut self.works)
            .into_iter()
            .partition::<BTreeSet<_>, _>(|(of, _)| of == arn);
        self.works = kept;
        for (_, node) in lost {
            let what = format!("P1: version {version} of {arn} holds no password, and one worked on {node}");
            self.accuse(sandbox, what);
        }
    }

    fn look_at_nodes(
        &mut self,
        sandbox: &Sandbox,
        (arn, version): (&str, &str),
        credentials: &Credentials,
        moved: bool,
        nodes: &[NodeView],
    ) {
        let Credentials { username, password } = credentials;
        for node in nodes {
            let place = (arn.to_owned(), node.id.clone());
            match sandbox.node_accepts(&node.id, username, password) {
                LoginAnswer::Down => {}
                LoginAnswer::Ok => drop(self.works.insert(place)),
                LoginAnswer::WrongPass => {
                    if self.works.remove(&place) {
                        let what = format!("P1: {username} is locked out of {}: version {version}", node.id);
                        self.accuse(sandbox, what);
                    } else if moved && node.status == "available" && is_on(node, username) {
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

/// A version's credentials, if it holds any.
fn credentials(version: &VersionView) -> Option<Credentials> {
    let document: serde_json::Value = serde_json::from_str(version.text.as_ref()?.expose()).ok()?;
    Some(Credentials {
        username: document["username"].as_str()?.to_owned(),
        password: document["password"].as_str()?.to_owned(),
    })
}
