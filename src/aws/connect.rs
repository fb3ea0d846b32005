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
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

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
    ports(&config, place, Calls { clock, metrics })
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
