//! Another configuration while running.
//!
//! What the engine works by is replaced under the lock of its [`State`], in one moment. From then on
//! nothing new begins under what was replaced ([`super::leave`]); what has begun by then ends, and a
//! reload waits for it before it is acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::aws::PlacePorts;
use crate::clock::after;
use crate::config::Config;
use crate::policy::Place;

use super::blast_radius::BlastRadius;
use super::entry::Entry;
use super::queue::Wake;
use super::running::Running;
use super::succession::{Fate, Succession};
use super::{Engine, State};

/// How long a reload waits for calls that began before it: longer than two calls to AWS take.
const LONGEST_WAIT: Duration = Duration::from_secs(22);

/// Secrets that only rest are looked at again at this pace, so that a fleet whose schedule changed
/// takes nothing from the rotations under way.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// The engine ends, and takes no configuration any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the daemon is stopping; its next start reads the configuration")]
pub struct Stopping;

/// What a reload changed.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Reloaded {
    /// Policies that are new.
    pub added: Vec<String>,
    /// Policies that are gone.
    pub removed: Vec<String>,
    /// Policies that are others than before, or whose place or `[daemon]` is.
    pub changed: Vec<String>,
    /// Secrets with a rotation or retirement under way that no policy is known to have now. They
    /// stay as AWS shows them, and go on when a policy has them again.
    pub left_alone: Vec<LeftAlone>,
    /// Secrets, and policies whose secrets are looked for, with a call to AWS that began before the
    /// reload and had not ended when it was acknowledged. None follows it under that configuration.
    pub unfinished: Vec<String>,
}

/// A secret that was left with something under way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeftAlone {
    /// Its name.
    pub secret: String,
    /// Its ARN.
    pub arn: String,
    /// The policy that had it.
    pub policy: String,
    /// `rotation` or `retirement`.
    pub under_way: String,
}

/// A secret that leaves its policy.
struct Leaver {
    key: String,
    secret: String,
    policy: String,
}

impl Engine {
    /// Whether it has been told to end.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// The places whose ports [`reload`](Self::reload) needs: new ones, and those with other settings.
    pub fn places_to_connect(&self, config: &Config) -> Vec<Place> {
        let succession = Succession::of(&self.running(), config);
        succession.places_to_connect(config).into_iter().cloned().collect()
    }

    /// Goes by another configuration from now on. Returns when nothing reads or writes by the one
    /// before any more, or after some 20 seconds at the latest; what still does then is in the answer.
    ///
    /// One at a time: `connected` must be what [`places_to_connect`](Self::places_to_connect) names.
    ///
    /// # Errors
    /// [`Stopping`] when the engine has been told to end.
    pub async fn reload(&self, config: Config, connected: BTreeMap<String, PlacePorts>) -> Result<Reloaded, Stopping> {
        if self.stop.is_cancelled() {
            return Err(Stopping);
        }
        let (succession, leavers) = self.replace(config, connected);
        self.discover_again.send_replace(());
        self.wake.notify_one();
        // One that did not end in time is told of.
        drop(tokio::time::timeout(LONGEST_WAIT, self.old_work_ended()).await);
        let reloaded = Reloaded {
            added: succession.added.into_iter().collect(),
            removed: succession.removed.into_iter().collect(),
            changed: succession.changed.into_keys().collect(),
            left_alone: self.left_alone(leavers),
            unfinished: self.unfinished(),
        };
        for left in &reloaded.left_alone {
            tracing::warn!(
                event = "secret_left_alone",
                secret = left.secret,
                policy = left.policy,
                under_way = left.under_way,
                "no policy has this secret now: what is under way stays as it is, until one has it again"
            );
        }
        Ok(reloaded)
    }

    /// Replaces all of what the engine works by, in one moment.
    fn replace(&self, config: Config, connected: BTreeMap<String, PlacePorts>) -> (Succession, Vec<Leaver>) {
        let mut state = self.state();
        let old = self.running();
        let succession = Succession::of(&old, &config);
        let new = Arc::new(succession.successor(&old, config, connected));
        self.in_force.replace(new.clone());
        self.ownership.works_by(&new.fingerprint());
        self.metrics.policies(&new.policies.keys().cloned().collect::<Vec<_>>());
        self.metrics.places(new.places.keys().cloned().collect());
        state.forget_what_is_gone(&succession, &new);
        let since = self.clock.monotonic();
        let newcomers = succession.newcomers().map(|name| (name.clone(), since));
        state.newcomers.extend(newcomers);
        state.to_discover.extend(succession.to_discover().cloned());
        state.limit(&old, &new);
        let leavers = self.rearrange(&mut state, &succession, &old, &new);
        (succession, leavers)
    }

    /// Puts every secret where it belongs now, and lets those be looked at that may have to act otherwise.
    fn rearrange(&self, state: &mut State, succession: &Succession, old: &Running, new: &Running) -> Vec<Leaver> {
        let mut leavers = Vec::new();
        let mut to_look_at = Vec::new();
        for (key, fate, settled) in state.fates(succession, old, new) {
            match fate {
                Fate::Stays { look: true } => to_look_at.push(key),
                Fate::Undisturbed | Fate::Stays { look: false } => to_look_at.extend(settled.then_some(key)),
                Fate::Moves(to) => {
                    if let Some(to) = new.policy(&to) {
                        self.move_to(state, &key, to);
                    }
                    to_look_at.push(key);
                }
                Fate::Leaves => leavers.extend(self.send_away(state, key)),
            }
        }
        self.look_again(state, to_look_at);
        leavers
    }

    /// Lets a secret go, or keeps it without a policy until the drive under way has ended.
    fn send_away(&self, state: &mut State, key: String) -> Option<Leaver> {
        let entry = state.entries.get(&key)?;
        let (secret, policy) = (entry.secret.name.clone(), entry.policy.clone());
        if !entry.driven {
            self.forget(state, &key);
        }
        Some(Leaver { key, secret, policy })
    }

    /// Lets secrets be looked at: those with something under way or wrong at once, others one by one.
    fn look_again(&self, state: &mut State, keys: Vec<String>) {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let mut pause = Duration::ZERO;
        for key in keys {
            let Some(entry) = state.entries.get_mut(&key) else {
                continue;
            };
            entry.looks = 0;
            if entry.driven {
                entry.woken = true;
                continue;
            }
            let delay = match is_urgent(entry) {
                true => Duration::ZERO,
                false => {
                    pause += BETWEEN_LOOKS;
                    pause
                }
            };
            let by = monotonic.saturating_add(delay);
            let soon_enough = state.queue.wake_of(&key).is_some_and(|wake| match wake {
                Wake::Past(moment) => moment <= by,
                Wake::At(date) => date <= after(now, delay),
            });
            if !soon_enough {
                state.queue.set(&key, Wake::Past(by));
            }
        }
    }

    /// Which of those that left have something under way, and have not come back.
    fn left_alone(&self, leavers: Vec<Leaver>) -> Vec<LeftAlone> {
        let state = self.state();
        let left = leavers.into_iter().filter_map(|leaver| {
            let entry = state.entries.get(&leaver.key);
            if entry.is_some_and(|entry| !entry.is_leaving()) {
                return None;
            }
            let record = entry
                .map(|entry| &entry.record)
                .or_else(|| state.records.get(&leaver.key))?;
            let under_way = match (&record.rotation, &record.retirement) {
                (Some(_), _) => "rotation",
                (None, Some(_)) => "retirement",
                (None, None) => return None,
            };
            Some(LeftAlone {
                secret: leaver.secret,
                arn: leaver.key,
                policy: leaver.policy,
                under_way: under_way.to_owned(),
            })
        });
        left.collect()
    }
}

impl State {
    /// Forgets what was known of policies and places that are gone, or are others now.
    fn forget_what_is_gone(&mut self, succession: &Succession, new: &Running) {
        self.looked_for.retain(|place| !succession.places.contains(place));
        self.surveyed.retain(|place| !succession.places.contains(place));
        self.topologies
            .retain(|(place, _), _| !succession.places.contains(place));
        let anew: Vec<&String> = succession.to_discover().collect();
        let stays = |name: &String| new.policy(name).is_some() && !anew.contains(&name);
        self.unresolved.retain(|(policy, _), _| stays(policy));
        self.to_discover.retain(|name| new.policy(name).is_some());
        self.newcomers.retain(|name, _| new.policy(name).is_some());
        self.blast_radii.retain(|name, _| new.policy(name).is_some());
    }

    /// Goes by the limits of another configuration.
    fn limit(&mut self, old: &Running, new: &Running) {
        for (name, policy) in &new.policies {
            let limits = (policy.canary, policy.max_attention);
            let radius = self.blast_radii.entry(name.clone());
            let radius = radius.or_insert_with(|| BlastRadius::new(limits.0, limits.1));
            let before = old.policy(name).map(|policy| (policy.canary, policy.max_attention));
            if before.is_some_and(|before| before != limits) {
                radius.set_limits(limits.0, limits.1);
                self.wake_released(name);
            }
        }
        self.most_in_flight = new.daemon.max_in_flight;
        self.release_room();
    }

    /// Ends the claims of policies that do not have a secret any more. What becomes of each secret, and
    /// whether another policy had it beside its own and has it no more.
    fn fates(&mut self, succession: &Succession, old: &Running, new: &Running) -> Vec<(String, Fate, bool)> {
        let staying = self.entries.iter().filter(|(_, entry)| !entry.is_leaving());
        let staying: Vec<_> = staying.map(|(key, _)| key.clone()).collect();
        let fates = staying.iter().filter_map(|key| {
            let entry = self.entries.get(key)?;
            let before = entry.claims().len();
            let only_remembered = entry.is_only_remembered();
            let secret = &entry.listed();
            self.entries
                .retain_claims(key, |name| succession.keeps(old, new, name, secret));
            let entry = self.entries.get(key)?;
            let settled = entry.claims().len() < before;
            let fate = succession.fate(old, new, &entry.policy, &entry.claims().keys().collect(), secret);
            let fate = match fate {
                // The look for the other policy's secrets tells whether it has this one.
                Fate::Moves(_) if only_remembered => Fate::Leaves,
                fate => fate,
            };
            Some((key.to_string(), fate, settled))
        });
        fates.collect()
    }
}

fn is_urgent(entry: &Entry) -> bool {
    let record = &entry.record;
    let in_trouble = record.halt.is_some() || record.attention.is_some() || record.failure.is_some();
    in_trouble || entry.in_flight()
}
