use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::clock::{Clock, Timestamp};

/// The runtime's clock, which stands still while something is to do.
struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Things that tell when they were read: reads take a second each.
#[derive(Default)]
struct Things {
    ones: Arc<AtomicUsize>,
    alls: Arc<AtomicUsize>,
    /// How many things there are.
    count: usize,
    /// What listings fail with.
    failing: Option<AwsError>,
    /// Whether none may be made.
    throttled: bool,
}

const TAKES: Duration = Duration::from_secs(1);

/// The thing whose reads never end.
const HANGS: &str = "hangs";

#[derive(Clone, PartialEq, Debug)]
struct Thing {
    id: String,
    read_at: tokio::time::Instant,
}

impl Thing {
    fn now(id: String) -> Self {
        let read_at = tokio::time::Instant::now();
        Self { id, read_at }
    }
}

impl Source<Thing> for Things {
    fn one(&self, id: String) -> Reading<Thing> {
        self.ones.fetch_add(1, Ordering::SeqCst);
        if id == HANGS {
            return Box::pin(std::future::pending());
        }
        let known = id.strip_prefix('n').is_some_and(|n| n.parse::<usize>().is_ok());
        Box::pin(async move {
            let thing = Thing::now(id);
            tokio::time::sleep(TAKES).await;
            known
                .then_some(thing)
                .ok_or_else(|| error(ErrorClass::NotFound, "UserNotFound"))
        })
    }

    fn bears(&self, _: Option<usize>) -> bool {
        !self.throttled
    }

    fn all(&self, _: usize) -> Reading<Vec<Thing>> {
        self.alls.fetch_add(1, Ordering::SeqCst);
        let (count, failing) = (self.count, self.failing.clone());
        Box::pin(async move {
            let all = (0..count).map(|n| Thing::now(format!("n{n}"))).collect();
            tokio::time::sleep(TAKES).await;
            failing.map_or(Ok(all), Err)
        })
    }

    fn id(&self, of: &Thing) -> String {
        of.id.clone()
    }
}

fn error(class: ErrorClass, code: &str) -> AwsError {
    AwsError {
        class,
        code: code.to_owned(),
        ..AwsError::internal("Fake", "told to")
    }
}

/// Reads of these things, and how many of one and of all there were.
struct World {
    shared: Arc<Shared<Thing>>,
    ones: Arc<AtomicUsize>,
    alls: Arc<AtomicUsize>,
}

impl World {
    fn of(things: Things) -> Self {
        let (ones, alls) = (things.ones.clone(), things.alls.clone());
        let clock: SharedClock = Arc::new(Paused(tokio::time::Instant::now()));
        let shared = Shared::new(things, clock);
        Self { shared, ones, alls }
    }

    fn counts(&self) -> (usize, usize) {
        (self.ones.load(Ordering::SeqCst), self.alls.load(Ordering::SeqCst))
    }

    /// Asks for these at the same time, and notes when.
    async fn ask(&self, ids: impl IntoIterator<Item = String>) -> Vec<(tokio::time::Instant, AwsResult<Thing>)> {
        let mut asking = JoinSet::new();
        for (place, id) in ids.into_iter().enumerate() {
            let shared = self.shared.clone();
            asking.spawn(async move { (place, tokio::time::Instant::now(), shared.ask(&id).await) });
        }
        let mut answers = asking.join_all().await;
        answers.sort_by_key(|(place, ..)| *place);
        answers.into_iter().map(|(_, asked, answer)| (asked, answer)).collect()
    }
}

fn ids(numbers: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    numbers.map(|n| format!("n{n}"))
}

#[tokio::test(start_paused = true)]
async fn who_asks_alone_reads_at_once_and_for_himself() {
    let world = World::of(Things {
        count: 1_000,
        ..Things::default()
    });
    let began = tokio::time::Instant::now();
    let thing = world.shared.ask("n5").await.unwrap();
    assert_eq!((thing.id.as_str(), thing.read_at), ("n5", began));
    assert_eq!((world.counts(), began.elapsed()), ((1, 0), TAKES));
}

#[tokio::test(start_paused = true)]
async fn many_who_ask_together_share_one_listing() {
    let world = World::of(Things {
        count: 150,
        ..Things::default()
    });
    let answers = world.ask(ids(0..100)).await;
    for (n, (_, answer)) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap().id, format!("n{n}"));
    }
    assert_eq!(world.counts(), (ALONE, 1));
    // The listing had two pages: two are asked for singly.
    world.ask(ids(0..2)).await;
    assert_eq!(world.counts(), (ALONE + 2, 1));
    world.ask(ids(0..3)).await;
    assert_eq!(world.counts(), (ALONE + 2, 2));
}

#[tokio::test(start_paused = true)]
async fn no_read_serves_one_who_asked_after_it_began() {
    let world = World::of(Things {
        count: 40,
        ..Things::default()
    });
    let mut asking = JoinSet::new();
    // In every order towards the beginnings and ends of reads that take a second.
    for n in 0..400_u64 {
        let shared = world.shared.clone();
        asking.spawn(async move {
            tokio::time::sleep(Duration::from_millis(n * 37 % 9_000)).await;
            let asked = tokio::time::Instant::now();
            (asked, shared.ask(&format!("n{}", n % 40)).await)
        });
    }
    let mut answered = 0;
    while let Some(answer) = asking.join_next().await {
        let (asked, thing) = answer.unwrap();
        assert!(thing.unwrap().read_at >= asked);
        answered += 1;
    }
    let (ones, alls) = world.counts();
    assert_eq!(answered, 400);
    assert!(alls > 3 && ones + alls < 60, "{ones} single reads and {alls} listings");
}

#[tokio::test(start_paused = true)]
async fn who_is_missing_from_a_listing_is_asked_for_before_it_is_believed() {
    let world = World::of(Things {
        count: 8,
        ..Things::default()
    });
    let answers = world.ask(ids(0..12).chain(["gone".to_owned()])).await;
    assert!(answers[..12].iter().all(|(_, answer)| answer.is_ok()), "{answers:?}");
    assert_eq!(answers[12].1.as_ref().unwrap_err().class, ErrorClass::NotFound);
    assert_eq!(world.counts(), (ALONE + 4 + 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_listing_that_is_throttled_fails_for_all_who_wait_and_is_tried_again_by_the_next() {
    let failing = Some(error(ErrorClass::Throttled, "Throttling"));
    let world = World::of(Things {
        failing,
        ..Things::default()
    });
    let answers = world.ask(ids(0..20)).await;
    let failed = answers.iter().filter(|(_, answer)| answer.is_err()).count();
    assert_eq!((failed, world.counts()), (20 - ALONE, (ALONE, 1)));
    world.ask(ids(0..20)).await;
    assert_eq!(world.counts(), (ALONE, 2), "after so many nobody reads for himself");
}

#[tokio::test(start_paused = true)]
async fn where_a_listing_is_not_allowed_each_is_asked_for() {
    let failing = Some(error(ErrorClass::Denied, "AccessDenied"));
    let world = World::of(Things {
        failing,
        ..Things::default()
    });
    for (round, (ones, alls)) in [(20, 1), (40, 1)].into_iter().enumerate() {
        let answers = world.ask(ids(0..20)).await;
        assert!(answers.iter().all(|(_, answer)| answer.is_ok()), "round {round}");
        assert_eq!(world.counts(), (ones, alls));
    }
}

#[tokio::test(start_paused = true)]
async fn where_aws_would_throttle_a_listing_each_is_asked_for() {
    let world = World::of(Things {
        count: 40,
        throttled: true,
        ..Things::default()
    });
    let answers = world.ask(ids(0..20)).await;
    assert!(answers.iter().all(|(_, answer)| answer.is_ok()), "{answers:?}");
    assert_eq!(world.counts(), (20, 0));
    assert_eq!(world.shared.listing_calls(), None);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_hangs_delays_nobody_who_asks_for_something_else() {
    let world = World::of(Things {
        count: 50,
        ..Things::default()
    });
    let (first, hanging) = (world.shared.clone(), ids(0..10).chain([HANGS.to_owned()]));
    let hanging: Vec<_> = hanging
        .map(|id| {
            let shared = first.clone();
            tokio::spawn(async move { shared.ask(&id).await })
        })
        .collect();
    tokio::time::sleep(GATHER + TAKES + TAKES / 2).await;
    let began = tokio::time::Instant::now();
    let answers = world.ask(ids(10..20)).await;
    assert!(answers.iter().all(|(_, answer)| answer.is_ok()));
    assert!(began.elapsed() <= 5 * TAKES, "{:?}", began.elapsed());
    assert!(!hanging[10].is_finished());
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_takes_nothing_with_him() {
    let world = World::of(Things {
        count: 50,
        ..Things::default()
    });
    let mut gone = JoinSet::new();
    for id in ids(0..20) {
        let shared = world.shared.clone();
        gone.spawn(async move { drop(shared.ask(&id).await) });
    }
    let stays = tokio::spawn({
        let shared = world.shared.clone();
        async move { shared.ask("n30").await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    gone.shutdown().await;
    assert_eq!(stays.await.unwrap().unwrap().id, "n30");
    assert_eq!(world.shared.ask("n1").await.unwrap().id, "n1");
    assert_eq!(world.shared.state().alone, 0);
}
