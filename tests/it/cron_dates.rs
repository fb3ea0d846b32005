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

/// A year's days, from the first of January, after which a user is made; the policy's schedule and zone; for how many
/// days it is looked on; and when all of its rotations are due meanwhile.
type Days<'a> = (u32, &'a str, &'a str, u32, [&'a str; 3]);

fn rotates_on((before, schedule, zone, days, openings): Days<'_>) {
    simulate(1, lifelike(), async |sim| {
        sim.run_for(before * DAY + DAY / 2).await;
        sim.live_user("user1", OLD).await;
        let policy = Policy::new("orders", &["user1"])
            .with("schedule", &format!("{schedule:?}"))
            .with("timezone", &format!("{zone:?}"))
            .with("overlap", "\"2m\"");
        let _replica = sim.replica("rekeyd", policy).await;
        sim.run_for(days * DAY).await;
        let rotations = rotations(&sim);
        assert_eq!(rotations.len(), openings.len(), "{schedule} in {zone}: {rotations:?}");
        for (rotation, opening) in rotations.iter().zip(openings) {
            assert!(soon_after(*rotation, at(opening)), "{zone}: {rotation} for {opening}");
        }
    });
}

#[test]
fn each_sunday_at_half_past_two_in_berlin_means_that_once_also_where_there_is_none_or_two_of_them() {
    let schedule = "30 2 * * SUN";
    for (before, openings) in [
        // From the 20th of March and the 17th of October.
        (
            78,
            ["2026-03-22T01:30:00Z", "2026-03-29T01:00:00Z", "2026-04-05T00:30:00Z"],
        ),
        (
            289,
            ["2026-10-18T00:30:00Z", "2026-10-25T00:30:00Z", "2026-11-01T01:30:00Z"],
        ),
    ] {
        rotates_on((before, schedule, "Europe/Berlin", 17, openings));
    }
}

#[test]
fn each_midnight_means_that_once_also_where_there_is_none_or_two_of_them() {
    for (before, zone, openings) in [
        // From the 6th of March: on the 8th there is no midnight in Havana, on the first of November there are two.
        (
            64,
            "America/Havana",
            ["2026-03-07T05:00:00Z", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"],
        ),
        (
            302,
            "America/Havana",
            ["2026-10-31T04:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"],
        ),
        // On the 24th of April there is none in Cairo, and on the 29th of October its last hour comes twice.
        (
            111,
            "Africa/Cairo",
            ["2026-04-22T22:00:00Z", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"],
        ),
        (
            300,
            "Africa/Cairo",
            ["2026-10-28T21:00:00Z", "2026-10-29T22:00:00Z", "2026-10-30T22:00:00Z"],
        ),
    ] {
        rotates_on((before, "0 0 * * *", zone, 3, openings));
    }
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
