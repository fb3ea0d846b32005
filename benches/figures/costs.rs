//! What a decision and a save cost, by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rekeyd::clock::{Clock, SystemClock, Timestamp};
use rekeyd::policy::{Endpoint, Policy};
use rekeyd::rotation::event::Event;
use rekeyd::rotation::observation::{
    AWSCURRENT, AWSPENDING, Authentication, Credential, LoginAnswer, Node, NodeKind, Observation, Proof, SecretState,
    Taken, Topology, User, UserSight, UserStatus, Version,
};
use rekeyd::rotation::plan::{Action, Claims, Context, Decision, plan};
use rekeyd::rotation::state::Record;
use rekeyd::rotation::version::version_id;
use rekeyd::secret::SecretDocument;
use rekeyd::store::Store;
use rekeyd::store::sqlite::SqliteStore;
use tokio::time::Instant;

use crate::table::Table;

pub(crate) const SPAN: Duration = Duration::from_secs(3);
const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-AbCdEf";
const USER: &str = "arn:aws:elasticache:us-east-1:123456789012:user:user1";
const CURRENT: &str = "11111111-1111-4111-8111-111111111111";
const NODES: u16 = 3;
/// Saves under way at a time, as when many users rotate at once.
const AT_ONCE: usize = 32;

/// Decisions and saves.
pub(crate) async fn measure(table: &mut Table) {
    let now = SystemClock::new().now();
    let policy = policy();

    // The record of a proved secret, a month before the next rotation.
    let checked = Event::Checked {
        version: CURRENT.to_owned(),
        proof: Proof::Proven,
        nodes: usize::from(NODES),
    };
    let resting = Record::new(SECRET.to_owned(), now).apply(now, &checked).unwrap();
    let decision = rate(|| decide(&at_rest(now), &resting, &policy, now));
    add(
        table,
        "plan(), at rest",
        decision,
        "one decision; the observation is made anew",
    );

    // The last decision of a rotation: logins on every node weighed, AWSCURRENT may move.
    let (observation, record) = proved(now);
    assert!(
        matches!(
            decide(&observation, &record, &policy, now),
            Decision::Act(Action::FinishSecret { .. })
        ),
        "the bench measures another decision than it says"
    );
    let decision = rate(|| decide(&observation, &record, &policy, now));
    add(table, "plan(), a rotation proved on 3 nodes", decision, "one decision");

    let folder = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("state.db")).unwrap());
    add(
        table,
        "a durable save, alone",
        saves(store.clone(), 1).await,
        "SQLite, on this machine's disk",
    );
    let together = saves(store, AT_ONCE).await;
    add(
        table,
        "a durable save, 32 at a time",
        together,
        "the same; time for each",
    );
}

fn add(table: &mut Table, what: &str, per_second: f64, on: &str) {
    table.add(1, what, (1_000_000.0 / per_second, "us"), on);
}

/// How often something can be done in a second.
fn rate<T>(mut work: impl FnMut() -> T) -> f64 {
    let begin = Instant::now();
    let mut done = 0_u32;
    while begin.elapsed() < SPAN {
        for _ in 0..100 {
            black_box(work());
        }
        done += 100;
    }
    f64::from(done) / begin.elapsed().as_secs_f64()
}

/// Saves of a record of each its own secret, with one event each.
pub(crate) async fn saves(store: Arc<SqliteStore>, at_once: usize) -> f64 {
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..at_once {
        let store = store.clone();
        tasks.spawn(async move {
            let clock = SystemClock::new();
            let mut record = Record::new(format!("{SECRET}{task}"), clock.now());
            let mut done = 0_u32;
            while begin.elapsed() < SPAN {
                let event = Event::Checked {
                    version: CURRENT.to_owned(),
                    proof: Proof::Proven,
                    nodes: usize::from(NODES),
                };
                let at = clock.now();
                record = record.apply(at, &event).unwrap();
                store.save(&record, &[(at, event)]).await.unwrap();
                done += 1;
            }
            done
        });
    }
    let done: u32 = tasks.join_all().await.into_iter().sum();
    f64::from(done) / begin.elapsed().as_secs_f64()
}

fn decide(observation: &Observation, record: &Record, policy: &Policy, now: Timestamp) -> Decision {
    let claims = Claims::default();
    let context = Context {
        policy,
        region: "us-east-1",
        now,
        claims: &claims,
        other_policies: Vec::new(),
        shared_store: false,
        waited_for: "",
        paused: false,
        hold: None,
        drift_check: Some(Duration::from_secs(21_600)),
        checks_from: now,
        recheck: Duration::from_secs(900),
    };
    plan(observation, record, &context)
}

fn document(password: &str) -> SecretDocument {
    let text = serde_json::json!({"username": "user1", "user_arn": USER, "password": password});
    SecretDocument::parse(&text.to_string()).unwrap()
}

fn version(stages: &[&str], created: Timestamp) -> Version {
    Version {
        created: Some(created),
        stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
    }
}

fn at_rest(now: Timestamp) -> Observation {
    let secret = SecretState {
        arn: SECRET.to_owned(),
        name: "production/ec/user1".to_owned(),
        deleted: None,
        rotation_enabled: false,
        owning_service: None,
        replicated: false,
        tags: BTreeMap::new(),
        last_changed: Some(now),
        versions: BTreeMap::from([(CURRENT.to_owned(), version(&[AWSCURRENT], now))]),
    };
    let taken = Taken {
        wall: now,
        monotonic: Duration::ZERO,
    };
    let mut observation = Observation::new(taken, secret);
    let values = BTreeMap::from([(CURRENT.to_owned(), Ok(document("a-password-for-the-bench")))]);
    observation.values = values;
    observation
}

fn proved(now: Timestamp) -> (Observation, Record) {
    let pending = version_id(SECRET, CURRENT, 0);
    let mut observation = at_rest(now);
    observation
        .secret
        .versions
        .insert(pending.clone(), version(&[AWSPENDING], now));
    observation
        .values
        .insert(pending.clone(), Ok(document("another-password-for-the-bench")));
    observation.user = UserSight::Seen(User {
        id: "user1".to_owned(),
        name: "user1".to_owned(),
        arn: USER.to_owned(),
        status: UserStatus::Active,
        authentication: Authentication::Password,
        password_count: 2,
        on: true,
        groups: BTreeSet::from(["group1".to_owned()]),
    });
    let endpoints = (0..NODES).map(|node| Endpoint {
        host: format!("node{node}.example"),
        port: 6379,
    });
    let nodes = endpoints.clone().map(|endpoint| Node {
        endpoint,
        cache: "cache1".to_owned(),
        kind: NodeKind::Node,
        available: true,
    });
    observation.topology = Some(Topology {
        nodes: nodes.collect(),
        refusal: None,
    });
    for version in [CURRENT, &pending] {
        let answers = endpoints
            .clone()
            .map(|endpoint| (endpoint, vec![LoginAnswer::Accepted]));
        observation
            .logins
            .insert(Credential::Version(version.to_owned()), answers.collect());
    }
    let events = [
        Event::RotationStarted {
            version: pending.clone(),
            parent: CURRENT.to_owned(),
            generation: 0,
            cause: None,
        },
        Event::PasswordCreated {
            version: pending.clone(),
        },
        Event::WriteStarted,
        Event::PasswordSet { version: pending },
    ];
    let record = events
        .iter()
        .try_fold(Record::new(SECRET.to_owned(), now), |record, event| {
            record.apply(now, event)
        });
    (observation, record.unwrap())
}

/// A policy as most are: nothing but what has no default.
fn policy() -> Policy {
    let text = include_str!("../../tests/fixtures/smallest.toml");
    let loaded = rekeyd::config::parse_str("smallest.toml", text).unwrap();
    loaded.config.policies["orders"].clone()
}
