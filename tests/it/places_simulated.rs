//! Ten places, one of which cannot be reached while everything is due: the others notice nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rekeyd::engine::control::Control;
use rekeyd::rotation::event::Event;
use rekeyd::rotation::reason::AttentionReason;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd_sandbox::{Range, Settings};

use crate::support::report::report;
use crate::support::simulated::{Outage, Policy, Replica, Simulation, lifelike, simulate};
use crate::support::status::idle_and_retired;
use crate::support::world::REGION;

/// The place that is cut off, and those that are not.
const DEAD: &str = "eu-west-1";
const OTHERS: [&str; 9] = [
    REGION,
    "us-west-2",
    "eu-central-1",
    "eu-north-1",
    "ap-south-1",
    "ap-northeast-1",
    "sa-east-1",
    "us-gov-west-1",
    "cn-north-1",
];

const PATIENCE: Duration = Duration::from_secs(6 * 3_600);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// How much a begin or an end may differ between two runs: messages travel for other times, and a
/// look is made a poll sooner or later.
const BOUND: Duration = Duration::from_secs(5);

/// When the daemon is started, and when the place is cut off.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CutOff {
    Never,
    /// While the daemon runs, shortly before everything is due.
    Running(Outage),
    /// Before the daemon starts.
    Starting(Outage),
}

/// When a rotation began, and when it was promoted.
type Rotations = BTreeMap<String, (DateTime<Utc>, DateTime<Utc>)>;

/// Changes take the same time in every run.
fn settings() -> Settings {
    Settings {
        propagation_ms: Range {
            min: 30_000,
            max: 30_000,
        },
        ..lifelike()
    }
}

fn name(region: &str) -> String {
    region.replace('-', "_")
}

async fn start(sim: &Simulation, fleets: &BTreeMap<&str, Vec<String>>, daemon: &str) -> Replica {
    let mut machine = sim.machine("rekeyd").daemon(daemon);
    for (region, users) in fleets {
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let name = name(region);
        let policy = Policy::new(&name, &users)
            .with("aws", &format!("{name:?}"))
            .with("schedule", "\"30d\"")
            .with("overlap", "\"30m\"")
            .with("canary", "0");
        machine = machine.place(&name, region).policy(policy);
    }
    machine.start().await
}

/// Whether a rotation of its is under way.
fn rotates(status: &SecretStatus) -> bool {
    status.phase == Phase::Rotating
}

fn rotations(sim: &Simulation) -> Rotations {
    let mut began = BTreeMap::new();
    let mut rotations = Rotations::new();
    for entry in sim.world.journal().iter() {
        match entry.event {
            Event::RotationStarted { .. } => {
                began.entry(entry.secret_arn.clone()).or_insert(entry.at);
            }
            Event::Promoted { .. } => {
                let start = began[&entry.secret_arn];
                rotations.entry(entry.secret_arn.clone()).or_insert((start, entry.at));
            }
            _ => {}
        }
    }
    rotations
}

/// How late a place may be that was cut off for an hour: its longest delay between retries is ten minutes.
const CAUGHT_UP: Duration = Duration::from_secs(75 * 60);

/// Lets everything fall due, with the place cut off for an hour. Gives the rotations of all places.
fn month(dead: usize, others: usize, cut_off: CutOff) -> Rotations {
    simulate(3, settings(), async |sim| {
        let mut fleets = BTreeMap::new();
        for (region, count) in OTHERS.map(|region| (region, others)).into_iter().chain([(DEAD, dead)]) {
            fleets.insert(region, sim.in_region(region).fleet(count).await);
        }
        sim.run_for(Duration::from_secs(30 * 86_400) - 10 * MINUTE).await;
        if let CutOff::Starting(outage) = cut_off {
            sim.world.cut_off(DEAD, Some(outage));
        }
        let replica = start(&sim, &fleets, "").await;
        sim.run_for(5 * MINUTE).await;
        if let CutOff::Running(outage) = cut_off {
            sim.world.cut_off(DEAD, Some(outage));
        }
        sim.run_for(HOUR).await;
        let of_dead = |status: &SecretStatus| status.place == name(DEAD);
        let all = replica.engine.secrets();
        assert_eq!(
            all.iter()
                .filter(|status| !of_dead(status) && !idle_and_retired(status))
                .count(),
            0
        );
        if cut_off != CutOff::Never {
            let told = |status: &&SecretStatus| {
                let reasons = [AttentionReason::AwsUnavailable, AttentionReason::Throttled];
                reasons
                    .iter()
                    .any(|reason| status.reason.as_deref() == Some(reason.label()))
            };
            let waiting = all.iter().filter(|status| of_dead(status)).filter(told).count();
            assert_eq!(waiting, dead, "each says what is wrong");
            sim.world.cut_off(DEAD, None);
        }
        let probe = || replica.engine.secrets().iter().all(idle_and_retired).then_some(());
        let other = || {
            replica
                .engine
                .secrets()
                .into_iter()
                .find(|status| !idle_and_retired(status))
        };
        sim.until("all have caught up", PATIENCE, probe, || format!("{:#?}", other()))
            .await;
        sim.audit_end(&[], HOUR);
        rotations(&sim)
    })
}

fn apart(one: DateTime<Utc>, other: DateTime<Utc>) -> Duration {
    (one - other).abs().to_std().expect("no less than nothing")
}

/// Asserts that the rotations outside of the dead place are those of the run without a fault.
fn the_same(usual: &Rotations, seen: &Rotations, what: &str) {
    let (mut begin, mut lasted, mut behind) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    assert_eq!(usual.len(), seen.len());
    for (arn, (began, ended)) in usual {
        let (begins, ends) = seen[arn];
        if arn.contains(DEAD) {
            behind = behind.max(apart(*ended, ends));
            continue;
        }
        let span = |from, to| apart(from, to);
        begin = begin.max(span(*began, begins));
        lasted = lasted.max(span(*began, *ended).abs_diff(span(begins, ends)));
    }
    report(&format!(
        "one of ten places {what} for an hour: elsewhere begins differ by {begin:?} at most and durations by {lasted:?}; it \
         has caught up {behind:?} later than usual"
    ));
    assert!(begin <= BOUND && lasted <= BOUND, "{what}: {begin:?}, {lasted:?}");
    assert!(behind >= Duration::from_secs(50 * 60), "{what}: it was cut off");
    assert!(behind <= CAUGHT_UP, "{what}: {behind:?} late");
}

#[test]
fn a_place_that_swallows_every_call_for_an_hour_delays_no_rotation_of_nine_others() {
    // More than are driven at once in one place, so that they would take every drive that there is, and enough
    // elsewhere to need some.
    let (dead, others) = (66, 10);
    let usual = month(dead, others, CutOff::Never);
    let seen = month(dead, others, CutOff::Running(Outage::BlackHole));
    the_same(&usual, &seen, "swallows calls");
}

#[test]
fn a_place_that_is_down_in_another_way_delays_no_rotation_of_nine_others() {
    let usual = month(4, 1, CutOff::Never);
    for (cut_off, what) in [
        (
            CutOff::Starting(Outage::BlackHole),
            "swallows calls from before the start",
        ),
        (CutOff::Running(Outage::Refusing), "refuses connections"),
        (
            CutOff::Starting(Outage::Throttling),
            "throttles calls from before the start",
        ),
    ] {
        the_same(&usual, &month(4, 1, cut_off), what);
    }
}

#[test]
fn rotations_of_a_place_that_is_down_take_no_room_from_those_of_nine_others() {
    for outage in [Outage::BlackHole, Outage::Refusing, Outage::Throttling] {
        simulate(3, settings(), async |sim| {
            // Those of the place that will be down are due first, and take all the room that there is.
            let mut fleets = BTreeMap::from([(DEAD, sim.in_region(DEAD).fleet(6).await)]);
            sim.run_for(2 * MINUTE).await;
            for region in OTHERS {
                fleets.insert(region, sim.in_region(region).fleet(2).await);
            }
            sim.run_for(Duration::from_secs(30 * 86_400) - 12 * MINUTE).await;
            let replica = start(&sim, &fleets, "max_in_flight = 6").await;
            let of_dead = |status: &SecretStatus| status.place == name(DEAD);
            let stuck = || {
                let all = replica.engine.secrets();
                let stuck = all.iter().filter(|status| of_dead(status) && rotates(status)).count();
                (stuck == 6).then_some(())
            };
            sim.until("they are under way", HOUR, stuck, || "not all".to_owned())
                .await;
            sim.world.cut_off(DEAD, Some(outage));
            let began = sim.world.time.elapsed();
            let others = || {
                let all = replica.engine.secrets().into_iter();
                all.filter(|status| !of_dead(status) && !idle_and_retired(status))
                    .collect::<Vec<_>>()
            };
            let probe = || others().is_empty().then_some(());
            sim.until("all others are rotated", HOUR, probe, || format!("{:#?}", others()))
                .await;
            report(&format!(
                "six rotations of a place that is {outage:?} had all of max_in_flight: 18 of nine others were rotated and \
                 retired {} min later",
                (sim.world.time.elapsed() - began).as_secs() / 60
            ));
            sim.world.cut_off(DEAD, None);
            let probe = || replica.engine.secrets().iter().all(idle_and_retired).then_some(());
            sim.until("all have caught up", PATIENCE, probe, || "not all".to_owned())
                .await;
        });
    }
}
