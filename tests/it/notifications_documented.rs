//! docs/NOTIFICATIONS.md says what is told and what stands in a message, as the code has it.

use rekeyd::config::parse_str;
use rekeyd::notify::{Told, outgoing};
use rekeyd::rotation::notice::NoticeKind;
use rekeyd::rotation::state::Record;
use serde_json::Value;

use super::stored_json::populated;

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/NOTIFICATIONS.md"));

/// The first cells of the rows of the table under this head.
fn rows(head: &str) -> Vec<Vec<String>> {
    let (_, rest) = PAGE.split_once(head).unwrap_or_else(|| panic!("no table {head}"));
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| {
        row.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    rows.map(cells).collect()
}

#[test]
fn every_event_stands_in_the_page_with_its_type_its_meaning_and_whether_it_is_told_unasked() {
    let expected: Vec<Vec<String>> = NoticeKind::ALL
        .iter()
        .map(|kind| {
            let unasked = if NoticeKind::DEFAULT.contains(kind) {
                "yes"
            } else {
                "no"
            };
            vec![
                format!("`{}`", kind.label()),
                format!("`{}`", kind.message_type()),
                kind.meaning().to_owned(),
                unasked.to_owned(),
            ]
        })
        .collect();
    let mut found = rows("| event | `type` | when | unless set |");
    found.sort();
    let mut sorted = expected;
    sorted.sort();
    assert_eq!(found, sorted);
}

/// A message of every event, made from a record with every field set.
fn messages() -> Vec<Value> {
    let page = "[aws.main]\nregion = \"us-east-1\"\n[policy.orders]\naws = \"main\"\nschedule = \"30d\"\n\
                secrets = [\"s\"]\nallow_users = [\"u\"]\n[notify.bus]\ntype = \"eventbridge\"\naws = \"main\"\nevents = ";
    let config = parse_str("t.toml", &format!("{page}{:?}\n", NoticeKind::LABELS))
        .unwrap()
        .config;
    let full = populated::record();
    let blank = Record::new(full.secret_arn.clone(), full.first_seen);
    let mut messages = Vec::new();
    for mut before in [full.clone(), blank] {
        for event in populated::events() {
            let Ok(after) = before.clone().apply(full.first_seen, &event) else {
                continue;
            };
            let told = Told {
                policy: "orders",
                secret: "production/ec/user1",
                user_id: Some("user1"),
                before: &before,
                event: &event,
                after: &after,
                at: full.first_seen,
            };
            let outgoing = outgoing(&config.notify, &told).into_iter();
            messages.extend(outgoing.map(|outgoing| serde_json::from_str::<Value>(&outgoing.message).unwrap()));
            before = after;
        }
    }
    messages
}

#[test]
fn every_field_of_every_message_stands_in_the_page_in_its_order() {
    let documented: Vec<String> = rows("| field of `data` | |")
        .into_iter()
        .map(|cells| cells[0].trim_matches('`').to_owned())
        .collect();
    let messages = messages();
    let kinds: std::collections::BTreeSet<&str> = messages
        .iter()
        .filter_map(|message| message["data"]["event"].as_str())
        .collect();
    assert_eq!(
        kinds,
        NoticeKind::LABELS.iter().copied().collect(),
        "a message of each event"
    );
    for message in &messages {
        let keys = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        assert_eq!(keys(message), ["type", "timestamp", "data"]);
        assert_eq!(keys(&message["data"]), documented);
        assert!(!message["data"]["summary"].as_str().unwrap().is_empty());
    }
    let example = PAGE
        .split("```json\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    let keys: Vec<String> = example["data"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, documented);
}
