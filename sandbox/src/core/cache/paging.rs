//! Pages of describe results: `Marker` and `MaxRecords`, or `NextToken` and `MaxResults`.

use super::errors::{invalid_combination, invalid_value};
use crate::core::pages::{self, Order};
use crate::error::ApiError;

/// How many things a page may have, and what is answered if it is to have others.
pub(crate) struct Bounds {
    parameter: &'static str,
    wanted: Option<i64>,
    least: i64,
    default: usize,
    error: fn(String) -> ApiError,
}

/// The most that any page has.
const MOST: i64 = 100;

impl Bounds {
    /// The botocore model for cache clusters, replication groups and events: 20 to 100, 100 unless told.
    pub(crate) fn documented(max_records: Option<i64>) -> Self {
        Self {
            parameter: "MaxRecords",
            wanted: max_records,
            least: 20,
            default: 100,
            error: |message| invalid_value(message),
        }
    }

    /// Users, user groups and global datastores, of which the model says nothing. The first two have no other error
    /// for their parameters.
    pub(crate) fn undocumented(max_records: Option<i64>) -> Self {
        Self {
            least: 1,
            error: |message| invalid_combination(message),
            ..Self::documented(max_records)
        }
    }

    /// Serverless caches: 50 unless told (botocore model).
    pub(crate) fn results(max_results: Option<i64>) -> Self {
        Self {
            parameter: "MaxResults",
            wanted: max_results,
            least: 1,
            default: 50,
            error: |message| invalid_value(message),
        }
    }

    /// How many things the page is to have at most.
    pub(crate) fn size(&self) -> Result<usize, ApiError> {
        let Some(wanted) = self.wanted else {
            return Ok(self.default);
        };
        let good = Some(wanted).filter(|n| (self.least..=MOST).contains(n));
        good.and_then(|n| usize::try_from(n).ok()).ok_or_else(|| {
            let (parameter, least) = (self.parameter, self.least);
            (self.error)(format!("{parameter} must be between {least} and {MOST}."))
        })
    }

    /// A marker that no page has given.
    pub(crate) fn bad_marker(&self) -> ApiError {
        (self.error)("Invalid marker.".to_owned())
    }
}

/// Cuts one page out of a list that is sorted by the ids of its things.
pub(crate) fn page<T>(
    all: Vec<T>,
    marker: Option<&str>,
    bounds: &Bounds,
    id: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let size = bounds.size()?;
    let page = pages::page(all, marker, size, Order::Ascending, id).ok_or_else(|| bounds.bad_marker())?;
    Ok((page.things, page.next))
}
