//! Reading values that come as text from forms and as themselves from Rust.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// `true`, `"true"`, or nothing.
pub(crate) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    match Option::<Value>::deserialize(from)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(value)),
        Some(Value::String(text)) => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Some(true)),
            "false" => Ok(Some(false)),
            _ => Err(D::Error::custom("a boolean must be true or false")),
        },
        Some(_) => Err(D::Error::custom("a boolean must be true or false")),
    }
}

/// `3`, `"3"`, or nothing.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    match Option::<Value>::deserialize(from)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => Ok(number.as_i64()),
        Some(Value::String(text)) => text
            .parse()
            .map(Some)
            .map_err(|_| D::Error::custom("an integer was expected")),
        Some(_) => Err(D::Error::custom("an integer was expected")),
    }
}

/// A list, or the empty text by which forms write an empty list.
pub(crate) fn list<'de, D, T>(from: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    match Option::<Value>::deserialize(from)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(Some(Vec::new())),
        // The value itself is left out of the message: it may be a password.
        Some(value) => serde_json::from_value(value)
            .map(Some)
            .map_err(|_| D::Error::custom("a list was expected")),
    }
}
