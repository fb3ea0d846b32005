//! DescribeEvents.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::clusters::timestamp;
use super::errors::{invalid_combination, invalid_value};
use super::events::{Happened, KEPT};
use super::lenient;
use super::paging::Bounds;
use crate::core::operation::Env;
use crate::error::ApiError;

/// What an event can be about (botocore model, `SourceType`).
const SOURCE_TYPES: [&str; 9] = [
    "cache-cluster",
    "cache-parameter-group",
    "cache-security-group",
    "cache-subnet-group",
    "replication-group",
    "serverless-cache",
    "serverless-cache-snapshot",
    "user",
    "user-group",
];

/// How far back events are shown unless told (botocore model): an hour.
const WINDOW_MINUTES: i64 = 60;

/// Shows events, the newest first.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DescribeEvents {
    /// Only of this thing.
    pub source_identifier: Option<String>,
    /// Only of things of this kind.
    pub source_type: Option<String>,
    /// Not before this, in ISO 8601.
    pub start_time: Option<String>,
    /// Not after this.
    pub end_time: Option<String>,
    /// So many minutes back. Left out of account with a start or an end.
    #[serde(deserialize_with = "lenient::number")]
    pub duration: Option<i64>,
    /// Where the last page ended.
    pub marker: Option<String>,
    /// How many on a page.
    #[serde(deserialize_with = "lenient::number")]
    pub max_records: Option<i64>,
}

/// One page of events.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeEventsOutput {
    /// The events.
    pub events: Vec<EventOutput>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EventOutput {
    /// What it is about.
    pub source_identifier: String,
    /// Of which kind that is.
    pub source_type: String,
    /// What happened.
    pub message: String,
    /// When.
    #[serde(serialize_with = "timestamp")]
    pub date: DateTime<Utc>,
}

super::elasticache!(DescribeEvents => DescribeEventsOutput, "DescribeEvents", mutates: false,
    |d| d.source_identifier.as_deref(), describe);

fn describe(env: &mut Env<'_>, input: DescribeEvents) -> Result<DescribeEventsOutput, ApiError> {
    let bounds = Bounds::documented(input.max_records);
    let size = bounds.size()?;
    if let Some(kind) = &input.source_type
        && !SOURCE_TYPES.contains(&kind.as_str())
    {
        return Err(invalid_value(format!(
            "SourceType must be one of {}.",
            SOURCE_TYPES.join(", ")
        )));
    }
    let (from, to) = span(env.now, &input)?;
    let before = before(input.marker.as_deref(), &bounds)?;
    let passes = |event: &&Happened| {
        before.is_none_or(|seq| event.seq < seq)
            && (from..=to).contains(&event.date)
            && input
                .source_type
                .as_ref()
                .is_none_or(|kind| kind == event.source.name())
            && input
                .source_identifier
                .as_ref()
                .is_none_or(|id| id.eq_ignore_ascii_case(&event.id))
    };
    let mut found = env.account.cache.events.newest_first().filter(passes);
    let page: Vec<&Happened> = found.by_ref().take(size).collect();
    let last = page.last().map(|event| event.seq).filter(|_| found.next().is_some());
    Ok(DescribeEventsOutput {
        events: page.into_iter().map(EventOutput::of).collect(),
        marker: last.map(|seq| format!("event-{seq}")),
    })
}

impl EventOutput {
    fn of(event: &Happened) -> Self {
        Self {
            source_identifier: event.id.clone(),
            source_type: event.source.name().to_owned(),
            message: event.message.clone(),
            date: event.date,
        }
    }
}

/// The moments between which events are shown. The older command line's manual: a duration counts only without a
/// start and an end; an end without a start means the hour before it.
fn span(now: DateTime<Utc>, input: &DescribeEvents) -> Result<(DateTime<Utc>, DateTime<Utc>), ApiError> {
    let time = |name: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => DateTime::parse_from_rfc3339(text)
            .map(|time| Some(time.with_timezone(&Utc)))
            .map_err(|_| invalid_value(format!("{name} must be a time in ISO 8601."))),
    };
    let (start, end) = (time("StartTime", &input.start_time)?, time("EndTime", &input.end_time)?);
    let minutes = match input.duration {
        Some(minutes) if minutes < 1 || minutes > KEPT.num_minutes() => {
            return Err(invalid_value(format!(
                "Duration must be between 1 and {} minutes.",
                KEPT.num_minutes()
            )));
        }
        Some(minutes) if start.is_none() && end.is_none() => minutes,
        _ => WINDOW_MINUTES,
    };
    let to = end.unwrap_or(now);
    let back = to.checked_sub_signed(TimeDelta::minutes(minutes));
    let from = start.or(back).unwrap_or(DateTime::<Utc>::MIN_UTC);
    if from > to {
        return Err(invalid_combination("StartTime must not be after EndTime."));
    }
    Ok((from.max(now.checked_sub_signed(KEPT).unwrap_or(from)), to))
}

/// The event at which the last page ended. Pages go back in time, so that new events shift nothing.
fn before(marker: Option<&str>, bounds: &Bounds) -> Result<Option<u64>, ApiError> {
    match marker {
        None | Some("") => Ok(None),
        Some(text) => {
            let seq = text.strip_prefix("event-").and_then(|n| n.parse().ok());
            seq.map(Some).ok_or_else(|| bounds.bad_marker())
        }
    }
}
