//! `rekeyd schema`: the file that ships, the keys that the configuration knows, and what an independent validator says of
//! configurations.

mod samples;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use rekeyd::config::{parse_str, schema};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::support::cli::ended;
use crate::support::{golden, python};

/// Every table that the configuration has, with names for those that have any: its keys in TOML, and its schema.
fn tables() -> Vec<(Vec<String>, &'static Value)> {
    let mut found = Vec::new();
    collect(&mut Vec::new(), schema(), &mut found);
    found
}

fn collect(path: &mut Vec<String>, schema: &'static Value, found: &mut Vec<(Vec<String>, &'static Value)>) {
    let named = schema["patternProperties"].as_object().into_iter().flatten();
    let named = named.map(|(_, table)| ("orders".to_owned(), table));
    let properties = schema["properties"].as_object();
    if properties.is_some() {
        found.push((path.clone(), schema));
    }
    let properties = properties
        .into_iter()
        .flatten()
        .map(|(key, table)| (key.clone(), table));
    for (key, table) in properties.chain(named).filter(|(_, table)| table["type"] == "object") {
        path.push(key);
        collect(path, table, found);
        path.pop();
    }
}

/// A table with one key.
fn only(table: &[String], key: &str, value: toml::Value) -> toml::Table {
    let mut document = toml::Table::from_iter([(key.to_owned(), value)]);
    for name in table.iter().rev() {
        document = toml::Table::from_iter([(name.clone(), toml::Value::Table(document))]);
    }
    document
}

/// A document in which nothing is missing, whatever key is added: beside the role and what is together, every other
/// key has a meaning.
const WHOLE: &str = r#"
[daemon]
[metrics]
[aws.orders]
region = "us-east-1"
role_arn = "arn:aws:iam::123456789012:role/rekeyd"
[defaults]
[policy.orders]
aws = "orders"
schedule = "cron(0 8 1 * ? *)"
together = "pair"
secrets = ["production/ec/user1"]
allow_users = ["user1"]
[notify.orders]
type = "eventbridge"
aws = "orders"
"#;

/// A key's value in a document that has everything else.
fn with(table: &[String], key: &str, value: toml::Value) -> String {
    let mut document: toml::Table = WHOLE.parse().unwrap();
    merge(&mut document, only(table, key, value));
    document.to_string()
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(into)), toml::Value::Table(from)) => merge(into, from),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

/// What Python's `jsonschema` says of documents: whether each is one that the schema takes.
async fn validated(documents: &[Value]) -> Vec<bool> {
    let mut child = Command::new(python::bin().join("python"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/schema/validate.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut stdin = child.stdin.take().unwrap();
    let input = json!({ "schema": schema(), "documents": documents }).to_string();
    let write = async move { stdin.write_all(input.as_bytes()).await.expect("written") };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn as_json(text: &str) -> Value {
    let document: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
    serde_json::to_value(document).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_that_ships_is_what_the_command_prints() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeyd"));
    command.arg("schema").env_clear().stdin(Stdio::null());
    let printed = ended(command).await.with(0);
    assert_eq!(printed.json(), *schema());
    golden::compare(&python::workspace().join("config/rekeyd.schema.json"), &printed.stdout);
}

#[test]
fn the_schema_has_every_key_that_the_configuration_knows_and_no_other() {
    let tables = tables();
    assert!(tables.len() > 8, "{tables:?}");
    for (table, schema) in tables {
        let unknown = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";
        let document = only(&table, unknown, 1.into()).to_string();
        let errors = parse_str("t.toml", &document).unwrap_err();
        let messages = errors.problems().iter().map(|problem| problem.message.as_str());
        let known =
            messages.filter_map(|message| message.strip_prefix(&format!("unknown key `{unknown}`; known here: ")));
        let known: BTreeSet<&str> = known.flat_map(|known| known.split(", ")).collect();
        // What this release refuses whatever its value is, and what never is a default.
        let refused: &[&str] = match table.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["defaults"] => &["secrets", "select", "allow_users"],
            _ => &[],
        };
        let wanted = schema["properties"].as_object().unwrap().keys().map(String::as_str);
        let wanted: BTreeSet<&str> = wanted.chain(refused.iter().copied()).collect();
        assert_eq!(known, wanted, "{table:?}");
        assert_eq!(schema["additionalProperties"], false, "{table:?}");
        for (key, schema) in schema["properties"].as_object().unwrap() {
            assert!(
                schema["description"].as_str().is_some_and(|text| text.len() > 8),
                "{table:?} {key}"
            );
        }
    }
}

#[test]
fn a_default_that_the_schema_tells_is_what_holds_without_the_key() {
    let plain = parse_str("t.toml", WHOLE).unwrap().config;
    let mut told = 0;
    for (table, schema) in tables() {
        for (key, schema) in schema["properties"].as_object().unwrap() {
            let Some(default) = schema.get("default") else { continue };
            // The hour that STS gives without being asked is not sent.
            if key == "role_session_duration" {
                assert_eq!(default, "1h");
                continue;
            }
            let value = toml::Value::try_from(default).unwrap();
            let text = with(&table, key, value);
            let loaded = parse_str("t.toml", &text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
            assert_eq!(loaded.config, plain, "{table:?} {key}");
            told += 1;
        }
    }
    assert!(told > 60, "{told}");
}

#[test]
fn the_bounds_and_words_that_the_schema_tells_are_those_of_the_configuration() {
    let takes = |table: &[String], key: &str, value: toml::Value| parse_str("t.toml", &with(table, key, value)).is_ok();
    let mut tried = 0;
    for (table, schema) in tables() {
        for (key, schema) in schema["properties"].as_object().unwrap() {
            for (bound, beyond) in [("minimum", -1), ("maximum", 1)] {
                let Some(bound) = schema[bound].as_f64() else { continue };
                let value = |number: f64| match schema["type"] == "integer" {
                    true => toml::Value::Integer(number as i64),
                    false => toml::Value::Float(number),
                };
                assert!(takes(&table, key, value(bound)), "{table:?} {key} {bound}");
                assert!(
                    !takes(&table, key, value(bound + f64::from(beyond))),
                    "{table:?} {key} {bound}"
                );
                tried += 1;
            }
            // Each type of a target has keys of its own; the configuration's tests try all of them.
            let words = schema["enum"].as_array().filter(|_| key != "type");
            for word in words.into_iter().flatten() {
                let word = word.as_str().unwrap();
                assert!(takes(&table, key, word.into()), "{table:?} {key} {word}");
                assert!(!takes(&table, key, format!("{word}s").into()), "{table:?} {key}");
                tried += 1;
            }
        }
    }
    assert!(tried > 30, "{tried}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_validator_takes_every_documented_configuration_and_refuses_unknown_keys() {
    let mut documents = Vec::new();
    for (name, text) in samples::documented() {
        documents.push((name, as_json(&text), true));
    }
    assert!(documents.len() >= 7, "{documents:?}");
    for (table, _) in tables() {
        let document = serde_json::to_value(only(&table, "no_such_key", 1.into())).unwrap();
        documents.push((format!("an unknown key in {table:?}"), document, false));
    }
    for never in [
        "[defaults]\nsecrets = [\"a\"]",
        "[policy.Orders]",
        "[aws.us-east-1]",
        "[metrics]\nper_secret = 1",
        "policy = 1",
    ] {
        documents.push((never.to_owned(), as_json(never), false));
    }
    let only: Vec<Value> = documents.iter().map(|(_, document, _)| document.clone()).collect();
    let verdicts = validated(&only).await;
    assert_eq!(verdicts.len(), documents.len());
    for ((name, document, wanted), verdict) in documents.into_iter().zip(verdicts) {
        assert_eq!(verdict, wanted, "{name}: {document}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_takes_what_the_configuration_takes_and_refuses_what_is_wrong_by_itself() {
    let samples = samples::values();
    let texts: Vec<String> = samples
        .iter()
        .map(|sample| {
            let table: Vec<String> = sample.table.split('.').map(str::to_owned).collect();
            let value = format!("value = {}", sample.value).parse::<toml::Table>().unwrap();
            with(&table, sample.key, value["value"].clone())
        })
        .collect();
    let verdicts = validated(&texts.iter().map(|text| as_json(text)).collect::<Vec<_>>()).await;
    for ((sample, text), verdict) in samples.iter().zip(&texts).zip(verdicts) {
        let taken = parse_str("t.toml", text);
        let name = format!("{} {} = {}", sample.table, sample.key, sample.value);
        assert_eq!(taken.is_ok(), sample.is_good, "{name}: {taken:?}");
        assert_eq!(verdict, sample.is_good, "{name}");
    }
}
