//! Replies that AWS should not give: about something else than what was asked for, without what
//! AWS always says, or without end. A proxy, a mixed-up cache or a defect may give them, and a
//! rotation must not rest on them.

use super::AwsResult;
use super::call::Operation;
use super::error::{AwsError, ErrorClass};

/// A reply that AWS should not have given: something that it always says is missing or wrong.
pub(super) fn incomplete(operation: Operation, resource: &str, what: &str) -> AwsError {
    AwsError {
        class: ErrorClass::Unavailable,
        operation: operation.name,
        resource: resource.to_owned(),
        code: "IncompleteResponse".to_owned(),
        message: what.to_owned(),
        retry_after: None,
    }
}

/// Refuses a reply that names another thing than the one asked for, or none.
pub(super) fn answers(operation: Operation, asked: &str, same: bool) -> AwsResult<()> {
    if same {
        Ok(())
    } else {
        Err(incomplete(
            operation,
            asked,
            "the answer is not about what was asked for",
        ))
    }
}

/// Whether a reply is about the secret that was asked for by name, ARN, or ARN without the six
/// characters at its end.
pub(super) fn is_about_secret(asked: &str, arn: Option<&str>, name: Option<&str>) -> bool {
    if !asked.starts_with("arn:") {
        return name == Some(asked) && arn.is_some();
    }
    arn.and_then(|arn| arn.strip_prefix(asked)).is_some_and(is_arn_suffix)
}

/// Whether a listing of versions is about the secret that was asked for. Where it shows no ARN, as
/// moto's shows the name instead, the name decides.
pub(super) fn lists_versions_of(asked: &str, arn: Option<&str>, name: Option<&str>) -> bool {
    if arn.is_some_and(|arn| arn.starts_with("arn:")) {
        return is_about_secret(asked, arn, name);
    }
    let of_arn = asked.splitn(7, ':').nth(6).filter(|_| asked.starts_with("arn:"));
    name.filter(|name| !name.is_empty())
        .and_then(|name| of_arn.unwrap_or(asked).strip_prefix(name))
        .is_some_and(is_arn_suffix)
}

/// What Secrets Manager puts behind a name in an ARN: a hyphen and six characters, or nothing where
/// the ARN is given in part.
fn is_arn_suffix(rest: &str) -> bool {
    rest.is_empty() || rest.len() == 7 && rest.starts_with('-')
}

/// The one entry of a reply that `wanted` fits; `unknown` is the code for none. ElastiCache answers
/// an unknown id with that code, but an empty list would mean the same.
pub(super) fn only<T>(
    operation: Operation,
    asked: &str,
    unknown: &str,
    entries: Option<Vec<T>>,
    wanted: impl Fn(&T) -> bool,
) -> AwsResult<T> {
    let mut fitting = entries.unwrap_or_default().into_iter().filter(wanted);
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        (Some(_), Some(_)) => Err(incomplete(operation, asked, "the answer lists it twice")),
        (None, _) => Err(AwsError {
            class: ErrorClass::NotFound,
            code: unknown.to_owned(),
            ..incomplete(operation, asked, "the answer does not list it")
        }),
    }
}

/// The pages of one listing.
pub(super) struct Pages<'a> {
    operation: Operation,
    resource: &'a str,
    /// How many more there may be: a listing that never ends must fail, and not spin or grow.
    left: u32,
    marker: Option<String>,
}

impl<'a> Pages<'a> {
    pub(super) fn new(operation: Operation, resource: &'a str, most: u32) -> Self {
        Self {
            operation,
            resource,
            left: most,
            marker: None,
        }
    }

    /// What to ask the next page with; `None` for the first.
    pub(super) fn marker(&self) -> Option<String> {
        self.marker.clone()
    }

    /// Whether there is another page, after one that ended with the marker `next`.
    pub(super) fn turn(&mut self, next: Option<String>) -> AwsResult<bool> {
        let next = next.filter(|marker| !marker.is_empty());
        let refuse = |what| Err(incomplete(self.operation, self.resource, what));
        if next.is_none() {
            return Ok(false);
        }
        if next == self.marker {
            return refuse("the listing repeats its page marker");
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            return refuse("the listing has more pages than AWS's quotas allow");
        }
        self.marker = next;
        Ok(true)
    }
}
