//! Every event that the log can hold, with its level and its fields: those of rotations as they are written, the others as
//! the source has them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rekeyd::engine::log::log;
use rekeyd::rotation::event::Event;
use rekeyd::rotation::state::{Check, Failure, Record};
use rekeyd::telemetry::{LevelSource, LogFormat, LogOptions, Said, subscriber};
use serde_json::Value;

use crate::stored_json::populated;
use crate::structure::source_files;

/// What is in every line, or in its spans.
pub const COMMON: [&str; 5] = ["timestamp", "level", "target", "event", "message"];

/// An event of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logged {
    pub level: String,
    pub fields: BTreeSet<String>,
}

/// All of them, by name.
pub fn events() -> BTreeMap<String, Logged> {
    let mut events = of_rotations();
    for (name, logged) in of_sources() {
        let known = events.entry(name.clone()).or_insert_with(|| logged.clone());
        assert_eq!(known.level, logged.level, "{name} has two levels");
        known.fields.extend(logged.fields);
    }
    events
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines that something logs at any level, as JSON.
fn logged(log: impl FnOnce()) -> Vec<Value> {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let options = LogOptions {
        format: LogFormat::Json,
        level: Some(Said {
            level: "trace".parse().unwrap(),
            by: LevelSource::CommandLine,
        }),
        ..LogOptions::default()
    };
    let (subscriber, _) = subscriber(&options, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, log);
    let bytes = buffer.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_rotations() -> BTreeMap<String, Logged> {
    let mut all = BTreeMap::new();
    for event in populated::events() {
        let before = Record::new("arn".to_owned(), chrono::DateTime::UNIX_EPOCH);
        let again = after(&before, &event);
        let told = logged(|| [&before, &again].into_iter().for_each(|before| log(before, &event)));
        let [first, repeated] = told.as_slice() else {
            panic!("{event:?} is not told of once: {told:?}")
        };
        assert_eq!(first["event"], event.label());
        let fields = |line: &Value| -> BTreeSet<String> {
            let names = line.as_object().unwrap().keys();
            names.filter(|name| !COMMON.contains(&name.as_str())).cloned().collect()
        };
        let level = |line: &Value| line["level"].as_str().unwrap().to_lowercase();
        let levels = match level(first) == level(repeated) {
            true => level(first),
            false => format!("{}, {} if repeated", level(first), level(repeated)),
        };
        let this = Logged {
            level: levels,
            fields: fields(first),
        };
        let entry = all.entry(event.label().to_owned()).or_insert_with(|| this.clone());
        assert_eq!(entry.level, this.level, "{} has two levels", event.label());
        entry.fields.extend(this.fields);
    }
    all
}

/// The record after the same has happened a few times.
fn after(before: &Record, event: &Event) -> Record {
    let mut again = before.clone();
    match event {
        Event::AttemptFailed {
            step,
            message,
            next_attempt_at,
        } => {
            again.failure = Some(Box::new(Failure {
                attempts: 2,
                step: *step,
                message: message.clone(),
                next_attempt_at: *next_attempt_at,
            }));
        }
        Event::Checked { version, proof, nodes } => {
            again.check = Some(Check {
                version: version.clone(),
                proof: *proof,
                nodes: *nodes,
                at: chrono::DateTime::UNIX_EPOCH,
            });
        }
        _ => {}
    }
    again
}

/// Where the events of rotations are told of: their names are not in the source, but in [`Event::label`].
const BY_LABEL: &str = "src/engine/log.rs";

fn of_sources() -> Vec<(String, Logged)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    source_files(&root.join("src"), &mut files);
    files.retain(|file| !file.ends_with("tests.rs") && *file != root.join(BY_LABEL));
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        assert!(!code.contains("tracing::event!"), "{}", file.display());
        for level in ["trace", "debug", "info", "warn", "error"] {
            for (at, opening) in code.match_indices(&format!("{level}!(")) {
                let plain = code[..at].ends_with("tracing::");
                assert!(plain, "{}: write tracing::{level}!", file.display());
                let arguments = arguments(&code[at + opening.len()..]);
                found.push(of_call(level, &arguments, &file));
            }
        }
    }
    assert!(found.len() > 40, "the source is not read as it is written: {found:?}");
    found
}

/// What stands between a parenthesis that is open and its end, split at the commas that are in no other.
fn arguments(text: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let (mut depth, mut quoted, mut escaped) = (1, false, false);
    for character in text.chars() {
        if !quoted {
            match character {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && character == ',' {
                arguments.push(String::new());
                continue;
            }
        }
        if character == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && character == '\\' && !escaped;
        arguments.last_mut().unwrap().push(character);
    }
    arguments
        .into_iter()
        .map(|argument| argument.trim().to_owned())
        .collect()
}

/// The event of a call, and its fields.
fn of_call(level: &str, arguments: &[String], file: &Path) -> (String, Logged) {
    let mut name = None;
    let mut fields = BTreeSet::new();
    let named = arguments.iter().take_while(|argument| !argument.starts_with('"'));
    for argument in named.filter(|argument| !argument.starts_with("target:")) {
        let (field, value) = argument.split_once('=').unwrap_or((argument, ""));
        let field = field.trim().trim_start_matches(['%', '?']);
        assert!(
            field.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
            "{}: {argument:?} is no field",
            file.display()
        );
        match field {
            "event" => name = value.trim().strip_prefix('"').and_then(|value| value.strip_suffix('"')),
            reserved if COMMON.contains(&reserved) => panic!("{}: {reserved} is in every line", file.display()),
            field => drop(fields.insert(field.to_owned())),
        }
    }
    let name = name.unwrap_or_else(|| panic!("{}: a line without a name: {arguments:?}", file.display()));
    assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
    let level = level.to_owned();
    (name.to_owned(), Logged { level, fields })
}
