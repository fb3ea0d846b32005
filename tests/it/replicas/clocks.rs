//! Replicas whose clocks differ by twenty minutes.

use super::blows::{Blow, Blows};
use crate::support::Settings;
use crate::support::clocks::with_clock_off_by;
use crate::support::dynamo::StandIn;
use crate::support::replicas::{Fleet, Watch, settings};
use crate::support::status::idle_and_retired;

/// AWS takes a signature for a quarter of an hour.
const SIGNATURE_WINDOW_S: u64 = 15 * 60;

#[tokio::test(flavor = "multi_thread")]
async fn replicas_whose_clocks_are_ten_minutes_fast_and_slow_rotate_each_user_once_although_they_are_killed() {
    let mut blows = Blows::new();
    let settings = Settings {
        signature_window_s: SIGNATURE_WINDOW_S,
        ..settings()
    };
    let mut fleet = Fleet::new(StandIn::dynalite().await, settings, 30, &["right"]).await;
    for (name, off) in [("fast", "+10m"), ("slow", "-10m")] {
        let env = with_clock_off_by(off);
        let env: Vec<(&str, &str)> = env.iter().map(|(key, value)| (*key, value.as_str())).collect();
        fleet.add(name, &env).await;
    }
    // An overlap would be as long as the clock of whoever retires says.
    fleet.overlap = std::time::Duration::ZERO;
    fleet.start_all().await;
    let watch = Watch::start(&fleet, 3, blows.seed);
    let asked = blows.replica_of(&fleet);
    fleet.rotate_all(asked).await;
    for replica in blows.each_of(&fleet) {
        blows.deal(&mut fleet, replica, Blow::Kill).await;
        watch.nobody_was_locked_out();
    }
    for replica in &fleet.replicas {
        fleet.wait_statuses(replica, "rotated", idle_and_retired).await;
    }
    watch.ends_with_each_rotated_once(&fleet).await;
    fleet.end().await;
}
