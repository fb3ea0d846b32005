//! The Grafana dashboard: what Grafana's own types say of it, and that it asks for what there is.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::names::assert_known;
use super::{shown, text};
use crate::support::prometheus::promtool;
use crate::support::{pages, python};

const FILE: &str = "config/grafana/rekeyd.json";

fn dashboard() -> Value {
    serde_json::from_str(&pages::page(FILE)).expect("JSON")
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().unwrap().iter().collect()
}

/// Every expression, with Grafana's own variables as numbers.
fn expressions(dashboard: &Value) -> Vec<String> {
    let targets = panels(dashboard)
        .into_iter()
        .flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let annotations = dashboard["annotations"]["list"].as_array().unwrap().iter().cloned();
    let all = targets.chain(annotations);
    let spans = ["$__rate_interval", "$__range", "$__interval"];
    all.map(|target| {
        spans
            .iter()
            .fold(text(&target, "expr").to_owned(), |text, span| text.replace(span, "5m"))
    })
    .collect()
}

/// Decodes the file with Grafana's types, encodes it again, and tells what was lost or is another on the way.
const ROUND_TRIP: &str = r#"
import json, sys
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

def differences(given, kept, path):
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            yield from differences(value, kept.get(key, "nothing"), f"{path}.{key}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for at, pair in enumerate(zip(given, kept)):
            yield from differences(*pair, f"{path}[{at}]")
    elif given != kept:
        yield f"{path}: {given!r} becomes {kept!r}"

plugins.register_default_plugins()
given = json.load(sys.stdin)
kept = json.loads(JSONEncoder().encode(Dashboard.from_json(given)))
print("\n".join(differences(given, kept, "")), end="")
"#;

fn lost_on_the_way(dashboard: &Value) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.json");
    std::fs::write(&file, dashboard.to_string()).unwrap();
    let output = Command::new(python::bin().join("python"))
        .args(["-c", ROUND_TRIP])
        .stdin(std::fs::File::open(file).unwrap())
        .output()
        .expect("python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn grafanas_own_types_know_every_key_of_the_dashboard() {
    let mut dashboard = dashboard();
    assert_eq!(lost_on_the_way(&dashboard), "");
    dashboard["panels"][1]["options"]["colourMode"] = json!("background");
    assert!(
        lost_on_the_way(&dashboard).contains("colourMode"),
        "an unknown key is found"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_expression_is_one_that_prometheus_takes_and_names_what_there_is() {
    let shown = shown().await;
    let expressions = expressions(&dashboard());
    assert!(expressions.len() > 40, "{}", expressions.len());
    let mut families = BTreeSet::new();
    let mut rules = Vec::new();
    for (number, expression) in expressions.iter().enumerate() {
        families.extend(assert_known(expression, shown));
        rules.push(json!({ "record": format!("panel:{number}"), "expr": expression }));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("panels.yml");
    // JSON is YAML.
    let groups = json!({ "groups": [{ "name": "panels", "rules": rules }] });
    std::fs::write(&file, groups.to_string()).unwrap();
    let (taken, said) = promtool(&["check", "rules"], &[&file]).await;
    assert!(taken, "{said}");
    let of_single = |name: &&String| name.starts_with("rekeyd_secret_");
    let unseen: Vec<&String> = shown
        .keys()
        .filter(|name| name.starts_with("rekeyd_") && !families.contains(*name))
        .filter(|name| !of_single(name))
        .collect();
    assert!(unseen.is_empty(), "on no panel: {unseen:?}");
}

/// A 0 that nobody measured would call the passwords of a dead daemon fresh.
#[tokio::test(flavor = "multi_thread")]
async fn no_panel_but_the_one_that_says_that_it_is_down_has_a_number_while_the_daemon_is_down() {
    let expressions = expressions(&dashboard());
    let (up, others): (Vec<&String>, Vec<&String>) = expressions
        .iter()
        .partition(|expression| expression.contains("up{job=\"rekeyd\"}"));
    assert_eq!(up.len(), 1, "{up:?}");
    let nothing = others.iter().map(|expr| json!({ "expr": expr, "eval_time": "10m" }));
    let zero = json!({ "expr": up[0], "eval_time": "10m", "exp_samples": [{ "labels": "{}", "value": 0 }] });
    let looked_at: Vec<Value> = nothing.chain([zero]).collect();
    let down = json!({ "series": "up{job=\"rekeyd\"}", "values": "0x20" });
    let tests = json!({ "tests": [{ "interval": "1m", "input_series": [down], "promql_expr_test": looked_at }] });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("down.test.yml");
    std::fs::write(&file, tests.to_string()).unwrap();
    let (passed, said) = promtool(&["test", "rules"], &[&file]).await;
    assert!(passed, "{said}");
}

#[test]
fn the_data_source_is_a_variable_everywhere_and_legends_name_labels_that_are_kept() {
    let dashboard = dashboard();
    let all = dashboard.to_string();
    let named = all.matches("\"datasource\":{").count();
    let variable = "\"datasource\":{\"type\":\"prometheus\",\"uid\":\"${datasource}\"}";
    assert_eq!(all.matches(variable).count(), named);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().map(|variable| text(variable, "name")).collect();
    assert_eq!(names, ["datasource", "policy"]);
    for panel in panels(&dashboard) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let (expression, legend) = (text(target, "expr"), text(target, "legendFormat"));
            for label in legend.split("{{").skip(1).map(|rest| rest.split('}').next().unwrap()) {
                let kept = expression.contains(label) || label == "instance";
                assert!(kept, "{legend}: {expression}");
            }
        }
    }
}

#[test]
fn each_panel_has_a_number_a_place_of_its_own_a_unit_and_says_what_it_shows() {
    let dashboard = dashboard();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    let mut rows = Vec::new();
    for panel in panels(&dashboard) {
        let title = text(panel, "title");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is taken");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            assert!(x < 24, "{title} is beyond the edge");
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{title} is over another");
            }
        }
        if panel["type"] == "row" {
            rows.push(title);
            continue;
        }
        assert!(text(panel, "description").len() > 10, "{title}");
        assert!(!text(&panel["fieldConfig"]["defaults"], "unit").is_empty(), "{title}");
    }
    assert_eq!(
        rows,
        [
            "Are my passwords fresh?",
            "What it does now",
            "Rotations",
            "AWS",
            "The process"
        ]
    );
}
