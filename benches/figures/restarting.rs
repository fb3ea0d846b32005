//! `kill -9` with rotations in flight, and what the next start takes until all are queued again.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::daemon::{Configuration, Daemon};
use crate::rotating::{Stage, count};
use crate::sandbox::Pace;
use crate::table::Table;

const PATIENCE: Duration = Duration::from_secs(120);

/// One size; up to 1,000 of its secrets are in flight.
pub(crate) async fn measure(size: usize, table: &mut Table) -> Outcome<()> {
    let stage = Stage::build(size, Pace::AllAtOnce, true).await?;
    let daemon = stage.daemon(&Configuration::all_at_once()).await?;
    stage.all_in_flight(&daemon).await?;
    daemon.kill().await;
    let in_flight = stage.store.in_flight()?;
    let begin = Instant::now();
    let daemon = Daemon::start(stage.files.path())?;
    let ready = until(begin, async || daemon.ready().await).await?;
    let queued = until(begin, async || counted(&daemon).await >= count(in_flight)).await?;
    let secrets = stage.fleet.secrets();
    let on = format!("from exec; {in_flight} were in flight");
    table.add(secrets, "restart, until /readyz says ready", (ready, "s"), &*on);
    table.add_bound(
        secrets,
        "restart, until all are queued and ready",
        (ready.max(queued), "s"),
        1.0,
        format!("{on}; queued: rekeyd_rotations_in_flight counts them all"),
    );
    let looked_at = until(begin, async || looked_at(&daemon).await >= in_flight).await?;
    table.add(
        secrets,
        "restart, until all in flight were looked at",
        (looked_at, "s"),
        format!("{on}; rekeyd reads Secrets Manager 500 times a second in a place at most"),
    );
    let known = until(begin, async || {
        let known = daemon.known().await;
        known.is_ok_and(|(all, starting)| all >= count(secrets) && starting == 0.0)
    })
    .await?;
    table.add(secrets, "restart, until all secrets were looked at", (known, "s"), on);
    daemon.kill().await;
    stage.sandbox.end().await;
    Ok(())
}

/// How many rotations and retirements are under way, as a scrape shows them.
async fn counted(daemon: &Daemon) -> f64 {
    let counted = daemon.metric("rekeyd_rotations_in_flight", "").await;
    counted.unwrap_or_default()
}

/// How many rotations and retirements are under way whose secret was looked at since the start.
async fn looked_at(daemon: &Daemon) -> usize {
    // Status of 10,000 secrets is some megabytes: asked for rarely enough to leave rekeyd its time.
    sleep(Duration::from_millis(200)).await;
    let under_way = |status: &&Value| {
        let phase = status["phase"].as_str().unwrap_or_default();
        let looked_at = !status["current_version"].is_null();
        ["rotating", "retiring", "needs_attention"].contains(&phase) && !status["step"].is_null() && looked_at
    };
    let all = statuses(daemon).await.unwrap_or_default();
    all.iter().filter(under_way).count()
}

async fn statuses(daemon: &Daemon) -> Option<Vec<Value>> {
    let text = daemon.get("/api/v1/secrets").await.ok()?;
    let mut reply: Value = serde_json::from_str(&text).ok()?;
    match reply["secrets"].take() {
        Value::Array(all) => Some(all),
        _ => None,
    }
}

async fn until(begin: Instant, done: impl AsyncFn() -> bool) -> Outcome<f64> {
    while !done().await {
        if begin.elapsed() > PATIENCE {
            return Err("the daemon does not come back".to_owned());
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(begin.elapsed().as_secs_f64())
}
