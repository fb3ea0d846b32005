//! `rekeyd onboard`: the real binary against a real sandbox, with logins on real nodes as the judge.

mod adopting;
mod documented;
mod from_nothing;
mod interrupted;
mod many;
mod refused;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::World;
use crate::support::cli::orders;
use crate::support::daemon::Setup;
use crate::support::world::GROUP;

/// A password that nobody has.
const NOBODYS: &str = "a-password-that-nobody-has-0";

/// What the user of most tests may do in the end.
const RIGHTS: &str = "on ~app:* +@read";

/// The AWS guide in one command.
const ONBOARD: [&str; 13] = [
    "onboard",
    "--policy",
    "orders",
    "--user-id",
    "user1",
    "--secret",
    "production/ec/user1",
    "--access-string",
    RIGHTS,
    "--group",
    GROUP,
    "--tag",
    "team=orders",
];

/// A sandbox with a cache, and nobody in it.
async fn empty() -> World {
    let world = World::start().await;
    world.create_cache(&[]).await;
    world
}

fn one(world: &World) -> Setup<'_> {
    orders(world, &["user1"])
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&ONBOARD[..], more].concat()
}

/// How many calls changed something, of all that were ever made.
fn changes(world: &World) -> usize {
    world.sandbox.sandbox().log().iter().filter(|call| call.mutated).count()
}

/// The calls of `rekeyd` that changed something, in order.
fn changing(world: &World) -> Vec<String> {
    let calls = world.calls_by("rekeyd");
    calls
        .into_iter()
        .filter(|call| call.mutated)
        .map(|call| call.operation)
        .collect()
}

/// Asserts that everything is as [`ONBOARD`] asks for, with a proved password.
async fn assert_onboarded(world: &World) {
    let user = world.user("user1").await;
    assert_eq!(user.access_string(), Some("on ~app:* -@all +@read"));
    assert_eq!(user.authentication().and_then(|auth| auth.password_count()), Some(1));
    assert_eq!(user.user_group_ids(), [GROUP]);
    let secret = world
        .secrets
        .describe_secret()
        .secret_id("production/ec/user1")
        .send()
        .await
        .unwrap();
    let tags: BTreeMap<_, _> = secret
        .tags()
        .iter()
        .map(|tag| (tag.key().unwrap(), tag.value().unwrap()))
        .collect();
    assert_eq!(tags, [("team", "orders")].into());
    assert_eq!(world.labels("production/ec/user1").await.len(), 2, "rotated once");
    world.assert_current_logs_in("production/ec/user1", "user1").await;
    assert_eq!(world.logins("user1", NOBODYS).await, (0, 3));
}

/// Tries all the time to get in with a password that nobody has.
struct Burglar {
    stop: Arc<AtomicBool>,
    tries: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Burglar {
    /// One that asks the sandbox what each node would answer, and each node itself now and then.
    fn at(world: &Arc<World>) -> Self {
        let (stop, tries) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (world, told, counted) = (world.clone(), stop.clone(), tries.clone());
        let task = tokio::spawn(async move {
            let mut got_in = Vec::new();
            while !told.load(Ordering::SeqCst) {
                for node in world.sandbox.sandbox().nodes() {
                    let answer = world.sandbox.sandbox().node_accepts(&node.id, "user1", NOBODYS);
                    if answer == rekeyd_sandbox::LoginAnswer::Ok {
                        got_in.push(format!("{}: by the sandbox's word", node.id));
                    }
                }
                if counted.fetch_add(1, Ordering::SeqCst) % 20 == 0 && world.logins("user1", NOBODYS).await.0 > 0 {
                    got_in.push("by a login".to_owned());
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            got_in
        });
        Self { stop, tries, task }
    }

    /// Asserts that it never got in, however often it tried.
    async fn gives_up(self) {
        self.stop.store(true, Ordering::SeqCst);
        assert_eq!(self.task.await.unwrap(), Vec::<String>::new());
        assert!(self.tries.load(Ordering::SeqCst) > 20);
    }
}
