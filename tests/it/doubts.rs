//! Scenarios in simulated time.

use std::time::Duration;

use rekeyd::engine::control::RotateOptions;
use rekeyd::rotation::status::Phase;

use crate::support::simulated::{Policy, lifelike, simulate};
use crate::support::world::secret_name;

#[test]
fn spike() {
    let began = tokio::time::Instant::now();
    for seed in 0..10 {
        simulate(seed, lifelike(), async |sim| {
            let secret = secret_name("user1");
            sim.live_user("user1", "the-first-password-1").await;
            let policy = Policy::new("orders", &["user1"]).with("overlap", "\"1h\"");
            let replica = sim.replica("rekeyd", policy).await;
            replica
                .until(&secret, "idle", Duration::from_secs(60), |status| {
                    status.phase == Phase::Idle
                })
                .await;
            replica.rotate(&secret, RotateOptions::default()).await;
            replica
                .until(&secret, "rotated", Duration::from_secs(7200), |status| {
                    status.retired_at.is_some()
                })
                .await;
            println!("{:?} {}", sim.footprint(), sim.world.auditor().looks());
            if seed == 0 {
                println!("{}", sim.story());
            }
        });
    }
    println!("{:?}", began.elapsed());
}
