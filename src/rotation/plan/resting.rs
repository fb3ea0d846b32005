//! No rotation is under way: is a retirement due, a rotation, or a check?

use std::collections::BTreeSet;

use crate::clock::{Timestamp, after};
use crate::policy::{FirstPassword, Overlap, Policy};
use crate::rotation::event::{Event, Request};
use crate::rotation::observation::{AWSCURRENT, AWSPREVIOUS, Credential, Observation, Proof, User, UserSight};
use crate::rotation::reason::{HaltReason, UnprovenReason, WaitReason};
use crate::rotation::state::Record;
use crate::rotation::status::Phase;
use crate::rotation::step::Step;
use crate::rotation::version::generation_of;
use crate::schedule::next_after;

use super::evidence;
use super::secret::Subject;
use super::{Action, Context, Decision, Deliberation, acknowledgeable, retiring, user, value};

/// A secret at rest, and the dates that count.
struct Resting<'a> {
    subject: &'a Subject<'a>,
    record: &'a Record,
    context: &'a Context<'a>,
    /// The request that the current version has not served.
    request: Option<&'a Request>,
    /// When the next rotation is due.
    due_at: Timestamp,
}

/// Decides about a secret without a rotation under way.
pub(super) fn decide(subject: &Subject<'_>, record: &Record, context: &Context<'_>) -> Deliberation<Decision> {
    let request = record.standing_request(subject.current, subject.created());
    let due_at = match (subject.document.password(), request) {
        (None, _) | (_, Some(_)) => context.now,
        (Some(_), None) => scheduled(context.policy, subject.created()),
    };
    let resting = Resting {
        subject,
        record,
        context,
        request,
        due_at,
    };
    if subject.document.password().is_none() {
        return resting.begin_first();
    }
    match resting.outstanding_previous()? {
        Some(previous) if resting.retirement_due() => retiring::decide(subject, record, context, previous),
        Some(_) => resting.rest_in_overlap(),
        None if resting.due() => resting.begin(),
        None => resting.rest(),
    }
}

/// When the next rotation after `created` is due.
fn scheduled(policy: &Policy, created: Option<Timestamp>) -> Timestamp {
    created.map_or(Timestamp::MIN_UTC, |created| next_after(&policy.schedule, created))
}

/// When the overlap after the last promotion ends; `None` if only the next rotation ends it.
fn overlap_end(observation: &Observation, current: &str, record: &Record, policy: &Policy) -> Option<Timestamp> {
    let promotion = record
        .promotion
        .as_ref()
        .filter(|promotion| promotion.version == current);
    // AWS keeps no date of a promotion. If ours is lost, the secret's last change is no earlier.
    let promoted_at = promotion
        .map(|promotion| promotion.at)
        .or(observation.secret.last_changed)?;
    if promotion.is_some_and(|promotion| promotion.revoke_previous) {
        return Some(promoted_at);
    }
    match policy.overlap {
        Overlap::For(span) => Some(after(promoted_at, span)),
        Overlap::UntilNextRotation => None,
    }
}

impl Resting<'_> {
    fn due(&self) -> bool {
        self.due_at <= self.context.now
    }

    /// The previous version whose password is still to be retired, or proved dead.
    fn outstanding_previous(&self) -> Deliberation<Option<&str>> {
        let Some(previous) = self.subject.previous else {
            return Ok(None);
        };
        if self
            .record
            .retired
            .as_ref()
            .is_some_and(|retired| retired.previous == previous)
        {
            return Ok(None);
        }
        let ours = self.subject.previous_is_ours();
        if !ours && !self.due() {
            return Ok(None);
        }
        let Ok(document) = value(self.subject.observation, previous)? else {
            return Ok(None);
        };
        let Some(password) = document.password() else {
            return Ok(None);
        };
        if self
            .subject
            .document
            .password()
            .is_some_and(|current| current.same_as(password))
        {
            return Ok(None);
        }
        if !ours && user::password_count(user::examine(self.subject, self.context)?) < 2 {
            return Ok(None);
        }
        Ok(Some(previous))
    }

    fn overlap_end(&self) -> Option<Timestamp> {
        overlap_end(
            self.subject.observation,
            self.subject.current,
            self.record,
            self.context.policy,
        )
    }

    fn retirement_due(&self) -> bool {
        self.record
            .retirement
            .as_ref()
            .is_some_and(|retirement| retirement.version == self.subject.current)
            || self.request.is_some_and(|request| request.revoke_previous)
            || self.overlap_end().map_or(self.due(), |end| end <= self.context.now)
    }

    fn rest_in_overlap(&self) -> Deliberation<Decision> {
        self.check()?;
        let end = self.overlap_end();
        let detail = self.due().then(|| match end {
            Some(end) => format!(
                "a rotation is due and waits for the overlap, until {}; --revoke-previous ends it",
                end.format("%FT%TZ")
            ),
            None => "a rotation is due and waits for the retirement".to_owned(),
        });
        let until = self.next_check().min(end.unwrap_or(self.due_at));
        Ok(Decision::Rest {
            until,
            phase: Phase::Overlap,
            detail,
        })
    }

    fn rest(&self) -> Deliberation<Decision> {
        self.check()?;
        Ok(Decision::Rest {
            until: self.next_check().min(self.due_at),
            phase: Phase::Idle,
            detail: None,
        })
    }

    /// When the current password is next checked by a login.
    fn next_check(&self) -> Timestamp {
        let never = Timestamp::MAX_UTC;
        let Some(check) = self
            .record
            .check
            .as_ref()
            .filter(|check| check.version == self.subject.current)
        else {
            return self.context.now;
        };
        let heartbeat = self
            .context
            .drift_check
            .map_or(never, |interval| after(check.at, interval));
        match check.proof {
            // What made it unprovable may pass at any time.
            Proof::Unproven(reason) if reason != UnprovenReason::ApiOnly => {
                heartbeat.min(after(check.at, self.context.policy.retry.max))
            }
            _ => heartbeat,
        }
    }

    /// Proves the current password, if that is due.
    fn check(&self) -> Deliberation<()> {
        if self.next_check() > self.context.now {
            return Ok(());
        }
        let user = user::examine(self.subject, self.context)?;
        user::await_active(user, Step::Observe)?;
        let (proof, nodes) = self.prove_current(user, Step::Observe)?;
        let version = self.subject.current.to_owned();
        Err(Decision::Note(Event::Checked { version, proof, nodes }))
    }

    /// What logins say of the current password; halts when it is refused anywhere.
    fn prove_current(&self, user: &User, step: Step) -> Deliberation<(Proof, usize)> {
        let count = user::password_count(user);
        if count == 0 {
            return Err(self.halt(
                HaltReason::UserPasswordless,
                format!("user {} takes no password", user.id),
            ));
        }
        if let Some(reason) = user::unprovable(self.subject.observation, user, self.context)? {
            return Ok((Proof::Unproven(reason), 0));
        }
        let current = Credential::Version(self.subject.current.to_owned());
        let mut credentials = vec![(current.clone(), BTreeSet::new())];
        let was_passwordless = self.was_passwordless()?;
        if was_passwordless {
            credentials.push((Credential::Random, BTreeSet::new()));
        }
        let round = evidence::round(
            self.subject.observation,
            self.subject.document.username(),
            credentials,
            step,
        )?;
        let tally = round.tally(&current);
        if !tally.refused.is_empty() {
            let detail = format!("refused by {}", evidence::list(&tally.refused));
            return Err(self.halt(HaltReason::CurrentPasswordRefused, detail));
        }
        round.all_reachable(&tally)?;
        if was_passwordless {
            let random = round.tally(&Credential::Random);
            if !random.accepted.is_empty() {
                return Err(round.wait(WaitReason::AcceptsAnyPassword, evidence::list(&random.accepted)));
            }
            round.all_reachable(&random)?;
        }
        Ok((round.proof(), tally.accepted.len()))
    }

    /// Whether the user took no password before this one, and that this one works was never proved
    /// against it.
    fn was_passwordless(&self) -> Deliberation<bool> {
        let proved =
            self.record.check.as_ref().is_some_and(|check| {
                check.version == self.subject.current && !matches!(check.proof, Proof::Unproven(_))
            });
        match self
            .subject
            .previous
            .filter(|_| !proved && self.subject.previous_is_ours())
        {
            Some(previous) => Ok(value(self.subject.observation, previous)?
                .as_ref()
                .is_ok_and(|document| document.password().is_none())),
            None => Ok(false),
        }
    }

    fn halt(&self, reason: HaltReason, detail: String) -> Decision {
        Decision::Halt {
            reason,
            detail,
            subject: self.subject.current.to_owned(),
        }
    }

    /// A rotation is due, and the user has a password already.
    fn begin(&self) -> Deliberation<Decision> {
        self.may_begin()?;
        let user = user::examine(self.subject, self.context)?;
        user::await_active(user, Step::Observe)?;
        let count = user::password_count(user);
        if count > 1 {
            let detail = format!(
                "user {} has {count} passwords, and AWSPREVIOUS holds none of the others",
                user.id
            );
            return Err(self.halt(HaltReason::UnknownPassword, detail));
        }
        if let (Proof::Unproven(UnprovenReason::NodeUnavailable), 0) = self.prove_current(user, Step::Observe)? {
            return Err(Decision::Wait {
                reason: WaitReason::NodeUnavailable,
                detail: "none of the user's nodes is available".to_owned(),
                step: Step::Observe,
            });
        }
        self.create()
    }

    /// The secret has no password yet. Its first rotation waits for no date.
    fn begin_first(&self) -> Deliberation<Decision> {
        self.may_begin()?;
        let user = user::examine(self.subject, self.context)?;
        user::await_active(user, Step::Observe)?;
        let count = user::password_count(user);
        // A first password that was given up is still on the user: it cannot be taken off alone.
        let leftover = count == 1 && self.subject.spent_generations() > 0;
        let inactive = !user.on && (count == 0 || leftover);
        if !inactive && self.context.policy.first_password == FirstPassword::InactiveOnly {
            let state = if user.on { "on" } else { "off" };
            let detail = format!("user {} is {state} and has {count} passwords", user.id);
            return Err(self.halt(HaltReason::FirstPasswordLiveUser, detail));
        }
        user::unprovable(self.subject.observation, user, self.context)?;
        self.create()
    }

    /// What must hold before any rotation begins: attempts left, the fence, room.
    fn may_begin(&self) -> Deliberation<()> {
        self.attempts_left()?;
        if let Some(until) = self.fenced_until().filter(|until| *until > self.context.now) {
            let detail = format!("due, and waits for the fence, until {}", until.format("%FT%TZ"));
            return Err(Decision::Rest {
                until,
                phase: Phase::Due,
                detail: Some(detail),
            });
        }
        if let Some(hold) = self.context.hold {
            let until = after(self.context.now, self.context.policy.retry.initial);
            return Err(Decision::Rest {
                until,
                phase: Phase::Due,
                detail: Some(hold.to_owned()),
            });
        }
        Ok(())
    }

    /// Until when a write of ours that is still on its way could undo this rotation.
    fn fenced_until(&self) -> Option<Timestamp> {
        if self
            .request
            .is_some_and(|request| request.now || !self.context.shared_store)
        {
            return None;
        }
        let last_write = match self.record.settled_at {
            Some(settled_at) => settled_at,
            // The store is new or was lost: what was written just before is not known.
            None if self.subject.touched() => self.record.first_seen,
            None => return None,
        };
        Some(after(last_write, self.context.policy.fence))
    }

    fn attempts_left(&self) -> Deliberation<()> {
        let spent = self.subject.spent_generations();
        let subject = |spent: u32| format!("{}/{spent}", self.subject.current);
        let allowed_from = match &self.record.acknowledged {
            Some((HaltReason::AttemptsExhausted, about)) => (0..=spent).find(|n| subject(*n) == *about).unwrap_or(0),
            _ => 0,
        };
        if spent < allowed_from + self.context.policy.max_attempts {
            return Ok(());
        }
        let detail = format!("{spent} pending passwords were given up");
        acknowledgeable(self.record, HaltReason::AttemptsExhausted, detail, subject(spent))
    }

    fn create(&self) -> Deliberation<Decision> {
        let Some((generation, version)) = self.subject.next_version() else {
            return Err(self.halt(HaltReason::AttemptsExhausted, "no version id is left".to_owned()));
        };
        let parent = self.subject.current.to_owned();
        Ok(Decision::Act(Action::CreateSecret {
            version,
            parent,
            generation,
        }))
    }
}

/// Dates and flags for status, as far as the observation tells.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Facts {
    /// The version under AWSCURRENT.
    pub current_version: Option<String>,
    /// When it was created.
    pub last_rotation_at: Option<Timestamp>,
    /// When the next rotation is due.
    pub next_rotation_at: Option<Timestamp>,
    /// When the previous password is retired, if it still is to be.
    pub overlap_until: Option<Timestamp>,
    /// The user's id.
    pub user_id: Option<String>,
    /// Whether the user has more than one password.
    pub previous_password_valid: Option<bool>,
    /// Whether a requested rotation has not happened yet.
    pub requested: bool,
}

/// What status shows of an observation.
pub fn facts(observation: &Observation, record: &Record, context: &Context<'_>) -> Facts {
    let secret = &observation.secret;
    let Some(current) = secret.holder(AWSCURRENT) else {
        return Facts {
            requested: record.request.is_some(),
            ..Facts::default()
        };
    };
    let created = secret.versions.get(current).and_then(|version| version.created);
    let document = observation.values.get(current).and_then(|value| value.as_ref().ok());
    let previous = secret.holder(AWSPREVIOUS).filter(|previous| {
        generation_of(&secret.arn, previous, current).is_some()
            && record
                .retired
                .as_ref()
                .is_none_or(|retired| retired.previous != *previous)
    });
    let had_password = previous.is_some_and(|previous| {
        let value = observation.values.get(previous).and_then(|value| value.as_ref().ok());
        value.is_none_or(|document| document.password().is_some())
    });
    Facts {
        current_version: Some(current.to_owned()),
        last_rotation_at: created.filter(|_| document.is_none_or(|document| document.password().is_some())),
        next_rotation_at: document
            .and(created)
            .map(|created| scheduled(context.policy, Some(created))),
        overlap_until: had_password
            .then(|| overlap_end(observation, current, record, context.policy))
            .flatten(),
        user_id: document.map(|document| document.user_arn().user_id().to_owned()),
        previous_password_valid: match &observation.user {
            UserSight::Seen(user) => Some(user::password_count(user) > 1),
            UserSight::Unseen => None,
        },
        requested: record.standing_request(current, created).is_some(),
    }
}
