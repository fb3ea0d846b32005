//! Documents that are JSON objects, and nothing else.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A value that is read from an object only. Serde reads a struct from an array as well, field by
/// field in their order: `[[], null, true]` would ask for all secrets without a word about them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::Object;
    use crate::engine::control::Selector;
    use crate::server::wire::{PauseRequest, RotateRequest};

    fn refusal<T: serde::de::DeserializeOwned>(text: &str) -> String {
        match serde_json::from_str::<Object<T>>(text) {
            Ok(_) => panic!("{text} is taken"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn an_array_is_no_request_whatever_it_holds() {
        for text in [
            "[]",
            "[[],null,true]",
            "[[\"a\"]]",
            "[[],null,true,true,true]",
            "[{\"all\":true}]",
        ] {
            for error in [
                refusal::<RotateRequest>(text),
                refusal::<PauseRequest>(text),
                refusal::<Selector>(text),
            ] {
                assert!(error.contains("expected a JSON object"), "{text}: {error}");
            }
        }
        for text in ["null", "true", "0", "\"all\""] {
            let error = refusal::<Selector>(text);
            assert!(error.contains("expected a JSON object"), "{text}: {error}");
        }
    }

    #[test]
    fn an_object_is_read_as_strictly_as_before() {
        let Object(selector): Object<Selector> = serde_json::from_str("{\"secrets\":[\"a\"]}").unwrap();
        assert_eq!(selector.secrets, ["a"]);
        let error = refusal::<Selector>("{\"secret\":\"a\"}");
        assert!(error.contains("unknown field `secret`"), "{error}");
        let error = refusal::<Selector>("{\"secrets\":[\"a\"],\"secrets\":[\"b\"]}");
        assert!(error.contains("duplicate field `secrets`"), "{error}");
    }
}
