//! docs/runbooks, each page followed as it stands on a day as bad as it says: the fault is made in the sandbox, what the
//! page shows is seen, its commands are run in their order, and then all is well.

mod alerted;
mod connection;
mod stage;

use std::collections::BTreeSet;

use rekeyd::rotation::status::Phase;
use rekeyd_sandbox::{KmsKeyState, NodeChange, StrangerAct};

use crate::support::daemon::delete_store;
use crate::support::world::{late_replica, quick};
use crate::support::{Delay, Fault, FaultKind, OLD, OTHER, Settings, python};
use crate::support::{iam, pages};
use connection::Connection;
use stage::{HEADINGS, Stage, USER};

/// The pages, each with its test below or in `alerted`.
const PAGES: [&str; 20] = [
    "audit-failing",
    "daemon-down",
    "drift",
    "expired-ca",
    "halted",
    "kms-denied",
    "leaked-password",
    "lost-store",
    "no-secrets",
    "node-unreachable",
    "notifications",
    "overdue",
    "paused",
    "reload-failed",
    "retirement-overdue",
    "stuck-in-modifying",
    "throttled",
    "unproven",
    "wrong-clock",
    "wrong-iam",
];

#[test]
fn every_page_is_tested_listed_and_has_its_five_parts() {
    let folder = python::workspace().join("docs/runbooks");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let names = files.map(|file| file.file_stem().unwrap().to_string_lossy().into_owned());
    let names: BTreeSet<String> = names.filter(|name| name != "README").collect();
    assert_eq!(names, BTreeSet::from(PAGES.map(str::to_owned)));
    let list = pages::page("docs/runbooks/README.md");
    for page in PAGES {
        assert!(
            list.contains(&format!("]({page}.md)")),
            "README.md does not list {page}"
        );
        let text = pages::page(&format!("docs/runbooks/{page}.md"));
        let found: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(found, HEADINGS, "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_stays_in_modifying() {
    let mut stage = Stage::of("docs/runbooks/stuck-in-modifying.md", &[]).await;
    stage.world.set_settings(Settings {
        stuck_nodes_hold_modifying: true,
        ..quick()
    });
    // This node never learns of the change; what takes its place knows it from the start.
    let (node, _) = stage.world.replica_2();
    let deaf = NodeChange {
        status: Some("rebooting cluster nodes".to_owned()),
        propagation_ms: Some(Some(Delay::NEVER)),
        ..NodeChange::default()
    };
    stage.world.sandbox.change_node(&node, &deaf).await.unwrap();
    stage.rotate().await;
    stage.follow_all("still_modifying").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_be_reached() {
    let mut stage = Stage::of("docs/runbooks/node-unreachable.md", &[]).await;
    let (node, _) = stage.world.replica_2();
    stage.world.set_running(&node, false).await;
    stage.rotate().await;
    stage.follow_all("node_unreachable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_password_somebody_changed() {
    let mut stage = Stage::of("docs/runbooks/drift.md", &[]).await;
    stage.world.set_passwords(USER, &[OTHER]).await;
    stage.stands_for("current_password_refused").await;
    assert_eq!(
        stage.world.logins(USER, OLD).await.0,
        0,
        "clients are locked out, as the page says"
    );
    stage.follow_all("current_password_refused").await;
    assert_eq!(stage.world.logins(USER, OTHER).await.0, 0);
    assert_eq!(
        stage.world.logins(USER, OLD).await,
        (3, 3),
        "the secret's password is the user's again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_in_which_aws_throttles() {
    let mut stage = Stage::of("docs/runbooks/throttled.md", &[]).await;
    stage
        .rotate_into(Fault::next("GetSecretValue", FaultKind::Throttle))
        .await;
    stage.stands_for("throttled").await;
    stage.follow("What you see").await;
    stage.follow("What to do").await;
    let loaded = stage
        .shell("rekeyd status --json | jq -r .configuration.sources[]")
        .await;
    assert!(
        loaded.contains("50-budget.toml"),
        "the smaller budget is in force: {loaded}"
    );
    // The other one, who used the quota, was stopped.
    stage.world.end_faults();
    stage.follow("How to see that it is over").await;
    stage.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_lost_in_the_middle_of_a_rotation() {
    let mut stage = Stage::of("docs/runbooks/lost-store.md", &[]).await;
    stage.world.set_settings(late_replica(Delay::NEVER));
    stage.rotate().await;
    stage.stands_for("node_lagging").await;
    let pending = stage.world.holder(&stage.secret, "AWSPENDING").await;
    delete_store(&stage.path("var/lib/rekeyd/state.db"));
    stage.follow("What you see").await;
    stage.follow("What to do").await;
    stage.world.set_settings(quick());
    // The node learns.
    let new = stage.world.password(&stage.secret, "AWSPENDING").await.unwrap();
    stage.world.set_passwords(USER, &[OLD, &new]).await;
    stage.follow("How to see that it is over").await;
    stage.assert_well().await;
    assert_eq!(
        stage.world.holder(&stage.secret, "AWSCURRENT").await,
        pending,
        "it went on with the same version"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_leaked() {
    let mut stage = Stage::of("docs/runbooks/leaked-password.md", &[]).await;
    let mut thief = Connection::open(&stage.world, USER, OLD).await;
    stage.follow("What you see").await;
    stage.follow("What to do").await;
    assert!(
        thief.is_closed().await,
        "what was opened with the leaked password is closed"
    );
    stage.follow("How to see that it is over").await;
    stage.assert_well().await;
    assert_eq!(stage.world.logins(USER, OLD).await.0, 0, "the leaked password is dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_do_what_a_rotation_needs() {
    let mut stage = Stage::of("docs/runbooks/wrong-iam.md", &[]).await;
    stage.aws_does(
        "iam.put-role-policy",
        "jq '{policies: {REKEYD: .}}' rekeyd.json | $settings",
    );
    let policy = stage
        .shell("rekeyd iam-policy --account 123456789012 2>/dev/null")
        .await;
    let policy: serde_json::Value = serde_json::from_str(&policy).unwrap();
    let denied = iam::without(&[policy], "elasticache:ModifyUser");
    iam::enforce(stage.world.sandbox.sandbox(), "REKEYD", &denied);
    stage.rotate().await;
    stage.follow_all("access_denied").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_disabled() {
    let mut stage = Stage::of("docs/runbooks/kms-denied.md", &[]).await;
    let key = "arn:aws:kms:us-east-1:123456789012:key/2f1c8f4e-0000-4000-8000-000000000000";
    let update = stage.world.secrets.update_secret().secret_id(&stage.secret);
    update.kms_key_id(key).send().await.unwrap();
    stage.aws_does(
        "kms.describe-key",
        &format!("curl -fsS $sandbox/_sandbox/settings | jq -r '.kms_keys[\"{key}\"] | sub(\"^d\"; \"D\")'"),
    );
    stage.aws_does(
        "kms.enable-key",
        &format!("echo '{{\"kms_keys\": {{\"{key}\": null}}}}' | $settings"),
    );
    let mut settings = stage.world.sandbox.sandbox().settings();
    settings.kms_keys.insert(key.to_owned(), KmsKeyState::Disabled);
    stage.world.set_settings(settings);
    stage.rotate().await;
    stage.follow_all("kms_unavailable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_authority_that_expired() {
    let mut stage = Stage::of("docs/runbooks/expired-ca.md", &[]).await;
    let retired = "faketime '2020-01-01 00:00:00' openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
                   -days 30 -subj '/CN=Retired Root' -keyout retired.key -out etc/rekeyd/ca.pem 2>/dev/null";
    stage.shell(retired).await;
    stage.rotate().await;
    stage.follow_all("tls_failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_whose_clock_is_wrong() {
    let mut stage = Stage::with_clock("docs/runbooks/wrong-clock.md", &[], Some("+0")).await;
    stage.serve().await;
    std::fs::write(stage.path("clock"), "-1200").unwrap();
    stage.rotate().await;
    stage.follow_all("request_expired").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_halted() {
    let mut stage = Stage::of("docs/runbooks/halted.md", &[]).await;
    let theirs = StrangerAct::StartRotation {
        secret: stage.secret.clone(),
    };
    let sandbox = stage.world.sandbox.sandbox();
    sandbox
        .stranger(&rekeyd_sandbox::CallContext::default(), &theirs)
        .unwrap();
    stage.rotate().await;
    stage.follow_all("foreign_pending").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_backed_up_comes_back_with_its_pauses() {
    let mut stage = Stage::of("docs/OPERATIONS.md", &[]).await;
    let pause = format!("rekeyd pause {} --reason 'a release'", stage.secret);
    stage.shell(&pause).await;
    stage.follow("Back up and restore").await;
    stage
        .until("paused", |status| {
            status.phase == Phase::Paused && status.detail.as_deref() == Some("a release")
        })
        .await;
}
