//! Which value of each key is in force, and what set it.

use serde_json::{Map, Value};

use super::error::Location;
use super::schema;
use super::source::{Findings, KeyPath, SourceKind};

/// The keys of a place that take the value of another one that is set.
const INSTEAD: [(&str, &str); 4] = [
    ("secrets_manager_endpoint_url", "endpoint_url"),
    ("elasticache_endpoint_url", "endpoint_url"),
    ("eventbridge_endpoint_url", "endpoint_url"),
    ("dynamodb_endpoint_url", "endpoint_url"),
];

/// The keys that mean something only beside another one: without it their defaults are not in force.
const BESIDE: [(&str, &str); 4] = [
    ("role_session_name", "role_arn"),
    ("role_session_duration", "role_arn"),
    ("never_within", "together"),
    ("event_bus", "aws"),
];

/// A key, the value of it that is in force, and what set it.
#[derive(Clone, PartialEq, Debug)]
pub struct Setting {
    /// Its table, such as `policy.orders`.
    pub table: String,
    /// Its name there, such as `overlap` or `retry.initial`.
    pub key: String,
    /// The value as it was written, or the built-in default; `None` for a key that has neither.
    pub value: Option<Value>,
    /// What set it; `None` for a default.
    pub source: Option<SourceKind>,
    /// Where.
    pub location: Location,
    /// The key that was set there, if it is another one: of `[defaults]`, or one that stands for several.
    pub set_as: Option<String>,
}

/// Every key of the daemon, the metrics, the places, the policies and who is notified, in the order of the schema.
pub(super) fn settings(written: &Value, findings: &Findings) -> Vec<Setting> {
    let reader = Reader { written, findings };
    let alone = ["daemon", "metrics"].into_iter();
    let mut settings: Vec<Setting> = alone
        .flat_map(|name| reader.table(&KeyPath::of(&[name]), schema::of_table(name), None))
        .collect();
    let defaults = KeyPath::of(&["defaults"]);
    for (kind, defaults) in [("aws", None), ("policy", Some(&defaults)), ("notify", None)] {
        let mut names: Vec<&String> = written[kind].as_object().into_iter().flat_map(Map::keys).collect();
        names.sort();
        for name in names {
            let table = KeyPath::of(&[kind, name]);
            settings.extend(reader.table(&table, schema::of_table(kind), defaults));
        }
    }
    settings
}

struct Reader<'a> {
    /// All layers, merged.
    written: &'a Value,
    findings: &'a Findings,
}

impl Reader<'_> {
    fn table(&self, table: &KeyPath, schema: &Value, defaults: Option<&KeyPath>) -> Vec<Setting> {
        let mut keys = Vec::new();
        leaves(schema, &KeyPath::default(), &mut keys);
        let mut settings = Vec::new();
        for (key, schema) in keys {
            if schema["type"] == "object" {
                settings.extend(self.map(table, &key));
            } else {
                settings.push(self.key(table, &key, schema, defaults));
            }
        }
        settings
    }

    fn key(&self, table: &KeyPath, key: &KeyPath, schema: &Value, defaults: Option<&KeyPath>) -> Setting {
        let of = |pairs: &[(&str, &'static str)]| {
            pairs
                .iter()
                .find(|(name, _)| KeyPath::of(&[name]) == *key)
                .map(|(_, other)| *other)
        };
        let own = table.append(key);
        let default = defaults.map(|defaults| defaults.append(key));
        let instead = of(&INSTEAD).map(|other| table.join(other));
        let mut paths = std::iter::once(own.clone()).chain(default).chain(instead);
        let set = paths.find_map(|path| self.set(table, key, &own, &path));
        set.unwrap_or_else(|| {
            let applies = of(&BESIDE).is_none_or(|other| {
                let set = |table: &KeyPath| self.findings.is_set(&table.join(other));
                set(table) || defaults.is_some_and(set)
            });
            Setting {
                value: schema.get("default").filter(|_| applies).cloned(),
                ..unset(table, key)
            }
        })
    }

    /// A table whose keys are anybody's, such as tags: those that it has.
    fn map(&self, table: &KeyPath, key: &KeyPath) -> Vec<Setting> {
        let path = table.append(key);
        let mut names: Vec<&String> = self
            .value(&path)
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::keys)
            .collect();
        names.sort();
        let found: Vec<Setting> = names
            .into_iter()
            .filter_map(|name| {
                let own = path.join(name);
                self.set(table, &key.join(name), &own, &own)
            })
            .collect();
        match found.is_empty() {
            true => vec![unset(table, key)],
            false => found,
        }
    }

    /// What `path` sets `key` to, if anything does.
    fn set(&self, table: &KeyPath, key: &KeyPath, own: &KeyPath, path: &KeyPath) -> Option<Setting> {
        let (source, location) = self.findings.set_by(path)?;
        Some(Setting {
            value: Some(self.value(path)?.clone()),
            source: Some(source),
            location,
            set_as: (path != own).then(|| path.to_string()),
            ..unset(table, key)
        })
    }

    fn value(&self, path: &KeyPath) -> Option<&Value> {
        path.keys().try_fold(self.written, |value, key| value.get(key))
    }
}

fn unset(table: &KeyPath, key: &KeyPath) -> Setting {
    Setting {
        table: table.to_string(),
        key: key.to_string(),
        value: None,
        source: None,
        location: Location::default(),
        set_as: None,
    }
}

/// The keys of a table and of the tables in it, each with its schema.
fn leaves<'a>(schema: &'a Value, table: &KeyPath, found: &mut Vec<(KeyPath, &'a Value)>) {
    for (key, schema) in schema["properties"].as_object().into_iter().flatten() {
        let path = table.join(key);
        match schema.get("properties") {
            Some(_) => leaves(schema, &path, found),
            None => found.push((path, schema)),
        }
    }
}
