//! One method for each operation, for callers in Rust.

use crate::core::CallContext;
use crate::core::operation::Operation;
use crate::elasticache as ec;
use crate::error::CallError;
use crate::sandbox::Sandbox;
use crate::secretsmanager as sm;

macro_rules! methods {
    ($($method:ident: $operation:ty),* $(,)?) => {
        impl Sandbox {
            $(
                #[doc = concat!("Calls [`", stringify!($operation), "`].")]
                ///
                /// # Errors
                /// An AWS error, a lost reply, or silence.
                pub async fn $method(
                    &self,
                    ctx: &CallContext,
                    input: $operation,
                ) -> Result<<$operation as Operation>::Output, CallError> {
                    self.call(ctx, input).await
                }
            )*
        }
    };
}

methods! {
    batch_get_secret_value: sm::BatchGetSecretValue,
    cancel_rotate_secret: sm::CancelRotateSecret,
    create_secret: sm::CreateSecret,
    delete_resource_policy: sm::DeleteResourcePolicy,
    delete_secret: sm::DeleteSecret,
    describe_secret: sm::DescribeSecret,
    get_random_password: sm::GetRandomPassword,
    get_resource_policy: sm::GetResourcePolicy,
    get_secret_value: sm::GetSecretValue,
    list_resource_policies: sm::ListResourcePolicies,
    list_secret_version_ids: sm::ListSecretVersionIds,
    list_secrets: sm::ListSecrets,
    put_resource_policy: sm::PutResourcePolicy,
    put_secret_value: sm::PutSecretValue,
    remove_regions_from_replication: sm::RemoveRegionsFromReplication,
    replicate_secret_to_regions: sm::ReplicateSecretToRegions,
    restore_secret: sm::RestoreSecret,
    rotate_secret: sm::RotateSecret,
    stop_replication_to_replica: sm::StopReplicationToReplica,
    tag_resource: sm::TagResource,
    untag_resource: sm::UntagResource,
    update_secret: sm::UpdateSecret,
    update_secret_version_stage: sm::UpdateSecretVersionStage,
    validate_resource_policy: sm::ValidateResourcePolicy,
    add_tags_to_resource: ec::AddTagsToResource,
    create_replication_group: ec::CreateReplicationGroup,
    create_serverless_cache: ec::CreateServerlessCache,
    create_user: ec::CreateUser,
    create_user_group: ec::CreateUserGroup,
    decrease_replica_count: ec::DecreaseReplicaCount,
    delete_replication_group: ec::DeleteReplicationGroup,
    delete_serverless_cache: ec::DeleteServerlessCache,
    delete_user: ec::DeleteUser,
    delete_user_group: ec::DeleteUserGroup,
    describe_cache_clusters: ec::DescribeCacheClusters,
    describe_events: ec::DescribeEvents,
    describe_global_replication_groups: ec::DescribeGlobalReplicationGroups,
    describe_replication_groups: ec::DescribeReplicationGroups,
    describe_serverless_caches: ec::DescribeServerlessCaches,
    describe_user_groups: ec::DescribeUserGroups,
    describe_users: ec::DescribeUsers,
    increase_replica_count: ec::IncreaseReplicaCount,
    list_tags_for_resource: ec::ListTagsForResource,
    modify_replication_group: ec::ModifyReplicationGroup,
    modify_serverless_cache: ec::ModifyServerlessCache,
    modify_user: ec::ModifyUser,
    modify_user_group: ec::ModifyUserGroup,
    remove_tags_from_resource: ec::RemoveTagsFromResource,
    test_failover: ec::TestFailover,
}
