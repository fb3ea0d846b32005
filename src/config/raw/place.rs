//! `[aws.NAME]`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Table;
use super::forms::{DURATION, ENDPOINT_URL, REGION, ROLE_ARN, SESSION_NAME};

/// A place to work in: one account and region.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawPlace {
    /// The AWS region, required.
    #[schemars(regex(pattern = REGION), extend("examples" = ["us-east-1", "eu-central-1"]))]
    pub(in crate::config) region: Option<String>,
    /// A profile of AWS's shared configuration. Without one, credentials come from where AWS's tools look for them.
    #[schemars(length(min = 1))]
    pub(in crate::config) profile: Option<String>,
    /// The role to work as.
    #[schemars(regex(pattern = ROLE_ARN), extend("examples" = ["arn:aws:iam::123456789012:role/rekeyd"]))]
    pub(in crate::config) role_arn: Option<String>,
    /// What the role's trust policy wants to see beside `role_arn`.
    #[schemars(length(min = 1))]
    pub(in crate::config) external_id: Option<String>,
    /// What CloudTrail calls the role's sessions; "rekeyd" unless set.
    #[schemars(regex(pattern = SESSION_NAME), extend("default" = "rekeyd"))]
    pub(in crate::config) role_session_name: Option<String>,
    /// How long a session of the role lasts: 15m to 12h, and no longer than the role allows; 1h unless set.
    #[schemars(regex(pattern = DURATION), extend("default" = "1h"))]
    pub(in crate::config) role_session_duration: Option<String>,
    /// true: AWS's endpoints with FIPS cryptography. Unless set, what AWS's shared configuration says.
    pub(in crate::config) use_fips: Option<bool>,
    /// true: AWS's endpoints that answer over IPv6, too. Unless set, what AWS's shared configuration says.
    pub(in crate::config) use_dualstack: Option<bool>,
    /// Where all services but STS answer, if not at their public endpoints. Plain http only to this machine.
    #[schemars(regex(pattern = ENDPOINT_URL), extend("examples" = ["http://127.0.0.1:4566"]))]
    pub(in crate::config) endpoint_url: Option<String>,
    /// Where Secrets Manager answers, instead of `endpoint_url`.
    #[schemars(regex(pattern = ENDPOINT_URL))]
    pub(in crate::config) secrets_manager_endpoint_url: Option<String>,
    /// Where ElastiCache answers, instead of `endpoint_url`.
    #[schemars(regex(pattern = ENDPOINT_URL))]
    pub(in crate::config) elasticache_endpoint_url: Option<String>,
    /// Where EventBridge answers, for notifications only.
    #[schemars(regex(pattern = ENDPOINT_URL))]
    pub(in crate::config) eventbridge_endpoint_url: Option<String>,
    /// Where DynamoDB answers, for `state = "dynamodb:TABLE"` only.
    #[schemars(regex(pattern = ENDPOINT_URL))]
    pub(in crate::config) dynamodb_endpoint_url: Option<String>,
    /// Where STS answers, for `role_arn` only.
    #[schemars(regex(pattern = ENDPOINT_URL))]
    pub(in crate::config) sts_endpoint_url: Option<String>,
    /// Calls a second that rekeyd may make here, all replicas together; each is halved while AWS throttles.
    pub(in crate::config) budget: Option<Table<RawBudget>>,
}

#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawBudget {
    /// ModifyUser.
    #[schemars(range(min = 1, max = 40_000), extend("default" = 10))]
    pub(in crate::config) modify_user: Option<i64>,
    /// Calls that change a secret, of which AWS allows 50 an account and region.
    #[schemars(range(min = 1, max = 40_000), extend("default" = 50))]
    pub(in crate::config) secrets_manager_writes: Option<i64>,
    /// Calls that read secrets.
    #[schemars(range(min = 1, max = 40_000), extend("default" = 500))]
    pub(in crate::config) secrets_manager_reads: Option<i64>,
    /// Calls that read users, groups and caches.
    #[schemars(range(min = 1, max = 40_000), extend("default" = 20))]
    pub(in crate::config) elasticache_reads: Option<i64>,
}
