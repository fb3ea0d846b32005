//! Where a policy works: an account and region, and how many calls may be made there.

use std::time::Duration;

/// A place to work in: one account and region, reached with one set of credentials.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The name of its `[aws.NAME]` table.
    pub name: String,
    /// The AWS region.
    pub region: String,
    /// A profile of the shared AWS configuration, instead of the default credential chain.
    pub profile: Option<String>,
    /// A role to assume, and the external id that it asks for.
    pub role: Option<Role>,
    /// Where Secrets Manager answers, if not at its public endpoint.
    pub secrets_manager_endpoint: Option<String>,
    /// Where ElastiCache answers, if not at its public endpoint.
    pub elasticache_endpoint: Option<String>,
    /// Where EventBridge answers, if not at its public endpoint.
    pub event_bridge_endpoint: Option<String>,
    /// Where DynamoDB answers, if not at its public endpoint.
    pub dynamodb_endpoint: Option<String>,
    /// Where STS answers, if not at the region's public endpoint.
    pub sts_endpoint: Option<String>,
    /// Whether to use endpoints with cryptography after FIPS 140; `None` leaves it to the SDK's own settings.
    pub use_fips: Option<bool>,
    /// Whether to use endpoints that answer over IPv6, too; `None` leaves it to the SDK's own settings.
    pub use_dualstack: Option<bool>,
    /// How many calls may be made there.
    pub budgets: Budgets,
}

impl Place {
    /// The partition that the region lies in.
    pub fn partition(&self) -> &'static str {
        partition_of(&self.region)
    }

    /// Whether both may be one account and region. Accounts are told apart by the roles' ARNs, or
    /// by profile; the account of credentials from the environment is not known, so that a place with
    /// a role counts as another account than one without.
    pub fn may_be(&self, other: &Self) -> bool {
        let account = |place: &Self| match &place.role {
            Some(role) => (role.arn.split(':').nth(4).map(str::to_owned), None),
            None => (None, place.profile.clone()),
        };
        self.region == other.region
            && self.elasticache_endpoint == other.elasticache_endpoint
            && account(self) == account(other)
    }
}

/// The partitions by the beginnings of their regions' names, as the SDKs' endpoint rules
/// (`partitions.json`) have them; every other region lies in `aws`.
const PARTITIONS: &[(&str, &str)] = &[
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
];

/// The partition that a region lies in, as its ARNs name it.
pub fn partition_of(region: &str) -> &'static str {
    let found = PARTITIONS.iter().find(|(beginning, _)| region.starts_with(beginning));
    found.map_or("aws", |(_, partition)| partition)
}

/// How many calls a second may be made in a place, of each kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budgets {
    /// ModifyUser. AWS publishes no figure.
    pub modify_user: u32,
    /// PutSecretValue and UpdateSecretVersionStage together, of which AWS allows 50 ("AWS Secrets Manager
    /// quotas").
    pub secrets_manager_writes: u32,
    /// DescribeSecret, ListSecretVersionIds, GetSecretValue and ListSecrets together. AWS allows thousands
    /// of some of them and 100 of ListSecrets.
    pub secrets_manager_reads: u32,
    /// ElastiCache's Describe operations together. AWS publishes no figure.
    pub elasticache_reads: u32,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            modify_user: 10,
            secrets_manager_writes: 50,
            secrets_manager_reads: 500,
            elasticache_reads: 20,
        }
    }
}

/// A role to assume.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// The external id that its trust policy asks for.
    pub external_id: Option<String>,
    /// What CloudTrail calls its sessions.
    pub session_name: String,
    /// How long one session lasts before the next is opened; `None` for STS's hour.
    pub session_duration: Option<Duration>,
}
