//! A table in memory, which the processes of a simulation share.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Change, Condition, Item, Key, Query, Table, TableError, Value};

/// A table that ends with its process.
#[derive(Default)]
pub struct MemoryTable {
    partitions: Mutex<BTreeMap<String, BTreeMap<String, BTreeMap<String, Value>>>>,
}

impl MemoryTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeMap<String, BTreeMap<String, Value>>>> {
        // Each change is made whole or not at all, so a poisoned lock guards a sound table.
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn item(partition: &str, sort: &str, attributes: &BTreeMap<String, Value>) -> Item {
    Item {
        key: Key::new(partition, sort),
        attributes: attributes.clone(),
    }
}

/// Whether the condition holds of what is stored; else what is.
fn met(on: &Condition, key: &Key, stored: Option<&BTreeMap<String, Value>>) -> Result<(), TableError> {
    let holds = match (on, stored) {
        (Condition::Absent, stored) => stored.is_none(),
        (Condition::Has(_) | Condition::Lacks(_), None) => false,
        (Condition::Lacks(name), Some(stored)) => !stored.contains_key(*name),
        (Condition::Has(wanted), Some(stored)) => wanted.iter().all(|(name, value)| stored.get(*name) == Some(value)),
    };
    match holds {
        true => Ok(()),
        false => Err(TableError::NotAsWanted {
            stored: stored.map(|stored| Box::new(item(&key.partition, &key.sort, stored))),
        }),
    }
}

#[async_trait]
impl Table for MemoryTable {
    fn location(&self) -> &str {
        "memory"
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, TableError> {
        let partitions = self.lock();
        let stored = partitions.get(&key.partition).and_then(|items| items.get(&key.sort));
        Ok(stored.map(|attributes| item(&key.partition, &key.sort, attributes)))
    }

    async fn query(&self, query: &Query) -> Result<Vec<Item>, TableError> {
        let partitions = self.lock();
        let items = partitions.get(&query.partition).into_iter().flatten();
        let mut found: Vec<Item> = items
            .filter(|(sort, _)| sort.starts_with(&query.prefix))
            .filter(|(sort, _)| match (&query.after, query.descending) {
                (None, _) => true,
                (Some(after), false) => *sort > after,
                (Some(after), true) => *sort < after,
            })
            .map(|(sort, attributes)| item(&query.partition, sort, attributes))
            .collect();
        if query.descending {
            found.reverse();
        }
        found.truncate(query.limit.unwrap_or(usize::MAX));
        Ok(found)
    }

    async fn count(&self, partition: &str) -> Result<u64, TableError> {
        Ok(self.lock().get(partition).map_or(0, |items| items.len() as u64))
    }

    async fn write(&self, key: &Key, change: Change, on: Condition) -> Result<(), TableError> {
        let mut partitions = self.lock();
        let items = partitions.entry(key.partition.clone()).or_default();
        met(&on, key, items.get(&key.sort))?;
        let stored = items.entry(key.sort.clone()).or_default();
        stored.extend(change.set);
        change.remove.iter().for_each(|name| drop(stored.remove(name)));
        Ok(())
    }

    async fn delete(&self, key: &Key, on: Condition) -> Result<(), TableError> {
        let mut partitions = self.lock();
        let Some(items) = partitions.get_mut(&key.partition) else {
            return met(&on, key, None);
        };
        met(&on, key, items.get(&key.sort))?;
        items.remove(&key.sort);
        Ok(())
    }
}
