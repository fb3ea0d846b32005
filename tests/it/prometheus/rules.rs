//! The alerts: what Prometheus says of them, that each is tried both ways, and that each leads somewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::names::assert_known;
use super::{alerts, folder, shown, text, yaml};
use crate::support::pages;
use crate::support::prometheus::promtool;

const RULES: &str = "rekeyd.rules.yml";
const TESTS: [&str; 2] = ["rekeyd.rules.test.yml", "rekeyd.rules.days.test.yml"];

/// The placeholder for wherever the runbooks are served.
const RUNBOOKS: &str = "https://runbooks.example.com/rekeyd/";

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_takes_the_rules_and_the_example_of_a_scrape() {
    let (taken, said) = promtool(&["check", "rules", "--lint-fatal"], &[&folder().join(RULES)]).await;
    assert!(taken, "{said}");
    let (taken, said) = promtool(&["check", "config", "--lint-fatal"], &[&folder().join("scrape.yml")]).await;
    assert!(taken, "{said}");
    let scrape = yaml(&folder().join("scrape.yml"));
    assert_eq!(
        scrape["scrape_configs"][0]["job_name"], "rekeyd",
        "what the rules count on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_alert_fires_and_stays_silent_as_its_tests_say() {
    let folder = folder();
    let run = |file: &'static str| {
        let file = folder.join(file);
        async move { promtool(&["test", "rules"], &[&file]).await }
    };
    let (minutes, days) = tokio::join!(run(TESTS[0]), run(TESTS[1]));
    for (passed, said) in [minutes, days] {
        assert!(passed, "{said}");
    }
}

/// What the tests say of each alert: whether a case has it firing, and one none at all or merely pending.
fn tried() -> BTreeMap<String, (bool, bool)> {
    let mut tried: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    for file in TESTS {
        let tests = yaml(&folder().join(file));
        let cases = tests["tests"].as_array().unwrap().iter();
        for case in cases.flat_map(|case| case["promql_expr_test"].as_array().unwrap().clone()) {
            let (_, name) = text(&case, "expr").split_once("alertname=\"").expect("an alert");
            let entry = tried.entry(name.split('"').next().unwrap().to_owned()).or_default();
            let samples = case["exp_samples"].as_array().cloned().unwrap_or_default();
            let fires = |sample: &Value| text(sample, "labels").contains("alertstate=\"firing\"");
            entry.0 |= samples.iter().any(fires);
            entry.1 |= !samples.iter().any(fires);
        }
    }
    tried
}

#[test]
fn each_alert_has_a_case_where_it_fires_and_one_where_it_does_not() {
    let names: BTreeSet<String> = alerts().iter().map(|alert| text(alert, "alert").to_owned()).collect();
    let tried = tried();
    assert_eq!(tried.keys().cloned().collect::<BTreeSet<_>>(), names);
    for (name, both) in tried {
        assert_eq!(both, (true, true), "{name}: fires, stays silent");
    }
}

#[test]
fn each_alert_says_what_how_badly_and_what_to_do_and_its_runbook_names_it() {
    let alerts = alerts();
    let mut pages_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for alert in &alerts {
        let name = text(alert, "alert");
        assert!(name.starts_with("Rekeyd"), "{name}");
        assert!(
            ["page", "ticket", "info"].contains(&text(&alert["labels"], "severity")),
            "{name}"
        );
        let annotations = &alert["annotations"];
        for key in ["summary", "description"] {
            assert!(text(annotations, key).len() > 20, "{name} {key}");
        }
        let page = text(annotations, "runbook_url")
            .strip_prefix(RUNBOOKS)
            .expect("the placeholder");
        let runbook = pages::page(&format!("docs/runbooks/{page}"));
        assert!(runbook.contains(&format!("`{name}`")), "{page} does not name {name}");
        pages_of.entry(page.to_owned()).or_default().insert(name.to_owned());
    }
    let paged = alerts.iter().filter(|alert| alert["labels"]["severity"] == "page");
    let paged: Vec<&str> = paged.map(|alert| text(alert, "alert")).collect();
    assert_eq!(
        paged,
        ["RekeydPasswordRefused"],
        "only what clients notice gets anybody out of bed"
    );
}

/// The words in backquotes that look like alerts.
fn named(page: &str) -> BTreeSet<String> {
    let words = page.split('`').skip(1).step_by(2);
    let is_alert = |word: &&str| word.starts_with("Rekeyd") && word.chars().all(char::is_alphanumeric);
    words.filter(is_alert).map(str::to_owned).collect()
}

#[test]
fn no_runbook_names_an_alert_that_there_is_not() {
    let names: BTreeSet<String> = alerts().iter().map(|alert| text(alert, "alert").to_owned()).collect();
    let folder = crate::support::python::workspace().join("docs/runbooks");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let page = std::fs::read_to_string(&path).unwrap();
        let unknown: Vec<_> = named(&page).difference(&names).cloned().collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
        let told = page.contains("Alert: `") || page.contains("Alerts: `") || page.contains("Alert `");
        assert!(
            told || page.contains("No alert"),
            "{} does not say which alert leads to it",
            path.display()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_name_metrics_labels_and_values_that_the_daemon_shows() {
    let shown = shown().await;
    for alert in alerts() {
        let expression = text(&alert, "expr");
        let families = assert_known(expression, shown);
        assert!(!families.is_empty() || expression.contains("up{"), "{expression}");
        // The queries of a description, too.
        let queries = text(&alert["annotations"], "description").split("printf \"").skip(1);
        for query in queries.filter(|query| query.starts_with("rekeyd_")) {
            let query = query.split("\" ").next().unwrap().replace("%q", "\"$x\"");
            assert_known(&query, shown);
        }
    }
}
