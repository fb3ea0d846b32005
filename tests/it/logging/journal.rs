//! Priorities of lines, where the journal reads standard error.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::support::cli::orders;
use crate::support::status::proven;
use crate::support::world::secret_name;
use crate::support::{OLD, World};

/// What systemd would say of a file that it had opened for the process.
fn stream(file: &Path) -> String {
    std::fs::File::options().create(true).append(true).open(file).unwrap();
    let metadata = std::fs::metadata(file).unwrap();
    format!("{}:{}", metadata.dev(), metadata.ino())
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_have_their_priority_before_them_in_the_journal_and_none_elsewhere() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let (log, other) = (world.path("rekeyd.log"), world.path("other"));
    for (file, journal) in [(&log, true), (&other, false)] {
        let daemon = orders(&world, &["user1"])
            .env("JOURNAL_STREAM", &stream(file))
            .run()
            .await;
        daemon.wait(&secret_name("user1"), "proved", proven).await;
        let refused = daemon.post("/api/v1/reload", &serde_json::json!({})).await;
        assert_eq!(refused.status, 200);
        let text = daemon.log_text();
        let mut levels = std::collections::BTreeSet::new();
        for line in text.lines() {
            let (priority, json) = if journal { line.split_at(3) } else { ("", line) };
            let json: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {line}"));
            let wanted = match (journal, json["level"].as_str().unwrap()) {
                (false, _) => "",
                (true, "ERROR") => "<3>",
                (true, "WARN") => "<4>",
                (true, "INFO") => "<6>",
                (true, _) => "<7>",
            };
            assert_eq!(priority, wanted, "{line}");
            levels.insert(json["level"].to_string());
        }
        assert!(levels.len() >= 2, "{levels:?}");
        daemon.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_start_failed_has_the_priority_of_an_error_in_the_journal() {
    let world = World::start().await;
    let file = world.path("journal");
    let named = stream(&file);
    let run = async |stream: &str| {
        let setup = orders(&world, &["user1"]).daemon_key("drain_timeout", "\"soon\"");
        let stderr = std::fs::File::options().append(true).open(&file).unwrap();
        stderr.set_len(0).unwrap();
        let mut command = setup.env("JOURNAL_STREAM", stream).command(&["run"]);
        let status = command.stderr(Stdio::from(stderr)).status().await.unwrap();
        assert_eq!(status.code(), Some(78));
        std::fs::read_to_string(&file).unwrap()
    };
    let told = run(&named).await;
    assert!(
        told.lines().count() > 1 && told.lines().all(|line| line.starts_with("<3>")),
        "{told}"
    );
    let told = run("8:1").await;
    assert!(told.contains("drain_timeout") && !told.contains("<3>"), "{told}");
}
