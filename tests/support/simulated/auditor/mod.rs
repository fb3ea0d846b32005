//! The judge: after every change it looks at the sandbox as it is. Of rekeyd's it takes how version ids are derived, what
//! the configuration says (a policy's values, not what the engine makes of them), and the events that a replica stores,
//! as what it claims. Which secrets a policy selects, which users it allows and when a rotation is due it finds out itself.
//!
//! It knows who changed what from the sandbox's trail: replicas by the access keys that were
//! [registered](Auditor::register), strangers are all others. What it holds against rekeyd:
//!
//! - `availability`: P1, the password under AWSCURRENT logs in wherever it did, for ever; and no replica takes a
//!   password from a user that no version holds.
//! - `proof`: P2, AWSCURRENT moves only to a password that logins have proved, and `proven` means that.
//! - `chain`: P3, AWSCURRENT moves only from parent to child; one version carries it, at every moment.
//! - `retirement`: P4, the previous password works until the overlap is over, and is dead when it is called so.
//! - `progress`: P5, at the end nothing is left undone.
//! - `authority`: P7, a replica reads and writes only what its policies select.
//! - `durable`: P8, no rotation begins that is neither due nor asked for.
//!
//! `excuse` says for whom and for how long a change by somebody else explains what is found.

mod authority;
mod availability;
mod chain;
mod durable;
mod excuse;
mod expectations;
mod glob;
mod progress;
mod proof;
mod retirement;
mod secrets;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rekeyd_sandbox::{Happening, Sandbox, SecretView};

pub use expectations::Expectations;

use super::clock::{MachineClock, TrueTime};
use excuse::Hand;
use proof::Logins;
use secrets::Tracked;
use users::Users;

/// What the auditor knows, and what it found.
pub struct Auditor {
    time: TrueTime,
    /// What each replica's policies say, by access key.
    replicas: BTreeMap<String, Vec<Expectations>>,
    /// The wall clock of each replica's machine, by access key.
    clocks: BTreeMap<String, Arc<MachineClock>>,
    /// By ARN.
    secrets: BTreeMap<String, Tracked>,
    users: Users,
    logins: Logins,
    /// Whether ElastiCache calls a node available, and since when.
    statuses: BTreeMap<String, (bool, DateTime<Utc>)>,
    /// All passwords that any version has ever held.
    held: BTreeSet<String>,
    violations: Vec<String>,
    looks: u64,
}

impl Auditor {
    /// An auditor that goes by this time.
    pub fn new(time: TrueTime) -> Self {
        Self {
            time,
            replicas: BTreeMap::new(),
            clocks: BTreeMap::new(),
            secrets: BTreeMap::new(),
            users: Users::default(),
            logins: Logins::default(),
            statuses: BTreeMap::new(),
            held: BTreeSet::new(),
            violations: Vec::new(),
            looks: 0,
        }
    }

    /// Says that calls with this access key are a replica's, and what its policies are from now on.
    pub fn register(&mut self, access_key: &str, policies: Vec<Expectations>) {
        self.replicas.insert(access_key.to_owned(), policies);
    }

    /// Says what a replica's policies are once it has acknowledged a reload: nothing of those before excuses it.
    pub fn replace(&mut self, access_key: &str, policies: Vec<Expectations>) {
        for secret in self.secrets.values_mut() {
            secret.selected_by.remove(access_key);
        }
        self.register(access_key, policies);
    }

    /// Says by whose clock a replica goes. One without goes by any that there is.
    pub fn register_clock(&mut self, access_key: &str, clock: Arc<MachineClock>) {
        self.clocks.insert(access_key.to_owned(), clock);
    }

    /// By how much the clock that an author goes by may have been off.
    fn spread_of(&self, access_key: &str) -> TimeDelta {
        let own = self.clocks.get(access_key).map(|clock| clock.spread());
        own.unwrap_or_else(|| self.time.clock_spread())
    }

    /// What was found.
    pub fn violations(&self) -> &[String] {
        &self.violations
    }

    /// What was found, which is thereby settled.
    pub fn take_violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }

    /// How often it has looked.
    pub fn looks(&self) -> u64 {
        self.looks
    }

    /// Looks at everything that has changed since the last look.
    pub fn look(&mut self, sandbox: &Sandbox) {
        self.looks += 1;
        let trail = sandbox.trail();
        if trail.is_empty() {
            return;
        }
        if trail.nodes {
            self.look_at_statuses(sandbox);
        }
        let mut moved = BTreeSet::new();
        for happening in &trail.happenings {
            moved.extend(self.judge(sandbox, happening));
        }
        let concerned: Vec<String> = self
            .secrets
            .iter()
            .filter(|(arn, secret)| {
                let known = secret.username().is_some_and(|name| trail.users.contains(name));
                trail.nodes || known || moved.contains(*arn)
            })
            .map(|(arn, _)| arn.clone())
            .collect();
        for arn in concerned {
            self.look_at_nodes(sandbox, &arn);
        }
    }

    /// Since when each node has been available, or not.
    fn look_at_statuses(&mut self, sandbox: &Sandbox) {
        let known = std::mem::take(&mut self.statuses);
        let status = |node: rekeyd_sandbox::NodeView| {
            let available = node.status == "available";
            let since = known.get(&node.id).filter(|(was, _)| *was == available);
            let since = since.map_or_else(|| sandbox.now(), |(_, since)| *since);
            (node.id, (available, since))
        };
        self.statuses = sandbox.nodes().into_iter().map(status).collect();
    }

    /// Judges one change. Gives the secret whose AWSCURRENT is another now.
    fn judge(&mut self, sandbox: &Sandbox, happening: &Happening) -> Option<String> {
        let hand = Hand::of(happening, &self.replicas);
        if hand.replica {
            self.judge_authority(happening, &hand);
        }
        if let Some(after) = &happening.user.after {
            let before = happening.user.before.as_ref();
            if hand.replica {
                if let Some(before) = before {
                    self.judge_passwords(sandbox, &hand, before, after);
                }
            } else {
                self.stranger_changed_user(&after.id);
            }
            self.users.changed(before, after, &hand);
        }
        self.judge_secret(sandbox, happening, &hand)
    }

    fn judge_secret(&mut self, sandbox: &Sandbox, happening: &Happening, hand: &Hand) -> Option<String> {
        let Some(after) = &happening.secret.after else {
            let gone = happening.secret.before.as_ref();
            gone.map(|secret| self.secrets.remove(&secret.arn));
            return None;
        };
        self.remember_selection(happening.secret.before.as_ref());
        let new = !self.secrets.contains_key(&after.arn);
        let tracked = self
            .secrets
            .entry(after.arn.clone())
            .or_insert_with(|| Tracked::new(after, hand));
        let from = tracked.view.holder("AWSCURRENT").map(|version| version.id.clone());
        self.held.extend(tracked.update(after));
        let to = after.holder("AWSCURRENT").map(|version| version.id.clone());
        self.judge_labels(sandbox, after, hand, happening.secret.before.as_ref());
        if hand.replica {
            self.judge_beginning(sandbox, happening, hand, after);
        }
        let (from, to) = (from?, to?);
        if from == to {
            return new.then(|| after.arn.clone());
        }
        if hand.replica {
            self.judge_move(sandbox, hand, after, (&from, &to));
        }
        self.moved(sandbox, hand, &after.arn, (&from, &to));
        Some(after.arn.clone())
    }

    /// AWSCURRENT is on another version: what counts from now on.
    fn moved(&mut self, sandbox: &Sandbox, hand: &Hand, arn: &str, (from, to): (&str, &str)) {
        if hand.replica {
            self.look_at_promoted(sandbox, hand, arn, to);
            self.begin_overlap(sandbox, hand, arn, (from, to));
        }
        let Some(tracked) = self.secrets.get_mut(arn) else {
            return;
        };
        if !hand.replica {
            tracked.overlap = None;
            tracked.works.clear();
        }
        tracked.moved_by = hand.clone();
        tracked.history.push(secrets::Move {
            to: to.to_owned(),
            by: hand.clone(),
        });
    }

    /// What a replica's policy says of a secret.
    fn expectations(&self, access_key: &str, secret: &SecretView) -> Option<&Expectations> {
        let policies = self.replicas.get(access_key)?;
        let remembered = || {
            let index = self.secrets.get(&secret.arn)?.selected_by.get(access_key)?;
            policies.get(*index)
        };
        policies
            .iter()
            .find(|policy| policy.selects(secret))
            .or_else(remembered)
    }

    fn accuse(&mut self, at: DateTime<Utc>, what: &str) {
        self.violations.push(format!("{} {what}", at.format("%F %T%.3f")));
    }
}
