//! What to do about a call to AWS that failed, and which right it lacks if it was denied.

use crate::aws::{AwsError, ErrorClass};

use super::advice::Names;

/// The IAM action of an operation, and the ARN that it is asked for on.
pub(super) fn action_of(error: &AwsError, names: &Names<'_>) -> (String, String) {
    let partition = crate::policy::partition_of(names.region);
    let (region, account) = (names.region, names.account);
    let of_cache = |kind: &str| {
        let id = match error.resource.as_str() {
            "" => "*",
            id => id,
        };
        format!("arn:{partition}:elasticache:{region}:{account}:{kind}:{id}")
    };
    let resource = match error.operation {
        "DescribeUsers" => of_cache("user"),
        "DescribeUserGroups" => of_cache("usergroup"),
        "DescribeReplicationGroups" => of_cache("replicationgroup"),
        "DescribeCacheClusters" => of_cache("cluster"),
        "DescribeServerlessCaches" => of_cache("serverlesscache"),
        "ListSecrets" => "*".to_owned(),
        _ if error.resource.starts_with("arn:") => error.resource.clone(),
        // AWS puts a hyphen and six characters behind the name.
        _ => format!(
            "arn:{partition}:secretsmanager:{region}:{account}:secret:{}-??????",
            error.resource
        ),
    };
    let service = match is_of_cache(error.operation) {
        true => "elasticache",
        false => "secretsmanager",
    };
    (format!("{service}:{}", error.operation), resource)
}

/// Whether an operation is ElastiCache's.
pub(super) fn is_of_cache(operation: &str) -> bool {
    const SECRETS: [&str; 4] = [
        "DescribeSecret",
        "ListSecretVersionIds",
        "GetSecretValue",
        "ListSecrets",
    ];
    !SECRETS.contains(&operation)
}

/// What to do about a read that failed.
pub(super) fn on_error(error: &AwsError, names: &Names<'_>) -> Option<String> {
    let (secret, policy, place) = (names.secret, &names.policy.name, &names.policy.place);
    let (action, resource) = action_of(error, names);
    Some(match error.class {
        _ if error.lacks_credentials() => credentials(place),
        ErrorClass::Denied if is_about_credentials(&error.code) => credentials(place),
        ErrorClass::Denied => format!(
            "allow {action} on {resource} in the IAM policy of rekeyd's role; `rekeyd iam-policy` prints all that it needs"
        ),
        ErrorClass::Kms => format!(
            "allow kms:Decrypt, and kms:GenerateDataKey for writing, on the key of {secret} to rekeyd's role, in its IAM \
             policy and in the key's own; see that the key is enabled"
        ),
        ErrorClass::NotFound if error.operation == "DescribeUsers" => {
            format!(
                "correct \"user_arn\" in the secret, which names it by its id (`aws elasticache describe-users` lists all \
                 ids); or make the user: `rekeyd onboard --policy {policy} --user-id {} --secret {secret}`",
                error.resource
            )
        }
        ErrorClass::NotFound => format!(
            "make it: `rekeyd onboard --policy {policy} --user-id USERID --secret {secret}`; or correct `secrets` of \
             [policy.{policy}]; the place [aws.{place}] looks in {}",
            names.region
        ),
        ErrorClass::Expired => {
            "set this machine's clock: AWS takes no request that is more than minutes off".to_owned()
        }
        ErrorClass::Throttled => "try again later; AWS gets more requests than it takes".to_owned(),
        ErrorClass::Unavailable => format!(
            "try again; if it goes on, see that this machine reaches the endpoints of [aws.{place}] in {}",
            names.region
        ),
        ErrorClass::Busy | ErrorClass::Changing | ErrorClass::Conflict => "look again in a minute".to_owned(),
        ErrorClass::Quota | ErrorClass::Invalid => return None,
    })
}

fn credentials(place: &str) -> String {
    format!("give rekeyd credentials that AWS takes: role_arn or profile of [aws.{place}], or those of its environment")
}

/// Whether who we are is the matter, and not what we may do.
fn is_about_credentials(code: &str) -> bool {
    !code.starts_with("AccessDenied") && code != "UnauthorizedOperation" && code != "NotAuthorized"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::testing;

    #[test]
    fn a_denied_call_names_its_action_and_the_arn_of_what_it_was_about() {
        let policy = testing::policy();
        let names = testing::names(&policy);
        for (operation, resource, action, arn) in [
            (
                "DescribeUsers",
                "user1",
                "elasticache:DescribeUsers",
                "arn:aws:elasticache:us-east-1:123456789012:user:user1",
            ),
            (
                "DescribeUsers",
                "",
                "elasticache:DescribeUsers",
                "arn:aws:elasticache:us-east-1:123456789012:user:*",
            ),
            (
                "DescribeCacheClusters",
                "c-001",
                "elasticache:DescribeCacheClusters",
                "arn:aws:elasticache:us-east-1:123456789012:cluster:c-001",
            ),
            (
                "DescribeSecret",
                "name",
                "secretsmanager:DescribeSecret",
                "arn:aws:secretsmanager:us-east-1:123456789012:secret:name-??????",
            ),
            ("ListSecrets", "select", "secretsmanager:ListSecrets", "*"),
        ] {
            let error = testing::error(operation, resource, "AccessDeniedException", ErrorClass::Denied);
            assert_eq!(action_of(&error, &names), (action.to_owned(), arn.to_owned()));
            let advice = on_error(&error, &names).unwrap_or_default();
            assert!(advice.contains(action) && advice.contains(arn), "{advice}");
        }
    }
}
