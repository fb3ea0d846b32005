//! Switches for behaviour that nobody outside AWS knows.

use serde::{Deserialize, Serialize};

/// Each field is a question that no document answers; its default is the reading that there is most reason for.
/// [`switches`](fn@super::switches) lists them with their other sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Doubts {
    /// The code when RemoveFromVersionId names a version that does not hold the label. Only the
    /// missing parameter has been observed, as InvalidParameterException.
    pub wrong_remove_from_code: WrongRemoveFromCode,
    /// What ModifyUser does while another user of the same group is being changed.
    pub group_collisions: GroupCollisions,
    /// Whether a user group reads `modifying` while one of its users is being changed. (The RBAC guide says that
    /// such a change updates the user's groups and their caches, and no more.)
    pub group_modifying_with_user: bool,
    /// The same for the replication groups that the user group is given to.
    pub cache_modifying_with_user: bool,
    /// Whether ModifyUser with the passwords that the user has already, and nothing else new, makes it `modifying`.
    pub unchanged_passwords_modify: bool,
    /// What becomes of the same password given twice.
    pub equal_passwords: EqualPasswords,
    /// Which AUTH tokens ModifyReplicationGroup takes with the strategy SET.
    pub set_auth_token: SetAuthToken,
    /// How replies spell the authentication type of a user without password.
    pub no_password_spelling: NoPasswordSpelling,
    /// After so many milliseconds the service takes AWSPENDING off the version that has become AWSCURRENT. It does
    /// so after a rotation of its own; whether it ever does without one is not known.
    pub pending_label_swept_after_ms: Option<u64>,
    /// For so long after labels moved, reads find them where they were before. Writes act on the truth.
    pub stale_labels_ms: u64,
    /// For so long after a version was put, it is not found by its id and left out where versions are listed.
    pub new_version_hidden_ms: u64,
    /// ListSecrets shows secrets as they were so many milliseconds ago.
    pub list_secrets_lag_ms: u64,
    /// Whether UpdateSecretVersionStage sets LastChangedDate.
    pub label_move_changes_last_changed_date: bool,
    /// Whether moving AWSCURRENT sets LastRotatedDate, on a secret whose rotation is enabled.
    pub label_move_sets_last_rotated_date: bool,
    /// Whether RotateSecret takes cron expressions with lists and ranges of hours.
    pub cron_hour_lists: bool,
}

impl Default for Doubts {
    fn default() -> Self {
        Self {
            wrong_remove_from_code: WrongRemoveFromCode::InvalidParameterException,
            group_collisions: GroupCollisions::Allowed,
            group_modifying_with_user: false,
            cache_modifying_with_user: false,
            unchanged_passwords_modify: true,
            equal_passwords: EqualPasswords::Merged,
            set_auth_token: SetAuthToken::Any,
            no_password_spelling: NoPasswordSpelling::Hyphen,
            pending_label_swept_after_ms: None,
            stale_labels_ms: 0,
            new_version_hidden_ms: 0,
            list_secrets_lag_ms: 0,
            label_move_changes_last_changed_date: true,
            label_move_sets_last_rotated_date: false,
            cron_hour_lists: true,
        }
    }
}

/// The code when RemoveFromVersionId names a version that does not hold the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WrongRemoveFromCode {
    /// As for a parameter that is missing.
    InvalidParameterException,
    /// As for a request that the secret's state does not allow.
    InvalidRequestException,
}

impl WrongRemoveFromCode {
    /// The code on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidParameterException => "InvalidParameterException",
            Self::InvalidRequestException => "InvalidRequestException",
        }
    }
}

/// What ModifyUser does while another user of the same group is being changed. The operation's model does not
/// declare InvalidUserGroupState, and no report of a failure is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupCollisions {
    /// Both changes go ahead.
    Allowed,
    /// InvalidUserState.
    RefusedAsUserState,
    /// InvalidUserGroupState.
    RefusedAsGroupState,
}

/// What becomes of the same password given twice in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EqualPasswords {
    /// PasswordCount counts it once.
    Merged,
    /// PasswordCount counts it twice.
    Counted,
    /// InvalidParameterValue.
    Refused,
}

/// Which AUTH tokens ModifyReplicationGroup takes with the strategy SET. The guide and the botocore model allow the one
/// of the last ROTATE; users of Terraform's provider set a first one as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetAuthToken {
    /// Any.
    Any,
    /// That of the last ROTATE; any where user groups go.
    RotatedOnly,
}

/// How replies spell the authentication type of a user without password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoPasswordSpelling {
    /// As in the botocore model.
    #[serde(rename = "no-password")]
    Hyphen,
    /// As in a sample of the guide "Automatically rotating passwords for users".
    #[serde(rename = "no_password")]
    Underscore,
}
