//! What the store holds is read by later releases: the JSON of records and events, frozen in
//! `tests/fixtures/stored`. A field may be added, with a default; none may go, be renamed or change its form.
//!
//! A new event or reason needs a line there. `UPDATE_GOLDEN=1` writes added fields and reasons into the files.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rekeyd::rotation::event::Event;
use rekeyd::rotation::reason::{AttentionReason, HaltReason, UnprovenReason, WaitReason};
use rekeyd::rotation::state::Record;
use rekeyd::rotation::step::Step;
use serde_json::{Value, json};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/stored")
        .join(name)
}

fn frozen(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{}: {error}", path(name).display()))
}

/// Asserts that what was frozen is all there still, and writes what was added if told to.
fn holds(name: &str, was: &[Value], is: &[Value], text: impl Fn(&[Value]) -> String) {
    for (was, is) in was.iter().zip(is) {
        contains(is, was, name);
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path(name), text(is)).unwrap();
    }
}

fn contains(is: &Value, was: &Value, place: &str) {
    match (is, was) {
        (Value::Object(is), Value::Object(was)) => {
            for (key, value) in was {
                let place = format!("{place}.{key}");
                contains(is.get(key).unwrap_or_else(|| panic!("{place} is gone")), value, &place);
            }
        }
        (Value::Array(is), Value::Array(was)) => {
            assert_eq!(is.len(), was.len(), "{place}");
            for (is, was) in is.iter().zip(was) {
                contains(is, was, place);
            }
        }
        _ => assert_eq!(is, was, "{place}"),
    }
}

fn lines(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}

#[test]
fn every_event_that_a_release_has_stored_is_read_and_written_with_all_that_it_held() {
    let was: Vec<Value> = frozen("events.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let read = |value: &Value| -> Event {
        serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
    };
    let events: Vec<Event> = was.iter().map(read).collect();
    let is: Vec<Value> = events
        .iter()
        .map(|event| serde_json::to_value(event).unwrap())
        .collect();
    for (event, was) in events.iter().zip(&was) {
        assert_eq!(event.label(), was["event"], "logs and store call it the same");
    }
    holds("events.jsonl", &was, &is, lines);
}

#[test]
fn every_event_there_is_has_been_frozen() {
    // Names are read from the source, because no list of them exists at run time.
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/rotation/event.rs")).unwrap();
    let (_, labels) = source.split_once("fn label(&self)").unwrap();
    let there: BTreeSet<&str> = labels
        .lines()
        .filter_map(|line| line.trim().strip_suffix("\",")?.split_once("=> \""))
        .map(|(_, label)| label)
        .collect();
    let text = frozen("events.jsonl");
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let frozen: BTreeSet<String> = lines.map(|line| line["event"].as_str().unwrap().to_owned()).collect();
    assert!(there.len() >= 28, "{there:?}");
    let missing: Vec<_> = there.iter().filter(|label| !frozen.contains(**label)).collect();
    assert!(
        missing.is_empty(),
        "events without a line in {}: {missing:?}. Add one for each, every field of it set",
        path("events.jsonl").display()
    );
}

#[test]
fn a_record_that_a_release_has_stored_is_read_and_written_with_all_that_it_held() {
    let was: Value = serde_json::from_str(&frozen("record.json")).unwrap();
    for (key, value) in was.as_object().unwrap() {
        assert!(!value.is_null(), "{key} must be set, or nothing is known of its form");
    }
    let record: Record = serde_json::from_value(was.clone()).unwrap();
    let is = serde_json::to_value(&record).unwrap();
    holds("record.json", &[was], &[is], |values| {
        let text = serde_json::to_string_pretty(&values[0]).unwrap();
        format!("{}\n", text.replace("  ", " "))
    });
}

#[test]
fn a_record_with_nothing_but_what_the_first_release_required_is_read() {
    let was: Value = serde_json::from_str(&frozen("record.json")).unwrap();
    let least = json!({"secret_arn": was["secret_arn"], "first_seen": was["first_seen"]});
    let record: Record = serde_json::from_value(least).unwrap();
    assert_eq!(record, Record::new(record.secret_arn.clone(), record.first_seen));
}

#[test]
fn no_reason_or_step_that_a_release_has_stored_is_forgotten() {
    macro_rules! labels {
        ($($set:ident),+) => {
            json!({$(stringify!($set): $set::ALL.iter().map(|one| one.label()).collect::<Vec<_>>()),+})
        };
    }
    macro_rules! reads {
        ($was:ident: $($set:ident),+) => {
            $(for label in $was[stringify!($set)].as_array().unwrap() {
                let read: $set = serde_json::from_value(label.clone()).unwrap_or_else(|error| panic!("{label}: {error}"));
                assert_eq!(read.label(), label.as_str().unwrap());
            })+
        };
    }
    let is = labels!(HaltReason, AttentionReason, UnprovenReason, WaitReason, Step);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path("reasons.json"), format!("{is:#}\n")).unwrap();
    }
    let was: Value = serde_json::from_str(&frozen("reasons.json")).unwrap();
    reads!(was: HaltReason, AttentionReason, UnprovenReason, WaitReason, Step);
    for (set, labels) in is.as_object().unwrap() {
        let frozen = was[set].as_array().unwrap();
        let missing: Vec<_> = labels
            .as_array()
            .unwrap()
            .iter()
            .filter(|label| !frozen.contains(label))
            .collect();
        assert!(
            missing.is_empty(),
            "new in {set}, and not frozen: {missing:?}. UPDATE_GOLDEN=1 freezes them"
        );
    }
}
