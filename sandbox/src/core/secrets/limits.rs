//! Lengths and characters that the service model allows. A value beyond them is an `InvalidParameterException`: every
//! operation declares that one, and which code AWS gives each of them is not documented.

use std::ops::RangeInclusive;

use super::errors::{invalid_parameter, not_a_name};
use crate::error::ApiError;

/// Refuses a text that is too short or too long, in characters. Nothing is what was not given.
pub(crate) fn length(name: &str, text: Option<&String>, range: RangeInclusive<usize>) -> Result<(), ApiError> {
    let fits = |text: &String| range.contains(&text.chars().count());
    if text.is_none_or(fits) {
        return Ok(());
    }
    Err(invalid_parameter(format!(
        "{name} must be {}-{} characters long.",
        range.start(),
        range.end()
    )))
}

/// Refuses a list of too few or too many items.
pub(crate) fn items<T>(name: &str, list: &[T], range: RangeInclusive<usize>) -> Result<(), ApiError> {
    if range.contains(&list.len()) {
        return Ok(());
    }
    Err(invalid_parameter(format!(
        "{name} must have {} to {} items.",
        range.start(),
        range.end()
    )))
}

/// What members of several operations have in common.
pub(crate) fn description(text: Option<&String>) -> Result<(), ApiError> {
    length("Description", text, 0..=2048)
}

/// The name of a KMS key.
pub(crate) fn kms_key(id: Option<&String>) -> Result<(), ApiError> {
    length("KmsKeyId", id, 0..=2048)
}

/// A character of a name (botocore model, CreateSecret).
pub(crate) fn is_of_names(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/_+=.@-".contains(c)
}

/// Refuses what can be neither a name nor an ARN, as every operation on a secret does (localstack's AWS-validated
/// tests). The exclamation mark is in the names of secrets that other services own.
pub(crate) fn secret_id(id: &str) -> Result<(), ApiError> {
    if !(1..=2048).contains(&id.chars().count()) {
        return Err(invalid_parameter("SecretId must be 1-2048 characters long."));
    }
    if id.chars().all(|c| is_of_names(c) || c == '!') || id.starts_with("arn:") {
        return Ok(());
    }
    Err(not_a_name())
}

/// Refuses what cannot be a region (botocore model, `RegionType`).
pub(crate) fn region(name: &str) -> Result<(), ApiError> {
    let good = (1..=128).contains(&name.len()) && {
        let (parts, number) = name.rsplit_once('-').unwrap_or_default();
        let word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        digits && parts.split('-').all(word)
    };
    if good {
        Ok(())
    } else {
        Err(invalid_parameter("Invalid replica region."))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn regions_are_words_and_a_number() {
        for good in ["us-east-1", "us-gov-west-1", "ap-southeast-12"] {
            assert!(region(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "us",
            "us-east",
            "us-east-",
            "-1",
            "us--1",
            "US-EAST-1",
            "us-east-1a",
            "us east-1",
        ] {
            assert!(region(bad).is_err(), "{bad}");
        }
    }
}
