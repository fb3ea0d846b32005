//! For each bug a rotation, and what happens around it, in which the bug does harm and rekeyd does none. They wait
//! for a while and not for a state, since a bug may keep any state from coming about.

use std::time::Duration;

use rekeyd::engine::control::{Control as _, RotateOptions, Selector};
use rekeyd::planted::PlantedBug;
use rekeyd::rotation::event::Event;
use rekeyd::rotation::status::SecretStatus;
use rekeyd::rotation::version::version_id;
use rekeyd_sandbox::elasticache::CreateUser;
use rekeyd_sandbox::secretsmanager::UpdateSecretVersionStage;
use rekeyd_sandbox::{Delay, Fault, FaultKind, NodeChange, Settings};
use serde_json::json;

use crate::support::simulated::{Policy, Replica, Simulation, lifelike};
use crate::support::world::{CACHE, document, secret_name, user_arn};

const USER: &str = "user1";
const OLD: &str = "the-first-password-1";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// What the scenario of this bug is, in words.
pub fn story(bug: PlantedBug) -> &'static str {
    match bug {
        PlantedBug::PromoteBeforeProof => "a node learns the new password ten minutes late",
        PlantedBug::DropCurrentPassword => "a rotation without any fault",
        PlantedBug::ForgetCompareAndSwap => "a person edits the secret between the proof and the finish",
        PlantedBug::IgnoreLostReply => "the first PutSecretValue ends in a server error, and nothing is put",
        PlantedBug::RetireInsideOverlap => "a rotation of 25 minutes with an overlap of 30",
        PlantedBug::ReuseTokenAfterAbandoning => "ElastiCache refuses the first password for good",
        PlantedBug::RederiveRolledBackVersion => "a person moves AWSCURRENT back and resumes",
        PlantedBug::SkipFence => "a retirement arrives four minutes late, and a second rotation is requested meanwhile",
        PlantedBug::NopassAsProof => "a first password, which one node does not learn for ten minutes",
        PlantedBug::FailedDiscoveryAsNoNodes => {
            "a node learns the password late, and its cache cannot be read meanwhile"
        }
        PlantedBug::RotateBecauseStoreLost => "the store is lost an hour after a rotation",
        PlantedBug::StaleActiveForSettled => "nobody logs in, and the status reads active for 30 s after a change",
    }
}

/// The sandbox's settings for it.
pub fn settings(bug: PlantedBug) -> Settings {
    let patch = match bug {
        PlantedBug::StaleActiveForSettled => json!({"modifying_lag_ms": 30_000}),
        _ => json!({}),
    };
    lifelike().patched(&patch).expect("settings of the sandbox")
}

/// Secrets that wait for a person in the end, and rightly.
pub fn exempt(bug: PlantedBug) -> &'static [&'static str] {
    match bug {
        PlantedBug::ForgetCompareAndSwap => &["production/ec/user1"],
        _ => &[],
    }
}

/// Plays the scenario in which this bug does harm. Says whether it ended as it does without the bug.
pub async fn play(bug: PlantedBug, sim: &Simulation) -> bool {
    match bug {
        PlantedBug::PromoteBeforeProof => late_node(sim).await,
        PlantedBug::DropCurrentPassword => no_fault(sim).await,
        PlantedBug::ForgetCompareAndSwap => edited_before_the_finish(sim).await,
        PlantedBug::IgnoreLostReply => failed_put(sim).await,
        PlantedBug::RetireInsideOverlap => long_rotation(sim).await,
        PlantedBug::ReuseTokenAfterAbandoning => refused_password(sim).await,
        PlantedBug::RederiveRolledBackVersion => rolled_back(sim).await,
        PlantedBug::SkipFence => late_retirement(sim).await,
        PlantedBug::NopassAsProof => first_password_on_a_late_node(sim).await,
        PlantedBug::FailedDiscoveryAsNoNodes => unreadable_cache(sim).await,
        PlantedBug::RotateBecauseStoreLost => lost_store(sim).await,
        PlantedBug::StaleActiveForSettled => stale_active(sim).await,
    }
}

/// A user in use, its secret, and a replica that has looked at it.
struct Scene<'a> {
    sim: &'a Simulation,
    secret: String,
    arn: String,
    first: String,
    replica: Replica,
}

fn policy() -> Policy {
    Policy::new("orders", &[USER]).with("overlap", "\"30m\"")
}

impl<'a> Scene<'a> {
    async fn new(sim: &'a Simulation, policy: Policy) -> Self {
        let arn = sim.live_user(USER, OLD).await;
        let first = sim.holder(&secret_name(USER), "AWSCURRENT").expect("a version");
        let scene = Self {
            sim,
            secret: secret_name(USER),
            arn,
            first,
            replica: sim.replica("rekeyd", policy).await,
        };
        sim.run_for(MINUTE).await;
        scene
    }

    /// The version that follows on the first.
    fn second(&self) -> String {
        version_id(&self.arn, &self.first, 0)
    }

    async fn request(&self) {
        self.replica.rotate(&self.secret, RotateOptions::default()).await;
    }

    /// Waits until it is so, looking ever so often; says whether it is.
    async fn within(&self, at_most: Duration, often: Duration, so: impl Fn(&Self) -> bool) -> bool {
        let began = self.sim.world.time.elapsed();
        while !so(self) {
            if self.sim.world.time.elapsed() - began > at_most {
                return false;
            }
            self.sim.run_for(often).await;
        }
        true
    }

    async fn is_rotated_within(&self, at_most: Duration, version: &str) -> bool {
        let done = |status: SecretStatus| {
            status.current_version.as_deref() == Some(version) && status.retired_at > status.last_rotation_at
        };
        self.within(at_most, Duration::from_secs(5), |scene| {
            scene.replica.status(&scene.secret).is_some_and(done)
        })
        .await
    }

    fn stick_node(&self, stuck: bool) {
        stick_node(self.sim, stuck);
    }

    /// How often ElastiCache was asked to change the user.
    fn modified(&self) -> u64 {
        let calls = self.sim.world.sandbox.calls();
        calls.get("elasticache.ModifyUser").copied().unwrap_or(0)
    }
}

/// Keeps a node from learning passwords, or lets it.
fn stick_node(sim: &Simulation, stuck: bool) {
    let change = NodeChange {
        propagation_ms: Some(stuck.then_some(Delay::NEVER)),
        ..NodeChange::default()
    };
    sim.change_node(&format!("{CACHE}-003"), &change);
}

async fn no_fault(sim: &Simulation) -> bool {
    let scene = Scene::new(sim, policy()).await;
    scene.request().await;
    scene.is_rotated_within(2 * HOUR, &scene.second()).await
}

async fn late_by(sim: &Simulation, span: Duration) -> bool {
    let scene = Scene::new(sim, policy()).await;
    scene.stick_node(true);
    scene.request().await;
    sim.run_for(span).await;
    scene.stick_node(false);
    scene.is_rotated_within(3 * HOUR, &scene.second()).await
}

async fn late_node(sim: &Simulation) -> bool {
    late_by(sim, 10 * MINUTE).await
}

async fn long_rotation(sim: &Simulation) -> bool {
    late_by(sim, 25 * MINUTE).await
}

async fn edited_before_the_finish(sim: &Simulation) -> bool {
    const THEIRS: &str = "11111111-2222-4333-8444-555555555555";
    let scene = Scene::new(sim, policy()).await;
    scene.request().await;
    let finishing = |scene: &Scene<'_>| {
        let journal = scene.sim.world.journal();
        journal
            .iter()
            .any(|entry| matches!(entry.event, Event::FinishStarted { .. }))
    };
    scene.within(HOUR, Duration::from_millis(1), finishing).await;
    let edited = json!({"host": "db", "username": USER, "password": OLD, "user_arn": user_arn(USER)});
    sim.put(USER, THEIRS, &edited.to_string(), None).await;
    sim.run_for(HOUR).await;
    sim.holder(&scene.secret, "AWSCURRENT").as_deref() == Some(THEIRS)
}

async fn failed_put(sim: &Simulation) -> bool {
    let scene = Scene::new(sim, policy()).await;
    sim.faults(vec![Fault::next("PutSecretValue", FaultKind::Error)]);
    scene.request().await;
    scene.is_rotated_within(3 * HOUR, &scene.second()).await
}

async fn refused_password(sim: &Simulation) -> bool {
    let scene = Scene::new(sim, policy()).await;
    sim.faults(vec![Fault {
        code: Some("InvalidParameterValue".to_owned()),
        ..Fault::next("ModifyUser", FaultKind::Code)
    }]);
    scene.request().await;
    scene
        .is_rotated_within(3 * HOUR, &version_id(&scene.arn, &scene.first, 1))
        .await
}

async fn rolled_back(sim: &Simulation) -> bool {
    let scene = Scene::new(sim, policy()).await;
    let second = scene.second();
    scene.request().await;
    let promoted = |scene: &Scene<'_>| sim.holder(&scene.secret, "AWSCURRENT").as_ref() == Some(&second);
    scene.within(HOUR, Duration::from_secs(5), promoted).await;
    sim.call(UpdateSecretVersionStage {
        secret_id: scene.secret.clone(),
        version_stage: "AWSCURRENT".to_owned(),
        remove_from_version_id: Some(second.clone()),
        move_to_version_id: Some(scene.first.clone()),
    })
    .await;
    sim.run_for(HOUR).await;
    let selector = Selector {
        secrets: vec![scene.secret.clone()],
        ..Selector::default()
    };
    scene.replica.engine.resume(&selector).await.expect("a resume");
    scene.request().await;
    scene
        .is_rotated_within(3 * HOUR, &version_id(&scene.arn, &scene.first, 1))
        .await
}

async fn late_retirement(sim: &Simulation) -> bool {
    let scene = Scene::new(sim, policy()).await;
    sim.faults(vec![Fault {
        call: 2,
        ms: Some(240_000),
        ..Fault::next("ModifyUser", FaultKind::Delay)
    }]);
    let revoke = RotateOptions {
        revoke_previous: true,
        ..RotateOptions::default()
    };
    scene.replica.rotate(&scene.secret, revoke).await;
    let second = scene.second();
    let retired = scene.is_rotated_within(HOUR, &second).await;
    scene.request().await;
    let third = version_id(&scene.arn, &second, 0);
    retired && scene.is_rotated_within(3 * HOUR, &third).await
}

async fn first_password_on_a_late_node(sim: &Simulation) -> bool {
    sim.call(CreateUser {
        user_id: USER.to_owned(),
        user_name: USER.to_owned(),
        engine: "redis".to_owned(),
        access_string: "on ~keys* -@all +get".to_owned(),
        no_password_required: Some(true),
        ..CreateUser::default()
    })
    .await;
    sim.create_cache(&[USER]).await;
    let secret = secret_name(USER);
    let arn = sim.create_secret(&secret, &document(USER)).await;
    let first = sim.holder(&secret, "AWSCURRENT").expect("a version");
    stick_node(sim, true);
    let _replica = sim.replica("rekeyd", policy().with("first_password", "\"any\"")).await;
    sim.run_for(10 * MINUTE).await;
    stick_node(sim, false);
    sim.run_for(HOUR).await;
    sim.holder(&secret, "AWSCURRENT") == Some(version_id(&arn, &first, 0))
}

async fn unreadable_cache(sim: &Simulation) -> bool {
    let scene = Scene::new(sim, policy()).await;
    scene.stick_node(true);
    scene.request().await;
    scene
        .within(HOUR, Duration::from_secs(1), |scene| scene.modified() == 1)
        .await;
    let unreadable = Fault::next("DescribeReplicationGroups", FaultKind::Throttle);
    sim.faults(vec![unreadable.times(0)]);
    sim.run_for(20 * MINUTE).await;
    sim.faults(Vec::new());
    scene.stick_node(false);
    scene.is_rotated_within(3 * HOUR, &scene.second()).await
}

async fn lost_store(sim: &Simulation) -> bool {
    let mut scene = Scene::new(sim, policy()).await;
    scene.request().await;
    scene.is_rotated_within(2 * HOUR, &scene.second()).await;
    sim.run_for(HOUR).await;
    scene.replica = scene.replica.crash().empty_disk().start().await;
    sim.run_for(6 * HOUR).await;
    sim.holder(&scene.secret, "AWSCURRENT") == Some(scene.second())
}

async fn stale_active(sim: &Simulation) -> bool {
    let scene = Scene::new(sim, policy().with("verify", "\"api-only\"")).await;
    scene.request().await;
    scene.is_rotated_within(3 * HOUR, &scene.second()).await
}
