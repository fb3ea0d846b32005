//! Replicas that join, and that end in good order.

use std::time::Duration;

use tokio::time::Instant;

use super::three;
use crate::support::report::report;

/// Longer than anything here takes that does not wait for a lease to end.
const LEASE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_joins_gets_its_share_within_a_lease_time_and_one_that_ends_hands_everything_over_at_once() {
    let mut fleet = three(30).await;
    fleet.lease = LEASE;
    for replica in [0, 1] {
        fleet.start(replica);
        fleet.ready(replica).await;
    }
    fleet.shared_out().await;

    let begun = Instant::now();
    fleet.start(2);
    fleet.shared_out().await;
    let joined = begun.elapsed();
    assert!(joined < LEASE, "{joined:?}");
    fleet.ready(2).await;

    let leaving = fleet.replicas[0].take();
    let pid = u64::from(leaving.pid());
    let held = fleet.ledger.leases().await.expect("the table answers").of(pid);
    assert!(!held.is_empty());
    let begun = Instant::now();
    assert_eq!(leaving.end("-TERM").await, Some(0));
    let ended = begun.elapsed();
    let over = fleet.ledger.taken_over(held, pid, begun).await;
    assert!(over.took < LEASE / 2, "{over:?}, although leases last {LEASE:?}");
    report(&format!(
        "replicas: with leases of {} s a third got its share of {} in {:.1} s; the {} of one that was told to end were in \
         other hands after {:.1} s, and it had ended after {:.1} s",
        LEASE.as_secs(),
        fleet.users.len(),
        joined.as_secs_f64(),
        over.secrets,
        over.took.as_secs_f64(),
        ended.as_secs_f64(),
    ));
    fleet.end().await;
}
