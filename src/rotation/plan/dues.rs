//! Where a secret stands among the others of its policy: since when it is due, and whether what it
//! shows is proof for them.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::policy::{Policy, Verify};
use crate::rotation::observation::{AWSCURRENT, AWSPREVIOUS, Observation, Proof};
use crate::rotation::reason::UnprovenReason;
use crate::rotation::state::Record;
use crate::rotation::version::{Children, generation_of};
use crate::schedule::window::Turn;

use super::resting::timing;

/// What an observation tells of a secret's turn.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Dues {
    /// Since when, or from when on, it is due; unknown while its version has no date.
    pub due_at: Option<Timestamp>,
    /// From when on it may begin: later than that if it missed its window.
    pub begins_at: Option<Timestamp>,
    /// When the window opened, or opens, that it may begin in: the others of its policy that are due begin in the same.
    pub opening: Option<Timestamp>,
    /// When the version under AWSCURRENT was made.
    pub created: Option<Timestamp>,
    /// Whether it has no password yet.
    pub first_password: bool,
    /// Whether a rotation away from the current version was tried: it is under way or was given up.
    pub tried: bool,
    /// The current version and its date, if rekeyd made it from the previous one.
    pub made: Option<(String, Timestamp)>,
}

/// Where a secret stands; nothing before its current document was read.
pub fn dues(observation: &Observation, record: &Record, policy: &Policy, now: Timestamp) -> Option<Dues> {
    let secret = &observation.secret;
    let current = secret.holder(AWSCURRENT)?;
    let created = secret.versions.get(current).and_then(|version| version.created);
    let document = observation.values.get(current)?.as_ref().ok()?;
    let first_password = document.password().is_none();
    let turn = created.map(|created| match first_password {
        true => Turn {
            due_at: created,
            opening: created,
            begins_at: created,
            closes_at: None,
        },
        false => timing(policy, &secret.arn, created).turn(now),
    });
    let requested = record.standing_request(current, created).map(|request| request.at);
    let previous = secret.holder(AWSPREVIOUS);
    // One that was current before was no try that failed: a person rolled back.
    let others = secret.versions.keys().map(String::as_str);
    let others = others.filter(|id| *id != current && Some(*id) != previous);
    let ours = previous.is_some_and(|previous| generation_of(&secret.arn, previous, current).is_some());
    Some(Dues {
        due_at: turn.map(|turn| turn.due_at).into_iter().chain(requested).min(),
        begins_at: turn.map(|turn| turn.begins_at).into_iter().chain(requested).min(),
        opening: turn.map(|turn| turn.opening).into_iter().chain(requested).min(),
        created,
        first_password,
        tried: !Children::of(&secret.arn, current).among(others).is_empty(),
        made: created.filter(|_| ours).map(|created| (current.to_owned(), created)),
    })
}

/// When the password under AWSCURRENT was promoted, if by rekeyd and with proof as good as the
/// policy can give. `true` if that proof holds for first passwords only: the user was off, or has
/// no nodes, so that nothing was learnt about those of others.
///
/// AWS keeps no date of a promotion. If the record's is lost, the version's own is no later.
pub fn proof_of_wave(
    record: &Record,
    made: Option<&(String, Timestamp)>,
    policy: &Policy,
) -> Option<(Timestamp, bool)> {
    let check = record.check.as_ref()?;
    let first_only = match check.proof {
        Proof::Proven | Proof::EndpointProven => false,
        Proof::Unproven(_) if policy.verify == Verify::ApiOnly => false,
        Proof::Unproven(UnprovenReason::UserOff | UnprovenReason::NoEndpoints) => true,
        Proof::Unproven(UnprovenReason::NodeUnavailable | UnprovenReason::ApiOnly) => return None,
    };
    let promotion = record
        .promotion
        .as_ref()
        .map(|promotion| (&promotion.version, promotion.at));
    let made = made.map(|(version, at)| (version, *at));
    let mut known = promotion.into_iter().chain(made);
    known
        .find(|(version, _)| **version == check.version)
        .map(|(_, at)| (at, first_only))
}
