//! Credentials that are fetched anew before they expire, and when AWS refuses them.
//!
//! The SDK's own cache fetches what expires again, but the providers below it read the shared
//! credentials file once and keep what stood there for as long as the process lives. So when AWS
//! refuses credentials, the whole chain is built again and reads everything again.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, SharedCredentialsProvider, future};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::error::{AwsError, ErrorClass, Transport};
use crate::clock::{SharedClock, Timestamp, between};

/// How long fetching may take: less than a call may, so that the call learns why it failed.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// How long before they expire credentials are fetched anew. EC2's guide has new ones ready at
/// least five minutes ahead.
const AHEAD: Duration = Duration::from_secs(300);

/// How soon they are fetched again when that brought nothing newer.
const PAUSE: Duration = Duration::from_secs(30);

/// How soon the chain is built again after credentials were refused, and again were.
const REBUILD_PAUSE: Duration = Duration::from_secs(30);

/// For how long one failure answers all who ask.
const FAILURE_SHARED: Duration = Duration::from_secs(1);

/// What AWS calls credentials that it does not know, or knows no more.
const REFUSED: &[&str] = &[
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Whether AWS refused a place's credentials since it was last asked.
#[derive(Clone, Default)]
pub(super) struct Refusals(Arc<AtomicBool>);

impl Refusals {
    /// Takes note of a call that failed.
    pub(super) fn note(&self, error: &AwsError) {
        let credentials = REFUSED.contains(&error.code.as_str()) || error.code == Transport::Credentials.code();
        if error.class == ErrorClass::Denied && credentials {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Builds a chain of providers that has read nothing yet.
pub(super) type Chain = Box<dyn Fn() -> Pin<Box<dyn Future<Output = SharedCredentialsProvider> + Send>> + Send + Sync>;

/// The credentials of one place.
pub(super) struct Renewed {
    chain: Chain,
    clock: SharedClock,
    refusals: Refusals,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    provider: Option<SharedCredentialsProvider>,
    /// When it was last built anew because of a refusal.
    rebuilt_at: Option<Duration>,
    credentials: Option<Credentials>,
    fetched_at: Option<Duration>,
    failure: Option<(Duration, Arc<CredentialsError>)>,
}

impl Renewed {
    pub(super) fn new(chain: Chain, clock: SharedClock, refusals: Refusals) -> Self {
        Self {
            chain,
            clock,
            refusals,
            held: Mutex::default(),
        }
    }

    /// Those that are held, or new ones. Whoever asks meanwhile waits for the same answer.
    async fn credentials(&self) -> provider::Result {
        let mut held = self.held.lock().await;
        let now = self.clock.monotonic();
        let since = |at: Option<Duration>| at.map(|at| now.saturating_sub(at));
        let may_rebuild = since(held.rebuilt_at).is_none_or(|ago| ago >= REBUILD_PAUSE);
        if may_rebuild && self.refusals.0.swap(false, Ordering::Relaxed) {
            tracing::info!(
                event = "credentials_refused",
                "AWS refused the credentials: they are read again from where they come from"
            );
            *held = Held {
                rebuilt_at: Some(now),
                ..Held::default()
            };
        }
        let usable = held
            .credentials
            .clone()
            .filter(|held| self.lasts(held).is_none_or(|left| !left.is_zero()));
        if let Some(usable) = &usable {
            let early = self.lasts(usable).is_none_or(|left| left > AHEAD);
            if early || since(held.fetched_at).is_some_and(|ago| ago < PAUSE) {
                return Ok(usable.clone());
            }
        }
        if let Some((at, failure)) = held.failure.as_ref().filter(|_| usable.is_none())
            && now.saturating_sub(*at) < FAILURE_SHARED
        {
            return Err(CredentialsError::provider_error(Shared(failure.clone())));
        }
        held.fetched_at = Some(now);
        match (self.fetch(&mut held).await, usable) {
            (Ok(credentials), _) => {
                held.credentials = Some(credentials.clone());
                held.failure = None;
                Ok(credentials)
            }
            (Err(error), Some(usable)) => {
                tracing::warn!(event = "credentials_not_renewed", %error, "credentials that expire soon could not be fetched anew; tried again");
                Ok(usable)
            }
            (Err(error), None) => {
                let failure = Arc::new(error);
                // Whatever it read may be at fault.
                held.provider = None;
                held.failure = Some((self.clock.monotonic(), failure.clone()));
                Err(CredentialsError::provider_error(Shared(failure)))
            }
        }
    }

    async fn fetch(&self, held: &mut Held) -> provider::Result {
        let provider = match &held.provider {
            Some(provider) => provider.clone(),
            None => {
                let provider = (self.chain)().await;
                held.provider = Some(provider.clone());
                provider
            }
        };
        match timeout(FETCH_TIMEOUT, provider.provide_credentials()).await {
            Ok(fetched) => fetched,
            Err(_) => Err(CredentialsError::provider_timed_out(FETCH_TIMEOUT)),
        }
    }

    /// How long credentials are valid still; `None` if for ever.
    fn lasts(&self, credentials: &Credentials) -> Option<Duration> {
        let expiry: Timestamp = credentials.expiry()?.into();
        Some(between(self.clock.now(), expiry))
    }
}

impl ProvideCredentials for Renewed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

impl fmt::Debug for Renewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewed")
    }
}

/// One failure for all who asked.
#[derive(Debug)]
struct Shared(Arc<CredentialsError>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for Shared {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
mod tests;
