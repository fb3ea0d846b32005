//! From a place in the configuration to its four ports.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_elasticache::config::SharedCredentialsProvider;
use aws_smithy_async::time::TimeSource;

use super::PlacePorts;
use super::call::Calls;
use super::elasticache::ElastiCache;
use super::secrets_manager::SecretsManager;
use crate::clock::SharedClock;
use crate::metrics::Metrics;
use crate::policy::Place;

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);

/// How long to wait for an answer. One attempt is the whole operation: retries are the engine's.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The session name of an assumed role, which CloudTrail shows.
const SESSION_NAME: &str = "rekeyd";

/// Connects to a place. Reads configuration files and the environment for credentials, but asks
/// AWS for nothing yet.
///
/// Credentials come from the default chain (environment, profile, web identity, ECS or EKS
/// container, instance metadata); `role` is assumed with them, through the place's regional STS.
pub async fn connect(place: &Place, clock: SharedClock, metrics: Arc<Metrics>) -> PlacePorts {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(place.region.clone()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .time_source(ClockTime(Arc::clone(&clock)));
    if let Some(profile) = &place.profile {
        loader = loader.profile_name(profile);
    }
    if let Ok(name) = AppName::new(SESSION_NAME) {
        loader = loader.app_name(name);
    }
    let config = assume(loader.load().await, place).await;
    let calls = Calls {
        clock: clock.clone(),
        metrics: metrics.clone(),
    };
    let ports = ports(&config, place, calls);
    super::governed(ports, &place.name, &place.budgets, &clock, &metrics)
}

/// The ports over a loaded SDK configuration.
pub(super) fn ports(config: &SdkConfig, place: &Place, calls: Calls) -> PlacePorts {
    let secrets = Arc::new(SecretsManager::new(
        config,
        place.secrets_manager_endpoint.as_deref(),
        calls.clone(),
    ));
    let users = Arc::new(ElastiCache::new(config, place.elasticache_endpoint.as_deref(), calls));
    PlacePorts {
        secrets: secrets.clone(),
        secrets_writer: secrets,
        users: users.clone(),
        users_writer: users,
    }
}

/// The timeouts of every call. The SDK's own guide notes that it sets none but for connecting.
pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(CALL_TIMEOUT)
        .operation_attempt_timeout(CALL_TIMEOUT)
        .operation_timeout(CALL_TIMEOUT)
        .build()
}

async fn assume(config: SdkConfig, place: &Place) -> SdkConfig {
    let Some(role) = &place.role else {
        return config;
    };
    let mut provider = AssumeRoleProvider::builder(&role.arn)
        .session_name(SESSION_NAME)
        .configure(&config);
    if let Some(external_id) = &role.external_id {
        provider = provider.external_id(external_id);
    }
    let provider = SharedCredentialsProvider::new(provider.build().await);
    config.into_builder().credentials_provider(provider).build()
}

/// The one clock, as the SDK takes it.
pub(super) struct ClockTime(pub(super) SharedClock);

impl TimeSource for ClockTime {
    fn now(&self) -> SystemTime {
        super::system_time(self.0.now())
    }
}

impl fmt::Debug for ClockTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockTime")
    }
}

#[cfg(test)]
mod tests {
    use super::super::ErrorClass;
    use super::super::wire::{Answer, Wire, config, credentials};
    use super::*;
    use crate::policy::Role;

    async fn look(wire: &Wire) -> super::super::AwsResult<usize> {
        let place = Place {
            role: Some(Role {
                arn: "arn:aws:iam::123456789012:role/rekeyd".to_owned(),
                external_id: Some("shared-words".to_owned()),
            }),
            ..wire.place()
        };
        let base = config(credentials()).into_builder().endpoint_url(&wire.url).build();
        let ports = wire.ports_over(&assume(base, &place).await);
        ports.users.users().await.map(|users| users.len())
    }

    #[tokio::test]
    async fn a_role_is_assumed_with_its_external_id_and_its_credentials_sign() {
        let sts = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>ASSUMED</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>A:rekeyd</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/rekeyd/rekeyd</Arn></AssumedRoleUser></AssumeRoleResult></AssumeRoleResponse>"#;
        let users =
            "<DescribeUsersResponse><DescribeUsersResult><Users></Users></DescribeUsersResult></DescribeUsersResponse>";
        let wire = Wire::start(vec![Answer::new(200, sts), Answer::new(200, users)]).await;
        assert_eq!(look(&wire).await.unwrap(), 0);
        let requests = wire.take();
        for part in [
            "RoleArn=arn%3Aaws%3Aiam",
            "ExternalId=shared-words",
            "RoleSessionName=rekeyd",
        ] {
            assert!(requests[0].body.contains(part), "{part}");
        }
        assert!(
            requests[1]
                .header("authorization")
                .unwrap()
                .contains("Credential=ASSUMED/")
        );
    }

    #[tokio::test]
    async fn a_role_that_may_not_be_assumed_is_denied_and_a_broken_sts_passes() {
        let error = |code: &str| {
            format!("<ErrorResponse><Error><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>")
        };
        for (status, code, class) in [
            (403, "AccessDenied", ErrorClass::Denied),
            (500, "InternalFailure", ErrorClass::Unavailable),
        ] {
            let wire = Wire::start(vec![Answer::new(status, &error(code))]).await;
            let failure = look(&wire).await.unwrap_err();
            assert_eq!(failure.class, class, "{failure}");
        }
    }

    #[tokio::test]
    async fn connecting_asks_aws_for_nothing() {
        let wire = Wire::start(vec![Answer::new(500, "")]).await;
        let clock = Arc::new(crate::clock::SystemClock::new());
        connect(&wire.place(), clock, Arc::new(Metrics::new(&[]))).await;
        assert_eq!(wire.take().len(), 0);
    }
}
