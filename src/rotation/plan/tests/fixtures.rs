//! A secret and its user that are as they should be, and what is decided about them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::*;
use crate::policy::{
    Blackout, Endpoint, FirstPassword, MaxAttention, OnDrift, Overlap, PasswordSpec, Retry, Schedule, Selection, Tls,
    UserPattern, Verify,
};
use crate::rotation::observation::{
    Authentication, Credential, LoginAnswer, Node, NodeKind, SecretState, Taken, Topology, User, UserSight, UserStatus,
    Version,
};
use crate::secret::{PasswordAlphabet, SecretDocument};

pub(in crate::rotation::plan) const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:s-abcdef";
pub(in crate::rotation::plan) const USER: &str = "arn:aws:elasticache:us-east-1:123456789012:user:user1";

pub(in crate::rotation::plan) fn now() -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000, 0).unwrap()
}

pub(in crate::rotation::plan) fn policy() -> Policy {
    Policy {
        name: "orders".to_owned(),
        place: "main".to_owned(),
        schedule: Schedule::Every(Duration::from_secs(30 * 86_400)),
        window: None,
        blackout: Blackout::default(),
        together: None,
        max_versions_per_day: 90,
        selection: Selection::default(),
        allow_users: vec![UserPattern("user1".to_owned())],
        password: PasswordSpec {
            length: 32,
            alphabet: PasswordAlphabet::without("").unwrap(),
        },
        overlap: Overlap::For(Duration::ZERO),
        verify: Verify::Login,
        first_password: FirstPassword::InactiveOnly,
        allow_default_user: false,
        on_drift: OnDrift::Halt,
        propagation_timeout: Duration::from_secs(1_800),
        pending_max_age: Duration::from_secs(7 * 86_400),
        max_attempts: 3,
        retry: Retry {
            initial: Duration::from_secs(2),
            max: Duration::from_secs(600),
            jitter: 0.2,
        },
        fence: Duration::from_secs(1_200),
        settle: Duration::from_secs(300),
        write_deadline: Duration::from_secs(10),
        endpoints: Vec::new(),
        tls: Tls::default(),
        canary: 1,
        max_attention: MaxAttention::Percent(5),
        paused: false,
    }
}

pub(in crate::rotation::plan) fn document(password: &str) -> SecretDocument {
    SecretDocument::parse(&format!(
        r#"{{"username":"user1","user_arn":"{USER}","password":"{password}"}}"#
    ))
    .unwrap()
}

pub(in crate::rotation::plan) fn node(port: u16) -> Endpoint {
    Endpoint {
        host: "localhost".to_owned(),
        port,
    }
}

/// A user with these passwords' number, on three nodes, and a secret with these versions and labels.
pub(in crate::rotation::plan) fn observation(versions: &[(&str, &[&str])], password_count: u32) -> Observation {
    let version = |stages: &[&str]| Version {
        created: Some(now()),
        stages: stages.iter().map(|stage| (*stage).to_owned()).collect(),
    };
    let secret = SecretState {
        arn: ARN.to_owned(),
        name: "s".to_owned(),
        deleted: None,
        rotation_enabled: false,
        owning_service: None,
        replicated: false,
        tags: BTreeMap::new(),
        last_changed: Some(now()),
        versions: versions
            .iter()
            .map(|(id, stages)| ((*id).to_owned(), version(stages)))
            .collect(),
    };
    let mut observation = Observation::new(
        Taken {
            wall: now(),
            monotonic: Duration::ZERO,
        },
        secret,
    );
    for (id, _) in versions {
        observation
            .values
            .insert((*id).to_owned(), Ok(document(&format!("password of {id}"))));
    }
    observation.user = UserSight::Seen(User {
        id: "user1".to_owned(),
        name: "user1".to_owned(),
        arn: USER.to_owned(),
        status: UserStatus::Active,
        authentication: Authentication::Password,
        password_count,
        on: true,
        groups: BTreeSet::new(),
    });
    let nodes = (1..=3).map(|port| Node {
        endpoint: node(port),
        cache: "c".to_owned(),
        kind: NodeKind::Node,
        available: true,
    });
    observation.topology = Some(Topology {
        nodes: nodes.collect(),
        refusal: None,
    });
    observation
}

pub(in crate::rotation::plan) fn answers(observation: &mut Observation, version: &str, given: &[(u16, LoginAnswer)]) {
    let given = given.iter().map(|(port, answer)| (node(*port), vec![answer.clone()]));
    observation
        .logins
        .insert(Credential::Version(version.to_owned()), given.collect());
}

pub(in crate::rotation::plan) const ACCEPTED: [(u16, LoginAnswer); 3] = [
    (1, LoginAnswer::Accepted),
    (2, LoginAnswer::Accepted),
    (3, LoginAnswer::Accepted),
];

pub(in crate::rotation::plan) fn decide(observation: &Observation, record: &Record) -> Decision {
    decide_at(observation, record, now())
}

pub(in crate::rotation::plan) fn decide_at(observation: &Observation, record: &Record, now: Timestamp) -> Decision {
    decide_under(&policy(), observation, record, now)
}

pub(in crate::rotation::plan) fn decide_under(
    policy: &Policy,
    observation: &Observation,
    record: &Record,
    now: Timestamp,
) -> Decision {
    plan(
        observation,
        record,
        &Context {
            policy,
            region: "us-east-1",
            now,
            claims: &Claims::default(),
            other_policies: Vec::new(),
            shared_store: false,
            waited_for: "",
            paused: false,
            hold: None,
            drift_check: None,
            checks_from: now,
            recheck: Duration::from_secs(900),
        },
    )
}

pub(in crate::rotation::plan) fn record(events: &[Event]) -> Record {
    let new = Record::new(ARN.to_owned(), now());
    events
        .iter()
        .fold(new, |record, event| record.apply(now(), event).unwrap())
}

/// A record of a rotation from `a` whose password was set.
pub(in crate::rotation::plan) fn set(pending: &str) -> Record {
    let version = pending.to_owned();
    record(&[
        Event::RotationStarted {
            version: version.clone(),
            parent: "a".to_owned(),
            generation: 0,
            cause: None,
        },
        Event::PasswordCreated {
            version: version.clone(),
        },
        Event::WriteStarted,
        Event::PasswordSet { version },
    ])
}

pub(in crate::rotation::plan) fn waits_for(decision: &Decision, wanted: WaitReason) {
    assert!(
        matches!(decision, Decision::Wait { reason, .. } if *reason == wanted),
        "{decision:?}"
    );
}
