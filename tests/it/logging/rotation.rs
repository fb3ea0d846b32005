//! A rotation in the log, from its first line to its last, over a restart.

use std::collections::BTreeSet;

use rekeyd::rotation::version::version_id;
use serde_json::Value;

use super::inventory::COMMON;
use super::table::documented;
use crate::support::cli::orders;
use crate::support::status::rotated_to;
use crate::support::world::secret_name;
use crate::support::{Fault, FaultKind, OLD, World};

/// What the spans say, which the page promises beside the table.
const OF_SPANS: [&str; 5] = ["secret", "policy", "version", "generation", "step"];

/// Every line of a log, each one JSON object.
pub fn lines(text: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
}

/// Asserts what is promised of every line of rekeyd's own.
fn is_as_documented(line: &Value) {
    let object = line.as_object().unwrap();
    let time = line["timestamp"].as_str().unwrap();
    let parsed = chrono::DateTime::parse_from_rfc3339(time);
    assert!(parsed.is_ok() && time.ends_with('Z') && time.len() == 27, "{line}");
    assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&line["level"].as_str().unwrap()));
    let target = line["target"].as_str().unwrap();
    if !target.starts_with("rekeyd") {
        assert_ne!(line["level"], "TRACE", "a library: {line}");
        return;
    }
    assert!(line["message"].is_string(), "{line}");
    let event = line["event"].as_str().unwrap_or_else(|| panic!("no event: {line}"));
    let documented = documented();
    let promised = documented
        .get(event)
        .unwrap_or_else(|| panic!("{event} is not documented"));
    for field in object.keys().map(String::as_str) {
        let known = COMMON.contains(&field) || OF_SPANS.contains(&field) || promised.fields.contains(field);
        assert!(known, "{event}: {field} is not documented: {line}");
    }
}

fn named<'a>(lines: &'a [Value], event: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["event"] == event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_of_a_rotation_share_their_fields_over_a_restart_and_are_as_documented() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let second = version_id(&arn, &first, 0);
    let setup = || {
        orders(&world, &["user1"])
            .daemon_key("drain_timeout", "\"0s\"")
            .env("RUST_LOG", "trace")
    };
    let daemon = setup().run().await;
    daemon.checked(&secret).await;
    world.faults(vec![Fault::next("ModifyUser", FaultKind::Hang)]);
    daemon.rotate(&secret).await;
    world.fault_fired().await;
    let log = daemon.log.clone();
    assert_eq!(daemon.end("-TERM").await, Some(0));
    world.end_faults();
    let daemon = setup().run().await;
    daemon.wait(&secret, "rotated", rotated_to(&second)).await;
    assert_eq!(daemon.end("-TERM").await, Some(0));

    let lines = lines(&std::fs::read_to_string(log).unwrap());
    lines.iter().for_each(is_as_documented);
    for event in [
        "rotation_started",
        "password_created",
        "password_set",
        "promoted",
        "retirement_started",
        "previous_removed",
        "retired",
        "login_accepted",
        "aws_call",
        "audit",
    ] {
        let of_it = named(&lines, event)
            .into_iter()
            .filter(|line| line["version"] == second.as_str());
        let of_it: Vec<_> = of_it.collect();
        assert!(!of_it.is_empty(), "no {event} of this rotation");
        for line in of_it {
            assert_eq!(line["generation"], 0, "{line}");
            assert_eq!(line["policy"], "orders", "{line}");
            let known = [secret.as_str(), arn.as_str()];
            assert!(known.contains(&line["secret"].as_str().unwrap()), "{line}");
        }
    }
    // Nothing of it is told of without the rotation that it belongs to, nor of another one.
    let versions: BTreeSet<&str> = lines.iter().filter_map(|line| line["version"].as_str()).collect();
    assert_eq!(versions, [first.as_str(), second.as_str()].into());
    for step in ["createSecret", "setSecret", "finishSecret", "retire", "observe"] {
        assert!(lines.iter().any(|line| line["step"] == step), "{step}");
    }
    let of_sdk = |line: &&Value| line["target"].as_str().unwrap().starts_with("aws_");
    assert!(
        lines
            .iter()
            .filter(of_sdk)
            .any(|line| line["version"] == second.as_str()),
        "the SDK's lines are in no span"
    );
    assert_eq!(named(&lines, "requested").len(), 1);
    assert_eq!(named(&lines, "requested")[0]["secret"], secret.as_str());
}
