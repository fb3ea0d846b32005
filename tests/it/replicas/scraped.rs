//! What scrapes of all replicas say together.

use std::collections::{BTreeMap, BTreeSet};

use super::three;
use crate::support::eventually;
use crate::support::replicas::{Fleet, Replica};
use crate::support::status::idle_and_retired;

/// The series of one scrape whose names begin like that, with their values.
async fn series(replica: &Replica, prefix: &str) -> BTreeMap<String, String> {
    let text = replica.daemon().get("/metrics").await.body;
    let lines = text.lines().filter(|line| line.starts_with(prefix));
    let lines = lines.filter_map(|line| line.rsplit_once(' '));
    lines
        .map(|(series, value)| (series.to_owned(), value.to_owned()))
        .collect()
}

/// The secrets that a scrape has series of.
async fn secrets(replica: &Replica) -> BTreeSet<String> {
    let series = series(replica, "rekeyd_secret_last_rotation_timestamp_seconds{").await;
    let name = |series: String| series.split("secret=\"").nth(1)?.split('"').next().map(str::to_owned);
    series.into_keys().filter_map(name).collect()
}

/// Whether every secret's own series come from exactly one replica, and every replica has some.
async fn each_from_one(fleet: &Fleet) -> Result<(), String> {
    let mut all = Vec::new();
    for replica in &fleet.replicas {
        all.push(secrets(replica).await);
    }
    let shown: usize = all.iter().map(BTreeSet::len).sum();
    let union: BTreeSet<&String> = all.iter().flatten().collect();
    match shown == fleet.users.len() && union.len() == shown && all.iter().all(|some| !some.is_empty()) {
        true => Ok(()),
        false => Err(format!("{all:?}")),
    }
}

/// Whether all replicas show the same gauges of policies and of their secrets.
async fn policies_agree(fleet: &Fleet) -> Result<(), String> {
    for prefix in ["rekeyd_policy_", "rekeyd_secrets{"] {
        let first = series(&fleet.replicas[0], prefix).await;
        assert!(!first.is_empty(), "{prefix}");
        for replica in &fleet.replicas[1..] {
            let other = series(replica, prefix).await;
            if first != other {
                return Err(format!(
                    "{}: {other:#?}\n{}: {first:#?}",
                    replica.name, fleet.replicas[0].name
                ));
            }
        }
    }
    Ok(())
}

/// The sum of a series over all replicas.
async fn sum(fleet: &Fleet, wanted: &str) -> f64 {
    let mut sum = 0.0;
    for replica in &fleet.replicas {
        let found = series(replica, wanted).await;
        sum += found.values().map(|value| value.parse::<f64>().unwrap()).sum::<f64>();
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn scrapes_of_all_replicas_show_each_secret_once_the_same_policies_and_each_rotation_once() {
    let mut fleet = three(24).await;
    fleet.start_all().await;
    eventually("each secret is shown once", || each_from_one(&fleet)).await;
    eventually("the policies agree", || policies_agree(&fleet)).await;
    let promoted = "rekeyd_rotations_total{outcome=\"promoted\"";
    assert!(sum(&fleet, promoted).await.abs() < f64::EPSILON);
    fleet.rotate_all(1).await;
    for replica in &fleet.replicas {
        fleet.wait_statuses(replica, "rotated", idle_and_retired).await;
    }
    eventually("each secret is shown once", || each_from_one(&fleet)).await;
    eventually("the policies agree", || policies_agree(&fleet)).await;
    let promoted = sum(&fleet, promoted).await;
    assert!((promoted - 24.0).abs() < f64::EPSILON, "{promoted} rotations of 24");
    fleet.end().await;
}
