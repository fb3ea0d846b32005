//! Three replicas on a table: against one where AWS's quotas are the limit, and what they ask while nothing happens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rekeyd::clock::{Clock, SystemClock};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::daemon::{Configuration, Daemon};
use crate::dynalite::{Counts, Dynalite};
use crate::fleet::Fleet;
use crate::floor;
use crate::process::binary;
use crate::rotating::{count, difference};
use crate::sandbox::{Pace, Sandbox};
use crate::table::{Table, progress};

const ON: &str =
    "1 node for each 100 users, quotas on, ModifyUser 10/s, propagation 20-60 s; state in a table of dynalite";
/// How many replicas there are where there are several.
const SEVERAL: usize = 3;
/// How long an idle fleet is watched, in seconds.
const WATCHED: u32 = 120;
/// From so many secrets on the idle fleet is the one of the figure.
const MANY: usize = 900;

/// Replicas with all that they stand on.
struct Replicas {
    files: TempDir,
    sandbox: Sandbox,
    dynalite: Dynalite,
    fleet: Fleet,
    daemons: Vec<Daemon>,
}

impl Replicas {
    /// So many, which know every secret.
    async fn start(replicas: usize, secrets: usize, pace: Pace, keys: &Configuration) -> Outcome<Self> {
        let files = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(|error| error.to_string())?;
        let sandbox = Sandbox::start(files.path(), pace).await?;
        let fleet = Fleet::of(secrets);
        fleet.make(&sandbox, pace != Pace::Quick).await?;
        let mut started = Self {
            dynalite: Dynalite::start().await?,
            daemons: Vec::new(),
            files,
            sandbox,
            fleet,
        };
        let folders: Vec<PathBuf> = (0..replicas).map(|number| started.folder(number)).collect();
        for folder in &folders {
            std::fs::create_dir(folder).map_err(|error| error.to_string())?;
            started.configure(folder, keys)?;
        }
        init_table(&folders[0]).await?;
        for folder in &folders {
            started.daemons.push(Daemon::start(folder)?);
        }
        for daemon in &started.daemons {
            daemon.looked(fleet.secrets()).await?;
        }
        progress(&format!("{replicas} replicas know {} secrets", fleet.secrets()));
        Ok(started)
    }

    fn folder(&self, number: usize) -> PathBuf {
        self.files.path().join(format!("replica-{number}"))
    }

    fn configure(&self, folder: &Path, keys: &Configuration) -> Outcome<()> {
        let table = Some(self.dynalite.url());
        let keys = Configuration { table, ..keys.clone() };
        Daemon::configure(folder, &self.sandbox, self.fleet, &keys)
    }

    /// The same configuration for all of them from now on.
    async fn reload(&self, keys: &Configuration) -> Outcome<()> {
        for (number, daemon) in self.daemons.iter().enumerate() {
            self.configure(&self.folder(number), keys)?;
            daemon.reload()?;
        }
        sleep(Duration::from_secs(10)).await;
        Ok(())
    }

    async fn end(self) {
        for daemon in self.daemons {
            daemon.kill().await;
        }
        self.sandbox.end().await;
    }
}

async fn init_table(folder: &Path) -> Outcome<()> {
    let output = Command::new(binary("rekeyd"))
        .arg("--config")
        .arg(folder.join("rekeyd.toml"))
        .args(["state", "init-table"])
        .env("AWS_ACCESS_KEY_ID", "REKEYD")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .output()
        .await
        .map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("init-table: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// One replica and three, and what an idle fleet costs.
pub(crate) async fn measure(size: usize, table: &mut Table) -> Outcome<()> {
    if size < MANY {
        let one = rotate(1, size, table).await?;
        let several = rotate(SEVERAL, size, table).await?;
        let on = format!("times those of one; {ON}");
        table.add_bound(
            size,
            "replicas: time, three",
            (several.took / one.took, ""),
            1.05,
            on.as_str(),
        );
        let calls = several.calls / one.calls;
        table.add_bound(size, "replicas: AWS calls a rotation, three", (calls, ""), 1.2, on);
        return Ok(());
    }
    idle(size, table).await
}

/// A rotation of all.
struct Rotated {
    took: f64,
    calls: f64,
}

async fn rotate(replicas: usize, size: usize, table: &mut Table) -> Outcome<Rotated> {
    let stage = Replicas::start(replicas, size, Pace::LikeAws, &Configuration::default()).await?;
    let users = stage.fleet.secrets();
    let before = stage.sandbox.calls().await?;
    let begun = SystemClock::new().now();
    stage.daemons[0].rotate_first_place().await?;
    let ended = all_retired(&stage, users).await?;
    let made = difference(&before, &stage.sandbox.calls().await?);
    let took = (ended - begun).as_seconds_f64();
    let calls = sum(&made) / count(users);
    let mut throttled = 0.0;
    for daemon in &stage.daemons {
        throttled += daemon
            .metric("rekeyd_aws_requests_total", "outcome=\"throttled\"")
            .await?;
    }
    let floor = floor::seconds(users);
    let named = |what: &str| format!("replicas: {what}, {replicas}");
    table.add(
        users,
        &named("time of all at once"),
        (took, "s"),
        format!("{ON}; floor {floor:.1} s"),
    );
    table.add(users, &named("AWS calls a rotation"), (calls, "calls"), ON);
    table.add(
        users,
        &named("throttled calls a rotation"),
        (throttled / count(users), "calls"),
        ON,
    );
    let asked = stage.dynalite.counts().await?;
    let requests: f64 = asked.values().map(|count| count.requests).sum();
    table.add(
        users,
        &named("table requests a rotation, start included"),
        (requests / count(users), ""),
        ON,
    );
    stage.end().await;
    Ok(Rotated { took, calls })
}

/// When the last previous password was proved dead, by the word of one of the replicas.
async fn all_retired(stage: &Replicas, users: usize) -> Outcome<DateTime<Utc>> {
    let deadline = Instant::now() + Duration::from_secs_f64(300.0 + 6.0 * floor::seconds(users));
    loop {
        let shown = stage.daemons[0].get("/api/v1/secrets").await?;
        let shown: serde_json::Value = serde_json::from_str(&shown).map_err(|error| error.to_string())?;
        let secrets = shown["secrets"].as_array().ok_or("no list of secrets")?;
        let retired = secrets.iter().filter_map(|secret| secret["retired_at"].as_str());
        let retired: Vec<DateTime<Utc>> = retired.filter_map(|at| at.parse().ok()).collect();
        if let Some(last) = retired.iter().max().filter(|_| retired.len() >= users) {
            return Ok(*last);
        }
        if Instant::now() > deadline {
            return Err(format!("{} of {users} are retired", retired.len()));
        }
        sleep(Duration::from_secs(2)).await;
    }
}

fn sum(calls: &BTreeMap<String, u64>) -> f64 {
    let all: u64 = calls.values().sum();
    f64::from(u32::try_from(all).unwrap_or(u32::MAX))
}

/// What was asked in a while, by kind.
#[derive(Clone, Copy, Default)]
struct Asked {
    reads: f64,
    writes: f64,
    read_units: f64,
    write_units: f64,
    secrets_manager: f64,
    /// Values that were read: one for each check of a secret.
    checks: f64,
}

impl Asked {
    fn of(table: &Counts, calls: &BTreeMap<String, u64>) -> Self {
        let mut asked = Self::default();
        for (operation, count) in table {
            match operation.as_str() {
                "GetItem" | "Query" => {
                    asked.reads += count.requests;
                    asked.read_units += count.units;
                }
                _ => {
                    asked.writes += count.requests;
                    asked.write_units += count.units;
                }
            }
        }
        let of = |wanted: &str| {
            let those = calls.iter().filter(|(operation, _)| operation.starts_with(wanted));
            let all: u64 = those.map(|(_, calls)| calls).sum();
            f64::from(u32::try_from(all).unwrap_or(u32::MAX))
        };
        asked.secrets_manager = of("secretsmanager.");
        asked.checks = of("secretsmanager.GetSecretValue");
        asked
    }

    /// This and so many times another.
    fn plus(self, other: Self, times: f64) -> Self {
        Self {
            reads: self.reads + times * other.reads,
            writes: self.writes + times * other.writes,
            read_units: self.read_units + times * other.read_units,
            write_units: self.write_units + times * other.write_units,
            secrets_manager: self.secrets_manager + times * other.secrets_manager,
            checks: self.checks + times * other.checks,
        }
    }
}

async fn watched(stage: &Replicas) -> Outcome<Asked> {
    let before = Asked::of(&stage.dynalite.counts().await?, &stage.sandbox.calls().await?);
    sleep(Duration::from_secs(u64::from(WATCHED))).await;
    let after = Asked::of(&stage.dynalite.counts().await?, &stage.sandbox.calls().await?);
    Ok(after.plus(before, -1.0))
}

const MONTH: f64 = 30.0 * 24.0 * 3_600.0;
/// The defaults of `discovery_interval` and `drift_check_interval`, in seconds.
const DISCOVERY: f64 = 900.0;
const DRIFT_CHECK: f64 = 6.0 * 3_600.0;
/// Public prices in us-east-1, in USD, on demand: for a million read units, for a million write units, and for 10,000 calls to
/// Secrets Manager. (<https://aws.amazon.com/dynamodb/pricing/on-demand/>, <https://aws.amazon.com/secrets-manager/pricing/>)
const READS: f64 = 0.125;
const WRITES: f64 = 0.625;
const CALLS: f64 = 0.05;

/// Discoveries and drift checks come rarely: each is measured by itself at a shorter interval, and taken as often as by default.
async fn idle(size: usize, table: &mut Table) -> Outcome<()> {
    let quiet = Configuration::default();
    let stage = Replicas::start(SEVERAL, size, Pace::Quick, &quiet).await?;
    let secrets = stage.fleet.secrets();
    sleep(Duration::from_secs(20)).await;
    let base = watched(&stage).await?;
    let discovering = Configuration {
        discovery: "30s",
        ..quiet.clone()
    };
    stage.reload(&discovering).await?;
    let discovered = watched(&stage).await?.plus(base, -1.0);
    let checking = Configuration {
        drift_check: "10m",
        ..quiet
    };
    stage.reload(&checking).await?;
    let checked = watched(&stage).await?.plus(base, -1.0);
    stage.end().await;
    if checked.checks < 1.0 {
        return Err("no secret was checked".to_owned());
    }
    let spans = MONTH / f64::from(WATCHED);
    let discoveries = spans * 30.0 / DISCOVERY;
    let checks = count(secrets) * MONTH / DRIFT_CHECK / checked.checks;
    let month = Asked::default()
        .plus(base, spans)
        .plus(discovered, discoveries)
        .plus(checked, checks);
    let second = |value: f64| value / f64::from(WATCHED);
    let on = "three replicas at rest, discovery and drift checks left out; dynalite's own capacity units";
    for (what, value) in [
        ("reads of the table a second", base.reads),
        ("  units", base.read_units),
        ("writes of the table a second", base.writes),
        ("  units", base.write_units),
    ] {
        table.add(secrets, &format!("idle fleet: {what}"), (second(value), ""), on);
    }
    let on = "30 days, discovery every 15 min by each replica and a drift check of each secret every 6 h included";
    let dynamo = (month.read_units * READS + month.write_units * WRITES) / 1e6;
    let calls = month.secrets_manager * CALLS / 1e4;
    for (what, value, unit) in [
        ("read units a month", month.read_units / 1e6, "million"),
        ("write units a month", month.write_units / 1e6, "million"),
        ("DynamoDB a month", dynamo, "USD"),
        (
            "calls to Secrets Manager a month",
            month.secrets_manager / 1e3,
            "thousand",
        ),
        ("Secrets Manager's calls a month", calls, "USD"),
        ("all calls a month", dynamo + calls, "USD"),
    ] {
        table.add(secrets, &format!("idle fleet: {what}"), (value, unit), on);
    }
    Ok(())
}
