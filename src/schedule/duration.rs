//! Durations as people write them: `250ms`, `2s`, `10m`, `1h30m`, `24h`, `30d`.

use std::fmt::Write as _;
use std::time::Duration;

/// The units, largest first, and their milliseconds. No months or years: they differ in length.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A hundred years. Longer ones are typing errors, and date arithmetic stays far from its limits.
const LONGEST: Duration = Duration::from_secs(36_500 * 86_400);

/// Why a text is no duration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DurationError {
    /// Nothing there.
    #[error("a duration is empty; write one like \"90s\", \"1h30m\" or \"30d\"")]
    Empty,
    /// A unit without a number before it, a sign, a fraction, a space.
    #[error("expected a whole number at `{0}`; write a duration like \"90s\", \"1h30m\" or \"30d\"")]
    NumberExpected(String),
    /// A number without a unit.
    #[error("`{0}` has no unit; write one of d, h, m, s and ms after it, like \"{0}s\"")]
    UnitMissing(String),
    /// Not one of the units.
    #[error("`{0}` is no unit; the units are d, h, m, s and ms, with no space before them")]
    UnitUnknown(String),
    /// `30m1h`, `1h1h`.
    #[error("`{0}` is out of order: each unit stands once, larger ones first, like \"1h30m\"")]
    Order(String),
    /// More than anyone means.
    #[error("too long: the longest duration is 36500d")]
    TooLong,
}

/// Reads a duration: one or more of `NUMBER UNIT` without spaces, larger units first.
///
/// # Errors
/// A [`DurationError`] that says what is wrong with it.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    while !rest.is_empty() {
        let (digits, tail) = split_where(rest, |c| !c.is_ascii_digit());
        if digits.is_empty() {
            return Err(DurationError::NumberExpected(rest.to_owned()));
        }
        let (unit, tail) = split_where(tail, |c| c.is_ascii_digit());
        if unit.is_empty() {
            return Err(DurationError::UnitMissing(digits.to_owned()));
        }
        let Some(&(_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::UnitUnknown(unit.to_owned()));
        };
        if millis >= smallest {
            return Err(DurationError::Order(format!("{digits}{unit}")));
        }
        // All digits: what does not fit into a number is too long.
        let number: u64 = digits.parse().map_err(|_| DurationError::TooLong)?;
        total = number
            .checked_mul(millis)
            .and_then(|part| total.checked_add(part))
            .ok_or(DurationError::TooLong)?;
        smallest = millis;
        rest = tail;
    }
    let total = Duration::from_millis(total);
    if total > LONGEST {
        Err(DurationError::TooLong)
    } else {
        Ok(total)
    }
}

fn split_where(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}

/// A duration in the form that [`parse`] reads, whole milliseconds of it.
///
/// Days are used only for whole days, so that `24h` does not turn into `1d` in half of the
/// messages: below four days, hours are what people write.
pub fn format(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if left == 0 {
        return "0s".to_owned();
    }
    let (_, day) = UNITS[0];
    let days_read_well = left.is_multiple_of(day) && left >= 4 * day;
    let mut text = String::new();
    for (unit, millis) in UNITS.into_iter().skip(usize::from(!days_read_well)) {
        if left >= millis {
            // Writing to a String cannot fail.
            let _ = write!(text, "{}{unit}", left / millis);
            left %= millis;
        }
    }
    text
}
