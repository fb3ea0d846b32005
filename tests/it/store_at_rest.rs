//! A store that is lost while nothing is to be done.

use crate::support::cli::orders;
use crate::support::world::secret_name;
use crate::support::{OLD, World, eventually};
use rekeyd::rotation::status::Phase;

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_deleted_under_a_daemon_at_rest_is_counted_although_nobody_asks() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let daemon = orders(&world, &["user1"]).run().await;
    let secret = secret_name("user1");
    daemon
        .wait(&secret, "at rest", |status| {
            status.phase == Phase::Idle && status.proof.is_some()
        })
        .await;
    let errors = async || {
        let metrics = daemon.get("/metrics").await.body;
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("rekeyd_store_errors_total "));
        line.and_then(|errors| errors.parse::<f64>().ok()).expect("the metric")
    };
    assert_eq!(errors().await, 0.0);
    std::fs::remove_file(&daemon.state_file).unwrap();
    eventually("the loss is counted", || async {
        let errors = errors().await;
        if errors >= 1.0 { Ok(()) } else { Err(errors.to_string()) }
    })
    .await;
}
