//! `rekeyd check --effective`: each value that is in force, and what set it.

use serde_json::{Value, json};

use crate::config::{Loaded, Setting, SourceKind};

/// In a table for each table of the configuration.
pub(super) fn effective(loaded: &Loaded, settings: &[Setting]) -> String {
    let mut text = String::new();
    let keys = settings.iter().map(|setting| setting.key.chars().count()).max();
    let values = settings.iter().map(|setting| value(setting).chars().count()).max();
    let (keys, values) = (keys.unwrap_or(0), values.unwrap_or(0).min(WIDEST));
    let mut table = None;
    for setting in settings {
        if table != Some(&setting.table) {
            table = Some(&setting.table);
            let before = if text.is_empty() { "" } else { "\n" };
            text += &format!("{before}[{}]\n", setting.table);
        }
        let line = format!("{:keys$}  {:values$}  {}", setting.key, value(setting), origin(setting));
        // A tag may hold anything; a terminal must not obey it.
        text += line.replace(char::is_control, " ").trim_end();
        text.push('\n');
    }
    for warning in &loaded.warnings {
        text += &format!("\nwarning: {warning}\n");
    }
    text
}

/// Longer values push the column to the right for their own line only.
const WIDEST: usize = 40;

/// As TOML writes it: JSON's texts, numbers and arrays are TOML's, too.
fn value(setting: &Setting) -> String {
    match &setting.value {
        None => "not set".to_owned(),
        Some(Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            format!("[{}]", items.join(", "))
        }
        Some(value) => value.to_string(),
    }
}

fn origin(setting: &Setting) -> String {
    let Some(source) = setting.source else {
        return if setting.value.is_some() { "default" } else { "" }.to_owned();
    };
    let kind = match source {
        SourceKind::File => "",
        SourceKind::DropIn => "drop-in ",
        SourceKind::Variable => "variable ",
    };
    let line = setting
        .location
        .line
        .map_or_else(String::new, |line| format!(":{line}"));
    let name = setting.location.file.as_ref().or(setting.location.variable.as_ref());
    let set_as = match setting.set_as.as_deref() {
        None => String::new(),
        Some(key) if key.starts_with("defaults.") => " ([defaults])".to_owned(),
        Some(key) => format!(" ({key})"),
    };
    format!("{kind}{}{line}{set_as}", name.map_or("", String::as_str))
}

/// The same for programs. Fields are only ever added.
pub(super) fn effective_json(loaded: &Loaded, settings: &[Setting]) -> Value {
    let settings: Vec<Value> = settings
        .iter()
        .map(|setting| {
            json!({
                "table": setting.table,
                "key": setting.key,
                "value": setting.value,
                "source": setting.source.map_or_else(|| json!("default"), |source| json!(source)),
                "file": setting.location.file,
                "line": setting.location.line,
                "column": setting.location.column,
                "variable": setting.location.variable,
                "set_as": setting.set_as,
            })
        })
        .collect();
    json!({
        "valid": true,
        "sources": super::json::sources(loaded),
        "warnings": loaded.warnings,
        "problems": [],
        "settings": settings,
    })
}
