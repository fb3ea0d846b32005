//! Reading the configuration anew, in the real daemon: by signal, over the socket, by command.

use std::path::PathBuf;

use rekeyd::rotation::status::{Phase, SecretStatus};
use serde_json::{Value, json};

use crate::support::cli::{ended, orders};
use crate::support::daemon::Setup;
use crate::support::status::proven_retired;
use crate::support::world::{document_with, secret_name};
use crate::support::{Daemon, Fault, FaultKind, OLD, Policy, World, eventually};

/// Two users in use, each with a secret.
async fn two_users() -> World {
    let world = World::of(&["user1", "user2"]).await;
    for user in ["user1", "user2"] {
        world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    world
}

fn both(world: &World) -> Setup<'_> {
    orders(world, &["user1"]).policy(Policy::new("more", &["user2"]))
}

fn file(world: &World) -> PathBuf {
    world.path("rekeyd.toml")
}

fn spoil(world: &World) {
    let good = std::fs::read_to_string(file(world)).unwrap();
    let bad = good.replace("fence = \"1s\"", "fence = \"soon\"") + "\n[policy.worse]\nshedule = \"30d\"\n";
    std::fs::write(file(world), bad).unwrap();
}

async fn reload(daemon: &Daemon, status: u16) -> Value {
    let answer = daemon.post("/api/v1/reload", &json!({})).await;
    assert_eq!(answer.status, status, "{}", answer.body);
    answer.json()
}

async fn config(daemon: &Daemon) -> Value {
    daemon.get("/api/v1/config").await.json()
}

async fn policies(daemon: &Daemon) -> Vec<String> {
    let reply = daemon.get("/api/v1/policies").await.json();
    let policies = reply["policies"].as_array().unwrap().iter();
    policies
        .map(|policy| policy["policy"].as_str().unwrap().to_owned())
        .collect()
}

async fn metric(daemon: &Daemon, name: &str) -> String {
    let text = daemon.get("/metrics").await.body;
    let line = text.lines().find(|line| line.starts_with(&format!("rekeyd_{name} ")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_brings_a_good_file_into_force_and_leaves_a_bad_one_out_of_it() {
    let world = two_users().await;
    let daemon = orders(&world, &["user1"]).run().await;
    daemon.checked(&secret_name("user1")).await;
    both(&world).write_config();
    daemon.signal("-HUP");
    daemon.checked(&secret_name("user2")).await;
    eventually("it is said to be loaded", || async {
        let log = daemon.log_text();
        if log.contains("configuration reloaded") {
            Ok(())
        } else {
            Err(log)
        }
    })
    .await;
    assert_eq!(
        metric(&daemon, "config_last_reload_successful").await,
        "rekeyd_config_last_reload_successful 1"
    );
    assert!(
        daemon
            .get("/metrics")
            .await
            .body
            .contains("rekeyd_rotations_total{outcome=\"promoted\",policy=\"more\"} 0")
    );
    let success = metric(&daemon, "config_last_reload_success_timestamp_seconds").await;
    let before = config(&daemon).await;
    assert_eq!(before["last_reload_failed"], Value::Null);

    spoil(&world);
    daemon.signal("-HUP");
    let failed = eventually("the refusal is shown", || async {
        let config = config(&daemon).await;
        if config["last_reload_failed"].is_null() {
            Err(config.to_string())
        } else {
            Ok(config)
        }
    })
    .await;
    assert_eq!(failed["loaded_at"], before["loaded_at"]);
    assert!(
        failed["last_reload_failed"]["problems"].as_array().unwrap().len() >= 2,
        "{failed}"
    );
    assert_eq!(
        metric(&daemon, "config_last_reload_successful").await,
        "rekeyd_config_last_reload_successful 0"
    );
    assert_eq!(
        metric(&daemon, "config_last_reload_success_timestamp_seconds").await,
        success
    );
    assert!(daemon.log_text().contains("the one before stays in force"));
    assert_eq!(policies(&daemon).await, ["more", "orders"]);
    // It goes on by the one before, as a whole.
    daemon.rotate(&secret_name("user2")).await;
    daemon.wait(&secret_name("user2"), "rotated", proven_retired).await;

    orders(&world, &["user1"]).write_config();
    let reply = reload(&daemon, 200).await;
    assert_eq!(reply["removed"], json!(["more"]));
    assert_eq!(reply["configuration"]["last_reload_failed"], Value::Null);
    assert_eq!(
        metric(&daemon, "config_last_reload_successful").await,
        "rekeyd_config_last_reload_successful 1"
    );
    assert!(!daemon.get("/metrics").await.body.contains("policy=\"more\""));
    assert_eq!(daemon.statuses().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_reload_tells_everything_that_is_wrong_with_file_line_and_column() {
    let world = two_users().await;
    let setup = both(&world);
    let daemon = setup.run().await;
    let setup = both(&world);
    let [reload_command, json_command, status_command] = [
        setup.command(&["reload"]),
        setup.command(&["reload", "--json"]),
        setup.command(&["status"]),
    ];
    spoil(&world);
    let refused = reload(&daemon, 422).await;
    let problems = refused["problems"].as_array().unwrap();
    let path = file(&world).display().to_string();
    for words in ["soon", "shedule"] {
        let named = problems.iter().find(|problem| problem.to_string().contains(words));
        let place = named.unwrap_or_else(|| panic!("no {words} in {refused}"))["place"]
            .as_str()
            .unwrap();
        let position = place.strip_prefix(&format!("{path}:")).unwrap();
        let numbers: Vec<u32> = position.split(':').map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers.len(), 2, "{place}");
        assert!(refused["error"].as_str().unwrap().contains(place), "{refused}");
    }
    // The commands find the daemon although the file is bad.
    let told = ended(reload_command).await.with(13).stderr;
    assert!(
        told.contains("stays in force") && told.contains("shedule") && told.contains("soon"),
        "{told}"
    );
    let told = ended(json_command).await.with(13).json();
    assert_eq!(told["problems"], refused["problems"]);
    let table = ended(status_command).await.with(0).stdout;
    assert!(
        table.contains("\nconfiguration: the reload at ") && table.contains("shedule"),
        "{table}"
    );

    std::fs::write(file(&world), "[daemon\n").unwrap();
    assert_eq!(
        reload(&daemon, 422).await["problems"][0]["place"],
        format!("{path}:1:8")
    );
    std::fs::remove_file(file(&world)).unwrap();
    let vanished = reload(&daemon, 422).await;
    assert!(
        vanished["problems"][0]["message"]
            .as_str()
            .unwrap()
            .contains("cannot be read"),
        "{vanished}"
    );
    std::fs::create_dir(file(&world)).unwrap();
    reload(&daemon, 422).await;
    std::fs::remove_dir(file(&world)).unwrap();
    assert_eq!(policies(&daemon).await, ["more", "orders"]);
    both(&world).cli(&["reload"]).await.with(0);
    assert_eq!(config(&daemon).await["last_reload_failed"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn drop_ins_and_the_environment_are_layers_of_a_reload_too() {
    let world = two_users().await;
    let setup = orders(&world, &["user1"]).env("REKEYD__POLICY__ORDERS__SCHEDULE", "\"900d\"");
    let daemon = setup.run().await;
    let folder = world.path("rekeyd.d");
    std::fs::create_dir(&folder).unwrap();
    let drop_in = folder.join("10-more.toml");
    let more = format!(
        "[policy.more]\naws = \"main\"\nschedule = \"800d\"\nsecrets = [{:?}]\nallow_users = [\"user2\"]\n",
        secret_name("user2")
    );
    std::fs::write(&drop_in, more).unwrap();
    let reply = reload(&daemon, 200).await;
    assert_eq!((&reply["added"], &reply["changed"]), (&json!(["more"]), &json!([])));
    assert_eq!(reply["configuration"]["sources"][1], json!(drop_in));
    let told = daemon.get("/api/v1/policies").await.json();
    let schedules: Vec<_> = told["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|policy| &policy["schedule"])
        .collect();
    assert_eq!(schedules, ["800d", "900d"]);
    daemon.checked(&secret_name("user2")).await;

    // A drop-in that cannot be read is no drop-in that is not there.
    let broken = folder.join("20-broken.toml");
    std::os::unix::fs::symlink(&broken, &broken).unwrap();
    let refused = reload(&daemon, 422).await;
    assert_eq!(refused["problems"][0]["place"], json!(broken));
    std::fs::remove_file(&broken).unwrap();
    std::fs::remove_file(&drop_in).unwrap();
    assert_eq!(reload(&daemon, 200).await["removed"], json!(["more"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_change_while_running_is_kept_and_told() {
    let world = two_users().await;
    let daemon = orders(&world, &["user1"]).run().await;
    let socket = daemon.socket.display().to_string();
    let other = orders(&world, &["user1"])
        .daemon_key("expose_status", "true")
        .daemon_key("paused", "true");
    let told = other.cli(&["--socket", &socket, "reload"]).await.with(3).stdout;
    assert!(
        told.contains("daemon.expose_status takes a restart: false is in force"),
        "{told}"
    );
    let config = config(&daemon).await;
    assert_eq!(config["needs_restart"][0]["key"], "daemon.expose_status");
    let table = other.cli(&["status"]).await.with(0).stdout;
    assert!(
        table.starts_with("The configuration needs a person; ")
            && table.contains("\nconfiguration: daemon.expose_status takes a restart"),
        "{table}"
    );
    assert!(daemon.log_text().contains("this key takes a restart"));
    // The rest is in force.
    let told = daemon.get("/api/v1/policies").await.json();
    assert_eq!(told["policies"][0]["paused"], true);
    assert_eq!(reload(&daemon, 200).await["changed"], json!([]));
    orders(&world, &["user1"]).cli(&["reload"]).await.with(0);
    assert_eq!(self::config(&daemon).await["needs_restart"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_goes_in_the_middle_of_a_rotation_is_told_and_its_return_finishes_it() {
    let world = two_users().await;
    let daemon = both(&world).run().await;
    let secret = secret_name("user2");
    daemon.checked(&secret).await;
    let mut slow = Fault::next("ModifyUser", FaultKind::Delay);
    slow.ms = Some(1_000);
    world.faults(vec![slow]);
    daemon.rotate(&secret).await;
    world.fault_fired().await;
    orders(&world, &["user1"]).write_config();
    let reply = reload(&daemon, 200).await;
    assert_eq!(reply["left_alone"][0]["secret"], secret, "{reply}");
    assert_eq!(reply["left_alone"][0]["under_way"], "rotation");
    assert_eq!(reply["unfinished"], json!([]), "the call that was under way has ended");
    assert_eq!(world.count("elasticache.ModifyUser"), 1);
    assert!(daemon.log_text().contains("no policy has this secret now"));
    world.faults(Vec::new());
    both(&world).write_config();
    reload(&daemon, 200).await;
    daemon.wait(&secret, "rotated", proven_retired).await;
    assert_eq!(world.count("secretsmanager.PutSecretValue"), 1, "begun anew");
    world.assert_current_logs_in(&secret, "user2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_at_once_take_turns_tell_the_manager_and_are_refused_while_the_daemon_drains() {
    let world = two_users().await;
    let manager = tokio::net::UnixDatagram::bind(world.path("manager.sock")).unwrap();
    let setup = both(&world).env("NOTIFY_SOCKET", &world.path("manager.sock").display().to_string());
    let mut daemon = setup.run().await;
    daemon.checked(&secret_name("user1")).await;
    // What is done, without the lines of status that come between.
    let heard = async || loop {
        let mut message = [0; 200];
        let length = manager.recv(&mut message).await.unwrap();
        let message = String::from_utf8_lossy(&message[..length]).trim().to_owned();
        if !message.starts_with("STATUS=") {
            return message;
        }
    };
    assert_eq!(heard().await, "READY=1");
    let ask = || reload(&daemon, 200);
    let asking = async { tokio::join!(ask(), ask(), ask(), ask(), ask(), ask(), ask(), ask()) };
    let turns = async {
        for _ in 0..8 {
            let begins = heard().await;
            assert!(begins.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{begins}");
            assert_eq!(heard().await, "READY=1");
        }
    };
    tokio::join!(asking, turns);

    let mut slow = Fault::next("ModifyUser", FaultKind::Delay);
    slow.ms = Some(3_000);
    world.faults(vec![slow]);
    daemon.rotate(&secret_name("user1")).await;
    world.fault_fired().await;
    daemon.signal("-TERM");
    assert!(heard().await.starts_with("STOPPING=1\n"));
    eventually("the drain has begun", || async {
        let answer = daemon.post("/api/v1/reload", &json!({})).await;
        if answer.status == 503 { Ok(()) } else { Err(answer.body) }
    })
    .await;
    daemon.signal("-HUP");
    assert_eq!(daemon.exit_code().await, Some(0), "a hangup does not disturb the drain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_no_body_and_cannot_be_asked_for_over_tcp() {
    let world = two_users().await;
    let daemon = both(&world).run().await;
    for body in ["[]", "null", "{\"force\": true}", "{"] {
        let answer = crate::support::http::unix(&daemon.socket, "POST", "/api/v1/reload", Some(body))
            .await
            .unwrap();
        assert_eq!(answer.status, 400, "{body}: {}", answer.body);
    }
    let address = daemon.listen_address().await;
    let answer = crate::support::http::tcp(&address, "POST", "/api/v1/reload", None)
        .await
        .unwrap();
    assert_eq!(answer.status, 405);
    let read = crate::support::http::tcp(&address, "GET", "/api/v1/config", None)
        .await
        .unwrap();
    assert_eq!(read.json()["file"], json!(file(&world)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_policy_waits_until_its_secrets_were_looked_for_and_the_others_go_on() {
    let world = two_users().await;
    let policies = |more: Policy| orders(&world, &["user1"]).policy(more);
    let daemon = orders(&world, &["user1"]).run().await;
    let (old, new) = (secret_name("user1"), secret_name("user2"));
    daemon.checked(&old).await;
    world.faults(vec![Fault::next("ListSecrets", FaultKind::Throttle).times(0)]);
    let selecting = Policy::new("more", &["user2"]).with("select", "{ name_prefix = \"production/other/\" }");
    policies(selecting.with("propagation_timeout", "\"30m\"")).write_config();
    reload(&daemon, 200).await;
    daemon.checked(&new).await;
    daemon.rotate(&new).await;
    daemon
        .wait(&new, "held back", |status| {
            let detail = status.detail.as_deref().unwrap_or_default();
            status.phase == Phase::Due && detail.contains("could not be looked up")
        })
        .await;
    daemon.rotate(&old).await;
    daemon.wait(&old, "rotated", proven_retired).await;
    assert_eq!(world.count("secretsmanager.PutSecretValue"), 1);
    world.faults(Vec::new());
    daemon.wait(&new, "rotated", proven_retired).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_with_other_settings_is_connected_anew_and_its_secrets_are_found_there() {
    let world = two_users().await;
    let daemon = orders(&world, &["user1"]).run().await;
    let secret = secret_name("user1");
    daemon.checked(&secret).await;
    // Nobody answers there.
    orders(&world, &["user1"]).endpoint("http://127.0.0.1:1").write_config();
    assert_eq!(reload(&daemon, 200).await["changed"], json!(["orders"]));
    let lost = |status: &SecretStatus| status.arn.is_none() && status.phase == Phase::NeedsAttention;
    daemon.wait(&secret, "not found", lost).await;
    let url = world.sandbox.url().replace("127.0.0.1", "localhost");
    orders(&world, &["user1"]).endpoint(&url).write_config();
    reload(&daemon, 200).await;
    daemon.checked(&secret).await;
    daemon.rotate(&secret).await;
    daemon.wait(&secret, "rotated", proven_retired).await;
}
