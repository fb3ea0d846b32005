//! Replicas that are killed, cut off and stopped while they rotate every user once.

use std::time::Duration;

use tokio::time::Instant;

use super::blows::{Blow, Blows};
use super::three;
use crate::support::environment::number;
use crate::support::replicas::Watch;
use crate::support::report::report;
use crate::support::status::idle_and_retired;

/// How many users there are unless `REKEYD_USERS` says otherwise.
const USERS: usize = 120;

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_are_killed_cut_off_and_woken_rotate_each_user_once_and_lock_nobody_out() {
    let mut blows = Blows::new();
    let mut fleet = three(number("REKEYD_USERS").unwrap_or(USERS)).await;
    // A request may take a sixth of it, and the server of the table is no more than one process.
    fleet.lease = Duration::from_secs(6);
    fleet.start_all().await;
    let began = Instant::now();
    let before: u64 = fleet.world.calls().values().sum();
    let watch = Watch::start(&fleet, 25, blows.seed);
    let asked = blows.replica_of(&fleet);
    fleet.rotate_all(asked).await;
    let cut_off = blows.one_of([Blow::Cut, Blow::Silent]);
    let plan = vec![Blow::Kill, Blow::Kill, cut_off, Blow::Stop, Blow::RepliesLost];
    blows.busy = true;
    for blow in blows.shuffled(plan) {
        let replica = blows.replica_of(&fleet);
        blows.deal(&mut fleet, replica, blow).await;
        watch.nobody_was_locked_out();
        println!("{} promotions after {:?}", watch.promotions(), began.elapsed());
    }
    for replica in &fleet.replicas {
        fleet.wait_statuses(replica, "rotated", idle_and_retired).await;
    }
    let took = began.elapsed();
    fleet.shared_out().await;
    blows.busy = false;
    let replica = blows.replica_of(&fleet);
    blows.deal(&mut fleet, replica, Blow::Kill).await;
    let made: u64 = fleet.world.calls().values().sum::<u64>() - before;
    let accepted = watch.accepted();
    watch.ends_with_each_rotated_once(&fleet).await;
    fleet.end().await;
    report(&format!(
        "replicas: {} users rotated once each by three in {:.0} s, {}; {made} AWS calls, {accepted} logins",
        fleet.users.len(),
        took.as_secs_f64(),
        blows.told()
    ));
}
