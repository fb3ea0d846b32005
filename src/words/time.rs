//! Times and spans.

use std::time::Duration;

use crate::clock::{Timestamp, between};

/// A time; seconds matter to nobody who reads a table.
pub fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.format("%Y-%m-%d %H:%MZ").to_string())
}

/// A time to the second.
pub fn moment(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A time, and how far away it is.
pub fn time_and_distance(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", moment(at), distance(at, now))
}

/// How far away a time is, roughly.
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    match at <= now {
        true => format!("{} ago", span(between(at, now))),
        false => format!("in {}", span(between(now, at))),
    }
}

/// A span, roughly.
pub fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A span, to the tenth of a second where that tells something.
pub fn exact_span(seconds: f64) -> String {
    match seconds {
        short if short < 120.0 => format!("{short:.1} s"),
        long => span(Duration::from_secs_f64(long)),
    }
}
