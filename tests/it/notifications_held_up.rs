//! Receivers that are down, daemons that are killed, and stores that are lost: nothing waits for a notification, and what
//! was stored arrives.

use std::net::TcpListener;

use rekeyd::rotation::status::Phase;

use crate::support::daemon::{Setup, delete_store};
use crate::support::receiver::{Receiver, Reply, Request};
use crate::support::status::{proven_retired, rotated_to};
use crate::support::world::secret_name;
use crate::support::{Daemon, OLD, Policy, World, eventually};

const EVENTS: [&str; 2] = ["succeeded", "retired"];

fn setup<'a>(world: &'a World, tables: &str) -> Setup<'a> {
    world
        .daemon("rekeyd")
        .policy(Policy::new("orders", &["user1"]))
        .more(tables)
}

async fn world_of_user1() -> (World, String) {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    (world, secret_name("user1"))
}

/// One rotation from its request to the proof that the old password is dead.
async fn rotated(daemon: &Daemon, secret: &str) -> String {
    let before = daemon.checked(secret).await.current_version;
    daemon.rotate(secret).await;
    let status = daemon
        .wait(secret, "rotated", |status| {
            proven_retired(status) && status.current_version != before && status.phase == Phase::Idle
        })
        .await;
    status.current_version.unwrap()
}

/// A rotation is over, and the receiver that is told of it got the message and does not answer for a minute.
async fn told_to_a_receiver_that_hangs() -> (World, Receiver, String, Daemon) {
    let (world, secret) = world_of_user1().await;
    let receiver = Receiver::start();
    receiver.replies(Reply::Hang);
    let table = world
        .webhook("oncall", &receiver.url(), &EVENTS)
        .replace("\"1s\"", "\"60s\"");
    let daemon = setup(&world, &table).run().await;
    rotated(&daemon, &secret).await;
    receiver.got(1).await;
    (world, receiver, table, daemon)
}

/// The messages in the order in which each came for the first time.
fn first_seen(requests: &[Request]) -> Vec<(String, String)> {
    let mut seen: Vec<(String, String)> = Vec::new();
    for request in requests {
        let message = (request.id().to_owned(), request.body.clone());
        if !seen.contains(&message) {
            seen.push(message);
        }
    }
    seen
}

/// Receivers that are down, each in its way, and the tables of all of them.
fn receivers_down(world: &World) -> ([Receiver; 3], u16, String) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let receivers = [Reply::Hang, Reply::status(500), Reply::Drop].map(|reply| {
        let receiver = Receiver::start();
        receiver.replies(reply);
        receiver
    });
    let refused = format!("http://127.0.0.1:{port}/rekeyd");
    let urls = receivers.iter().map(Receiver::url).chain([refused]);
    let tables = DOWN
        .iter()
        .zip(urls)
        .map(|(name, url)| world.webhook(name, &url, &EVENTS));
    let tables = tables.collect();
    (receivers, port, tables)
}

/// What each is that is down.
const DOWN: [&str; 4] = ["hangs", "fails", "drops", "refuses"];

/// The bodies of the first messages, once there are so many.
async fn bodies(receiver: &Receiver, count: usize) -> Vec<String> {
    let seen = eventually("the messages arrived", || async {
        let seen = first_seen(&receiver.requests());
        if seen.len() == count {
            Ok(seen)
        } else {
            Err(format!("{seen:?}"))
        }
    })
    .await;
    seen.into_iter().map(|(_, body)| body).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_that_are_down_in_every_way_delay_nothing_and_get_everything_in_order_later() {
    let (world, secret) = world_of_user1().await;
    let (receivers, port, tables) = receivers_down(&world);
    let daemon = setup(&world, &tables).run().await;
    rotated(&daemon, &secret).await;
    rotated(&daemon, &secret).await;
    assert_eq!(daemon.get("/readyz").await.status, 200);
    for down in &receivers {
        let requests = down.got(2).await;
        let first = requests[0].id();
        assert!(
            requests.iter().all(|request| request.id() == first),
            "nothing overtakes the first: {requests:#?}"
        );
    }
    for name in DOWN {
        let pending = format!("rekeyd_notifications_pending{{notify=\"{name}\"}} 4");
        eventually(&pending, || async {
            let metrics = daemon.get("/metrics").await.body;
            if metrics.contains(&pending) {
                Ok(())
            } else {
                Err(metrics)
            }
        })
        .await;
    }

    receivers
        .iter()
        .for_each(|receiver| receiver.replies(Reply::status(200)));
    let refused = Receiver::at(port);
    let told = bodies(&refused, 4).await;
    for receiver in &receivers {
        assert_eq!(bodies(receiver, 4).await, told, "as they were stored, for each");
    }
    let kind = |body: &String| serde_json::from_str::<serde_json::Value>(body).unwrap()["type"].clone();
    let kinds: Vec<serde_json::Value> = told.iter().map(kind).collect();
    let (succeeded, retired) = ("rotation.succeeded", "password.retired");
    assert_eq!(kinds, [succeeded, retired, succeeded, retired]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_killed_between_a_delivery_and_its_note_delivers_again_under_the_same_id() {
    let (world, receiver, table, daemon) = told_to_a_receiver_that_hangs().await;
    daemon.kill().await;
    receiver.replies(Reply::status(200));
    let daemon = setup(&world, &table).run().await;
    let requests = receiver.got(3).await;
    let ids: Vec<&str> = requests.iter().map(Request::id).collect();
    assert_eq!((ids[0], requests[0].body.as_str()), (ids[1], requests[1].body.as_str()));
    assert_ne!(ids[1], ids[2]);
    let kinds: Vec<String> = requests.iter().map(Request::kind).collect();
    assert_eq!(kinds, ["rotation.succeeded", "rotation.succeeded", "password.retired"]);
    eventually("nothing waits", || async {
        let metrics = daemon.get("/metrics").await.body;
        match metrics.contains("rekeyd_notifications_pending{notify=\"oncall\"} 0") {
            true => Ok(()),
            false => Err(metrics),
        }
    })
    .await;
    assert_eq!(receiver.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_told_to_end_waits_for_no_receiver() {
    let (_world, _receiver, _table, daemon) = told_to_a_receiver_that_hangs().await;
    let asked = tokio::time::Instant::now();
    assert_eq!(daemon.end("-TERM").await, Some(0));
    assert!(asked.elapsed().as_secs() < 25, "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_store_costs_what_waited_in_it_and_nothing_else() {
    let (world, secret) = world_of_user1().await;
    let receiver = Receiver::start();
    receiver.replies(Reply::status(503));
    let table = world.webhook("oncall", &receiver.url(), &EVENTS);
    let daemon = setup(&world, &table).run().await;
    let first = rotated(&daemon, &secret).await;
    receiver.got(1).await;
    let state_file = daemon.state_file.clone();
    daemon.kill().await;
    delete_store(&state_file);
    receiver.replies(Reply::status(200));
    let before = receiver.requests().len();
    let daemon = setup(&world, &table).run().await;
    daemon.checked(&secret).await;
    let second = rotated(&daemon, &secret).await;
    daemon.wait(&secret, "rotated", rotated_to(&second)).await;
    let told = eventually("the second rotation is told", || async {
        let requests = receiver.requests().split_off(before);
        let promoted = |request: &&Request| request.kind() == "rotation.succeeded";
        let versions = requests
            .iter()
            .filter(promoted)
            .map(|request| request.json()["data"]["version"].clone());
        let versions: Vec<serde_json::Value> = versions.collect();
        if versions.is_empty() {
            Err(format!("{requests:?}"))
        } else {
            Ok(versions)
        }
    })
    .await;
    assert_eq!(told, [second.as_str()], "{first} is lost");
}
