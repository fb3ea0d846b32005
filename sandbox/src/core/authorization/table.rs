//! What each operation is checked on.

use super::condition::RequestKeys;
use crate::core::account::Account;
use crate::core::operation::Service;

/// The kind of thing that an operation is checked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    /// Nothing: a statement that allows it has `"Resource": "*"`.
    Nothing,
    /// A secret. One that is named and does not exist is its name without the characters at the end of ARNs, so that
    /// `NAME-??????` does not cover it and whoever may see no others is told no more.
    Secret,
    /// Something of ElastiCache, by its kind in ARNs; of what is listed, all of that kind.
    Kind(&'static str),
    /// The same for what lies in no region.
    GlobalKind(&'static str),
    /// What the request names by ARN.
    Arn,
}

/// Sources: Service Authorization Reference, "Actions, resources, and condition keys for AWS Secrets Manager" and
/// "… for Amazon ElastiCache", the column of resource types; and ElastiCache's user guide, "Resource-level
/// permissions", for the ids in lower case and for listings, which ask for all of a kind.
///
/// AWS asks for more than one resource where an operation joins several: CreateUserGroup and ModifyUserGroup for
/// each user, the creation and change of caches for parameter groups, user groups and more. Only the first is here.
const TABLE: &[(Service, &[&str], On)] = &[
    (
        Service::SecretsManager,
        &["BatchGetSecretValue", "GetRandomPassword", "ListSecrets"],
        On::Nothing,
    ),
    (
        Service::SecretsManager,
        &[
            "CancelRotateSecret",
            "CreateSecret",
            "DeleteResourcePolicy",
            "DeleteSecret",
            "DescribeSecret",
            "GetResourcePolicy",
            "GetSecretValue",
            "ListResourcePolicies",
            "ListSecretVersionIds",
            "PutResourcePolicy",
            "PutSecretValue",
            "RemoveRegionsFromReplication",
            "ReplicateSecretToRegions",
            "RestoreSecret",
            "RotateSecret",
            "StopReplicationToReplica",
            "TagResource",
            "UntagResource",
            "UpdateSecret",
            "UpdateSecretVersionStage",
            "ValidateResourcePolicy",
        ],
        On::Secret,
    ),
    (
        Service::ElastiCache,
        &["CreateUser", "DeleteUser", "DescribeUsers", "ModifyUser"],
        On::Kind("user"),
    ),
    (
        Service::ElastiCache,
        &[
            "CreateUserGroup",
            "DeleteUserGroup",
            "DescribeUserGroups",
            "ModifyUserGroup",
        ],
        On::Kind("usergroup"),
    ),
    (
        Service::ElastiCache,
        &[
            "CreateReplicationGroup",
            "DecreaseReplicaCount",
            "DeleteReplicationGroup",
            "DescribeReplicationGroups",
            "IncreaseReplicaCount",
            "ModifyReplicationGroup",
            "TestFailover",
        ],
        On::Kind("replicationgroup"),
    ),
    (Service::ElastiCache, &["DescribeCacheClusters"], On::Kind("cluster")),
    (Service::ElastiCache, &["DescribeEvents"], On::Nothing),
    (
        Service::ElastiCache,
        &[
            "CreateServerlessCache",
            "DeleteServerlessCache",
            "DescribeServerlessCaches",
            "ModifyServerlessCache",
        ],
        On::Kind("serverlesscache"),
    ),
    (
        Service::ElastiCache,
        &["DescribeGlobalReplicationGroups"],
        On::GlobalKind("globalreplicationgroup"),
    ),
    (
        Service::ElastiCache,
        &["AddTagsToResource", "ListTagsForResource", "RemoveTagsFromResource"],
        On::Arn,
    ),
];

/// What else must be allowed on the same thing where a request brings tags (Secrets Manager's API reference,
/// CreateSecret; Service Authorization Reference for ElastiCache, the dependent actions of the operations that create).
pub(super) fn tagging(service: Service, operation: &str) -> Option<&'static str> {
    match (service, operation) {
        (Service::SecretsManager, "CreateSecret") => Some("TagResource"),
        (
            Service::ElastiCache,
            "CreateReplicationGroup" | "CreateServerlessCache" | "CreateUser" | "CreateUserGroup",
        ) => Some("AddTagsToResource"),
        _ => None,
    }
}

/// What a call is checked on.
pub(super) struct Requested {
    /// The ARN that policies are compared with.
    pub(super) arn: String,
    /// What the refusal names: Secrets Manager's the secret as the request does, which many reports show; nothing
    /// where the action has no resource.
    pub(super) shown: Option<String>,
    /// What conditions can ask about.
    pub(super) keys: RequestKeys,
}

/// What a call about `resource` is checked on.
pub(super) fn requested(account: &Account, (service, operation): (Service, &str), resource: Option<&str>) -> Requested {
    match on(service, operation) {
        On::Nothing => Requested {
            arn: "*".to_owned(),
            shown: None,
            keys: RequestKeys::default(),
        },
        On::Secret => secret(account, resource.unwrap_or_default()),
        On::Kind(kind) => thing(account, account.cache_arn(kind, &id(resource)), kind, resource),
        On::GlobalKind(kind) => {
            let arn = account.cache_arn(kind, &id(resource));
            let arn = arn.replacen(&format!(":{}:", account.region), "::", 1);
            thing(account, arn, kind, resource)
        }
        On::Arn => {
            let arn = resource.unwrap_or_default().to_owned();
            let (kind, id) = arn.rsplit_once(':').unwrap_or_default();
            let kind = kind.rsplit(':').next().unwrap_or_default().to_owned();
            let id = id.to_owned();
            thing(account, arn, &kind, Some(&id))
        }
    }
}

/// Every operation has a row, which a test holds; one without would be allowed by nothing but `"*"`.
fn on(service: Service, operation: &str) -> On {
    let row = TABLE
        .iter()
        .find(|(of, operations, _)| *of == service && operations.contains(&operation));
    row.map_or(On::Nothing, |(_, _, on)| *on)
}

fn id(resource: Option<&str>) -> String {
    resource.map_or_else(|| "*".to_owned(), str::to_ascii_lowercase)
}

fn secret(account: &Account, id: &str) -> Requested {
    let mut keys = RequestKeys::default().with("secretsmanager:secretid", id);
    let arn = match account.secret(id) {
        Ok(secret) => {
            for tag in &secret.tags {
                keys = keys.with(&format!("aws:resourcetag/{}", tag.key), &tag.value);
                keys = keys.with(&format!("secretsmanager:resourcetag/{}", tag.key), &tag.value);
            }
            secret.arn.clone()
        }
        Err(_) if id.starts_with("arn:") => id.to_owned(),
        Err(_) => account.arn("secretsmanager", "secret", id),
    };
    Requested {
        arn,
        shown: Some(id.to_owned()),
        keys,
    }
}

fn thing(account: &Account, arn: String, kind: &str, resource: Option<&str>) -> Requested {
    let id = id(resource);
    let tags = match kind {
        "user" => account.cache.users.get(&id).map(|user| &user.tags),
        "usergroup" => account.cache.groups.get(&id).map(|group| &group.tags),
        "replicationgroup" => account.cache.caches.get(&id).map(|group| &group.tags),
        "serverlesscache" => account.cache.serverless.get(&id).map(|cache| &cache.tags),
        _ => None,
    };
    let keys = tags.into_iter().flatten().fold(RequestKeys::default(), |keys, tag| {
        let value = tag.value.as_deref().unwrap_or_default();
        keys.with(&format!("aws:resourcetag/{}", tag.key), value)
    });
    Requested {
        shown: Some(arn.clone()),
        arn,
        keys,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_operation_is_checked_on_something() {
        let mut rows: Vec<String> = Vec::new();
        for (service, operations, _) in TABLE {
            rows.extend(
                operations
                    .iter()
                    .map(|operation| format!("{}.{operation}", service.name())),
            );
        }
        rows.sort();
        let mut known = crate::dispatch::operations();
        known.sort();
        assert_eq!(rows, known);
    }

    #[test]
    fn things_are_named_by_their_arns_in_lower_case_and_listings_by_all_of_a_kind() {
        let account = Account::new("123456789012", "us-east-1", false);
        let arn = |what, resource| requested(&account, (Service::ElastiCache, what), resource).arn;
        assert_eq!(
            arn("ModifyUser", Some("User1")),
            "arn:aws:elasticache:us-east-1:123456789012:user:user1"
        );
        assert_eq!(
            arn("DescribeCacheClusters", None),
            "arn:aws:elasticache:us-east-1:123456789012:cluster:*"
        );
        assert_eq!(
            arn("DescribeGlobalReplicationGroups", None),
            "arn:aws:elasticache::123456789012:globalreplicationgroup:*"
        );
    }
}
