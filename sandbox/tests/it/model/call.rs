//! What a generated sequence is made of: plain data, printed and read back as JSON.

use rekeyd_sandbox::FaultKind;
use serde::{Deserialize, Serialize};

/// A world and what happens in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    pub world: World,
    pub steps: Vec<Step>,
}

/// What is set before the first step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// The shortest and the longest time in milliseconds that a change takes to `rg0-001`, `rg0-002` and `rg1-001`.
    pub delays: [(u64, u64); 3],
    /// The group that the second cache, `rg1`, is given to; the first has `g0`. Without one there is no second cache.
    pub second_cache: Option<String>,
    pub detached_modifying_ms: u64,
    pub group_busy: bool,
    pub enforce_password_characters: bool,
    pub wrong_remove_from_code: String,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// A call, perhaps hit by a fault.
    Call(Call, #[serde(default)] Option<FaultKind>),
    /// Time passes, in milliseconds.
    Wait(u64),
    /// Somebody logs in to a node.
    Login {
        node: String,
        name: String,
        password: String,
    },
}

/// Which version a call names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Version {
    Id(String),
    /// The one that has this label when the call is made; one that nobody has, if there is none.
    HolderOf(String),
}

/// The secret that a call is about: a name, or `arn of` and a name.
pub type SecretRef = String;

/// A call. Absent parameters are not sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Call {
    CreateSecret {
        name: String,
        token: Option<String>,
        value: Option<String>,
    },
    PutSecretValue {
        secret: SecretRef,
        token: Option<String>,
        value: String,
        stages: Option<Vec<String>>,
    },
    UpdateSecret {
        secret: SecretRef,
        token: Option<String>,
        value: Option<String>,
        description: Option<String>,
    },
    UpdateSecretVersionStage {
        secret: SecretRef,
        stage: String,
        remove_from: Option<Version>,
        move_to: Option<Version>,
    },
    GetSecretValue {
        secret: SecretRef,
        version: Option<Version>,
        stage: Option<String>,
    },
    DescribeSecret {
        secret: SecretRef,
    },
    ListSecretVersionIds {
        secret: SecretRef,
        include_deprecated: bool,
    },
    DeleteSecret {
        secret: SecretRef,
        recovery_days: Option<i64>,
        force: bool,
    },
    RestoreSecret {
        secret: SecretRef,
    },
    TagResource {
        secret: SecretRef,
        key: String,
        value: String,
    },
    UntagResource {
        secret: SecretRef,
        key: String,
    },
    CreateUser {
        user: String,
        name: String,
        access: String,
        auth: Auth,
    },
    ModifyUser {
        user: String,
        access: Option<String>,
        append: Option<String>,
        auth: Option<Auth>,
    },
    DescribeUsers {
        user: Option<String>,
    },
    DeleteUser {
        user: String,
    },
    CreateUserGroup {
        group: String,
        users: Vec<String>,
    },
    ModifyUserGroup {
        group: String,
        add: Vec<String>,
        remove: Vec<String>,
    },
    DescribeUserGroups {
        group: Option<String>,
    },
    DeleteUserGroup {
        group: String,
    },
}

/// The parameters about passwords, which there are two ways to give.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Auth {
    pub passwords: Vec<String>,
    pub no_password: bool,
    /// Through `AuthenticationMode` instead of `Passwords` and `NoPasswordRequired`.
    pub by_mode: bool,
}

/// The names of all operations that sequences call.
pub const OPERATIONS: [&str; 19] = [
    "CreateSecret",
    "PutSecretValue",
    "UpdateSecret",
    "UpdateSecretVersionStage",
    "GetSecretValue",
    "DescribeSecret",
    "ListSecretVersionIds",
    "DeleteSecret",
    "RestoreSecret",
    "TagResource",
    "UntagResource",
    "CreateUser",
    "ModifyUser",
    "DescribeUsers",
    "DeleteUser",
    "CreateUserGroup",
    "ModifyUserGroup",
    "DescribeUserGroups",
    "DeleteUserGroup",
];

/// Whether an operation is of Secrets Manager; else it is of ElastiCache.
pub fn is_about_secrets(operation: &str) -> bool {
    OPERATIONS[..11].contains(&operation)
}

impl Call {
    /// The operation's name: also the variant's.
    pub fn operation(&self) -> &'static str {
        match self {
            Self::CreateSecret { .. } => "CreateSecret",
            Self::PutSecretValue { .. } => "PutSecretValue",
            Self::UpdateSecret { .. } => "UpdateSecret",
            Self::UpdateSecretVersionStage { .. } => "UpdateSecretVersionStage",
            Self::GetSecretValue { .. } => "GetSecretValue",
            Self::DescribeSecret { .. } => "DescribeSecret",
            Self::ListSecretVersionIds { .. } => "ListSecretVersionIds",
            Self::DeleteSecret { .. } => "DeleteSecret",
            Self::RestoreSecret { .. } => "RestoreSecret",
            Self::TagResource { .. } => "TagResource",
            Self::UntagResource { .. } => "UntagResource",
            Self::CreateUser { .. } => "CreateUser",
            Self::ModifyUser { .. } => "ModifyUser",
            Self::DescribeUsers { .. } => "DescribeUsers",
            Self::DeleteUser { .. } => "DeleteUser",
            Self::CreateUserGroup { .. } => "CreateUserGroup",
            Self::ModifyUserGroup { .. } => "ModifyUserGroup",
            Self::DescribeUserGroups { .. } => "DescribeUserGroups",
            Self::DeleteUserGroup { .. } => "DeleteUserGroup",
        }
    }
}
