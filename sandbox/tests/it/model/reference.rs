//! The reference: what AWS does, as far as anybody outside knows, in maps and sets. Written from the documents
//! and observations that its comments name, not from the sandbox.
//!
//! A call gives `Ok` with what has to be in the reply, and has then been applied; or `Err` with the codes that
//! AWS may refuse it with. It is one code for each rule that the call breaks: which of several broken rules AWS
//! names is not documented.

mod caches;
mod secrets;
mod settling;
mod users;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use rekeyd_sandbox::LoginAnswer;
use serde_json::Value;

pub use self::caches::Node;
pub use self::secrets::Secret;
pub use self::users::{Group, User};
use super::call::{Call, Version, World, is_about_secrets};

/// The codes with which AWS may refuse a call.
pub type Refused = BTreeSet<&'static str>;

/// What AWS answers to a call.
pub type Expected = Result<Value, Refused>;

/// Everything that there is.
pub struct Reference {
    pub world: World,
    pub now: DateTime<Utc>,
    /// By name.
    pub secrets: BTreeMap<String, Secret>,
    /// By id.
    pub users: BTreeMap<String, User>,
    /// By id.
    pub groups: BTreeMap<String, Group>,
    pub nodes: Vec<Node>,
}

/// The rules that a call breaks.
#[derive(Default)]
struct Broken(Refused);

impl Broken {
    fn when(&mut self, broken: bool, code: &'static str) {
        if broken {
            self.0.insert(code);
        }
    }

    /// All that are broken, with one more.
    fn and(mut self, code: &'static str) -> Refused {
        self.0.insert(code);
        self.0
    }

    fn check(self) -> Result<(), Refused> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}

impl Reference {
    /// An account with nothing in it but the default user.
    pub fn new(world: &World, now: DateTime<Utc>) -> Self {
        Self {
            world: world.clone(),
            now,
            secrets: BTreeMap::new(),
            users: BTreeMap::from([("default".to_owned(), User::default_user())]),
            groups: BTreeMap::new(),
            nodes: Vec::new(),
        }
    }

    /// What a call comes to.
    pub fn call(&mut self, call: &Call) -> Expected {
        if is_about_secrets(call.operation()) {
            self.call_secrets(call)
        } else {
            self.call_users(call)
        }
    }

    /// Time passes.
    pub fn wait(&mut self, ms: u64) {
        self.now += TimeDelta::milliseconds(i64::try_from(ms).unwrap());
        let now = self.now;
        self.secrets.retain(|_, secret| secret.goes.is_none_or(|at| at > now));
        self.settle();
    }

    /// What a node may answer to a login: both while news may or may not have reached it.
    pub fn login(&self, node: &str, name: &str, password: &str) -> Vec<LoginAnswer> {
        let node = self.nodes.iter().find(|found| found.id == node);
        node.map_or(vec![LoginAnswer::Down], |node| node.login(self.now, name, password))
    }

    /// The id that a secret goes by: its name, or its ARN if that is asked for and known.
    pub fn secret_id(&self, secret: &str) -> String {
        match secret.strip_prefix("arn of ") {
            None => secret.to_owned(),
            Some(name) => {
                let known = self.secrets.get(name).and_then(|secret| secret.arn.clone());
                known.unwrap_or_else(|| name.to_owned())
            }
        }
    }

    /// The version id that a call means.
    pub fn version_id(&self, secret: &str, version: &Version) -> String {
        match version {
            Version::Id(id) => id.clone(),
            Version::HolderOf(label) => {
                let secret = self.secrets.get(secret_name(secret));
                let holder = secret.and_then(|secret| secret.labels.get(label).cloned());
                holder.unwrap_or_else(|| "version-that-nobody-ever-has-made".to_owned())
            }
        }
    }
}

/// The name in a reference to a secret.
pub fn secret_name(secret: &str) -> &str {
    secret.strip_prefix("arn of ").unwrap_or(secret)
}

/// The HTTP status of a code: `…NotFound` of ElastiCache is 404, what a server does wrong is 5xx, all else 400
/// (botocore's models: no error of Secrets Manager has a status of its own).
pub fn status(code: &str) -> u16 {
    match code {
        "UserNotFound" | "UserGroupNotFound" => 404,
        "InternalServiceError" | "InternalFailure" => 500,
        _ => 400,
    }
}
