//! `rekeyd history`: what woke each rotation, each step with its duration, its proof, and why it failed.

use std::time::Duration;

use rekeyd::rotation::status::{Phase, SecretStatus};
use serde_json::Value;

use crate::support::daemon::{Setup, delete_store};
use crate::support::faults::refusal;
use crate::support::shape::assert_shape;
use crate::support::status::{idle_and_retired, promoted_to, proven};
use crate::support::world::{document, document_with, secret_name};
use crate::support::{OLD, Policy, World};

const USER: &str = "user1";

const LONGER_THAN_THE_SCHEDULE: Duration = Duration::from_millis(2_100);

fn setup<'a>(world: &'a World, schedule: &str) -> Setup<'a> {
    world
        .daemon("rekeyd")
        .policy(Policy::new("orders", &[USER]).with("schedule", schedule))
}

/// The rotations of a secret, newest first.
async fn rotations(cli: &Setup<'_>, secret: &str) -> Vec<Value> {
    let mut json = cli.cli(&["history", secret, "--json"]).await.with(0).json();
    // What else events have is frozen where they are stored.
    for event in json["events"].as_array_mut().unwrap() {
        let fields = event.as_object_mut().unwrap();
        fields.retain(|name, _| ["time", "secret_arn", "event"].contains(&name.as_str()));
    }
    assert_shape("history", &json);
    serde_json::from_value(json["rotations"].take()).unwrap()
}

fn step<'a>(rotation: &'a Value, step: &str) -> &'a Value {
    let mut steps = rotation["steps"].as_array().unwrap().iter();
    steps
        .find(|stage| stage["step"] == step)
        .unwrap_or_else(|| panic!("no {step}: {rotation:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn history_tells_who_asked_how_long_each_step_took_what_failed_and_what_proved_it() {
    let world = World::of(&[USER]).await;
    let secret = secret_name(USER);
    world.create_secret(&secret, &document_with(USER, OLD)).await;
    let daemon = setup(&world, "\"1000d\"").run().await;
    let cli = setup(&world, "\"1000d\"");
    daemon.checked(&secret).await;
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();

    // Two calls fail on the way.
    world.faults(vec![
        refusal("ModifyUser", "ServiceUnavailable", 503),
        refusal("UpdateSecretVersionStage", "InternalServiceError", 500),
    ]);
    let ended = cli.cli(&["rotate", &secret, "--wait", "--json"]).await.with(0);
    assert_shape("rotate_wait", &ended.json());
    daemon.wait(&secret, "retired", idle_and_retired).await;
    let second = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let rotations = rotations(&cli, &secret).await;
    assert_eq!(rotations.len(), 1);
    let rotation = &rotations[0];
    assert_eq!(
        (&rotation["kind"], &rotation["result"]),
        (&"rotation".into(), &"promoted".into()),
        "{rotation:#}"
    );
    assert_eq!(
        (&rotation["version"], &rotation["previous"]),
        (&second.into(), &first.into())
    );
    assert_eq!(
        (&rotation["proof"]["level"], &rotation["nodes"]),
        (&"proven".into(), &3.into())
    );
    assert_eq!(rotation["cause"]["kind"], "request");
    let me = String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    assert_eq!(rotation["cause"]["by"], me.trim());
    let whole = rotation["seconds"].as_f64().unwrap();
    let mut until = 0.0;
    for name in ["createSecret", "setSecret", "testSecret", "finishSecret"] {
        let stage = step(rotation, name);
        until += stage["seconds"].as_f64().unwrap_or_else(|| panic!("{stage:#}"));
        assert!(stage["attempts"].as_u64().unwrap() >= 1, "{stage:#}");
    }
    assert!(
        (until - whole).abs() < 0.1,
        "the steps make up the whole: {until} of {whole}"
    );
    let set = step(rotation, "setSecret");
    assert!(set["attempts"].as_u64().unwrap() >= 2, "{set:#}");
    assert!(
        set["failures"][0].as_str().unwrap().contains("ServiceUnavailable"),
        "{set:#}"
    );
    let finish = step(rotation, "finishSecret");
    assert!(
        finish["failures"][0].as_str().unwrap().contains("InternalServiceError"),
        "{finish:#}"
    );
    let retire = step(rotation, "retire");
    assert_eq!(
        (&retire["proof"]["level"], &retire["nodes"]),
        (&"proven".into(), &3.into()),
        "{retire:#}"
    );

    let text = cli.cli(&["history", &secret]).await.with(0).stdout;
    for words in [
        "rotated in ",
        "proven on 3 nodes",
        &format!("woken by     a request of {}", me.trim()),
        "setSecret    ",
        "attempts; failed: ModifyUser on user1: ServiceUnavailable",
        "previous password dead: proven on 3 nodes",
        "rotation asked for by",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let events = cli.cli(&["history", &secret, "--events"]).await.with(0).stdout;
    assert!(
        events.starts_with("TIME") && events.contains("rotation_started"),
        "{events}"
    );
    let short = cli.cli(&["history", "--limit", "1"]).await.with(0).stdout;
    // The rotation, or a check of its password that came after it.
    let headlines = |text: &str| text.lines().filter(|line| !line.starts_with(' ')).count();
    assert_eq!(headlines(&short), 1, "{short}");
    assert!(headlines(&text) > 1 && !short.contains("asked for by"), "{short}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_given_up_says_why_and_the_next_that_it_is_another_try() {
    let world = World::of(&[USER]).await;
    let secret = secret_name(USER);
    world.create_secret(&secret, &document_with(USER, OLD)).await;
    let daemon = setup(&world, "\"1000d\"").run().await;
    let cli = setup(&world, "\"1000d\"");
    daemon.checked(&secret).await;
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    world.faults(vec![refusal("ModifyUser", "InvalidParameterValue", 400)]);
    daemon.rotate(&secret).await;
    let rotated = |status: &_| proven(status) && idle_and_retired(status) && !promoted_to(&first)(status);
    daemon.wait(&secret, "rotated", rotated).await;
    let rotations = rotations(&cli, &secret).await;
    let results: Vec<&str> = rotations
        .iter()
        .map(|rotation| rotation["result"].as_str().unwrap())
        .collect();
    assert_eq!(results, ["promoted", "abandoned"]);
    assert!(
        rotations[1]["failure"]
            .as_str()
            .unwrap()
            .contains("InvalidParameterValue"),
        "{:#}",
        rotations[1]
    );
    assert_eq!(
        (&rotations[0]["cause"]["retry"], &rotations[0]["generation"]),
        (&true.into(), &1.into())
    );
    let text = cli.cli(&["history", &secret]).await.with(0).stdout;
    for words in ["rotation given up in ", "because      ", "an earlier try was given up"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

/// Whether it is known to have another version than this one; a daemon that has just started knows none.
fn moved_on_from(version: &str) -> impl Fn(&SecretStatus) -> bool {
    move |status| status.current_version.is_some() && !promoted_to(version)(status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_nobody_asked_for_says_what_woke_it() {
    let world = World::start().await;
    world.create_inactive_user(USER).await;
    let secret = secret_name(USER);
    world.create_secret(&secret, &document(USER)).await;
    let daemon = setup(&world, "\"1000d\"").run().await;
    let cli = setup(&world, "\"1000d\"");
    let made = |status: &SecretStatus| status.proof.is_some() && status.pending_version.is_none();
    daemon.wait(&secret, "rotated for the first time", made).await;
    let told = rotations(&cli, &secret).await;
    assert_eq!(told[0]["cause"]["kind"], "first_password", "{:#}", told[0]);

    // Its date comes while no daemon runs: a restart finds it due; then the schedule itself.
    daemon.kill().await;
    tokio::time::sleep(LONGER_THAN_THE_SCHEDULE).await;
    let often = setup(&world, "\"2s\"");
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let daemon = often.run().await;
    daemon
        .wait(&secret, "rotated again", |status| {
            moved_on_from(&first)(status) && status.pending_version.is_none()
        })
        .await;
    let second = world.holder(&secret, "AWSCURRENT").await.unwrap();
    daemon.wait(&secret, "rotated once more", moved_on_from(&second)).await;
    let told = rotations(&cli, &secret).await;
    let kinds: Vec<&str> = told
        .iter()
        .rev()
        .map(|rotation| rotation["cause"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds[..3], ["first_password", "restart", "schedule"]);

    // Another store knows nothing of all that, but for what it sees. Nothing is left under way.
    daemon.kill().await;
    let daemon = setup(&world, "\"1000d\"").run().await;
    let at_rest = |status: &SecretStatus| status.phase == Phase::Idle && status.proof.is_some();
    daemon.wait(&secret, "at rest", at_rest).await;
    let state = daemon.state_file.clone();
    daemon.kill().await;
    delete_store(&state);
    let current = world.holder(&secret, "AWSCURRENT").await.unwrap();
    tokio::time::sleep(LONGER_THAN_THE_SCHEDULE).await;
    let daemon = setup(&world, "\"2s\"").run().await;
    daemon
        .wait(
            &secret,
            "rotated by a daemon that discovered it",
            moved_on_from(&current),
        )
        .await;
    let told = rotations(&cli, &secret).await;
    // It may have retired the password before that first, as it does of a rotation that it knows nothing of.
    let discovered = told.iter().find(|rotation| rotation["previous"] == current.as_str());
    let discovered = discovered.unwrap_or_else(|| panic!("{told:#?}"));
    assert_eq!(discovered["cause"]["kind"], "discovery", "{told:#?}");
}
