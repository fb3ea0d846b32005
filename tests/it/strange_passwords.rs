//! Other writers in the middle of a rotation: passwords that somebody else sets on the user.

use crate::support::world::quick;
use crate::support::{Fault, FaultKind, OLD, OTHER, Scene, eventually};

const THIRD: &str = "yet-another-password-3";

#[tokio::test(flavor = "multi_thread")]
async fn a_password_reset_between_set_and_finish_is_named_and_nothing_is_promoted() {
    let cases: [(&str, &[&str], &str); 4] = [
        ("one-other", &[OTHER], "current_password_refused"),
        ("two-others", &[OTHER, THIRD], "current_password_refused"),
        ("nopass", &[], "user_passwordless"),
        // The current one stays, the pending one does not: nobody but the stranger knows the second.
        ("added", &[OLD, OTHER], "unknown_password"),
    ];
    let [first, second, third, fourth] = cases.map(reset);
    tokio::join!(first, second, third, fourth);
}

/// One reset of a user's passwords, in a world of its own.
async fn reset((user, passwords, reason): (&str, &[&str], &str)) {
    let scene = Scene::hasty(user, &[]).await;
    let world = &scene.world;
    scene.rotate_until_set().await;
    let writes = scene.writes();
    world.set_passwords(user, passwords).await;
    world.set_settings(quick());
    let status = scene.halted(reason).await;
    let detail = status.detail.as_ref().unwrap();
    if reason == "current_password_refused" {
        assert!(
            detail.contains(&world.addresses()[0].1.to_string()),
            "case {user}: {detail}"
        );
    }
    scene.assert_left_alone(reason).await;
    assert_eq!(scene.writes(), writes, "case {user}: written after the stranger");
    assert_eq!(scene.current().await, scene.first, "case {user}: promoted");
    for password in passwords {
        eventually("what the stranger set logs in everywhere", || async {
            match world.logins(user, password).await {
                (3, 3) => Ok(()),
                other => Err(format!("case {user}: {other:?}")),
            }
        })
        .await;
    }
    // Once the old password is back, the rotation goes on where it stopped.
    world.set_passwords(user, &[OLD]).await;
    scene.rotated_to(&scene.successor(0)).await;
    world.assert_current_logs_in(&scene.secret, user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_a_stranger_adds_before_set_secret_is_not_overwritten() {
    // The process was slow, and knows that its view is too old.
    let stale = async {
        let scene = Scene::hasty("stale", &[]).await;
        scene.rotate_until_created().await;
        scene.world.set_passwords("stale", &[OLD, OTHER]).await;
        scene.release_late().await;
        let status = scene.halted("unknown_password").await;
        let detail = status.detail.unwrap();
        assert!(detail.contains("a password that rekeyd did not set"), "{detail}");
        not_overwritten(scene).await;
    };

    // The process was killed before it knew that its new password was written.
    let killed = async {
        let scene = Scene::hasty("killed", &[]).await;
        scene.rotate_until_created().await;
        scene.daemon.stop();
        scene.world.set_passwords("killed", &[OLD, OTHER]).await;
        let scene = scene.start_again().await;
        scene.world.end_faults();
        not_overwritten(scene).await;
    };

    // AWS did not let it set its password for longer than what it had seen could serve. While the user is
    // asked for anew nothing can be written, so the stranger is always the first.
    let throttled = async {
        let scene = Scene::hasty("throttled", &[]).await;
        let world = &scene.world;
        let throttle = || Fault::next("ModifyUser", FaultKind::Throttle).on("throttled").times(0);
        world.faults(vec![throttle()]);
        scene.daemon.rotate(&scene.secret).await;
        world.fault_fired().await;
        let new_look = Fault::next("DescribeUsers", FaultKind::Hold).on("throttled");
        world.faults(vec![new_look, throttle()]);
        world.fault_fired().await;
        world.faults(Vec::new());
        world.set_passwords("throttled", &[OLD, OTHER]).await;
        world.end_faults();
        not_overwritten(scene).await;
    };
    tokio::join!(stale, killed, throttled);
}

async fn not_overwritten(scene: Scene) {
    let (world, user) = (&scene.world, scene.user.as_str());
    scene.halted("unknown_password").await;
    scene.assert_left_alone("unknown_password").await;
    for password in [OLD, OTHER] {
        assert_eq!(world.logins(user, password).await, (3, 3), "case {user}: {password}");
    }
    assert_eq!(scene.current().await, scene.first, "case {user}: promoted");
    world.set_passwords(user, &[OLD]).await;
    scene.rotated_to(&scene.successor(0)).await;
    world.assert_current_logs_in(&scene.secret, user).await;
    assert_eq!(world.labels(&scene.secret).await.len(), 2, "case {user}: rotated once");
}
