//! Calls that AWS denies to whoever runs a command with credentials of their own.

use crate::aws::{AwsError, ErrorClass};
use crate::iam::Purpose;

/// An error in words, with what to do where a right is missing.
pub(super) fn told(error: &AwsError, purpose: Purpose) -> String {
    let is_a_right = error.code.starts_with("AccessDenied") || error.class == ErrorClass::Kms;
    match is_a_right {
        true => format!("{error}; `rekeyd iam-policy --for {purpose}` prints all that this command needs"),
        false => error.to_string(),
    }
}
