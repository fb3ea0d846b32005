//! `rekeyd check --effective`: each value that is in force, and what set it.

use std::path::Path;
use std::process::Stdio;

use rekeyd::config::{self, Setting, SourceKind, parse_str, schema};
use serde_json::Value;
use tokio::process::Command;

use crate::support::cli::{Ended, ended};

const MAIN: &str = r#"[daemon]
listen = "127.0.0.1:9849"

[aws.main]
region = "us-east-1"
role_arn = "arn:aws:iam::123456789012:role/rekeyd"
external_id = "from-the-customer"
endpoint_url = "http://127.0.0.1:4566"
elasticache_endpoint_url = "http://127.0.0.1:4567"

[defaults]
aws = "main"
overlap = "12h"
password = { length = 40, exclude_characters = "~" }
timezone = "Europe/Berlin"

[policy.orders]
schedule = "30d"
secrets = ["production/ec/user1", "production/ec/user2"]
select = { tags = { team = "orders", "of any kind" = "yes" } }
allow_users = ["user1", "orders-*"]
password = { length = 64 }

[policy.carts]
schedule = "cron(0 8 1 * ? *)"
secrets = ["production/ec/carts"]
allow_users = ["carts"]
together = "pair"
"#;

const DROP_IN: &str = "[policy.orders]\nretry = { max = \"5m\" }\n\n[policy.orders.select.tags]\nteam = \"all\"\n";

const VARIABLES: [(&str, &str); 2] = [
    ("REKEYD__POLICY__ORDERS__FENCE", "\"25m\""),
    ("REKEYD__DEFAULTS__CANARY", "2"),
];

/// The layers, in a folder.
fn layers() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rekeyd.toml"), MAIN).unwrap();
    std::fs::create_dir(folder.path().join("rekeyd.d")).unwrap();
    std::fs::write(folder.path().join("rekeyd.d/10-orders.toml"), DROP_IN).unwrap();
    folder
}

async fn effective(folder: &Path, args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeyd"));
    command
        .args(["--config", "rekeyd.toml", "check", "--effective"])
        .args(args)
        .current_dir(folder)
        .env_clear()
        .envs(VARIABLES)
        .stdin(Stdio::null());
    ended(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_value_is_shown_with_the_file_the_drop_in_the_variable_or_the_default_that_it_comes_from() {
    let folder = layers();
    let text = effective(folder.path(), &[]).await.with(0).stdout;
    let in_table = |table: &str, key: &str| {
        let (_, table) = text.split_once(&format!("[{table}]\n")).unwrap();
        let mut lines = table.lines().take_while(|line| !line.is_empty());
        let line = lines
            .find(|line| line.split("  ").next() == Some(key))
            .unwrap_or_else(|| panic!("{key}: {text}"));
        line[key.len()..]
            .split("  ")
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" | ")
    };
    for (table, key, wanted) in [
        ("daemon", "listen", "\"127.0.0.1:9849\" | rekeyd.toml:2"),
        ("daemon", "max_in_flight", "1000 | default"),
        ("aws.main", "external_id", "\"from-the-customer\" | rekeyd.toml:7"),
        ("aws.main", "role_session_name", "\"rekeyd\" | default"),
        ("aws.main", "profile", "not set"),
        (
            "aws.main",
            "secrets_manager_endpoint_url",
            "\"http://127.0.0.1:4566\" | rekeyd.toml:8 (aws.main.endpoint_url)",
        ),
        (
            "aws.main",
            "elasticache_endpoint_url",
            "\"http://127.0.0.1:4567\" | rekeyd.toml:9",
        ),
        ("aws.main", "budget.modify_user", "10 | default"),
        ("policy.orders", "aws", "\"main\" | rekeyd.toml:12 ([defaults])"),
        ("policy.orders", "overlap", "\"12h\" | rekeyd.toml:13 ([defaults])"),
        ("policy.orders", "password.length", "64 | rekeyd.toml:22"),
        (
            "policy.orders",
            "password.exclude_characters",
            "\"~\" | rekeyd.toml:14 ([defaults])",
        ),
        (
            "policy.orders",
            "retry.max",
            "\"5m\" | drop-in rekeyd.d/10-orders.toml:2",
        ),
        ("policy.orders", "retry.initial", "\"2s\" | default"),
        (
            "policy.orders",
            "select.tags.team",
            "\"all\" | drop-in rekeyd.d/10-orders.toml:5",
        ),
        (
            "policy.orders",
            "select.tags.\"of any kind\"",
            "\"yes\" | rekeyd.toml:20",
        ),
        (
            "policy.orders",
            "fence",
            "\"25m\" | variable REKEYD__POLICY__ORDERS__FENCE",
        ),
        (
            "policy.orders",
            "canary",
            "2 | variable REKEYD__DEFAULTS__CANARY ([defaults])",
        ),
        (
            "policy.orders",
            "allow_users",
            "[\"user1\", \"orders-*\"] | rekeyd.toml:21",
        ),
        ("policy.orders", "never_within", "not set"),
        ("policy.carts", "never_within", "\"10m\" | default"),
        ("policy.carts", "fence", "\"20m\" | default"),
        ("policy.carts", "select.tags", "not set"),
    ] {
        assert_eq!(in_table(table, key), wanted, "{table}.{key}");
    }
    assert!(!text.contains('\u{1b}'), "colour in a pipe");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_are_told_the_same_and_every_key_of_every_table() {
    let folder = layers();
    let json = effective(folder.path(), &["--json"]).await.with(0).json();
    assert_eq!(
        (&json["valid"], &json["problems"]),
        (&true.into(), &serde_json::json!([]))
    );
    let settings = json["settings"].as_array().unwrap();
    let one = |table: &str, key: &str| {
        let mut found = settings
            .iter()
            .filter(|setting| setting["table"] == table && setting["key"] == key);
        let one = found.next().unwrap_or_else(|| panic!("{table}.{key}")).clone();
        assert!(found.next().is_none(), "{table}.{key} twice");
        one
    };
    let overlap = one("policy.orders", "overlap");
    for (key, wanted) in [
        ("value", Value::from("12h")),
        ("source", "file".into()),
        ("file", "rekeyd.toml".into()),
        ("line", 13.into()),
        ("column", 11.into()),
        ("variable", Value::Null),
        ("set_as", "defaults.overlap".into()),
    ] {
        assert_eq!(overlap[key], wanted, "{key}");
    }
    assert_eq!(one("policy.orders", "retry.max")["source"], "drop-in");
    assert_eq!(
        one("policy.orders", "fence")["variable"],
        "REKEYD__POLICY__ORDERS__FENCE"
    );
    assert_eq!(one("daemon", "paused")["source"], "default");
    let policy = &schema()["properties"]["policy"]["patternProperties"]["^[a-z][a-z0-9_]*$"]["properties"];
    for (key, schema) in policy.as_object().unwrap() {
        let inner = schema["properties"].as_object();
        let inner: Vec<String> = inner
            .into_iter()
            .flatten()
            .map(|(inner, _)| format!("{key}.{inner}"))
            .collect();
        let keys = if inner.is_empty() { vec![key.clone()] } else { inner };
        for key in keys.iter().filter(|key| *key != "select.tags") {
            one("policy.orders", key);
            one("policy.carts", key);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_wrong_has_no_values_in_force() {
    let folder = layers();
    std::fs::write(
        folder.path().join("rekeyd.d/20-wrong.toml"),
        "[policy.orders]\noverlap = \"2\"\n",
    )
    .unwrap();
    let text = effective(folder.path(), &[]).await.with(78);
    assert!(
        text.stdout.is_empty() && text.stderr.contains("20-wrong.toml:2:11"),
        "{}",
        text.stderr
    );
    let json = effective(folder.path(), &["--json"]).await.with(78).json();
    assert_eq!(json["problems"][0]["line"], 2);
    assert!(json.get("settings").is_none());
}

/// Whatever a setting is, written where it belongs.
fn written_out(settings: &[Setting]) -> String {
    let mut text = String::new();
    for setting in settings.iter().filter(|setting| setting.source.is_some()) {
        let value = setting.value.as_ref().unwrap();
        // A default is for those policies whose schedule it fits; one of its own must fit.
        let table = match (setting.key.as_str(), &setting.set_as) {
            ("timezone" | "never_within", Some(_)) => "defaults",
            _ => &setting.table,
        };
        let line = format!("{table}.{} = {value}\n", setting.key);
        if !text.contains(&line) {
            text += &line;
        }
    }
    text
}

#[test]
fn what_is_shown_written_out_is_the_same_configuration() {
    let folder = layers();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rekeyd.toml");
    for (file, variables) in [(folder.path().join("rekeyd.toml"), &VARIABLES[..]), (shipped, &[])] {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (loaded, settings) = config::explain(&file, variables).unwrap();
        let text = written_out(&settings);
        let again = parse_str("written.toml", &text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        assert_eq!(again.config, loaded.config, "{text}");
        let files = settings
            .iter()
            .filter(|setting| setting.source == Some(SourceKind::File));
        assert!(files.count() >= 10);
    }
}
