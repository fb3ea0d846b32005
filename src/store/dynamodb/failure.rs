//! What a failed request of a table means.
//!
//! Source: DynamoDB developer guide, "Error handling with DynamoDB", and the Common Errors page of its API reference.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::error::ConditionalCheckFailedException;

use super::item;
use crate::aws::{AwsError, ErrorClass, Operation};
use crate::store::table::TableError;

/// What DynamoDB says to requests that name other keys than the table's.
const OTHER_KEYS: [&str; 5] = [
    "does not match the schema",
    "does not match schema",
    "missed key schema element",
    "Type mismatch for key",
    "required keys was not given",
];

/// A request that failed.
pub(super) fn of(error: AwsError) -> TableError {
    let cause = error.to_string();
    let refused = |advice: &str| TableError::Refused {
        cause: cause.clone(),
        advice: advice.to_owned(),
    };
    match error.class {
        ErrorClass::Throttled => TableError::Throttled { cause },
        // Without credentials nothing is sent.
        ErrorClass::Unavailable if error.lacks_credentials() => TableError::Failed { cause },
        ErrorClass::Unavailable => TableError::Unanswered { cause },
        ErrorClass::Conflict => TableError::NotAsWanted { stored: None },
        ErrorClass::NotFound => refused(
            "create the table with `rekeyd state init-table`, or correct `daemon.state`, `daemon.state_aws` or that \
             place's region",
        ),
        ErrorClass::Denied if error.lacks_credentials() => refused("the place is the one of `daemon.state_aws`"),
        ErrorClass::Denied => refused(
            "allow dynamodb:GetItem, Query, UpdateItem and DeleteItem on the table: `rekeyd iam-policy` prints the \
             statement",
        ),
        ErrorClass::Kms => refused("let this role use the KMS key of the table"),
        ErrorClass::Expired => refused("set this machine's clock right"),
        ErrorClass::Invalid if OTHER_KEYS.iter().any(|words| error.message.contains(words)) => refused(
            "the table has other keys than rekeyd's: name another in `daemon.state`, or let `rekeyd state init-table` \
             create one",
        ),
        ErrorClass::Busy | ErrorClass::Changing | ErrorClass::Quota | ErrorClass::Invalid => {
            TableError::Failed { cause }
        }
    }
}

/// A service's error that may hold the item whose condition failed.
pub(super) trait MayHoldItem {
    /// That refusal.
    fn refusal(self) -> Option<ConditionalCheckFailedException>;
}

impl MayHoldItem for UpdateItemError {
    fn refusal(self) -> Option<ConditionalCheckFailedException> {
        match self {
            Self::ConditionalCheckFailedException(refusal) => Some(refusal),
            _ => None,
        }
    }
}

impl MayHoldItem for DeleteItemError {
    fn refusal(self) -> Option<ConditionalCheckFailedException> {
        match self {
            Self::ConditionalCheckFailedException(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// A conditional write that failed, with the stored item if the service told of it. A stored item that cannot be read is
/// none.
pub(super) fn of_write(error: AwsError, kept: Option<impl MayHoldItem>, by: Operation) -> TableError {
    match of(error) {
        TableError::NotAsWanted { .. } => {
            let stored = kept.and_then(MayHoldItem::refusal).and_then(|refusal| refusal.item);
            let stored = stored.filter(|stored| !stored.is_empty());
            TableError::NotAsWanted {
                stored: stored.and_then(|stored| item::read(stored, by).ok()).map(Box::new),
            }
        }
        other => other,
    }
}
