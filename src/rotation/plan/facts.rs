//! What status shows of an observation.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::rotation::observation::{AWSCURRENT, AWSPREVIOUS, Observation, UserSight};
use crate::rotation::state::Record;
use crate::rotation::version::generation_of;

use super::resting::{overlap_end, timing};
use super::{Context, user};

/// Dates and flags for status, as far as the observation tells.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The version under AWSCURRENT.
    pub current_version: Option<String>,
    /// When it was created.
    pub last_rotation_at: Option<Timestamp>,
    /// When the next rotation may begin, as far as its schedule and window tell.
    pub next_rotation_at: Option<Timestamp>,
    /// Since when, or from when on, it is due.
    pub due_since: Option<Timestamp>,
    /// How many windows closed without a start since the last rotation.
    pub missed_windows: u32,
    /// When the previous password is retired, if it still is to be.
    pub overlap_until: Option<Timestamp>,
    /// The user's id.
    pub user_id: Option<String>,
    /// How many passwords the user has.
    pub password_count: Option<u32>,
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
    let turn = document
        .and(created)
        .map(|created| timing(context.policy, &secret.arn, created).turn(context.now));
    let overlap_end = overlap_end(observation, current, record, context.policy);
    // Nothing is retired during a blackout.
    let retired_from = overlap_end.map(|end| match record.revoking() {
        true => end,
        false => context.policy.blackout.end(end.max(context.now)).unwrap_or(end),
    });
    Facts {
        current_version: Some(current.to_owned()),
        last_rotation_at: created.filter(|_| document.is_none_or(|document| document.password().is_some())),
        next_rotation_at: turn.map(|turn| turn.begins_at),
        due_since: turn.map(|turn| turn.due_at),
        missed_windows: record.missed_over(current).map_or(0, |missed| missed.count),
        overlap_until: retired_from.filter(|_| had_password),
        user_id: document.map(|document| document.user_arn().user_id().to_owned()),
        password_count: match &observation.user {
            UserSight::Seen(user) => Some(user::password_count(user)),
            UserSight::Unseen => None,
        },
        requested: record.standing_request(current, created).is_some(),
    }
}
