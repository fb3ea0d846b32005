//! When faults have ended: is every due secret rotated, without a person?

use std::time::Duration;

use chrono::TimeDelta;
use rekeyd::engine::control::{Control, RotateOptions, Selector};
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd_sandbox::{LoginAnswer, SecretView};

use super::super::Replica;
use super::bystanders::{self, BYSTANDERS};
use super::script::{OverlapPlan, Store, UserKind, UserPlan};
use super::stage::{Stage, State, cache_id};

/// How long a world may take to come to rest, beyond the time between two rotations.
const PATIENCE: Duration = Duration::from_secs(5 * 3_600);

/// What has been due for longer is done when each has been at rest once.
const ALLOWANCE: Duration = Duration::from_secs(3_600);

/// A retirement that only the next rotation begins, the fence after it, and that rotation behind its policy's
/// canary go by meanwhile.
const ALLOWANCE_UNTIL_NEXT: Duration = Duration::from_secs(7_200);

/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_secs(120);

impl Stage<'_> {
    /// Ends all faults, and gives the world time. What has not come to rest then is a violation.
    pub(super) async fn close(&mut self) -> Vec<String> {
        self.heal().await;
        let every = Duration::from_secs(self.script.policy.every_min * 60);
        let until = self.sim.world.time.elapsed() + PATIENCE + every.min(PATIENCE);
        let mut restless: Vec<&UserPlan> = self.script.users.iter().collect();
        restless.retain(|user| !self.left_to_persons.contains(&user.id()));
        loop {
            self.wait_on(self.sim.world.time.elapsed() + LOOK).await;
            self.end_pauses();
            self.rotate_rolled_back();
            restless.retain(|user| self.unrest(user).is_some());
            let late = self.sim.world.time.elapsed() > until;
            // Labels that are read late may halt what another replica rotates, until the next look; and so may a full disk
            // hide a bystander's halt.
            let settled = || self.halted().is_empty() && self.wronged_bystanders().is_empty();
            if restless.is_empty() && (late || settled()) {
                return self.judge_end();
            }
            if late {
                let tell = |user: &&UserPlan| Some(format!("P5: {} of {}", self.unrest(user)?, user.id()));
                return restless.iter().filter_map(tell).collect();
            }
        }
    }

    /// All have been at rest once: what is wrong still?
    fn judge_end(&self) -> Vec<String> {
        let users = self.script.users.iter();
        let left = users.filter(|user| self.left_to_persons.contains(&user.id()));
        let secrets = left.map(UserPlan::secret);
        let exempt: Vec<String> = secrets.chain(BYSTANDERS.map(bystanders::secret_of)).collect();
        let exempt: Vec<&str> = exempt.iter().map(String::as_str).collect();
        let until_next = self.script.policy.overlap == OverlapPlan::UntilNextRotation;
        self.sim
            .audit_end(&exempt, if until_next { ALLOWANCE_UNTIL_NEXT } else { ALLOWANCE });
        let mut wrong = self.wronged_bystanders();
        wrong.extend(self.halted());
        wrong
    }

    /// What is halted though no person has to take care of it.
    fn halted(&self) -> Vec<String> {
        let users = self.script.users.iter();
        let others = users.filter(|user| !self.left_to_persons.contains(&user.id()));
        let halted = |user: &UserPlan, replica: &Replica| {
            let status = replica.status(&user.secret())?;
            (status.phase == Phase::Halted).then(|| format!("P5: {} ends halted: {status:?}", user.id()))
        };
        others
            .flat_map(|user| self.replicas().filter_map(move |replica| halted(user, replica)))
            .collect()
    }

    /// Ends the halts of what was rolled back, and has it rotated. What is refused is asked for again at the next look.
    fn rotate_rolled_back(&self) {
        let users = self.script.users.iter();
        for user in users.filter(|user| !self.left_to_persons.contains(&user.id())) {
            let secret = user.secret();
            let shown = is_rolled_back(&self.sim.secret(&secret));
            let waits = |replica: &&Replica| {
                replica
                    .status(&secret)
                    .is_some_and(|status| waits_for_resume(&status, shown))
            };
            for replica in self.replicas().filter(waits) {
                let (engine, world) = (replica.engine.clone(), self.sim.world.clone());
                let selector = Selector {
                    secrets: vec![secret.clone()],
                    ..Selector::default()
                };
                let secret = secret.clone();
                tokio::spawn(async move {
                    drop(engine.resume(&selector).await);
                    world.auditor().requested(world.sandbox.now(), &secret, false);
                    drop(engine.rotate(&selector, RotateOptions::default()).await);
                });
            }
        }
    }

    /// Lets time pass until then, and what is cued happen.
    async fn wait_on(&mut self, until: Duration) {
        while self.sim.world.time.elapsed() < until {
            self.wait_until(until).await;
            if let Some(((at, _), _)) = self.agenda.first_key_value()
                && *at <= self.sim.world.time.elapsed()
                && let Some((_, cue)) = self.agenda.pop_first()
            {
                self.act(cue).await;
            }
        }
    }

    /// Ends all faults. What has been cued ends by itself.
    async fn heal(&mut self) {
        self.perform().await;
        let hit = self.sim.world.sandbox.faults().iter().map(|armed| armed.fired).sum();
        self.tally.add("calls hit by faults", hit);
        self.sim.faults(Vec::new());
        if self.script.files {
            // A process does not write to a file that is not in place any more, and says so: it is to be restarted.
            for replica in self.storeless.clone() {
                self.stop(replica, Store::Kept, 1, false).await;
            }
        }
        for actor in &self.cast {
            let machine = match &actor.state {
                State::Up(replica) => replica.machine(),
                State::Down(machine) => machine.clone(),
                State::Between => continue,
            };
            machine.mend_disk();
            let clock = machine.clock();
            clock.step(-clock.off_by() + TimeDelta::seconds(1));
        }
    }

    /// Ends the pauses that have no end. One that its process stores late, because it was stopped, is ended later.
    fn end_pauses(&self) {
        // Without leases nobody tells the others of a pause, or of its end.
        let untold = self.script.sharing == Some(false);
        for (number, user) in &self.paused {
            let Some(user) = self.user(*user) else { continue };
            let who = self.cast.iter().filter(|actor| untold || actor.number == *number);
            who.filter_map(|actor| self.replica(actor.number))
                .for_each(|replica| end_pause(replica, user.secret()));
        }
    }

    /// Why a user's secret is not at rest, rotated as its policy demands.
    fn unrest(&self, user: &UserPlan) -> Option<String> {
        if self.replicas().count() < self.cast.len() {
            return Some("a process is down".to_owned());
        }
        for replica in self.replicas() {
            if replica.is_stopped() {
                return Some("a process is stopped, and may have been asked for something".to_owned());
            }
            let Some(status) = replica.status(&user.secret()) else {
                return Some("a replica does not know the secret".to_owned());
            };
            if !self.is_at_rest(&status) {
                return Some(format!("a replica is not at rest: {status:?}"));
            }
        }
        let secret = self.sim.secret(&user.secret());
        self.wrong_labels(&secret).or_else(|| self.wrong_logins(user, &secret))
    }

    fn is_at_rest(&self, status: &SecretStatus) -> bool {
        let until_next = self.script.policy.overlap == OverlapPlan::UntilNextRotation;
        let phase = status.phase == Phase::Idle || (until_next && status.phase == Phase::Overlap);
        phase && !status.requested && status.reason.is_none() && status.proof.is_some()
    }

    fn wrong_labels(&self, secret: &SecretView) -> Option<String> {
        let current = secret.holder("AWSCURRENT")?;
        let age = self.sim.world.sandbox.now() - current.created;
        if age > TimeDelta::minutes(i64::try_from(self.script.policy.every_min).unwrap_or(i64::MAX)) {
            return Some(format!("the current version {} is overdue, {} old,", current.id, age));
        }
        match secret.holder("AWSPENDING") {
            Some(pending) if pending.id != current.id => Some(format!("a pending version {}", pending.id)),
            _ => None,
        }
    }

    /// A password that should log in and does not, or should not and does.
    fn wrong_logins(&self, user: &UserPlan, secret: &SecretView) -> Option<String> {
        let password = |version: &rekeyd_sandbox::VersionView| {
            let text = version.text.as_ref()?;
            let document: serde_json::Value = serde_json::from_str(text.expose()).ok()?;
            document["password"].as_str().map(str::to_owned)
        };
        let on = if self.switched.contains(&user.id()) {
            self.sim.world.sandbox.user(&user.id()).is_some_and(|user| user.on)
        } else {
            matches!(user.kind, UserKind::Live | UserKind::Passwordless)
        };
        let Some(current) = secret.holder("AWSCURRENT").and_then(password) else {
            return Some("no password".to_owned());
        };
        let until_next = self.script.policy.overlap == OverlapPlan::UntilNextRotation;
        let world = &self.sim.world;
        let caches: Vec<String> = user.caches.iter().map(|cache| cache_id(*cache)).collect();
        for node in world.sandbox.nodes() {
            if !node
                .replication_group
                .as_ref()
                .is_some_and(|group| caches.contains(group))
            {
                continue;
            }
            for version in &secret.versions {
                let Some(password) = password(version) else { continue };
                let accepted = world.sandbox.node_accepts(&node.id, &user.id(), &password) == LoginAnswer::Ok;
                let wanted = on && password == current;
                let overlaps = until_next && version.labels.contains("AWSPREVIOUS");
                if accepted != wanted && !(on && overlaps) {
                    let does = if accepted { "logs in" } else { "does not log in" };
                    return Some(format!("the password of version {} {does} on {}", version.id, node.id));
                }
            }
        }
        None
    }
}

/// Whether the version that AWSCURRENT was moved back from keeps the other labels, as it does until the next rotation.
fn is_rolled_back(secret: &SecretView) -> bool {
    let [current, previous, pending] =
        ["AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"].map(|label| secret.holder(label).map(|version| &version.id));
    pending.is_some() && pending == previous && pending != current
}

/// Whether nothing goes on before an operator says so; `shown` if the labels tell of a rollback.
fn waits_for_resume(status: &SecretStatus, shown: bool) -> bool {
    let halted = status.phase == Phase::Halted && status.reason.as_deref() == Some("rolled_back");
    halted || (shown && status.phase == Phase::Idle && !status.requested)
}

fn end_pause(replica: &Replica, secret: String) {
    let paused = |status: SecretStatus| status.phase == Phase::Paused;
    if !replica.status(&secret).is_some_and(paused) {
        return;
    }
    let engine = replica.engine.clone();
    tokio::spawn(async move {
        let selector = Selector {
            secrets: vec![secret],
            ..Selector::default()
        };
        drop(engine.resume(&selector).await);
    });
}
