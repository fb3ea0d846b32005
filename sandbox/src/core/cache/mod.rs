//! ElastiCache.

pub(crate) mod access_string;
pub(crate) mod acl_rule;
pub(crate) mod attachment;
pub(crate) mod auth_token;
pub(crate) mod busy;
pub(crate) mod cache_clusters;
pub(crate) mod clusters;
pub(crate) mod commands;
pub(crate) mod create_user;
pub(crate) mod delete_user;
pub(crate) mod describe_events;
pub(crate) mod describe_users;
pub(crate) mod errors;
pub(crate) mod events;
pub(crate) mod failover;
pub(crate) mod globals;
pub(crate) mod groups;
pub(crate) mod lenient;
pub(crate) mod looks;
pub(crate) mod model;
pub(crate) mod modify_cache;
pub(crate) mod modify_group;
pub(crate) mod modify_user;
pub(crate) mod paging;
pub(crate) mod passwords;
pub(crate) mod propagation;
pub(crate) mod replication;
pub(crate) mod scaling;
pub(crate) mod serverless;
pub(crate) mod shape;
pub(crate) mod show_serverless;
pub(crate) mod tags;

/// Gives an operation its identity: service, name, whether it changes something, and its resource.
macro_rules! elasticache {
    ($input:ty => $output:ty, $name:literal, mutates: $mutates:literal, $resource:expr, $apply:path) => {
        crate::core::cache::elasticache!($input => $output, $name, mutates: $mutates, $resource, $apply, tags: |_| Vec::new());
    };
    (
        $input:ty => $output:ty, $name:literal, mutates: $mutates:literal, $resource:expr, $apply:path, tags: $tags:expr
    ) => {
        impl crate::core::operation::Operation for $input {
            type Output = $output;
            const SERVICE: crate::core::operation::Service = crate::core::operation::Service::ElastiCache;
            const NAME: &'static str = $name;
            const MUTATES: bool = $mutates;

            fn resource(&self) -> Option<&str> {
                let resource: fn(&Self) -> Option<&str> = $resource;
                resource(self)
            }

            fn request_tags(&self) -> Vec<(&str, &str)> {
                let tags: fn(&Self) -> Vec<(&str, &str)> = $tags;
                tags(self)
            }

            fn apply(self, env: &mut crate::core::operation::Env<'_>) -> Result<Self::Output, crate::error::ApiError> {
                $apply(env, self)
            }
        }
    };
}
pub(crate) use elasticache;
