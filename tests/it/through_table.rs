//! Commands that reach a replica through its table alone, given by the real binary.

use serde_json::Value;

use crate::support::cli::{Ended, orders};
use crate::support::daemon::Setup;
use crate::support::dynamo::{StandIn, create_table};
use crate::support::world::{World, document_with, secret_name};
use crate::support::{OLD, eventually};

/// A set-up whose records are in the table `rekeyd` at this URL.
fn on_table<'a>(world: &'a World, url: &str) -> Setup<'a> {
    orders(world, &["user1"])
        .place_key("dynamodb_endpoint_url", &format!("{url:?}"))
        .env("REKEYD__DAEMON__STATE", "\"dynamodb:rekeyd\"")
        .env("REKEYD__DAEMON__LEASE", "\"3s\"")
}

async fn through_table(world: &World, url: &str, args: &[&str]) -> Ended {
    let args = [args, &["--through-table"]].concat();
    on_table(world, url).cli(&args).await
}

#[tokio::test]
async fn a_replica_is_looked_at_and_commanded_through_its_table_and_the_table_speaks_when_it_is_gone() {
    let stand_in = StandIn::dynalite().await;
    let url = stand_in.url();
    create_table(url, "rekeyd", &["pk", "sk"]).await;
    let world = World::of(&["user1"]).await;
    let secret = secret_name("user1");
    world.create_secret(&secret, &document_with("user1", OLD)).await;
    let first = world.holder(&secret, "AWSCURRENT").await;

    // No replica: nobody is left to carry it out later.
    let nobody = on_table(&world, url).cli(&["rotate", "--all"]).await.with(12);
    assert!(
        nobody.stderr.contains("was withdrawn and will not be carried out"),
        "{}",
        nobody.stderr
    );

    let daemon = on_table(&world, url).run().await;
    daemon.wait(&secret, "looked at", |status| status.proof.is_some()).await;
    assert_eq!(world.holder(&secret, "AWSCURRENT").await, first);
    let status = through_table(&world, url, &["status", "--json"]).await.with(0).json();
    assert_eq!(status["from"], "daemon");
    assert_eq!(status["replicas"].as_array().map(Vec::len), Some(1));
    assert_eq!(status["replicas"][0]["answers"], true);
    assert_eq!(status["replicas"][0]["same_configuration"], true);

    let rotated = through_table(&world, url, &["rotate", &secret, "--now", "--wait", "--json"])
        .await
        .with(0)
        .json();
    assert_eq!(rotated["secrets"][0]["result"], "done");
    let second = world.holder(&secret, "AWSCURRENT").await;
    assert_ne!(second, first);
    through_table(&world, url, &["pause", "none"]).await.with(13);
    through_table(&world, url, &["log-level", "debug"]).await.with(13);
    let reloaded = through_table(&world, url, &["reload", "--json"]).await.with(0).json();
    assert_eq!(reloaded["replicas"], Value::Array(Vec::new()));
    let audited = eventually("the audit log names who asked", async || {
        let log = daemon.log_text();
        let line = log
            .lines()
            .find(|line| line.contains("claimed_by") && line.contains("rekeyd::audit"));
        line.map(str::to_owned).ok_or(log.clone())
    })
    .await;
    assert!(audited.contains('@'), "{audited}");

    daemon.kill().await;
    let stored = through_table(&world, url, &["status", "--json"]).await.with(12).json();
    assert_eq!(
        (&stored["from"], &stored["store"]),
        (&"store".into(), &"dynamodb:rekeyd".into())
    );
    assert_eq!(stored["secrets"][0]["secret"], secret.as_str());
    let history = through_table(&world, url, &["history", &secret, "--json"])
        .await
        .with(12)
        .json();
    assert_eq!(history["rotations"][0]["result"], "promoted", "{history}");
}
