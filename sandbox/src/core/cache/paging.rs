//! Pages of describe results: `Marker` and `MaxRecords`, or `NextToken` and `MaxResults`.

use super::errors::invalid_value;
use crate::error::ApiError;

/// Cuts one page out of everything. The marker is the number of things before it; `max` comes with
/// the parameter's name.
pub(crate) fn page<T>(
    all: Vec<T>,
    marker: Option<&str>,
    (parameter, max): (&str, Option<i64>),
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let from = match marker {
        None | Some("") => 0,
        Some(text) => text
            .strip_prefix("page-")
            .and_then(|n| n.parse::<usize>().ok())
            .filter(|from| *from <= all.len())
            .ok_or_else(|| invalid_value("Invalid marker."))?,
    };
    // The model gives no bounds for users and 20 to 100 for replication groups; small pages help tests.
    let size = match max {
        None => 100,
        Some(n) => usize::try_from(n)
            .ok()
            .filter(|n| (1..=100).contains(n))
            .ok_or_else(|| invalid_value(format!("{parameter} must be between 1 and 100.")))?,
    };
    let total = all.len();
    let page: Vec<T> = all.into_iter().skip(from).take(size).collect();
    let end = from + page.len();
    Ok((page, (end < total).then(|| format!("page-{end}"))))
}
