//! What the environment asks of tests: how far they go, and where they begin.

use std::str::FromStr;

/// The number that a variable holds; nothing if it is not set, or empty.
pub fn number<T: FromStr>(variable: &str) -> Option<T> {
    let text = std::env::var(variable).ok().filter(|text| !text.is_empty())?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable}: not a number that fits: {text}")))
}
