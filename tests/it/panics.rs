//! A defect that panics in the middle of a secret's drive is told of, and costs the other secrets nothing.

use std::time::Duration;

use rekeyd::rotation::status::{Phase, SecretStatus};

use crate::support::simulated::{Policy, lifelike, simulate};
use crate::support::status::{idle_and_proven, idle_and_retired};
use crate::support::world::{document_with, secret_name};

const OLD: &str = "the-first-password-1";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_drive_that_panics_gives_its_room_back_and_its_secret_is_told_of_and_rotated_later() {
    simulate(1, lifelike(), async |sim| {
        let users = ["blue", "green"];
        for user in users {
            sim.create_user(user, OLD).await;
        }
        sim.create_cache(&users).await;
        let mut arns = Vec::new();
        for user in users {
            arns.push(sim.create_secret(&secret_name(user), &document_with(user, OLD)).await);
            sim.run_for(MINUTE).await;
        }
        let policy = Policy::new("orders", &users)
            .with("schedule", "\"1d\"")
            .with("overlap", "\"2h\"")
            .with("together", "\"pair\"")
            .with("never_within", "\"1m\"")
            .with("canary", "0")
            .with("max_attention", "\"100%\"");
        let machine = sim.machine("rekeyd").daemon("max_in_flight = 1");
        let machine = machine.daemon("drift_check_interval = \"none\"");
        let replica = machine.policy(policy).start().await;
        for user in users {
            replica
                .until(&secret_name(user), "checked", HOUR, idle_and_proven)
                .await;
        }
        // The first thing that is stored of it from now on is that its rotation begins.
        sim.world.panics_at_save(&arns[0]);
        let failed = |status: &SecretStatus| {
            status.phase == Phase::NeedsAttention && status.reason.as_deref() == Some("internal_error")
        };
        let blue = secret_name("blue");
        replica.until(&blue, "told of", 25 * HOUR, failed).await;
        assert!(sim.starts(&arns[0]).is_empty());
        sim.run_for(2 * MINUTE).await;
        assert!(
            !sim.starts(&arns[1]).is_empty(),
            "{:#?}",
            replica.status(&secret_name("green"))
        );
        assert!(failed(&replica.status(&blue).expect("known")));
        for user in users {
            let rotated = replica
                .until(&secret_name(user), "rotated", 4 * HOUR, idle_and_retired)
                .await;
            assert_eq!(rotated.reason, None, "{user}");
        }
    });
}
