//! SIGTERM at every step of a rotation, in the middle of a call that never ends: the process ends in time, and the next
//! one finishes the rotation.

use std::time::Duration;

use rekeyd::rotation::version::version_id;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::support::cli::orders;
use crate::support::daemon::Setup;
use crate::support::status::rotated_to;
use crate::support::world::secret_name;
use crate::support::{Daemon, Fault, FaultKind, OLD, Policy, World, eventually};

const USER: &str = "user1";

/// The drain, the clients' grace, the last blocking calls, and as much again for a busy machine. The calls themselves
/// would hang for ten seconds.
const BUDGET: Duration = Duration::from_secs(8);

/// A user in use whose password was proved, and the version under AWSCURRENT.
struct Scene {
    world: World,
    arn: String,
    first: String,
}

impl Scene {
    async fn new() -> Self {
        let world = World::start().await;
        let arn = world.live_user(USER, OLD).await;
        let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
        Self { world, arn, first }
    }

    fn setup(&self) -> Setup<'_> {
        orders(&self.world, &[USER]).daemon_key("drain_timeout", "\"1s\"")
    }

    /// A daemon that is asked for a rotation, in which this befalls it.
    async fn rotating_into(&self, fault: Fault) -> Daemon {
        let daemon = self.setup().run().await;
        daemon.checked(&secret_name(USER)).await;
        self.world.faults(vec![fault]);
        daemon.rotate(&secret_name(USER)).await;
        self.world.fault_fired().await;
        daemon
    }

    /// The next start finishes: one version more, which logs in everywhere, and the one before nowhere.
    async fn next_start_finishes(&self) {
        self.world.end_faults();
        let daemon = self.setup().run().await;
        let second = version_id(&self.arn, &self.first, 0);
        daemon.wait(&secret_name(USER), "rotated", rotated_to(&second)).await;
        let versions = self.world.labels(&self.arn).await;
        assert_eq!(versions.len(), 2, "a version too many: {versions:?}");
        self.world.assert_current_logs_in(&secret_name(USER), USER).await;
        assert_eq!(self.world.logins(USER, OLD).await, (0, 3));
    }
}

/// Asks it to end, and holds that it does so in time with 0.
async fn ends_in_time(daemon: Daemon) {
    let began = Instant::now();
    assert_eq!(daemon.end("-TERM").await, Some(0));
    assert!(began.elapsed() < BUDGET, "{:?}", began.elapsed());
}

async fn told_in_a_hung_call(fault: Fault) {
    let scene = Scene::new().await;
    ends_in_time(scene.rotating_into(fault).await).await;
    scene.next_start_finishes().await;
}

/// The call after so many to this operation never gets an answer.
fn hangs(operation: &str, call: u64) -> Fault {
    let mut fault = Fault::next(operation, FaultKind::Hang);
    fault.call = call;
    fault
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_the_world_is_looked_at() {
    told_in_a_hung_call(hangs("DescribeSecret", 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_create_secret_hangs() {
    told_in_a_hung_call(hangs("PutSecretValue", 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_set_secret_hangs() {
    told_in_a_hung_call(hangs("ModifyUser", 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_a_change_is_waited_for() {
    told_in_a_hung_call(hangs("DescribeUsers", 2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_finish_secret_hangs() {
    told_in_a_hung_call(hangs("UpdateSecretVersionStage", 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_the_retirement_hangs() {
    told_in_a_hung_call(hangs("ModifyUser", 2)).await;
}

/// A write whose reply does not come is the other half of not knowing: it was made.
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_the_reply_to_a_write_that_was_made_is_awaited() {
    let held = |operation| told_in_a_hung_call(Fault::next(operation, FaultKind::HoldReply));
    tokio::join!(
        held("PutSecretValue"),
        held("ModifyUser"),
        held("UpdateSecretVersionStage")
    );
}

/// A node that takes connections and says nothing.
async fn silent_node() -> (String, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (came, coming) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
            came.send(()).unwrap_or_default();
        }
    });
    (address, coming)
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_test_secret_hangs_in_its_logins() {
    let scene = Scene::new().await;
    ends_in_time(scene.rotating_into(hangs("UpdateSecretVersionStage", 1)).await).await;
    scene.world.end_faults();
    // What is left of the rotation begins with logins. Here they go to a node that never answers.
    let (address, mut logins) = silent_node().await;
    let policy = Policy::new("orders", &[USER]).with("endpoints", &format!("[{address:?}]"));
    let world = &scene.world;
    let stalled = world
        .daemon("rekeyd")
        .policy(policy)
        .daemon_key("drain_timeout", "\"1s\"");
    let stalled = stalled.run().await;
    logins.recv().await.unwrap();
    ends_in_time(stalled).await;
    scene.next_start_finishes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_a_reload_waits_for_a_call_that_hangs() {
    let scene = Scene::new().await;
    let daemon = scene.rotating_into(hangs("ModifyUser", 1)).await;
    // It waits for the calls that began before it under another policy.
    let other = Policy::new("orders", &[USER]).with("write_deadline", "\"9s\"");
    let world = &scene.world;
    world
        .daemon("rekeyd")
        .policy(other)
        .daemon_key("drain_timeout", "\"1s\"")
        .write_config();
    daemon.signal("-HUP");
    eventually("the reload is begun", || async {
        let log = daemon.log_text();
        if log.contains("\"hangup\"") { Ok(()) } else { Err(log) }
    })
    .await;
    ends_in_time(daemon).await;
    scene.next_start_finishes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_while_the_store_is_locked() {
    let scene = Scene::new().await;
    let daemon = scene
        .rotating_into(Fault::next("PutSecretValue", FaultKind::HoldReply))
        .await;
    let store = rusqlite::Connection::open(&daemon.state_file).unwrap();
    store.busy_timeout(Duration::from_secs(10)).unwrap();
    store.execute_batch("BEGIN EXCLUSIVE").unwrap();
    // The version is there, and that it is cannot be stored.
    scene.world.end_faults();
    ends_in_time(daemon).await;
    drop(store);
    scene.next_start_finishes().await;
}
