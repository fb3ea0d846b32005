//! The shape of JSON that programs read: its fields and their types, held to a file.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

/// The type of a field that is not there.
const MISSING: &str = "missing";

/// The fields of a value with their types, an array's members as one; of what is known, also what is missing.
fn shape(value: &Value, known: &BTreeSet<String>) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    describe("", value, known, &mut fields);
    fields
}

fn describe(path: &str, value: &Value, known: &BTreeSet<String>, fields: &mut BTreeSet<String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(values) => {
            for value in values {
                describe(&format!("{path}[]"), value, known, fields);
            }
            "array"
        }
        Value::Object(members) => {
            for (name, value) in members {
                describe(&format!("{path}.{name}"), value, known, fields);
            }
            for line in known {
                let field = line.rsplit_once(": ").map_or("", |(field, _)| field);
                let name = field.strip_prefix(path).and_then(|rest| rest.strip_prefix('.'));
                let direct = name.filter(|name| !name.contains(['.', '[']) && !name.is_empty());
                if direct.is_some_and(|name| !members.contains_key(name)) {
                    fields.insert(format!("{field}: {MISSING}"));
                }
            }
            "object"
        }
    };
    if !path.is_empty() {
        fields.insert(format!("{path}: {kind}"));
    }
}

/// Asserts that each field of a value stands in `tests/fixtures/json/NAME.txt` with its type, and that each that stands
/// there is in the value, unless it says that it may be missing. With `UPDATE_GOLDEN=1` what is new is added there.
pub fn assert_shape(name: &str, value: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/json")
        .join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let known: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let seen = shape(value, &known);
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|update| !update.is_empty()) {
        let all: Vec<String> = known.union(&seen).cloned().collect();
        std::fs::write(&path, all.join("\n") + "\n").expect("written");
        return;
    }
    let new: Vec<&String> = seen.difference(&known).collect();
    assert!(new.is_empty(), "{name}: {} does not have {new:#?}", path.display());
}

/// How many columns a line takes on a screen.
pub fn columns(line: &str) -> usize {
    line.width()
}
