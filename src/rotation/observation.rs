//! What was seen of one secret, its user and its user's nodes: the input of [`super::plan`].
//!
//! An observation begins with the secret's labels and grows by what [`super::plan`] asks for. It
//! keeps the time of its first read, because the writes that rest on it are dated with that time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::policy::Endpoint;
use crate::rotation::reason::HaltReason;
use crate::secret::{DocumentError, SecretDocument};

/// The staging label of the version that clients read.
pub const AWSCURRENT: &str = "AWSCURRENT";
/// The staging label of the version that a rotation is about to promote.
pub const AWSPENDING: &str = "AWSPENDING";
/// The staging label of the version that was current before.
pub const AWSPREVIOUS: &str = "AWSPREVIOUS";

/// When an observation's first read was sent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Taken {
    /// In wall time: the date of the signatures of writes that rest on it.
    pub wall: Timestamp,
    /// In monotonic time, to tell how old it is.
    pub monotonic: Duration,
}

/// A version of a secret, without its value.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Version {
    /// When it was put; `None` for a version without a value, such as RotateSecret leaves.
    pub created: Option<Timestamp>,
    /// Its staging labels.
    pub stages: BTreeSet<String>,
}

/// A secret as DescribeSecret and ListSecretVersionIds show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretState {
    /// Its full ARN.
    pub arn: String,
    /// Its name.
    pub name: String,
    /// When it was marked for deletion.
    pub deleted: Option<Timestamp>,
    /// Whether Secrets Manager rotates it.
    pub rotation_enabled: bool,
    /// The service that manages it.
    pub owning_service: Option<String>,
    /// Whether it has replicas, or is one.
    pub replicated: bool,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When anything about it last changed, labels and tags included.
    pub last_changed: Option<Timestamp>,
    /// All versions, those without a label included.
    pub versions: BTreeMap<String, Version>,
}

impl SecretState {
    /// The version that carries a staging label.
    pub fn holder(&self, stage: &str) -> Option<&str> {
        self.versions
            .iter()
            .find(|(_, version)| version.stages.contains(stage))
            .map(|(id, _)| id.as_str())
    }
}

/// What a version's value turned out to be.
pub type VersionValue = Result<SecretDocument, DocumentError>;

/// A user's status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UserStatus {
    /// Changes may be made.
    Active,
    /// A change is on its way, or the user is being created.
    Modifying,
    /// It is going away.
    Deleting,
    /// One that AWS has added since; treated like `modifying`.
    Other(String),
}

/// How a user authenticates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authentication {
    /// With one or two passwords.
    Password,
    /// Without one: it accepts anything.
    NoPassword,
    /// With IAM.
    Iam,
    /// In a way that AWS has added since.
    Unknown,
}

/// An ElastiCache user as DescribeUsers shows it. It never shows a password, only how many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// The user id.
    pub id: String,
    /// The name that logins take.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its status.
    pub status: UserStatus,
    /// How it authenticates.
    pub authentication: Authentication,
    /// How many passwords it has.
    pub password_count: u32,
    /// Whether its access string switches it on.
    pub on: bool,
    /// The user groups that it is in.
    pub groups: BTreeSet<String>,
}

/// What stands behind an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// One node, which answers for itself.
    Node,
    /// The one endpoint of a serverless cache, behind which nodes are hidden.
    ServerlessEndpoint,
}

/// A node that a user can log in on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Node {
    /// Where it answers.
    pub endpoint: Endpoint,
    /// The cache that it belongs to.
    pub cache: String,
    /// What stands behind the address.
    pub kind: NodeKind,
    /// Whether ElastiCache calls it available.
    pub available: bool,
}

/// Every node behind a user's groups.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Topology {
    /// The nodes, in the order of their addresses.
    pub nodes: BTreeSet<Node>,
    /// What about these caches forbids rotating the user, and in which cache.
    pub refusal: Option<(HaltReason, String)>,
}

/// A password that a login tries.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Credential {
    /// That of a version of the secret.
    Version(String),
    /// One made up for this login, which nobody has: who accepts it accepts any.
    Random,
}

/// What a node answered to a login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LoginAnswer {
    /// The password was accepted.
    Accepted,
    /// `WRONGPASS`: the password was refused, or the user is off.
    Refused,
    /// No answer to the login; with the cause.
    Unreachable(String),
    /// No TLS connection could be agreed on, so no password was sent; with the cause.
    TlsFailed(String),
}

/// The answers to one credential, by address: one of a node, and several of an endpoint that hides
/// nodes, which may disagree. A node that is not available is not asked.
pub type Answers = BTreeMap<Endpoint, Vec<LoginAnswer>>;

/// The user, if it was looked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UserSight {
    /// Not asked yet.
    Unseen,
    /// Seen.
    Seen(User),
}

/// What was seen, so far, in one look at the world.
#[derive(Clone)]
pub struct Observation {
    /// When the first read was sent.
    pub taken: Taken,
    /// The secret.
    pub secret: SecretState,
    /// Whether its versions are known as a listing made for this look shows them. Otherwise those
    /// without a label are known from an earlier one.
    pub listed: bool,
    /// The values read, by version id.
    pub values: BTreeMap<String, VersionValue>,
    /// The user.
    pub user: UserSight,
    /// The user's nodes.
    pub topology: Option<Topology>,
    /// What logins answered, by credential.
    pub logins: BTreeMap<Credential, Answers>,
    /// Whether the node list changed while the logins were made, so that they prove nothing.
    pub nodes_changed: bool,
}

impl Observation {
    /// An observation that has seen the secret only.
    pub fn new(taken: Taken, secret: SecretState) -> Self {
        Self {
            taken,
            secret,
            listed: true,
            values: BTreeMap::new(),
            user: UserSight::Unseen,
            topology: None,
            logins: BTreeMap::new(),
            nodes_changed: false,
        }
    }

    /// Adds what a PutSecretValue that just succeeded has made true: the version exists, holds
    /// this document and carries AWSPENDING. The observation's date stays, so writes that rest on
    /// it expire no later than without.
    pub fn with_pending(mut self, version_id: &str, document: SecretDocument) -> Self {
        for version in self.secret.versions.values_mut() {
            version.stages.remove(AWSPENDING);
        }
        let version = self.secret.versions.entry(version_id.to_owned()).or_default();
        version.created = Some(self.taken.wall);
        version.stages.insert(AWSPENDING.to_owned());
        self.values.insert(version_id.to_owned(), Ok(document));
        self.listed = false;
        self
    }

    /// Adds what a finish that just succeeded has made true: AWSCURRENT is on this version, and
    /// AWSPREVIOUS on the one that it left, which AWS moves there by itself. The finish named the version
    /// that it replaced, so nobody else had moved AWSCURRENT by then. The observation's date stays.
    pub fn with_current(mut self, version_id: &str, replaced: &str, at: Timestamp) -> Self {
        for version in self.secret.versions.values_mut() {
            version.stages.remove(AWSCURRENT);
            version.stages.remove(AWSPREVIOUS);
        }
        for (id, stage) in [(version_id, AWSCURRENT), (replaced, AWSPREVIOUS)] {
            let version = self.secret.versions.entry(id.to_owned()).or_default();
            version.stages.insert(stage.to_owned());
        }
        self.secret.last_changed = Some(at);
        self.listed = false;
        self
    }
}

/// What a login proved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "level", content = "reason")]
pub enum Proof {
    /// Every node accepted the password.
    Proven,
    /// Every node accepted it, and every endpoint of a serverless cache on several connections: such
    /// a cache shows no nodes, so one that no connection led to may not know it.
    EndpointProven,
    /// It could not be proved.
    Unproven(super::reason::UnprovenReason),
}

impl Proof {
    /// Its name in status.
    pub fn label(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::EndpointProven => "endpoint_proven",
            Self::Unproven(_) => "unproven",
        }
    }
}
