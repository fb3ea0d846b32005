//! What the tests of a preflight's pure parts stand on.

use crate::aws::{AwsError, ErrorClass};
use crate::config;
use crate::policy::Policy;

use super::advice::Names;

/// A policy `orders` with an overlap of a day.
pub(super) fn policy() -> Policy {
    let text = "[aws.main]\nregion = \"us-east-1\"\n[policy.orders]\naws = \"main\"\nschedule = \"30d\"\noverlap = \"24h\"\n\
                secrets = [\"orders/user1\"]\nallow_users = [\"user1\"]\n";
    let loaded = config::parse_str("test", text).expect("a configuration");
    loaded.config.policies.into_values().next().expect("a policy")
}

pub(super) fn names(policy: &Policy) -> Names<'_> {
    Names {
        secret: "orders/user1",
        policy,
        region: "us-east-1",
        account: "123456789012",
        user: Some("user1"),
    }
}

pub(super) fn error(operation: &'static str, resource: &str, code: &str, class: ErrorClass) -> AwsError {
    AwsError {
        class,
        operation,
        resource: resource.to_owned(),
        code: code.to_owned(),
        message: "in AWS's words".to_owned(),
        retry_after: None,
    }
}
