//! What status shows of an observation.

use crate::clock::Timestamp;
use crate::rotation::observation::{AWSCURRENT, AWSPREVIOUS, Observation, UserSight};
use crate::rotation::state::Record;
use crate::rotation::version::generation_of;

use super::resting::{overlap_end, scheduled};
use super::{Context, user};

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
        password_count: match &observation.user {
            UserSight::Seen(user) => Some(user::password_count(user)),
            UserSight::Unseen => None,
        },
        requested: record.standing_request(current, created).is_some(),
    }
}
