//! The date check of Signature Version 4. The signature itself is not checked: the sandbox knows no secret keys.

use chrono::{DateTime, TimeDelta, Utc};

use super::operation::Service;
use crate::error::ApiError;

const FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// Refuses a date that is further from `now` than the window, as AWS does before it looks at anything else.
///
/// Wording and codes as widely reported: `InvalidSignatureException` from the JSON services,
/// `SignatureDoesNotMatch` from the query ones.
pub(crate) fn check(
    service: Service,
    signed_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    window_s: u64,
) -> Result<(), ApiError> {
    let Some(signed_at) = signed_at else {
        return Ok(());
    };
    let window = i64::try_from(window_s)
        .ok()
        .and_then(TimeDelta::try_seconds)
        .unwrap_or(TimeDelta::MAX);
    let (earliest, latest) = (
        now.checked_sub_signed(window).unwrap_or(DateTime::<Utc>::MIN_UTC),
        now.checked_add_signed(window).unwrap_or(DateTime::<Utc>::MAX_UTC),
    );
    let show = |time: DateTime<Utc>| time.format(FORMAT).to_string();
    let minutes = window_s / 60;
    let message = if signed_at < earliest {
        format!(
            "Signature expired: {} is now earlier than {} ({} - {minutes} min.)",
            show(signed_at),
            show(earliest),
            show(now)
        )
    } else if signed_at > latest {
        format!(
            "Signature not yet current: {} is still later than {} ({} + {minutes} min.)",
            show(signed_at),
            show(latest),
            show(now)
        )
    } else {
        return Ok(());
    };
    Err(match service {
        Service::SecretsManager => ApiError::bad_request("InvalidSignatureException", message),
        Service::ElastiCache => ApiError::with_status(403, "SignatureDoesNotMatch", message),
    })
}

/// Reads `x-amz-date`.
pub(crate) fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    chrono::NaiveDateTime::parse_from_str(text, FORMAT)
        .ok()
        .map(|time| time.and_utc())
}
