//! What telling an event bus needs.

use serde_json::{Value, json};

use super::Purpose;
use super::testing::advised;

const POLICY: &str = "[aws.main]\nregion = \"us-east-1\"\n[policy.orders]\naws = \"main\"\nschedule = \"30d\"\n\
                      secrets = [\"s\"]\nallow_users = [\"u\"]\n";

/// The statements about buses, each with the name of its policy.
fn notifying(tables: &str, purpose: Purpose) -> Vec<(String, Value)> {
    let (statements, _) = advised(&format!("{POLICY}{tables}"), purpose);
    let told = statements
        .into_iter()
        .filter(|(_, statement)| statement["Sid"] == "Notify");
    told.collect()
}

#[test]
fn the_daemon_may_put_events_on_exactly_the_buses_that_are_configured() {
    let tables = "[notify.a]\ntype = \"eventbridge\"\naws = \"main\"\n\
                  [notify.b]\ntype = \"eventbridge\"\naws = \"main\"\n\
                  [notify.c]\ntype = \"eventbridge\"\naws = \"main\"\n\
                  event_bus = \"arn:aws:events:us-east-1:210987654321:event-bus/security\"\n";
    let [(name, statement)] = &notifying(tables, Purpose::Daemon)[..] else {
        panic!("not one statement");
    };
    assert_eq!(name, "rekeyd-main");
    assert_eq!(statement["Action"], json!(["events:PutEvents"]));
    assert_eq!(
        statement["Resource"],
        json!([
            "arn:aws:events:us-east-1:123456789012:event-bus/default",
            "arn:aws:events:us-east-1:210987654321:event-bus/security",
        ])
    );
    assert_eq!(notifying("", Purpose::Daemon), []);
}

#[test]
fn a_place_that_serves_a_bus_alone_needs_nothing_else_and_commands_need_no_bus() {
    let tables = "[aws.tools]\nregion = \"eu-west-1\"\nprofile = \"tools\"\n\
                  [notify.a]\ntype = \"eventbridge\"\naws = \"tools\"\n";
    let told = notifying(tables, Purpose::Daemon);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, "rekeyd-tools");
    assert_eq!(
        told[0].1["Resource"],
        json!(["arn:aws:events:eu-west-1:*:event-bus/default"])
    );
    for purpose in [Purpose::Plan, Purpose::Onboard, Purpose::Takeover] {
        assert_eq!(notifying(tables, purpose), []);
    }
}
