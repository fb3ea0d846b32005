//! Secrets that are known and at rest: memory, ticks, discovery, scrapes, and how they grow.

use std::time::Duration;

use tokio::time::sleep;

use crate::Outcome;
use crate::daemon::{Configuration, Daemon};
use crate::process::mebibytes;
use crate::rotating::{Stage, count};
use crate::sandbox::Pace;
use crate::table::{Table, progress};

/// Seconds in which nothing but ticks happens.
const QUIET: u32 = 60;
const DISCOVERIES: u32 = 2;
/// The intervals at which discoveries are measured, for more secrets than [`MANY`] the second, and the default
/// that the figure is for; in seconds.
const DISCOVERY: [(&str, u32); 2] = [("45s", 45), ("3m", 180)];
const MANY: usize = 10_000;
const DISCOVERY_BY_DEFAULT: f64 = 900.0;
/// ListSecrets gives so many at a time.
const PAGE: usize = 100;
const DRIFT_CHECK_BY_DEFAULT: f64 = 6.0 * 3_600.0;
const SCRAPES: u32 = 3;
/// By how much a figure for each secret may be more than at a tenth of the secrets.
const GROWTH: f64 = 1.2;
/// From so many secrets on: with fewer, what a process needs without any hides them.
const GROWS_FROM: usize = 9_000;

const ON: &str = "users in no group: nowhere to log in";

/// One size.
pub(crate) async fn measure(size: usize, table: &mut Table) -> Outcome<()> {
    let stage = Stage::build(size, Pace::Quick, false).await?;
    let secrets = stage.fleet.secrets();
    let begin = tokio::time::Instant::now();
    let daemon = stage.daemon(&Configuration::default()).await?;
    let started = begin.elapsed().as_secs_f64();
    let cpu = daemon.process.cpu()?.as_secs_f64();
    table.add(secrets, "start, until all were looked at", (started, "s"), ON);
    table.add(
        secrets,
        "processor time of a start, a secret",
        (cpu * 1_000.0 / count(secrets), "ms"),
        ON,
    );
    memory(&daemon, secrets, table)?;
    idle(&stage, &daemon, table).await?;
    scrape(&daemon, secrets, table).await?;
    daemon.kill().await;
    stage.sandbox.end().await;
    Ok(())
}

fn memory(daemon: &Daemon, secrets: usize, table: &mut Table) -> Outcome<()> {
    let resident = daemon.process.resident()?;
    let (value, unit) = mebibytes(resident);
    table.add(secrets, "memory at rest", (value, unit), format!("RSS; {ON}"));
    if let Some((fewer, before)) = table.value("memory at rest", |other| other < secrets && other * 15 > secrets) {
        let each = (value - before) * 1_024.0 / count(secrets - fewer);
        let on = format!("growth of RSS since {fewer} secrets; 1,000 secrets are one more place");
        table.add(secrets, "memory for each more secret", (each, "KiB"), on);
        grown(secrets, "memory for each more secret", each, table);
    }
    Ok(())
}

/// Holds a figure that is for each secret to what it was at a tenth of the secrets.
fn grown(secrets: usize, figure: &str, each: f64, table: &mut Table) {
    let before = table.value(figure, |other| other < secrets && other * 15 > secrets);
    if let Some((fewer, before)) = before.filter(|(_, before)| secrets >= GROWS_FROM && *before > 0.0) {
        let on = format!("times that with {fewer} secrets; flat is 1");
        table.add_bound(secrets, &format!("growth: {figure}"), (each / before, ""), GROWTH, on);
    }
}

/// Ticks by themselves, every second counted, and what discoveries add to them. At last the interval is set to a
/// shorter one, so that there are some to measure.
async fn idle(stage: &Stage, daemon: &Daemon, table: &mut Table) -> Outcome<()> {
    let secrets = stage.fleet.secrets();
    let tick = daemon.idle(QUIET).await?;
    let on = format!("processor time, mean of {QUIET} seconds without a discovery");
    table.add(secrets, "a tick", (tick * 1_000.0, "ms"), on);
    let each = tick * 1_000_000_000.0 / count(secrets);
    table.add(secrets, "a tick, for each secret", (each, "ns"), "the same");
    grown(secrets, "a tick, for each secret", each, table);

    let discovery = discovery(stage, daemon, tick).await?;
    table.add(
        secrets,
        "a discovery",
        (discovery * 1_000.0, "ms"),
        "processor time; secrets selected by prefix",
    );
    let each = discovery * 1_000_000.0 / count(secrets);
    table.add(secrets, "a discovery, for each secret", (each, "us"), "the same");
    grown(secrets, "a discovery, for each secret", each, table);
    idle_share(secrets, tick + discovery / DISCOVERY_BY_DEFAULT, table);
    Ok(())
}

/// The processor time of a discovery, in seconds: what is used in some intervals more than ticks take.
async fn discovery(stage: &Stage, daemon: &Daemon, tick: f64) -> Outcome<f64> {
    let (interval, seconds) = DISCOVERY[usize::from(stage.fleet.secrets() > MANY)];
    let keys = Configuration {
        discovery: interval,
        ..Configuration::default()
    };
    Daemon::configure(stage.files.path(), &stage.sandbox, stage.fleet, &keys)?;
    daemon.reload()?;
    // The first begins at once; half-way between two, none is under way.
    sleep(Duration::from_secs(u64::from(seconds / 2))).await;
    let (cpu, calls) = (daemon.process.cpu()?, stage.listings().await?);
    let seconds = seconds * DISCOVERIES;
    sleep(Duration::from_secs(u64::from(seconds))).await;
    let used = (daemon.process.cpu()? - cpu).as_secs_f64() - tick * f64::from(seconds);
    let listings = stage.listings().await? - calls;
    let of_one = stage.fleet.places * stage.fleet.secrets_of_place.div_ceil(PAGE);
    if listings == 0 {
        return Err("no secret was looked for".to_owned());
    }
    Ok(used.max(0.0) * count(of_one) / count(listings))
}

/// `idle` is in cores.
fn idle_share(secrets: usize, idle: f64, table: &mut Table) {
    let on = "a core: ticks, and a discovery every 15 min";
    match secrets > MANY {
        true => table.add(secrets, "idle, drift check off", (idle * 100.0, "%"), on),
        false => table.add_bound(secrets, "idle, drift check off", (idle * 100.0, "%"), 0.2, on),
    }
    // A check is one secret's: what it takes does not hang on how many there are.
    if let Some((_, check)) = table.value("processor time a drift check", |measured| measured >= 900) {
        let checks = count(secrets) / DRIFT_CHECK_BY_DEFAULT * check / 1_000.0;
        let share = ((idle + checks) * 100.0, "%");
        let on = "the same and a drift check of each secret every 6 h, at what one was measured to take";
        match secrets > MANY {
            true => table.add(secrets, "idle, drift check every 6 h", share, on),
            false => table.add_bound(secrets, "idle, drift check every 6 h", share, 1.0, on),
        }
    }
}

async fn scrape(daemon: &Daemon, secrets: usize, table: &mut Table) -> Outcome<()> {
    let before = daemon.process.cpu()?;
    for _ in 0..SCRAPES {
        daemon.get("/metrics").await?;
    }
    let each = (daemon.process.cpu()? - before).as_secs_f64() / f64::from(SCRAPES);
    table.add(
        secrets,
        "a scrape of /metrics",
        (each * 1_000.0, "ms"),
        "processor time",
    );
    let begin = tokio::time::Instant::now();
    let size = daemon.get("/api/v1/secrets").await?.len();
    let took = begin.elapsed().as_secs_f64();
    table.add(
        secrets,
        "GET /api/v1/secrets",
        (took * 1_000.0, "ms"),
        format!("{size} bytes"),
    );
    let (peak, unit) = mebibytes(daemon.process.peak()?);
    table.add(secrets, "memory, peak, status asked once", (peak, unit), "RSS");
    progress("status was asked");
    Ok(())
}
