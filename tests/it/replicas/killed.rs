//! Replicas that are killed, cut off and stopped while they rotate every user once.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::blows::{Blow, Blows};
use crate::support::dynamo::StandIn;
use crate::support::replicas::{Fleet, Watch, settings};
use crate::support::report::report;
use crate::support::status::idle_and_retired;

const THREE: [&str; 3] = ["one", "two", "three"];

/// Calls of all replicas to the sandbox so far.
fn calls(fleet: &Fleet) -> BTreeMap<String, u64> {
    fleet.world.calls()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_are_killed_cut_off_and_woken_rotate_each_of_300_users_once_and_lock_nobody_out() {
    let mut blows = Blows::new();
    let mut fleet = Fleet::new(StandIn::dynalite().await, settings(), 300, &THREE).await;
    let began = Instant::now();
    fleet.start_all().await;
    let started = began.elapsed();
    let before: u64 = calls(&fleet).values().sum();
    let watch = Watch::start(&fleet, 12, blows.seed);
    let asked = blows.replica_of(&fleet);
    fleet.rotate_all(asked).await;
    let mut plan = vec![Blow::Kill; 4];
    plan.extend([Blow::Cut, Blow::Silent, Blow::Stop, Blow::RepliesLost]);
    for blow in blows.shuffled(plan) {
        let replica = blows.replica_of(&fleet);
        blows.deal(&mut fleet, replica, blow).await;
        watch.nobody_was_locked_out();
        println!("{} promotions after {:?}", watch.promotions(), began.elapsed());
    }
    for replica in &fleet.replicas {
        fleet.wait_statuses(replica, "rotated", idle_and_retired).await;
    }
    let took = began.elapsed() - started;
    let made: u64 = calls(&fleet).values().sum::<u64>() - before;
    let accepted = watch.accepted();
    watch.ends_with_each_rotated_once(&fleet).await;
    fleet.end().await;
    report(&format!(
        "replicas: 300 users rotated once each by three replicas in {:.0} s with {}; {made} AWS calls, {accepted} logins, nobody refused",
        took.as_secs_f64(),
        blows.told()
    ));
}
