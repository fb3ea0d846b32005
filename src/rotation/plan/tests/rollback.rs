//! When AWSCURRENT goes back, and when it does not.

use super::*;
use crate::rotation::reason::RollbackRefusal;
use crate::rotation::rollback::RollbackRequest;

const MINUTE: Duration = Duration::from_secs(60);

/// A day's overlap between `a` and its child, half an hour after the promotion.
struct Overlapping {
    current: String,
    observation: Observation,
    events: Vec<Event>,
    policy: Policy,
    now: Timestamp,
}

fn overlapping() -> Overlapping {
    let current = version_id(ARN, "a", 0);
    let labels: [(&str, &[&str]); 2] = [(&current, &["AWSCURRENT"]), ("a", &["AWSPREVIOUS"])];
    let mut observation = observation(&labels, 2);
    answers(&mut observation, "a", &ACCEPTED);
    let events = vec![
        Event::RotationStarted {
            version: current.clone(),
            parent: "a".to_owned(),
            generation: 0,
            cause: None,
        },
        Event::FinishStarted {
            version: current.clone(),
            proof: Proof::Proven,
            nodes: 3,
        },
        Event::Promoted {
            version: current.clone(),
            previous: "a".to_owned(),
            proof: Some(Proof::Proven),
            nodes: 3,
        },
    ];
    Overlapping {
        current,
        observation,
        events,
        policy: Policy {
            overlap: Overlap::For(Duration::from_secs(86_400)),
            ..policy()
        },
        now: after(now(), 30 * MINUTE),
    }
}

impl Overlapping {
    fn asked(&self, skip: bool) -> Event {
        Event::RollbackRequested(RollbackRequest {
            at: self.now,
            until: after(self.now, 30 * MINUTE),
            version: self.current.clone(),
            now: skip,
            by: None,
        })
    }

    /// The decision on a rollback that was asked for before these events.
    fn decide(&self, skip: bool, events: &[Event]) -> Decision {
        let mut record = record(&self.events);
        for event in [&[self.asked(skip)], events].concat() {
            record = record.apply(self.now, &event).unwrap();
        }
        self.decide_on(&record)
    }

    fn decide_on(&self, record: &Record) -> Decision {
        decide_under(&self.policy, &self.observation, record, self.now)
    }

    #[track_caller]
    fn is_refused(&self, events: &[Event], wanted: RollbackRefusal) {
        let decision = self.decide(false, events);
        assert!(
            matches!(&decision, Decision::Note(Event::RollbackRefused { reason, .. }) if *reason == wanted),
            "{decision:?}"
        );
    }

    fn count(&mut self, count: u32) {
        let UserSight::Seen(user) = &mut self.observation.user else {
            panic!("the user was seen");
        };
        user.password_count = count;
    }
}

fn moves(decision: &Decision) -> bool {
    matches!(decision, Decision::Act(Action::RollBack { previous, .. }) if previous == "a")
}

#[test]
fn a_rollback_needs_the_answer_of_every_node_to_the_previous_password() {
    let mut scene = overlapping();
    let decision = scene.decide(false, &[]);
    assert!(
        matches!(
            &decision,
            Decision::Act(Action::RollBack { proof: Proof::Proven, nodes: 3, version, .. }) if *version == scene.current
        ),
        "{decision:?}"
    );
    for given in 0..3 {
        answers(&mut scene.observation, "a", &ACCEPTED[..given]);
        waits_for(&scene.decide(false, &[]), WaitReason::NodeUnreachable);
    }
    let mut refusing = ACCEPTED;
    refusing[1].1 = LoginAnswer::Refused;
    answers(&mut scene.observation, "a", &refusing);
    scene.is_refused(&[], RollbackRefusal::PreviousRefused);
}

#[test]
fn with_one_password_on_the_user_nothing_goes_back_though_nodes_still_accept_the_previous_one() {
    let mut scene = overlapping();
    scene.count(1);
    scene.is_refused(&[], RollbackRefusal::PasswordCount);
    assert!(!moves(&scene.decide(true, &[])), "not even for --now");
}

#[test]
fn nothing_goes_back_once_a_retirement_has_begun() {
    let mut scene = overlapping();
    let retirement = Event::RetirementStarted {
        version: scene.current.clone(),
        previous: "a".to_owned(),
    };
    scene.events.push(retirement);
    scene.is_refused(&[], RollbackRefusal::RetirementBegun);
    assert!(!moves(&scene.decide(true, &[])), "not even for --now");
}

#[test]
fn near_the_end_of_the_overlap_only_now_goes_back() {
    let mut scene = overlapping();
    scene.now = after(now(), Duration::from_secs(86_400) - 21 * MINUTE);
    assert!(moves(&scene.decide(false, &[])));
    scene.now = after(now(), Duration::from_secs(86_400) - 19 * MINUTE);
    scene.is_refused(&[], RollbackRefusal::OverlapEnding);
    assert!(moves(&scene.decide(true, &[])));
}

#[test]
fn a_write_that_was_never_answered_holds_a_rollback_for_the_fence_but_not_its_own_move() {
    let mut scene = overlapping();
    scene.now = after(now(), MINUTE);
    scene.events.push(Event::WriteStarted);
    scene.is_refused(&[], RollbackRefusal::WriteInDoubt);
    scene.events.pop();
    let started = Event::RollbackStarted {
        version: scene.current.clone(),
        previous: "a".to_owned(),
        proof: Proof::Proven,
        nodes: 3,
    };
    assert!(moves(&scene.decide(false, &[started])), "the same move again");
}

#[test]
fn a_rollback_that_was_seen_to_arrive_is_done_and_one_whose_time_is_over_is_given_up() {
    let mut scene = overlapping();
    let started = Event::RollbackStarted {
        version: scene.current.clone(),
        previous: "a".to_owned(),
        proof: Proof::Proven,
        nodes: 3,
    };
    let mut late = record(&scene.events);
    for event in [scene.asked(false), started.clone()] {
        late = late.apply(scene.now, &event).unwrap();
    }
    scene.now = after(scene.now, 31 * MINUTE);
    assert_eq!(scene.decide_on(&late), Decision::Note(Event::RollbackExpired));
    let labels: [(&str, &[&str]); 2] = [("a", &["AWSCURRENT"]), (&scene.current, &["AWSPREVIOUS"])];
    scene.observation = observation(&labels, 2);
    let decision = scene.decide_on(&late);
    assert!(
        matches!(decision, Decision::Note(Event::RolledBack { .. })),
        "{decision:?}"
    );
}

#[test]
fn while_a_move_back_may_still_arrive_the_previous_password_is_not_retired() {
    let mut scene = overlapping();
    scene.policy.overlap = Overlap::For(Duration::ZERO);
    let started = Event::RollbackStarted {
        version: scene.current.clone(),
        previous: "a".to_owned(),
        proof: Proof::Proven,
        nodes: 3,
    };
    let mut record = record(&scene.events);
    for event in [scene.asked(true), started, Event::RollbackExpired] {
        record = record.apply(scene.now, &event).unwrap();
    }
    answers(&mut scene.observation, &scene.current.clone(), &ACCEPTED);
    scene.now = after(scene.now, 19 * MINUTE);
    let decision = scene.decide_on(&record);
    assert!(matches!(decision, Decision::Rest { .. }), "{decision:?}");
    scene.now = after(scene.now, 2 * MINUTE);
    let decision = scene.decide_on(&record);
    assert!(matches!(decision, Decision::Act(Action::Retire { .. })), "{decision:?}");
}

#[test]
fn labels_that_still_show_the_version_that_was_left_retire_nothing() {
    let mut scene = overlapping();
    scene.policy.overlap = Overlap::For(Duration::ZERO);
    let mut record = record(&scene.events);
    for event in [
        scene.asked(true),
        Event::RollbackStarted {
            version: scene.current.clone(),
            previous: "a".to_owned(),
            proof: Proof::Proven,
            nodes: 3,
        },
        Event::RolledBack {
            version: scene.current.clone(),
            previous: "a".to_owned(),
        },
    ] {
        record = record.apply(scene.now, &event).unwrap();
    }
    waits_for(&scene.decide_on(&record), WaitReason::StatusUnsettled);
}

#[test]
fn what_else_is_no_rollback_is_refused_by_name() {
    type Labels<'a> = [(&'a str, &'a [&'a str])];
    let scene = |labels: &Labels<'_>| Overlapping {
        observation: observation(labels, 2),
        ..overlapping()
    };
    let child = version_id(ARN, "a", 0);
    let cases: [(&Labels<'_>, RollbackRefusal); 4] = [
        (&[(&child, &["AWSCURRENT"])], RollbackRefusal::NothingPrevious),
        (
            &[(&child, &["AWSCURRENT"]), ("b", &["AWSPREVIOUS"])],
            RollbackRefusal::NotDerived,
        ),
        (
            &[("a", &["AWSCURRENT"]), (&child, &["AWSPREVIOUS"])],
            RollbackRefusal::AlreadyRolledBack,
        ),
        (
            &[("b", &["AWSCURRENT"]), ("a", &["AWSPREVIOUS"])],
            RollbackRefusal::MovedOn,
        ),
    ];
    for (labels, wanted) in cases {
        scene(labels).is_refused(&[], wanted);
    }
    let leak = Event::Requested(crate::rotation::event::Request {
        at: now(),
        over: Some(child),
        now: false,
        revoke_previous: true,
        by: None,
    });
    overlapping().is_refused(&[leak], RollbackRefusal::RevocationOpen);
    let mut foreign = overlapping();
    foreign.observation.secret.rotation_enabled = true;
    foreign.is_refused(&[], RollbackRefusal::Halted);
}
