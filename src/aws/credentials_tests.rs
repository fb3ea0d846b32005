//! When credentials are fetched, and when they are read again from the start.

use std::sync::Mutex as Lock;
use std::sync::atomic::AtomicUsize;

use super::super::wire::{Answer, Wire, config};
use super::*;
use crate::clock::Clock;

/// A clock that stands still until it is moved.
#[derive(Default)]
struct Hand(Lock<Duration>);

impl Hand {
    fn forward(&self, span: Duration) {
        *self.0.lock().unwrap() += span;
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        crate::clock::after(Timestamp::from_timestamp(1_700_000_000, 0).unwrap(), self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

/// Sessions of an hour, as a role or a container gives them, numbered; or failures.
#[derive(Debug)]
struct Sessions {
    given: Arc<AtomicUsize>,
    failing: Arc<AtomicBool>,
    clock: ClockHand,
}

#[derive(Clone)]
struct ClockHand(Arc<Hand>);

impl fmt::Debug for ClockHand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClockHand")
    }
}

impl ProvideCredentials for Sessions {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.given.fetch_add(1, Ordering::SeqCst) + 1;
        let expiry = super::super::system_time(self.clock.0.now()) + Duration::from_secs(3_600);
        future::ProvideCredentials::ready(match self.failing.load(Ordering::SeqCst) {
            true => Err(CredentialsError::not_loaded("(AccessDenied) told to")),
            false => Ok(Credentials::new(
                format!("KEY{number}"),
                "s",
                None,
                Some(expiry),
                "test",
            )),
        })
    }
}

struct Scene {
    clock: Arc<Hand>,
    given: Arc<AtomicUsize>,
    failing: Arc<AtomicBool>,
    refusals: Refusals,
    renewed: Renewed,
}

fn scene() -> Scene {
    let (clock, given, failing) = (Arc::<Hand>::default(), Arc::default(), Arc::<AtomicBool>::default());
    let refusals = Refusals::default();
    let (hand, numbers, fails) = (ClockHand(clock.clone()), Arc::clone(&given), failing.clone());
    let chain: Chain = Box::new(move || {
        let sessions = Sessions {
            given: Arc::clone(&numbers),
            failing: fails.clone(),
            clock: hand.clone(),
        };
        Box::pin(async move { SharedCredentialsProvider::new(sessions) })
    });
    Scene {
        renewed: Renewed::new(chain, clock.clone(), refusals.clone()),
        clock,
        given,
        failing,
        refusals,
    }
}

impl Scene {
    async fn key(&self) -> String {
        self.renewed.credentials().await.unwrap().access_key_id().to_owned()
    }
}

fn denied(code: &str) -> AwsError {
    AwsError {
        class: ErrorClass::Denied,
        code: code.to_owned(),
        ..AwsError::internal("DescribeSecret", "told to")
    }
}

#[tokio::test]
async fn a_session_is_used_until_five_minutes_before_its_end_and_then_fetched_anew() {
    let scene = scene();
    assert_eq!(
        (scene.key().await, scene.key().await),
        ("KEY1".to_owned(), "KEY1".to_owned())
    );
    scene.clock.forward(Duration::from_secs(3_299));
    assert_eq!(scene.key().await, "KEY1");
    scene.clock.forward(Duration::from_secs(2));
    assert_eq!(scene.key().await, "KEY2");
}

#[tokio::test]
async fn a_session_that_cannot_be_renewed_is_used_to_its_end_and_asked_for_sparingly() {
    let scene = scene();
    scene.key().await;
    scene.failing.store(true, Ordering::SeqCst);
    scene.clock.forward(Duration::from_secs(3_310));
    for _ in 0..10 {
        assert_eq!(scene.key().await, "KEY1");
    }
    assert_eq!(
        scene.given.load(Ordering::SeqCst),
        2,
        "one attempt within thirty seconds"
    );
    scene.clock.forward(Duration::from_secs(300));
    let error = scene.renewed.credentials().await.unwrap_err();
    let words = format!(
        "{error}: {}",
        error.source().map(ToString::to_string).unwrap_or_default()
    );
    assert!(!words.is_empty());
    scene.failing.store(false, Ordering::SeqCst);
    scene.clock.forward(Duration::from_secs(2));
    assert_ne!(scene.key().await, "KEY1");
}

#[tokio::test]
async fn one_failure_answers_all_who_ask_at_the_same_time() {
    let scene = scene();
    scene.failing.store(true, Ordering::SeqCst);
    for _ in 0..64 {
        scene.renewed.credentials().await.unwrap_err();
    }
    assert_eq!(scene.given.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn refused_credentials_are_fetched_anew_and_denied_calls_change_nothing() {
    let scene = scene();
    scene.key().await;
    scene.clock.forward(Duration::from_secs(60));
    scene.refusals.note(&denied("AccessDeniedException"));
    assert_eq!(scene.key().await, "KEY1");
    scene.refusals.note(&denied("ExpiredTokenException"));
    assert_eq!(scene.key().await, "KEY2");
    // Refused again at once: not before a pause is over.
    scene.refusals.note(&denied("InvalidClientTokenId"));
    assert_eq!(scene.key().await, "KEY2");
    scene.clock.forward(REBUILD_PAUSE);
    assert_eq!(scene.key().await, "KEY3");
}

#[tokio::test]
async fn what_aws_refused_signs_no_second_request() {
    let scene = scene();
    let refused = r#"{"__type":"UnrecognizedClientException","message":"The security token is invalid"}"#;
    let users =
        "<DescribeUsersResponse><DescribeUsersResult><Users></Users></DescribeUsersResult></DescribeUsersResponse>";
    let wire = Wire::start(vec![
        Answer::new(200, users),
        Answer::new(400, refused),
        Answer::new(200, users),
    ])
    .await;
    let config = config(SharedCredentialsProvider::new(scene.renewed)).into_builder();
    let config = config.identity_cache(aws_config::identity::IdentityCache::no_cache());
    let ports = wire.ports_noting(&config.build(), scene.refusals);
    ports.users.users().await.unwrap();
    scene.clock.forward(REBUILD_PAUSE);
    let error = ports.secrets.secret("a").await.unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Denied, "UnrecognizedClientException")
    );
    ports.users.users().await.unwrap();
    let key = |number: u32| format!("Credential=KEY{number}/");
    let requests = wire.take();
    for (request, number) in requests.iter().zip([1, 1, 2]) {
        let signed = request.header("authorization").unwrap();
        assert!(signed.contains(&key(number)), "{signed}");
    }
    assert_eq!(requests.len(), 3);
}
