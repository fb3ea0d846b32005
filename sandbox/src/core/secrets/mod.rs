//! Secrets Manager.

pub(crate) mod batch;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod describe;
pub(crate) mod errors;
pub(crate) mod filters;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod limits;
pub(crate) mod list;
pub(crate) mod model;
pub(crate) mod password;
pub(crate) mod policies;
pub(crate) mod policy_document;
pub(crate) mod put;
pub(crate) mod replicas;
pub(crate) mod required;
pub(crate) mod rotate;
pub(crate) mod rules;
pub(crate) mod schedule;
pub(crate) mod stages;
pub(crate) mod tags;
pub(crate) mod versions;

/// Gives an operation its identity: service, name, whether it changes something, and its resource.
macro_rules! secretsmanager {
    ($input:ty => $output:ty, $name:literal, mutates: $mutates:literal, $resource:expr, $apply:path) => {
        crate::core::secrets::secretsmanager!($input => $output, $name, mutates: $mutates, $resource, $apply, tags: |_| Vec::new());
    };
    (
        $input:ty => $output:ty, $name:literal, mutates: $mutates:literal, $resource:expr, $apply:path, tags: $tags:expr
    ) => {
        impl crate::core::operation::Operation for $input {
            type Output = $output;
            const SERVICE: crate::core::operation::Service = crate::core::operation::Service::SecretsManager;
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
                let secret = if $mutates {
                    self.resource().map(ToOwned::to_owned)
                } else {
                    None
                };
                env.changing(secret.as_deref(), |env| $apply(env, self))
            }
        }
    };
}
pub(crate) use secretsmanager;
