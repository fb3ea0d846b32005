//! What the store holds is read by later releases: the JSON of records and events, frozen in
//! `tests/fixtures/stored`. A field may be added, with a default; none may go, be renamed or change its form.
//!
//! Whoever adds a field, an event or a reason sets it in `populated.rs` and runs
//! `UPDATE_GOLDEN=1 cargo test -p rekeyd --test it stored_json`, which adds it to the files and changes nothing
//! that is there. `earlier` holds what was stored before there were such fields: no file there ever changes.

pub mod populated;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::LazyLock;

use rekeyd::rotation::cause::CauseKind;
use rekeyd::rotation::event::Event;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::{AttentionReason, DriftCause, HaltReason, RollbackRefusal, UnprovenReason, WaitReason};
use rekeyd::rotation::rollback::RollbackOutcome;
use rekeyd::rotation::state::Record;
use rekeyd::rotation::step::Step;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Types that are read, but not from the store: status tells them.
const NOT_STORED: [&str; 3] = ["HoldReason", "NodeKind", "Phase"];

/// What is frozen, after the update if one was asked for.
static RECORD: LazyLock<Value> = LazyLock::new(|| {
    let was = serde_json::from_str(&frozen("record.json")).unwrap();
    let is = updated(was, json!(populated::record()), "record.json", |was, is| {
        fill(was, is);
        *was = reread::<Record>(was);
    });
    rewrite("record.json", || {
        let text = serde_json::to_string_pretty(&is).unwrap();
        format!("{}\n", text.replace("  ", " "))
    });
    is
});
static EVENTS: LazyLock<Value> = LazyLock::new(|| {
    let is = updated(
        lines("events.jsonl"),
        json!(populated::events()),
        "events.jsonl",
        |was, is| {
            add_events(was, is);
        },
    );
    let events = is.as_array().unwrap();
    rewrite("events.jsonl", || {
        events.iter().map(|event| format!("{event}\n")).collect()
    });
    is
});
static REASONS: LazyLock<Value> = LazyLock::new(|| {
    let was = serde_json::from_str(&frozen("reasons.json")).unwrap();
    let is = updated(was, reasons(), "reasons.json", add_reasons);
    rewrite("reasons.json", || format!("{is:#}\n"));
    is
});

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/stored")
        .join(name)
}

fn frozen(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{}: {error}", path(name).display()))
}

fn lines(name: &str) -> Value {
    let lines = frozen(name);
    lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .collect()
}

fn told_to_update() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// What is frozen, with what there is now added if told to.
fn updated(mut was: Value, is: Value, name: &str, add: impl Fn(&mut Value, &Value)) -> Value {
    all_is_set(&is, name);
    if told_to_update() {
        add(&mut was, &is);
    }
    was
}

fn rewrite(name: &str, text: impl FnOnce() -> String) {
    if told_to_update() {
        std::fs::write(path(name), text()).unwrap();
    }
}

/// Asserts that nothing is null or empty: else nothing is known of its form.
fn all_is_set(value: &Value, place: &str) {
    let set = match value {
        Value::Null => false,
        Value::Array(values) => {
            values.iter().for_each(|value| all_is_set(value, place));
            !values.is_empty()
        }
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(key, value)| all_is_set(value, &format!("{place}.{key}")));
            !fields.is_empty()
        }
        _ => true,
    };
    assert!(set, "{place} must be set");
}

/// Adds the fields that are missing.
fn fill(was: &mut Value, is: &Value) {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            for (key, value) in is {
                match was.get_mut(key) {
                    Some(there) => fill(there, value),
                    None => {
                        was.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(was), Value::Array(is)) => was.iter_mut().zip(is).for_each(|(was, is)| fill(was, is)),
        _ => {}
    }
}

fn add_events(was: &mut Value, is: &Value) {
    let was = was.as_array_mut().unwrap();
    for event in is.as_array().unwrap() {
        match was.iter_mut().find(|line| line["event"] == event["event"]) {
            Some(line) => {
                fill(line, event);
                *line = reread::<Event>(line);
            }
            None => was.push(event.clone()),
        }
    }
}

fn add_reasons(was: &mut Value, is: &Value) {
    fill(was, is);
    for (set, labels) in is.as_object().unwrap() {
        let frozen = was[set].as_array_mut().unwrap();
        let new = labels.as_array().unwrap().iter();
        let new: Vec<Value> = new.filter(|label| !frozen.contains(label)).cloned().collect();
        frozen.extend(new);
    }
}

/// The fields that there are and that are not frozen.
fn not_frozen(is: &Value, was: &Value, place: &str) -> Vec<String> {
    match (is, was) {
        (Value::Object(is), Value::Object(was)) => is
            .iter()
            .flat_map(|(key, value)| {
                let place = format!("{place}.{key}");
                match was.get(key) {
                    Some(was) => not_frozen(value, was, &place),
                    None => vec![place],
                }
            })
            .collect(),
        (Value::Array(is), Value::Array(was)) => match (is.first(), was.first()) {
            (Some(is), Some(was)) => not_frozen(is, was, place),
            (Some(_), None) => vec![place.to_owned()],
            (None, _) => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn assert_frozen(missing: &[String]) {
    assert!(
        missing.is_empty(),
        "stored, and not frozen: {missing:?}. UPDATE_GOLDEN=1 cargo test -p rekeyd --test it stored_json freezes them"
    );
}

/// Asserts that what was stored is all there still.
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

/// What a type makes of a value: read and written again.
fn reread<T: Serialize + DeserializeOwned>(value: &Value) -> Value {
    let read: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"));
    serde_json::to_value(read).unwrap()
}

#[test]
fn every_event_that_a_release_has_stored_is_read_and_written_with_all_that_it_held() {
    for events in [&*EVENTS, &lines("earlier/events.jsonl")] {
        for was in events.as_array().unwrap() {
            contains(&reread::<Event>(was), was, was["event"].as_str().unwrap());
            let event: Event = serde_json::from_value(was.clone()).unwrap();
            assert_eq!(event.label(), was["event"], "logs and store call it the same");
        }
    }
}

#[test]
fn every_event_there_is_has_been_frozen_with_every_field() {
    // Names are read from the source, because no list of them exists at run time.
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/rotation/event.rs")).unwrap();
    let (_, labels) = source.split_once("fn label(&self)").unwrap();
    let there: BTreeSet<&str> = labels
        .lines()
        .filter_map(|line| line.trim().strip_suffix("\",")?.split_once("=> \""))
        .map(|(_, label)| label)
        .collect();
    assert!(there.len() >= 40, "{there:?}");
    let populated = populated::events();
    let set: BTreeSet<&str> = populated.iter().map(Event::label).collect();
    assert_eq!(
        set, there,
        "populated.rs has each event once, and every field of it set"
    );
    let frozen = EVENTS.as_array().unwrap();
    let missing = populated.iter().flat_map(|event| {
        let place = event.label();
        match frozen.iter().find(|line| line["event"] == place) {
            Some(line) => not_frozen(&json!(event), line, place),
            None => vec![place.to_owned()],
        }
    });
    assert_frozen(&missing.collect::<Vec<_>>());
}

#[test]
fn a_record_that_a_release_has_stored_is_read_and_written_with_all_that_it_held() {
    let earlier = serde_json::from_str(&frozen("earlier/record.json")).unwrap();
    for was in [&*RECORD, &earlier] {
        contains(&reread::<Record>(was), was, "record");
    }
    all_is_set(&RECORD, "record.json");
}

#[test]
fn every_field_of_a_record_has_been_frozen() {
    assert_frozen(&not_frozen(&json!(populated::record()), &RECORD, "record"));
}

#[test]
fn a_record_with_nothing_but_what_the_first_release_required_is_read() {
    let least = json!({"secret_arn": RECORD["secret_arn"], "first_seen": RECORD["first_seen"]});
    let record: Record = serde_json::from_value(least).unwrap();
    assert_eq!(record, Record::new(record.secret_arn.clone(), record.first_seen));
}

/// Every value of each set of values that the store holds.
fn reasons() -> Value {
    macro_rules! all {
        ($($set:ident),+) => { json!({$(stringify!($set): $set::ALL),+}) };
    }
    let mut sets = all!(
        HaltReason,
        AttentionReason,
        UnprovenReason,
        RollbackRefusal,
        WaitReason,
        DriftCause,
        Step,
        CauseKind
    );
    sets["Proof"] = json!(populated::proofs());
    sets["RollbackOutcome"] = json!(populated::outcomes());
    sets
}

#[test]
fn no_reason_or_step_that_a_release_has_stored_is_forgotten() {
    macro_rules! read {
        ($($set:ident),+) => {{
            $(for was in REASONS[stringify!($set)].as_array().unwrap() {
                assert_eq!(&reread::<$set>(was), was, "{}", stringify!($set));
            })+
            BTreeSet::from([$(stringify!($set)),+])
        }};
    }
    let read = read!(
        HaltReason,
        AttentionReason,
        UnprovenReason,
        RollbackRefusal,
        WaitReason,
        DriftCause,
        Step,
        Proof,
        RollbackOutcome,
        CauseKind
    );
    let frozen: BTreeSet<&str> = REASONS.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(read, frozen);
    for (set, values) in reasons().as_object().unwrap() {
        let missing = values.as_array().unwrap().iter();
        let missing = missing.filter(|value| !REASONS[set].as_array().unwrap().contains(value));
        assert_frozen(&missing.map(|value| format!("{set} {value}")).collect::<Vec<_>>());
    }
}

/// The names of the enums that one file of the source declares and that can be read.
fn enums_read_by(source: &str) -> Vec<String> {
    let mut enums = Vec::new();
    let (mut readable, mut reasons) = (false, false);
    for line in source.lines() {
        readable |= line.starts_with("#[derive(") && line.contains("Deserialize");
        reasons |= line == "reasons! {";
        let declared = line.strip_prefix("pub enum ").filter(|_| readable);
        let listed = line
            .strip_prefix("    ")
            .filter(|line| reasons && line.starts_with(char::is_uppercase));
        if let Some(name) = declared.or(listed) {
            enums.push(name.trim_end_matches(" {").to_owned());
            reasons = false;
        }
        readable &= !line.starts_with("pub ");
    }
    enums
}

#[test]
fn every_enum_that_the_store_may_hold_has_been_frozen() {
    let mut there = BTreeSet::new();
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/rotation")).unwrap() {
        let file = file.unwrap().path();
        if file.is_file() {
            there.extend(enums_read_by(&std::fs::read_to_string(&file).unwrap()));
        }
    }
    let frozen = REASONS.as_object().unwrap().keys().map(String::as_str);
    let known: BTreeSet<String> = frozen.chain(NOT_STORED).chain(["Event"]).map(str::to_owned).collect();
    assert_eq!(
        there, known,
        "add a new one to `reasons`, or to `NOT_STORED` if the store never holds it"
    );
}
