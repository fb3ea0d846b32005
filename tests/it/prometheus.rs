//! What Prometheus and Grafana are given: the rules and their tests, the dashboard, the table of the metrics, and a real
//! Prometheus that scrapes the real daemon.

mod dashboard;
mod names;
mod page;
mod rules;
mod scraping;
mod weight;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tokio::sync::OnceCell;

use crate::support::exposition::{self, Exposition};
use crate::support::world::{document_with, secret_name};
use crate::support::{OLD, Policy, World, python};

fn folder() -> PathBuf {
    python::workspace().join("config/prometheus")
}

/// A YAML file, read by Python's parser.
fn yaml(file: &Path) -> Value {
    let program = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
    let output = Command::new(python::bin().join("python"))
        .args(["-c", program])
        .arg(file)
        .output()
        .expect("python starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", file.display());
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The rules that ship, one after the other.
fn alerts() -> Vec<Value> {
    let rules = yaml(&folder().join("rekeyd.rules.yml"));
    let groups = rules["groups"].as_array().unwrap();
    groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// What a daemon with one policy, one secret and a receiver of each kind shows.
async fn shown() -> &'static Exposition {
    static SHOWN: OnceCell<Exposition> = OnceCell::const_new();
    SHOWN
        .get_or_init(|| async {
            let world = World::of(&["user1"]).await;
            let secret = secret_name("user1");
            world.create_secret(&secret, &document_with("user1", OLD)).await;
            let bus = "[notify.bus]\ntype = \"eventbridge\"\naws = \"main\"\n";
            let daemon = world
                .daemon("rekeyd")
                .policy(Policy::new("orders", &["user1"]))
                .more(&(world.webhook("oncall", "http://127.0.0.1:1/", &["succeeded"]) + bus))
                .run()
                .await;
            daemon.checked(&secret).await;
            exposition::parse(&daemon.get("/metrics").await.body)
        })
        .await
}
