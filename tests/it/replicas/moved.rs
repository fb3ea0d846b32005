//! A store that is taken from a file to a table and back, by the commands.

use std::path::{Path, PathBuf};

use super::three;
use crate::support::daemon::Setup;
use crate::support::replicas::Fleet;
use crate::support::status::idle_and_retired;

/// The lines of an export, without the first, whose date tells one from another.
fn content(text: &str) -> Vec<&str> {
    text.lines().skip(1).collect()
}

async fn export(setup: &Setup<'_>) -> String {
    setup.cli(&["state", "export"]).await.with(0).stdout
}

fn kept(fleet: &Fleet, name: &str, text: &str) -> PathBuf {
    let file = fleet.world.path(name);
    std::fs::write(&file, text).unwrap();
    file
}

async fn import(setup: &Setup<'_>, file: &Path) {
    setup.cli(&["state", "import", file.to_str().unwrap()]).await.with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_taken_from_a_file_to_a_table_and_back_is_the_same() {
    let mut fleet = three(6).await;
    // A life on a file first.
    let mut daemon = fleet.setup_on_file("alone").start();
    daemon.ready().await;
    fleet.replicas[0].put(daemon);
    fleet
        .wait_statuses(&fleet.replicas[0], "proved", crate::support::status::idle_and_proven)
        .await;
    fleet.rotate_all(0).await;
    fleet
        .wait_statuses(&fleet.replicas[0], "rotated", idle_and_retired)
        .await;
    assert_eq!(fleet.replicas[0].take().end("-TERM").await, Some(0));
    let alone = fleet.setup_on_file("alone");
    let from_file = export(&alone).await;
    assert!(content(&from_file).len() > 6 * 5, "{from_file}");

    let file = kept(&fleet, "from-file.jsonl", &from_file);
    import(&fleet.setup(0), &file).await;
    let from_table = export(&fleet.setup(1)).await;
    assert_eq!(content(&from_table), content(&from_file));
    let back = fleet.setup_on_file("back");
    import(&back, &kept(&fleet, "from-table.jsonl", &from_table)).await;
    assert_eq!(content(&export(&back).await), content(&from_file));

    // Replicas go on with it, and do nothing again.
    fleet.start_all().await;
    for user in &fleet.users {
        assert_eq!(fleet.world.labels(&user.secret_arn).await.len(), 2, "{}", user.name);
    }
    for replica in &fleet.replicas {
        fleet.wait_statuses(replica, "rotated before", idle_and_retired).await;
    }
    fleet.end().await;
}
