//! The pages that an alert alone leads to: nothing in `rekeyd status` need be wrong for them.

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::UnprovenReason;
use rekeyd::rotation::status::Phase;
use rekeyd_sandbox::NodeChange;

use super::stage::{Stage, USER};
use crate::support::eventually;
use crate::support::receiver::Receiver;
use crate::support::status::proven;
use crate::support::world::GROUP;

impl Stage {
    /// Follows the page from what one sees to its end. Then all has to be well.
    async fn follow_whole(&mut self) {
        self.follow("What you see").await;
        self.follow("What to do").await;
        self.follow("How to see that it is over").await;
        self.assert_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_a_blackout_holds_back() {
    let blackout = ("blackout", "[\"2020-01-01/2099-01-01\"]");
    let mut stage = Stage::of("docs/runbooks/overdue.md", &[blackout]).await;
    stage.rotate().await;
    stage
        .until("held back", |status| {
            status.phase == Phase::Due && status.detail.as_ref().is_some_and(|detail| detail.contains("blackout"))
        })
        .await;
    stage.follow("What you see").await;
    stage.follow("What to do").await;
    stage.follow("How to see that it is over").await;
    // Nothing is retired in the blackout: both passwords log in until its end.
    stage
        .until("rotated, in its overlap", |status| {
            status.phase == Phase::Overlap && proven(status)
        })
        .await;
    stage.world.assert_current_logs_in(&stage.secret, USER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_previous_password_that_a_node_keeps_from_being_retired() {
    let mut stage = Stage::of("docs/runbooks/retirement-overdue.md", &[]).await;
    let (node, _) = stage.world.replica_2();
    let with_status = |status: &str| NodeChange {
        status: Some(status.to_owned()),
        ..NodeChange::default()
    };
    let repairing = with_status("rebooting cluster nodes");
    stage.world.sandbox.change_node(&node, &repairing).await.unwrap();
    stage.rotate().await;
    stage.stands_for("node_unavailable").await;
    stage
        .until("left with two passwords", |status| {
            status.previous_password_valid == Some(true)
        })
        .await;
    stage.follow("What you see").await;
    stage.follow("What to do").await;
    // ElastiCache has repaired it.
    let available = with_status("available");
    stage.world.sandbox.change_node(&node, &available).await.unwrap();
    stage.follow("How to see that it is over").await;
    stage.assert_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_no_cache_knows() {
    let mut stage = Stage::of("docs/runbooks/unproven.md", &[]).await;
    let leave = stage.world.elasticache.modify_user_group().user_group_id(GROUP);
    leave.user_ids_to_remove(USER).send().await.unwrap();
    let unproven = Some(Proof::Unproven(UnprovenReason::NoEndpoints));
    stage.until("unproven", |status| status.proof == unproven).await;
    stage.follow_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_somebody_paused() {
    let mut stage = Stage::of("docs/runbooks/paused.md", &[]).await;
    stage
        .shell("rekeyd pause production/ec/user1 --reason 'a release'")
        .await;
    stage.until("paused", |status| status.phase == Phase::Paused).await;
    stage.follow_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_whose_tags_were_taken_away() {
    let select = ("select", "{ tags = { team = \"orders\" } }");
    let mut stage = Stage::with_clock("docs/runbooks/no-secrets.md", &[select], None).await;
    stage
        .shell("aws secretsmanager tag-resource --secret-id production/ec/user1 --tags Key=team,Value=orders")
        .await;
    stage.serve().await;
    stage
        .shell("aws secretsmanager untag-resource --secret-id production/ec/user1 --tag-keys team")
        .await;
    eventually("the policy has lost its secret", || async {
        stage
            .status()
            .await
            .map_or(Ok(()), |status| Err(format!("{status:#?}")))
    })
    .await;
    stage.follow_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_was_killed() {
    let mut stage = Stage::of("docs/runbooks/daemon-down.md", &[]).await;
    stage.shell("kill -9 $service; wait $service || true").await;
    stage.follow_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_a_reload_refuses() {
    let mut stage = Stage::of("docs/runbooks/reload-failed.md", &[]).await;
    stage.drop_in("50-orders.toml", "[policy.orders]\noverlapp = \"none\"\n");
    stage.shell("rekeyd reload || true").await;
    stage.follow_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_log_whose_folder_is_gone() {
    let mut stage = Stage::with_clock("docs/runbooks/audit-failing.md", &[], None).await;
    stage.drop_in(
        "10-audit.toml",
        "[daemon]\naudit_log = \"/var/log/rekeyd/audit.jsonl\"\n",
    );
    stage.serve().await;
    stage.until("checked", proven).await;
    std::fs::remove_dir_all(stage.path("var/log/rekeyd")).unwrap();
    stage.follow_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_of_notifications_that_has_moved() {
    let mut stage = Stage::with_clock("docs/runbooks/notifications.md", &[], None).await;
    let table = stage.world.webhook("oncall", "http://127.0.0.1:1/", &["succeeded"]);
    stage.drop_in("50-oncall.toml", &table);
    stage.serve().await;
    stage.rotate().await;
    let journal = stage.path("journal");
    eventually("the receiver was not there", || async {
        let journal = std::fs::read_to_string(&journal).unwrap();
        journal.contains("notification_failed").then_some(()).ok_or(journal)
    })
    .await;
    let port = stage.between("url = \"http://127.0.0.1:", "/").parse().unwrap();
    let receiver = Receiver::at(port);
    stage.follow("What you see").await;
    stage.follow("What to do").await;
    stage.follow("How to see that it is over").await;
    let kinds: Vec<String> = receiver.requests().iter().map(|request| request.kind()).collect();
    assert_eq!(kinds, ["rekeyd.test", "rotation.succeeded"]);
}
