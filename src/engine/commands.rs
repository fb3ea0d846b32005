//! What operators ask for: stored before it is acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::audit::requester::requester;
use crate::clock::after;
use crate::inventory::together;
use crate::rotation::event::{Event, Pause, Request};
use crate::rotation::reason::HaltReason;
use crate::rotation::status::SecretStatus;
use crate::schedule;
use crate::secret::secret_arn_name;
use crate::store::HistoryEntry;

use super::control::{
    Accepted, Control, ControlError, PolicyHold, PolicyStatus, Readiness, RollbackOptions, RotateOptions, Selector,
};
use super::entry::Entry;
use super::{Engine, TICK_STALL};

impl Engine {
    /// The keys of the selected secrets, each with what is acknowledged about it.
    pub(super) fn select(&self, selector: &Selector) -> Result<Vec<(String, Accepted)>, ControlError> {
        if selector.secrets.is_empty() && selector.policy.is_none() && !selector.all {
            return Err(ControlError::EmptySelector);
        }
        if let Some(policy) = selector.policy.as_ref().filter(|policy| self.policy(policy).is_none()) {
            return Err(ControlError::NoSuchPolicy(policy.clone()));
        }
        let state = self.state();
        let wanted: BTreeSet<&str> = selector.secrets.iter().map(String::as_str).collect();
        let known = state.entries.values().filter(|entry| !entry.is_leaving());
        let known: BTreeSet<&str> = known.flat_map(ids_of).filter(|id| wanted.contains(id)).collect();
        if let Some(missing) = selector.secrets.iter().find(|name| !known.contains(name.as_str())) {
            let unresolved = state.unresolved.iter().find(|((_, name), _)| name == missing);
            return Err(match unresolved {
                Some((_, error)) => ControlError::NotLookedUp {
                    name: missing.clone(),
                    cause: error.to_string(),
                },
                None => ControlError::NoSuchSecret(format!("{missing:?}")),
            });
        }
        let fits = state.entries.iter().filter(|(_, entry)| {
            let by_name = wanted.is_empty() || ids_of(entry).iter().any(|id| wanted.contains(id));
            by_name && !entry.is_leaving() && selector.policy.as_ref().is_none_or(|policy| *policy == entry.policy)
        });
        let chosen: Vec<_> = fits
            .map(|(key, entry)| {
                let current_version = entry.sight.facts.current_version.clone();
                let (secret, arn) = (entry.secret.name.clone(), entry.secret.arn.to_string());
                (
                    key.to_string(),
                    Accepted {
                        secret,
                        arn,
                        current_version,
                        requested_at: None,
                    },
                )
            })
            .collect();
        if chosen.is_empty() {
            return Err(match state.unresolved.iter().next() {
                Some(((_, name), error)) => ControlError::NotLookedUp {
                    name: name.clone(),
                    cause: error.to_string(),
                },
                None => ControlError::NoSuchSecret("the selector".to_owned()),
            });
        }
        Ok(chosen)
    }
}

/// What a selector may call a secret.
fn ids_of(entry: &Entry) -> [&str; 2] {
    [&entry.secret.name, &entry.secret.arn]
}

impl Engine {
    /// Stores an event for each of these secrets, several in one commit, and looks at each that has it.
    async fn tell_each(
        &self,
        chosen: Vec<(String, Accepted)>,
        event: impl Fn(&Accepted) -> Event,
    ) -> Result<Vec<Accepted>, ControlError> {
        let events: Vec<(&str, Event)> = chosen
            .iter()
            .map(|(key, accepted)| (key.as_str(), event(accepted)))
            .collect();
        let stored = together::each(events, |(key, event)| async move {
            self.record(key, event).await?;
            self.wake_secret(key);
            Ok(())
        });
        stored.await.into_iter().collect::<Result<(), ControlError>>()?;
        Ok(chosen.into_iter().map(|(_, accepted)| accepted).collect())
    }

    async fn resume_one(&self, key: &str) -> Result<(), ControlError> {
        let Some(record) = self.record_of(key) else {
            return Ok(());
        };
        if record.pause.is_some() {
            self.record(key, Event::Resumed).await?;
        }
        if let Some(halt) = record.halt.as_ref().filter(|halt| halt.reason.may_be_passed()) {
            let (reason, subject) = (halt.reason, halt.subject.clone());
            self.record(key, Event::Acknowledged { reason, subject }).await?;
        }
        if let Some(halt) = record
            .halt
            .as_ref()
            .filter(|halt| halt.reason == HaltReason::UserClaimedTwice)
        {
            // What was mended may be the other secret, and only a look at that one shows it.
            self.wake_secret(&halt.subject);
        }
        self.wake_secret(key);
        Ok(())
    }

    /// The ARN of a secret that no policy has any more, by that ARN or its name. Its record is kept.
    fn remembered(&self, wanted: &str) -> Option<String> {
        let state = self.state();
        let fits = |arn: &&String| *arn == wanted || secret_arn_name(arn) == Some(wanted);
        state.records.keys().find(fits).cloned()
    }
}

#[async_trait]
impl Control for Engine {
    fn secrets(&self) -> Vec<SecretStatus> {
        self.report()
    }

    fn each_secret(self: Arc<Self>) -> Box<dyn Iterator<Item = SecretStatus> + Send> {
        Box::new(self.listing())
    }

    fn policies(&self) -> Vec<PolicyStatus> {
        let state = self.state();
        let mut secrets: BTreeMap<&str, usize> = BTreeMap::new();
        for entry in state.entries.values().filter(|entry| !entry.is_leaving()) {
            *secrets.entry(&entry.policy).or_default() += 1;
        }
        let running = self.running();
        let policies = running.policies.values();
        policies
            .map(|policy| PolicyStatus {
                policy: policy.name.clone(),
                place: policy.place.clone(),
                schedule: schedule::describe(&policy.schedule),
                timezone: schedule::zone_of(&policy.schedule).map(|zone| zone.name().to_owned()),
                secrets: secrets.get(policy.name.as_str()).copied().unwrap_or_default(),
                paused: policy.paused || running.daemon.paused,
                held: state
                    .policy_holds(&policy.name)
                    .into_iter()
                    .map(|reason| PolicyHold {
                        reason,
                        detail: format!("waits {}", state.words_of_policy(&policy.name, reason)),
                    })
                    .collect(),
            })
            .collect()
    }

    fn refresh_gauges(&self) {
        let running = self.running();
        let policies = running.policies.values();
        let paused: Vec<String> = policies
            .filter(|policy| policy.paused || running.daemon.paused)
            .map(|policy| policy.name.clone())
            .collect();
        let state = self.state();
        self.metrics.show(self.statuses(&state), &paused, self.clock.now());
        for policy in running.policies.keys() {
            self.metrics.policy_held(policy, &state.policy_holds(policy));
        }
    }

    async fn readiness(&self) -> Readiness {
        let mut problems = Vec::new();
        if let Err(error) = self.store.check().await {
            self.metrics.store_error();
            problems.push(error.to_string());
        }
        let last_tick = self.state().last_tick;
        match last_tick {
            None => problems.push("the scheduler has not ticked yet".to_owned()),
            Some(tick) => {
                let age = self.clock.monotonic().saturating_sub(tick);
                if age > TICK_STALL {
                    problems.push(format!("the scheduler last ticked {} seconds ago", age.as_secs()));
                }
            }
        }
        Readiness {
            ready: problems.is_empty(),
            problems,
        }
    }

    async fn history(&self, secret: Option<&str>, limit: usize) -> Result<Vec<HistoryEntry>, ControlError> {
        let arn = match secret {
            None => None,
            Some(wanted) => {
                let selector = Selector {
                    secrets: vec![wanted.to_owned()],
                    ..Selector::default()
                };
                match self.select(&selector) {
                    Ok(chosen) => chosen.into_iter().map(|(key, _)| key).next(),
                    Err(error) => Some(self.remembered(wanted).ok_or(error)?),
                }
            }
        };
        Ok(self.store.history(arn.as_deref(), limit).await?)
    }

    async fn rotate(&self, selector: &Selector, options: RotateOptions) -> Result<Vec<Accepted>, ControlError> {
        // One time for all: that of the command.
        let at = self.clock.now();
        let mut chosen = self.select(selector)?;
        for (_, accepted) in &mut chosen {
            accepted.requested_at = Some(at);
        }
        self.tell_each(chosen, |accepted| {
            Event::Requested(Request {
                at,
                over: accepted.current_version.clone(),
                now: options.now,
                revoke_previous: options.revoke_previous,
                by: requester(),
            })
        })
        .await
    }

    async fn pause(
        &self,
        selector: &Selector,
        span: Option<Duration>,
        reason: Option<String>,
    ) -> Result<Vec<Accepted>, ControlError> {
        let chosen = self.select(selector)?;
        let until = span.map(|span| after(self.clock.now(), span));
        let pause = Pause {
            until,
            reason,
            by: requester(),
        };
        self.tell_each(chosen, |_| Event::Paused(pause.clone())).await
    }

    async fn rollback(&self, secret: &str, options: RollbackOptions) -> Result<Accepted, ControlError> {
        self.request_rollback(secret, options).await
    }

    async fn resume(&self, selector: &Selector) -> Result<Vec<Accepted>, ControlError> {
        let chosen = self.select(selector)?;
        let resumed = together::each(&chosen, |(key, _)| self.resume_one(key)).await;
        resumed.into_iter().collect::<Result<(), _>>()?;
        Ok(chosen.into_iter().map(|(_, accepted)| accepted).collect())
    }
}
