//! The JSON Schema of the configuration, made from the structs that read it.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::raw::{RawConfig, TABLE_NAME};

/// What is a policy's own and never a default.
const NEVER_DEFAULTS: [&str; 3] = ["secrets", "select", "allow_users"];

/// The JSON Schema (draft 2020-12) of `rekeyd.toml` and its drop-ins, for editors. It takes whatever [`super::load`]
/// takes, and refuses unknown keys and values that are wrong by themselves. What is missing in all layers
/// together, or impossible beside something else, only [`super::load`] knows.
pub fn schema() -> &'static Value {
    &SCHEMA
}

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut generator: SchemaGenerator = settings.with_transform(RecursiveTransform(as_toml)).into_generator();
    let mut schema = generator.root_schema_for::<RawConfig>().to_value();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for named in ["aws", "policy", "notify"] {
            name_tables(properties.get_mut(named));
        }
        let defaults = properties
            .get_mut("defaults")
            .and_then(|defaults| defaults.get_mut("properties"));
        if let Some(defaults) = defaults.and_then(Value::as_object_mut) {
            defaults.retain(|key, _| !NEVER_DEFAULTS.contains(&key.as_str()));
        }
    }
    schema
});

/// The schema of the table `[NAME]`, or of the tables `[NAME.…]`.
pub(super) fn of_table(name: &str) -> &'static Value {
    let table = &SCHEMA["properties"][name];
    match table.get("patternProperties") {
        Some(named) => &named[TABLE_NAME],
        None => table,
    }
}

/// Takes from a schema what TOML has no word for: null, the sizes of numbers. A description is one paragraph.
fn as_toml(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else { return };
    reorder(object);
    object.remove("format");
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(choices)) = object.get_mut("enum") {
        choices.retain(|choice| !choice.is_null());
    }
    without_null(object);
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

/// What people read first comes first.
fn reorder(object: &mut Map<String, Value>) {
    let mut rest = std::mem::take(object);
    for first in ["$schema", "title", "description", "type"] {
        if let Some(value) = rest.remove(first) {
            object.insert(first.to_owned(), value);
        }
    }
    object.append(&mut rest);
}

/// Takes null from the choices; a single one that is left takes their place.
fn without_null(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| *choice != json!({ "type": "null" }));
    if let [Value::Object(only)] = choices.as_slice() {
        let only = only.clone();
        object.remove("anyOf");
        object.extend(only);
    }
}

/// Tables of any names become tables of names that variables can spell, too.
fn name_tables(tables: Option<&mut Value>) {
    let Some(tables) = tables.and_then(Value::as_object_mut) else {
        return;
    };
    if let Some(table) = tables.insert("additionalProperties".to_owned(), json!(false)) {
        tables.insert("patternProperties".to_owned(), json!({ TABLE_NAME: table }));
    }
}
