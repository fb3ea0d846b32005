//! Windows that closed without a start although a rotation was due.
//!
//! They follow from the schedule, the dates of versions and the last one that was counted, so that a restart neither
//! counts one again nor forgets one. A store that was lost counts from when it first heard of the secret.

use crate::clock::Timestamp;
use crate::rotation::event::Event;
use crate::rotation::state::Record;

use super::resting::timing;
use super::secret::Subject;
use super::{Context, Decision, Deliberation};

/// How many are noted at once: a short schedule and a long absence give many.
const AT_ONCE: usize = 10_000;

/// Notes those that nobody has counted yet.
pub(super) fn note(subject: &Subject<'_>, record: &Record, context: &Context<'_>) -> Deliberation<()> {
    let Some(created) = subject.created().filter(|_| subject.document.password().is_some()) else {
        return Ok(());
    };
    // What has begun belongs to the window that it began in.
    if context.policy.window.is_none()
        || record.rotation.is_some()
        || subject.pending.is_some_and(|pending| pending != subject.current)
    {
        return Ok(());
    }
    let counted = record.missed_over(subject.current).map(|missed| missed.opening);
    let begun = subject.begun_at();
    let timing = timing(context.policy, subject.arn, created);
    let windows = timing.closed(record.first_seen, counted, context.now);
    let missed = |(opening, close): &(Timestamp, Timestamp)| !begun.iter().any(|at| opening <= at && at < close);
    let missed: Vec<(Timestamp, Timestamp)> = windows.take(AT_ONCE).filter(missed).collect();
    let Some((opening, closed_at)) = missed.last().copied() else {
        return Ok(());
    };
    let why = match context.waited_for {
        "" => "rekeyd did not look at the secret while it was open",
        why => why,
    };
    Err(Decision::Note(Event::MissedWindow {
        version: subject.current.to_owned(),
        opening,
        closed_at,
        windows: u32::try_from(missed.len()).unwrap_or(u32::MAX),
        why: why.to_owned(),
    }))
}
