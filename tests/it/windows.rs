//! When due rotations begin: spread over their window, once, and after a downtime at the next moment that windows allow.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rekeyd::policy::{Blackout, Window};
use rekeyd::rotation::event::Event;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::schedule::{self, window::Timing};

use crate::support::report::report;
use crate::support::simulated::{Policy, Replica, Simulation, lifelike, simulate};
use crate::support::world::secret_name;

const OLD: &str = "the-first-password-1";
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const WINDOW: Duration = Duration::from_secs(3 * 3_600);

/// From 03:00 to 06:00 UTC every day.
fn nightly(users: &[&str]) -> Policy {
    Policy::new("orders", users)
        .with("schedule", "\"cron(0 3 * * ? *)\"")
        .with("window", "\"3h\"")
        .with("overlap", "\"12h\"")
}

/// When each secret began, by what its replicas have stored.
fn starts(sim: &Simulation) -> BTreeMap<String, Vec<DateTime<Utc>>> {
    let mut starts: BTreeMap<String, Vec<DateTime<Utc>>> = BTreeMap::new();
    for entry in sim.world.journal().iter() {
        if matches!(entry.event, Event::RotationStarted { .. }) {
            starts.entry(entry.secret_arn.clone()).or_default().push(entry.at);
        }
    }
    starts
}

/// How many windows were stored as missed.
pub fn missed(sim: &Simulation) -> u32 {
    let journal = sim.world.journal();
    let windows = journal.iter().map(|entry| match &entry.event {
        Event::MissedWindow { windows, .. } => *windows,
        _ => 0,
    });
    windows.sum()
}

fn now(sim: &Simulation) -> DateTime<Utc> {
    sim.world.sandbox.now()
}

/// When a secret made at `last` begins by the dates alone.
fn planned(arn: &str, last: DateTime<Utc>) -> DateTime<Utc> {
    let schedule = schedule::parse("cron(0 3 * * ? *)", chrono_tz::Tz::UTC).unwrap();
    let timing = Timing {
        schedule: &schedule,
        window: Some(Window::new(WINDOW, Duration::ZERO)),
        blackout: &Blackout::default(),
        arn,
        last,
    };
    timing.turn(last).begins_at
}

/// AWS refuses requests of a machine whose clock is as far off as here, so that nothing could happen at all.
fn lenient() -> rekeyd_sandbox::Settings {
    rekeyd_sandbox::Settings {
        signature_window_s: 4 * 86_400,
        ..lifelike()
    }
}

fn user1(replica: &Replica) -> SecretStatus {
    replica.status(&secret_name("user1")).expect("known")
}

#[test]
fn a_fleet_that_is_due_at_one_moment_is_spread_over_the_window_as_computed_over_a_restart() {
    // All that an account may have. Their changes arrive soon, since each look of those who wait costs the test time.
    const COUNT: usize = 999;
    let settings = rekeyd_sandbox::Settings {
        propagation_ms: rekeyd_sandbox::Range { min: 500, max: 1_500 },
        ..lifelike()
    };
    simulate(1, settings, async |sim| {
        let sim = sim.ticking(Duration::from_secs(1));
        let users = sim.fleet(COUNT).await;
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let machine = sim
            .machine("rekeyd")
            .policy(nightly(&users))
            .daemon("drift_check_interval = \"none\"");
        sim.run_until("2026-01-01T02:30:00Z").await;
        let replica = machine.start().await;
        sim.run_until("2026-01-01T04:30:00Z").await;
        let before = starts(&sim).len();
        let restarted = now(&sim);
        let replica = replica.crash().start().await;
        sim.run_until("2026-01-01T06:15:00Z").await;

        let starts = starts(&sim);
        assert_eq!(starts.len(), COUNT, "none is lost");
        let versions = sim.versions();
        assert!(
            versions.values().all(|versions| *versions == 2),
            "none is rotated twice"
        );
        let mut seen = Vec::new();
        for secret in sim.world.sandbox.secrets() {
            let first = secret.versions.iter().map(|version| version.created).min().unwrap();
            seen.push((planned(&secret.arn, first), starts[&secret.arn][0]));
        }
        seen.sort();
        let held = HeldBack {
            canary_until: canary_proved(&sim),
            restarted,
        };
        let latest = in_the_computed_order(&seen, &held);
        let opening: DateTime<Utc> = "2026-01-01T03:00:00Z".parse().unwrap();
        let mut tenths = [0; 10];
        for (_, start) in &seen {
            tenths[usize::try_from((*start - opening).num_minutes() / 18).unwrap()] += 1;
        }
        let most = *tenths.iter().max().unwrap();
        assert!(most < COUNT / 5, "{tenths:?}");
        assert!(tenths[..9].iter().all(|count| *count > COUNT / 30), "{tenths:?}");
        assert!(
            (COUNT / 3..COUNT * 2 / 3).contains(&before),
            "{before} before the restart"
        );
        assert_eq!(missed(&sim), 0);
        drop(replica);
        report(&format!(
            "{COUNT} users due at one moment with a window of 3 hours and a restart in the middle: started by tenths of \
             the window {tenths:?}, {} ms after their date at most but for those that waited for the canary or the restart",
            latest.num_milliseconds()
        ));
    });
}

/// What may delay starts: the canary's proof, and the look at all secrets after a restart.
struct HeldBack {
    canary_until: DateTime<Utc>,
    restarted: DateTime<Utc>,
}

/// When the first rotation was promoted.
fn canary_proved(sim: &Simulation) -> DateTime<Utc> {
    let journal = sim.world.journal();
    let promoted = |event: &Event| matches!(event, Event::Promoted { .. });
    journal
        .iter()
        .find(|entry| promoted(&entry.event))
        .expect("promoted")
        .at
}

/// Asserts of dates and starts, sorted by their dates, that each begins at its date or as soon as nothing holds it
/// back, and all that nothing holds back in the order of their dates. Gives the longest delay of those.
fn in_the_computed_order(seen: &[(DateTime<Utc>, DateTime<Utc>)], held: &HeldBack) -> TimeDelta {
    // A tick, and the calls before the first event; all secrets are read after a restart.
    let (late, look) = (TimeDelta::seconds(4), TimeDelta::seconds(30));
    let (canary, others) = seen.split_first().expect("some");
    assert!(canary.1 - canary.0 <= late, "the first goes first: {canary:?}");
    let mut free = Vec::new();
    for (date, start) in others {
        let waits_for_look = (held.restarted - late..held.restarted + look).contains(date);
        let may_begin = match (*date < held.canary_until, waits_for_look) {
            (true, _) => held.canary_until,
            (false, true) => held.restarted + look,
            (false, false) => {
                free.push((*date, *start));
                *date
            }
        };
        assert!(start >= date, "{date}: early, at {start}");
        assert!(*start <= may_begin + late, "{date}: late, at {start}");
    }
    assert!(free.len() > seen.len() * 9 / 10, "{} of {}", free.len(), seen.len());
    free.sort_by_key(|(_, start)| *start);
    for pair in free.windows(2) {
        assert!(pair[0].0 <= pair[1].0 + late, "out of order: {pair:?}");
    }
    let delays = free.iter().map(|(date, start)| *start - *date);
    delays.max().expect("some")
}

#[test]
fn after_a_downtime_over_several_windows_it_runs_once_in_the_next_and_each_missed_one_counts_once() {
    for (back, rotated_on, missed_ones, lost) in [
        // After the third window that it missed.
        ("2026-01-04T12:00:00Z", "2026-01-05", 3, false),
        // Within that one.
        ("2026-01-04T03:00:30Z", "2026-01-04", 2, false),
        // What closed before the new store first heard of the secret is nobody's to count.
        ("2026-01-04T12:00:00Z", "2026-01-05", 0, true),
    ] {
        simulate(1, lifelike(), async |sim| {
            let arn = sim.live_user("user1", OLD).await;
            let replica = sim.replica("rekeyd", nightly(&["user1"])).await;
            sim.run_until("2026-01-01T12:00:00Z").await;
            assert_eq!((starts(&sim)[&arn].len(), sim.begun()), (1, 1));
            let machine = replica.crash();
            sim.run_until(back).await;
            let machine = if lost { machine.empty_disk() } else { machine };
            let mut replica = machine.start().await;
            // Whatever was left of the last rotation is retired meanwhile.
            sim.run_for(HOUR / 2).await;
            for _ in 0..2 {
                let status = user1(&replica);
                assert_eq!(status.missed_windows, missed_ones, "{back}: {status:#?}");
                assert_eq!(missed(&sim), missed_ones, "{back}");
                assert!(status.due_since.unwrap() < now(&sim) - TimeDelta::days(1));
                if rotated_on == "2026-01-05" {
                    let told = status.detail.as_deref().unwrap_or_default();
                    let waits = told.contains("until 2026-01-05 0") && told.contains(&format!("{missed_ones} missed"));
                    assert!(status.phase == Phase::Due && waits, "{told}");
                    // A restart neither counts them again nor forgets them.
                    replica = replica.crash().start().await;
                    sim.run_for(HOUR).await;
                    assert_eq!(starts(&sim)[&arn].len(), 1, "waits for the next window");
                }
            }
            let metric = format!(
                "rekeyd_missed_windows_total{{policy=\"orders\"}} {}",
                if rotated_on == "2026-01-05" { 0 } else { missed_ones }
            );
            assert!(
                replica.metrics().contains(&metric),
                "{metric}: counted by the process that noted them"
            );
            sim.run_until("2026-01-05T12:00:00Z").await;
            let starts = starts(&sim);
            assert!(starts[&arn][1].to_string().starts_with(rotated_on), "{starts:?}");
            assert_eq!(
                starts[&arn].len(),
                if rotated_on == "2026-01-04" { 3 } else { 2 },
                "{starts:?}"
            );
            assert_eq!((missed(&sim), user1(&replica).missed_windows), (missed_ones, 0));
        });
    }
}

#[test]
fn on_days_when_clocks_change_a_nightly_rotation_runs_once() {
    for (days, changes_on, next) in [(86, "2026-03-29", "2026-03-30"), (296, "2026-10-25", "2026-10-26")] {
        simulate(1, lifelike(), async |sim| {
            sim.run_for(days * DAY + 12 * HOUR).await;
            let arn = sim.live_user("user1", OLD).await;
            let policy = nightly(&["user1"])
                .with("schedule", "\"30 2 * * *\"")
                .with("timezone", "\"Europe/Berlin\"");
            let mut replica = sim.replica("rekeyd", policy).await;
            for day in [changes_on, next] {
                sim.run_until(&format!("{day}T01:20:00Z")).await;
                replica = replica.crash().start().await;
                sim.run_until(&format!("{day}T12:00:00Z")).await;
            }
            let starts: Vec<String> = starts(&sim)[&arn]
                .iter()
                .map(|at| at.format("%F").to_string())
                .collect();
            let on = |day| starts.iter().filter(|start| *start == day).count();
            assert_eq!((on(changes_on), on(next)), (1, 1), "{starts:?}");
            assert_eq!((missed(&sim), user1(&replica).phase), (0, Phase::Overlap));
        });
    }
}

#[test]
fn a_suspend_over_a_window_and_clocks_that_step_lose_no_rotation_and_double_none() {
    simulate(1, lenient(), async |sim| {
        let arn = sim.live_user("user1", OLD).await;
        let replica = sim.replica("rekeyd", nightly(&["user1"])).await;
        sim.run_until("2026-01-01T01:00:00Z").await;
        replica.suspend(9 * HOUR);
        sim.run_until("2026-01-01T10:05:00Z").await;
        let status = user1(&replica);
        assert_eq!(
            (sim.begun(), status.missed_windows, status.phase),
            (0, 1, Phase::Due),
            "{status:#?}"
        );
        sim.run_until("2026-01-02T12:00:00Z").await;
        assert_eq!(starts(&sim)[&arn].len(), 1, "once, in the next window");

        // A day back, just after a rotation: it was made on a date that has not come yet.
        replica.clock().step(TimeDelta::days(-1));
        sim.run_until("2026-01-03T12:00:00Z").await;
        assert_eq!(
            starts(&sim)[&arn].len(),
            1,
            "by its clock the window of 3 January has yet to come"
        );
        let replica = replica.crash().start().await;
        sim.run_until("2026-01-04T12:00:00Z").await;
        assert_eq!(starts(&sim)[&arn].len(), 2, "it comes a day late, and once");
        // The clock is set right: that is a day forward.
        replica.clock().step(TimeDelta::days(1));
        sim.run_until("2026-01-05T12:00:00Z").await;
        let starts = starts(&sim);
        assert_eq!(starts[&arn].len(), 3, "{starts:?}");
        assert_eq!(sim.versions()[&secret_name("user1")], 4);
    });
}

#[test]
fn a_clock_that_is_behind_the_last_rotation_is_told_of() {
    simulate(1, lenient(), async |sim| {
        sim.live_user("user1", OLD).await;
        let replica = sim
            .replica("rekeyd", nightly(&["user1"]).with("overlap", "\"1h\""))
            .await;
        sim.run_until("2026-01-01T12:00:00Z").await;
        replica.clock().step(TimeDelta::days(-1));
        let replica = replica.crash().start().await;
        sim.run_for(HOUR).await;
        let told = user1(&replica).detail.unwrap_or_default();
        assert!(told.contains("has not come yet by this machine's clock"), "{told}");
    });
}
