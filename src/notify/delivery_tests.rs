//! The task of one target, in paused time, with a receiver that follows a script.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::clock::Clock;
use crate::rotation::state::Record;
use crate::store::memory::MemoryStore;

/// Tokio's clock, which is paused.
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000, 0).unwrap() + self.0.elapsed()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A receiver: what it answers next, and what it got when. After its script it takes everything.
#[derive(Default)]
struct Receiver {
    script: Mutex<VecDeque<Failure>>,
    got: Mutex<Vec<(Instant, String)>>,
}

#[async_trait]
impl Channel for Receiver {
    async fn deliver(&self, group: &[Outgoing]) -> Attempt {
        let got = group.iter().map(|outgoing| (Instant::now(), outgoing.id.clone()));
        self.got.lock().unwrap().extend(got);
        match self.script.lock().unwrap().pop_front() {
            None => Attempt::done(group, String::new()),
            Some(failure) => Attempt::failed(failure),
        }
    }
}

impl Receiver {
    fn ids(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|(_, id)| id.clone()).collect()
    }

    fn fails(&self, times: usize, failure: &Failure) {
        let failures = std::iter::repeat_n(failure.clone(), times);
        self.script.lock().unwrap().extend(failures);
    }
}

fn down() -> Failure {
    Failure {
        words: "connection refused".to_owned(),
        ..Failure::default()
    }
}

struct Scene {
    store: Arc<MemoryStore>,
    receiver: Arc<Receiver>,
    metrics: Arc<Metrics>,
    clock: SharedClock,
    saved: watch::Sender<()>,
}

impl Scene {
    fn new() -> Self {
        let metrics = Arc::new(Metrics::new(&[]));
        metrics.notify_targets(["oncall".to_owned()].into());
        Self {
            store: Arc::default(),
            receiver: Arc::default(),
            metrics,
            clock: Arc::new(Paused(Instant::now())),
            saved: watch::Sender::new(()),
        }
    }

    async fn put(&self, numbers: std::ops::Range<usize>) {
        let record = Record::new("arn".to_owned(), self.clock.now());
        let outgoing = |number| Outgoing {
            target: "oncall".to_owned(),
            id: format!("msg_{number}"),
            at: self.clock.now(),
            message: "{}".to_owned(),
        };
        let outgoing: Vec<Outgoing> = numbers.map(outgoing).collect();
        self.store.save_and_tell(&record, &[], &outgoing).await.unwrap();
        self.saved.send_replace(());
    }

    fn deliver(&self, bounds: Bounds) -> JoinHandle<()> {
        tokio::spawn(self.delivery(self.receiver.clone(), bounds).run())
    }

    fn delivery(&self, channel: Arc<dyn Channel>, bounds: Bounds) -> Delivery {
        Delivery {
            ownership: Arc::new(crate::store::ownership::Sole),
            target: "oncall".to_owned(),
            channel,
            store: self.store.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            bounds,
            saved: self.saved.subscribe(),
            failures: 0,
            refused: None,
        }
    }

    async fn waiting(&self) -> usize {
        self.store.outgoing("oncall", usize::MAX).await.unwrap().len()
    }

    #[track_caller]
    fn assert_shows(&self, line: &str) {
        let text = self.metrics.render();
        assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
    }
}

async fn pass(span: Duration) {
    tokio::time::sleep(span).await;
}

fn expected(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("msg_{number}")).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_left_and_what_comes_is_delivered_once_in_order() {
    let scene = Scene::new();
    scene.put(0..250).await;
    let _task = scene.deliver(Bounds::default());
    pass(Duration::from_millis(10)).await;
    scene.put(250..260).await;
    pass(Duration::from_millis(10)).await;
    assert_eq!(scene.receiver.ids(), expected(0..260));
    assert_eq!(scene.waiting().await, 0);
    scene.assert_shows("rekeyd_notifications_total{notify=\"oncall\",outcome=\"delivered\"} 260");
    scene.assert_shows("rekeyd_notifications_pending{notify=\"oncall\"} 0");
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_down_is_tried_at_growing_pauses_and_nothing_overtakes_what_waits() {
    let scene = Scene::new();
    scene.receiver.fails(14, &down());
    scene.put(0..3).await;
    let _task = scene.deliver(Bounds::default());
    pass(Duration::from_secs(1)).await;
    scene.assert_shows("rekeyd_notifications_pending{notify=\"oncall\"} 3");
    pass(Duration::from_secs(24 * 3_600)).await;
    let got = scene.receiver.got.lock().unwrap().clone();
    let ids: Vec<String> = got.iter().map(|(_, id)| id.clone()).collect();
    assert_eq!(ids, [vec!["msg_0".to_owned(); 14], expected(0..3)].concat());
    for (failure, pair) in (1..).zip(got[..15].windows(2)) {
        let pause = pair[1].0 - pair[0].0;
        let most = Duration::from_secs(600.min(1 << (failure - 1).min(10)));
        assert!(
            pause <= most + Duration::from_millis(5),
            "after failure {failure}: {pause:?}"
        );
        assert!(pause >= most / 21, "after failure {failure}: {pause:?}");
    }
    scene.assert_shows("rekeyd_notifications_total{notify=\"oncall\",outcome=\"failed\"} 14");
}

#[tokio::test(start_paused = true)]
async fn a_receivers_wish_to_be_left_alone_is_followed_within_bounds() {
    for (wish, least, most) in [(120, 120, 125), (1_000_000, 600, 605)] {
        let scene = Scene::new();
        scene.receiver.fails(
            1,
            &Failure {
                retry_after: Some(Duration::from_secs(wish)),
                ..down()
            },
        );
        scene.put(0..1).await;
        let _task = scene.deliver(Bounds::default());
        pass(Duration::from_secs(3_600)).await;
        let got = scene.receiver.got.lock().unwrap().clone();
        let pause = (got[1].0 - got[0].0).as_secs();
        assert!((least..=most).contains(&pause), "asked for {wish}: {pause}");
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_the_bounds_the_oldest_go_even_while_the_receiver_is_left_alone() {
    let scene = Scene::new();
    let wish = Failure {
        retry_after: Some(Duration::from_secs(600)),
        ..down()
    };
    scene.receiver.fails(1, &wish);
    scene.put(0..30).await;
    let bounds = Bounds {
        most: 20,
        ..Bounds::default()
    };
    let _task = scene.deliver(bounds);
    pass(Duration::from_secs(1)).await;
    assert_eq!(scene.waiting().await, 20);
    scene.put(30..50).await;
    pass(Duration::from_secs(60)).await;
    assert_eq!(scene.waiting().await, 20);
    scene.assert_shows("rekeyd_notifications_total{notify=\"oncall\",outcome=\"dropped\"} 30");
    pass(Duration::from_secs(3_600)).await;
    assert_eq!(scene.receiver.ids(), expected(std::iter::once(10).chain(30..50)));
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_a_week_goes() {
    let scene = Scene::new();
    scene.receiver.fails(100_000, &down());
    scene.put(0..2).await;
    let task = scene.deliver(Bounds::default());
    pass(Duration::from_secs(6 * 24 * 3_600)).await;
    assert_eq!(scene.waiting().await, 2);
    scene.put(2..3).await;
    pass(Duration::from_secs(24 * 3_600 + 700)).await;
    assert_eq!(scene.waiting().await, 1);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_receiver_will_not_have_is_let_go_in_the_end_and_the_next_has_its_turn() {
    let scene = Scene::new();
    let refused = Failure {
        words: "HTTP 400".to_owned(),
        of_message: true,
        ..Failure::default()
    };
    scene.receiver.fails(12, &refused);
    scene.put(0..2).await;
    let _task = scene.deliver(Bounds::default());
    pass(Duration::from_secs(24 * 3_600)).await;
    let ids = scene.receiver.ids();
    assert_eq!(ids, [vec!["msg_0".to_owned(); 12], expected(1..2)].concat());
    scene.assert_shows("rekeyd_notifications_total{notify=\"oncall\",outcome=\"dropped\"} 1");
}

/// A receiver that takes what it gets, while the store breaks.
struct Breaks(Arc<Receiver>, Arc<MemoryStore>);

#[async_trait]
impl Channel for Breaks {
    async fn deliver(&self, group: &[Outgoing]) -> Attempt {
        self.1.fail(Some("disk full"));
        self.0.deliver(group).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_arrived_does_not_go_out_again_while_the_store_cannot_note_that() {
    let scene = Scene::new();
    scene.put(0..1).await;
    let channel = Arc::new(Breaks(scene.receiver.clone(), scene.store.clone()));
    let _task = tokio::spawn(scene.delivery(channel, Bounds::default()).run());
    pass(Duration::from_secs(600)).await;
    scene.store.fail(None);
    assert_eq!(scene.waiting().await, 1);
    pass(Duration::from_secs(3_600)).await;
    assert_eq!(scene.receiver.ids(), expected(0..1));
    assert_eq!(scene.waiting().await, 0);
}

/// A receiver that has what it got, and never answers.
struct Hangs(Arc<Receiver>);

#[async_trait]
impl Channel for Hangs {
    async fn deliver(&self, group: &[Outgoing]) -> Attempt {
        self.0.deliver(group).await;
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ends_between_delivery_and_its_note_delivers_again_under_the_same_id() {
    let scene = Scene::new();
    scene.put(0..1).await;
    let channel = Arc::new(Hangs(scene.receiver.clone()));
    let task = tokio::spawn(scene.delivery(channel, Bounds::default()).run());
    pass(Duration::from_millis(10)).await;
    task.abort();
    let _task = scene.deliver(Bounds::default());
    pass(Duration::from_millis(10)).await;
    assert_eq!(scene.receiver.ids(), ["msg_0", "msg_0"]);
    assert_eq!(scene.waiting().await, 0);
}

/// A receiver that takes a second for each.
struct Slow(Arc<Receiver>);

#[async_trait]
impl Channel for Slow {
    async fn deliver(&self, group: &[Outgoing]) -> Attempt {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.0.deliver(group).await
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_slow_receiver_is_served_is_among_what_waits() {
    let scene = Scene::new();
    scene.put(0..10).await;
    let _task = tokio::spawn(
        scene
            .delivery(Arc::new(Slow(scene.receiver.clone())), Bounds::default())
            .run(),
    );
    pass(Duration::from_millis(500)).await;
    scene.put(10..1_000).await;
    pass(Duration::from_secs(2)).await;
    assert_eq!(scene.waiting().await, 998);
    scene.assert_shows("rekeyd_notifications_pending{notify=\"oncall\"} 998");
    pass(Duration::from_secs(1_000)).await;
    assert_eq!(scene.receiver.ids(), expected(0..1_000));
    scene.assert_shows("rekeyd_notifications_pending{notify=\"oncall\"} 0");
}
