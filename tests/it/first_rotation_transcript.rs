//! docs/FIRST-ROTATION.md shows what a terminal shows.

use std::process::Stdio;
use std::time::Duration;

use crate::support::cli::ended_within;
use crate::support::{pages, python};

const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn at_most_three_commands_lead_from_an_empty_sandbox_to_a_proved_rotation_and_look_as_the_page_shows() {
    let search_path = format!("{}:{}", pages::programs().display(), python::search_path());
    let mut script = tokio::process::Command::new(python::workspace().join("scripts/record-first-rotation.sh"));
    script
        .env_clear()
        .env("PATH", search_path)
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        script.arg("--write");
        ended_within(script, PATIENCE).await.with(0);
        return;
    }
    let recorded = ended_within(script, PATIENCE).await.with(0).stdout;
    let page = pages::page("docs/FIRST-ROTATION.md");
    let shown = pages::blocks(&page, "text").remove(0);
    assert_eq!(
        recorded, shown,
        "scripts/record-first-rotation.sh --write records it anew"
    );
    let commands = shown.lines().filter(|line| line.starts_with("$ ")).count();
    assert!((1..=3).contains(&commands), "{commands} commands");
    let unbroken = shown.replace('\n', "");
    assert!(
        unbroken.ends_with("done    proven  the current password logs in on 3 nodes"),
        "{shown}"
    );
}
