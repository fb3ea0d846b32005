//! Rotations of all users of an account at once, with proof and retirement.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tempfile::TempDir;

use crate::Outcome;
use crate::daemon::{Configuration, Daemon};
use crate::fleet::Fleet;
use crate::floor;
use crate::process::mebibytes;
use crate::sandbox::{Pace, Sandbox};
use crate::store::Store;
use crate::table::{Table, progress};

const ON: &str = "1 node for each 100 users, quotas on, ModifyUser 10/s, propagation 20-60 s";
/// How long the daemon is watched at rest, in seconds, to take that off what rotations cost.
const IDLE: u32 = 10;

/// A fleet with rotations of its first place.
pub(crate) struct Stage {
    pub(crate) files: TempDir,
    pub(crate) sandbox: Sandbox,
    pub(crate) fleet: Fleet,
    pub(crate) store: Store,
}

impl Stage {
    /// Makes a fleet; users of the first place have caches.
    pub(crate) async fn build(secrets: usize, pace: Pace, caches: bool) -> Outcome<Self> {
        let files = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(|error| error.to_string())?;
        let sandbox = Sandbox::start(files.path(), pace).await?;
        let fleet = Fleet::of(secrets);
        let made = fleet.make(&sandbox, caches).await?;
        let store = Store::of(files.path());
        store.make(&made)?;
        progress(&format!("{} secrets made in {} places", fleet.secrets(), fleet.places));
        Ok(Self {
            files,
            sandbox,
            fleet,
            store,
        })
    }

    /// A daemon that knows every secret, at rest.
    pub(crate) async fn daemon(&self, keys: &Configuration) -> Outcome<Daemon> {
        Daemon::configure(self.files.path(), &self.sandbox, self.fleet, keys)?;
        Daemon::start_and_look(self.files.path(), self.fleet.secrets()).await
    }

    /// Waits until the first place's rotations are over, retirements too. How long it took.
    async fn all_retired(&self) -> Outcome<f64> {
        let wanted = self.fleet.secrets_of_place;
        let floor = floor::seconds(wanted);
        let patience = Duration::from_secs_f64(300.0 + 6.0 * floor);
        let waited = self
            .store
            .wait("all are retired", patience, |store| {
                Ok(store.events("retired")?.is_some_and(|retired| retired.count >= wanted))
            })
            .await;
        let in_trouble = self.store.in_trouble()?;
        if in_trouble > 0 {
            progress(&format!("{in_trouble} secrets are in trouble"));
        }
        waited?;
        let begun = self.store.events("requested")?.ok_or("nothing was requested")?.first;
        let ended = self.store.events("retired")?.ok_or("nothing was retired")?.last;
        Ok(seconds_between(begun, ended))
    }
}

/// Calls, time and processor time of a rotation of all.
pub(crate) async fn measure(size: usize, table: &mut Table) -> Outcome<()> {
    if size > 1_000 {
        return Err("more than max_in_flight (1,000) do not go at once".to_owned());
    }
    let stage = Stage::build(size, Pace::LikeAws, true).await?;
    let daemon = stage.daemon(&Configuration::default()).await?;
    let users = stage.fleet.secrets();
    let idle = daemon.idle(IDLE).await?;
    let (calls, cpu, sandbox_cpu) = (
        stage.sandbox.calls().await?,
        daemon.process.cpu()?,
        stage.sandbox.process.cpu()?,
    );
    daemon.rotate_first_place().await?;
    let took = stage.all_retired().await?;
    let used = (daemon.process.cpu()? - cpu).as_secs_f64();
    let sandbox_used = (stage.sandbox.process.cpu()? - sandbox_cpu).as_secs_f64();
    let made = difference(&calls, &stage.sandbox.calls().await?);
    let (peak, unit) = mebibytes(daemon.process.peak()?);
    add_calls(users, &made, table);
    let refused = daemon
        .metric("rekeyd_aws_requests_total", "outcome=\"throttled\"")
        .await?;
    let each = count(users);
    table.add(
        users,
        "throttled calls a rotation",
        (refused.max(0.0) / each, "calls"),
        ON,
    );
    add_time(users, took, table);
    let own = (used - idle * took).max(0.0);
    table.add_bound(
        users,
        "processor time a rotation",
        (own * 1_000.0 / each, "ms"),
        3.0,
        format!("{ON}; what it uses idle is taken off"),
    );
    table.add(users, "memory, peak, rotating all", (peak, unit), ON);
    table.add(
        users,
        "sandbox's own use of a core",
        (sandbox_used * 100.0 / took, "%"),
        ON,
    );
    daemon.kill().await;
    stage.sandbox.end().await;
    Ok(())
}

/// The most memory with a fleet known and up to 1,000 rotations in flight.
pub(crate) async fn measure_memory(size: usize, table: &mut Table) -> Outcome<()> {
    let stage = Stage::build(size, Pace::LikeAws, true).await?;
    let daemon = stage.daemon(&Configuration::default()).await?;
    let (known, wanted) = (stage.fleet.secrets(), stage.fleet.secrets_of_place);
    let (looked, unit) = mebibytes(daemon.process.peak()?);
    table.add(
        known,
        "memory, peak, after first looks",
        (looked, unit),
        "RSS; none in flight yet",
    );
    daemon.rotate_first_place().await?;
    let mut most = 0;
    let patience = Duration::from_secs(120);
    // The most are in flight before the first is over.
    let over = stage.store.wait("the first is retired", patience, |store| {
        Ok(store
            .events("retired")?
            .is_some_and(|retired| retired.count * 20 > wanted))
    });
    tokio::pin!(over);
    loop {
        tokio::select! {
            ended = &mut over => { ended?; break; }
            () = tokio::time::sleep(Duration::from_secs(2)) => most = most.max(stage.store.in_flight()?),
        }
    }
    let metrics = daemon.get("/metrics").await?.len();
    let (peak, unit) = mebibytes(daemon.process.peak()?);
    table.add_bound(
        known,
        "memory, peak, up to 1,000 in flight",
        (peak, unit),
        64.0,
        format!("RSS; {most} in flight at most, logged in on 10 nodes; one scrape of {metrics} bytes"),
    );
    daemon.kill().await;
    stage.sandbox.end().await;
    Ok(())
}

fn add_calls(users: usize, made: &BTreeMap<String, u64>, table: &mut Table) {
    let all: u64 = made.values().sum();
    let each = |calls: u64| f64::from(u32::try_from(calls).unwrap_or(u32::MAX)) / count(users);
    table.add_bound(
        users,
        "AWS calls a rotation",
        (each(all), "calls"),
        12.0,
        format!("{ON}; aim: 10"),
    );
    for (operation, calls) in made {
        table.add(users, &format!("  {operation}"), (each(*calls), "calls"), "");
    }
}

fn add_time(users: usize, took: f64, table: &mut Table) {
    let floor = floor::seconds(users);
    table.add(users, "time of all at once", (took, "s"), ON);
    table.add_bound(
        users,
        "time over the floor",
        ((took / floor - 1.0) * 100.0, "%"),
        10.0,
        format!("floor {floor:.1} s: 2 ModifyUsers a user at 10/s, and propagation that cannot overlap"),
    );
}

fn difference(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let more = after
        .iter()
        .map(|(name, count)| (name.clone(), count - before.get(name).unwrap_or(&0)));
    more.filter(|(_, count)| *count > 0).collect()
}

fn seconds_between(begin: DateTime<Utc>, end: DateTime<Utc>) -> f64 {
    (end - begin).as_seconds_f64()
}

/// A number of secrets, to divide by.
pub(crate) fn count(secrets: usize) -> f64 {
    f64::from(u32::try_from(secrets).unwrap_or(u32::MAX))
}
