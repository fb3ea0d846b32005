//! One simulated rotation that is struck, and goes on until the world is at rest.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rekeyd::engine::control::RotateOptions;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::rotation::version::generation_of;

use super::point::{Fault, Point, Rotation, Strike};
use crate::support::simulated::{Deed, Machine, Policy, Replica, Simulation, lifelike, simulate};
use crate::support::world::secret_name;

const USER: &str = "user1";
const OLD: &str = "the-first-password-1";
const MINUTE: Duration = Duration::from_secs(60);

/// No rotation takes longer, whatever strikes it once or twice.
const PATIENCE: Duration = Duration::from_secs(12 * 3_600);

/// How often the world is looked at from outside.
const LOOK: Duration = Duration::from_secs(10);

/// How often the scheduler ticks: seldom enough to cost little.
const TICK: Duration = Duration::from_secs(30);

/// How long a replica stays dead while another goes on.
const DEAD: Duration = Duration::from_secs(600);

/// How long a process lives on whose store is lost under it.
const WITHOUT_STORE: Duration = MINUTE;

/// How long the world is watched when it has come to rest: past every late answer and the next discovery.
const AFTERWARDS: Duration = Duration::from_secs(16 * 60);

/// What became of a run.
#[derive(Default)]
pub struct Ran {
    /// What the replica that is struck did, in each of its lives.
    pub lives: Vec<Vec<Deed>>,
    /// How many of the strikes hit.
    pub struck: u64,
    /// How many passwords were given up before the one that was promoted.
    pub given_up: usize,
    /// What is wrong with it.
    pub wrong: Vec<String>,
    /// What happened, if anything is wrong or a story is wanted.
    pub story: String,
}

/// Runs a point to its end.
pub fn run(point: &Point) -> Ran {
    let ran = catch_unwind(AssertUnwindSafe(|| {
        simulate(1, lifelike(), async |sim| {
            Stage::set(sim.ticking(TICK), point).await.play().await
        })
    }));
    ran.unwrap_or_else(|panic| Ran {
        wrong: vec![match panic.downcast_ref::<String>() {
            Some(told) => format!("panicked: {told}"),
            None => "panicked".to_owned(),
        }],
        ..Ran::default()
    })
}

/// The replica that is struck.
enum Struck {
    Alive(Replica),
    DeadUntil(Duration, Machine),
    /// While it changes from the one to the other.
    Nothing,
}

struct Stage<'a> {
    sim: Simulation,
    point: &'a Point,
    arn: String,
    first: String,
    one: Struck,
    other: Option<Replica>,
    /// When the store went, if it has to go and has gone.
    lost_at: Option<Duration>,
    ran: Ran,
}

fn policy(rotation: Rotation) -> Policy {
    let policy = Policy::new("orders", &[USER])
        .with("overlap", "\"3m\"")
        .with("retry", "{ initial = \"15s\", max = \"5m\", jitter = 0.2 }");
    match rotation {
        Rotation::Scheduled => policy.with("schedule", "\"3h\""),
        Rotation::First => policy.with("settle", "\"1m\""),
        Rotation::Requested => policy,
    }
}

impl<'a> Stage<'a> {
    async fn set(sim: Simulation, point: &'a Point) -> Self {
        let setting = point.setting;
        let arn = match setting.rotation {
            Rotation::First => sim.inactive_user(USER).await,
            Rotation::Requested | Rotation::Scheduled => sim.live_user(USER, OLD).await,
        };
        let machine = |name| sim.machine(name).policy(policy(setting.rotation));
        let mut stage = Self {
            first: sim.holder(&secret_name(USER), "AWSCURRENT").unwrap_or_default(),
            point,
            arn,
            one: Struck::Nothing,
            other: None,
            lost_at: None,
            ran: Ran::default(),
            sim: sim.clone(),
        };
        stage.start(machine("one")).await;
        if setting.two_replicas {
            stage.other = Some(machine("other").start().await);
        }
        stage
    }

    async fn start(&mut self, machine: Machine) {
        let life = u64::try_from(self.ran.lives.len()).unwrap_or(u64::MAX) + 1;
        let (mut calls, mut saves) = (Vec::new(), Vec::new());
        for Strike { fault, .. } in self.point.strikes.iter().filter(|strike| strike.life == life) {
            match fault {
                Fault::Call(fault) => calls.push(*fault),
                Fault::Save(fault) => saves.push(*fault),
            }
        }
        self.one = Struck::Alive(machine.trips(calls).save_trips(saves).start().await);
    }

    async fn play(mut self) -> Ran {
        while self.sim.world.time.elapsed() < PATIENCE {
            self.sim.run_for(LOOK).await;
            self.live_and_die().await;
            self.ask().await;
            if self.is_at_rest() {
                break;
            }
        }
        let one = std::mem::replace(&mut self.one, Struck::Nothing);
        if let Struck::Alive(replica) = &one {
            self.ran.struck += replica.struck();
            self.ran.lives.push(replica.deeds());
        }
        self.one = one;
        self.sim.run_for(AFTERWARDS).await;
        self.judge();
        if !self.ran.wrong.is_empty() || std::env::var_os(super::REPLAY).is_some() {
            self.ran.story = self.sim.story();
        }
        self.ran
    }

    /// Lets the replica die whose time has come, and come back when it has been dead long enough.
    async fn live_and_die(&mut self) {
        let now = self.sim.world.time.elapsed();
        match std::mem::replace(&mut self.one, Struck::Nothing) {
            Struck::Alive(replica) => {
                let struck = self.ran.struck + replica.struck() > 0;
                if struck && self.point.setting.store_lost && self.lost_at.is_none() {
                    replica.lose_store();
                    self.lost_at = Some(now);
                }
                let ends = self
                    .lost_at
                    .is_some_and(|at| self.ran.lives.is_empty() && now >= at + WITHOUT_STORE);
                if replica.is_dead() || ends {
                    let pause = if self.other.is_some() { DEAD } else { Duration::ZERO };
                    self.one = Struck::DeadUntil(now + pause, self.bury(replica));
                } else {
                    self.one = Struck::Alive(replica);
                }
            }
            Struck::DeadUntil(until, machine) if now >= until => self.start(machine).await,
            other => self.one = other,
        }
    }

    fn bury(&mut self, replica: Replica) -> Machine {
        self.ran.struck += replica.struck();
        self.ran.lives.push(replica.deeds());
        replica.crash()
    }

    /// The operator: asks every replica that lives and rests as if nobody had asked, as long as nothing has
    /// begun. Replicas with stores of their own know nothing of each other's requests.
    async fn ask(&self) {
        let name = secret_name(USER);
        let secret = self.sim.secret(&name);
        let begun = secret.holder("AWSPENDING").is_some()
            || secret
                .holder("AWSCURRENT")
                .is_none_or(|version| version.id != self.first);
        if self.point.setting.rotation != Rotation::Requested || begun {
            return;
        }
        let idle = |status: SecretStatus| status.phase == Phase::Idle && !status.requested;
        for replica in self.alive() {
            if replica.status(&name).is_some_and(idle) {
                let asking = replica.ask(&name, RotateOptions::default());
                let _ = tokio::time::timeout(Duration::from_secs(1), asking).await;
            }
        }
    }

    fn alive(&self) -> impl Iterator<Item = &Replica> {
        let one = match &self.one {
            Struck::Alive(replica) => Some(replica),
            _ => None,
        };
        one.into_iter().chain(&self.other)
    }

    fn statuses(&self) -> Vec<Option<SecretStatus>> {
        let status = |replica: &Replica| replica.status(&secret_name(USER));
        self.alive().map(status).collect()
    }

    /// Whether every replica says that it rests after the rotation.
    fn is_at_rest(&self) -> bool {
        let rests = |status: &SecretStatus| {
            let proved = match self.point.setting.rotation {
                Rotation::First => matches!(status.proof, Some(Proof::Unproven(_))),
                _ => status.proof == Some(Proof::Proven) && status.retired_proof == Some(Proof::Proven),
            };
            proved
                && status.phase == Phase::Idle
                && !status.requested
                && status
                    .current_version
                    .as_ref()
                    .is_some_and(|version| *version != self.first)
        };
        let statuses = self.statuses();
        statuses.len() == 1 + usize::from(self.other.is_some())
            && statuses.iter().all(|status| status.as_ref().is_some_and(rests))
    }

    /// Compares what the world shows with what has to be.
    fn judge(&mut self) {
        self.sim.audit_end(&[], 10 * MINUTE);
        let mut wrong = self.sim.world.auditor().take_violations();
        if !self.is_at_rest() {
            wrong.push(format!("not at rest: {:#?}", self.statuses()));
        }
        let secret = self.sim.secret(&secret_name(USER));
        let holder = |label| secret.holder(label).map(|version| version.id.as_str());
        let current = holder("AWSCURRENT").unwrap_or_default();
        match generation_of(&self.arn, &self.first, current) {
            Some(generation) => {
                self.ran.given_up = usize::try_from(generation).unwrap_or(usize::MAX);
                let known =
                    |version: &str| version == self.first || generation_of(&self.arn, &self.first, version).is_some();
                if secret.versions.len() != self.ran.given_up + 2
                    || !secret.versions.iter().all(|version| known(&version.id))
                {
                    let versions: BTreeSet<&str> = secret.versions.iter().map(|version| version.id.as_str()).collect();
                    wrong.push(format!("not one chain: {versions:?}"));
                }
            }
            None => wrong.push(format!("{current} is current, and does not follow on {}", self.first)),
        }
        if holder("AWSPREVIOUS") != Some(&self.first) {
            wrong.push(format!(
                "{:?} is previous, and not {}",
                holder("AWSPREVIOUS"),
                self.first
            ));
        }
        if holder("AWSPENDING").is_some_and(|version| version != current) {
            wrong.push(format!("{:?} is still pending", holder("AWSPENDING")));
        }
        wrong.extend(self.judge_logins());
        self.ran.wrong = wrong;
    }

    fn judge_logins(&self) -> Option<String> {
        let logins = |password: &str| self.sim.logins(USER, password);
        let new = self.sim.password(&secret_name(USER), "AWSCURRENT");
        let nodes = self.sim.world.sandbox.nodes();
        let users = nodes
            .iter()
            .flat_map(|node| &node.users)
            .filter(|user| user.name == USER);
        let counts: BTreeSet<usize> = users.map(|user| user.passwords).collect();
        match (self.point.setting.rotation, new) {
            (_, None) => Some("there is no password".to_owned()),
            (Rotation::First, Some(_)) if counts != BTreeSet::from([1]) => {
                Some(format!("passwords on nodes: {counts:?}"))
            }
            (Rotation::First, Some(_)) => None,
            (_, Some(new)) if (logins(&new), logins(OLD), &counts) == ((3, 3), (0, 3), &BTreeSet::from([1])) => None,
            (_, Some(new)) => Some(format!(
                "the new password logs in on {:?} nodes and the old one on {:?}; passwords on nodes: {counts:?}",
                logins(&new),
                logins(OLD)
            )),
        }
    }
}
