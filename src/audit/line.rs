//! What a line of the audit log says.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::rotation::step::Step;

/// A line of the audit log. What is not known, or makes no sense for its change, is left out.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Line {
    /// When it was written, by the clock of the machine that rekeyd runs on.
    pub time: Timestamp,
    /// The same for the announcement of a change and what came of it.
    pub id: String,
    /// Who makes the change or asks for it.
    #[serde(flatten)]
    pub by: Actor,
    /// What is changed.
    pub change: Change,
    /// What came of it.
    pub outcome: Outcome,
    /// What it is about.
    #[serde(flatten)]
    pub about: Subject,
    /// AWS's id of the request, as it stands in CloudTrail too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Why it was refused or failed: words of rekeyd's, or AWS's error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Who makes a change or asks for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Actor {
    /// The daemon, because something is due.
    Rekeyd,
    /// A process that speaks over the admin socket.
    Peer(Peer),
    /// Whoever runs a command that makes changes itself.
    Operator(Operator),
    /// Whoever wrote a command into the table that replicas share: anybody who may write to it.
    Table {
        /// Who they say they are. Nothing vouches for it; AWS knows whose credentials wrote to the table.
        #[serde(rename = "claimed_by")]
        by: String,
        /// The id of the command's item.
        command: String,
    },
    /// Whoever sent a signal: the kernel does not tell whom.
    Signal {
        /// Its name, such as `SIGHUP`.
        signal: &'static str,
    },
}

/// A process at the other end of the admin socket, as the kernel knew it when it connected (`SO_PEERCRED`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Peer {
    /// Its user.
    #[serde(rename = "peer_uid")]
    pub uid: u32,
    /// Its group.
    #[serde(rename = "peer_gid")]
    pub gid: u32,
    /// Its id; not known across containers.
    #[serde(rename = "peer_pid", skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The name of its user, where the machine knows one.
    #[serde(rename = "peer_user", skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// The process of a command, as the kernel knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Operator {
    /// Its user, who is not always the one who typed the command: `sudo` changes it.
    #[serde(rename = "operator_uid")]
    pub uid: u32,
    /// Its group.
    #[serde(rename = "operator_gid")]
    pub gid: u32,
    /// Its id.
    #[serde(rename = "operator_pid")]
    pub pid: u32,
    /// The name of its user, where the machine knows one.
    #[serde(rename = "operator_user", skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The user who logged in, whom `sudo` does not change; nothing where the machine does not note that.
    #[serde(rename = "operator_login_uid", skip_serializing_if = "Option::is_none")]
    pub login_uid: Option<u32>,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.user {
            Some(user) => f.write_str(user),
            None => write!(f, "uid {}", self.uid),
        }
    }
}

/// What is changed: a command by its name on the command line, a call by its name in AWS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Change {
    /// A rotation is asked for.
    #[serde(rename = "rotate")]
    Rotate,
    /// A pause is asked for.
    #[serde(rename = "pause")]
    Pause,
    /// The end of a pause or halt is asked for.
    #[serde(rename = "resume")]
    Resume,
    /// A rollback is asked for.
    #[serde(rename = "rollback")]
    Rollback,
    /// A reload of the configuration is asked for.
    #[serde(rename = "reload")]
    Reload,
    /// Another log level is asked for, for a while.
    #[serde(rename = "log-level")]
    LogLevel,
    /// A user and its secret are onboarded.
    #[serde(rename = "onboard")]
    Onboard,
    /// A secret is taken over.
    #[serde(rename = "takeover")]
    Takeover,
    /// An empty store is filled with what another held.
    #[serde(rename = "state import")]
    StateImport,
    /// The table for records is created, or completed.
    #[serde(rename = "state init-table")]
    StateInitTable,
    /// A user is created.
    CreateUser,
    /// A secret is created.
    CreateSecret,
    /// A secret gets tags.
    TagResource,
    /// A user joins a group.
    ModifyUserGroup,
    /// Secrets Manager rotates a secret no more.
    CancelRotateSecret,
    /// A version is put under AWSPENDING.
    PutSecretValue,
    /// A staging label moves.
    UpdateSecretVersionStage,
    /// A user gets other passwords, or another access string.
    ModifyUser,
}

impl Change {
    /// Its name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Rollback => "rollback",
            Self::Reload => "reload",
            Self::LogLevel => "log-level",
            Self::Onboard => "onboard",
            Self::Takeover => "takeover",
            Self::StateImport => "state import",
            Self::StateInitTable => "state init-table",
            Self::CreateUser => "CreateUser",
            Self::CreateSecret => "CreateSecret",
            Self::TagResource => "TagResource",
            Self::ModifyUserGroup => "ModifyUserGroup",
            Self::CancelRotateSecret => "CancelRotateSecret",
            Self::PutSecretValue => "PutSecretValue",
            Self::UpdateSecretVersionStage => "UpdateSecretVersionStage",
            Self::ModifyUser => "ModifyUser",
        }
    }
}

/// What came of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is announced, and follows unless the process dies.
    Begun,
    /// What was asked for is stored, and will be done.
    Accepted,
    /// What was asked for was refused: nothing was changed.
    Refused,
    /// It was made.
    Done,
    /// AWS refused it: it was not made.
    Failed,
    /// Nobody knows: no answer came.
    Unknown,
}

impl Outcome {
    /// Its name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// What a change is about.
#[derive(Clone, PartialEq, Default, Debug, Serialize)]
pub struct Subject {
    /// The step of a rotation that makes the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// The policy of the secret, or the one that a command names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The place of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The secret, by ARN; by name where a command that is announced or refused names it so, and until it is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The ElastiCache user, by ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The version that is made, that a label goes to or leaves, or whose password a user gets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The version that a label leaves for the other, or whose password the user keeps or loses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// The staging label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<&'static str>,
    /// What a command was given: its selection and its options; of a call of a command, what it sets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<serde_json::Value>,
}
