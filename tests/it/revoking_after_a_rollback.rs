//! Waiting for a secret that was halted: a halt that is over does not end the wait, however long the look takes that finds it so.

use std::time::Duration;

use rekeyd::rotation::status::Phase;

use crate::support::cli::orders;
use crate::support::world::document_with;
use crate::support::{Fault, FaultKind, Scene};

/// A version that rekeyd did not put.
const FOREIGN: &str = "00000000-0000-4000-8000-000000000009";

/// Longer than two looks of the command that waits.
const SLOW: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_after_a_rollback_is_followed_to_its_end_though_the_look_after_the_resume_is_slow() {
    let scene = Scene::start(&[("overlap", "\"24h\"")]).await;
    let (world, daemon, secret) = scene.parts();
    let setup = orders(world, &["user1"]);
    setup.cli(&["rotate", secret, "--wait"]).await.with(0);
    setup.cli(&["rollback", secret, "--now"]).await.with(0);
    daemon.wait_reason(secret, Phase::Halted, "rolled_back").await;

    world.faults(vec![Fault {
        times: 0,
        ..Fault::next("DescribeSecret", FaultKind::Hold)
    }]);
    setup.cli(&["resume", secret]).await.with(0);
    world.fault_fired().await;
    let resumed = setup.cli(&["status", secret]).await.with(0).stdout;
    assert!(
        resumed.contains("phase             due") && resumed.contains("looked at again"),
        "{resumed}"
    );
    setup.cli(&["rotate", secret, "--now"]).await.with(0);
    let revoke = ["rotate", secret, "--revoke-previous", "--now", "--json"];
    let (ended, ()) = tokio::join!(setup.cli(&revoke), async {
        tokio::time::sleep(SLOW).await;
        world.end_faults();
    });
    let told = ended.with(0).json();
    assert_eq!(told["secrets"][0]["result"], "done", "{told:#}");
    world.assert_current_logs_in(secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_that_is_mended_does_not_end_the_wait_of_what_is_asked_for_then_and_one_that_stands_does() {
    let scene = Scene::start(&[("overlap", "\"24h\"")]).await;
    let (world, daemon, secret) = scene.parts();
    let setup = orders(world, &["user1"]);
    let current = world.password(secret, "AWSCURRENT").await.unwrap();
    let foreign = document_with("user1", &current);
    world.put_version(secret, FOREIGN, &foreign, &["AWSPENDING"]).await;
    setup.cli(&["resume", secret]).await.with(0);
    daemon.wait_reason(secret, Phase::Halted, "foreign_pending").await;
    let stands = setup.cli(&["rotate", secret, "--wait"]).await.with(1).stdout;
    assert!(stands.contains("foreign_pending"), "{stands}");

    world.remove_pending(secret).await;
    world.faults(vec![Fault {
        times: 0,
        ..Fault::next("DescribeSecret", FaultKind::Hold)
    }]);
    let rotate = ["rotate", secret, "--wait", "--now"];
    let (ended, ()) = tokio::join!(setup.cli(&rotate), async {
        world.fault_fired().await;
        tokio::time::sleep(SLOW).await;
        world.end_faults();
    });
    let done = ended.with(0).stdout;
    assert!(done.contains("done"), "{done}");
}
