//! STS's GetCallerIdentity, which Terraform and people ask before anything else: who the access key is.
//!
//! It needs no state and no permission (botocore model of sts, GetCallerIdentity: "No permissions are required"), so it
//! is answered at the door: no fault, quota or policy meets it, and neither counts nor the control log have it.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::call;
use crate::core::CallContext;
use crate::core::account::partition_of;

/// The operation.
pub(super) const ACTION: &str = "GetCallerIdentity";

/// The namespace of its replies (botocore model of sts).
pub(super) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// What an id of an IAM user begins with ("IAM identifiers" in the IAM guide).
const USER: &str = "AIDA";

/// The caller: an IAM user of the account, named after the access key.
pub(super) fn of(ctx: &CallContext) -> Value {
    call::log(ctx, ("sts", ACTION), None, None, TimeDelta::zero());
    let name: String = ctx.access_key.chars().filter(|c| named(*c)).take(64).collect();
    let name = if name.is_empty() { "anonymous" } else { &name };
    let (account, partition) = (&ctx.account, partition_of(&ctx.region));
    json!({
        "Arn": format!("arn:{partition}:iam::{account}:user/{name}"),
        "UserId": format!("{USER}{}", name.to_ascii_uppercase()),
        "Account": account,
    })
}

/// What the name of an IAM user may have in it (IAM quotas page, "IAM name requirements").
fn named(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+=,.@_-".contains(c)
}
