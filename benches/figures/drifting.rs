//! What a check for drift costs: a look at the secret and the user, and a login on its node.

use std::time::Duration;

use tokio::time::sleep;

use crate::Outcome;
use crate::daemon::Configuration;
use crate::rotating::{Stage, count};
use crate::sandbox::Pace;
use crate::table::Table;

/// The interval that is measured, and the one that figures are about, in seconds.
const INTERVAL: (&str, u64) = ("1m", 60);

/// Processor time of one check of one secret.
pub(crate) async fn measure(size: usize, table: &mut Table) -> Outcome<()> {
    if size > 1_000 {
        return Err("10,000 users on real nodes are more than this machine should run".to_owned());
    }
    let stage = Stage::build(size, Pace::Quick, true).await?;
    let still = stage.daemon(&Configuration::default()).await?;
    let idle = still.idle(10).await?;
    still.kill().await;
    let keys = Configuration {
        drift_check: INTERVAL.0,
        ..Configuration::default()
    };
    let daemon = stage.daemon(&keys).await?;
    // The first round is spread differently.
    sleep(Duration::from_secs(INTERVAL.1)).await;
    let (cpu, logins) = (
        daemon.process.cpu()?,
        daemon.metric("rekeyd_login_probes_total", "").await?,
    );
    let calls = stage.sandbox.calls().await?;
    sleep(Duration::from_secs(INTERVAL.1)).await;
    let used = (daemon.process.cpu()? - cpu).as_secs_f64() - idle * count(usize::try_from(INTERVAL.1).unwrap_or(0));
    let checks = daemon.metric("rekeyd_login_probes_total", "").await? - logins;
    let calls_after = stage.sandbox.calls().await?;
    let made: u64 = calls_after.values().sum::<u64>() - calls.values().sum::<u64>();
    let secrets = stage.fleet.secrets();
    let on = format!("{checks:.0} logins on real nodes in {} s", INTERVAL.1);
    table.add(
        secrets,
        "processor time a drift check",
        (used.max(0.0) * 1_000.0 / checks, "ms"),
        &*on,
    );
    let made = f64::from(u32::try_from(made).unwrap_or(u32::MAX));
    table.add(secrets, "AWS calls a drift check", (made / checks, "calls"), on);
    daemon.kill().await;
    stage.sandbox.end().await;
    Ok(())
}
