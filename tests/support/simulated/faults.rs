//! What can go wrong for one process: at one of its calls to AWS, or at one write of its store.

use rekeyd::store::StoreError;
use rekeyd_sandbox::{ApiError, CallError, Operation, Service};

/// At which of its own changes of the world a process dies. [`CallFault`] counts reads too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CrashPoint {
    /// When it is about to send its n-th request that changes something, counted from 1.
    BeforeRequest(u64),
    /// When that request has been carried out, and the answer is on its way.
    AfterRequest(u64),
    /// When it is about to write its store for the n-th time.
    BeforeSave(u64),
    /// When that write is on disk.
    AfterSave(u64),
}

/// Something goes wrong at one of a process's calls to AWS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CallFault {
    /// Which of its calls, reads and writes alike, counted from 1 at its start.
    pub call: u64,
    pub kind: CallFaultKind,
}

/// What goes wrong at a call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CallFaultKind {
    /// The process dies before it sends.
    CrashBefore,
    /// The process dies when AWS has carried the call out.
    CrashAfter,
    /// Carried out; the connection closes without an answer.
    ReplyLost,
    /// AWS asks for fewer requests.
    Throttled,
    /// HTTP 500; not carried out.
    ServerError,
    /// Not carried out, and no answer within the time that the SDK waits.
    TimeoutBefore,
    /// Carried out, and no answer within that time.
    TimeoutAfter,
    /// AWS refuses it because of the state in which it finds the resource: see [`wrong_state`].
    WrongState,
    /// The process is stopped just before it sends, for longer than AWS takes a signature for
    /// fresh, and then sends what it signed before.
    StallBefore,
    /// The process is stopped for as long when the answer arrives, before it acts on it.
    StallAfter,
}

impl CallFaultKind {
    pub const ALL: [Self; 10] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::ReplyLost,
        Self::Throttled,
        Self::ServerError,
        Self::TimeoutBefore,
        Self::TimeoutAfter,
        Self::WrongState,
        Self::StallBefore,
        Self::StallAfter,
    ];

    /// What stands in the way of the call, for kinds with which it is not carried out.
    pub(super) fn obstacle<O: Operation>(self) -> Option<CallError> {
        match self {
            Self::Throttled => Some(ApiError::throttled(O::SERVICE).into()),
            Self::ServerError => {
                let code = match O::SERVICE {
                    Service::SecretsManager => "InternalServiceError",
                    Service::ElastiCache => "InternalFailure",
                };
                Some(ApiError::with_status(500, code, "An error occurred on the server side.").into())
            }
            Self::TimeoutBefore => Some(CallError::Hang),
            Self::WrongState => Some(wrong_state(O::NAME).into()),
            _ => None,
        }
    }

    /// What becomes of the answer to a call that was carried out.
    pub(super) fn answer<T>(self, result: Result<T, CallError>) -> Result<T, CallError> {
        match self {
            Self::ReplyLost => Err(CallError::ReplyLost),
            Self::TimeoutAfter => Err(CallError::Hang),
            _ => result,
        }
    }
}

/// How a service refuses an operation because of the state of its resource.
///
/// - `ModifyUser`: InvalidUserState, which a change of the user's group or a tag causes at any moment.
/// - Reads of ElastiCache declare no state to be wrong; the nearest is that what there is cannot be
///   found, as with users whose tags have just changed.
/// - Reads of Secrets Manager lag, so that what was just written cannot be found.
/// - `PutSecretValue` is refused for secrets marked for deletion, `UpdateSecretVersionStage` for
///   labels that are elsewhere; both with InvalidRequestException. Neither is so, as a later look shows.
pub fn wrong_state(operation: &str) -> ApiError {
    match operation {
        "ModifyUser" => ApiError::bad_request(
            "InvalidUserState",
            "The user has status modifying. Only active users can be modified.",
        ),
        "DescribeUsers" => ApiError::not_found("UserNotFound", "The user is not available."),
        "DescribeUserGroups" => ApiError::not_found("UserGroupNotFound", "The user group is not available."),
        "DescribeReplicationGroups" => ApiError::not_found(
            "ReplicationGroupNotFoundFault",
            "The replication group is not available.",
        ),
        "DescribeCacheClusters" => ApiError::not_found("CacheClusterNotFound", "The cache cluster is not available."),
        "DescribeServerlessCaches" => {
            ApiError::not_found("ServerlessCacheNotFoundFault", "The serverless cache is not available.")
        }
        "PutSecretValue" | "UpdateSecretVersionStage" => ApiError::bad_request(
            "InvalidRequestException",
            "The secret is in a state in which this cannot be done.",
        ),
        _ => ApiError::bad_request(
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value.",
        ),
    }
}

/// Something goes wrong at one write of a process's store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SaveFault {
    /// Which of its writes, counted from 1 at its start.
    pub save: u64,
    pub kind: SaveFaultKind,
}

/// What goes wrong at a write of the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SaveFaultKind {
    /// The process dies before it writes.
    CrashBefore,
    /// The process dies when it has written.
    CrashAfter,
    /// Not written: the device fails.
    Fails,
    /// Not written: the disk is full.
    Full,
    /// Written, and yet the write is said to have failed.
    FailsAfter,
}

impl SaveFaultKind {
    pub const ALL: [Self; 5] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::Fails,
        Self::Full,
        Self::FailsAfter,
    ];

    /// Whether the process ends with it.
    pub fn is_fatal(self) -> bool {
        matches!(self, Self::CrashBefore | Self::CrashAfter)
    }
}

/// What is wrong with a disk that cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskTrouble {
    /// The device fails.
    Broken,
    /// No space is left.
    Full,
    /// It is mounted read-only.
    ReadOnly,
    /// The device fails at so many of a hundred writes; chance has it which.
    Flaky { percent: u32 },
}

impl DiskTrouble {
    /// What the store says of it, in SQLite's words.
    pub(super) fn error(self) -> StoreError {
        let cause = match self {
            Self::Broken | Self::Flaky { .. } => "disk I/O error",
            Self::Full => "database or disk is full",
            Self::ReadOnly => "attempt to write a readonly database",
        };
        StoreError::Failed {
            location: "simulated disk".to_owned(),
            action: "writing a record",
            cause: cause.to_owned(),
        }
    }
}
