//! `kill -9` with rotations in flight, and what the next start takes until all are queued again.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::daemon::{Configuration, Daemon};
use crate::rotating::Stage;
use crate::sandbox::Pace;
use crate::table::{Table, progress};

const PATIENCE: Duration = Duration::from_secs(120);

/// One size; up to 1,000 of its secrets are in flight.
pub(crate) async fn measure(size: usize, table: &mut Table) -> Outcome<()> {
    let stage = Stage::build(size, Pace::LikeAws, true).await?;
    let daemon = stage.daemon(&Configuration::default()).await?;
    daemon.rotate_first_place().await?;
    let wanted = stage.fleet.secrets_of_place;
    let waited = stage
        .store
        .wait("all are in flight", PATIENCE, |store| Ok(store.in_flight()? >= wanted))
        .await;
    if let Err(late) = waited {
        progress(&late);
    }
    daemon.kill().await;
    let in_flight = stage.store.in_flight()?;
    let begin = Instant::now();
    let daemon = Daemon::start(stage.files.path())?;
    let ready = until(begin, async || daemon.ready().await).await?;
    let queued = until(begin, async || shown(&daemon, in_flight).await).await?;
    let secrets = stage.fleet.secrets();
    let on = format!("from exec; {in_flight} were in flight");
    table.add(secrets, "restart, until /readyz says ready", (ready, "s"), &*on);
    table.add_bound(
        secrets,
        "restart, until all are queued and ready",
        (ready.max(queued), "s"),
        1.0,
        format!("{on}; queued: status shows them all under way"),
    );
    let known = until(begin, async || {
        statuses(&daemon).await.is_some_and(|all| all.len() >= secrets)
    })
    .await?;
    table.add(secrets, "restart, until all secrets are known", (known, "s"), on);
    daemon.kill().await;
    stage.sandbox.end().await;
    Ok(())
}

/// Whether status shows as many rotations and retirements under way as there were.
async fn shown(daemon: &Daemon, in_flight: usize) -> bool {
    let under_way = |status: &&Value| {
        let phase = status["phase"].as_str().unwrap_or_default();
        ["rotating", "retiring", "overlap", "needs_attention"].contains(&phase) && !status["step"].is_null()
    };
    let all = statuses(daemon).await.unwrap_or_default();
    all.iter().filter(under_way).count() >= in_flight
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
