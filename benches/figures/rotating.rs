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
/// From so many at once on, their calls have a bound.
const MANY: usize = 100;
/// From so many at once on, their time has a bound: all users that an account has room for.
const WHOLE_ACCOUNT: usize = 999;

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

    /// How many pages of secrets were asked for.
    pub(crate) async fn listings(&self) -> Outcome<usize> {
        let calls = self.sandbox.calls().await?;
        let listings = calls.iter().filter(|(operation, _)| operation.ends_with("ListSecrets"));
        usize::try_from(listings.map(|(_, calls)| calls).sum::<u64>()).map_err(|error| error.to_string())
    }

    /// Rotates the first place's secrets and waits until nearly all are in flight at the same time; how many.
    ///
    /// # Errors
    /// When that never comes to pass: a figure about fewer would be another one.
    pub(crate) async fn all_in_flight(&self, daemon: &Daemon) -> Outcome<usize> {
        daemon.rotate_first_place().await?;
        let wanted = (self.fleet.secrets_of_place * 19).div_ceil(20);
        let patience = Duration::from_secs(180);
        self.store
            .wait("95 % are in flight", patience, |store| Ok(store.in_flight()? >= wanted))
            .await?;
        self.store.in_flight()
    }

    /// Waits until one in twenty of the first place's rotations is over.
    async fn some_retired(&self) -> Outcome<()> {
        let wanted = self.fleet.secrets_of_place.div_ceil(20);
        let patience = Duration::from_secs(900);
        self.store
            .wait("5 % are retired", patience, |store| {
                Ok(store.events("retired")?.is_some_and(|retired| retired.count >= wanted))
            })
            .await
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
    let stage = Stage::build(size, Pace::AllAtOnce, true).await?;
    let daemon = stage.daemon(&Configuration::all_at_once()).await?;
    let known = stage.fleet.secrets();
    let (looked, unit) = mebibytes(daemon.process.peak()?);
    table.add(
        known,
        "memory, peak, after first looks",
        (looked, unit),
        "RSS; none in flight yet",
    );
    let most = stage.all_in_flight(&daemon).await?;
    // Those that retire are still in flight, and have more to remember.
    stage.some_retired().await?;
    let metrics = daemon.get("/metrics").await?.len();
    let (peak, unit) = mebibytes(daemon.process.peak()?);
    table.add_bound(
        known,
        "memory, peak, up to 1,000 in flight",
        (peak, unit),
        64.0,
        format!("RSS; {most} in flight at once, logged in on 10 nodes; one scrape of {metrics} bytes"),
    );
    daemon.kill().await;
    stage.sandbox.end().await;
    Ok(())
}

fn add_calls(users: usize, made: &BTreeMap<String, u64>, table: &mut Table) {
    let all: u64 = made.values().sum();
    let each = |calls: u64| f64::from(u32::try_from(calls).unwrap_or(u32::MAX)) / count(users);
    let on = format!("{ON}; bound from 100 at once on; aim: 10");
    match users >= MANY {
        true => table.add_bound(users, "AWS calls a rotation", (each(all), "calls"), 12.0, on),
        false => table.add(users, "AWS calls a rotation", (each(all), "calls"), on),
    }
    for (operation, calls) in made {
        table.add(users, &format!("  {operation}"), (each(*calls), "calls"), "");
    }
}

fn add_time(users: usize, took: f64, table: &mut Table) {
    let floor = floor::seconds(users);
    table.add(users, "time of all at once", (took, "s"), ON);
    let over = ((took / floor - 1.0) * 100.0, "%");
    let on = format!(
        "floor {floor:.1} s: 2 ModifyUsers a user at 10/s, and propagation that cannot overlap; bound for 1,000 at once"
    );
    match users >= WHOLE_ACCOUNT {
        true => table.add_bound(users, "time over the floor", over, 10.0, on),
        false => table.add(users, "time over the floor", over, on),
    }
}

/// How often each operation was called between two counts.
pub(crate) fn difference(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
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
