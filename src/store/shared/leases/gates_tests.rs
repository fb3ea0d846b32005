//! Gates.

use std::time::Duration;

use super::super::trial::{Fault, LEASE, Trial, arn};
use crate::store::ownership::{Gate, Ownership};
use crate::store::shared::layout;
use crate::store::table::{Change, Condition, Table};

const MOMENT: Duration = Duration::from_secs(1);

/// The secrets that passed before, if the gate was passed.
async fn pass(trial: &Trial, replica: usize, secret: usize) -> Option<Vec<String>> {
    match trial
        .replica(replica)
        .leases
        .pass("canary", &arn(secret))
        .await
        .unwrap()
    {
        Gate::Taken => None,
        Gate::Passed(before) => Some(before.into_iter().map(|news| news.record.secret_arn).collect()),
    }
}

#[tokio::test(start_paused = true)]
async fn one_secret_at_a_time_is_in_a_gate() {
    let trial = Trial::of_three(12, 30).await;
    assert_eq!(pass(&trial, 0, 0).await, Some(vec![]));
    assert_eq!(pass(&trial, 1, 1).await, None);
    assert_eq!(pass(&trial, 0, 2).await, None);
    assert_eq!(pass(&trial, 0, 0).await, Some(vec![]));
    trial.pass(LEASE * 3).await;
    assert_eq!(pass(&trial, 2, 1).await, None);
    // Who is not in it cannot leave it.
    trial.replica(0).leases.leave("canary", &arn(2)).await;
    trial.replica(1).leases.leave("canary", &arn(0)).await;
    assert_eq!(pass(&trial, 1, 1).await, None);
    trial.replica(0).leases.leave("canary", &arn(0)).await;
    assert_eq!(pass(&trial, 1, 1).await, Some(vec![arn(0)]));
    assert_eq!(pass(&trial, 0, 0).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_last_eight_that_passed_are_known_as_they_are_now() {
    let trial = Trial::of_three(12, 31).await;
    for secret in 0..11 {
        let before = pass(&trial, secret % 3, secret).await.unwrap();
        let wanted: Vec<String> = (secret.saturating_sub(8)..secret).map(arn).collect();
        assert_eq!(before, wanted);
        trial.replica(secret % 3).leases.leave("canary", &arn(secret)).await;
    }
    let change = Change::new().set(layout::REVISION, 7).set(layout::SIGHT, "seen");
    let key = layout::record(&arn(10));
    trial
        .table
        .write(&key, change, Condition::is(layout::REVISION, 1))
        .await
        .unwrap();
    let Gate::Passed(before) = trial.replica(0).leases.pass("canary", &arn(0)).await.unwrap() else {
        panic!("taken");
    };
    let last = before.last().unwrap();
    assert_eq!((last.record.revision, last.sight.as_deref()), (7, Some("seen")));
}

#[tokio::test(start_paused = true)]
async fn of_many_that_come_at_once_one_passes() {
    let trial = Trial::of_three(12, 32).await;
    let (zero, one, two) = tokio::join!(pass(&trial, 0, 0), pass(&trial, 1, 1), pass(&trial, 2, 2));
    let passed = [zero, one, two].iter().flatten().count();
    assert_eq!(passed, 1);
}

#[tokio::test(start_paused = true)]
async fn who_died_in_a_gate_does_not_block_it() {
    let mut trial = Trial::of_three(12, 33).await;
    pass(&trial, 0, 0).await.unwrap();
    trial.kill(0);
    trial.pass(LEASE / 2).await;
    assert_eq!(pass(&trial, 1, 1).await, None);
    trial.pass(LEASE / 2 + MOMENT).await;
    assert_eq!(pass(&trial, 1, 1).await, Some(vec![arn(0)]));
    trial.replica(1).leases.give_up().await;
    assert_eq!(pass(&trial, 2, 2).await, Some(vec![arn(0), arn(1)]));
    assert_eq!(pass(&trial, 1, 1).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_gate_that_was_passed_late_or_left_in_vain_is_free_again_soon() {
    let trial = Trial::of_three(12, 34).await;
    *trial.replica(0).wire.always.lock().unwrap() = Some(Fault::Late(MOMENT));
    let passing = trial.replica(0).leases.pass("canary", &arn(0)).await;
    assert!(passing.is_err());
    *trial.replica(0).wire.always.lock().unwrap() = None;
    trial.pass(MOMENT * 2).await;
    pass(&trial, 1, 1).await.unwrap();
    *trial.replica(1).wire.always.lock().unwrap() = Some(Fault::LostRequest);
    trial.replica(1).leases.leave("canary", &arn(1)).await;
    *trial.replica(1).wire.always.lock().unwrap() = None;
    trial.pass(MOMENT).await;
    assert_eq!(pass(&trial, 2, 2).await, Some(vec![arn(1)]));
}

#[tokio::test(start_paused = true)]
async fn a_gate_whose_reply_was_lost_was_passed() {
    let trial = Trial::of_three(12, 35).await;
    *trial.replica(0).wire.next.lock().unwrap() = Some((layout::PASSED, Fault::LostReply));
    pass(&trial, 0, 0).await.unwrap();
    trial.pass(MOMENT * 2).await;
    assert_eq!(pass(&trial, 1, 1).await, None);
}
