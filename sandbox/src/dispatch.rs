//! From an operation's name to its type: the one list of all operations.

use serde_json::Value;

use crate::core::CallContext;
use crate::core::operation::{Operation, Service};
use crate::core::secrets::required;
use crate::elasticache as ec;
use crate::error::{ApiError, CallError};
use crate::sandbox::Sandbox;
use crate::secretsmanager as sm;

/// Makes the function that calls an operation of a service by name, and the list of their names.
macro_rules! service {
    ($(#[$doc:meta])* $call:ident, $names:ident, $service:expr, [$($operation:ty),* $(,)?]) => {
        $(#[$doc])*
        pub(crate) async fn $call(
            name: &str,
            sandbox: &Sandbox,
            ctx: &CallContext,
            input: Value,
        ) -> Result<Value, CallError> {
            match name {
                $(<$operation as Operation>::NAME => run::<$operation>(sandbox, ctx, input).await,)*
                other => Err(sandbox.refused(ctx, $service, other, unknown($service, other))),
            }
        }

        const $names: &[&str] = &[$(<$operation as Operation>::NAME),*];
    };
}

service!(
    /// Calls a Secrets Manager operation by name.
    secrets_manager,
    SECRETS_MANAGER,
    Service::SecretsManager,
    [
        sm::BatchGetSecretValue,
        sm::CancelRotateSecret,
        sm::CreateSecret,
        sm::DeleteResourcePolicy,
        sm::DeleteSecret,
        sm::DescribeSecret,
        sm::GetRandomPassword,
        sm::GetResourcePolicy,
        sm::GetSecretValue,
        sm::ListResourcePolicies,
        sm::ListSecretVersionIds,
        sm::ListSecrets,
        sm::PutResourcePolicy,
        sm::PutSecretValue,
        sm::RemoveRegionsFromReplication,
        sm::ReplicateSecretToRegions,
        sm::RestoreSecret,
        sm::RotateSecret,
        sm::StopReplicationToReplica,
        sm::TagResource,
        sm::UntagResource,
        sm::UpdateSecret,
        sm::UpdateSecretVersionStage,
        sm::ValidateResourcePolicy,
    ]
);

service!(
    /// Calls an ElastiCache operation by name.
    elasticache,
    ELASTICACHE,
    Service::ElastiCache,
    [
        ec::AddTagsToResource,
        ec::CreateReplicationGroup,
        ec::CreateServerlessCache,
        ec::CreateUser,
        ec::CreateUserGroup,
        ec::DecreaseReplicaCount,
        ec::DeleteReplicationGroup,
        ec::DeleteServerlessCache,
        ec::DeleteUser,
        ec::DeleteUserGroup,
        ec::DescribeCacheClusters,
        ec::DescribeEvents,
        ec::DescribeGlobalReplicationGroups,
        ec::DescribeReplicationGroups,
        ec::DescribeServerlessCaches,
        ec::DescribeUserGroups,
        ec::DescribeUsers,
        ec::IncreaseReplicaCount,
        ec::ListTagsForResource,
        ec::ModifyReplicationGroup,
        ec::ModifyServerlessCache,
        ec::ModifyUser,
        ec::ModifyUserGroup,
        ec::RemoveTagsFromResource,
        ec::TestFailover,
    ]
);

/// Whether a service has an operation of this name; without a service, whether either has.
pub(crate) fn knows(service: Option<Service>, name: &str) -> bool {
    let names = |of, names: &[&str]| service.is_none_or(|service| service == of) && names.contains(&name);
    names(Service::ElastiCache, ELASTICACHE) || names(Service::SecretsManager, SECRETS_MANAGER)
}

/// The names of all operations, such as `secretsmanager.GetSecretValue`, in order.
pub(crate) fn operations() -> Vec<String> {
    [
        (Service::ElastiCache, ELASTICACHE),
        (Service::SecretsManager, SECRETS_MANAGER),
    ]
    .into_iter()
    .flat_map(|(service, names)| names.iter().map(move |name| format!("{}.{name}", service.name())))
    .collect()
}

async fn run<O: Operation>(sandbox: &Sandbox, ctx: &CallContext, input: Value) -> Result<Value, CallError> {
    if O::SERVICE == Service::SecretsManager {
        required::check(O::NAME, &input).map_err(|error| sandbox.refused(ctx, O::SERVICE, O::NAME, error))?;
    }
    let input: O = serde_json::from_value(input)
        .map_err(|error| sandbox.refused(ctx, O::SERVICE, O::NAME, malformed(O::SERVICE, &error)))?;
    let output = sandbox.call(ctx, input).await?;
    serde_json::to_value(output).map_err(|_| {
        CallError::Api(ApiError::with_status(
            500,
            "InternalFailure",
            "The reply could not be written.",
        ))
    })
}

/// The parser's own text is kept out of the reply: it may quote the input.
fn malformed(service: Service, error: &serde_json::Error) -> ApiError {
    let what = match error.classify() {
        serde_json::error::Category::Data => "A parameter has the wrong type or is missing.",
        _ => "The request could not be read.",
    };
    match service {
        Service::SecretsManager => ApiError::bad_request("SerializationException", what),
        Service::ElastiCache => ApiError::bad_request("MalformedInput", what),
    }
}

fn unknown(service: Service, name: &str) -> ApiError {
    let code = match service {
        Service::SecretsManager => "UnknownOperationException",
        Service::ElastiCache => "InvalidAction",
    };
    ApiError::bad_request(code, format!("The sandbox does not know the operation {name}."))
}
