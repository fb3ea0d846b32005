//! The status page in a browser: Debian's chromium, driven by `status_page/browse.py`, looks at it as people do. Pictures of
//! what it saw are left in `status-page/` of cargo's target directory.

mod fleet;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rekeyd::rotation::status::{Phase, SecretStatus};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::support::report::report;
use crate::support::status::{idle_and_retired, proven};
use crate::support::world::{document_with, late_replica, quick, secret_name};
use crate::support::{Delay, OLD, Policy, Settings, World, http, python};
use rekeyd_sandbox::Range;

/// A browser that shares two cores with everything else takes its time.
const PATIENCE: Duration = Duration::from_secs(240);

/// Where the pictures are left.
fn pictures() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let folder = target.join("status-page");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Lets the browser do a scenario.
async fn browse(scenario: &str, address: &str, mut knows: Value) {
    knows["url"] = format!("http://{address}").into();
    knows["pictures"] = pictures().to_string_lossy().into_owned().into();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/status_page/browse.py");
    let mut child = Command::new(python::bin().join("python"))
        .arg(script)
        .arg(scenario)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("python starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(knows.to_string().as_bytes()).await.unwrap();
    drop(stdin);
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output())
        .await
        .expect("the browser ends")
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    let complained = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{scenario}: {said}{complained}");
    said.lines().for_each(report);
}

/// A user in use, with its secret.
async fn secret(world: &World, user: &str) -> String {
    let name = secret_name(user);
    world.create_secret(&name, &document_with(user, OLD)).await;
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn five_secrets_of_a_daemon_are_shown_as_they_stand_and_each_has_its_page() {
    let world = World::of(&["rotated", "overlap", "waiting", "halted"]).await;
    for user in ["rotated", "overlap", "waiting", "missing"] {
        secret(&world, user).await;
    }
    // The user that this one names was never made, and that one names none.
    let no_user = json!({"username": "halted", "password": OLD}).to_string();
    world.create_secret(&secret_name("halted"), &no_user).await;
    let daemon = world
        .daemon("rekeyd")
        .policy(
            Policy::new("orders", &["rotated", "halted", "missing"])
                .with("max_attention", "\"100%\"")
                .with("overlap", "\"2s\""),
        )
        .policy(Policy::new("billing", &["overlap"]).with("overlap", "\"24h\""))
        .policy(Policy::new("search", &["waiting"]).with("propagation_timeout", "\"10m\""))
        .run()
        .await;
    let [rotated, overlap, waiting, halted, missing] =
        ["rotated", "overlap", "waiting", "halted", "missing"].map(secret_name);
    for name in [&rotated, &overlap, &waiting] {
        daemon.wait(name, "proven", proven).await;
    }
    daemon.wait_reason(&halted, Phase::Halted, "user_arn_missing").await;
    daemon
        .wait_reason(&missing, Phase::NeedsAttention, "user_not_found")
        .await;
    // Slowly, so that the picture of its steps has something to show.
    world.set_settings(Settings {
        propagation_ms: Range { min: 700, max: 1_500 },
        ..quick()
    });
    daemon.rotate(&rotated).await;
    daemon.wait(&rotated, "rotated", idle_and_retired).await;
    world.set_settings(quick());
    daemon.rotate(&overlap).await;
    daemon
        .wait(&overlap, "in its overlap", |status| status.phase == Phase::Overlap)
        .await;
    world.set_settings(late_replica(Delay::NEVER));
    daemon.rotate(&waiting).await;
    let lags = |status: &SecretStatus| status.reason.as_deref() == Some("node_lagging");
    daemon.wait(&waiting, "held up by a node", lags).await;

    let address = daemon.listen_address().await;
    let states = json!({
        &rotated: ["idle", "Waits for its next rotation"],
        &overlap: ["in overlap", "Waits for the end of the overlap"],
        &waiting: ["rotating", "Waits for every node to accept the new password"],
        &halted: ["halted", "user_arn"],
        &missing: ["needs attention", "Waits for a person"],
    });
    let knows = json!({
        "states": states, "trouble": [halted, missing],
        "rotated": rotated, "overlap": overlap, "waiting": waiting, "halted": halted,
    });
    browse("few", &address, knows).await;
    browse("refused", &address, json!({})).await;

    let reason = "</td><script>alert(1)</script> \"sale\" & more";
    daemon
        .order("pause", &json!({"secrets": [rotated], "reason": reason}))
        .await;
    let is_paused = |status: &SecretStatus| status.phase == Phase::Paused;
    daemon.wait(&rotated, "paused", is_paused).await;
    browse("paused", &address, json!({"secret": rotated, "reason": reason})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn among_a_thousand_secrets_any_is_found_on_a_phone_without_a_script() {
    let secrets = fleet::secrets(1_000);
    let one = secrets[617].secret.clone();
    let is_it = |secret: &&SecretStatus| secret.policy == "billing" && secret.phase == Phase::Halted;
    let halted = secrets.iter().filter(is_it).count();
    let server = fleet::serve_troubled(secrets).await;
    let knows = json!({"one": one, "policy": "billing", "halted": halted});
    browse("many", &server.address, knows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_is_well_the_first_sentence_says_so() {
    let server = fleet::serve(fleet::well(16)).await;
    browse("well", &server.address, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_no_larger_among_ten_thousand_secrets_than_among_a_thousand() {
    let mut sizes = Vec::new();
    for count in [1_000, 10_000] {
        let server = fleet::serve(fleet::secrets(count)).await;
        let mut took = Vec::new();
        for _ in 0..5 {
            let began = tokio::time::Instant::now();
            let page = http::tcp(&server.address, "GET", "/", None).await.unwrap();
            took.push(began.elapsed());
            assert_eq!(page.status, 200);
            sizes.push(page.body.len());
        }
        took.sort();
        let size = sizes.last().unwrap();
        report(&format!(
            "status page among {count} secrets: {size} bytes in {:?}",
            took[2]
        ));
    }
    let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
    assert!(most - least < 4_000 && *most < 80_000, "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_and_no_error_of_others_changes_the_page_around_it() {
    let (secrets, names) = fleet::hostile();
    let server = fleet::serve(secrets).await;
    browse("hostile", &server.address, json!({"names": names})).await;
}
