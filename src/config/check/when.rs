//! `schedule` and `timezone`.

use std::time::Duration;

use chrono_tz::Tz;

use super::settings::{Settings, Sources};
use super::{missing, read_optional, timing};
use crate::config::raw::RawPolicy;
use crate::config::source::{Findings, KeyPath};
use crate::config::{duration, wording};
use crate::policy::{Overlap, Schedule};
use crate::schedule::{self, zone};

/// Twice the length of any zone's name.
const LONG: usize = 64;

/// Checks both in `[defaults]`, so that a mistake shows even where every policy overrides it.
pub(super) fn check_defaults(from: &Sources<'_>, findings: &mut Findings) {
    let zone = timezone(from, findings);
    let given = from.given(&["schedule"], |raw: &RawPolicy| raw.schedule.clone());
    read_optional(given, |text| schedule::parse(&text, zone), findings);
}

/// A policy's schedule; `None` only beside a reported problem.
pub(super) fn check(
    from: &Sources<'_>,
    path: &KeyPath,
    settings: &Settings,
    findings: &mut Findings,
) -> Option<Schedule> {
    let zone = timezone(from, findings);
    let Some((text, spot)) = from.given(&["schedule"], |raw| raw.schedule.clone()) else {
        missing(
            path,
            "schedule",
            "when its secrets are due, like \"30d\", \"rate(30 days)\" or \"cron(0 8 1 * ? *)\"",
            findings,
        );
        return None;
    };
    let schedule = read_optional(
        Some((text, spot.clone())),
        |text| schedule::parse(&text, zone),
        findings,
    )?;
    check_zone_is_used(from, path, &schedule, settings, findings);
    let (overlap_spot, fence_spot) = (
        from.path("overlap", |raw| raw.overlap.is_some()),
        from.path("fence", |raw| raw.fence.is_some()),
    );
    // A default that stands in for a mistake proves nothing about what was meant.
    if !findings.has_error(&overlap_spot) && !findings.has_error(&fence_spot) {
        check_interval(&schedule, settings, path, &spot, findings);
        timing::check_beside(&schedule, settings, from, findings);
    }
    Some(schedule)
}

/// The zone by whose clocks a policy goes. A name that is wrong is reported by the others.
pub(super) fn zone(from: &Sources<'_>) -> Tz {
    let given = from.given(&["timezone"], |raw| raw.timezone.clone());
    given.and_then(|(name, _)| zone::named(&name)).unwrap_or(Tz::UTC)
}

fn timezone(from: &Sources<'_>, findings: &mut Findings) -> Tz {
    let given = from.given(&["timezone"], |raw| raw.timezone.clone());
    read_optional(given, |name| named(&name), findings).unwrap_or(Tz::UTC)
}

fn named(name: &str) -> Result<Tz, String> {
    zone::named(name).ok_or_else(|| {
        // A long text is no misspelt name, and comparing it with hundreds takes long.
        let nearest = || wording::nearest(name, zone::names());
        let meant = zone::meant(name).or_else(|| (name.len() < LONG).then(nearest).flatten());
        match meant {
            Some(meant) => format!("no time zone is named `{name}`; did you mean `{meant}`?"),
            None => format!(
                "no time zone is named `{name}`: write a name of the IANA database, like \"Europe/Berlin\" or \"UTC\""
            ),
        }
    })
}

/// A default is for those policies that it fits. One that a policy gives itself is meant for its schedule.
fn check_zone_is_used(
    from: &Sources<'_>,
    path: &KeyPath,
    schedule: &Schedule,
    settings: &Settings,
    findings: &mut Findings,
) {
    let own = path.join("timezone");
    let spot = from.path("timezone", |raw| raw.timezone.is_some());
    let given = from.given(&["timezone"], |raw| raw.timezone.clone()).is_some();
    let used = schedule::zone_of(schedule).is_some() || !settings.timing.blackout.spans.is_empty();
    if given && spot == own && !used {
        let message = format!(
            "only cron expressions and blackouts have a `timezone`, and {} counts from the last rotation, rates in UTC: remove it, or \
             write the schedule as cron(...)",
            schedule::describe(schedule)
        );
        findings.error(&own, message);
    }
}

/// A rotation waits for the last one's overlap and fence. A shorter interval is never kept, so its
/// author believes in something that does not happen.
fn check_interval(schedule: &Schedule, settings: &Settings, policy: &KeyPath, spot: &KeyPath, findings: &mut Findings) {
    let overlap = match settings.overlap {
        Overlap::For(duration) => duration,
        // Being due is what ends it.
        Overlap::UntilNextRotation => Duration::ZERO,
    };
    let interval = schedule::interval(schedule);
    let least = overlap.saturating_add(settings.fence);
    if interval < least {
        let interval = duration::format(interval);
        let due = match schedule {
            Schedule::Cron(_) => format!("due as soon as {interval} after the date before it"),
            _ => format!("due {interval} after the last rotation"),
        };
        let message = format!(
            "impossible combination in `{policy}`: {due}, which must first wait out the overlap ({}) and the fence \
             ({}); lengthen the schedule to {} or shorten the overlap",
            duration::format(overlap),
            duration::format(settings.fence),
            duration::format(least),
        );
        findings.error(spot, message);
    }
}
