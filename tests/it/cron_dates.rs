//! Rotations happen on the dates of a cron expression, by the clock of its zone.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::support::simulated::{Policy, Simulation, lifelike, simulate};
use crate::support::world::secret_name;

const OLD: &str = "the-first-password-1";
const DAY: Duration = Duration::from_secs(86_400);

/// When the secret's versions were made, the first one left out.
fn rotations(sim: &Simulation) -> Vec<DateTime<Utc>> {
    let mut created: Vec<_> = sim
        .secret(&secret_name("user1"))
        .versions
        .into_iter()
        .map(|version| version.created)
        .collect();
    created.sort();
    created.split_off(1)
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn soon_after(rotation: DateTime<Utc>, opening: DateTime<Utc>) -> bool {
    (TimeDelta::zero()..TimeDelta::hours(1)).contains(&(rotation - opening))
}

#[test]
fn each_sunday_at_half_past_two_in_berlin_means_that_also_on_the_sunday_without_half_past_two() {
    simulate(1, lifelike(), async |sim| {
        // From the first of January to the 21st of March, a Saturday.
        sim.run_for(79 * DAY).await;
        sim.live_user("user1", OLD).await;
        let policy = Policy::new("orders", &["user1"])
            .with("schedule", "\"30 2 * * SUN\"")
            .with("timezone", "\"Europe/Berlin\"")
            .with("overlap", "\"2m\"");
        let _replica = sim.replica("rekeyd", policy).await;
        sim.run_for(16 * DAY).await;
        let rotations = rotations(&sim);
        let openings = ["2026-03-22T01:30:00Z", "2026-03-29T01:00:00Z", "2026-04-05T00:30:00Z"];
        assert_eq!(rotations.len(), openings.len(), "{rotations:?}");
        for (rotation, opening) in rotations.iter().zip(openings) {
            assert!(soon_after(*rotation, at(opening)), "{rotation} for {opening}");
        }
    });
}

#[test]
fn a_request_between_two_dates_moves_none_of_them() {
    simulate(2, lifelike(), async |sim| {
        sim.live_user("user1", OLD).await;
        let policy = Policy::new("orders", &["user1"])
            .with("schedule", "\"cron(0 8 1/3 * ? *)\"")
            .with("overlap", "\"2m\"");
        let replica = sim.replica("rekeyd", policy).await;
        sim.run_for(2 * DAY).await;
        replica.rotate(&secret_name("user1"), Default::default()).await;
        sim.run_for(6 * DAY).await;
        let rotations = rotations(&sim);
        let openings = [
            "2026-01-01T08:00:00Z",
            "2026-01-03T00:00:00Z",
            "2026-01-04T08:00:00Z",
            "2026-01-07T08:00:00Z",
        ];
        assert_eq!(rotations.len(), openings.len(), "{rotations:?}");
        for (rotation, opening) in rotations.iter().zip(openings) {
            assert!(soon_after(*rotation, at(opening)), "{rotation} for {opening}");
        }
    });
}
