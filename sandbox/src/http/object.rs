//! Bodies that have to be JSON objects.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// What is written as an object. Derived structs are read from arrays as well, by position.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Map::<String, Value>::deserialize(deserializer)?;
        let value = serde_json::from_value(Value::Object(object)).map_err(D::Error::custom)?;
        Ok(Self(value))
    }
}
