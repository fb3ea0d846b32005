//! Decisions on which a lockout would hang, without any I/O.

mod revoking;
mod rollback;

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::clock::after;
use crate::policy::{
    Endpoint, FirstPassword, MaxAttention, OnDrift, Overlap, PasswordSpec, Retry, Schedule, Selection, Tls,
    UserPattern, Verify,
};
use crate::rotation::observation::{
    Authentication, LoginAnswer, Node, NodeKind, SecretState, Taken, Topology, User, UserSight, UserStatus, Version,
};
use crate::rotation::version::version_id;
use crate::secret::{PasswordAlphabet, SecretDocument};

pub(super) const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:s-abcdef";
const USER: &str = "arn:aws:elasticache:us-east-1:123456789012:user:user1";

pub(super) fn now() -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000, 0).unwrap()
}

pub(super) fn policy() -> Policy {
    Policy {
        name: "orders".to_owned(),
        place: "main".to_owned(),
        schedule: Schedule::Every(Duration::from_secs(30 * 86_400)),
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

fn document(password: &str) -> SecretDocument {
    SecretDocument::parse(&format!(
        r#"{{"username":"user1","user_arn":"{USER}","password":"{password}"}}"#
    ))
    .unwrap()
}

pub(super) fn node(port: u16) -> Endpoint {
    Endpoint {
        host: "localhost".to_owned(),
        port,
    }
}

/// A user with these passwords' number, on three nodes, and a secret with these versions and labels.
pub(super) fn observation(versions: &[(&str, &[&str])], password_count: u32) -> Observation {
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

pub(super) fn answers(observation: &mut Observation, version: &str, given: &[(u16, LoginAnswer)]) {
    let given = given.iter().map(|(port, answer)| (node(*port), vec![answer.clone()]));
    observation
        .logins
        .insert(Credential::Version(version.to_owned()), given.collect());
}

pub(super) const ACCEPTED: [(u16, LoginAnswer); 3] = [
    (1, LoginAnswer::Accepted),
    (2, LoginAnswer::Accepted),
    (3, LoginAnswer::Accepted),
];

fn decide(observation: &Observation, record: &Record) -> Decision {
    decide_at(observation, record, now())
}

fn decide_at(observation: &Observation, record: &Record, now: Timestamp) -> Decision {
    let (policy, claims) = (policy(), Claims::default());
    plan(
        observation,
        record,
        &Context {
            policy: &policy,
            region: "us-east-1",
            now,
            claims: &claims,
            shared_store: false,
            paused: false,
            hold: None,
            drift_check: None,
            checks_from: now,
            recheck: Duration::from_secs(900),
        },
    )
}

fn record(events: &[Event]) -> Record {
    let new = Record::new(ARN.to_owned(), now());
    events
        .iter()
        .fold(new, |record, event| record.apply(now(), event).unwrap())
}

/// A record of a rotation from `a` whose password was set.
fn set(pending: &str) -> Record {
    let version = pending.to_owned();
    record(&[
        Event::RotationStarted {
            version: version.clone(),
            parent: "a".to_owned(),
            generation: 0,
        },
        Event::PasswordCreated {
            version: version.clone(),
        },
        Event::WriteStarted,
        Event::PasswordSet { version },
    ])
}

fn waits_for(decision: &Decision, wanted: WaitReason) {
    assert!(
        matches!(decision, Decision::Wait { reason, .. } if *reason == wanted),
        "{decision:?}"
    );
}

#[test]
fn a_promotion_needs_an_answer_of_every_node_to_both_passwords() {
    let pending = version_id(ARN, "a", 0);
    let labels: [(&str, &[&str]); 2] = [("a", &["AWSCURRENT"]), (&pending, &["AWSPENDING"])];
    let record = set(&pending);
    let mut complete = observation(&labels, 2);
    answers(&mut complete, &pending, &ACCEPTED);
    answers(&mut complete, "a", &ACCEPTED);
    let decision = decide(&complete, &record);
    assert!(
        matches!(
            decision,
            Decision::Act(Action::FinishSecret {
                proof: Proof::Proven,
                nodes: 3,
                ..
            })
        ),
        "{decision:?}"
    );

    for (credential, other) in [(pending.as_str(), "a"), ("a", pending.as_str())] {
        for given in 0..3 {
            let mut partial = observation(&labels, 2);
            answers(&mut partial, other, &ACCEPTED);
            answers(&mut partial, credential, &ACCEPTED[..given]);
            waits_for(&decide(&partial, &record), WaitReason::NodeUnreachable);
        }
    }
}

#[test]
fn one_node_that_refuses_the_pending_password_holds_promotion() {
    let pending = version_id(ARN, "a", 0);
    let mut seen = observation(&[("a", &["AWSCURRENT"]), (&pending, &["AWSPENDING"])], 2);
    answers(&mut seen, "a", &ACCEPTED);
    let mut given = ACCEPTED;
    given[2].1 = LoginAnswer::Refused;
    answers(&mut seen, &pending, &given);
    waits_for(&decide(&seen, &set(&pending)), WaitReason::NodeLagging);
}

#[test]
fn the_previous_password_is_not_called_dead_before_every_node_refused_it() {
    let current = version_id(ARN, "a", 0);
    let labels: [(&str, &[&str]); 2] = [(&current, &["AWSCURRENT"]), ("a", &["AWSPREVIOUS"])];
    let retiring = record(&[
        Event::RetirementStarted {
            version: current.clone(),
            previous: "a".to_owned(),
        },
        Event::WriteStarted,
        Event::PreviousRemoved {
            previous: "a".to_owned(),
        },
    ]);
    for given in 0..3 {
        let mut seen = observation(&labels, 1);
        answers(&mut seen, &current, &ACCEPTED);
        let refused: Vec<_> = (1..=given).map(|port| (port, LoginAnswer::Refused)).collect();
        answers(&mut seen, "a", &refused);
        let decision = decide(&seen, &retiring);
        assert!(
            !matches!(decision, Decision::Note(Event::Retired { .. })),
            "{given}: {decision:?}"
        );
    }
    let mut seen = observation(&labels, 1);
    answers(&mut seen, &current, &ACCEPTED);
    answers(
        &mut seen,
        "a",
        &[
            (1, LoginAnswer::Refused),
            (2, LoginAnswer::Refused),
            (3, LoginAnswer::Refused),
        ],
    );
    let decision = decide(&seen, &retiring);
    assert!(
        matches!(
            decision,
            Decision::Note(Event::Retired {
                proof: Proof::Proven,
                ..
            })
        ),
        "{decision:?}"
    );
}

#[test]
fn a_password_that_was_given_up_leaves_the_user_only_after_the_fence() {
    let given_up = version_id(ARN, "a", 0);
    let mut seen = observation(&[("a", &["AWSCURRENT"]), (&given_up, &[])], 2);
    seen.secret.last_changed = Some(now());
    answers(&mut seen, "a", &ACCEPTED);
    answers(&mut seen, &given_up, &ACCEPTED);
    let request = crate::rotation::event::Request {
        at: now(),
        over: Some("a".to_owned()),
        now: true,
        revoke_previous: false,
    };
    let record = record(&[
        Event::Abandoned {
            version: given_up.clone(),
        },
        Event::Requested(request),
    ]);
    let fence = policy().fence;
    // Not even for one who does not want to wait: its promotion may still be on its way.
    let early = decide_at(&seen, &record, after(now(), fence - Duration::from_secs(1)));
    assert!(
        matches!(early, Decision::Rest { until, .. } if until == after(now(), fence)),
        "{early:?}"
    );
    let late = decide_at(&seen, &record, after(now(), fence));
    let wanted = |action: &Action| matches!(action, Action::Retire { version, previous, .. } if version == "a" && *previous == given_up);
    assert!(matches!(&late, Decision::Act(action) if wanted(action)), "{late:?}");
}

#[test]
fn a_version_without_a_date_is_not_due_for_that() {
    let mut seen = observation(&[("a", &["AWSCURRENT"])], 1);
    seen.secret.versions.get_mut("a").unwrap().created = None;
    waits_for(&decide(&seen, &record(&[])), WaitReason::StatusUnsettled);
}

#[test]
fn a_promotion_whose_labels_are_read_late_is_not_made_again() {
    let pending = version_id(ARN, "a", 0);
    let promoted = Event::Promoted {
        version: pending.clone(),
        previous: "a".to_owned(),
        proof: Some(Proof::Proven),
        nodes: 3,
    };
    let record = set(&pending).apply(now(), &promoted).unwrap();
    let stale = observation(&[("a", &["AWSCURRENT"]), (&pending, &["AWSPENDING"])], 2);
    waits_for(&decide(&stale, &record), WaitReason::StatusUnsettled);
}

#[test]
fn user_ids_that_differ_in_case_only_are_one_user() {
    let mut claims = Claims::default();
    assert!(claims.claim("first", USER).is_empty());
    assert_eq!(claims.claim("second", &USER.replace("user1", "User1")), ["first"]);
    assert_eq!(claims.rival("first", USER), Some("second"));
    claims.release("second");
    assert_eq!(claims.rival("first", USER), None);
}

#[test]
fn a_password_that_was_given_up_is_not_mistaken_for_the_previous_one() {
    let given_up = version_id(ARN, "b", 0);
    let versions: [(&str, &[&str]); 3] = [("a", &["AWSPREVIOUS"]), ("b", &["AWSCURRENT"]), (&given_up, &[])];
    let mut seen = observation(&versions, 2);
    let refused = [
        (1, LoginAnswer::Refused),
        (2, LoginAnswer::Refused),
        (3, LoginAnswer::Refused),
    ];
    answers(&mut seen, "a", &refused);
    answers(&mut seen, "b", &ACCEPTED);
    answers(&mut seen, &given_up, &ACCEPTED);
    // The store is new, so nothing is known of what was retired.
    let due = after(now(), Duration::from_secs(31 * 86_400));
    let decision = decide_at(&seen, &record(&[]), due);
    let wanted = |action: &Action| matches!(action, Action::Retire { previous, .. } if *previous == given_up);
    assert!(
        matches!(&decision, Decision::Act(action) if wanted(action)),
        "{decision:?}"
    );

    answers(&mut seen, &given_up, &refused);
    let decision = decide_at(&seen, &record(&[]), due);
    assert!(
        matches!(
            decision,
            Decision::Halt {
                reason: HaltReason::UnknownPassword,
                ..
            }
        ),
        "a person's password stays: {decision:?}"
    );
}

#[test]
fn a_change_that_aws_refused_does_not_pass_a_strangers_password_off_as_ours() {
    let pending = version_id(ARN, "a", 0);
    let version = pending.clone();
    let refused = record(&[
        Event::RotationStarted {
            version: version.clone(),
            parent: "a".to_owned(),
            generation: 0,
        },
        Event::PasswordCreated { version },
        Event::WriteStarted,
        Event::WriteRefused,
    ]);
    let mut seen = observation(&[("a", &["AWSCURRENT"]), (&pending, &["AWSPENDING"])], 2);
    answers(&mut seen, "a", &ACCEPTED);
    answers(
        &mut seen,
        &pending,
        &[
            (1, LoginAnswer::Refused),
            (2, LoginAnswer::Refused),
            (3, LoginAnswer::Refused),
        ],
    );
    let decision = decide(&seen, &refused);
    assert!(
        matches!(
            decision,
            Decision::Halt {
                reason: HaltReason::UnknownPassword,
                ..
            }
        ),
        "{decision:?}"
    );
}

#[test]
fn a_retirement_is_dropped_when_awscurrent_moved_on() {
    let begun = record(&[Event::RetirementStarted {
        version: "b".to_owned(),
        previous: "a".to_owned(),
    }]);
    let seen = observation(&[("a", &[]), ("b", &["AWSPREVIOUS"]), ("c", &["AWSCURRENT"])], 1);
    assert_eq!(decide(&seen, &begun), Decision::Note(Event::RetirementDropped));
    assert_eq!(begun.apply(now(), &Event::RetirementDropped).unwrap().retirement, None);
}
