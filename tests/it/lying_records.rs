//! Stored records that can be read and are not true, field by field, in simulated time: AWS is the truth, so the
//! worst that a lie may do is to delay.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rekeyd::engine::control::RotateOptions;
use rekeyd::rotation::state::Record;
use rekeyd::rotation::status::Phase;
use rekeyd::store::Store as _;
use rekeyd::store::memory::MemoryStore;
use serde_json::{Value, json};

use crate::support::OLD;
use crate::support::simulated::{Disk, Policy, Simulation, lifelike, simulate};
use crate::support::world::{document_with, secret_name};

/// Users of one simulation, each with a lie of its own. A user group has a hundred at most.
const USERS: usize = 60;
const DAY: Duration = Duration::from_secs(86_400);

/// A lie: where in the record, and what stands there instead.
type Lie = (String, Value);

/// Every place of a record with everything else that could stand there.
fn lies(record: &Value, now: DateTime<Utc>, versions: &[String]) -> Vec<Lie> {
    let mut lies = Vec::new();
    let full: Value = serde_json::from_str(include_str!("../fixtures/stored/record.json")).unwrap();
    for (key, value) in record.as_object().unwrap() {
        let empty = value.is_null() || *value == json!([]);
        if empty && key != "pause" {
            lies.push((format!("/{key}"), told_of(&full[key], now, versions)));
        }
    }
    collect(record, "", now, versions, &mut lies);
    lies.retain(|(place, _)| place != "/secret_arn" && !place.starts_with("/pause"));
    lies
}

/// Whether an operator is said to have asked for something. Nobody but the record knows of that.
fn is_an_order(place: &str, value: &Value) -> bool {
    let orders = ["/request", "/revocation", "/rollback", "/promotion/revoke_previous"];
    orders.iter().any(|order| place.starts_with(order)) || value["revoke_previous"] == json!(true)
}

/// A part of another record, as if it were this one's: its dates an hour ago, its versions ours.
fn told_of(part: &Value, now: DateTime<Utc>, versions: &[String]) -> Value {
    match part {
        Value::String(text) if text.parse::<DateTime<Utc>>().is_ok() => json!(now - TimeDelta::hours(1)),
        Value::String(text) if text.len() == 36 => json!(versions[0]),
        Value::Array(values) => values.iter().map(|value| told_of(value, now, versions)).collect(),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| (key.clone(), told_of(value, now, versions)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

fn collect(value: &Value, place: &str, now: DateTime<Utc>, versions: &[String], lies: &mut Vec<Lie>) {
    let mut lie = |value: Value| lies.push((place.to_owned(), value));
    match value {
        Value::Object(fields) => {
            if !place.is_empty() {
                lie(Value::Null);
            }
            for (key, value) in fields {
                collect(value, &format!("{place}/{key}"), now, versions, lies);
            }
        }
        Value::Array(_) => lie(json!([])),
        Value::Bool(is) => lie(json!(!is)),
        Value::Number(_) => [json!(0), json!(200)].map(lie).into_iter().collect(),
        Value::String(text) if text.parse::<DateTime<Utc>>().is_ok() => {
            lie(Value::Null);
            lie(json!(now - TimeDelta::days(20_000)));
            lie(json!(now + TimeDelta::minutes(30)));
            lie(json!(now + TimeDelta::days(300_000)));
        }
        Value::String(text) if text.len() == 36 => {
            for other in versions.iter().filter(|other| *other != text) {
                lie(json!(other));
            }
            lie(json!("11111111-2222-4333-8444-555555555555"));
        }
        _ => {}
    }
}

fn names() -> Vec<String> {
    (0..USERS).map(|user| format!("user{user}")).collect()
}

/// Brings every user to the same moment of a rotation, kills rekeyd, has each record lie once, and starts it
/// again. `nth` says which of the lies: each simulation tells [`USERS`] of them. Gives how many there are in all.
async fn run(sim: Simulation, moment: Option<Duration>, nth: usize) -> usize {
    let users = names();
    let borrowed: Vec<&str> = users.iter().map(String::as_str).collect();
    for user in &users {
        sim.create_user(user, OLD).await;
    }
    sim.create_cache(&borrowed).await;
    for user in &users {
        sim.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    let store = Arc::new(MemoryStore::new());
    let policy = Policy::new("orders", &borrowed)
        .with("overlap", "\"30m\"")
        .with("schedule", "\"1d\"")
        .with("canary", "0");
    let machine = sim.machine("rekeyd").policy(policy).disk(Disk::memory(store.clone()));
    let replica = machine.start().await;
    sim.run_for(Duration::from_secs(300)).await;
    if let Some(moment) = moment {
        for user in &users {
            replica.rotate(&secret_name(user), RotateOptions::default()).await;
        }
        sim.run_for(moment).await;
    }
    let machine = replica.crash();
    let now = sim.world.sandbox.now();

    let mut told = Vec::new();
    let mut most = 0;
    for (at, user) in users.iter().enumerate() {
        let secret = sim.secret(&secret_name(user));
        let records = store.records().await.unwrap();
        let record = records
            .into_iter()
            .find(|record| record.secret_arn == secret.arn)
            .unwrap();
        let mut versions: Vec<String> = secret.versions.iter().map(|version| version.id.clone()).collect();
        versions.push(rekeyd::rotation::version::version_id(&secret.arn, &versions[0], 1));
        let mut json = serde_json::to_value(&record).unwrap();
        let lies = lies(&json, now, &versions);
        most = most.max(lies.len());
        let Some((place, value)) = lies.get(nth + at).cloned() else {
            continue;
        };
        let Some(spot) = json.pointer_mut(&place) else {
            unreachable!()
        };
        *spot = value.clone();
        if let Ok(lying) = serde_json::from_value::<Record>(json) {
            store.save(&lying, &[]).await.unwrap();
            if place.starts_with("/rollback") {
                sim.world.auditor().allow_rollback(&secret.arn);
            }
            // When a rotation began says which request it serves.
            let order = is_an_order(&place, &value);
            if order || place.starts_with("/rotation") {
                sim.world.auditor().requested(now, &secret.arn, order);
            }
            told.push((user.clone(), place, value, secret.versions.len()));
        }
    }

    let replica = machine.start().await;
    sim.run_for(Duration::from_secs(3 * 3_600)).await;
    for (user, place, value, before) in &told {
        // A rotation that is told to be requested, or given up, takes one version more than one under way.
        let asked = place.starts_with("/request") || place.starts_with("/rotation");
        let most = before + usize::from(asked);
        let versions = sim.secret(&secret_name(user)).versions.len();
        assert!(
            versions <= most,
            "{user} rotated before its time: {place} = {value}\n{}",
            sim.story()
        );
    }
    sim.run_for(DAY + Duration::from_secs(3 * 3_600)).await;
    for (user, place, value, before) in &told {
        let secret = secret_name(user);
        let status = replica.status(&secret).unwrap();
        let held = sim.secret(&secret).versions.len() <= *before;
        assert!(
            !held,
            "{user} is locked out of rotation: {place} = {value}: {status:#?}"
        );
        assert!(
            status.phase == Phase::Idle || status.phase == Phase::Overlap,
            "{place} = {value}: {status:#?}"
        );
    }
    most
}

/// All lies about records at one moment of a rotation.
fn every_lie_at(moment: Option<Duration>) {
    let mut told = 0;
    loop {
        let there = simulate(1, lifelike(), async |sim| run(sim, moment, told).await);
        told += USERS;
        if told >= there {
            println!("{there} lies at {moment:?}");
            assert!(there > 15, "{there}");
            return;
        }
    }
}

#[test]
fn no_lie_in_the_record_of_a_secret_at_rest_rotates_it_early_or_holds_it_back() {
    every_lie_at(None);
}

#[test]
fn no_lie_in_the_record_of_a_password_that_is_being_set_does_harm() {
    every_lie_at(Some(Duration::from_secs(8)));
}

#[test]
fn no_lie_in_the_record_of_an_overlap_does_harm() {
    every_lie_at(Some(Duration::from_secs(300)));
}

#[test]
fn no_lie_in_the_record_of_a_retirement_does_harm() {
    every_lie_at(Some(Duration::from_secs(30 * 60 + 100)));
}
