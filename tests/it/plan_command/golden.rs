//! Texts that were read by somebody, and are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Asserts that a text is as it was kept; or keeps it, if `UPDATE_GOLDEN` says so.
pub(super) fn compare(name: &str, text: &str, folder: &Path) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/plan_command/golden")
        .join(name);
    let text = masked(text, folder);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("golden text written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, kept,
        "{name} differs from what was kept; UPDATE_GOLDEN=1 keeps the new text:\n{text}"
    );
}

/// The keys of JSON, each with the kinds of values that it has somewhere.
pub(super) fn shape(json: &Value) -> String {
    let mut kinds = BTreeMap::new();
    collect(json, "", &mut kinds);
    let line = |(path, kinds): (String, BTreeSet<&str>)| format!("{path}: {}\n", Vec::from_iter(kinds).join(" | "));
    kinds.into_iter().map(line).collect()
}

fn collect(json: &Value, path: &str, kinds: &mut BTreeMap<String, BTreeSet<&'static str>>) {
    let kind = match json {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(values) => {
            return values
                .iter()
                .for_each(|value| collect(value, &format!("{path}[]"), kinds));
        }
        Value::Object(members) => {
            let all = members.iter();
            return all.for_each(|(key, value)| collect(value, &format!("{path}.{key}"), kinds));
        }
    };
    kinds.entry(path.to_owned()).or_default().insert(kind);
}

/// The text with what differs from run to run replaced by letters of the same length.
fn masked(text: &str, folder: &Path) -> String {
    let folder = folder.display().to_string();
    let text = text.replace(&folder, &"D".repeat(folder.len()));
    let lines = text
        .lines()
        .map(|line| words(line).map(masked_word).collect::<String>());
    lines.map(|line| line + "\n").collect()
}

/// Words and the spaces between them.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split_inclusive(' ')
}

fn masked_word(word: &str) -> String {
    let mut masked: Vec<char> = word.chars().collect();
    let is_hex = |c: &char| c.is_ascii_hexdigit();
    // Version ids.
    for at in 0..masked.len().saturating_sub(35) {
        let id = &masked[at..at + 36];
        let dashes = [8, 13, 18, 23];
        let fits = id
            .iter()
            .enumerate()
            .all(|(i, c)| if dashes.contains(&i) { *c == '-' } else { is_hex(c) });
        if fits {
            (at..at + 36)
                .filter(|i| masked[*i] != '-')
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|i| masked[i] = 'v');
        }
    }
    let text: String = masked.iter().collect();
    let text = mask_after(&text, "localhost:", |c| c.is_ascii_digit(), 'p');
    // Dates, times and weekdays: 2026-11-23, 13:02, Mon.
    let dateish = |c: char| c.is_ascii_digit() || "-:TZ.\n ".contains(c);
    let is_date = text.chars().filter(char::is_ascii_digit).count() >= 4
        && text.contains([':', '-'])
        && text.trim_end_matches(['.', ',', ';', ':', ' ']).chars().all(dateish);
    let text = match is_date {
        true => text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect(),
        false => text,
    };
    match text.trim_end() {
        "Mon" | "Tue" | "Wed" | "Thu" | "Fri" | "Sat" | "Sun" => text.replace(text.trim_end(), "Day"),
        _ => mask_suffix(&text),
    }
}

fn mask_after(text: &str, mark: &str, wanted: impl Fn(char) -> bool, with: char) -> String {
    let mut parts = text.split(mark);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let length = part.chars().take_while(|c| wanted(*c)).count();
        masked += mark;
        masked.extend(std::iter::repeat_n(with, length));
        masked += &part[length..];
    }
    masked
}

/// The six random characters at the end of a secret's ARN.
fn mask_suffix(text: &str) -> String {
    let end = text.trim_end_matches([' ', ',', ';', ':', ')', '.']);
    match end.contains(":secretsmanager:") && end.len() > 7 && end.as_bytes()[end.len() - 7] == b'-' {
        true => format!("{}-rrrrrr{}", &end[..end.len() - 7], &text[end.len()..]),
        false => text.to_owned(),
    }
}
