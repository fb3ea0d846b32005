//! The scenarios: each ends in a state that it asserts, whatever side the switches of the sandbox are on.

use std::time::Duration;

use rekeyd::engine::control::RotateOptions;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::UnprovenReason;
use rekeyd::rotation::status::Phase;
use rekeyd_sandbox::elasticache::AddTagsToResource;
use rekeyd_sandbox::secretsmanager::UpdateSecretVersionStage;
use rekeyd_sandbox::{Delay, Fault, FaultKind, NodeChange};

use super::scene::{HOUR, MINUTE, OLD, PATIENCE, Scene, USER, assert_rotated, is_done, policy};
use crate::support::simulated::{CrashPoint, Machine, Policy, Simulation};
use crate::support::world::{CACHE, document_with, secret_name, user_arn};

/// Something that happens around a rotation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scenario {
    FirstPasswordOfAnInactiveUser,
    ScheduledTwice,
    Requested,
    RevokePrevious,
    /// The first reply to each of these calls of a rotation is lost, twice over.
    ReplyLost(&'static str),
    /// The process dies when its n-th change has been made.
    Crash {
        after: u64,
        store_kept: bool,
    },
    TwoReplicasWithoutLease,
    ThrottledForAWhile,
    LaggingNode,
    ForeignPending,
    StrangersEdit,
    TwoUsersOfOneGroup,
    UserTaggedMeanwhile,
    SecretFoundByItsPrefix,
}

impl Scenario {
    /// Rotations as they are meant to be, and what others do meanwhile.
    pub const OF_ROTATIONS: [Self; 12] = [
        Self::FirstPasswordOfAnInactiveUser,
        Self::ScheduledTwice,
        Self::Requested,
        Self::RevokePrevious,
        Self::TwoReplicasWithoutLease,
        Self::ThrottledForAWhile,
        Self::LaggingNode,
        Self::ForeignPending,
        Self::StrangersEdit,
        Self::TwoUsersOfOneGroup,
        Self::UserTaggedMeanwhile,
        Self::SecretFoundByItsPrefix,
    ];

    /// Replies that are lost.
    pub const OF_LOST_REPLIES: [Self; 3] = [
        Self::ReplyLost("PutSecretValue"),
        Self::ReplyLost("ModifyUser"),
        Self::ReplyLost("UpdateSecretVersionStage"),
    ];

    /// A crash after each change that a rotation makes, with the store and without it.
    pub fn of_crashes() -> Vec<Self> {
        let crash = |after| [true, false].map(|store_kept| Self::Crash { after, store_kept });
        (1..=4).flat_map(crash).collect()
    }

    /// Plays it to its end.
    pub async fn play(self, sim: &Simulation) {
        match self {
            Self::FirstPasswordOfAnInactiveUser => first_password_of_an_inactive_user(sim).await,
            Self::ScheduledTwice => scheduled_twice(sim).await,
            Self::Requested => requested(sim).await,
            Self::RevokePrevious => revoke_previous(sim).await,
            Self::ReplyLost(operation) => reply_lost(sim, operation).await,
            Self::Crash { after, store_kept } => crash(sim, after, store_kept).await,
            Self::TwoReplicasWithoutLease => two_replicas_without_lease(sim).await,
            Self::ThrottledForAWhile => throttled_for_a_while(sim).await,
            Self::LaggingNode => lagging_node(sim).await,
            Self::ForeignPending => foreign_pending(sim).await,
            Self::StrangersEdit => strangers_edit(sim).await,
            Self::TwoUsersOfOneGroup => two_users_of_one_group(sim).await,
            Self::UserTaggedMeanwhile => user_tagged_meanwhile(sim).await,
            Self::SecretFoundByItsPrefix => secret_found_by_its_prefix(sim).await,
        }
    }
}

async fn first_password_of_an_inactive_user(sim: &Simulation) {
    let arn = sim.inactive_user(USER).await;
    let secret = secret_name(USER);
    let first = sim.holder(&secret, "AWSCURRENT").expect("a current version");
    let replica = sim.replica("rekeyd", policy(&[USER])).await;
    let off = Some(Proof::Unproven(UnprovenReason::UserOff));
    let second = rekeyd::rotation::version::version_id(&arn, &first, 0);
    replica
        .until(&secret, "given a first password", PATIENCE, |status| {
            status.current_version.as_ref() == Some(&second) && status.phase == Phase::Idle && status.proof == off
        })
        .await;
    sim.switch(USER, true).await;
    replica
        .until(&secret, "proved once the user is on", PATIENCE, |status| {
            status.proof == Some(Proof::Proven)
        })
        .await;
    assert_rotated(sim, USER, &[&first, &second], &[]);
}

async fn scheduled_twice(sim: &Simulation) {
    let scene = Scene::with(sim, policy(&[USER]).with("schedule", "\"2h\"")).await;
    let (second, third) = (scene.after(&scene.first), scene.after(&scene.after(&scene.first)));
    let began = sim.world.time.elapsed();
    scene.until_done(&second).await;
    let between = sim.password(&scene.secret, "AWSCURRENT").expect("a password");
    assert!(sim.world.time.elapsed() - began >= 2 * HOUR - MINUTE, "rotated early");
    scene.assert_rotated(&[&scene.first, &second], &[OLD]);
    scene.until_done(&third).await;
    scene.assert_rotated(&[&scene.first, &second, &third], &[OLD, &between]);
}

async fn requested(sim: &Simulation) {
    let scene = Scene::new(sim).await;
    let second = scene.after(&scene.first);
    scene.request().await;
    scene.until_current(&second).await;
    sim.run_for(20 * MINUTE).await;
    assert_eq!(sim.logins(USER, OLD), (3, 3), "both passwords work in the overlap");
    scene.until_done(&second).await;
    scene.assert_rotated(&[&scene.first, &second], &[OLD]);
}

async fn revoke_previous(sim: &Simulation) {
    let scene = Scene::new(sim).await;
    let second = scene.after(&scene.first);
    let options = RotateOptions {
        revoke_previous: true,
        ..RotateOptions::default()
    };
    scene.replica.rotate(&scene.secret, options).await;
    scene.until_current(&second).await;
    let promoted = sim.world.time.elapsed();
    scene.until_done(&second).await;
    assert!(
        sim.world.time.elapsed() - promoted < 20 * MINUTE,
        "the overlap was waited for"
    );
    scene.assert_rotated(&[&scene.first, &second], &[OLD]);
}

/// Two rotations, and in each the first reply to every round of `operation` is lost.
async fn reply_lost(sim: &Simulation, operation: &str) {
    let scene = Scene::with(sim, policy(&[USER]).with("schedule", "\"2h\"")).await;
    let (mut chain, mut passwords) = (vec![scene.first.clone()], Vec::new());
    for _ in 0..2 {
        let next = scene.after(&chain[chain.len() - 1]);
        passwords.push(sim.password(&scene.secret, "AWSCURRENT").expect("a password"));
        let lost = vec![Fault::next(operation, FaultKind::ReplyLost)];
        sim.faults(lost.clone());
        scene.until_current(&next).await;
        assert_eq!(sim.world.sandbox.faults()[0].fired, 1, "the fault struck");
        sim.faults(lost);
        scene.until_done(&next).await;
        let struck = sim.world.sandbox.faults()[0].fired;
        assert_eq!(
            struck,
            u64::from(operation == "ModifyUser"),
            "the retirement is a ModifyUser"
        );
        chain.push(next);
    }
    let chain: Vec<&str> = chain.iter().map(String::as_str).collect();
    let dead: Vec<&str> = passwords.iter().map(String::as_str).collect();
    scene.assert_rotated(&chain, &dead);
}

async fn crash(sim: &Simulation, after: u64, store_kept: bool) {
    let arn = sim.live_user(USER, OLD).await;
    let machine = sim.machine("rekeyd").policy(policy(&[USER]));
    let replica = machine.dies(CrashPoint::AfterRequest(after)).start().await;
    let scene = Scene::around(sim, arn, replica).await;
    let second = scene.after(&scene.first);
    scene.request().await;
    let dead = || scene.replica.is_dead().then_some(());
    sim.until("the process dies", PATIENCE, dead, || "it lives".to_owned())
        .await;
    sim.run_for(MINUTE).await;
    let Scene {
        replica, secret, first, ..
    } = scene;
    let machine: Machine = replica.crash();
    let machine = if store_kept { machine } else { machine.empty_disk() };
    let replica = machine.start().await;
    replica
        .until(&secret, "rotated and retired", PATIENCE, |status| {
            is_done(status, &second)
        })
        .await;
    assert_rotated(sim, USER, &[&first, &second], &[OLD]);
}

async fn two_replicas_without_lease(sim: &Simulation) {
    let policy = || policy(&[USER]).with("schedule", "\"2h\"");
    let arn = sim.live_user(USER, OLD).await;
    let other = sim.replica("other", policy()).await;
    let scene = Scene::around(sim, arn, sim.replica("rekeyd", policy()).await).await;
    let (second, third) = (scene.after(&scene.first), scene.after(&scene.after(&scene.first)));
    for version in [&second, &third] {
        scene.until_done(version).await;
        let done = |status: &rekeyd::rotation::status::SecretStatus| is_done(status, version);
        other
            .until(&scene.secret, "seen as rotated by the other", PATIENCE, done)
            .await;
    }
    scene.assert_rotated(&[&scene.first, &second, &third], &[OLD]);
}

async fn throttled_for_a_while(sim: &Simulation) {
    let scene = Scene::new(sim).await;
    let second = scene.after(&scene.first);
    scene.request().await;
    sim.run_for(Duration::from_millis(700)).await;
    sim.faults(vec![Fault::next("*", FaultKind::Throttle).times(0)]);
    sim.run_for(15 * MINUTE).await;
    let status = scene
        .until("throttled", |status| status.phase == Phase::NeedsAttention)
        .await;
    assert_eq!(status.reason.as_deref(), Some("throttled"));
    sim.faults(Vec::new());
    scene.until_done(&second).await;
    scene.assert_rotated(&[&scene.first, &second], &[OLD]);
}

async fn lagging_node(sim: &Simulation) {
    let scene = Scene::new(sim).await;
    let second = scene.after(&scene.first);
    let (node, stuck) = (format!("{CACHE}-003"), |delay| NodeChange {
        propagation_ms: Some(delay),
        ..NodeChange::default()
    });
    sim.change_node(&node, &stuck(Some(Delay::NEVER)));
    scene.request().await;
    sim.run_for(10 * MINUTE).await;
    assert_eq!(
        sim.holder(&scene.secret, "AWSCURRENT"),
        Some(scene.first.clone()),
        "promoted unproved"
    );
    sim.change_node(&node, &stuck(None));
    scene.until_done(&second).await;
    scene.assert_rotated(&[&scene.first, &second], &[OLD]);
}

const STRANGERS_VERSION: &str = "11111111-2222-4333-8444-555555555555";

async fn foreign_pending(sim: &Simulation) {
    let scene = Scene::new(sim).await;
    let theirs = document_with(USER, "the-password-of-another-rotator");
    sim.put(USER, STRANGERS_VERSION, &theirs, Some(&["AWSPENDING"])).await;
    // Nobody can respect a label that no read shows yet.
    sim.run_for(MINUTE).await;
    scene.request().await;
    halted_for(&scene, "foreign_pending").await;
    sim.run_for(HOUR).await;
    assert_eq!(
        sim.holder(&scene.secret, "AWSPENDING").as_deref(),
        Some(STRANGERS_VERSION)
    );
    remove_pending(sim, STRANGERS_VERSION).await;
    let second = scene.after(&scene.first);
    scene.until_done(&second).await;
    scene.assert_rotated(&[&scene.first, STRANGERS_VERSION, &second], &[OLD]);
}

async fn strangers_edit(sim: &Simulation) {
    let scene = Scene::new(sim).await;
    scene.request().await;
    let pending = scene.after(&scene.first);
    scene.until("set", |status| status.pending_version.is_some()).await;
    sim.run_for(Duration::from_secs(10)).await;
    let edited = serde_json::json!({"host": "db", "username": USER, "password": OLD, "user_arn": user_arn(USER)});
    sim.put(USER, STRANGERS_VERSION, &edited.to_string(), None).await;
    // Made from a version that is not current any more, it can never be promoted: it is given up.
    scene.until_current(STRANGERS_VERSION).await;
    sim.run_for(HOUR).await;
    assert_eq!(sim.holder(&scene.secret, "AWSPENDING"), None);
    assert_eq!(sim.logins(USER, OLD), (3, 3), "the password under AWSCURRENT");
    scene.request().await;
    let last = scene.after(STRANGERS_VERSION);
    scene.until_done(&last).await;
    scene.assert_rotated(&[&scene.first, &pending, STRANGERS_VERSION, &last], &[OLD]);
}

async fn halted_for(scene: &Scene<'_>, reason: &str) {
    let halted = |status: &rekeyd::rotation::status::SecretStatus| {
        status.phase == Phase::Halted && status.reason.as_deref() == Some(reason)
    };
    scene.until("halted", halted).await;
}

/// Takes AWSPENDING off a version, as an operator does.
async fn remove_pending(sim: &Simulation, version: &str) {
    sim.call(UpdateSecretVersionStage {
        secret_id: secret_name(USER),
        version_stage: "AWSPENDING".to_owned(),
        remove_from_version_id: Some(version.to_owned()),
        move_to_version_id: None,
    })
    .await;
}

async fn two_users_of_one_group(sim: &Simulation) {
    let users = ["user1", "user2"];
    for user in users {
        sim.create_user(user, OLD).await;
    }
    sim.create_cache(&users).await;
    let mut expected = Vec::new();
    for user in users {
        let arn = sim.create_secret(&secret_name(user), &document_with(user, OLD)).await;
        let first = sim.holder(&secret_name(user), "AWSCURRENT").expect("a version");
        expected.push((user, rekeyd::rotation::version::version_id(&arn, &first, 0), first));
    }
    let replica = sim.replica("rekeyd", policy(&users).with("canary", "0")).await;
    for user in users {
        let checked = |status: &rekeyd::rotation::status::SecretStatus| status.proof == Some(Proof::Proven);
        replica.until(&secret_name(user), "checked", PATIENCE, checked).await;
    }
    for user in users {
        replica.rotate(&secret_name(user), RotateOptions::default()).await;
    }
    for (user, second, first) in &expected {
        let done = |status: &rekeyd::rotation::status::SecretStatus| is_done(status, second);
        replica
            .until(&secret_name(user), "rotated and retired", PATIENCE, done)
            .await;
        assert_rotated(sim, user, &[first, second], &[OLD]);
    }
}

async fn user_tagged_meanwhile(sim: &Simulation) {
    let scene = Scene::new(sim).await;
    let second = scene.after(&scene.first);
    sim.call(AddTagsToResource {
        resource_name: user_arn(USER),
        tags: Some(vec![rekeyd_sandbox::elasticache::Tag {
            key: "team".to_owned(),
            value: Some("orders".to_owned()),
        }]),
    })
    .await;
    scene.request().await;
    scene.until_done(&second).await;
    scene.assert_rotated(&[&scene.first, &second], &[OLD]);
}

async fn secret_found_by_its_prefix(sim: &Simulation) {
    let selecting = Policy {
        name: "orders".to_owned(),
        keys: "select = { name_prefix = \"production/\" }\nallow_users = [\"user*\"]\noverlap = \"30m\"\n".to_owned(),
    };
    let arn = sim.live_user(USER, OLD).await;
    let scene = Scene::around(sim, arn, sim.replica("rekeyd", selecting).await).await;
    let second = scene.after(&scene.first);
    scene.request().await;
    scene.until_done(&second).await;
    scene.assert_rotated(&[&scene.first, &second], &[OLD]);
}
