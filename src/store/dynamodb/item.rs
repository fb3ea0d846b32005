//! Items as the SDK has them.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use super::{PARTITION_KEY, SORT_KEY};
use crate::aws::Operation;
use crate::store::table::{Item, Key, TableError, Value};

/// A key, as requests name it.
pub(super) fn key(key: &Key) -> HashMap<String, AttributeValue> {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    HashMap::from([
        (PARTITION_KEY.to_owned(), text(&key.partition)),
        (SORT_KEY.to_owned(), text(&key.sort)),
    ])
}

/// A value, as requests carry it.
pub(super) fn value(value: Value) -> AttributeValue {
    match value {
        Value::Text(text) => AttributeValue::S(text),
        Value::Number(number) => AttributeValue::N(number.to_string()),
    }
}

/// An item of a reply. Attributes that are neither text nor a whole number are somebody else's, and left out.
pub(super) fn read(mut stored: HashMap<String, AttributeValue>, by: Operation) -> Result<Item, TableError> {
    let (partition, sort) = (stored.remove(PARTITION_KEY), stored.remove(SORT_KEY));
    let (Some(AttributeValue::S(partition)), Some(AttributeValue::S(sort))) = (partition, sort) else {
        return Err(TableError::Failed {
            cause: format!(
                "{}: the answer has an item without `{PARTITION_KEY}` or `{SORT_KEY}`",
                by.name
            ),
        });
    };
    let attributes: BTreeMap<String, Value> = stored
        .into_iter()
        .filter_map(|(name, value)| Some((name, of(value)?)))
        .collect();
    Ok(Item {
        key: Key::new(partition, sort),
        attributes,
    })
}

fn of(value: AttributeValue) -> Option<Value> {
    match value {
        AttributeValue::S(text) => Some(Value::Text(text)),
        AttributeValue::N(number) => number.parse().ok().map(Value::Number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_keeps_text_and_whole_numbers_and_nothing_else() {
        let mut stored = key(&Key::new("p", "s"));
        stored.insert("text".to_owned(), AttributeValue::S(String::new()));
        stored.insert("number".to_owned(), AttributeValue::N(u64::MAX.to_string()));
        stored.insert("below".to_owned(), AttributeValue::N("-1".to_owned()));
        stored.insert("part".to_owned(), AttributeValue::N("1.5".to_owned()));
        stored.insert("flag".to_owned(), AttributeValue::Bool(true));
        let item = read(stored, super::super::GET).unwrap();
        assert_eq!(item.key, Key::new("p", "s"));
        let expected = [("number", Value::from(u64::MAX)), ("text", Value::from(""))];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(item.attributes, expected.into());
    }

    #[test]
    fn an_item_without_its_keys_is_no_item() {
        let mut stored = key(&Key::new("p", "s"));
        stored.insert(SORT_KEY.to_owned(), AttributeValue::N("1".to_owned()));
        assert!(matches!(
            read(stored, super::super::GET),
            Err(TableError::Failed { .. })
        ));
    }
}
