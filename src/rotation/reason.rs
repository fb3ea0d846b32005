//! Why a secret halts, waits, needs attention, is unproven, or has drifted: closed sets, whose labels
//! are public in metrics and status.

use serde::{Deserialize, Serialize};

/// Declares a closed set of reasons: the variant, its public label, and one sentence that says
/// what it means and what to do.
macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $label:literal: $meaning:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum $name {
            $(#[doc = $meaning] #[serde(rename = $label)] $variant,)+
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in status and metrics.
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// What it means and what to do, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.label())
            }
        }
    };
}

reasons! {
    /// Why nothing is changed until the observation changes or an operator resumes.
    HaltReason {
        SecretDeleted = "secret_deleted": "The secret is marked for deletion; restore it or drop it from the policy.",
        SecretReplicated = "secret_replicated": "The secret is replicated to other regions, whose users would lack the new password; remove the replicas.",
        GlobalDatastore = "global_datastore": "A cache of the user belongs to a global datastore, whose other regions would lack the new password.",
        NoTransitEncryption = "no_transit_encryption": "A cache of the user has no in-transit encryption, so a login would send the password in clear.",
        RotationEnabled = "rotation_enabled": "Secrets Manager itself rotates this secret; two rotators would overwrite each other. `rekeyd takeover` takes it over.",
        OwnedByService = "owned_by_service": "Another AWS service owns and manages this secret.",
        NoCurrentVersion = "no_current_version": "No version carries AWSCURRENT; put a value into the secret.",
        SecretBinary = "secret_binary": "The value is binary; store the document as SecretString.",
        SecretNotJson = "secret_not_json": "The value is not one JSON object with each key once.",
        UserArnMissing = "user_arn_missing": "The document lacks `user_arn`, which names the user.",
        UserArnInvalid = "user_arn_invalid": "`user_arn` is not the ARN of an ElastiCache user.",
        SelectedTwice = "selected_twice": "Several policies select this secret, so none of them rotates it; what one of them began it finishes. Leave the secret in one policy.",
        UserArnOtherPartition = "user_arn_other_partition": "`user_arn` names another partition (aws, aws-cn, aws-us-gov) than the one of the policy's region.",
        UserArnOtherRegion = "user_arn_other_region": "`user_arn` names another region than the policy's place.",
        UserArnOtherAccount = "user_arn_other_account": "`user_arn` names another account than the secret's.",
        UsernameMissing = "username_missing": "The document lacks `username`, the name that clients log in with.",
        PasswordInvalid = "password_invalid": "`password` is no string, or empty.",
        UserNotAllowed = "user_not_allowed": "The policy's allow_users does not cover this user.",
        UserClaimedTwice = "user_claimed_twice": "Another secret names the same user; each user needs one secret.",
        UserArnMismatch = "user_arn_mismatch": "ElastiCache knows the user of that id under another ARN: these credentials belong to another account.",
        UsernameMismatch = "username_mismatch": "The secret's `username` is not the name of the user that `user_arn` names.",
        UserIsIam = "user_is_iam": "The user logs in with IAM and takes no password.",
        UserIsDefault = "user_is_default": "The user is named `default`; set allow_default_user to rotate it.",
        UserPasswordless = "user_passwordless": "The secret holds a password, but the user takes none or any.",
        FirstPasswordLiveUser = "first_password_live_user": "The secret has no password and the user may be in use: a first password would cut its clients. Switch the user off, or set first_password = \"any\".",
        UnknownPassword = "unknown_password": "The user has a password that no labelled version of the secret holds; the next change would drop it.",
        CurrentPasswordRefused = "current_password_refused": "Drift: the password under AWSCURRENT no longer logs in everywhere; somebody else changed the user.",
        RepairsUndone = "repairs_undone": "Drift was repaired three times within a day and came back each time: another writer, such as Terraform, keeps changing the user. Stop it, then resume.",
        ForeignPending = "foreign_pending": "AWSPENDING is on a version that rekeyd did not make from the current one; another rotator is at work.",
        RolledBack = "rolled_back": "Somebody moved AWSCURRENT back to the previous version; resume to rotate on from there.",
        PendingUnreadable = "pending_unreadable": "The pending version is not a secret document with a password.",
        PendingUserChanged = "pending_user_changed": "The pending version names another user than the current one.",
        AttemptsExhausted = "attempts_exhausted": "max_attempts pending passwords in a row had to be given up; resume to allow more.",
    }
}

reasons! {
    /// Why a person should look, although retries go on by themselves.
    AttentionReason {
        NodeLagging = "node_lagging": "A node has not learnt the new password within propagation_timeout.",
        NodeUnreachable = "node_unreachable": "A node that ElastiCache calls available cannot be reached.",
        TlsFailed = "tls_failed": "A node answers, but no TLS connection to it can be agreed on; its certificate or the policy's `tls` is at fault.",
        NodeUnavailable = "node_unavailable": "ElastiCache calls a node not available, so the previous password cannot be retired.",
        NodesChanging = "nodes_changing": "The user's caches have been changing for longer than propagation_timeout, so their nodes cannot be proved.",
        StillModifying = "still_modifying": "The user has been `modifying` for longer than propagation_timeout.",
        StatusUnsettled = "status_unsettled": "ElastiCache's status and password count have not settled within propagation_timeout.",
        AcceptsAnyPassword = "accepts_any_password": "A node accepts any password for this user, so nothing can be proved.",
        PreviousStillAccepted = "previous_still_accepted": "A node still accepts the previous password after its retirement.",
        UserNotFound = "user_not_found": "ElastiCache knows no user of that id.",
        UserDeleting = "user_deleting": "The user is being deleted.",
        SecretNotFound = "secret_not_found": "Secrets Manager knows no such secret or version.",
        AccessDenied = "access_denied": "AWS denied a call; grant rekeyd's role the actions that it names.",
        KmsUnavailable = "kms_unavailable": "The secret's KMS key cannot be used.",
        QuotaExceeded = "quota_exceeded": "An AWS quota is used up.",
        RequestRefused = "request_refused": "AWS refused a request as invalid.",
        RequestExpired = "request_expired": "AWS refused a request as too old: this machine's clock is off, or it stalls.",
        Throttled = "throttled": "AWS keeps throttling.",
        AwsUnavailable = "aws_unavailable": "AWS does not answer, or answers with server errors.",
        StoreFailed = "store_failed": "rekeyd's own store cannot be written, so nothing is changed.",
        AuditFailed = "audit_failed": "The audit log cannot be written, so nothing is changed.",
        InternalError = "internal_error": "rekeyd failed in a way that it should not; please report what the log says.",
    }
}

reasons! {
    /// Why a password that was promoted is not called proved.
    UnprovenReason {
        UserOff = "user_off": "The user is off and refuses every login.",
        NoEndpoints = "no_endpoints": "The user is in no group with a cache.",
        NodeUnavailable = "node_unavailable": "ElastiCache called a node not available.",
        ApiOnly = "api_only": "The policy verifies over the API only.",
    }
}

reasons! {
    /// Why AWSCURRENT is not moved back although an operator asked for it.
    RollbackRefusal {
        NothingPrevious = "nothing_previous": "No version carries AWSPREVIOUS: there is nothing to go back to.",
        NotDerived = "not_derived": "rekeyd did not make the current version from the previous one, so it does not know what the one replaced.",
        AlreadyRolledBack = "already_rolled_back": "AWSCURRENT is back already; `rekeyd resume` rotates on from there.",
        MovedOn = "moved_on": "AWSCURRENT is on another version than when the rollback was asked for; look at `rekeyd status`, and ask again.",
        PreviousUnusable = "previous_unusable": "The previous version is no document with a password for the same user.",
        RotationPending = "rotation_pending": "A rotation is under way; wait until it is promoted.",
        RetirementBegun = "retirement_begun": "The previous password is being removed, or is gone: rotate instead.",
        RevocationOpen = "revocation_open": "`--revoke-previous` was asked for: the previous password is to die, and must not become current.",
        OverlapEnding = "overlap_ending": "Less than the fence is left of the overlap, so another rekeyd may be about to remove the previous password. `--now` passes over it, if no other is at work.",
        WriteInDoubt = "write_in_doubt": "A write was sent and never answered, and may still remove the previous password. Wait for the fence, or pass over it with `--now`.",
        PreviousRefused = "previous_refused": "A node refuses the previous password: its clients would be locked out.",
        PasswordCount = "password_count": "The user does not have the two passwords of an overlap.",
        Halted = "halted": "The secret or its user cannot be worked on; the halt's own reason is in the detail.",
    }
}

reasons! {
    /// What a rotation in progress waits for.
    WaitReason {
        Modifying = "modifying": "The user is being modified.",
        StatusUnsettled = "status_unsettled": "ElastiCache does not show the change yet.",
        Settling = "settling": "A change that no login can prove must look settled for a while.",
        NodeLagging = "node_lagging": "A node has not learnt the new password yet.",
        NodeUnreachable = "node_unreachable": "A node cannot be reached.",
        TlsFailed = "tls_failed": "A node's certificate is not trusted, or it does not speak TLS.",
        NodeUnavailable = "node_unavailable": "ElastiCache calls a node not available.",
        NodesChanging = "nodes_changing": "The list of nodes changed during the proof, or is not whole yet.",
        AcceptsAnyPassword = "accepts_any_password": "A node still accepts any password.",
        PreviousStillAccepted = "previous_still_accepted": "A node still accepts the previous password.",
        UserDeleting = "user_deleting": "The user is being deleted.",
        StaleObservation = "stale_observation": "The observation grew too old to write on.",
    }
}

reasons! {
    /// Why the current password, which worked, does not log in on every node any more, or why that
    /// cannot be told.
    DriftCause {
        Overwritten = "overwritten": "Every node refuses the current password and the previous one: somebody gave the user other passwords.",
        PreviousAccepted = "previous_accepted": "Every node refuses the current password, and the previous one logs in: the user was put back, or the secret was edited.",
        NodeOutOfStep = "node_out_of_step": "Some nodes accept the current password and others refuse it: the nodes do not agree.",
        UserOff = "user_off": "The user was on when its password was last proved, and is switched off now.",
        Passwordless = "passwordless": "The user takes no password any more, so any would be accepted.",
        IamAuthentication = "iam_authentication": "The user logs in with IAM now.",
        UserRenamed = "user_renamed": "The user of that id has another name now.",
        UserDeleted = "user_deleted": "The user is gone, or is being deleted.",
        NodeUnavailable = "node_unavailable": "ElastiCache calls a node not available, so it was not asked.",
        Network = "network": "A node does not answer: no route, no connection, no name, or no answer in time.",
        Tls = "tls": "A node answers, and no TLS connection to it comes about.",
        AwsAccessLost = "aws_access_lost": "AWS denies rekeyd a call or the secret's key.",
    }
}

impl DriftCause {
    /// What a halt says of a user whose password worked before.
    pub fn of_halt(reason: HaltReason) -> Option<Self> {
        match reason {
            HaltReason::UserPasswordless => Some(Self::Passwordless),
            HaltReason::UserIsIam => Some(Self::IamAuthentication),
            HaltReason::UsernameMismatch => Some(Self::UserRenamed),
            _ => None,
        }
    }

    /// What trouble that passes by itself says of it.
    pub fn of_attention(reason: AttentionReason) -> Option<Self> {
        match reason {
            AttentionReason::NodeUnreachable => Some(Self::Network),
            AttentionReason::TlsFailed => Some(Self::Tls),
            AttentionReason::NodeUnavailable => Some(Self::NodeUnavailable),
            AttentionReason::UserNotFound | AttentionReason::UserDeleting => Some(Self::UserDeleted),
            AttentionReason::AccessDenied | AttentionReason::KmsUnavailable => Some(Self::AwsAccessLost),
            _ => None,
        }
    }

    /// Whether setting the user's passwords anew heals it.
    pub fn heals_by_repair(self) -> bool {
        matches!(self, Self::Overwritten | Self::PreviousAccepted | Self::NodeOutOfStep)
    }
}

reasons! {
    /// Why a policy's due secrets do not begin.
    HoldReason {
        Canary = "canary": "They wait for the proof of the one that goes first.",
        MaxAttention = "max_attention": "More of the policy's secrets are in trouble than `max_attention` allows.",
    }
}

impl HaltReason {
    /// Whether an operator's word ends it. The others end when the observation changes, and a
    /// resume only looks again.
    pub fn may_be_passed(self) -> bool {
        matches!(self, Self::RolledBack | Self::AttemptsExhausted | Self::RepairsUndone)
    }
}

impl WaitReason {
    /// What it becomes when it lasts longer than the policy's `propagation_timeout`.
    pub fn overdue(self) -> AttentionReason {
        match self {
            Self::Modifying => AttentionReason::StillModifying,
            Self::StatusUnsettled | Self::Settling | Self::StaleObservation => AttentionReason::StatusUnsettled,
            Self::NodeLagging => AttentionReason::NodeLagging,
            Self::NodeUnreachable => AttentionReason::NodeUnreachable,
            Self::TlsFailed => AttentionReason::TlsFailed,
            Self::NodeUnavailable => AttentionReason::NodeUnavailable,
            Self::NodesChanging => AttentionReason::NodesChanging,
            Self::AcceptsAnyPassword => AttentionReason::AcceptsAnyPassword,
            Self::PreviousStillAccepted => AttentionReason::PreviousStillAccepted,
            Self::UserDeleting => AttentionReason::UserDeleting,
        }
    }
}
