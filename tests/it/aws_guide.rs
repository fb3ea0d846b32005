//! docs/WALKTHROUGH.md, run as it stands: the real `aws`, `redis-cli`, `rekeyd` and `rekeyd-sandbox`.
//! The page's last section says by which rules.

use std::collections::BTreeSet;

use crate::support::pages::{self, Shell, blocks, steps};
use crate::support::python;

/// The addresses of the page that are replaced by free ones.
const ADDRESSES: [&str; 2] = ["127.0.0.1:4566", "127.0.0.1:9848"];

fn page() -> String {
    pages::page("docs/WALKTHROUGH.md")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_walkthrough_works_and_prints_what_the_page_says() {
    let page = pages::with_free_addresses(&page(), ADDRESSES);
    let dir = tempfile::tempdir().expect("folder");
    let files = blocks(&page, "toml");
    assert_eq!(files.len(), 1);
    for file in files {
        let name = file.lines().next().unwrap().trim_start_matches("# ").to_owned();
        std::fs::write(dir.path().join(name), file).expect("a file");
    }
    let steps = pages::commands(&page);
    assert!(steps.len() > 20, "only {} commands were found", steps.len());
    let search_path = format!("{}:{}", pages::programs().display(), python::search_path());
    let mut shell = Shell::start(dir.path(), &search_path);
    let log = async || std::fs::read_to_string(dir.path().join("rekeyd.log")).unwrap_or_default();
    for step in &steps {
        shell.follow(step, &log).await;
    }
}

#[test]
fn the_walkthroughs_table_of_actions_is_what_its_log_of_calls_shows() {
    let page = page();
    let cells = |row: &str| {
        row.split('|')
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> = page.lines().filter(|line| line.starts_with("| `")).map(cells).collect();
    let table: BTreeSet<&str> = rows
        .iter()
        .filter(|row| row[3] == "yes")
        .map(|row| row[1].as_str())
        .collect();
    let all = blocks(&page, "console");
    let log = all
        .iter()
        .flat_map(|block| steps(block))
        .find(|step| step.command.contains("_sandbox/log"));
    let shown = log.expect("a command that reads the log").prints;
    assert_eq!(table, shown.iter().map(String::as_str).collect());
    for row in rows.iter().filter(|row| row[2] == "no" || row[3] == "no") {
        assert!(
            !row[4].is_empty(),
            "{} differs from the guide and does not say why",
            row[1]
        );
    }
}
