//! A script is played: the world is made, what is to happen happens at its time, and processes that
//! die are started again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rekeyd_sandbox::elasticache as ec;
use rekeyd_sandbox::{CallContext, Operation, Settings, switches};
use tempfile::TempDir;

use super::super::operator::OPERATOR;
use super::super::{Disk, Machine, Policy, Replica, SharedTable, Simulation, lifelike};
use super::bystanders::{BYSTANDERS, NOT_ALLOWED};
use super::outcome::Tally;
use super::script::{OverlapPlan, Perturbation, PolicyPlan, ReplicaPlan, Script, UserKind, UserPlan};
use crate::support::world::{REGION, document, document_with, secret_name};

/// How often a supervisor looks whether its process has died.
const SUPERVISION: Duration = Duration::from_secs(30);

/// After how long a process that has died by itself is started again.
const RESTART: Duration = Duration::from_secs(5);

/// The play of one script.
pub(super) struct Stage<'a> {
    pub(super) script: &'a Script,
    pub(super) sim: Simulation,
    pub(super) tally: Tally,
    pub(super) cast: Vec<Actor>,
    /// What is still to happen, in order.
    pub(super) agenda: BTreeMap<(Duration, usize), Cue>,
    cues: usize,
    /// Users of whom a person has to take care, and rightly.
    pub(super) left_to_persons: BTreeSet<String>,
    /// Users whom a stranger has switched on or off.
    pub(super) switched: BTreeSet<String>,
    /// Replicas whose processes write to a store that is lost.
    pub(super) storeless: BTreeSet<usize>,
    /// Where stores are that are files.
    files: Option<TempDir>,
    /// The table that all replicas share.
    table: Option<SharedTable>,
    /// Pauses without an end: replica and user.
    pub(super) paused: BTreeSet<(usize, usize)>,
}

/// Something that happens at its time.
pub(super) enum Cue {
    Perturb(Perturbation),
    /// The process of this machine starts.
    Start(usize),
    NodeRuns(String),
    NodeHears(String),
    ModifyingIsQuick,
    /// An operator looks whether this replica's secret of this user can be rolled back, and so often again.
    RollBack(usize, usize, u32),
}

/// A machine and its process, if one runs.
pub(super) struct Actor {
    pub(super) number: usize,
    pub(super) state: State,
    /// What is to befall the next process.
    pub(super) calls: Vec<super::super::CallFault>,
    pub(super) saves: Vec<super::super::SaveFault>,
}

pub(super) enum State {
    Up(Replica),
    Down(Machine),
    /// On its way from one to the other.
    Between,
}

impl UserPlan {
    /// Its id, which is its name too.
    pub(super) fn id(&self) -> String {
        format!("user{}", self.number)
    }

    pub(super) fn secret(&self) -> String {
        secret_name(&self.id())
    }

    /// The password that its secret holds at first.
    fn first_password(&self) -> String {
        format!("the-first-password-of-{}", self.number)
    }
}

/// The id of a cache.
pub(super) fn cache_id(cache: usize) -> String {
    format!("cache{cache}")
}

/// The settings of a script's sandbox.
pub(super) fn settings(script: &Script) -> Settings {
    let mut settings = lifelike();
    let (min, max) = script.propagation_s;
    for side in &script.sides {
        // The switches' own times suit tests that wait for them.
        let patch = slowed(&switches()[side.switch].other_side);
        settings = settings.patched(&patch).expect("a switch of the sandbox");
    }
    settings.propagation_ms = rekeyd_sandbox::Range {
        min: min * 1_000,
        max: max * 1_000,
    };
    for (cache, plan) in script.caches.iter().enumerate() {
        if let Some(lag) = plan.lag_s {
            let node = format!("{}-{:03}", cache_id(cache), plan.nodes);
            settings
                .node_propagation_ms
                .insert(node, rekeyd_sandbox::Delay::Ms(lag * 1_000));
        }
    }
    settings
}

fn slowed(patch: &serde_json::Value) -> serde_json::Value {
    use serde_json::{Value, json};
    match patch {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), slowed(value))).collect(),
        Value::Number(ms) => json!(ms.as_u64().expect("milliseconds") * 100),
        other => other.clone(),
    }
}

impl<'a> Stage<'a> {
    /// Makes the world, before anything happens in it.
    pub(super) async fn set(script: &'a Script, sim: Simulation) -> Self {
        let mut stage = Self {
            script,
            sim,
            tally: Tally::default(),
            cast: Vec::new(),
            agenda: BTreeMap::new(),
            cues: 0,
            left_to_persons: BTreeSet::new(),
            switched: BTreeSet::new(),
            storeless: BTreeSet::new(),
            table: script.sharing.map(SharedTable::new),
            files: script.files.then(|| TempDir::new().expect("a directory")),
            paused: BTreeSet::new(),
        };
        for user in &script.users {
            stage.make_user(user).await;
        }
        if script.bystanders {
            stage.make_bystander_users().await;
        }
        for (cache, plan) in script.caches.iter().enumerate() {
            stage.make_cache(cache, plan.nodes).await;
        }
        for user in &script.users {
            let text = match user.kind {
                UserKind::Live | UserKind::Off => document_with(&user.id(), &user.first_password()),
                UserKind::Inactive | UserKind::Passwordless => document(&user.id()),
            };
            stage.sim.create_secret(&user.secret(), &text).await;
        }
        if script.bystanders {
            stage.make_bystander_secrets().await;
        }
        for replica in &script.replicas {
            stage.hire(replica);
        }
        for happening in &script.happenings {
            stage.cue(happening.at, Cue::Perturb(happening.what.clone()));
        }
        stage
    }

    async fn make_user(&self, user: &UserPlan) {
        let on = matches!(user.kind, UserKind::Live | UserKind::Passwordless);
        let has_password = matches!(user.kind, UserKind::Live | UserKind::Off);
        self.sim
            .call(ec::CreateUser {
                user_id: user.id(),
                user_name: user.id(),
                engine: "redis".to_owned(),
                access_string: format!("{} ~keys* -@all +get", if on { "on" } else { "off" }),
                passwords: has_password.then(|| vec![user.first_password().as_str().into()]),
                no_password_required: (!has_password).then_some(true),
                ..ec::CreateUser::default()
            })
            .await;
    }

    async fn make_cache(&self, cache: usize, nodes: u64) {
        let users = self.script.users.iter().filter(|user| user.caches.contains(&cache));
        let group = format!("group{cache}");
        let stand_by = self.script.bystanders && cache == 0;
        let bystanders = BYSTANDERS.into_iter().filter(|_| stand_by).map(str::to_owned);
        self.sim
            .call(ec::CreateUserGroup {
                user_group_id: group.clone(),
                engine: "redis".to_owned(),
                user_ids: Some(
                    std::iter::once("default".to_owned())
                        .chain(users.map(UserPlan::id))
                        .chain(bystanders)
                        .collect(),
                ),
                ..ec::CreateUserGroup::default()
            })
            .await;
        self.sim
            .call(ec::CreateReplicationGroup {
                replication_group_id: cache_id(cache),
                replication_group_description: "for exploration".to_owned(),
                num_cache_clusters: i64::try_from(nodes).ok(),
                transit_encryption_enabled: Some(true),
                user_group_ids: Some(vec![group]),
                ..ec::CreateReplicationGroup::default()
            })
            .await;
    }

    /// A machine, whose process starts at once.
    fn hire(&mut self, plan: &ReplicaPlan) {
        let machine = self
            .sim
            .machine(&format!("replica{}", plan.number))
            .policy(policy(self.script));
        let machine = match (&self.table, &self.files) {
            (Some(table), _) => machine.disk(Disk::shared(table)),
            (None, Some(files)) => machine.disk(Disk::file(files.path().join(format!("{}.db", plan.number)))),
            (None, None) => machine,
        };
        machine.clock().step(chrono::TimeDelta::seconds(plan.clock_s));
        self.cast.push(Actor {
            number: plan.number,
            state: State::Down(machine),
            calls: Vec::new(),
            saves: Vec::new(),
        });
        // After what is to befall it.
        self.cue(Duration::from_millis(1), Cue::Start(plan.number));
    }

    pub(super) fn cue(&mut self, at: Duration, cue: Cue) {
        self.cues += 1;
        self.agenda.insert((at, self.cues), cue);
    }

    pub(super) fn cue_in(&mut self, seconds: u64, cue: Cue) {
        self.cue(self.sim.world.time.elapsed() + Duration::from_secs(seconds), cue);
    }

    /// Lets everything happen that is to happen.
    pub(super) async fn perform(&mut self) {
        while let Some(((at, _), _)) = self.agenda.first_key_value() {
            let at = *at;
            self.wait_until(at).await;
            if let Some((_, cue)) = self.agenda.pop_first() {
                self.act(cue).await;
            }
        }
    }

    /// Lets time pass until then, or until a process that died is to be started again.
    pub(super) async fn wait_until(&mut self, at: Duration) {
        loop {
            self.bury();
            let at = self
                .agenda
                .first_key_value()
                .map_or(at, |((first, _), _)| at.min(*first));
            let left = at.saturating_sub(self.sim.world.time.elapsed());
            if left.is_zero() {
                return;
            }
            self.sim.run_for(left.min(SUPERVISION)).await;
        }
    }

    /// Has every process started again that has died by itself.
    fn bury(&mut self) {
        let mut dead = Vec::new();
        for actor in &mut self.cast {
            if matches!(&actor.state, State::Up(replica) if replica.is_dead())
                && let State::Up(replica) = std::mem::replace(&mut actor.state, State::Between)
            {
                actor.state = State::Down(replica.crash());
                dead.push(actor.number);
            }
        }
        for number in dead {
            self.tally.count("died at a call or a write");
            self.cue_in(RESTART.as_secs(), Cue::Start(number));
        }
    }

    pub(super) async fn start(&mut self, number: usize) {
        let Some(actor) = self.cast.iter_mut().find(|actor| actor.number == number) else {
            return;
        };
        actor.state = match std::mem::replace(&mut actor.state, State::Between) {
            State::Down(machine) => {
                self.storeless.remove(&number);
                let (calls, saves) = (std::mem::take(&mut actor.calls), std::mem::take(&mut actor.saves));
                State::Up(machine.trips(calls).save_trips(saves).start().await)
            }
            other => other,
        };
    }

    /// The running process of that number.
    pub(super) fn replica(&self, number: usize) -> Option<&Replica> {
        let actor = self.cast.iter().find(|actor| actor.number == number)?;
        match &actor.state {
            State::Up(replica) if !replica.is_dead() => Some(replica),
            _ => None,
        }
    }

    pub(super) fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.cast.iter().filter_map(|actor| match &actor.state {
            State::Up(replica) if !replica.is_dead() => Some(replica),
            _ => None,
        })
    }

    pub(super) fn user(&self, number: usize) -> Option<&'a UserPlan> {
        self.script.users.iter().find(|user| user.number == number)
    }

    /// A call of an operator, which AWS may refuse. Says whether it did not.
    pub(super) async fn ask<O: Operation>(&self, input: O) -> bool {
        let context = CallContext::new(OPERATOR, REGION);
        self.sim.world.process(&context, input).await.is_ok()
    }
}

fn policy(script: &Script) -> Policy {
    let PolicyPlan {
        overlap,
        every_min,
        api_only,
        by_prefix,
        repairs,
        canary,
        bears_trouble,
    } = &script.policy;
    let users: Vec<String> = script.users.iter().map(UserPlan::id).collect();
    let mut users: Vec<&str> = users.iter().map(String::as_str).collect();
    if script.bystanders {
        users.push(NOT_ALLOWED);
    }
    let policy = if *by_prefix {
        Policy {
            name: "orders".to_owned(),
            keys: "select = { name_prefix = \"production/\" }\nallow_users = [\"user*\"]\n".to_owned(),
        }
    } else {
        Policy::new("orders", &users).with("allow_users", "[\"user*\"]")
    };
    let overlap = match overlap {
        OverlapPlan::HalfAnHour => "\"30m\"",
        OverlapPlan::None => "\"none\"",
        OverlapPlan::UntilNextRotation => "\"until-next-rotation\"",
    };
    let policy = policy
        .with("overlap", overlap)
        .with("schedule", &format!("\"{every_min}m\""))
        .with("canary", &canary.to_string())
        .with("on_drift", if *repairs { "\"repair\"" } else { "\"halt\"" });
    let policy = if *bears_trouble {
        policy.with("max_attention", "1000")
    } else {
        policy
    };
    let passwordless = script.users.iter().any(|user| user.kind == UserKind::Passwordless);
    let policy = if passwordless {
        policy.with("first_password", "\"any\"")
    } else {
        policy
    };
    if *api_only {
        policy.with("verify", "\"api-only\"")
    } else {
        policy
    }
}
