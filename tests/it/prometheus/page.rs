//! docs/METRICS.md: its tables are what the running daemon shows. `UPDATE_GOLDEN=1 cargo test -p rekeyd --test it
//! prometheus::page` writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rekeyd::metrics::Metrics;

use super::{alerts, names, shown, text, weight};
use crate::support::exposition::{Exposition, Family};
use crate::support::{golden, pages, python};

const PAGE: &str = "docs/METRICS.md";

/// Labels whose values are the user's or the build's: the others have closed sets.
const OPEN: [&str; 8] = ["policy", "secret", "place", "notify", "version", "commit", "arch", "le"];

fn unit(name: &str, family: &Family) -> &'static str {
    let base = name.trim_end_matches("_total");
    if base.ends_with("timestamp_seconds") || base.ends_with("start_time_seconds") {
        "seconds since 1970"
    } else if base.ends_with("_seconds") {
        "seconds"
    } else if base.ends_with("_bytes") {
        "bytes"
    } else if family.help.starts_with("1 ") {
        "1 or 0"
    } else {
        "number"
    }
}

/// The families under a heading of the page.
fn belongs(section: &str, name: &str, family: &Family) -> bool {
    let has = |label: &str| family.labels.contains_key(label);
    let of = match name {
        name if !name.starts_with("rekeyd_") => "client library",
        _ if has("secret") => "secrets",
        _ if has("policy") => "policies",
        _ if has("notify") => "notifications",
        _ if has("service") || has("place") => "aws",
        _ => "daemon",
    };
    of == section
}

/// The alerts that name each family.
fn alerts_of(shown: &Exposition) -> BTreeMap<String, BTreeSet<String>> {
    let mut of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for alert in alerts() {
        for family in names::assert_known(text(&alert, "expr"), shown) {
            of.entry(family).or_default().insert(text(&alert, "alert").to_owned());
        }
    }
    of
}

fn families(section: &str, shown: &Exposition) -> String {
    let alerts = alerts_of(shown);
    let mut table = "| metric | type | labels | unit | meaning | alerts |\n|---|---|---|---|---|---|\n".to_owned();
    for (name, family) in shown.iter().filter(|(name, family)| belongs(section, name, family)) {
        let quoted =
            |words: &mut dyn Iterator<Item = &String>| words.map(|word| format!("`{word}`")).collect::<Vec<_>>();
        let labels = quoted(&mut family.labels.keys().filter(|label| *label != "le")).join(", ");
        let alerts = alerts.get(name).map(|names| quoted(&mut names.iter()).join(", "));
        let _ = writeln!(
            table,
            "| `{name}` | {} | {labels} | {} | {} | {} |",
            family.kind,
            unit(name, family),
            family.help.replace('|', "\\|"),
            alerts.unwrap_or_default()
        );
    }
    table
}

/// The closed sets: each label with its values, and the families that have just these.
fn labels(shown: &Exposition) -> String {
    let mut sets: BTreeMap<(&str, &BTreeSet<String>), Vec<&str>> = BTreeMap::new();
    for (name, family) in shown {
        for (label, values) in family
            .labels
            .iter()
            .filter(|(label, _)| !OPEN.contains(&label.as_str()))
        {
            sets.entry((label, values)).or_default().push(name);
        }
    }
    let mut table = "| label | of | values |\n|---|---|---|\n".to_owned();
    for ((label, values), families) in sets {
        let list = |words: Vec<&str>| {
            words
                .iter()
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let values = list(values.iter().map(String::as_str).collect());
        let _ = writeln!(table, "| `{label}` | {} | {values} |", list(families));
    }
    table
}

fn all_alerts() -> String {
    let mut table = "| alert | severity | lasts | runbook |\n|---|---|---|---|\n".to_owned();
    for alert in alerts() {
        let url = text(&alert["annotations"], "runbook_url");
        let page = url.rsplit('/').next().unwrap();
        let _ = writeln!(
            table,
            "| `{}` | {} | {} | [{page}](runbooks/{page}) |",
            text(&alert, "alert"),
            text(&alert["labels"], "severity"),
            alert["for"].as_str().unwrap_or("at once"),
        );
    }
    table
}

/// The page, with what stands between its marks made anew.
async fn written(page: &str, shown: &Exposition) -> String {
    let (of_policy, of_secret) = weight::costs().await;
    let mut whole = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<!-- made: ") {
        let (what, after) = after.split_once(" -->\n").expect("a whole mark");
        let (_, after) = after.split_once("<!-- end -->").expect("an end");
        let made = match what {
            "labels" => labels(shown),
            "weight" => weight::table().await,
            "costs" => format!("A policy costs {of_policy} series, and a secret with series of its own {of_secret}.\n"),
            "alerts" => all_alerts(),
            section => families(section, shown),
        };
        let _ = write!(whole, "{before}<!-- made: {what} -->\n{made}<!-- end -->");
        rest = after;
    }
    whole + rest
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_are_what_the_daemon_shows() {
    let page = pages::page(PAGE);
    let written = written(&page, shown().await).await;
    golden::compare(&python::workspace().join(PAGE), &written);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_shows_every_family_that_is_declared_and_the_page_lists_each_once() {
    let shown = shown().await;
    let page = pages::page(PAGE);
    for (name, labels) in Metrics::new(&[]).families() {
        let family = shown.get(&name).unwrap_or_else(|| panic!("{name} is not shown"));
        let found: BTreeSet<&String> = family.labels.keys().filter(|label| *label != "le").collect();
        assert_eq!(found, labels.iter().collect(), "{name}");
    }
    for name in shown.keys() {
        assert_eq!(page.matches(&format!("\n| `{name}` |")).count(), 1, "{name}");
    }
}
