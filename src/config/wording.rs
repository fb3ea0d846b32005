//! The messages of serde and of the TOML parser in the words of someone who writes TOML, and what to do about each.
//! One that is not known here is passed on as it is.

use serde_json::Value;

use super::schema;

/// A value that does not fit. `path` is where it stands.
pub(super) fn of_value(message: &str, path: &str) -> String {
    if let Some((key, known)) = unknown_key(message) {
        return explain_unknown(key, &known);
    }
    match message
        .strip_prefix("invalid type: ")
        .and_then(|rest| rest.rsplit_once(", expected "))
    {
        Some((given, wanted)) => of_type(given, wanted, path),
        None => message.to_owned(),
    }
}

/// The key that a message calls unknown, and the ones that would do.
pub(super) fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let (key, rest) = message.strip_prefix("unknown field `")?.split_once('`')?;
    // Between backticks is every second piece.
    Some((key, rest.split('`').skip(1).step_by(2).collect()))
}

fn explain_unknown(key: &str, known: &[&str]) -> String {
    let homes = homes(key);
    if !homes.is_empty() {
        return format!(
            "`{key}` is no key of this table but of {}: move it there",
            homes.join(" or ")
        );
    }
    match nearest(key, known.iter().copied()) {
        Some(candidate) => format!("unknown key `{key}`; did you mean `{candidate}`?"),
        None => format!("unknown key `{key}`; known here: {}", known.join(", ")),
    }
}

/// The tables that have such a key.
fn homes(key: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, table) in [
        ("daemon", "daemon"),
        ("aws", "aws.NAME"),
        ("policy", "policy.NAME"),
        ("notify", "notify.NAME"),
    ] {
        collect_homes(key, schema::of_table(name), table, &mut found);
    }
    found
}

fn collect_homes(key: &str, schema: &Value, table: &str, found: &mut Vec<String>) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if name == key {
            found.push(format!("[{table}]"));
        }
        collect_homes(key, inner, &format!("{table}.{name}"), found);
    }
}

/// `given` and `wanted` are serde's words.
fn of_type(given: &str, wanted: &str, path: &str) -> String {
    let given = match given.split_once(' ').unwrap_or((given, "")) {
        ("map", _) => "a table".to_owned(),
        ("sequence" | "array", _) => "a list".to_owned(),
        ("string", text) => format!("the string {text}"),
        ("integer", number) => format!("the number {number}"),
        _ => given.to_owned(),
    };
    let (wanted, advice) = match wanted {
        "a string" if given == "a list" => ("a string", "write one, without brackets".to_owned()),
        "a string" => ("a string", "write it in quotes".to_owned()),
        "i64" => ("a whole number", "write it without quotes".to_owned()),
        "f64" => ("a number", "write it without quotes, like 0.2".to_owned()),
        "a boolean" => ("true or false", "write one of them, without quotes".to_owned()),
        "a sequence" | "a array" => ("a list", "write it in brackets, like [\"…\"]".to_owned()),
        "a map" if given == "a list" => (
            "named tables",
            format!("write [{path}.NAME], in single brackets, for each"),
        ),
        "a map" => ("a table", format!("write [{path}.NAME]")),
        "a table" if given == "a list" => ("one table", format!("write [{path}], in single brackets")),
        "a table" => ("a table", format!("write [{path}] and its keys below it")),
        other => (other, "write one".to_owned()),
    };
    format!("found {given}, expected {wanted}: {advice}")
}

/// A text that is no TOML.
pub(super) fn of_syntax(message: &str) -> String {
    let ours = match message.trim() {
        "duplicate key" => "set twice: it is there already, further up in this file; keep one of the two",
        "key with no value, expected `=`" => "no value: write KEY = VALUE, or [TABLE]",
        "string values must be quoted, expected literal string" => "a string needs quotes",
        other => return other.to_owned(),
    };
    ours.to_owned()
}

/// The candidate that a word was probably meant to be.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .map(|(_, candidate)| candidate)
}

/// How many characters must be added, removed or replaced to turn one word into the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
