//! One drive of one secret: observe, plan, act, until there is nothing to do but wait.

use std::sync::Arc;
use std::time::Duration;

use crate::aws::{AwsError, ErrorClass, PlacePorts};
use crate::clock::{Timestamp, after};
use crate::metrics::StepOutcome;
use crate::policy::Policy;
use crate::rotation::drift::check_after_start;
use crate::rotation::observation::{AWSCURRENT, Observation};
use crate::rotation::plan::{Context, Decision, Facts, Hold, dues, facts, plan};
use crate::rotation::reason::{HaltReason, WaitReason};
use crate::rotation::state::Record;
use crate::rotation::step::Step;
use crate::store::StoreError;

use super::Engine;
use super::holds::HeldBy;
use super::queue::Wake;
use super::running::Running;
use super::steps::{Stage, StepError, Stepped};

/// How many observations one drive may make: a world that changes under every look is left alone
/// for a while.
const OBSERVATIONS: u32 = 6;

/// How many decisions may rest on one observation. Far more than any plan needs: it bounds a
/// defect.
const DECISIONS: u32 = 64;

/// How a drive ended.
pub(super) enum Ending {
    /// With a decision to stand still.
    Decision(Decision),
    /// A change was made, and takes time to arrive.
    TakesTime,
    /// A call failed.
    Failed(Step, AwsError),
    /// The store failed.
    Store(StoreError),
    /// The process is stopping.
    Stopping,
    /// The policy is not in force any more for this secret.
    Superseded,
}

impl Ending {
    /// Whether the secret is gone, or marked for deletion.
    fn tells_of_a_lost_secret(&self) -> bool {
        match self {
            Self::Failed(Step::Observe, error) => error.class == ErrorClass::NotFound,
            Self::Decision(Decision::Halt { reason, .. }) => *reason == HaltReason::SecretDeleted,
            _ => false,
        }
    }
}

/// What one observation led to.
enum Turn {
    /// Look again: because a step was made, or because of this answer to one.
    LookAgain(Option<(Step, AwsError)>),
    End(Ending),
}

impl Engine {
    /// Drives a secret as far as it goes now, and puts it back into the queue.
    pub(super) async fn drive(&self, key: &str) {
        let Some((policy, ports, arn)) = self.surroundings(key) else {
            self.without_surroundings(key);
            return;
        };
        let ending = self.turns(key, &arn, &policy, &ports).await;
        // What a policy that is gone decided is not remembered.
        let ending = if self.governs(&self.state(), key, &policy) {
            ending
        } else {
            Ending::Superseded
        };
        let unread = matches!(&ending, Ending::Failed(_, error) if error.passes_by_itself());
        let lost = ending.tells_of_a_lost_secret();
        let wake = match self.conclude(key, &policy, ending).await {
            Ok(wake) => wake,
            Err(error) => self.store_failed(key, &policy, &error),
        };
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        let wake = if std::mem::take(&mut entry.woken) {
            entry.sight.held = None;
            entry.sight.resting_until = None;
            Wake::Past(Duration::ZERO)
        } else {
            wake
        };
        state.queue.set(key, wake);
        state.drive_ends(key);
        if self.forget_if_leaving(&mut state, key) {
            return;
        }
        let unread = unread && !state.claims.knows(key) && !self.survey_is_over(&state, &policy);
        if let Some(entry) = state.entries.get_mut(key) {
            entry.lost = lost;
        }
        self.looked(&mut state, key, !unread);
    }

    fn surroundings(&self, key: &str) -> Option<(Arc<Policy>, PlacePorts, String)> {
        let state = self.state();
        let running = self.running();
        let entry = state.entries.get(key).filter(|entry| !entry.is_leaving())?;
        let policy = running.policy(&entry.policy)?;
        let ports = running.ports.get(&policy.place)?;
        Some((policy.clone(), ports.clone(), entry.secret.arn.clone()))
    }

    async fn turns(&self, key: &str, arn: &str, policy: &Arc<Policy>, ports: &PlacePorts) -> Ending {
        let mut refusal = None;
        for _ in 0..OBSERVATIONS {
            if self.stop.is_cancelled() {
                return Ending::Stopping;
            }
            let Some(leave) = self.leave(key, policy) else {
                return Ending::Superseded;
            };
            let started = self.clock.monotonic();
            let observation = match self.observe(ports, arn).await {
                Ok(observation) => observation,
                Err(error) => {
                    self.count(Step::Observe, StepOutcome::Error, started);
                    return Ending::Failed(Step::Observe, error);
                }
            };
            drop(leave);
            match self.deliberate(key, policy, ports, observation).await {
                // Refused again after a fresh look: reads lag behind what the refusal knows. Looking on
                // would only repeat it.
                Turn::LookAgain(Some((step, error))) if refusal.is_some() => return Ending::Failed(step, error),
                Turn::LookAgain(cause) => refusal = cause,
                Turn::End(ending) => return ending,
            }
        }
        if let Some((step, error)) = refusal {
            return Ending::Failed(step, error);
        }
        Ending::Decision(Decision::Wait {
            reason: WaitReason::StaleObservation,
            detail: "the world changes, or ages, under every look".to_owned(),
            step: Step::Observe,
        })
    }

    /// Looks, notes and acts on one observation.
    async fn deliberate(
        &self,
        key: &str,
        policy: &Arc<Policy>,
        ports: &PlacePorts,
        mut observation: Observation,
    ) -> Turn {
        for _ in 0..DECISIONS {
            let Some(record) = self.record_of(key) else {
                return Turn::End(Ending::Stopping);
            };
            let Some(decision) = self.decide(key, policy, &observation, &record) else {
                return Turn::End(Ending::Superseded);
            };
            match decision {
                Decision::Look(look) => {
                    let Some(_leave) = self.leave(key, policy) else {
                        return Turn::End(Ending::Superseded);
                    };
                    let started = self.clock.monotonic();
                    if let Err(error) = self.look(ports, policy, &mut observation, look).await {
                        self.count(Step::Observe, StepOutcome::Error, started);
                        return Turn::End(Ending::Failed(Step::Observe, error));
                    }
                }
                Decision::Note(event) => {
                    if let Err(error) = self.record(key, event).await {
                        return Turn::End(Ending::Store(error));
                    }
                }
                Decision::Act(action) => {
                    if self.stop.is_cancelled() {
                        return Turn::End(Ending::Stopping);
                    }
                    let Some(_leave) = self.leave(key, policy) else {
                        return Turn::End(Ending::Superseded);
                    };
                    if action.step() != Step::Repair
                        && let Err(error) = self.halt_over(key, &record).await
                    {
                        return Turn::End(Ending::Store(error));
                    }
                    let step = action.step();
                    let started = self.clock.monotonic();
                    self.show_step(key, step);
                    let stepped = self
                        .act(
                            Stage {
                                key,
                                ports,
                                policy,
                                observation,
                            },
                            action,
                        )
                        .await;
                    match self.acted(key, step, started, stepped).await {
                        Ok(next) => observation = next,
                        Err(turn) => return turn,
                    }
                }
                still => return Turn::End(Ending::Decision(still)),
            }
        }
        tracing::error!(secret = key, "no decision after {DECISIONS} looks: please report this");
        Turn::End(Ending::TakesTime)
    }

    async fn acted(
        &self,
        key: &str,
        step: Step,
        started: Duration,
        stepped: Result<Stepped, StepError>,
    ) -> Result<Observation, Turn> {
        let outcome = match &stepped {
            Ok(_) => StepOutcome::Ok,
            Err(StepError::Stale) => StepOutcome::Wait,
            Err(StepError::Aws(error)) if error.class == ErrorClass::Busy => StepOutcome::Wait,
            Err(_) => StepOutcome::Error,
        };
        self.count(step, outcome, started);
        if stepped.is_ok() {
            if let Some(entry) = self.state().entries.get_mut(key) {
                entry.looks = 0;
            }
            if let Err(error) = self.failure_over(key).await {
                return Err(Turn::End(Ending::Store(error)));
            }
        }
        Err(match stepped {
            Ok(Stepped::GoOn(observation)) => return Ok(*observation),
            Ok(Stepped::LookAgain) | Err(StepError::Stale) => Turn::LookAgain(None),
            Ok(Stepped::TakesTime) => Turn::End(Ending::TakesTime),
            Err(StepError::Store(error)) => Turn::End(Ending::Store(error)),
            // What the step took for granted is no longer so.
            Err(StepError::Aws(error)) if error.class == ErrorClass::Conflict => Turn::LookAgain(Some((step, error))),
            Err(StepError::Aws(error)) if error.class == ErrorClass::Busy => {
                Turn::End(Ending::Decision(Decision::Wait {
                    reason: WaitReason::Modifying,
                    detail: error.to_string(),
                    step,
                }))
            }
            Err(StepError::Aws(error)) => Turn::End(Ending::Failed(step, error)),
        })
    }

    fn count(&self, step: Step, outcome: StepOutcome, started: Duration) {
        self.metrics
            .step(step, outcome, self.clock.monotonic().saturating_sub(started));
    }

    fn show_step(&self, key: &str, step: Step) {
        if let Some(entry) = self.state().entries.get_mut(key) {
            entry.sight.step = Some(step);
        }
    }

    /// Asks for a decision, and keeps what status shows of the observation. A secret that would begin
    /// asks for its place under the same lock, so that no two take the same one. Nothing if another
    /// policy is in force.
    fn decide(&self, key: &str, policy: &Arc<Policy>, observation: &Observation, record: &Record) -> Option<Decision> {
        let mut state = self.state();
        if !self.governs(&state, key, policy) {
            return None;
        }
        let running = self.running();
        let now = self.clock.now();
        if let (Some(entry), Some(dues)) = (state.entries.get_mut(key), dues(observation, record, policy)) {
            entry.dues = dues;
            self.member_changed(&mut state, key);
        }
        let asking = Hold {
            why: ASKING,
            until: now,
            after_examination: false,
        };
        let would = plan(
            observation,
            record,
            &self.context(&running, &state, key, policy, now, Some(asking)),
        );
        let (decision, held) = if rests_for(&would, ASKING) {
            let held = self.take_place(&mut state, key, policy, urgent(observation, record));
            let why = held.map(|by| self.words_of(&state, policy, by)).unwrap_or_default();
            let hold = held.map(|by| self.hold(by, &why, policy, record));
            let decision = plan(
                observation,
                record,
                &self.context(&running, &state, key, policy, now, hold),
            );
            let held = held.filter(|_| rests_for(&decision, &why));
            (decision, held)
        } else {
            (would, None)
        };
        let facts = facts(
            observation,
            record,
            &self.context(&running, &state, key, policy, now, None),
        );
        state.note_hold(key, held);
        if let Some(entry) = state.entries.get_mut(key) {
            // Not every look needs the user; what an earlier one saw of it stands.
            let seen_before = entry.new_facts.as_ref().and_then(|facts| facts.password_count);
            let password_count = facts
                .password_count
                .or(seen_before)
                .or(entry.sight.facts.password_count);
            entry.new_facts = Some(Facts {
                password_count,
                ..facts
            });
        }
        Some(decision)
    }

    /// When the first check of this secret after the start may be made.
    fn checks_from(&self, now: Timestamp, key: &str, secrets: usize) -> Timestamp {
        let passed = self.clock.monotonic().saturating_sub(self.started);
        after(now, check_after_start(key, secrets).saturating_sub(passed))
    }

    fn context<'a>(
        &self,
        running: &'a Running,
        state: &'a super::State,
        key: &str,
        policy: &'a Policy,
        now: Timestamp,
        hold: Option<Hold<'a>>,
    ) -> Context<'a> {
        Context {
            policy,
            region: running.places.get(&policy.place).map_or("", |place| &place.region),
            now,
            claims: &state.claims,
            other_policies: state.other_policies(key),
            shared_store: self.store.shared(),
            paused: running.daemon.paused || policy.paused,
            hold,
            drift_check: running.daemon.drift_check_interval,
            checks_from: self.checks_from(now, key, state.entries.len()),
            recheck: running.daemon.discovery_interval,
        }
    }

    fn hold<'a>(&self, by: HeldBy, why: &'a str, policy: &Policy, record: &Record) -> Hold<'a> {
        let in_trouble = record.halt.is_some() || record.attention.is_some();
        let again = match by {
            HeldBy::Survey | HeldBy::MaxInFlight => policy.retry.max,
            HeldBy::Policy(_) => self.running().daemon.discovery_interval.max(policy.retry.max),
        };
        Hold {
            why,
            // Whatever ends the hold wakes the secret; this is for the case that it does not.
            until: after(self.clock.now(), again),
            // Before every secret is known, examining one is not safe.
            after_examination: in_trouble && by != HeldBy::Survey,
        }
    }
}

/// What a secret is told that would begin, until it is known whether it may.
const ASKING: &str = "due";

fn rests_for(decision: &Decision, why: &str) -> bool {
    matches!(decision, Decision::Rest { detail: Some(told), .. } if told == why)
}

/// Whether an operator asked for a rotation with `--now`, and has not got it yet.
fn urgent(observation: &Observation, record: &Record) -> bool {
    let current = observation.secret.holder(AWSCURRENT);
    let request = current.and_then(|current| {
        let created = observation
            .secret
            .versions
            .get(current)
            .and_then(|version| version.created);
        record.standing_request(current, created)
    });
    request.is_some_and(|request| request.now)
}
