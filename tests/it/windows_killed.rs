//! The process dies between any two of its calls and writes of its store: in two rotations that are kept apart, and in one that
//! begins just before its window closes.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rekeyd::rotation::status::Phase;

use crate::crash_points::point::{Fault, faults_at};
use crate::crash_points::pool;
use crate::support::report::report;
use crate::support::simulated::{
    CallFaultKind, Deed, Machine, Policy, Replica, SaveFaultKind, Simulation, lifelike, simulate,
};
use crate::support::status::{idle_and_proven, idle_and_retired};
use crate::support::world::{document_with, secret_name};

const OLD: &str = "the-first-password-1";

/// How often it is looked whether the process has died.
const LOOK: Duration = Duration::from_secs(5);

/// How the names of calls begin that change nothing.
const READS: [&str; 3] = ["Describe", "Get", "List"];

/// Where the process dies, and whether its store goes with it.
#[derive(Clone, Copy, Debug)]
struct Death {
    at: Fault,
    store_lost: bool,
}

/// Before each write of the store and each call that changes something, until the last previous password is gone, before
/// what follows on each of them, and before every other read besides. A third of them lose the store.
fn deaths(deeds: &[Deed]) -> Vec<Death> {
    let last = deeds.iter().rposition(|deed| *deed == Deed::Save("retired"));
    let deeds = &deeds[..=last.expect("retired")];
    let reads =
        |deed: &Deed| matches!(deed, Deed::Call(operation) if READS.iter().any(|verb| operation.starts_with(verb)));
    let before = |fault: &Fault| match fault {
        Fault::Call(fault) => fault.kind == CallFaultKind::CrashBefore,
        Fault::Save(fault) => fault.kind == SaveFaultKind::CrashBefore,
    };
    let faults = faults_at(1, deeds).into_iter().map(|(_, strike)| strike.fault);
    let places = faults.filter(before).enumerate();
    let chosen = places.filter(|(place, _)| {
        let between_reads = *place > 0 && reads(&deeds[*place]) && reads(&deeds[*place - 1]);
        !between_reads || place % 2 == 0
    });
    let numbered = chosen.enumerate();
    numbered
        .map(|(number, (_, at))| Death {
            at,
            store_lost: number % 3 == 2,
        })
        .collect()
}

/// Runs a machine until it has died and come back, or the moment has come. Gives what runs then, and all that the first
/// process did.
async fn outlived(
    sim: &Simulation,
    machine: Machine,
    death: Option<Death>,
    dead_for: Duration,
    until: DateTime<Utc>,
) -> (Replica, Vec<Deed>) {
    let machine = match death.map(|death| death.at) {
        None => machine,
        Some(Fault::Call(fault)) => machine.trips(vec![fault]),
        Some(Fault::Save(fault)) => machine.save_trips(vec![fault]),
    };
    let replica = machine.start().await;
    while sim.world.sandbox.now() < until {
        sim.run_for(LOOK).await;
        if replica.is_dead() {
            let deeds = replica.deeds();
            let machine = replica.crash();
            let store_lost = death.is_some_and(|death| death.store_lost);
            let machine = if store_lost { machine.empty_disk() } else { machine };
            sim.run_for(dead_for).await;
            return (machine.start().await, deeds);
        }
    }
    let deeds = replica.deeds();
    (replica, deeds)
}

fn at(moment: &str) -> DateTime<Utc> {
    moment.parse().unwrap()
}

/// When calls of that operation about a secret, or its user, were carried out.
fn made(sim: &Simulation, operation: &str, about: &str) -> Vec<DateTime<Utc>> {
    let log = sim.world.sandbox.log();
    let wanted = log.iter().filter(|entry| {
        let same = entry.resource.as_ref().is_some_and(|resource| resource.contains(about));
        entry.operation == operation && entry.mutated && entry.access_key == "REKEYD" && same
    });
    wanted.map(|entry| entry.time).collect()
}

/// That of these users each has the one new password of one rotation.
fn assert_rotated_once(sim: &Simulation, replica: &Replica, users: &[&str], story: &str) {
    for user in users {
        let name = secret_name(user);
        let status = replica.status(&name).expect("known");
        assert!(idle_and_retired(&status), "{story}: {status:#?}");
        let password = sim.password(&name, "AWSCURRENT").unwrap();
        let logins = (sim.logins(user, &password), sim.logins(user, OLD));
        assert_eq!(logins, ((3, 3), (0, 3)), "{story}: {user}");
        assert_eq!(sim.versions()[&name], 2, "{story}: {user}");
    }
}

/// Two users whose secrets are `together`, both of them due, and a process that dies. Gives what that did.
fn pair(death: Option<Death>) -> Vec<Deed> {
    let users = ["blue", "green"];
    let policy = |user: &str| Policy {
        name: user.to_owned(),
        ..Policy::new(user, &[user])
            .with("schedule", "\"cron(0 3 * * ? *)\"")
            .with("window", "\"5h\"")
            .with("overlap", "\"5m\"")
            .with("together", "\"pair\"")
            .with("never_within", "\"5m\"")
    };
    let story = format!("{death:?}");
    simulate(1, lifelike(), async |sim| {
        for user in users {
            sim.create_user(user, OLD).await;
        }
        sim.create_cache(&users).await;
        for user in users {
            sim.create_secret(&secret_name(user), &document_with(user, OLD)).await;
        }
        // Both have their place in the window behind them.
        sim.run_until("2026-01-01T07:40:05Z").await;
        let machine = sim.machine("rekeyd").policy(policy("blue")).policy(policy("green"));
        let machine = machine.daemon("drift_check_interval = \"none\"");
        let (pause, end) = (Duration::ZERO, "2026-01-01T08:20:00Z");
        let (replica, deeds) = outlived(&sim, machine, death, pause, at(end)).await;
        sim.run_until(end).await;
        assert_rotated_once(&sim, &replica, &users, &story);
        let put = users.map(|user| made(&sim, "PutSecretValue", user));
        let moved = users.map(|user| made(&sim, "UpdateSecretVersionStage", user));
        let (first, second) = if put[0] < put[1] { (0, 1) } else { (1, 0) };
        // Of a store that is lost nothing is left but when AWSCURRENT was made.
        let changed = if death.is_some_and(|death| death.store_lost) {
            put[first][0]
        } else {
            moved[first][0]
        };
        assert!(put[second][0] > moved[first][0], "{story}: never two at once");
        let apart = put[second][0] - changed;
        assert!(apart >= TimeDelta::minutes(5), "{story}: {apart} apart");
        assert!(put[second][0] < at("2026-01-01T08:00:30Z"), "{story}: in the window");
        deeds
    })
}

#[test]
fn a_process_that_dies_anywhere_in_two_rotations_that_are_kept_apart_still_keeps_them_apart() {
    let deaths = deaths(&pair(None));
    pool::all(&deaths, |death| pair(Some(*death)));
    assert!(deaths.len() > 60, "{}", deaths.len());
    report(&format!(
        "two rotations that are kept apart, the process killed at {} moments between its calls and writes: each once and in its window, five \
         minutes apart",
        deaths.len()
    ));
}

/// What became of a rotation that begins five seconds before its window closes.
struct AtTheEdge {
    deeds: Vec<Deed>,
    /// Whether it ran in that window, and not in the next.
    at_once: bool,
}

fn at_the_edge(death: Option<Death>) -> AtTheEdge {
    let story = format!("{death:?}");
    simulate(1, lifelike(), async |sim| {
        sim.live_user("blue", OLD).await;
        let name = secret_name("blue");
        let policy = Policy::new("orders", &["blue"])
            .with("schedule", "\"cron(0 3 * * ? *)\"")
            .with("window", "\"3h\"")
            .with("overlap", "\"10m\"");
        let machine = sim.machine("rekeyd").policy(policy);
        let machine = machine.daemon("drift_check_interval = \"none\"");
        // Its store knows the secret before the window opens.
        let replica = machine.start().await;
        replica
            .until(&name, "checked", Duration::from_secs(3_600), idle_and_proven)
            .await;
        let machine = replica.crash();
        sim.run_until("2026-01-01T05:59:55Z").await;
        // What dies before the close comes back after it.
        let (replica, deeds) = outlived(
            &sim,
            machine,
            death,
            Duration::from_secs(10),
            at("2026-01-01T06:30:00Z"),
        )
        .await;
        let lost = death.is_some_and(|death| death.store_lost);
        // What has AWSPENDING goes on; an intent alone is none.
        let at_once = sim.versions()[&name] > 1;
        let (first, missed) = match (at_once, lost) {
            (true, _) => ("2026-01-01T05:59:55Z", 0),
            (false, false) => ("2026-01-02T03:00:00Z", 1),
            // A window that closed before the new store first heard of the secret is nobody's to count.
            (false, true) => ("2026-01-02T03:00:00Z", 0),
        };
        if at_once {
            sim.run_until("2026-01-01T06:40:00Z").await;
        } else {
            sim.run_until("2026-01-02T02:59:00Z").await;
            let waits = replica.status(&name).expect("known");
            assert_eq!(waits.phase, Phase::Due, "{story}: nobody waits for it: {waits:#?}");
            assert_eq!(sim.versions()[&name], 1, "{story}: not between its windows");
            sim.run_until("2026-01-02T06:40:00Z").await;
        }
        assert_rotated_once(&sim, &replica, &["blue"], &story);
        let put = made(&sim, "PutSecretValue", "blue");
        assert!(
            put.len() == 1 && put[0] >= at(first) && put[0] < at(first) + TimeDelta::hours(3),
            "{story}: {put:?}"
        );
        assert_eq!(crate::windows::missed(&sim), missed, "{story}");
        AtTheEdge { deeds, at_once }
    })
}

#[test]
fn a_process_that_dies_anywhere_in_a_rotation_at_its_windows_close_goes_on_with_it_or_waits_for_the_next() {
    let whole = at_the_edge(None);
    assert!(whole.at_once, "it begins before the close");
    let deaths = deaths(&whole.deeds);
    let ran = pool::all(&deaths, |death| at_the_edge(Some(*death)));
    let waited = ran.iter().filter(|ran| !ran.at_once).count();
    assert!(waited > 5 && ran.len() - waited > 15, "{waited} of {}", ran.len());
    report(&format!(
        "a rotation that begins 5 s before its window closes, the process killed at {} moments between its calls and writes: each rotated \
         once, {waited} in the next window, because nothing had begun",
        ran.len()
    ));
}
