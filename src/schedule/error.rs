//! Why an expression is no schedule, and what to write instead.

use super::cron::FieldError;
use super::duration::{self, DurationError};

/// Why an expression is no schedule.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ScheduleError {
    /// Neither a duration nor anything that looks like another form.
    #[error(
        "not a schedule: write a duration (\"30d\", \"12h\"), rate(N hours|days), cron(...) or the five fields of a \
         crontab: {0}"
    )]
    Unknown(#[from] DurationError),
    /// A duration under [`super::SHORTEST_EVERY`].
    #[error("too short: the shortest schedule is 1s")]
    TooShort,
    /// The text inside `rate(...)` is not `N unit`.
    #[error("not a rate: write rate(N hours) or rate(N days) with a whole number, like rate(30 days)")]
    RateMalformed,
    /// `rate(...)` in something other than hours or days.
    #[error("`{0}` is no unit of a rate: Secrets Manager takes hours and days")]
    RateUnit(String),
    /// Under four hours.
    #[error("too short: Secrets Manager's rates begin at rate(4 hours)")]
    RateTooShort,
    /// Over 999 days.
    #[error("too long: Secrets Manager's rates end at rate(999 days)")]
    RateTooLong,
    /// `cron` without the brackets around its fields.
    #[error(
        "not closed in brackets: write cron(Minutes Hours Day-of-month Month Day-of-week Year), like cron(0 8 1 * ? *)"
    )]
    AwsBrackets,
    /// Not six fields in `cron(...)`.
    #[error(
        "cron(...) has six fields, Minutes Hours Day-of-month Month Day-of-week Year, and this has {0}; five fields \
         are written without cron(...)"
    )]
    AwsFields(usize),
    /// Minutes other than 0 in `cron(...)`.
    #[error(
        "minutes `{0}`: Secrets Manager's windows open on the hour, so write 0, or use the five fields of a crontab"
    )]
    AwsMinutes(String),
    /// A year other than `*` in `cron(...)`.
    #[error("year `{0}`: Secrets Manager takes only *, every year")]
    AwsYear(String),
    /// Not exactly one `?` in the day fields of `cron(...)`.
    #[error(
        "days of month `{0}` and of week `{1}`: write ? in exactly one of the two and the days in the other, like \
         `1 * ?` or `? * MON`"
    )]
    AwsDays(String, String),
    /// Openings less than four hours apart in `cron(...)`.
    #[error(
        "opens every {}, and Secrets Manager rotates every 4h at the most: name fewer hours, or use the five fields of \
         a crontab",
        duration::format(*.0)
    )]
    AwsTooOften(std::time::Duration),
    /// Not five fields without `cron(...)`.
    #[error(
        "a crontab has five fields, minute hour day-of-month month day-of-week, and this has {0}; Secrets Manager's \
         six are written in cron(...), and there are no seconds"
    )]
    CrontabFields(usize),
    /// An `@word` that stands for no expression.
    #[error("`{0}` is no schedule: write @hourly, @daily, @weekly, @monthly or @yearly, or a duration like \"12h\"")]
    Nickname(String),
    /// A field that cannot be read.
    #[error("{field} `{text}`: {error}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What it holds.
        text: String,
        /// What is wrong with it.
        error: FieldError,
    },
    /// Like the 30th of February.
    #[error("`{0}` names no date that ever comes: no such day is in such a month; choose others")]
    Never(String),
    /// Read by us and refused by the library that computes the dates.
    #[error("`{0}` has no dates that can be computed: {1}")]
    Uncomputable(String, String),
}
