//! Commands through a table in memory, of which calls fail, to replicas with engines that only remember what they were asked.

use std::time::Duration;

use serde_json::Value;

use super::reload::FleetConfiguration;
use super::*;
use crate::audit::Trail;
use crate::clock::SystemClock;
use crate::config::{Location, Problem};
use crate::engine::control::ReplicaStatus;
use crate::metrics::Metrics;
use crate::server::Fleet;
use crate::server::configuration::{RefusedReload, ReloadError};
use crate::server::testing::{FakeControl, status, surface};
use crate::store::shared::asking::{NotAnswered, Patience, ask};
use crate::store::shared::command::{Scope, new_id};
use crate::store::shared::layout::{FLEET, session};
use crate::store::shared::leases;
use crate::store::shared::testing::{Fault, FaultyTable};
use crate::store::table::Query;
use crate::store::table::memory::MemoryTable;
use rand::TryRngCore;

/// A replica, which looks at the table twice a second until it is dropped.
struct Replica {
    control: Arc<FakeControl>,
    polling: tokio::task::JoinHandle<()>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.polling.abort();
    }
}

impl Replica {
    /// How often it was asked for a rotation or a reload.
    fn asked(&self) -> usize {
        self.control.know().asked.len()
    }
}

fn control() -> Arc<FakeControl> {
    FakeControl::new(vec![status("a")])
}

async fn replica(table: Arc<dyn Table>, name: &'static str) -> Replica {
    let control = control();
    replica_of(table, name, surface(&control), control).await
}

async fn replica_of(table: Arc<dyn Table>, name: &'static str, surface: Surface, control: Arc<FakeControl>) -> Replica {
    let relay = Relay::new(table.clone(), surface, control.clone(), format!("host-{name}"));
    let polling = tokio::spawn(async move {
        loop {
            if let Ok(items) = table.query(&Query::all(FLEET)).await {
                relay.handle(&items, name);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    Replica { control, polling }
}

fn command(method: &str, path: &str, body: &str) -> Command {
    let request = command::Request {
        method: method.to_owned(),
        path: path.to_owned(),
        body: body.to_owned(),
    };
    let id = new_id(&mut rand::rngs::OsRng.unwrap_err());
    let now = crate::clock::Clock::now(&SystemClock::new());
    Command::new(id, request, "alice@laptop".to_owned(), now, Scope::Any)
}

fn rotate() -> Command {
    command("POST", "/api/v1/rotate", "{\"all\":true}")
}

/// Asks a fleet whose calls fail so on one side, and holds what the asker is told against what was done. Gives whether a
/// call failed.
async fn is_told_the_truth(fault: Fault, failing: std::ops::Range<usize>, by_asker: bool) -> bool {
    let table = Arc::new(MemoryTable::new());
    let beat = Change::new().set("beat", 1);
    table.write(&session("s1"), beat, Condition::Absent).await.unwrap();
    let faulty = FaultyTable::new(&table, fault, failing.clone());
    let (of_asker, of_replica): (Arc<dyn Table>, Arc<dyn Table>) = match by_asker {
        true => (faulty.clone(), table.clone()),
        false => (table.clone(), faulty.clone()),
    };
    let replica = replica(of_replica, "s1").await;
    let told = ask(&*of_asker, &rotate(), Patience::COMMAND).await;
    // Whatever is on its way arrives, and the replica looks on.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let asked = replica.asked();
    let about = format!("{fault:?} {failing:?} by_asker={by_asker}: asked {asked} times, told {told:?}");
    assert!(asked <= 1, "{about}");
    match told {
        Ok(reply) => assert!(asked == 1 && reply.status == 200, "{about}"),
        Err(NotAnswered::NotAsked(_) | NotAnswered::Withdrawn { .. }) => assert_eq!(asked, 0, "{about}"),
        Err(NotAnswered::Lost { .. } | NotAnswered::Unknown(_)) => {}
    }
    faulty.has_failed()
}

#[tokio::test(start_paused = true)]
async fn whichever_call_fails_a_command_is_carried_out_at_most_once_and_its_asker_is_told_the_truth() {
    for fault in Fault::ALL {
        for by_asker in [true, false] {
            // A single call, or all of an outage, which is over or is not.
            for length in [1, 3, 40, 1_000_000] {
                let mut first = 0;
                while first < 12 && is_told_the_truth(fault, first..first + length, by_asker).await {
                    first += 1;
                }
                assert!(first > 3, "{fault:?} {length}: only {first} calls");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_replicas_one_carries_a_command_out() {
    let table = Arc::new(MemoryTable::new());
    let replicas = [replica(table.clone(), "s1").await, replica(table.clone(), "s2").await];
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let table = table.clone();
        asking.spawn(async move { ask(&*table, &rotate(), Patience::COMMAND).await });
    }
    for reply in asking.join_all().await {
        assert_eq!(reply.unwrap().status, 200);
    }
    assert_eq!(replicas.iter().map(Replica::asked).sum::<usize>(), 40);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(table.count(FLEET).await.unwrap(), 0, "nothing is left of them");
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_command_is_not_carried_out_by_a_replica_that_starts_later() {
    let table = Arc::new(MemoryTable::new());
    let told = ask(&*table, &rotate(), Patience::COMMAND).await;
    assert!(matches!(told, Err(NotAnswered::Withdrawn { .. })), "{told:?}");
    let replica = replica(table.clone(), "s1").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(replica.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_taker_died_is_nobodys() {
    let table = Arc::new(MemoryTable::new());
    let command = rotate();
    let taken = command
        .creation()
        .unwrap()
        .set(STATE, "taken")
        .set(TAKEN_BY, "dead")
        .set(HOST, "host-dead");
    table.write(&command.key(), taken, Condition::Absent).await.unwrap();
    let replica = replica(table.clone(), "s1").await;
    match ask(&*table, &command, Patience::COMMAND).await {
        Err(NotAnswered::Lost { by }) => assert_eq!(by, "host-dead"),
        told => panic!("{told:?}"),
    }
    assert_eq!(replica.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_request_of_the_admin_socket_is_answered_so_and_asks_for_nothing() {
    let table = Arc::new(MemoryTable::new());
    let replica = replica(table.clone(), "s1").await;
    for (method, path, status) in [
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", "/api/v1/secrets", 405),
        ("GET", "/api/v1/rotate", 405),
        ("G T", "/api/v1/secrets", 400),
        ("GET", "http://elsewhere/api/v1/secrets", 400),
        ("GET", "not a path", 400),
        ("POST", "/api/v1/rotate", 400),
        ("POST", "/api/v1/log-level", 400),
        ("GET", "/livez", 200),
        ("GET", "/api/v1/policies", 200),
    ] {
        let reply = ask(&*table, &command(method, path, ""), Patience::LOOK).await.unwrap();
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
    }
    let each = Command {
        scope: Scope::Each,
        ..rotate()
    };
    table
        .write(&each.key(), each.creation().unwrap(), Condition::Absent)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let key = crate::store::shared::layout::reply(&each.id, "s1");
    assert_eq!(table.get(&key).await.unwrap().unwrap().number("status"), Some(400));
    assert_eq!(replica.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_makes_no_sense_keeps_no_other_from_being_carried_out() {
    let table = Arc::new(MemoryTable::new());
    let wrong = Change::new().set("request", "rm -rf /").set(STATE, "waiting");
    let key = crate::store::shared::layout::command("0");
    table.write(&key, wrong, Condition::Absent).await.unwrap();
    let replica = replica(table.clone(), "s1").await;
    assert_eq!(ask(&*table, &rotate(), Patience::COMMAND).await.unwrap().status, 200);
    assert_eq!(replica.asked(), 1);
    let left = table.get(&key).await.unwrap().unwrap();
    assert_eq!(left.text(STATE), Some("waiting"));
}

#[tokio::test(start_paused = true)]
async fn long_answers_come_whole_and_too_long_ones_say_what_to_ask_instead() {
    let table = Arc::new(MemoryTable::new());
    let replica = replica(table.clone(), "s1").await;
    let list = || command("GET", "/api/v1/secrets", "");
    for (secrets, status_wanted) in [(500, 200), (30_000, 413)] {
        replica.control.know().secrets = (0..secrets).map(|number| status(&format!("s{number}"))).collect();
        let reply = ask(&*table, &list(), Patience::LOOK).await.unwrap();
        assert_eq!(reply.status, status_wanted);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        match status_wanted {
            200 => assert_eq!(body["secrets"].as_array().unwrap().len(), secrets),
            _ => assert!(body["error"].as_str().unwrap().contains("ask for one secret")),
        }
    }
}

#[tokio::test]
async fn the_audit_log_names_who_asks_as_a_claim_and_the_command() {
    let table = Arc::new(MemoryTable::new());
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let control = control();
    let metrics = Arc::new(Metrics::new(&[]));
    let trail = Trail::open(Some(&path), Arc::new(SystemClock::new()), metrics).unwrap();
    let surface = Surface {
        audit: Arc::new(trail),
        ..surface(&control)
    };
    let _replica = replica_of(table.clone(), "s1", surface, control).await;
    let command = rotate();
    assert_eq!(ask(&*table, &command, Patience::COMMAND).await.unwrap().status, 200);
    let lines = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for line in &lines {
        assert_eq!(line["by"], "table");
        assert_eq!(line["claimed_by"], "alice@laptop");
        assert_eq!(line["command"], command.id.as_str());
        assert_eq!(line["change"], "rotate");
    }
    assert_eq!(
        (&lines[0]["outcome"], &lines[1]["outcome"]),
        (&"begun".into(), &"accepted".into())
    );
}

/// Three replicas, as the first sees them, and one that is dead.
struct Three;

impl Fleet for Three {
    fn replicas(&self) -> Vec<ReplicaStatus> {
        let replica = |name: &str| ReplicaStatus {
            session: name.to_owned(),
            host: format!("host-{name}"),
            leases: 1,
            answers: name == "s1",
            same_configuration: true,
        };
        ["s1", "s2", "s3", "dead"].map(replica).into()
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_of_one_replica_is_carried_out_once_by_each_and_tells_what_each_said() {
    let table = Arc::new(MemoryTable::new());
    let control = control();
    let configuration = FleetConfiguration::new(
        control.clone(),
        table.clone(),
        Arc::new(Three),
        Arc::new(SystemClock::new()),
    );
    let first = Surface {
        configuration,
        ..surface(&control)
    };
    let first = replica_of(table.clone(), "s1", first, control).await;
    let (second, third) = (replica(table.clone(), "s2").await, replica(table.clone(), "s3").await);
    third.control.know().reload_refused = Some(ReloadError::Refused(RefusedReload {
        error: "line 3: a_line_of_it".to_owned(),
        problems: vec![Problem::at(Location::default(), "no schedule".to_owned())],
    }));
    // The second would answer for itself alone: it is the first that is to take it.
    let reload = command("POST", "/api/v1/reload", "");
    let taken = reload.creation().unwrap().set(STATE, "taken").set(TAKEN_BY, "s1");
    table.write(&reload.key(), taken, Condition::Absent).await.unwrap();
    let reply = ask(&*table, &reload, Patience::COMMAND).await.unwrap();
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    let said: Vec<(&str, bool, &str)> = body["replicas"]
        .as_array()
        .unwrap()
        .iter()
        .map(|said| {
            let text = |name: &str| said[name].as_str().unwrap_or_default();
            (text("host"), said["reloaded"].as_bool().unwrap(), text("error"))
        })
        .collect();
    assert_eq!(said[0], ("host-s2", true, ""));
    assert!(
        said[1].2.contains("no schedule") && !said[1].2.contains("a_line_of_it"),
        "{said:?}"
    );
    assert!(
        !said[1].1 && !said[2].1 && said[2].2.contains("no answer within 10 s"),
        "{said:?}"
    );
    tokio::time::sleep(Duration::from_secs(30)).await;
    for replica in [&first, &second, &third] {
        assert_eq!(replica.control.know().asked, ["reload"]);
    }
}

#[test]
fn a_replica_that_works_by_another_configuration_than_the_one_that_tells_is_marked() {
    let replica = |id: &str, fingerprint: Option<&str>, alive| leases::Replica {
        id: id.to_owned(),
        host: "host".to_owned(),
        pid: 1,
        release: "0.1.0".to_owned(),
        fingerprint: fingerprint.map(str::to_owned),
        alive,
        for_time: Duration::ZERO,
        is_self: id == "me",
        leases: 0,
    };
    let told = told_of(vec![
        replica("me", Some("a"), true),
        replica("like", Some("a"), true),
        replica("unlike", Some("b"), true),
        replica("begins", None, true),
        replica("dead", Some("b"), false),
    ]);
    let told: Vec<(&str, bool)> = told
        .iter()
        .map(|replica| (replica.session.as_str(), replica.same_configuration))
        .collect();
    assert_eq!(
        told,
        [("me", true), ("like", true), ("unlike", false), ("begins", true)]
    );
}
