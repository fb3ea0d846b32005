//! When a due rotation may begin: `window`, `blackout`, `together`, `never_within` and `max_versions_per_day`.

use std::time::Duration;

use chrono::TimeDelta;

use super::settings::{Settings, Sources};
use super::{read, read_optional, values, when};
use crate::clock::{Timestamp, after};
use crate::config::duration;
use crate::config::source::{Findings, KeyPath};
use crate::policy::{Blackout, BlackoutSpan, Overlap, Schedule, Together, Window};
use crate::schedule;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Secrets Manager keeps about a hundred versions of a secret, and none that is younger than a day is removed.
const MOST_VERSIONS: i64 = 90;

const DEFAULT_VERSIONS: usize = 4;

/// For how many openings of a schedule room is looked for, within a year.
const MOST_OPENINGS: usize = 1_000;

/// Any year has all days of the week and both changes of the clocks. Not the running one: a configuration that is
/// sound today must not be refused tomorrow.
const SOME_YEAR: i64 = 1_767_225_600;

/// The checked values of those keys.
pub(super) struct Timing {
    /// How long a window stays open.
    length: Option<Duration>,
    pub(super) blackout: Blackout,
    pub(super) together: Option<Together>,
    pub(super) max_versions_per_day: usize,
}

impl Timing {
    /// The window of a policy with this overlap and fence.
    pub(super) fn window(&self, overlap: Overlap, fence: Duration) -> Option<Window> {
        self.length.map(|length| Window::new(length, reserve(overlap, fence)))
    }
}

/// How long before the close of a window the last start must be. With `until-next-rotation` a retirement comes
/// first, and the rotation after the fence that follows it.
fn reserve(overlap: Overlap, fence: Duration) -> Duration {
    match overlap {
        Overlap::UntilNextRotation => fence.saturating_add(fence / 2),
        Overlap::For(_) => Duration::ZERO,
    }
}

pub(super) fn check(from: &Sources<'_>, findings: &mut Findings) -> Timing {
    Timing {
        length: read_optional(
            from.text("window", |raw| &raw.window),
            values::at_least(SECOND),
            findings,
        ),
        blackout: blackout(from, findings),
        together: together(from, findings),
        max_versions_per_day: read(
            from.given(&["max_versions_per_day"], |raw| raw.max_versions_per_day),
            DEFAULT_VERSIONS,
            values::within(1, MOST_VERSIONS),
            findings,
        ),
    }
}

fn blackout(from: &Sources<'_>, findings: &mut Findings) -> Blackout {
    let given = from.given(&["blackout"], |raw| raw.blackout.clone());
    let (texts, path) = given.unwrap_or_else(|| (Vec::new(), KeyPath::of(&["blackout"])));
    let texts = texts.into_iter().enumerate();
    let spans = texts.filter_map(|(index, text)| {
        read_optional(
            Some((text, path.item(index))),
            |text| BlackoutSpan::parse(&text),
            findings,
        )
    });
    Blackout {
        timezone: when::zone(from),
        spans: spans.collect(),
    }
}

fn together(from: &Sources<'_>, findings: &mut Findings) -> Option<Together> {
    let given = from.text("never_within", |raw| &raw.never_within);
    let spot = given.as_ref().map(|(_, path)| path.clone());
    let never_within = read(given, 10 * MINUTE, values::at_least(SECOND), findings);
    let name = read_optional(from.text("together", |raw| &raw.together), values::not_empty, findings);
    let unnamed = name.is_none() && !findings.has_error(&from.path("together", |raw| raw.together.is_some()));
    // A default is there for those policies that name one.
    let default = KeyPath::of(&["defaults", "never_within"]);
    if let Some(spot) = spot.filter(|spot| unnamed && *spot != default) {
        findings.error(
            &spot,
            "impossible combination: `never_within` without `together`, the name of the secrets that it keeps apart",
        );
    }
    name.map(|name| Together { name, never_within })
}

/// What is impossible, or surely not meant, beside this schedule.
pub(super) fn check_beside(schedule: &Schedule, settings: &Settings, from: &Sources<'_>, findings: &mut Findings) {
    let timing = &settings.timing;
    if let Some(length) = timing.length {
        check_window(schedule, length, settings, from, findings);
    }
    let spot = from.path("blackout", |raw| raw.blackout.is_some());
    if !has_room(schedule, timing) {
        findings.error(
            &spot,
            "impossible combination: the blackout leaves no room to begin in any window of a year; shorten it, or \
             choose another schedule",
        );
    }
    let interval = schedule::interval(schedule);
    let a_day = u32::try_from(timing.max_versions_per_day).unwrap_or(u32::MAX);
    if interval.saturating_mul(a_day) < DAY {
        let message = format!(
            "due every {}, and only {a_day} new versions a day may be put: raise it, or lengthen the schedule",
            duration::format(interval)
        );
        findings.warn(
            &from.path("max_versions_per_day", |raw| raw.max_versions_per_day.is_some()),
            message,
        );
    }
}

fn check_window(
    schedule: &Schedule,
    length: Duration,
    settings: &Settings,
    from: &Sources<'_>,
    findings: &mut Findings,
) {
    let spot = from.path("window", |raw| raw.window.is_some());
    let interval = schedule::interval(schedule);
    let reserve = reserve(settings.overlap, settings.fence);
    if length >= interval {
        let message = format!(
            "impossible combination: a window must close before the next one opens, {} after it; shorten it or lengthen \
             the schedule",
            duration::format(interval)
        );
        findings.error(&spot, message);
    } else if length <= reserve {
        let message = format!(
            "impossible combination: with overlap = \"until-next-rotation\" the previous password is retired first, \
             and the rotation begins after the fence: the window must be longer than {}",
            duration::format(reserve)
        );
        findings.error(&spot, message);
    }
}

/// Whether blackouts leave room to begin.
fn has_room(schedule: &Schedule, timing: &Timing) -> bool {
    let Blackout { timezone, spans } = &timing.blackout;
    // Those with a date end.
    let weekly = spans.iter().filter(|span| matches!(span, BlackoutSpan::Weekly { .. }));
    let blackout = Blackout {
        timezone: *timezone,
        spans: weekly.cloned().collect(),
    };
    let begin = Timestamp::from_timestamp(SOME_YEAR, 0).unwrap_or_default();
    let year = begin.checked_add_signed(TimeDelta::days(366)).unwrap_or(begin);
    if blackout.spans.is_empty() {
        return true;
    }
    match (schedule, timing.length) {
        (Schedule::Cron(_), Some(length)) => {
            let until = year.max(after(begin, schedule::interval(schedule)));
            let mut openings = schedule::openings_between(schedule, begin, until).take(MOST_OPENINGS);
            openings.any(|opening| !blackout.leaves(opening, after(opening, length)).is_empty())
        }
        // What is due waits for the end, if there is one, and so does a window that counts from the last rotation.
        _ => blackout.end(begin).is_none_or(|end| end <= year - TimeDelta::days(1)),
    }
}
