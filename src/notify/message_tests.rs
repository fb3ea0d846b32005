//! What messages say, and to whom.

use std::time::Duration;

use super::*;
use crate::config::Channel;
use crate::rotation::reason::{DriftCause, HaltReason, UnprovenReason};

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + second, 0).unwrap()
}

fn target(name: &str, kinds: &[NoticeKind], policies: Option<&[&str]>) -> (String, NotifyTarget) {
    let target = NotifyTarget {
        name: name.to_owned(),
        channel: Channel::EventBridge {
            place: "main".to_owned(),
            bus: "default".to_owned(),
        },
        kinds: kinds.iter().copied().collect(),
        policies: policies.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
        timeout: Duration::from_secs(10),
    };
    (name.to_owned(), target)
}

fn everything() -> BTreeMap<String, NotifyTarget> {
    [target("all", NoticeKind::ALL, None)].into()
}

/// What is told of the last of these events.
fn told_of(targets: &BTreeMap<String, NotifyTarget>, events: &[Event]) -> Vec<Outgoing> {
    let mut record = Record::new("arn:of:a:secret".to_owned(), at(0));
    let mut told = Vec::new();
    for (second, event) in (1..).zip(events) {
        let after = record.clone().apply(at(second), event).unwrap();
        told = outgoing(
            targets,
            &Told {
                policy: "orders",
                secret: "production/ec/user1",
                user_id: Some("user1"),
                before: &record,
                event,
                after: &after,
                at: at(second),
            },
        );
        record = after;
    }
    told
}

fn only(events: &[Event]) -> Message {
    let told = told_of(&everything(), events);
    assert_eq!(told.len(), 1, "{told:?}");
    serde_json::from_str(&told[0].message).unwrap()
}

fn started() -> Event {
    Event::RotationStarted {
        version: "v2".to_owned(),
        parent: "v1".to_owned(),
        generation: 0,
        cause: None,
    }
}

fn promoted(proof: Option<Proof>) -> Event {
    Event::Promoted {
        version: "v2".to_owned(),
        previous: "v1".to_owned(),
        proof,
        nodes: 3,
    }
}

fn halted(detail: &str) -> Event {
    Event::Halted {
        reason: HaltReason::ForeignPending,
        detail: detail.to_owned(),
        subject: "v7".to_owned(),
    }
}

#[test]
fn a_success_says_which_version_replaced_which_how_it_was_proved_and_how_long_it_took() {
    let message = only(&[started(), Event::WriteStarted, promoted(Some(Proof::Proven))]);
    assert_eq!(message.message_type, "rotation.succeeded");
    assert_eq!(message.timestamp, at(3));
    let data = message.data;
    assert_eq!(data.event, "succeeded");
    assert_eq!(data.policy.as_deref(), Some("orders"));
    assert_eq!(data.secret.as_deref(), Some("production/ec/user1"));
    assert_eq!(data.secret_arn.as_deref(), Some("arn:of:a:secret"));
    assert_eq!(data.user_id.as_deref(), Some("user1"));
    assert_eq!(
        (data.version.as_deref(), data.previous_version.as_deref()),
        (Some("v2"), Some("v1"))
    );
    assert_eq!((data.proof.as_deref(), data.nodes), (Some("proven"), Some(3)));
    assert_eq!(data.seconds, Some(2.0));
    assert_eq!(data.rekeyd, env!("CARGO_PKG_VERSION"));
    assert!(!data.host.is_empty());
    assert_eq!(
        data.summary,
        "production/ec/user1 (policy orders) has a new password, accepted by 3 nodes"
    );
}

#[test]
fn what_could_not_be_proved_is_not_passed_off_as_proved() {
    let unproven = only(&[started(), promoted(Some(Proof::Unproven(UnprovenReason::UserOff)))]);
    assert_eq!(unproven.data.proof.as_deref(), Some("unproven"));
    assert_eq!(unproven.data.reason.as_deref(), Some("user_off"));
    assert!(unproven.data.summary.contains(", unproven: user_off: The user is off"));
    let by_another = only(&[started(), promoted(None)]);
    assert_eq!((by_another.data.proof, by_another.data.nodes), (None, None));
    assert!(by_another.data.summary.ends_with("promoted by another process"));
}

#[test]
fn a_halt_says_why_and_its_end_says_what_is_over_and_since_when_it_was() {
    let begun = only(&[started(), halted("AWSPENDING is on v7")]);
    assert_eq!(begun.message_type, "secret.halted");
    assert_eq!(begun.data.reason.as_deref(), Some("foreign_pending"));
    assert_eq!(
        begun.data.meaning.as_deref(),
        Some(HaltReason::ForeignPending.meaning())
    );
    assert_eq!(begun.data.detail.as_deref(), Some("AWSPENDING is on v7"));
    assert_eq!((begun.data.version.as_deref(), begun.data.since), (Some("v2"), None));
    let over = only(&[halted("AWSPENDING is on v7"), Event::WriteStarted, Event::HaltCleared]);
    assert_eq!(over.message_type, "secret.halt_ended");
    assert_eq!(over.data.reason.as_deref(), Some("foreign_pending"));
    assert_eq!((over.timestamp, over.data.since), (at(3), Some(at(1))));
}

#[test]
fn a_drift_names_its_cause_and_its_version() {
    let message = only(&[Event::DriftFound {
        version: "v2".to_owned(),
        cause: DriftCause::PreviousAccepted,
        detail: "3 nodes".to_owned(),
        repair_from: None,
    }]);
    assert_eq!(message.message_type, "secret.drift");
    assert_eq!(message.data.version.as_deref(), Some("v2"));
    assert_eq!(message.data.reason.as_deref(), Some("previous_accepted"));
}

#[test]
fn only_those_are_told_who_want_the_kind_and_the_policy() {
    let targets = [
        target("halts", &[NoticeKind::Halted], None),
        target("ours", NoticeKind::ALL, Some(&["orders"])),
        target("theirs", NoticeKind::ALL, Some(&["payments"])),
        target("successes", &[NoticeKind::Succeeded], None),
    ]
    .into();
    let told = told_of(&targets, &[halted("a")]);
    let names: Vec<&str> = told.iter().map(|outgoing| outgoing.target.as_str()).collect();
    assert_eq!(names, ["halts", "ours"]);
    assert_eq!(told[0].id, told[1].id, "one thing that happened has one id");
    assert_eq!(told_of(&BTreeMap::new(), &[halted("a")]), []);
}

#[test]
fn an_id_is_the_same_for_the_same_event_and_another_for_any_other() {
    let id = |events: &[Event]| told_of(&everything(), events)[0].id.clone();
    assert_eq!(id(&[halted("a")]), id(&[halted("a")]));
    assert_ne!(id(&[halted("a")]), id(&[started(), halted("a")]), "at another time");
    assert!(id(&[halted("a")]).starts_with("msg_") && id(&[halted("a")]).len() == 36);
}

#[test]
fn texts_are_cut_and_lose_what_a_terminal_would_obey() {
    let long = format!("\u{1b}[31m{}", "ü".repeat(20_000));
    let data = only(&[halted(&long)]).data;
    let detail = data.detail.unwrap();
    assert_eq!(detail.chars().count(), LONGEST_TEXT + 1);
    assert!(detail.starts_with(" [31m") && detail.ends_with('…'));
    assert!(data.summary.chars().count() <= LONGEST_TEXT + 1);
}

#[test]
fn ten_of_the_longest_messages_fit_into_a_call_of_event_bridge() {
    let longest = told_of(&everything(), &[halted(&"\u{1d11e}".repeat(20_000))]);
    // What an entry counts beside its detail: source, type and the secret's ARN, below 3 KB.
    assert!(
        10 * (longest[0].message.len() + 3_000) < 256 * 1024,
        "{}",
        longest[0].message.len()
    );
}
