//! The operator's pause: by configuration and by hand.

use std::time::Duration;

use rekeyd::rotation::status::{Phase, SecretStatus};

use crate::support::status::proven_retired;
use crate::support::world::{document_with, quick, secret_name};
use crate::support::{Daemon, Fault, FaultKind, OLD, Policy, Scene, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_changes_while_the_configuration_pauses_and_unpausing_goes_on() {
    let world = World::of(&["open", "shut"]).await;
    for user in ["open", "shut"] {
        world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    let setup = |name: &'static str, paused: &str, shut: &str| {
        let open = Policy::new("open", &["open"]).with("schedule", "\"1s\"");
        let policy = Policy::new("shut", &["shut"])
            .with("schedule", "\"1s\"")
            .with("paused", shut);
        let setup = world.daemon(name).policy(open).policy(policy);
        setup.daemon_key("paused", paused)
    };
    let daemon = setup("all", "true", "false").run().await;
    for user in ["open", "shut"] {
        stays_paused(&world, &daemon, user).await;
    }
    world.assert_comes_to_rest("all").await;
    world.assert_only_reads("all");
    daemon.kill().await;

    let daemon = setup("one", "false", "true").run().await;
    stays_paused(&world, &daemon, "shut").await;
    daemon
        .wait(&secret_name("open"), "rotated meanwhile", proven_retired)
        .await;
    assert_eq!(world.labels(&secret_name("shut")).await.len(), 1);
    daemon.kill().await;

    let daemon = setup("one", "false", "false").run().await;
    daemon.wait(&secret_name("shut"), "rotated", proven_retired).await;
    world.assert_current_logs_in(&secret_name("shut"), "shut").await;
}

async fn stays_paused(world: &World, daemon: &Daemon, user: &str) {
    let secret = secret_name(user);
    daemon
        .wait(&secret, "paused", |status| status.phase == Phase::Paused)
        .await;
    daemon.rotate(&secret).await;
    daemon
        .wait(&secret, "paused, and says that it was asked for", |status| {
            status.phase == Phase::Paused && status.requested
        })
        .await;
    assert_eq!(world.labels(&secret).await.len(), 1, "{user} was rotated while paused");
    assert_eq!(world.logins(user, OLD).await, (3, 3), "{user} was changed while paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_by_hand_stops_at_once_and_ends_by_itself_or_when_resumed() {
    // For a while: it is due, it is asked for, and it waits.
    let timed = async {
        let scene = Scene::hasty("timed", &[("schedule", "\"3s\"")]).await;
        let since = tokio::time::Instant::now();
        let body = serde_json::json!({"secrets": [scene.secret], "for_seconds": 4, "reason": "a sale"});
        scene.daemon.order("pause", &body).await;
        let paused = |status: &SecretStatus| {
            status.phase == Phase::Paused
                && status
                    .detail
                    .as_ref()
                    .is_some_and(|detail| detail.starts_with("until ") && detail.ends_with(": a sale"))
        };
        scene.daemon.wait(&scene.secret, "paused", paused).await;
        scene.daemon.rotate(&scene.secret).await;
        let labels = eventually("a rotation starts", || async {
            let labels = scene.world.labels(&scene.secret).await;
            if labels.len() > 1 {
                Ok(labels)
            } else {
                Err(format!("{:?}", since.elapsed()))
            }
        })
        .await;
        let waited = since.elapsed();
        assert!(
            waited >= Duration::from_secs(4),
            "rotated {waited:?} into a pause of 4 s"
        );
        assert!(labels.contains_key(&scene.successor(0)));
        scene.daemon.wait(&scene.secret, "rotated", proven_retired).await;
        scene.daemon.kill().await;
    };

    // In the middle of a rotation, over a restart, until resumed.
    let midway = async {
        let scene = Scene::hasty("midway", &[]).await;
        scene.rotate_until_set().await;
        let body = serde_json::json!({"secrets": [scene.secret]});
        scene.daemon.order("pause", &body).await;
        let scene = still_paused(scene).await;
        assert_eq!(scene.current().await, scene.first, "promoted while paused");
        scene.daemon.order("resume", &body).await;
        scene.rotated_to(&scene.successor(0)).await;
        scene.world.assert_current_logs_in(&scene.secret, "midway").await;
        scene.daemon.kill().await;
    };

    // In the overlap: the previous password is not retired.
    let retiring = async {
        let scene = Scene::hasty("retiring", &[("overlap", "\"1s\"")]).await;
        let fault = Fault::next("ModifyUser", FaultKind::Hang).on("retiring").at_call(2);
        scene.world.faults(vec![fault]);
        scene.daemon.rotate(&scene.secret).await;
        scene.world.fault_fired().await;
        let body = serde_json::json!({"all": true});
        scene.daemon.order("pause", &body).await;
        scene.world.end_faults();
        let scene = still_paused(scene).await;
        assert_eq!(
            scene.world.logins("retiring", OLD).await,
            (3, 3),
            "retired while paused"
        );
        scene.daemon.order("resume", &body).await;
        scene.rotated_to(&scene.successor(0)).await;
        assert_eq!(scene.world.logins("retiring", OLD).await, (0, 3));
        scene.world.assert_current_logs_in(&scene.secret, "retiring").await;
    };
    tokio::join!(timed, midway, retiring);
}

/// Asserts that nothing is written although nothing but the pause forbids it, over a restart too.
async fn still_paused(scene: Scene) -> Scene {
    scene.world.set_settings(quick());
    looked_at_while_paused(&scene).await;
    let scene = scene.start_again().await;
    looked_at_while_paused(&scene).await;
    scene
}

async fn looked_at_while_paused(scene: &Scene) {
    let paused = |status: &SecretStatus| status.phase == Phase::Paused;
    scene.daemon.wait(&scene.secret, "paused", paused).await;
    let writes = scene.writes();
    scene.looked_at_again().await;
    scene.daemon.wait(&scene.secret, "still paused", paused).await;
    assert_eq!(scene.writes(), writes, "{}: written while paused", scene.user);
}
