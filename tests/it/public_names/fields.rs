//! The fields of what is printed with `--json` and answered over HTTP.

use std::collections::BTreeSet;

use rekeyd::clock::{Clock, SystemClock};
use rekeyd::engine::control::ReplicaStatus;
use rekeyd::rotation::status::SecretStatus;
use rekeyd::server::configuration::ReplicaReload;
use rekeyd::server::wire::{RotationsReply, SecretsReply};
use rekeyd::store::HistoryEntry;
use serde_json::{Value, json};

use crate::json_shapes::frozen;
use crate::stored_json::populated;
use crate::support::Scene;
use crate::support::cli::{ended, orders};

/// Tables whose keys are names that a configuration gives.
const NAMED: [&str; 3] = ["aws", "policy", "tags"];

/// Each field by the way to it, `[]` for the elements of an array.
fn fields(of: &str, value: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk(value, String::new(), &mut found);
    found.into_iter().map(|path| format!("json {of}: {path}")).collect()
}

fn walk(value: &Value, path: String, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            let parent = path.rsplit('.').next().unwrap_or_default().to_owned();
            for (key, value) in object {
                let is_name = NAMED.contains(&parent.as_str()) && value.is_object();
                let key = if is_name { "NAME" } else { key };
                walk(
                    value,
                    if path.is_empty() {
                        key.to_owned()
                    } else {
                        format!("{path}.{key}")
                    },
                    found,
                );
            }
        }
        Value::Array(items) => {
            found.insert(format!("{path}[]"));
            for item in items {
                walk(item, format!("{path}[]"), found);
            }
        }
        _ => drop(found.insert(path)),
    }
}

/// Of the commands whose shape is held by a file.
pub fn of_shapes() -> BTreeSet<String> {
    let field = |(name, path): (String, String)| format!("json {} --json: {path}", name.replace('_', "-"));
    let files = [
        "plan",
        "onboard",
        "takeover",
        "iam_policy",
        "state_export",
        "state_import",
        "state_init_table",
        "error",
    ];
    let frozen = frozen().into_iter().filter(|(name, _)| files.contains(&name.as_str()));
    frozen.map(field).collect()
}

/// Of what a daemon shows only now and then: everything that a status and a history can tell.
pub fn of_types() -> BTreeSet<String> {
    let at = SystemClock::new().now();
    let record = populated::record();
    let status = SecretStatus {
        revocation: record.revocation.as_deref().cloned(),
        rollback: record.rollback.as_deref().cloned(),
        ..SecretStatus::unknown("production/ec/user1", "orders", "main")
    };
    let statuses = populated::proofs().into_iter().map(|proof| SecretStatus {
        proof: Some(proof),
        ..status.clone()
    });
    let reply = SecretsReply {
        secrets: statuses.collect(),
        configuration: None,
        replicas: Some(vec![ReplicaStatus {
            session: String::new(),
            host: String::new(),
            leases: 0,
            answers: true,
            same_configuration: true,
        }]),
    };
    let rotations = populated::events().into_iter().map(|event| HistoryEntry {
        at,
        secret_arn: String::new(),
        event,
    });
    let history = RotationsReply {
        rotations: rotations.collect(),
    };
    let mut found = fields("status --json", &json!(reply));
    found.extend(fields("history --json", &json!(history)));
    let replica = ReplicaReload {
        session: String::new(),
        host: String::new(),
        reloaded: false,
        error: Some(String::new()),
    };
    found.extend(fields("reload --json", &json!({"replicas": [replica]})));
    found
}

/// Of what the commands print, and of what only HTTP tells.
pub async fn of_a_daemon() -> BTreeSet<String> {
    let scene = Scene::start(&[("overlap", "\"24h\"")]).await;
    let (world, daemon, secret) = scene.parts();
    let setup = orders(world, &["user1"]);
    let mut found = BTreeSet::new();
    for (of, line) in [
        ("rotate --wait --json", &["rotate", secret, "--wait", "--json"][..]),
        (
            "rotate --revoke-previous --json",
            &["rotate", secret, "--revoke-previous", "--now", "--json"],
        ),
        ("rotate --wait --json", &["rotate", secret, "--wait", "--now", "--json"]),
        ("rollback --json", &["rollback", secret, "--now", "--json"]),
        ("pause --json", &["pause", secret, "--json"]),
        ("resume --json", &["resume", secret, "--json"]),
        ("rotate --json", &["rotate", secret, "--json"]),
        ("reload --json", &["reload", "--json"]),
        ("status --json", &["status", "--json"]),
        ("check --json", &["check", "--json"]),
        ("check --effective --json", &["check", "--effective", "--json"]),
        ("history --json", &["history", "--json"]),
    ] {
        found.extend(fields(of, &setup.cli(line).await.with(0).json()));
    }
    for path in ["/readyz", "/api/v1/policies", "/api/v1/config"] {
        found.extend(fields(path, &daemon.get(path).await.json()));
    }
    let check = setup.command(&["check", "--json"]);
    let path = setup.write_config();
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{good}\n[daemon.wrong]\nkey = 1\n")).unwrap();
    let refused = daemon.post("/api/v1/reload", &json!({})).await;
    assert_eq!(refused.status, 422);
    found.extend(fields("reload --json, refused", &refused.json()));
    found.extend(fields("check --json", &ended(check).await.with(78).json()));
    found.extend(fields("/api/v1/config", &daemon.get("/api/v1/config").await.json()));
    found
}
