//! Secrets that are known and at rest: memory, ticks, discovery, scrapes, and how they grow.

use std::time::Duration;

use tokio::time::sleep;

use crate::Outcome;
use crate::daemon::{Configuration, Daemon};
use crate::process::mebibytes;
use crate::rotating::{Stage, count};
use crate::sandbox::Pace;
use crate::table::{Table, progress};

/// Seconds in which nothing happens, and in which discoveries do.
const QUIET: u32 = 20;
const DISCOVERIES: u32 = 2;
/// The interval that is measured, and the default that the figure is for, in seconds.
const DISCOVERY: (&str, u32) = ("45s", 45);
const DISCOVERY_BY_DEFAULT: f64 = 900.0;
const DRIFT_CHECK_BY_DEFAULT: f64 = 6.0 * 3_600.0;
const SCRAPES: u32 = 3;
/// Up to how many secrets discoveries are measured; beyond that, only the seconds between two.
const MOST_DISCOVERED: usize = 10_000;

const ON: &str = "users in no group: nowhere to log in";

/// One size.
pub(crate) async fn measure(size: usize, table: &mut Table) -> Outcome<()> {
    let stage = Stage::build(size, Pace::Quick, false).await?;
    let secrets = stage.fleet.secrets();
    let keys = Configuration {
        // What a discovery takes at the largest size would fill a shorter interval.
        discovery: if secrets > MOST_DISCOVERED { "15m" } else { DISCOVERY.0 },
        ..Configuration::default()
    };
    let begin = tokio::time::Instant::now();
    let daemon = stage.daemon(&keys).await?;
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
    idle(&daemon, secrets, table).await?;
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
    }
    Ok(())
}

/// The processor time of two discoveries stands out from that of the seconds without.
async fn idle(daemon: &Daemon, secrets: usize, table: &mut Table) -> Outcome<()> {
    let discovered = secrets <= MOST_DISCOVERED;
    let seconds = if discovered { DISCOVERY.1 * DISCOVERIES } else { QUIET };
    let mut used = Vec::new();
    let mut before = daemon.process.cpu()?;
    for _ in 0..seconds {
        sleep(Duration::from_secs(1)).await;
        let now = daemon.process.cpu()?;
        used.push((now - before).as_secs_f64());
        before = now;
    }
    let all: f64 = used.iter().sum();
    used.sort_by(f64::total_cmp);
    // The quietest two thirds of the seconds are those without a discovery.
    let quiet = &used[..used.len() * 2 / 3];
    let quiet = quiet.iter().sum::<f64>() / f64::from(u32::try_from(quiet.len()).unwrap_or(1));
    table.add(
        secrets,
        "a tick",
        (quiet * 1_000.0, "ms"),
        "processor time, mean of the quietest two thirds of seconds",
    );
    if !discovered {
        return Ok(());
    }
    let discovery = (all - quiet * f64::from(seconds)).max(0.0) / f64::from(DISCOVERIES);
    table.add(
        secrets,
        "a discovery",
        (discovery * 1_000.0, "ms"),
        "processor time; secrets selected by prefix",
    );
    let idle = quiet + discovery / DISCOVERY_BY_DEFAULT;
    let on = "a core: ticks, and a discovery every 15 min";
    table.add_bound(secrets, "idle, drift check off", (idle * 100.0, "%"), 0.2, on);
    if let Some((_, check)) = table.value("processor time a drift check", |_| true) {
        let checks = count(secrets) / DRIFT_CHECK_BY_DEFAULT * check / 1_000.0;
        let on = "the same and a drift check of each secret every 6 h, at what one was measured to take";
        table.add_bound(
            secrets,
            "idle, drift check every 6 h",
            ((idle + checks) * 100.0, "%"),
            1.0,
            on,
        );
    }
    Ok(())
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
