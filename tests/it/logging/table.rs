//! The tables of events in docs/LOGGING.md: names, levels and fields come from the code, the words from whoever wrote them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::inventory::{Logged, events};

const BEGIN: &str = "<!-- events, kept in step by a test: begin -->\n";
const END: &str = "<!-- events: end -->";
const HEAD: &str = "| event | level | fields | when, and what to do |\n|---|---|---|---|\n";

fn page() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/LOGGING.md")
}

/// The fields that the page promises for each event.
pub fn documented() -> BTreeMap<String, Logged> {
    let text = std::fs::read_to_string(page()).unwrap();
    let rows = rows(parts(&text).1);
    let of_row = |(name, cells): (String, [String; 3])| {
        let [level, fields, _] = cells;
        let fields = fields.split(' ').map(|field| field.trim_matches('`').to_owned());
        let fields = fields.filter(|field| !field.is_empty()).collect();
        (name, Logged { level, fields })
    };
    rows.into_iter().map(of_row).collect()
}

/// What is before, in and after the table.
fn parts(text: &str) -> (&str, &str, &str) {
    let (before, rest) = text.split_once(BEGIN).expect("where the table begins");
    let (table, after) = rest.split_once(END).expect("where the table ends");
    (before, table, after)
}

/// The cells of each row, by event.
fn rows(table: &str) -> BTreeMap<String, [String; 3]> {
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').splitn(4, '|').map(str::trim).collect();
        let [name, level, fields, words] = cells[..] else {
            panic!("{row:?} has not four cells")
        };
        let name = name.trim_matches('`').to_owned();
        (name, [level, fields, words].map(str::to_owned))
    });
    cells.collect()
}

#[test]
fn every_event_of_the_log_is_in_the_documented_table_with_its_level_and_fields() {
    let text = std::fs::read_to_string(page()).unwrap();
    let (before, table, after) = parts(&text);
    let words = rows(table);
    let mut wanted = HEAD.to_owned();
    for (name, Logged { level, fields }) in events() {
        let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
        let words = words.get(&name).map_or("", |[_, _, words]| words);
        wanted += &format!("| `{name}` | {level} | {} | {words} |\n", fields.join(" "));
        if std::env::var_os("UPDATE_GOLDEN").is_none() {
            assert!(!words.is_empty(), "docs/LOGGING.md says nothing of {name}");
        }
    }
    crate::support::golden::compare(&page(), &format!("{before}{BEGIN}{wanted}{END}{after}"));
}
