//! Drift and its repair, as the record remembers them; and when current passwords are checked for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::{Timestamp, between};
use crate::rotation::event::Event;
use crate::rotation::observation::Proof;
use crate::rotation::reason::{DriftCause, UnprovenReason};
use crate::rotation::rollback::Rollback;
use crate::rotation::state::{Check, Record};

/// After so many repairs within a day, further drift is another writer at work.
pub const REPAIRS_A_DAY: usize = 3;

const DAY: Duration = Duration::from_secs(86_400);

/// The longest pause between two looks at a drifted secret where there is no heartbeat.
const LONGEST_LOOK: Duration = Duration::from_secs(6 * 3_600);

/// How many checks a second are made after a start of those that all are due by then.
const CHECKS_A_SECOND: u64 = 50;

/// The share of the interval by which the chance of its name brings a secret's check forward: one in
/// this many. It keeps secrets apart that were rotated together.
const EARLIER_BY: u32 = 10;

/// A current password that worked and does not any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Drift {
    /// The version under AWSCURRENT.
    pub version: String,
    /// Why.
    pub cause: DriftCause,
    /// Where it was seen, in words.
    pub detail: String,
    /// Since when.
    pub since: Timestamp,
    /// From when on it is repaired, if it is to be.
    pub repair_from: Option<Timestamp>,
    /// Whether another writer undid as many repairs as a day may see, so that an operator must allow more.
    #[serde(default)]
    pub fought: bool,
}

/// A repair that has begun and is not proved yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Repair {
    /// The version whose password the user gets again.
    pub version: String,
    /// The version whose password it keeps beside that.
    pub previous: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When ElastiCache accepted it, if that is known.
    pub set_at: Option<Timestamp>,
}

impl Record {
    /// Whether the current password was ever known to work, as far as this record tells.
    pub fn has_worked(&self) -> bool {
        self.check.is_some() || self.drift.is_some() || self.promotion.is_some()
    }

    /// When the repair was made that may still be spreading to the nodes.
    pub fn repair_made_at(&self) -> Option<Timestamp> {
        let repair = self.repair.as_ref()?;
        // One that was never answered may have been carried out; one that was never sent was not.
        let sent = self.open_write.filter(|write| *write >= repair.started_at);
        repair.set_at.or(sent.map(|_| repair.started_at))
    }

    /// Whether as many repairs as a day may see were made within the last one.
    pub fn repairs_used_up(&self, now: Timestamp) -> bool {
        let recent = self.repairs.iter().filter(|at| between(**at, now) < DAY);
        recent.count() >= REPAIRS_A_DAY
    }

    /// Since when this version's password has not worked for such a cause. Drift that a repair heals and
    /// drift that none does are two: the fence before a repair runs from the first that it could heal.
    pub fn drifted_since(&self, version: &str, cause: DriftCause) -> Option<Timestamp> {
        let drift = self.drift.as_ref().filter(|drift| drift.version == version)?;
        (drift.cause.heals_by_repair() == cause.heals_by_repair()).then_some(drift.since)
    }

    /// Notes that another writer undoes repairs.
    pub(super) fn stop_repairs(&mut self) {
        if let Some(drift) = &mut self.drift {
            drift.fought = true;
        }
    }

    /// Notes that an operator allows repairs again.
    pub(super) fn allow_repairs(&mut self) {
        self.repairs.clear();
        if let Some(drift) = &mut self.drift {
            drift.fought = false;
        }
    }

    /// How long a secret that halted is left alone. Each look at one that has drifted costs a refused
    /// login on each node, so those grow rarer: from `discovery` to the heartbeat's interval.
    pub fn halted_pause(&self, now: Timestamp, discovery: Duration, heartbeat: Option<Duration>) -> Duration {
        let Some(drift) = self.drift.as_ref() else {
            return discovery;
        };
        let longest = heartbeat.unwrap_or(LONGEST_LOOK).max(discovery);
        let pause = (between(drift.since, now) / 2).clamp(discovery, longest);
        match drift.repair_from {
            // Due, and held up by something that passes.
            Some(at) if at <= now => discovery,
            Some(at) => pause.min(between(now, at).saturating_add(Duration::from_secs(1))),
            None => pause,
        }
    }

    /// What drift and repair change.
    pub(super) fn apply_drift(mut self, at: Timestamp, event: &Event) -> Option<Self> {
        match event {
            Event::DriftFound {
                version,
                cause,
                detail,
                repair_from,
            } => self.drift(at, version, *cause, detail, *repair_from),
            Event::DriftEnded { .. } => {
                self.drift = None;
                self.repair = None;
                // Somebody changed the user, perhaps another replica: the fence runs from here.
                self.settled_at = Some(at);
            }
            Event::RepairStarted { version, previous } => {
                self.repair = Some(Box::new(Repair {
                    version: version.clone(),
                    previous: previous.clone(),
                    started_at: at,
                    set_at: None,
                }));
                if let Some(previous) = previous {
                    self.revive(previous);
                }
                // The fence of whatever was sent before is over. From now on an unanswered write may be
                // this repair's, which takes a password, and not a move of that rollback's.
                let failed = |rollback: &&mut Rollback| !rollback.is_open() && !rollback.is_done();
                if let Some(rollback) = self.rollback.as_deref_mut().filter(failed) {
                    rollback.started = None;
                }
            }
            Event::PasswordsRestored { version } => {
                let repair = self.repair.as_mut().filter(|repair| repair.version == *version)?;
                repair.set_at = Some(at);
                self.open_write = None;
                self.settled_at = Some(at);
                self.count_repair(at);
            }
            Event::Repaired { version, proof, nodes } => {
                let repair = self.repair.take().filter(|repair| repair.version == *version)?;
                if repair.set_at.is_none() {
                    self.count_repair(at);
                }
                self.drift = None;
                self.settled_at = Some(at);
                self.check = Some(Check {
                    version: version.clone(),
                    proof: *proof,
                    nodes: *nodes,
                    at,
                });
            }
            _ => return None,
        }
        self.waiting = None;
        Some(self)
    }

    fn drift(&mut self, at: Timestamp, version: &str, cause: DriftCause, detail: &str, repair_from: Option<Timestamp>) {
        let since = self.drifted_since(version, cause).unwrap_or(at);
        let before = self.drift.take().filter(|drift| drift.version == version);
        if cause != DriftCause::UserOff {
            // What was proved of it once is no longer so.
            self.check = None;
        }
        self.drift = Some(Box::new(Drift {
            version: version.to_owned(),
            cause,
            detail: detail.to_owned(),
            since,
            repair_from,
            fought: before.is_some_and(|drift| drift.fought),
        }));
    }

    /// A check that found nothing wrong ends the drift; that a user is still off does not.
    pub(super) fn drift_checked(&mut self, proof: Proof) {
        let still_off =
            |drift: &Drift| drift.cause == DriftCause::UserOff && proof == Proof::Unproven(UnprovenReason::UserOff);
        self.drift = self.drift.take().filter(|drift| still_off(drift));
        self.repair = None;
    }

    fn count_repair(&mut self, at: Timestamp) {
        self.repairs.retain(|before| between(*before, at) < DAY);
        self.repairs.push(at);
    }

    /// A previous password that logs in is not retired, whatever was proved once: the repair keeps
    /// it, and its retirement is to be done again.
    fn revive(&mut self, previous: &str) {
        self.retired = self.retired.take().filter(|retired| !retired.all.contains(previous));
        if let Some(retirement) = self
            .retirement
            .as_mut()
            .filter(|retirement| retirement.previous == previous)
        {
            retirement.removed_at = None;
            retirement.settled_since = None;
            retirement.refused_by.clear();
        }
    }
}

/// A number from 0 to 1 that a secret's ARN decides: the same in every process and release.
fn share(secret_arn: &str) -> f64 {
    let digest = Sha256::digest(secret_arn.as_bytes());
    let mut bytes = [0_u8; 4];
    bytes.copy_from_slice(&digest[..4]);
    f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX)
}

/// How long after a start a secret's password is checked for the first time, if that is due by then:
/// checks of many secrets are spread over the seconds that they need.
pub fn check_after_start(secret_arn: &str, secrets: usize) -> Duration {
    all_checked_after_start(secrets).mul_f64(share(secret_arn))
}

/// How long after a start every secret's first check may be made.
pub fn all_checked_after_start(secrets: usize) -> Duration {
    Duration::from_secs(u64::try_from(secrets).unwrap_or(u64::MAX) / CHECKS_A_SECOND)
}

/// How long after a check the next one of this secret is due: `interval`, less a little that the secret's
/// ARN decides.
pub fn heartbeat_of(secret_arn: &str, interval: Duration) -> Duration {
    interval - (interval / EARLIER_BY).mul_f64(share(secret_arn))
}

#[cfg(test)]
#[path = "drift_tests.rs"]
mod tests;
