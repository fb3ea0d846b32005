//! Drift on real nodes, with the real daemon: named in status and metrics, and repaired.

use rekeyd::rotation::reason::DriftCause;
use rekeyd::rotation::status::Phase;

use crate::support::scene::WATCHFUL;
use crate::support::{OLD, OTHER, Scene, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn an_overwritten_user_is_repaired_on_every_node_and_clients_log_in_again() {
    let keys = [("on_drift", "\"repair\""), ("fence", "\"2s\""), ("overlap", "\"none\"")];
    let scene = Scene::new("user1", &keys, WATCHFUL).await;
    let (world, daemon, secret) = scene.parts();
    world.set_passwords("user1", &[OTHER]).await;
    let drifted = |status: &rekeyd::rotation::status::SecretStatus| status.drift == Some(DriftCause::Overwritten);
    let halted = |status: &rekeyd::rotation::status::SecretStatus| {
        drifted(status) && status.phase == Phase::Halted && status.reason.as_deref() == Some("current_password_refused")
    };
    daemon.wait(secret, "halted for drift", halted).await;
    daemon
        .wait(secret, "repaired", |status| {
            status.phase == Phase::Idle && status.drift.is_none()
        })
        .await;
    assert_eq!(world.logins("user1", OLD).await, (3, 3));
    assert_eq!(world.logins("user1", OTHER).await, (0, 3));
    let metrics = daemon.get("/metrics").await.body;
    for line in [
        "rekeyd_policy_drifted{cause=\"overwritten\",policy=\"orders\"} 0",
        "rekeyd_policy_drifted{cause=\"tls\",policy=\"orders\"} 0",
        "rekeyd_drifts_total{cause=\"overwritten\",policy=\"orders\"} 1",
        "rekeyd_drift_repairs_total{policy=\"orders\"} 1",
    ] {
        assert!(
            metrics.lines().any(|known| known == line),
            "{line} is not in\n{metrics}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_shows_in_the_metrics_while_it_lasts_and_ends_by_itself() {
    let scene = Scene::new("user1", &[], WATCHFUL).await;
    let (world, daemon, secret) = scene.parts();
    world.set_passwords("user1", &[OTHER]).await;
    let shown = "rekeyd_policy_drifted{cause=\"overwritten\",policy=\"orders\"} 1";
    eventually("the metric shows it", || async {
        let metrics = daemon.get("/metrics").await.body;
        metrics.lines().any(|line| line == shown).then_some(()).ok_or(metrics)
    })
    .await;
    world.settled("user1").await;
    world.set_passwords("user1", &[OLD]).await;
    let well = |status: &rekeyd::rotation::status::SecretStatus| status.phase == Phase::Idle && status.drift.is_none();
    daemon.wait(secret, "right again", well).await;
    assert!(daemon.log_text().contains("drift_found"), "a warning in the log");
}
