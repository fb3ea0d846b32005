//! Replies of AWS that are cut, wrong, endless or about something else: whatever comes, rekeyd
//! stays up, every current password goes on logging in, and nothing leaks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::{Phase, SecretStatus};
use serde_json::json;

use crate::support::caches::Shape;
use crate::support::mangles::{to_any_reply, to_json, to_xml};
use crate::support::mangling_proxy::{How, Mangle, ManglingProxy};
use crate::support::world::{document_with, secret_name};
use crate::support::{Daemon, Policy, World, http};

const USERS: [&str; 8] = ["user1", "user2", "user3", "user4", "user5", "user6", "user7", "user8"];
const FIRST: &str = "CANARY-first-password";

/// Everything that a rotation asks, in JSON and in XML.
const SECRETS_MANAGER: [&str; 5] = [
    "DescribeSecret",
    "ListSecretVersionIds",
    "GetSecretValue",
    "PutSecretValue",
    "UpdateSecretVersionStage",
];
const ELASTICACHE: [&str; 5] = [
    "ModifyUser",
    "DescribeUsers",
    "DescribeUserGroups",
    "DescribeReplicationGroups",
    "DescribeCacheClusters",
];

/// What the daemon may take of memory at most, with eight secrets. Unbounded, one huge reply alone
/// would take more.
const MOST_MEMORY: u64 = 300 << 20;

/// The seed of the random part. Another one, to look for more: `MANGLE_SEED=7 cargo test mangled`.
fn seed() -> u64 {
    std::env::var("MANGLE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20_261_122)
}

/// Watches over a daemon until told to stop: it answers, and every current password logs in.
struct Watch {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Watch {
    fn begin(world: &Arc<World>, address: String) -> Self {
        let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let over = Arc::clone(&stop);
        let answers = tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let livez =
                    tokio::time::timeout(Duration::from_secs(20), http::tcp(&address, "GET", "/livez", None)).await;
                assert_eq!(
                    livez.expect("/livez answers in time").expect("/livez answers").status,
                    200
                );
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let (world, over, count) = (Arc::clone(world), Arc::clone(&stop), Arc::clone(&looks));
        let logs_in = tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                for user in USERS {
                    world.assert_current_logs_in(&secret_name(user), user).await;
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            stop,
            looks,
            tasks: vec![answers, logs_in],
        }
    }

    /// Whether something is amiss already.
    fn has_failed(&self) -> bool {
        self.tasks.iter().any(tokio::task::JoinHandle::is_finished)
    }

    /// Ends, fails with what was amiss, and tells how many looks there were.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("all the while");
        }
        self.looks.load(Ordering::Relaxed)
    }
}

/// A world, a daemon in it, and the proxy between the two.
struct Stand {
    world: Arc<World>,
    proxy: ManglingProxy,
    daemon: Daemon,
    watch: Watch,
}

/// Every operation that a look makes is asked for several things, so that several mangles strike at once: the users
/// are in groups without caches, too, and the nodes are in several caches.
async fn prepare() -> Stand {
    let world = World::start().await;
    for user in USERS {
        world.create_user(user, FIRST).await;
        world
            .create_secret(&secret_name(user), &document_with(user, FIRST))
            .await;
    }
    world.create_cache_named("group1", "cache1", &USERS, 1).await;
    for cache in ["cache2", "cache3"] {
        world
            .create_replication_group(cache, "group1", "redis", Shape::Nodes(1))
            .await;
    }
    for group in ["spare1", "spare2"] {
        world.create_group(group, "redis", &USERS).await;
    }
    let proxy = ManglingProxy::start(&world.sandbox.url()).await;
    // All are let go at once, whatever befalls the others: each is to be struck by as much as possible.
    let policy = Policy::new("orders", &USERS)
        .with("max_attempts", "1000")
        .with("canary", "0")
        .with("max_attention", "\"100%\"");
    let daemon = world
        .daemon("rekeyd")
        .endpoint(&proxy.url)
        .policy(policy)
        .default_key("fence", "\"100ms\"")
        .default_key("settle", "\"100ms\"")
        .default_key("retry", "{ initial = \"20ms\", max = \"100ms\", jitter = 0.2 }")
        .daemon_key("discovery_interval", "\"1s\"")
        .run()
        .await;
    for user in USERS {
        let proven = |status: &SecretStatus| status.proof == Some(Proof::Proven);
        daemon.wait(&secret_name(user), "checked", proven).await;
    }
    let world = Arc::new(world);
    let watch = Watch::begin(&world, daemon.listen_address().await);
    Stand {
        world,
        proxy,
        daemon,
        watch,
    }
}

/// Whether every mangle has struck, or which are left.
fn all_mangled(proxy: &ManglingProxy) -> Result<(), String> {
    let left = proxy.left();
    if left.is_empty() {
        Ok(())
    } else {
        Err(format!("{left:?}"))
    }
}

impl Stand {
    /// Asks for one rotation of each after the other until `done`.
    async fn rotate_until(&self, patience: Duration, done: impl Fn() -> Result<(), String>) {
        let deadline = tokio::time::Instant::now() + patience;
        while let Err(left) = done() {
            assert!(!self.watch.has_failed(), "something is amiss; left: {left}");
            let statuses = self.daemon.statuses().await;
            assert!(
                tokio::time::Instant::now() < deadline,
                "not through in time; left: {left}; {statuses:#?}"
            );
            let statuses = statuses.expect("statuses").into_iter();
            let idle = statuses.filter(|status| status.phase == Phase::Idle && !status.requested);
            let idle: Vec<String> = idle.map(|status| status.secret).collect();
            if !idle.is_empty() {
                let answer = self.daemon.post("/api/v1/rotate", &json!({"secrets": idle})).await;
                assert!(matches!(answer.status, 200 | 409), "{} {}", answer.status, answer.body);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Once replies are good again, every rotation ends by itself, proved and with its retirement.
    async fn assert_all_ends_well(&self) {
        let mut before = Vec::new();
        for user in USERS {
            let secret = secret_name(user);
            let at_rest = |status: &SecretStatus| status.phase == Phase::Idle && !status.requested;
            self.daemon.wait(&secret, "at rest", at_rest).await;
            before.push(
                self.world
                    .holder(&secret, "AWSCURRENT")
                    .await
                    .expect("a current version"),
            );
        }
        self.daemon.order("rotate", &json!({"all": true})).await;
        for (user, before) in USERS.iter().zip(before) {
            let secret = secret_name(user);
            let rotated = |status: &SecretStatus| {
                status
                    .current_version
                    .as_ref()
                    .is_some_and(|current| *current != before)
                    && status.phase == Phase::Idle
                    && (status.proof, status.retired_proof) == (Some(Proof::Proven), Some(Proof::Proven))
            };
            self.daemon.wait(&secret, "rotated and retired", rotated).await;
            self.world.assert_current_logs_in(&secret, user).await;
            let old = self.world.version_password(&secret, &before).await;
            assert_eq!(self.world.logins(user, &old).await, (0, 3), "{user}");
        }
    }
}

async fn assert_nothing_leaked(world: &World, daemon: &Daemon) {
    let log = daemon.log_text();
    assert!(
        log.contains("IncompleteResponse") && log.contains("UnreadableResponse"),
        "the log shows what came"
    );
    let mut passwords = BTreeSet::from([FIRST.to_owned()]);
    for user in USERS {
        let secret = secret_name(user);
        for version in world.labels(&secret).await.into_keys() {
            passwords.insert(world.version_password(&secret, &version).await);
        }
    }
    assert!(passwords.len() > USERS.len(), "{}", passwords.len());
    for password in passwords {
        assert!(!log.contains(&password), "a password is in the log");
    }
    assert!(!log.contains("panicked"), "a panic");
}

/// The most memory that a process has had, in bytes.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// Every mangle strikes a reply to each of these operations; then any of them strike any operation at random. Gives
/// how often every login was looked at meanwhile.
async fn mangle(operations: &[&str]) -> usize {
    let stand = prepare().await;
    let began = tokio::time::Instant::now();
    for operation in operations {
        let own = match SECRETS_MANAGER.contains(operation) {
            true => to_json(),
            false => to_xml(),
        };
        stand.proxy.arm(operation, &to_any_reply());
        stand.proxy.arm(operation, &own);
    }
    let done = || all_mangled(&stand.proxy);
    stand.rotate_until(Duration::from_secs(400), done).await;
    let (done, inapplicable) = (stand.proxy.done(), stand.proxy.inapplicable());
    println!(
        "{operations:?}: {} combinations of operation and mangle in {:?}, {} more make no sense",
        done.len(),
        began.elapsed(),
        inapplicable.len()
    );
    for operation in operations {
        let mangles = done.iter().filter(|(known, _)| known == operation).count();
        assert!(
            mangles >= to_any_reply().len() - 6,
            "{operation}: {mangles}; {inapplicable:?}"
        );
    }

    let all: Vec<Mangle> = [to_any_reply(), to_json(), to_xml()].concat();
    let few = all
        .into_iter()
        .filter(|mangle| !matches!(mangle.how, How::Huge(_)))
        .collect();
    stand.proxy.arm_randomly(seed(), 0.2, few);
    let until = tokio::time::Instant::now() + Duration::from_secs(6);
    let over = || match tokio::time::Instant::now() > until {
        true => Ok(()),
        false => Err("time".to_owned()),
    };
    stand.rotate_until(Duration::from_secs(60), over).await;
    stand.proxy.disarm();
    stand.assert_all_ends_well().await;
    let looks = stand.watch.end().await;
    assert_nothing_leaked(&stand.world, &stand.daemon).await;
    let peak = peak_memory(stand.daemon.pid());
    println!("{looks} looks at every login; peak memory {} MiB", peak >> 20);
    assert!(peak < MOST_MEMORY, "{} MiB", peak >> 20);
    looks
}

/// A spoilt reply keeps the calls that come after it in a look from being made: several daemons, each in a world of
/// its own, have some of the operations each.
#[tokio::test(flavor = "multi_thread")]
async fn no_mangled_reply_to_any_call_of_a_rotation_does_harm() {
    println!("MANGLE_SEED={}", seed());
    let (reads, writes) = SECRETS_MANAGER.split_at(3);
    let (users, caches) = ELASTICACHE.split_at(3);
    let looks = tokio::join!(mangle(reads), mangle(writes), mangle(users), mangle(caches));
    let looks = [looks.0, looks.1, looks.2, looks.3];
    assert!(looks.iter().all(|looks| *looks >= 2), "{looks:?} looks");
    assert!(looks.iter().sum::<usize>() >= 10, "{looks:?} looks");
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_drip_are_given_up_and_do_no_harm() {
    let stand = prepare().await;
    let drip = Mangle {
        name: "drip".to_owned(),
        how: How::Drip,
    };
    for operation in [
        "GetSecretValue",
        "PutSecretValue",
        "ModifyUser",
        "UpdateSecretVersionStage",
    ] {
        stand.proxy.arm(operation, std::slice::from_ref(&drip));
    }
    let done = || all_mangled(&stand.proxy);
    stand.rotate_until(Duration::from_secs(120), done).await;
    stand.assert_all_ends_well().await;
    stand.watch.end().await;
    assert!(stand.daemon.log_text().contains("Timeout"), "a call was given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_to_be_left_alone_for_ever_is_asked_again() {
    let stand = prepare().await;
    let forever: Vec<Mangle> = to_any_reply()
        .into_iter()
        .filter(|mangle| mangle.name == "wait for ever")
        .collect();
    for operation in ["DescribeSecret", "DescribeUsers", "PutSecretValue", "ModifyUser"] {
        stand.proxy.arm(operation, &vec![forever.clone(); USERS.len()].concat());
    }
    stand.daemon.order("rotate", &json!({"all": true})).await;
    stand.assert_all_ends_well().await;
    assert_eq!(stand.proxy.done().len(), 4);
    stand.watch.end().await;
}
