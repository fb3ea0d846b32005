//! What keeping records in a table needs.

use serde_json::{Value, json};

use super::Purpose;
use super::testing::advised;

const REST: &str = "[aws.main]\nregion = \"us-east-1\"\n[aws.tools]\nregion = \"eu-west-1\"\n\
                    [policy.orders]\naws = \"main\"\nschedule = \"30d\"\nsecrets = [\"s\"]\nallow_users = [\"u\"]\n";

/// The statements about a table, each with the name of its policy; and the warnings.
fn about_table(daemon: &str, purpose: Purpose) -> (Vec<(String, Value)>, Vec<String>) {
    let (statements, warnings) = advised(&format!("[daemon]\n{daemon}\n{REST}"), purpose);
    let of_table = |statement: &Value| statement["Resource"].to_string().contains(":dynamodb:");
    let about = statements.into_iter().filter(|(_, statement)| of_table(statement));
    (about.collect(), warnings)
}

const TABLE: &str = "state = \"dynamodb:rekeyd\"\nstate_aws = \"tools\"";

#[test]
fn the_daemon_may_read_and_write_items_of_exactly_its_table() {
    let (statements, _) = about_table(TABLE, Purpose::Daemon);
    let [(name, statement)] = &statements[..] else {
        panic!("not one statement");
    };
    assert_eq!(name, "rekeyd-tools");
    assert_eq!(
        statement["Action"],
        json!([
            "dynamodb:DeleteItem",
            "dynamodb:GetItem",
            "dynamodb:Query",
            "dynamodb:UpdateItem"
        ])
    );
    let arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/rekeyd";
    assert_eq!(statement["Resource"], json!([arn]));
}

#[test]
fn commands_through_the_table_need_nothing_else_and_remove_nothing() {
    let (statements, warnings) = about_table(TABLE, Purpose::Commands);
    let [(name, statement)] = &statements[..] else {
        panic!("not one statement");
    };
    assert_eq!(name, "rekeyd-commands-tools");
    assert_eq!(
        statement["Action"],
        json!(["dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"])
    );
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn who_makes_the_table_needs_none_of_its_items() {
    let (statements, _) = about_table(TABLE, Purpose::InitTable);
    let [(_, statement)] = &statements[..] else {
        panic!("not one statement");
    };
    let actions = statement["Action"].to_string();
    assert!(
        actions.contains("dynamodb:CreateTable") && !actions.contains("Item"),
        "{actions}"
    );
}

#[test]
fn records_in_a_file_need_no_table() {
    let file = "state = \"sqlite:/s\"";
    for purpose in Purpose::ALL {
        let (statements, warnings) = about_table(file, purpose);
        assert_eq!(statements, []);
        let no_table = warnings.iter().any(|warning| warning.contains("in no table"));
        assert_eq!(no_table, purpose.needs_only_table(), "{purpose}: {warnings:?}");
    }
}
