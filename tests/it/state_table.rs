//! `rekeyd state export` and `rekeyd state import` on a table: the real binary takes what a file holds into one and back.

use std::path::Path;

use rekeyd::store::Store;
use rekeyd::store::shared::layout;
use rekeyd::store::sqlite::SqliteStore;
use rekeyd::store::table::{Change, Condition, Table};
use serde_json::json;

use crate::stored_json::populated;
use crate::support::cli::{Ended, ended};
use crate::support::dynamo::{StandIn, create_table, table_at};

/// A configuration that keeps records in this state; tables are reached at a URL.
fn configure(folder: &Path, name: &str, state: &str, url: &str) {
    let audit_log = folder.join("audit.jsonl");
    let text = format!(
        "[daemon]\nstate = {state:?}\naudit_log = {audit_log:?}\n[aws.main]\nregion = \"us-east-1\"\n\
         dynamodb_endpoint_url = {url:?}\n[policy.orders]\naws = \"main\"\nschedule = \"30d\"\nsecrets = [\"a\"]\n\
         allow_users = [\"a\"]\n"
    );
    std::fs::write(folder.join(name), text).unwrap();
}

async fn state(folder: &Path, config: &str, args: &[&str]) -> Ended {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rekeyd"));
    command
        .arg("--config")
        .arg(folder.join(config))
        .arg("state")
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", "OPERATOR")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    ended(command).await
}

/// All lines but the first, whose date tells one export from another.
fn content(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().skip(1).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_taken_into_a_table_and_back_by_the_commands_alone() {
    let server = StandIn::dynalite().await;
    create_table(server.url(), "rekeyd", &["pk", "sk"]).await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = |name: &str| format!("sqlite:{}", folder.join(name).display());
    configure(folder, "one.toml", &file("one.db"), server.url());
    configure(folder, "table.toml", "dynamodb:rekeyd", server.url());
    configure(folder, "two.toml", &file("two.db"), server.url());
    let store = SqliteStore::open(&folder.join("one.db")).unwrap();
    let events: Vec<_> = (0..)
        .map(|second| chrono::DateTime::from_timestamp(1_800_000_000 + second, 5).unwrap())
        .zip(populated::events())
        .collect();
    store.save(&populated::record(), &events).await.unwrap();
    drop(store);

    state(folder, "one.toml", &["export", "--out", "one.jsonl"])
        .await
        .with(0);
    let imported = state(folder, "table.toml", &["import", "one.jsonl", "--json"]).await;
    let imported = imported.with(0).json();
    assert_eq!(
        (&imported["store"], &imported["history"]),
        (&json!("dynamodb:rekeyd"), &json!(events.len()))
    );
    let again = state(folder, "table.toml", &["import", "one.jsonl"]).await.with(13);
    assert!(again.stderr.contains("rekeyd state init-table"), "{}", again.stderr);
    let exported = state(folder, "table.toml", &["export", "--out", "table.jsonl", "--json"]).await;
    assert_eq!(exported.with(0).json()["store"], "dynamodb:rekeyd");
    state(folder, "two.toml", &["import", "table.jsonl"]).await.with(0);
    state(folder, "two.toml", &["export", "--out", "two.jsonl"])
        .await
        .with(0);
    let there = content(&folder.join("one.jsonl"));
    assert_eq!(there.len(), events.len() + 1);
    assert_eq!(content(&folder.join("table.jsonl")), there);
    assert_eq!(content(&folder.join("two.jsonl")), there);

    // An import that did not end is told, and by whom it can be ended.
    let table = table_at(server.url(), "rekeyd");
    let mark = Change::new().set("file", "another").set(layout::ENTRY, "2027-01-15");
    table.write(&layout::import(), mark, Condition::Absent).await.unwrap();
    let refused = state(folder, "table.toml", &["import", "one.jsonl"]).await.with(13);
    assert!(refused.stderr.contains("import that file again"), "{}", refused.stderr);
    let refused = state(folder, "table.toml", &["export"]).await.with(1);
    assert!(
        refused.stderr.contains("import the same file again"),
        "{}",
        refused.stderr
    );
}
