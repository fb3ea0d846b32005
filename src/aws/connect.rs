//! From a place in the configuration to its four ports.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_elasticache::config::SharedCredentialsProvider;
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::call::Calls;
use super::credentials::{Chain, Refusals, Renewed};
use super::elasticache::{self, ElastiCache};
use super::http::http_client;
use super::provisioning::{Eyes, Hands, adapters};
use super::secrets_manager::{self, SecretsManager};
use super::{PlacePorts, Share};
use crate::clock::SharedClock;
use crate::metrics::Metrics;
use crate::policy::Place;

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);

/// How long to wait for an answer. One attempt is the whole operation: retries are the engine's.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How CloudTrail and AWS's support know the program (`AppName` in the user agent).
const APP_NAME: &str = "rekeyd";

/// Connects to a place. Reads configuration files and the environment for credentials, but asks
/// AWS for nothing yet.
///
/// Credentials come from the default chain (environment, profile, web identity, ECS or EKS
/// container, instance metadata); `role` is assumed with them, through the place's regional STS.
/// They are fetched anew before they expire, and when AWS refuses them.
pub async fn connect(place: &Place, clock: SharedClock, metrics: Arc<Metrics>) -> PlacePorts {
    connect_through(&http_client(), place, clock, metrics, &super::all()).await
}

/// The same, through a client that other places may share, and for one of several processes that share the budgets.
pub async fn connect_through(
    http: &SharedHttpClient,
    place: &Place,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    share: &Share,
) -> PlacePorts {
    let (config, calls) = configure(http, place, clock.clone(), metrics.clone()).await;
    calls.announce(secrets_manager::OPERATIONS.into_iter().chain(elasticache::OPERATIONS));
    let ports = ports(&config, place, calls);
    super::governed(ports, &place.name, &place.budgets, &clock, &metrics, share)
}

/// Connects to a place for an operator who creates users and secrets there: with the readers that a look takes, and
/// the writers that a change takes.
pub async fn connect_operator(place: &Place, clock: SharedClock, metrics: Arc<Metrics>) -> (Eyes, Hands) {
    let (config, calls) = configure(&http_client(), place, clock.clone(), metrics.clone()).await;
    let (settings, provisioner) = adapters(&config, place, calls.clone());
    let ports = ports(&config, place, calls);
    let ports = super::governed(ports, &place.name, &place.budgets, &clock, &metrics, &super::all());
    let eyes = Eyes {
        secrets: ports.secrets,
        users: ports.users,
        settings,
    };
    let hands = Hands {
        provisioner,
        secrets: ports.secrets_writer,
    };
    (eyes, hands)
}

/// The SDK's configuration for a place, and what counts its calls.
pub(crate) async fn configure(
    http: &SharedHttpClient,
    place: &Place,
    clock: SharedClock,
    metrics: Arc<Metrics>,
) -> (SdkConfig, Calls) {
    let refusals = Refusals::default();
    let (of_chain, by_clock, through) = (place.clone(), clock.clone(), http.clone());
    let chain: Chain = Box::new(move || {
        let (place, clock, http) = (of_chain.clone(), by_clock.clone(), through.clone());
        Box::pin(async move { chain(load(&http, &place, clock).await, &place).await })
    });
    let credentials = Renewed::new(chain, clock.clone(), refusals.clone());
    let config = load(http, place, clock.clone()).await.into_builder();
    let config = config
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .identity_cache(IdentityCache::no_cache());
    let calls = Calls {
        clock,
        metrics,
        refusals,
    };
    (config.build(), calls)
}

/// What the environment, the shared configuration and the place say.
async fn load(http: &SharedHttpClient, place: &Place, clock: SharedClock) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.clone())
        .region(Region::new(place.region.clone()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .time_source(ClockTime(clock));
    if let Some(profile) = &place.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(fips) = place.use_fips {
        loader = loader.use_fips(fips);
    }
    if let Some(dual_stack) = place.use_dualstack {
        loader = loader.use_dual_stack(dual_stack);
    }
    if let Ok(name) = AppName::new(APP_NAME) {
        loader = loader.app_name(name);
    }
    loader.load().await
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

/// The chain that gives a place's credentials: the default one, or the place's role over it.
async fn chain(config: SdkConfig, place: &Place) -> SharedCredentialsProvider {
    let Some(role) = &place.role else {
        return match config.credentials_provider() {
            Some(provider) => provider,
            None => SharedCredentialsProvider::new(DefaultCredentialsChain::builder().build().await),
        };
    };
    let config = match &place.sts_endpoint {
        Some(url) => config.into_builder().endpoint_url(url).build(),
        None => config,
    };
    let mut provider = AssumeRoleProvider::builder(&role.arn)
        .session_name(&role.session_name)
        .configure(&config);
    if let Some(external_id) = &role.external_id {
        provider = provider.external_id(external_id);
    }
    if let Some(duration) = role.session_duration {
        provider = provider.session_length(duration);
    }
    SharedCredentialsProvider::new(provider.build().await)
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
                session_name: "rekeyd-prod".to_owned(),
                session_duration: Some(Duration::from_secs(1_800)),
            }),
            sts_endpoint: Some(wire.url.clone()),
            ..wire.place()
        };
        let ports = wire.ports_with(chain(config(credentials()), &place).await);
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
            "RoleSessionName=rekeyd-prod",
            "DurationSeconds=1800",
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
