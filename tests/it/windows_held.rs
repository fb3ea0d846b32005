//! What holds due rotations and retirements back: blackouts, secrets that are kept apart, versions put too often.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rekeyd::engine::control::RotateOptions;
use rekeyd::rotation::event::Event;
use rekeyd::rotation::status::{Phase, SecretStatus};

use crate::support::simulated::{Policy, Replica, Simulation, lifelike, simulate};
use crate::support::world::{document_with, secret_name};

const OLD: &str = "the-first-password-1";
const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// When such events of a secret were stored.
fn events(sim: &Simulation, arn: &str, wanted: fn(&Event) -> bool) -> Vec<DateTime<Utc>> {
    let journal = sim.world.journal();
    let of = journal
        .iter()
        .filter(|entry| entry.secret_arn == arn && wanted(&entry.event));
    of.map(|entry| entry.at).collect()
}

fn began(event: &Event) -> bool {
    matches!(event, Event::RotationStarted { .. })
}

fn told(replica: &Replica, user: &str) -> SecretStatus {
    replica.status(&secret_name(user)).expect("known")
}

async fn two_users(sim: &Simulation) -> [String; 2] {
    sim.create_user("blue", OLD).await;
    sim.create_user("green", OLD).await;
    sim.create_cache(&["blue", "green"]).await;
    let blue = sim
        .create_secret(&secret_name("blue"), &document_with("blue", OLD))
        .await;
    let green = sim
        .create_secret(&secret_name("green"), &document_with("green", OLD))
        .await;
    [blue, green]
}

#[test]
fn a_blackout_holds_what_is_due_and_prolongs_overlaps_and_now_does_not_wait() {
    simulate(1, lifelike(), async |sim| {
        let [blue, green] = two_users(&sim).await;
        let policy = Policy::new("orders", &["blue", "green"])
            .with("schedule", "\"1d\"")
            .with("overlap", "\"1h\"")
            .with("blackout", "[\"2026-01-01T22:00/2026-01-02T12:00\"]");
        let replica = sim.replica("rekeyd", policy).await;
        sim.run_until("2026-01-02T00:30:00Z").await;
        let held = told(&replica, "blue");
        let detail = held.detail.clone().unwrap_or_default();
        assert!(
            held.phase == Phase::Due && detail.contains("until 2026-01-02 12:00:00Z"),
            "{held:#?}"
        );
        assert!(detail.contains("blackout") && detail.contains("--now"), "{detail}");

        replica.rotate(&secret_name("blue"), RotateOptions::default()).await;
        let now = RotateOptions {
            now: true,
            ..RotateOptions::default()
        };
        replica.rotate(&secret_name("green"), now).await;
        sim.run_until("2026-01-02T06:00:00Z").await;
        assert_eq!(events(&sim, &blue, began).len(), 0, "a plain request waits");
        assert_eq!(events(&sim, &green, began).len(), 1);
        let prolonged = told(&replica, "green");
        assert_eq!(prolonged.phase, Phase::Overlap);
        assert_eq!(prolonged.overlap_until, Some("2026-01-02T12:00:00Z".parse().unwrap()));
        assert!(
            prolonged
                .detail
                .unwrap_or_default()
                .contains("prolonged until 2026-01-02 12:00:00Z")
        );
        let replica = replica.crash().start().await;
        sim.run_until("2026-01-02T11:55:00Z").await;
        assert_eq!(sim.logins("green", OLD), (3, 3), "the previous password works on");
        assert_eq!(events(&sim, &blue, began).len(), 0);

        sim.run_until("2026-01-02T13:00:00Z").await;
        assert_eq!(events(&sim, &blue, began).len(), 1, "once, after it");
        assert_eq!(sim.logins("green", OLD), (0, 3));
        assert_eq!(told(&replica, "green").phase, Phase::Idle);
    });
}

#[test]
fn a_leak_response_goes_through_a_blackout_to_the_death_of_the_password() {
    simulate(1, lifelike(), async |sim| {
        let [blue, _] = two_users(&sim).await;
        let policy = Policy::new("orders", &["blue", "green"])
            .with("blackout", "[\"2026-01-01/2026-01-09\"]")
            .with("max_versions_per_day", "1");
        let replica = sim.replica("rekeyd", policy).await;
        sim.run_for(HOUR).await;
        let revoke = RotateOptions {
            revoke_previous: true,
            ..RotateOptions::default()
        };
        replica.rotate(&secret_name("blue"), revoke).await;
        sim.run_for(HOUR).await;
        assert_eq!(events(&sim, &blue, began).len(), 1);
        assert_eq!(sim.logins("blue", OLD), (0, 3));
    });
}

/// Two policies of one name, due in the same window.
fn pair(user: &str) -> Policy {
    let mut policy = Policy::new(user, &[user])
        .with("schedule", "\"cron(0 3 * * ? *)\"")
        .with("window", "\"5h\"")
        .with("overlap", "\"12h\"")
        .with("together", "\"pair\"")
        .with("never_within", "\"5m\"");
    policy.name = user.to_owned();
    policy
}

#[test]
fn of_a_pair_both_run_in_one_window_and_never_within_the_span_of_each_other() {
    // Undisturbed, killed just after the first was promoted, and with the store lost as well.
    for (seed, killed, lost) in [(1, false, false), (2, true, false), (3, true, true), (4, false, false)] {
        simulate(seed, lifelike(), async |sim| {
            let [blue, green] = two_users(&sim).await;
            let machine = sim.machine("rekeyd").policy(pair("blue")).policy(pair("green"));
            // Both have their place in the window behind them, so that both are due at once.
            sim.run_until("2026-01-01T07:50:05Z").await;
            let mut replica = machine.start().await;
            let promoted = || sim.versions().values().filter(|versions| **versions == 2).count();
            let begun = || {
                sim.begun() == 1
                    && sim
                        .holder(&secret_name("blue"), "AWSPREVIOUS")
                        .or(sim.holder(&secret_name("green"), "AWSPREVIOUS"))
                        .is_some()
            };
            let probe = || begun().then_some(());
            sim.until("one is promoted", 2 * HOUR, probe, || format!("{}", promoted()))
                .await;
            if killed {
                let machine = replica.crash();
                replica = if lost { machine.empty_disk() } else { machine }.start().await;
            }
            sim.run_for(MINUTE).await;
            let waits = ["blue", "green"].map(|user| told(&replica, user));
            let waits = waits
                .iter()
                .find(|status| status.phase == Phase::Due)
                .expect("one waits");
            let detail = waits.detail.clone().unwrap_or_default();
            let other = if waits.secret == secret_name("blue") {
                "green"
            } else {
                "blue"
            };
            assert!(
                detail.contains(&secret_name(other)) && detail.contains("together = \"pair\""),
                "{detail}"
            );
            assert!(lost || detail.contains("until 2026-01-01T07:5"), "{detail}");
            sim.run_until("2026-01-01T08:10:00Z").await;
            let starts = [&blue, &green].map(|arn| events(&sim, arn, began));
            assert_eq!(
                [starts[0].len(), starts[1].len()],
                [1, 1],
                "both in one window: {starts:?}"
            );
            let (first, second) = if starts[0] < starts[1] {
                (&blue, starts[1][0])
            } else {
                (&green, starts[0][0])
            };
            let promoted = events(&sim, first, |event| matches!(event, Event::Promoted { .. }));
            let created = sim.secret(&secret_name(other));
            let created = created.holder("AWSCURRENT").unwrap().created;
            let since = if lost { created } else { promoted[0] };
            assert!(second - since >= TimeDelta::minutes(5), "{} apart", second - since);
            assert!(second - since < TimeDelta::minutes(8), "{} apart", second - since);
        });
    }
}

#[test]
fn many_of_one_name_behind_a_canary_and_few_places_run_one_after_the_other_and_none_waits_for_ever() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(6).await;
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let policy = |name: &str, users: &[&str]| {
            let mut policy = Policy::new(name, users)
                .with("schedule", "\"10h\"")
                .with("overlap", "\"2h\"")
                .with("together", "\"all\"");
            policy.name = name.to_owned();
            policy
        };
        let machine = sim.machine("rekeyd").daemon("max_in_flight = 1");
        let _replica = machine
            .policy(policy("odd", &users[..3]))
            .policy(policy("even", &users[3..]))
            .start()
            .await;
        sim.run_until("2026-01-01T10:00:00Z").await;
        assert_eq!(sim.begun(), 0);
        sim.run_until("2026-01-01T13:00:00Z").await;
        assert_eq!(sim.begun(), 6);
        let journal = sim.world.journal();
        let mut changes: Vec<_> = journal
            .iter()
            .filter(|entry| matches!(entry.event, Event::RotationStarted { .. } | Event::Promoted { .. }))
            .map(|entry| (entry.at, began(&entry.event)))
            .collect();
        changes.sort();
        for (before, after) in changes.iter().zip(&changes[1..]) {
            assert_ne!(before.1, after.1, "never two at once");
            assert!(before.1 || after.0 - before.0 >= TimeDelta::minutes(10), "{changes:?}");
        }
    });
}

#[test]
fn no_more_versions_a_day_are_put_than_may_be_unless_told_now() {
    simulate(1, lifelike(), async |sim| {
        let arn = sim.live_user("blue", OLD).await;
        let policy = Policy::new("orders", &["blue"])
            .with("schedule", "\"2h\"")
            .with("overlap", "\"none\"")
            .with("max_versions_per_day", "3");
        let replica = sim.replica("rekeyd", policy).await;
        sim.run_until("2026-01-01T20:00:00Z").await;
        assert_eq!(events(&sim, &arn, began).len(), 2, "with the first one they are three");
        let held = told(&replica, "blue");
        let detail = held.detail.clone().unwrap_or_default();
        assert!(
            held.phase == Phase::Due && detail.contains("until 2026-01-02 00:00:00Z"),
            "{held:#?}"
        );
        replica.rotate(&secret_name("blue"), RotateOptions::default()).await;
        sim.run_for(HOUR).await;
        assert_eq!(events(&sim, &arn, began).len(), 2);
        let now = RotateOptions {
            now: true,
            ..RotateOptions::default()
        };
        replica.rotate(&secret_name("blue"), now).await;
        sim.run_for(HOUR).await;
        assert_eq!(events(&sim, &arn, began).len(), 3);
        sim.run_until("2026-01-02T03:30:00Z").await;
        assert_eq!(events(&sim, &arn, began).len(), 4, "when the first ones are a day old");
    });
}
