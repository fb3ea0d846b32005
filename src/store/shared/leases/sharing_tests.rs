//! Who gets which secrets: joining, dying, standing still, leaving, handing over.

use std::time::Duration;

use super::super::trial::{LEASE, Trial, arn};
use crate::store::ownership::Ownership;
use crate::store::shared::layout;

const MOMENT: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn three_replicas_whose_clocks_differ_share_the_secrets_evenly() {
    let trial = Trial::of_three(90, 1).await;
    let leases: usize = trial.replicas.values().map(|one| one.leases.leases().unwrap()).sum();
    assert_eq!(leases, 90);
    let replicas = trial.replica(0).leases.replicas();
    assert_eq!(replicas.iter().filter(|one| one.alive).count(), 3);
    assert_eq!(replicas.iter().filter(|one| one.is_self).count(), 1);
    assert_eq!(trial.replica(0).shown("replicas"), "3");
}

#[tokio::test(start_paused = true)]
async fn the_parts_of_all_work_are_as_the_shares_and_make_up_the_whole() {
    let mut trial = Trial::of_three(90, 5).await;
    trial.pass(LEASE).await;
    let mut whole = 0.0;
    for (number, share) in trial.shares() {
        let part = trial.replica(number).leases.part();
        // A quarter of the 90, and one for each, are counted as held by all alike.
        assert!(
            (part - (share as f64 + 8.5) / 115.5).abs() < 1e-9,
            "{part} with {share}"
        );
        whole += part;
    }
    assert!((whole - 1.0).abs() < 1e-9, "{whole}");
    trial.kill(2);
    trial.kill(1);
    trial.pass(LEASE * 2).await;
    assert_eq!(trial.replica(0).leases.part(), 1.0);
}

#[tokio::test(start_paused = true)]
async fn one_that_holds_nothing_has_a_part_as_well() {
    let mut trial = Trial::of_three(90, 6).await;
    let other = trial.join_with("other", true, None).await;
    trial.pass(LEASE).await;
    assert_eq!(trial.shares()[&other], 0);
    assert!(trial.replica(other).leases.part() > 0.04);
}

#[tokio::test(start_paused = true)]
async fn a_share_does_not_move_while_no_replica_comes_or_goes() {
    let trial = Trial::of_three(30, 2).await;
    let fence = |item: crate::store::table::Item| item.number(layout::FENCE);
    let before = fence(trial.item(3).await);
    trial.pass(LEASE * 20).await;
    assert_eq!(fence(trial.item(3).await), before);
    trial.assert_shared();
}

#[tokio::test(start_paused = true)]
async fn one_that_joins_has_its_share_within_a_lease_time() {
    let mut trial = Trial::of_three(120, 3).await;
    let joined = trial.join().await;
    let took = trial
        .until(LEASE, "a share", |trial| {
            trial.shares()[&joined] > 15 && trial.all_owned()
        })
        .await;
    println!("a joiner had its share after {took:?}");
    trial.pass(LEASE).await;
    trial.assert_shared();
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_one_held_is_taken_over_within_a_lease_time_and_a_second() {
    for seed in 0..10 {
        let mut trial = Trial::new(100, 40 + seed).await;
        trial.join().await;
        trial.pass(LEASE * 2).await;
        assert_eq!(trial.replica(0).owned(100), 100);
        // Of another configuration, so that all hundred stay the other's.
        trial.join_with("other", true, None).await;
        trial.pass(LEASE + Duration::from_millis(97 * seed)).await;
        assert_eq!(trial.replica(0).owned(100), 100);
        trial.kill(0);
        let took = trial.until(LEASE + MOMENT, "taken over", Trial::all_owned).await;
        println!("seed {seed}: 100 secrets taken over after {took:?}");
        assert_eq!(trial.replica(1).shown("lease_takeovers_total"), "100");
    }
}

#[tokio::test(start_paused = true)]
async fn two_that_are_left_take_over_what_the_third_held() {
    let mut trial = Trial::of_three(100, 5).await;
    trial.kill(1);
    let took = trial.until(LEASE + MOMENT, "taken over", Trial::all_owned).await;
    assert!(took > LEASE / 2, "{took:?}");
    trial.pass(LEASE * 15).await;
    trial.assert_shared();
    // Nobody needs its item any more.
    assert_eq!(trial.replica(0).leases.replicas().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_stood_still_owns_nothing_when_it_wakes() {
    let trial = Trial::of_three(60, 6).await;
    let before = trial.replica(0).presence.session();
    trial.replica(0).stop();
    trial.pass(LEASE).await;
    // By its clock, although nothing of it ran since.
    assert_eq!(trial.replica(0).owned(60), 0);
    assert!(!trial.replica(0).leases.drive_begins(&arn(0)));
    assert_eq!(trial.replica(0).leases.leases(), Some(0));
    trial.until(MOMENT, "taken over", Trial::all_owned).await;
    trial.pass(LEASE).await;
    trial.replica(0).go_on();
    trial.pass(MOMENT / 2).await;
    let after = trial.replica(0).presence.session();
    assert!(after.is_some() && after != before, "{before:?} {after:?}");
    assert_ne!(trial.replica(0).shown("lease_losses_total"), "0");
    trial.pass(LEASE * 2).await;
    trial.assert_shared();
}

#[tokio::test(start_paused = true)]
async fn one_that_stood_still_for_less_than_a_lease_time_goes_on() {
    let trial = Trial::of_three(30, 7).await;
    let (session, shares) = (trial.replica(2).presence.session(), trial.shares());
    trial.replica(2).stop();
    trial.pass(LEASE / 2).await;
    trial.replica(2).go_on();
    trial.pass(LEASE * 3).await;
    assert_eq!(trial.replica(2).presence.session(), session);
    assert_eq!(trial.shares(), shares);
}

#[tokio::test(start_paused = true)]
async fn one_that_gives_up_is_followed_at_once() {
    let mut trial = Trial::of_three(60, 8).await;
    let leaves = trial.replica(1).leases.clone();
    leaves.give_up().await;
    assert_eq!(trial.replica(1).owned(60), 0);
    let took = trial.until(MOMENT * 2, "taken over", Trial::all_owned).await;
    println!("what was given up was taken after {took:?}");
    trial.pass(LEASE * 2).await;
    assert_eq!(trial.replica(1).owned(60), 0);
    assert_eq!(trial.replica(0).leases.replicas().len(), 2);
    trial.kill(1);
    trial.assert_shared();
}

#[tokio::test(start_paused = true)]
async fn handing_over_waits_for_a_drive() {
    let mut trial = Trial::new(40, 9).await;
    trial.join().await;
    trial.pass(LEASE).await;
    let first = trial.replica(0).leases.clone();
    (0..40).for_each(|number| assert!(first.drive_begins(&arn(number))));
    trial.join().await;
    trial.pass(LEASE * 3).await;
    assert_eq!(trial.shares()[&0], 40);
    (0..40).for_each(|number| first.drive_ends(&arn(number)));
    let took = trial
        .until(MOMENT * 2, "handed over", |trial| trial.shares()[&1] > 10)
        .await;
    println!("handed over {took:?} after the drive");
    trial.pass(LEASE).await;
    trial.assert_shared();
}

#[tokio::test(start_paused = true)]
async fn replicas_of_different_configurations_leave_each_other_what_they_hold() {
    let mut trial = Trial::new(40, 10).await;
    trial.join_with("one", true, None).await;
    trial.pass(LEASE).await;
    trial.join_with("other", true, None).await;
    trial.pass(LEASE * 3).await;
    assert_eq!(trial.shares()[&0], 40);
    // The first one reloads, and works by the same from now on.
    trial.replica(0).leases.works_by("other");
    trial.pass(LEASE).await;
    trial.assert_shared();
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_does_not_know_a_secret_is_passed_over() {
    let mut trial = Trial::new(20, 11).await;
    trial.join().await;
    trial.join_with("same", false, None).await;
    trial.until(LEASE * 4, "all owned", Trial::all_owned).await;
    trial.pass(LEASE).await;
    assert_eq!(trial.shares()[&0], 20);
    trial.pass(LEASE * 5).await;
    assert_eq!(trial.shares()[&0], 20);
    // It finds them, and says so.
    (0..20).for_each(|number| trial.replica(1).leases.wants(&arn(number)));
    trial.pass(LEASE * 3).await;
    trial.assert_shared();
}

#[tokio::test(start_paused = true)]
async fn what_nobody_wants_any_more_is_released() {
    let trial = Trial::of_three(9, 12).await;
    trial.replicas.values().for_each(|one| one.leases.renounces(&arn(4)));
    assert!(trial.owners(4).is_empty());
    trial.pass(MOMENT).await;
    assert_eq!(trial.item(4).await.text(layout::HOLDER), None);
    trial.replica(1).leases.wants(&arn(4));
    trial.until(LEASE, "owned", |trial| trial.owners(4) == [1]).await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_owned_soon_after_its_record_was_made() {
    let mut trial = Trial::new(0, 13).await;
    trial.join().await;
    trial.join().await;
    trial.pass(LEASE).await;
    trial.secrets = 1;
    trial.replicas.values().for_each(|one| one.leases.wants(&arn(0)));
    trial.pass(Duration::from_millis(200)).await;
    super::super::trial::put(&trial.table, 0).await;
    trial.until(MOMENT * 3, "owned", Trial::all_owned).await;
}
