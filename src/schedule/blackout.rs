//! Blackouts: times at which nothing begins, by the calendar and clocks of the policy's time zone.
//!
//! Where clocks are set forward, what begins or ends within the hour that there is not does so when the clocks jump.
//! Where they are set back, an hour that comes twice is covered both times.

use std::fmt;

use chrono::{Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Weekday};
use chrono_tz::Tz;

use crate::clock::Timestamp;
use crate::policy::{Blackout, BlackoutSpan as Span};

/// How many times in a row are joined, when one ends where another begins: more than a year of days.
const MOST_IN_A_ROW: usize = 400;

/// By how much clocks are ever set forward at once. One Pacific island left out a day.
const LONGEST_GAP_MINUTES: i64 = 25 * 60;

const MINUTES_OF_A_DAY: u32 = 24 * 60;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Why a text is no blackout.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BlackoutError {
    /// Of no known form.
    #[error(
        "`{0}` is no blackout: write days (\"2026-12-24/2027-01-02\"), times (\"2026-12-24T18:00/2027-01-02T06:00\") \
         or what comes every week (\"Sat-Sun\", \"Fri 16:00-24:00\", \"22:00-06:00\")"
    )]
    Unknown(String),
    /// Ends before it begins.
    #[error("`{0}` ends before it begins")]
    Backwards(String),
    /// From one minute until the same.
    #[error("`{0}` is no time at all: for whole days leave the times out")]
    Empty(String),
}

impl Span {
    /// Reads an entry.
    ///
    /// # Errors
    /// A [`BlackoutError`] that says what to write instead.
    pub fn parse(text: &str) -> Result<Self, BlackoutError> {
        let text = text.trim();
        let unknown = || BlackoutError::Unknown(text.to_owned());
        match text.split_once('/') {
            Some((from, until)) => {
                let (from, _) = moment(from).ok_or_else(unknown)?;
                let (until, whole_day) = moment(until).ok_or_else(unknown)?;
                let until = if whole_day {
                    until.checked_add_days(Days::new(1))
                } else {
                    Some(until)
                };
                let until = until.ok_or_else(unknown)?;
                match from < until {
                    true => Ok(Self::Once(from, until)),
                    false => Err(BlackoutError::Backwards(text.to_owned())),
                }
            }
            None => weekly(text),
        }
    }

    /// When it lasts: those occurrences that may touch the time from `from` to `until`.
    fn occurrences(&self, timezone: Tz, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let local = |begin: NaiveDateTime, end: NaiveDateTime| {
            Some((earliest(timezone, begin)?, latest(timezone, end)?)).filter(|(begin, end)| begin < end)
        };
        match self {
            Self::Once(begin, end) => local(*begin, *end).into_iter().collect(),
            Self::Weekly {
                days,
                from: begin,
                until: end,
            } => {
                let of = |at: Timestamp| at.with_timezone(&timezone).date_naive();
                // One may have begun the day before.
                let first = of(from).checked_sub_days(Days::new(2)).unwrap_or(NaiveDate::MIN);
                let dates = first.iter_days().take_while(|date| *date <= of(until));
                let dates = dates.filter(|date| days[day_number(chrono::Datelike::weekday(date))]);
                dates
                    .filter_map(|date| local(at_minute(date, *begin)?, at_minute(date, *end)?))
                    .collect()
            }
        }
    }
}

/// As it is written in a configuration.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once(from, until) => write!(
                f,
                "{}/{}",
                from.format("%Y-%m-%dT%H:%M"),
                until.format("%Y-%m-%dT%H:%M")
            ),
            Self::Weekly { days, from, until } => {
                let days = days_in_words(days);
                if (*from, *until) == (0, MINUTES_OF_A_DAY) {
                    return f.write_str(days.as_deref().unwrap_or("Mon-Sun"));
                }
                if let Some(days) = days {
                    write!(f, "{days} ")?;
                }
                let until = match *until {
                    MINUTES_OF_A_DAY => MINUTES_OF_A_DAY,
                    until => until % MINUTES_OF_A_DAY,
                };
                write!(f, "{}-{}", clock_time(*from), clock_time(until))
            }
        }
    }
}

impl Blackout {
    /// Until when a blackout lasts that `at` lies in: until nothing that overlaps or follows at once does either.
    pub fn end(&self, at: Timestamp) -> Option<Timestamp> {
        let mut end = at;
        for _ in 0..MOST_IN_A_ROW {
            let spans = self
                .spans
                .iter()
                .flat_map(|span| span.occurrences(self.timezone, end, end));
            let covering = spans.filter(|(from, until)| *from <= end && end < *until);
            match covering.map(|(_, until)| until).max() {
                Some(until) => end = until,
                None => break,
            }
        }
        (end > at).then_some(end)
    }

    /// What it leaves of the time from `from` until `until`, in order.
    pub fn leaves(&self, from: Timestamp, until: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let spans = self.spans.iter();
        let mut taken: Vec<_> = spans
            .flat_map(|span| span.occurrences(self.timezone, from, until))
            .collect();
        taken.sort_unstable();
        let mut free = Vec::new();
        let mut begin = from;
        for (taken_from, taken_until) in taken {
            if taken_from.min(until) > begin {
                free.push((begin, taken_from.min(until)));
            }
            begin = begin.max(taken_until);
        }
        if begin < until {
            free.push((begin, until));
        }
        free
    }
}

/// The first moment at which clocks show this time, or a later one if they leave it out.
fn earliest(timezone: Tz, local: NaiveDateTime) -> Option<Timestamp> {
    on_clocks(timezone, local, |first, _| first)
}

/// The last moment at which clocks show this time, or the next later one if they leave it out.
fn latest(timezone: Tz, local: NaiveDateTime) -> Option<Timestamp> {
    on_clocks(timezone, local, |_, second| second)
}

fn on_clocks(
    timezone: Tz,
    local: NaiveDateTime,
    choose: fn(chrono::DateTime<Tz>, chrono::DateTime<Tz>) -> chrono::DateTime<Tz>,
) -> Option<Timestamp> {
    // Clocks are set forward on whole minutes.
    (0..=LONGEST_GAP_MINUTES).find_map(|minutes| {
        let local = local.checked_add_signed(TimeDelta::minutes(minutes))?;
        match timezone.from_local_datetime(&local) {
            LocalResult::Single(at) => Some(at.to_utc()),
            LocalResult::Ambiguous(first, second) => Some(choose(first, second).to_utc()),
            LocalResult::None => None,
        }
    })
}

/// A day or a time of a day, and whether it is a whole day.
fn moment(text: &str) -> Option<(NaiveDateTime, bool)> {
    let text = text.trim();
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    match day {
        Some(day) => Some((day.and_time(NaiveTime::MIN), true)),
        None => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M")
            .ok()
            .map(|at| (at, false)),
    }
}

/// `Fri 16:00-24:00`, `Sat-Sun` or `22:00-06:00`.
fn weekly(text: &str) -> Result<Span, BlackoutError> {
    let unknown = || BlackoutError::Unknown(text.to_owned());
    let words: Vec<&str> = text.split_whitespace().collect();
    let (days, times) = match words[..] {
        [word] if word.contains(':') => (None, Some(word)),
        [days] => (Some(days), None),
        [days, times] => (Some(days), Some(times)),
        _ => return Err(unknown()),
    };
    let days = days.map_or(Some([true; 7]), week_days).ok_or_else(unknown)?;
    let Some(times) = times else {
        return Ok(Span::Weekly {
            days,
            from: 0,
            until: MINUTES_OF_A_DAY,
        });
    };
    let (from, until) = times.split_once('-').ok_or_else(unknown)?;
    let from = minute_of_day(from)
        .filter(|from| *from < MINUTES_OF_A_DAY)
        .ok_or_else(unknown)?;
    let until = minute_of_day(until).ok_or_else(unknown)?;
    match until.cmp(&from) {
        std::cmp::Ordering::Greater => Ok(Span::Weekly { days, from, until }),
        std::cmp::Ordering::Less => Ok(Span::Weekly {
            days,
            from,
            until: until + MINUTES_OF_A_DAY,
        }),
        std::cmp::Ordering::Equal => Err(BlackoutError::Empty(text.to_owned())),
    }
}

/// `Fri`, or `Fri-Mon`, which goes over Sunday.
fn week_days(text: &str) -> Option<[bool; 7]> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day_named(first)?, day_named(last)?);
    let mut days = [false; 7];
    for step in 0..7 {
        let day = (first + step) % 7;
        days[day] = true;
        if day == last {
            break;
        }
    }
    Some(days)
}

fn day_named(text: &str) -> Option<usize> {
    DAYS.iter().position(|name| text.eq_ignore_ascii_case(name))
}

/// `Fri` or `Fri-Mon`: days in a row. `None` if it is each of them.
fn days_in_words(days: &[bool; 7]) -> Option<String> {
    let first = (0..7).find(|day| days[*day] && !days[(day + 6) % 7])?;
    let last = (first..first + 7).take_while(|day| days[day % 7]).last()? % 7;
    Some(match first == last {
        true => DAYS[first].to_owned(),
        false => format!("{}-{}", DAYS[first], DAYS[last]),
    })
}

fn clock_time(minute: u32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn day_number(day: Weekday) -> usize {
    day.num_days_from_monday() as usize
}

/// `HH:MM`, up to `24:00`.
fn minute_of_day(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str| {
        let two = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse::<u32>().ok().filter(|_| two)
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (minutes < 60 && hours * 60 + minutes <= MINUTES_OF_A_DAY).then_some(hours * 60 + minutes)
}

fn at_minute(date: NaiveDate, minute: u32) -> Option<NaiveDateTime> {
    date.and_time(NaiveTime::MIN)
        .checked_add_signed(TimeDelta::minutes(i64::from(minute)))
}
