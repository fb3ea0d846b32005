//! The same on moto, which is slower.

use super::THREE;
use std::time::Duration;

use super::blows::{Blow, Blows};
use crate::support::dynamo::StandIn;
use crate::support::replicas::{Fleet, Watch, settings};
use crate::support::status::idle_and_retired;

#[tokio::test(flavor = "multi_thread")]
async fn replicas_on_moto_rotate_each_user_once_although_one_is_killed() {
    let mut blows = Blows::new();
    let mut fleet = Fleet::new(StandIn::moto().await, settings(), 3, &THREE).await;
    // It takes its time for each request, of which several fit into a lease.
    fleet.lease = Duration::from_secs(8);
    fleet.start_all().await;
    let watch = Watch::start(&fleet, 1, blows.seed);
    let asked = blows.replica_of(&fleet);
    fleet.rotate_all(asked).await;
    blows.deal(&mut fleet, asked, Blow::Kill).await;
    for replica in &fleet.replicas {
        fleet.wait_statuses(replica, "rotated", idle_and_retired).await;
    }
    watch.ends_with_each_rotated_once(&fleet).await;
    fleet.end().await;
}
