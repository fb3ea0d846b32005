//! A table of items that several processes share: the little of DynamoDB that the shared store stands on.
//!
//! Every read is strongly consistent and every write has a condition. Two writes of one item never mix; nothing is promised of
//! two items, so whoever writes several must be able to say later, from one of them, what is missing.

pub mod memory;

use std::collections::BTreeMap;

use async_trait::async_trait;

/// An attribute of an item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Text.
    Text(String),
    /// A whole number.
    Number(u64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// What an item is found by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// Its partition: the items of one lie together, in the order of `sort`.
    pub partition: String,
    /// Its place there.
    pub sort: String,
}

impl Key {
    /// The key of these two.
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Self {
        Self {
            partition: partition.into(),
            sort: sort.into(),
        }
    }
}

/// An item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// What it is found by.
    pub key: Key,
    /// All else.
    pub attributes: BTreeMap<String, Value>,
}

impl Item {
    /// An attribute that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.attributes.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// An attribute that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.attributes.get(name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }
}

/// What a write changes. Attributes that it does not name stay as they are.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Change {
    /// Attributes and their new values.
    pub set: BTreeMap<String, Value>,
    /// Attributes that go. None of them is in `set`.
    pub remove: Vec<String>,
}

impl Change {
    /// No change yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives an attribute a value.
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set.insert(name.to_owned(), value.into());
        self
    }

    /// Takes an attribute away.
    pub fn remove(mut self, name: &str) -> Self {
        self.remove.push(name.to_owned());
        self
    }
}

/// What must hold of the stored item, or the write does not happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// There is none.
    Absent,
    /// There is one, and each of these attributes has this value.
    Has(Vec<(&'static str, Value)>),
    /// There is one, and it has no attribute of this name.
    Lacks(&'static str),
}

impl Condition {
    /// There is one, and this attribute has this value.
    pub fn is(name: &'static str, value: impl Into<Value>) -> Self {
        Self::Has(vec![(name, value.into())])
    }
}

/// Which items of a partition are read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    /// The partition.
    pub partition: String,
    /// Only those whose sort key starts with this; empty for all.
    pub prefix: String,
    /// Only those that come after the one with this sort key, in the order that is asked for.
    pub after: Option<String>,
    /// From the last one to the first.
    pub descending: bool,
    /// No more than this; `None` for all.
    pub limit: Option<usize>,
}

impl Query {
    /// All items of a partition, in order.
    pub fn all(partition: impl Into<String>) -> Self {
        Self {
            partition: partition.into(),
            prefix: String::new(),
            after: None,
            descending: false,
            limit: None,
        }
    }
}

/// A read or write of a table that was not carried out, or of which that is not known.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TableError {
    /// The condition did not hold. Nothing was written.
    #[error("another process wrote this item meanwhile")]
    NotAsWanted {
        /// The item as it is stored, if the service told.
        stored: Option<Box<Item>>,
    },
    /// Nobody knows whether a write was carried out: the connection was lost, or the answer took too long.
    #[error("no answer: {cause}; see whether the endpoint of the table's place can be reached from here")]
    Unanswered {
        /// What happened.
        cause: String,
    },
    /// Too many requests, or too much work, at once. Nothing was written.
    #[error("throttled: {cause}")]
    Throttled {
        /// In the service's words.
        cause: String,
    },
    /// Refused until somebody changes permissions, the table or the configuration. Nothing was written.
    #[error("{cause}; {advice}")]
    Refused {
        /// In the service's words.
        cause: String,
        /// What to do.
        advice: String,
    },
    /// It failed otherwise.
    #[error("{cause}")]
    Failed {
        /// In the service's words.
        cause: String,
    },
}

/// A table.
#[async_trait]
pub trait Table: Send + Sync {
    /// What error messages call it, such as `dynamodb:rekeyd`.
    fn location(&self) -> &str;

    /// The item with this key.
    async fn get(&self, key: &Key) -> Result<Option<Item>, TableError>;

    /// The items that a query asks for, in its order.
    async fn query(&self, query: &Query) -> Result<Vec<Item>, TableError>;

    /// How many items a partition has.
    async fn count(&self, partition: &str) -> Result<u64, TableError>;

    /// Changes the item with this key, or makes it, if the condition holds.
    async fn write(&self, key: &Key, change: Change, on: Condition) -> Result<(), TableError>;

    /// Removes the item with this key, if the condition holds.
    async fn delete(&self, key: &Key, on: Condition) -> Result<(), TableError>;
}
