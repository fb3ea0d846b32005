//! The shape of JSON that programs read: its fields and their types, held to a file.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

/// The fields of a value with their types, an array's members as one.
pub fn shape(value: &Value) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    describe("", value, &mut fields);
    fields
}

fn describe(path: &str, value: &Value, fields: &mut BTreeSet<String>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(values) => {
            values
                .iter()
                .for_each(|value| describe(&format!("{path}[]"), value, fields));
            "array"
        }
        Value::Object(members) => {
            for (name, value) in members {
                describe(&format!("{path}.{name}"), value, fields);
            }
            "object"
        }
    };
    fields.insert(format!("{}: {kind}", if path.is_empty() { "." } else { path }));
}

/// Asserts that a value has the fields of `tests/fixtures/json/NAME.txt`, each of one of the types that stand there, and
/// no others. With `UPDATE_GOLDEN=1` what is new is added there.
pub fn assert_shape(name: &str, value: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/json")
        .join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let known: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    let seen = shape(value);
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|update| !update.is_empty()) {
        let all: Vec<String> = known.union(&seen).cloned().collect();
        std::fs::write(&path, all.join("\n") + "\n").expect("written");
        return;
    }
    let new: Vec<&String> = seen.difference(&known).collect();
    assert!(
        new.is_empty(),
        "{name} has what {} does not tell: {new:#?}",
        path.display()
    );
    let fields = |lines: &BTreeSet<String>| -> BTreeSet<String> {
        lines
            .iter()
            .filter_map(|line| Some(line.rsplit_once(": ")?.0.to_owned()))
            .collect()
    };
    let top = |field: &String| !field.contains("[]") && field.matches('.').count() == 1;
    let (known, seen) = (fields(&known), fields(&seen));
    let gone: Vec<&String> = known.difference(&seen).filter(|field| top(field)).collect();
    assert!(gone.is_empty(), "{name} lacks {gone:?}");
}

/// How many columns a line takes on a screen.
pub fn columns(line: &str) -> usize {
    line.width()
}
