//! A table that fails, loses replies or hangs, at every call; and replicas that come, die and stand still in any order.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};

use super::super::trial::{FAULTS, Fault, LEASE, Trial};
use crate::store::shared::layout;

const MOMENT: Duration = Duration::from_secs(1);

/// Every call meets a lost reply, which says least; each other fault meets some.
fn apart(fault: Fault) -> usize {
    match fault {
        Fault::LostReply => 1,
        _ => 3,
    }
}

/// One replica holds everything, and one whose `call`th request meets this fault joins: it has its share all the same.
/// Returns how many calls it made.
async fn joins_although(call: u64, fault: Fault) -> u64 {
    let mut trial = Trial::new(6, 100 + call % 1_000).await;
    trial.join().await;
    trial.pass(LEASE / 2).await;
    let joined = trial.join_with("same", true, Some((call, fault))).await;
    trial.pass(LEASE + MOMENT * 4).await;
    assert!(trial.all_owned(), "{fault:?} at {call}: {:?}", trial.shares());
    let calls = trial.replica(joined).wire.calls();
    // Then it gives them up: the other one has them all.
    trial.kill(0);
    trial.pass(LEASE + MOMENT).await;
    assert_eq!(trial.replica(joined).owned(6), 6, "{fault:?} at {call}");
    calls
}

#[tokio::test(start_paused = true)]
async fn whichever_call_fails_the_secrets_have_one_owner_each() {
    let most = joins_although(u64::MAX, Fault::LostReply).await;
    assert!(most > 30, "{most}");
    for (number, fault) in FAULTS.into_iter().enumerate() {
        for call in (1..most).skip(number % 3).step_by(apart(fault)) {
            joins_although(call, fault).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whichever_call_of_the_one_that_hands_over_fails_the_secrets_have_one_owner_each() {
    for (number, fault) in FAULTS.into_iter().enumerate() {
        for call in (1..32).skip(number % 3).step_by(apart(fault)) {
            let mut trial = Trial::new(6, 300 + call).await;
            trial.join().await;
            trial.pass(MOMENT * 3).await;
            trial.join().await;
            let wire = &trial.replica(0).wire;
            let call = wire.calls() + call;
            *wire.at.lock().unwrap() = Some((call, fault));
            trial.pass(LEASE * 2).await;
            assert!(trial.all_owned(), "{fault:?} at {call}: {:?}", trial.shares());
            assert!(trial.replica(0).wire.calls() > call);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_beat_whose_reply_was_lost_counts_once_it_was_read() {
    let trial = Trial::of_three(9, 20).await;
    let session = trial.replica(0).presence.session();
    for fault in [
        Fault::LostReply,
        Fault::LostRequest,
        Fault::Late(MOMENT),
        Fault::Throttled,
    ] {
        *trial.replica(0).wire.next.lock().unwrap() = Some((layout::BEAT, fault));
        trial.pass(LEASE).await;
        assert!(trial.replica(0).wire.next.lock().unwrap().is_none());
        assert_eq!(trial.replica(0).presence.session(), session, "{fault:?}");
        trial.assert_shared();
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_cut_off_from_the_table_loses_its_leases_before_others_have_them() {
    for fault in FAULTS {
        let trial = Trial::of_three(30, 21).await;
        *trial.replica(0).wire.always.lock().unwrap() = Some(fault);
        // Where its writes arrive, its beat moves once more, and others see the sessions that it begins.
        let arrives = matches!(fault, Fault::LostReply | Fault::Late(_));
        let most = if arrives { LEASE * 3 } else { LEASE + MOMENT };
        trial.until(most, "taken over", Trial::all_owned_by_others).await;
        assert_eq!(trial.replica(0).owned(30), 0, "{fault:?}");
        trial.pass(LEASE).await;
        *trial.replica(0).wire.always.lock().unwrap() = None;
        trial.pass(LEASE * 2).await;
        trial.assert_shared();
        assert!(trial.shares()[&0] > 0, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_item_somebody_removed_is_over() {
    use crate::store::table::{Condition, Table};
    let trial = Trial::of_three(30, 22).await;
    let session = trial.replica(0).presence.session().unwrap();
    let key = layout::session(&session);
    trial.table.delete(&key, Condition::Has(Vec::new())).await.unwrap();
    // Not every owner knows at once. Nothing in rekeyd removes the item of a session that lives.
    tokio::time::sleep(MOMENT).await;
    assert_ne!(trial.replica(0).presence.session(), Some(session));
    trial.pass(LEASE * 2).await;
    trial.assert_shared();
}

/// Anything happens to the replicas for a while. Two lease times after the last of it all is well.
async fn anything_happens(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut trial = Trial::of_three(24, 1_000 + seed).await;
    let mut script = Vec::new();
    for _ in 0..random.random_range(3..10) {
        let one = trial.replicas.keys().copied().choose(&mut random);
        match (random.random_range(0..8), one) {
            (0 | 1, _) if trial.replicas.len() < 5 => {
                let one = trial.join().await;
                script.push(format!("{one} joins"));
            }
            (2, Some(one)) if trial.replicas.len() > 1 => {
                trial.kill(one);
                script.push(format!("{one} is killed"));
            }
            (3, Some(one)) => {
                trial.replica(one).stop();
                script.push(format!("{one} stops"));
            }
            (4, Some(one)) => {
                trial.replica(one).go_on();
                script.push(format!("{one} goes on"));
            }
            (5, Some(one)) => {
                let fault = FAULTS[random.random_range(0..FAULTS.len())];
                *trial.replica(one).wire.always.lock().unwrap() = Some(fault);
                script.push(format!("{one} meets {fault:?}"));
            }
            (6, Some(one)) => {
                *trial.replica(one).wire.always.lock().unwrap() = None;
                script.push(format!("{one} meets nothing"));
            }
            (_, Some(one)) => {
                let fault = FAULTS[random.random_range(0..FAULTS.len())];
                *trial.replica(one).wire.next.lock().unwrap() = Some((layout::BEAT, fault));
                script.push(format!("{one}'s beat meets {fault:?}"));
            }
            _ => {}
        }
        let span = Duration::from_millis(random.random_range(10..12_000));
        trial.pass(span).await;
        script.push(format!("after {span:?}"));
    }
    for replica in trial.replicas.values() {
        replica.go_on();
        *replica.wire.always.lock().unwrap() = None;
        *replica.wire.next.lock().unwrap() = None;
    }
    trial.pass(LEASE * 2).await;
    assert!(trial.all_owned(), "seed {seed}: {:?} after {script:?}", trial.shares());
}

#[tokio::test(start_paused = true)]
async fn whatever_happened_each_secret_has_one_owner_two_lease_times_later() {
    for seed in 0..30 {
        anything_happens(seed).await;
    }
}
