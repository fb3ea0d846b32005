//! When due rotations may begin, and how `window` and `blackout` move their dates.

use super::line;
use crate::clock::{Timestamp, after};
use crate::config::duration;
use crate::policy::Policy;
use crate::schedule;

/// `window`, `blackout`, `together` and `max_versions_per_day`, as far as they are set.
pub(super) fn explain_timing(text: &mut String, policy: &Policy) {
    if let Some(window) = policy.window {
        let [length, spread] = [window.length, window.spread].map(duration::format);
        let words = format!("each date opens one of {length}; every secret has its own place in the first {spread}");
        line(text, 2, "window", &words);
    }
    for (index, span) in policy.blackout.spans.iter().enumerate() {
        let what = if index == 0 { "blackout" } else { "" };
        let words = format!("{span}, by the clock of {}", policy.blackout.timezone);
        line(text, 2, what, &words);
    }
    if let Some(together) = &policy.together {
        let apart = duration::format(together.never_within);
        let words = format!(
            "no two of {:?} at a time, nor within {apart} of each other",
            together.name
        );
        line(text, 2, "kept apart", &words);
    }
    let most = policy.max_versions_per_day;
    line(text, 2, "versions", &format!("no new one beyond {most} within 24h"));
}

/// The first moment from a date on at which the blackout lets a rotation begin; `None` if not within its window.
pub(super) fn not_before(policy: &Policy, date: Timestamp) -> Option<Timestamp> {
    match policy.window {
        None => Some(policy.blackout.end(date).unwrap_or(date)),
        Some(window) => {
            let free = policy.blackout.leaves(date, after(date, window.length));
            free.first().map(|(from, _)| *from)
        }
    }
}

/// What the blackout does to a date, if anything.
pub(super) fn blackout_in_words(policy: &Policy, date: Timestamp) -> Option<String> {
    let zone = schedule::zone_of(&policy.schedule);
    match not_before(policy, date) {
        None => Some("none begins: the blackout covers the window".to_owned()),
        Some(from) if from > date => Some(format!(
            "held by the blackout until {}",
            super::date_in_words(from, zone)
        )),
        Some(_) => None,
    }
}
