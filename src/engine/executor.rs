//! One drive of one secret: observe, plan, act, until there is nothing to do but wait.

use std::sync::Arc;
use std::time::Duration;

use crate::aws::{AwsError, ErrorClass, PlacePorts};
use crate::clock::between;
use crate::metrics::StepOutcome;
use crate::policy::Policy;
use crate::rotation::event::Event;
use crate::rotation::observation::{Observation, Proof};
use crate::rotation::plan::{Action, Decision};
use crate::rotation::reason::WaitReason;
use crate::rotation::state::Record;
use crate::rotation::status::Phase;
use crate::rotation::step::Step;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use super::Engine;
use super::ending::Ending;
use super::observe::Beginning;
use super::queue::Wake;
use super::spans;
use super::steps::{Stage, StepError, Stepped};

/// How many observations one drive may make: a world that changes under every look is left alone
/// for a while.
const OBSERVATIONS: u32 = 6;

/// How many decisions may rest on one observation. Far more than any plan needs: it bounds a
/// defect.
const DECISIONS: u32 = 64;

/// Up to which length an overlap is bridged by what is remembered.
const KEPT_THROUGH_OVERLAP: Duration = Duration::from_secs(3_000);

/// How old an observation may be that something is remembered from: far older than any but that of a
/// process that stood still.
const REMEMBERED_WITHIN: Duration = Duration::from_secs(300);

/// What one observation led to.
enum Turn {
    /// Look again: because a step was made, or because of this answer to one.
    LookAgain(Option<(Step, AwsError)>),
    /// Look again with a listing of the versions, which the decision needs.
    LookWithListing,
    End(Ending),
}

impl Engine {
    /// Drives a secret as far as it goes now, and puts it back into the queue.
    ///
    /// Who only asks whether a change has arrived needs no place among those that are driven: so all of
    /// them share one read.
    pub(super) async fn drive(&self, key: &str, permit: OwnedSemaphorePermit) {
        let Some((policy, ports, (arn, name))) = self.surroundings(key) else {
            self.without_surroundings(key);
            return;
        };
        let (seen, _permit) = match self.polled(key) {
            Some(_) if self.waits_in_the_row(key, &policy, ports.users_writer.at_once()) => (Err(Ending::NoTurn), None),
            Some(polled) => {
                drop(permit);
                self.wake.notify_one();
                let seen = self.poll(key, &policy, &ports, polled).await;
                let permit = match &seen {
                    Ok(_) => self.drives_of(&policy.place).acquire_owned().await.ok(),
                    Err(_) => None,
                };
                (seen.map(|seen| self.still_serves(&policy, seen)), permit)
            }
            None => (Ok(None), Some(permit)),
        };
        // Not around the poll: hundreds at once would have a span each, and its read is everybody's.
        let span = spans::of_secret(&name, &policy.name);
        let ending = match seen {
            Err(ending) => ending,
            Ok(seen) if self.may_be_driven(key, &policy, ports.users_writer.at_once()) => {
                let begin = seen.map_or(Beginning::Labels, Beginning::User);
                let turns = self.turns(key, &arn, &policy, &ports, begin);
                // On the heap, because hundreds at once wait above for a user, and would hold the room for it.
                Box::pin(turns.instrument(span.clone())).await
            }
            Ok(_) => Ending::NoTurn,
        };
        // What a policy that is gone decided is not remembered.
        let ending = if self.governs(&self.state(), key, &policy) {
            ending
        } else {
            Ending::Superseded
        };
        let unread = ending.may_have_read_nothing();
        let failed = matches!(&ending, Ending::Failed(..));
        let (lost, gone) = (ending.tells_of_a_lost_secret(), ending.tells_of_no_secret());
        let of_rotation = span.in_scope(|| spans::of_record(self.record_of(key).as_deref(), None));
        let concluded = self.conclude(key, &policy, ending).instrument(of_rotation);
        let wake = match Box::pin(concluded.instrument(span)).await {
            Ok(wake) => wake,
            Err(error) => self.store_failed(key, &policy, &error),
        };
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        let again = std::mem::take(&mut entry.woken);
        let wake = if again {
            entry.sight.held = None;
            entry.sight.resting_until = None;
            Wake::Past(Duration::ZERO)
        } else {
            wake
        };
        state.queue.set(key, wake);
        if failed {
            // It could not even ask whether it may begin: whoever waits for it must not wait for that.
            state.no_longer_kept_apart(key);
        }
        state.drive_ends(key, again);
        if self.forget_if_leaving(&mut state, key) {
            return;
        }
        let unread = unread && !state.claims.knows(key) && !self.survey_is_over(&state, &policy);
        let lost_before = state
            .entries
            .get_mut(key)
            .map(|entry| std::mem::replace(&mut entry.lost, lost));
        if lost_before != Some(lost) {
            self.member_changed(&mut state, key);
        }
        if gone {
            // One that is only marked for deletion may come back with the password that its clients have.
            state.release_claim(key);
        }
        self.looked(&mut state, key, !unread);
    }

    fn drives_of(&self, place: &str) -> Arc<Semaphore> {
        self.state().drives.of(place)
    }

    fn surroundings(&self, key: &str) -> Option<(Arc<Policy>, PlacePorts, (String, String))> {
        let state = self.state();
        let running = self.running();
        let entry = state.entries.get(key).filter(|entry| !entry.is_leaving())?;
        let policy = running.policy(&entry.policy)?;
        let ports = running.ports.get(&policy.place)?;
        let named = (entry.secret.arn.to_string(), entry.secret.name.clone());
        Some((policy.clone(), ports.clone(), named))
    }

    async fn turns(
        &self,
        key: &str,
        arn: &str,
        policy: &Arc<Policy>,
        ports: &PlacePorts,
        mut begin: Beginning,
    ) -> Ending {
        let mut refusal = None;
        for _ in 0..OBSERVATIONS {
            if self.stop.is_cancelled() {
                return Ending::Stopping;
            }
            let Some(leave) = self.leave(key, policy) else {
                return Ending::Superseded;
            };
            let started = self.clock.monotonic();
            let begins = std::mem::replace(&mut begin, Beginning::Labels);
            let user_first = matches!(begins, Beginning::User(_));
            let span = spans::of_record(self.record_of(key).as_deref(), Some(Step::Observe));
            let observation = match self.observe(key, ports, arn, begins).instrument(span).await {
                Ok(observation) => observation,
                Err(error) => {
                    self.count(Step::Observe, StepOutcome::Error, started);
                    return Ending::Failed(Step::Observe, error);
                }
            };
            drop(leave);
            match self.deliberate(key, policy, ports, observation, user_first).await {
                // Refused again after a fresh look: reads lag behind what the refusal knows. Looking on
                // would only repeat it.
                Turn::LookAgain(Some((step, error))) if refusal.is_some() => return Ending::Failed(step, error),
                Turn::LookAgain(cause) => refusal = cause,
                Turn::LookWithListing => begin = Beginning::Listing,
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
        user_first: bool,
    ) -> Turn {
        for _ in 0..DECISIONS {
            let Some(record) = self.record_of(key) else {
                return Turn::End(Ending::Stopping);
            };
            let Some(decision) = self.decide(key, policy, &observation, &record) else {
                return Turn::End(Ending::Superseded);
            };
            if !observation.listed && needs_listing(&decision) {
                return Turn::LookWithListing;
            }
            if user_first && !stands_by_logins(&decision) {
                return Turn::LookAgain(None);
            }
            // A process that was suspended would remember as so what was so long ago.
            if matches!(decision, Decision::Note(_)) && self.age_of(&observation) > REMEMBERED_WITHIN {
                return Turn::LookAgain(None);
            }
            if let Some(ending) = self.has_to_wait(key, policy, ports, &decision) {
                self.remember(key, &observation);
                return Turn::End(ending);
            }
            let gates = self.gates_before(key, policy, &record, &decision);
            if !gates.is_empty() {
                match self.pass_gates(key, policy, gates).await {
                    // What others have begun meanwhile is known now.
                    Ok(true) => continue,
                    Ok(false) => return Turn::End(Ending::GateTaken),
                    Err(error) => return Turn::End(Ending::Store(error)),
                }
            }
            let span = spans::of_decision(&record, &decision);
            match decision {
                Decision::Look(look) => {
                    let Some(_leave) = self.leave(key, policy) else {
                        return Turn::End(Ending::Superseded);
                    };
                    let started = self.clock.monotonic();
                    let looked = self.look(key, ports, policy, &mut observation, look);
                    if let Err(error) = looked.instrument(span).await {
                        self.count(Step::Observe, StepOutcome::Error, started);
                        return Turn::End(Ending::Failed(Step::Observe, error));
                    }
                }
                Decision::Note(event) => {
                    if let Err(error) = self.record(key, event).instrument(span).await {
                        return Turn::End(Ending::Store(error));
                    }
                }
                Decision::Act(action) => {
                    let Some(_leave) = self.leave(key, policy) else {
                        return Turn::End(Ending::Superseded);
                    };
                    self.remember(key, &observation);
                    let stage = Stage {
                        key,
                        ports,
                        policy,
                        observation,
                    };
                    match self.carry_out(stage, action, &record).instrument(span).await {
                        Ok(next) => observation = next,
                        Err(turn) => return turn,
                    }
                }
                still => {
                    self.keep_what_serves(key, policy, &observation, &still);
                    return Turn::End(Ending::Decision(still));
                }
            }
        }
        tracing::error!(
            event = "no_decision",
            looks = DECISIONS,
            "a defect: nothing is decided after so many looks; please report this"
        );
        Turn::End(Ending::TakesTime)
    }

    async fn carry_out(&self, stage: Stage<'_>, action: Action, record: &Record) -> Result<Observation, Turn> {
        let (key, policy, step) = (stage.key, stage.policy, action.step());
        if self.stop.is_cancelled() {
            return Err(Turn::End(Ending::Stopping));
        }
        if step != Step::Repair
            && let Err(error) = self.halt_over(key, record).await
        {
            return Err(Turn::End(Ending::Store(error)));
        }
        let started = self.clock.monotonic();
        self.show_step(key, step);
        let (ports, seen) = (stage.ports, stage.observation.user.clone());
        let stepped = self.act(stage, action).await;
        if let Err(StepError::Aws(error)) = &stepped
            && error.class == ErrorClass::Busy
        {
            self.note_busy(key, policy, (ports, &seen), error).await;
        }
        self.acted(key, step, started, stepped).await
    }

    /// What keeps a decision from being carried out just now.
    fn has_to_wait(&self, key: &str, policy: &Policy, ports: &PlacePorts, decision: &Decision) -> Option<Ending> {
        let retires = matches!(
            decision,
            Decision::Act(Action::Retire { .. }) | Decision::Note(Event::RetirementStarted { .. })
        );
        if retires && !self.state().take_room(key) {
            return Some(Ending::NoRoom);
        }
        let changes = matches!(
            decision,
            Decision::Act(
                Action::CreateSecret { .. } | Action::SetSecret { .. } | Action::Retire { .. } | Action::Repair { .. }
            )
        );
        (changes && !self.take_turn(key, policy, ports.users_writer.at_once())).then_some(Ending::NoTurn)
    }

    /// Keeps what the next drive need not read again, if there will soon be one.
    fn keep_what_serves(&self, key: &str, policy: &Policy, observation: &Observation, still: &Decision) {
        match still {
            Decision::Wait { step, .. } => {
                self.change_seen(key, policy, observation, *step);
                self.remember(key, observation);
            }
            Decision::Rest { phase: Phase::Due, .. } => self.remember(key, observation),
            Decision::Rest {
                phase: Phase::Overlap,
                until,
                ..
            } if between(self.clock.now(), *until) < KEPT_THROUGH_OVERLAP => self.remember(key, observation),
            _ => self.forget_what_was_read(key),
        }
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
            Err(StepError::Stale | StepError::NoTurn) => StepOutcome::Wait,
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
            Err(StepError::NoTurn) => Turn::End(Ending::NoTurn),
            Err(StepError::Store(error)) => Turn::End(Ending::Store(error)),
            Err(StepError::Audit(error)) => Turn::End(Ending::Unaudited(error)),
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
}

/// Whether a decision rests on versions as only a listing shows them: the choice of the next version's
/// id, whatever stops the secret, and changes before which the versions are compared with another look.
fn needs_listing(decision: &Decision) -> bool {
    matches!(
        decision,
        Decision::Act(
            Action::CreateSecret { .. }
                | Action::Retire { unproven: true, .. }
                | Action::Repair { .. }
                | Action::RollBack { .. }
        ) | Decision::Halt { .. }
    )
}

/// Whether a decision holds although its user was read before the labels: because it waits or looks on,
/// or because logins, which were made after both, are what it rests on.
fn stands_by_logins(decision: &Decision) -> bool {
    match decision {
        Decision::Look(_) | Decision::Wait { .. } | Decision::Rest { .. } => true,
        Decision::Act(Action::FinishSecret { proof, .. }) | Decision::Note(Event::Retired { proof, .. }) => {
            !matches!(proof, Proof::Unproven(_))
        }
        Decision::Act(Action::Retire { unproven, .. }) => !unproven,
        Decision::Note(Event::NodesRefusePrevious { .. } | Event::RetirementStarted { .. }) => true,
        Decision::Act(_) | Decision::Note(_) | Decision::Halt { .. } => false,
    }
}
