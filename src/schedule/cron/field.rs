//! One field of a cron expression: lists, ranges, steps and names of values. Values are read here rather than by the
//! library, which takes much that the documented dialects do not have, and some of it for something else.

use std::collections::BTreeSet;

/// Why a field cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FieldError {
    /// Nothing between two commas.
    #[error("nothing stands between its commas")]
    Empty,
    /// Neither a number nor a name.
    #[error("`{0}` is no value of this field: write {1}")]
    Unknown(String, String),
    /// `FRI-MON`.
    #[error("`{0}` runs backwards: write it as two, `{1}`")]
    Backwards(String, String),
    /// `*/0`.
    #[error("a step of 0 never gets anywhere: write 1 or more")]
    StepZero,
    /// `*/90` among minutes.
    #[error(
        "a step of {0} is longer than the field, which starts anew with each turn: write a single value, or a duration \
         like \"90m\" for the time since the last rotation"
    )]
    StepTooLong(u32),
    /// `5/15` in a crontab.
    #[error("a crontab has steps only after * or a range: write `{0}`")]
    StepAfterValue(String),
    /// `W`, which EventBridge has.
    #[error("Secrets Manager has no W, the nearest weekday: name a day, or a weekday with # or L like `MON#1`")]
    NearestWeekday,
    /// `L` and `#` among others.
    #[error("`{0}` stands alone in its field: Secrets Manager takes no list with L or #")]
    Alone(String),
    /// `L`, `W`, `#` or `?` in a crontab.
    #[error("a crontab has no `{0}`; Secrets Manager's form, cron(...), has L, # and ?")]
    NotInCrontab(char),
    /// `MON#6`.
    #[error("`{0}`: a month has five of a weekday at most; write a weekday, # and 1 to 5, like `MON#1`")]
    Occurrence(String),
}

/// What a field may hold.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) low: u32,
    pub(super) high: u32,
    /// Names of the values from `low` on.
    pub(super) names: &'static [&'static str],
    /// Whether `5/15` and `/15` are steps, as with AWS.
    pub(super) bare_steps: bool,
}

pub(super) const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];

pub(super) const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Field {
    /// The values that a text names; at least one.
    pub(super) fn values(&self, text: &str) -> Result<BTreeSet<u32>, FieldError> {
        let mut values = BTreeSet::new();
        for item in text.split(',') {
            values.extend(self.item(item)?);
        }
        Ok(values)
    }

    fn item(&self, item: &str) -> Result<impl Iterator<Item = u32> + use<>, FieldError> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (item, None),
        };
        let (from, to) = match (range, range.split_once('-')) {
            ("*", _) => (self.low, self.high),
            ("", _) if step.is_some() && self.bare_steps => (self.low, self.high),
            ("", _) => return Err(FieldError::Empty),
            (_, Some((from, to))) => self.range(range, from, to)?,
            (value, None) => self.single(value, step)?,
        };
        let step = usize::try_from(step.unwrap_or(1)).unwrap_or(usize::MAX);
        Ok((from..=to).step_by(step))
    }

    /// A single value, or where its steps end.
    fn single(&self, text: &str, step: Option<u32>) -> Result<(u32, u32), FieldError> {
        let value = self.value(text)?;
        match step {
            None => Ok((value, value)),
            Some(_) if self.bare_steps => Ok((value, self.high)),
            Some(step) => Err(FieldError::StepAfterValue(format!("{value}-{}/{step}", self.high))),
        }
    }

    fn range(&self, range: &str, from: &str, to: &str) -> Result<(u32, u32), FieldError> {
        let (first, mut last) = (self.value(from)?, self.value(to)?);
        // In a crontab a week may end with Sunday: 7 by number, and what FRI-SUN means.
        let ends_with_sunday = to.eq_ignore_ascii_case("SUN") && self.high == 7 && self.low == 0;
        if ends_with_sunday && first > last {
            last = self.high;
        }
        if first > last {
            let two = format!("{from}-{},{}-{to}", self.high, self.low);
            return Err(FieldError::Backwards(range.to_owned(), two));
        }
        Ok((first, last))
    }

    fn step(&self, text: &str) -> Result<u32, FieldError> {
        match number(text) {
            Some(0) => Err(FieldError::StepZero),
            Some(step) if step > self.high - self.low => Err(FieldError::StepTooLong(step)),
            Some(step) => Ok(step),
            None => Err(FieldError::Unknown(text.to_owned(), "a number after /".to_owned())),
        }
    }

    /// The value of a number or a name.
    pub(super) fn value(&self, text: &str) -> Result<u32, FieldError> {
        let named = || self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = number(text).or_else(|| Some(self.low + u32::try_from(named()?).ok()?));
        value
            .filter(|value| (self.low..=self.high).contains(value))
            .ok_or_else(|| FieldError::Unknown(text.to_owned(), self.range_in_words()))
    }

    fn range_in_words(&self) -> String {
        let numbers = format!("{} to {}", self.low, self.high);
        match (self.names.first(), self.names.last()) {
            (Some(first), Some(last)) => format!("{numbers} or {first} to {last}"),
            _ => numbers,
        }
    }
}

/// Digits only, which `parse` alone does not ask for.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // Too many digits for a number are too many for any field.
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}
