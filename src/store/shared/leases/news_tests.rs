//! What replicas are told of each other's secrets.

use std::time::Duration;

use super::super::trial::{Fault, LEASE, Trial, arn};
use crate::store::ownership::Ownership;
use crate::store::shared::layout;
use crate::store::table::{Change, Condition, Table, Value};

const MOMENT: Duration = Duration::from_secs(1);

/// A replica saves a record, as the store does.
async fn save(trial: &Trial, replica: usize, secret: usize, revision: u64) {
    let change = Change::new().set(layout::REVISION, revision);
    let on = Condition::is(layout::REVISION, revision - 1);
    let key = layout::record(&arn(secret));
    trial.table.write(&key, change, on).await.unwrap();
    trial.replica(replica).presence.note(&arn(secret));
}

fn forget_news(trial: &Trial) {
    trial.replicas.values().for_each(|one| one.news.lock().unwrap().clear());
}

#[tokio::test(start_paused = true)]
async fn what_one_writes_the_others_are_told_within_a_second_and_a_half() {
    let trial = Trial::of_three(12, 50).await;
    forget_news(&trial);
    save(&trial, 0, 3, 2).await;
    trial.pass(MOMENT * 3 / 2).await;
    for other in [1, 2] {
        let news = trial.replica(other).told_of(3);
        assert_eq!(news.len(), 1);
        assert_eq!((news[0].record.revision, news[0].nudged), (2, false));
    }
    assert!(trial.replica(0).told_of(3).is_empty());
}

#[tokio::test(start_paused = true)]
async fn whoever_misses_more_than_is_told_reads_everything_again() {
    let trial = Trial::of_three(300, 51).await;
    forget_news(&trial);
    for secret in 0..300 {
        save(&trial, 0, secret, 2).await;
    }
    trial.pass(MOMENT * 2).await;
    for secret in 0..300 {
        assert_eq!(trial.replica(1).told_of(secret).len(), 1, "s{secret}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_told_of_is_found_within_five_minutes() {
    let trial = Trial::of_three(12, 52).await;
    forget_news(&trial);
    let change = Change::new().set(layout::REVISION, 2);
    let on = Condition::is(layout::REVISION, 1);
    trial.table.write(&layout::record(&arn(5)), change, on).await.unwrap();
    trial.pass(Duration::from_secs(310)).await;
    for replica in trial.replicas.values() {
        assert_eq!(replica.told_of(5).len(), 1);
        assert_eq!(replica.news.lock().unwrap().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_owner_shows_the_others_see() {
    let trial = Trial::of_three(12, 53).await;
    let secret = arn(7);
    let owner = trial.owners(7)[0];
    let other = (owner + 1) % 3;
    let show = async |replica: usize, sight: &str| trial.replica(replica).leases.show(&secret, sight).await;
    let shown = async || trial.item(7).await.text(layout::SIGHT).map(str::to_owned);
    forget_news(&trial);
    show(owner, "{\"nodes\":3}").await.unwrap();
    trial.pass(MOMENT * 3 / 2).await;
    let news = trial.replica(other).told_of(7);
    assert_eq!(news.len(), 1);
    assert_eq!(
        (news[0].sight.as_deref(), news[0].nudged),
        (Some("{\"nodes\":3}"), false)
    );
    // The same again is no write, and who does not own it shows nothing.
    let calls = trial.replica(owner).wire.calls();
    show(owner, "{\"nodes\":3}").await.unwrap();
    assert_eq!(trial.replica(owner).wire.calls(), calls);
    show(other, "mine").await.unwrap();
    assert_eq!(shown().await.as_deref(), Some("{\"nodes\":3}"));
    // What could not be written is written when it is shown again.
    *trial.replica(owner).wire.always.lock().unwrap() = Some(Fault::Throttled);
    assert!(show(owner, "new").await.is_err());
    *trial.replica(owner).wire.always.lock().unwrap() = None;
    show(owner, "new").await.unwrap();
    assert_eq!(shown().await.as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn the_owner_is_nudged_from_anywhere() {
    let trial = Trial::of_three(12, 54).await;
    let owner = trial.owners(2)[0];
    forget_news(&trial);
    trial.replica((owner + 2) % 3).leases.nudge(&arn(2));
    trial.pass(MOMENT * 3 / 2).await;
    let news = trial.replica(owner).told_of(2);
    assert_eq!(news.len(), 1);
    assert!(news[0].nudged);
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_owned_only_after_its_news_were_given() {
    let mut trial = Trial::new(12, 55).await;
    trial.join().await;
    trial.pass(LEASE).await;
    for secret in 0..12 {
        assert_eq!(trial.owners(secret), [0]);
        assert!(!trial.replica(0).told_of(secret).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_fleet_tells_of_nothing_old() {
    let trial = Trial::of_three(60, 56).await;
    trial.pass(LEASE * 4).await;
    for replica in trial.replicas.values() {
        let key = layout::session(&replica.presence.session().unwrap());
        let item = trial.table.get(&key).await.unwrap().unwrap();
        assert!(item.text(layout::CHANGES).unwrap().len() < 200, "{item:?}");
        assert_eq!(
            item.number(layout::LEASES),
            replica.leases.leases().map(|leases| leases as u64)
        );
    }
    let before: u64 = trial.replicas.values().map(|one| one.wire.calls()).sum();
    trial.pass(Duration::from_secs(60)).await;
    let after: u64 = trial.replicas.values().map(|one| one.wire.calls()).sum();
    println!("three idle replicas make {} calls a minute", after - before);
    assert!(after - before <= 3 * (120 + 30 + 2));
}

#[tokio::test(start_paused = true)]
async fn commands_are_passed_on_as_they_come() {
    let trial = Trial::of_three(1, 57).await;
    let mut items = trial.replica(0).leases.fleet_items();
    assert!(items.borrow_and_update().is_empty());
    let change = Change::new().set("path", Value::from("/api/v1/rotate"));
    let key = layout::command("c1");
    trial.table.write(&key, change, Condition::Absent).await.unwrap();
    trial.pass(MOMENT).await;
    assert!(items.has_changed().unwrap());
    assert_eq!(items.borrow_and_update()[0].key, key);
    trial.pass(MOMENT * 10).await;
    assert!(!items.has_changed().unwrap());
}
