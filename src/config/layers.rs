//! Layers: the main file, its drop-ins, the environment. Each is parsed alone, so that a mistake
//! has a line and a column; the crate `config` merges what is left.
//!
//! Every value is tried against the raw structs on its own. That is what finds all mistakes at
//! once: serde itself stops at the first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Source as ConfigSource, Value, ValueKind};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, Deserializer, ValueDeserializer};

use super::error::ConfigErrors;
use super::raw::RawConfig;
use super::source::{Findings, KeyPath, Source, Spot};
use super::{Config, Loaded, check, unknown};

/// Variables with this prefix are ours; the next separators go one table deeper.
const PREFIX: &str = "REKEYD__";
const SEPARATOR: &str = "__";

/// No key lies deeper than `policy.NAME.select.tags.KEY`. Anything far beyond is refused before
/// it nests deeper than a stack.
const DEEPEST: usize = 8;

type Key<'a> = Spanned<DeString<'a>>;
type Values = config::Map<String, Value>;

/// All layers so far, lowest first.
#[derive(Default)]
pub(super) struct Layers {
    findings: Findings,
    layers: Vec<Layer>,
    files: Vec<PathBuf>,
}

/// The values of one layer that fit the raw structs.
#[derive(Clone, Default, Debug)]
struct Layer(Values);

impl ConfigSource for Layer {
    fn clone_into_box(&self) -> Box<dyn ConfigSource + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Values, config::ConfigError> {
        Ok(self.0.clone())
    }
}

impl Layers {
    /// Adds a file. One that cannot be read is a problem like any other.
    pub(super) fn add_file(&mut self, path: &Path) {
        match std::fs::read(path) {
            Ok(bytes) => self.add_bytes(path, bytes),
            Err(error) => self.add_unreadable(path, &error),
        }
    }

    pub(super) fn add_bytes(&mut self, path: &Path, bytes: Vec<u8>) {
        match String::from_utf8(bytes) {
            Ok(text) => self.add_text(path, text),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let source = self.add_source(&path.display().to_string(), text, true);
                self.findings
                    .error_at(Spot::new(source, at..at), "not UTF-8, which TOML is written in");
                self.findings.set_incomplete();
            }
        }
    }

    fn add_unreadable(&mut self, path: &Path, error: &std::io::Error) {
        // Without text it is a source without lines: its name alone is the place.
        let source = self.add_source(&path.display().to_string(), String::new(), false);
        self.findings
            .error_at(Spot::new(source, 0..0), format!("cannot be read: {error}"));
        self.findings.set_incomplete();
    }

    fn add_source(&mut self, name: &str, text: String, is_file: bool) -> usize {
        self.findings.add_source(Source {
            name: name.to_owned(),
            text,
            is_file,
        })
    }

    /// Adds a file's text.
    pub(super) fn add_text(&mut self, path: &Path, text: String) {
        self.files.push(path.to_owned());
        // Windows editors begin a file with a byte order mark, which is no column.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
        let source = self.add_source(&path.display().to_string(), text.clone(), true);
        let (table, errors) = DeTable::parse_recoverable(&text);
        if errors.is_empty() {
            self.add_table(source, table.into_inner());
            return;
        }
        // After a mistake the parser goes on as well as it can; what it then calls a value may be
        // anything, so that only its messages are of use.
        self.findings.set_incomplete();
        for error in errors {
            let spot = Spot::new(source, error.span().unwrap_or(0..0));
            self.findings.error_at(spot, error.message());
        }
    }

    /// Adds the files of the drop-in folder beside `main`, in the order of their names.
    pub(super) fn add_drop_ins(&mut self, main: &Path) {
        let folder = main.with_extension("d");
        if folder == main {
            return;
        }
        let listing = match std::fs::read_dir(&folder) {
            Ok(listing) => listing,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => return self.add_unreadable(&folder, &error),
        };
        let mut files = Vec::new();
        for entry in listing {
            match entry {
                Ok(entry) => files.push(entry.path()),
                Err(error) => self.add_unreadable(&folder, &error),
            }
        }
        files.retain(|path| is_drop_in(path));
        files.sort();
        for path in files {
            self.add_file(&path);
        }
    }

    /// Adds the variables that are ours, in the order of their names.
    pub(super) fn add_variables(&mut self, variables: impl Iterator<Item = (String, String)>) {
        let ours: BTreeMap<String, String> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        let mut set_by: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in ours {
            let keys = name[PREFIX.len()..].to_ascii_lowercase();
            let text = value.trim().to_owned();
            let source = self.add_source(&name, text.clone(), false);
            let spot = Spot::new(source, 0..text.len());
            if let Some(other) = set_by.insert(keys.clone(), name) {
                self.findings.error_at(spot, format!("sets the same key as {other}"));
                continue;
            }
            self.add_variable(source, spot, &keys, &text);
        }
    }

    fn add_variable(&mut self, source: usize, spot: Spot, keys: &str, text: &str) {
        let segments: Vec<&str> = keys.split(SEPARATOR).collect();
        if segments.len() > DEEPEST || segments.contains(&"") {
            let message = "names no key: write REKEYD__SECTION__KEY, two underscores between each part";
            return self.findings.error_at(spot, message);
        }
        let value = match DeValue::parse(text) {
            Ok(value) => value,
            Err(error) => {
                self.findings.set_unusable(KeyPath::of(&segments));
                let message = format!(
                    "not a TOML value: {}; a string needs quotes: '\"2h\"'",
                    error.message().trim()
                );
                return self.findings.error_at(spot, message);
            }
        };
        let keys: Vec<Key<'_>> = segments
            .into_iter()
            .map(|segment| Spanned::new(0..text.len(), DeString::Borrowed(segment)))
            .collect();
        self.add_table(source, nest(&keys, value));
    }

    /// Adds the values of one source that fit, and reports those that do not.
    fn add_table(&mut self, source: usize, table: DeTable<'_>) {
        let mut layer = Layer::default();
        let mut leaves = Vec::new();
        flatten(&mut Vec::new(), table, &mut leaves);
        for (keys, value) in leaves {
            self.add_leaf(source, &keys, value, &mut layer);
        }
        self.layers.push(layer);
    }

    fn add_leaf(&mut self, source: usize, keys: &[Key<'_>], value: Spanned<DeValue<'_>>, layer: &mut Layer) {
        let names: Vec<&str> = keys.iter().map(|key| key.get_ref().as_ref()).collect();
        let path = KeyPath::of(&names);
        let span = value.span();
        let alone = Deserializer::from(Spanned::new(0..0, nest(keys, value.clone())));
        let items: Vec<_> = value
            .get_ref()
            .as_array()
            .into_iter()
            .flat_map(|items| items.iter())
            .collect();
        let items: Vec<_> = items.into_iter().map(Spanned::span).collect();
        let is_table = value.get_ref().is_table();
        let read = RawConfig::deserialize(alone).and_then(|_| Value::deserialize(ValueDeserializer::from(value)));
        match read {
            Ok(value) => {
                self.note_tables(source, keys);
                if !is_table {
                    self.findings.set_value(path.clone(), Spot::new(source, span));
                }
                for (index, item) in items.into_iter().enumerate() {
                    self.findings.set_item(path.item(index), Spot::new(source, item));
                }
                insert(&mut layer.0, &names, value);
            }
            Err(error) => {
                let spot = Spot::new(source, error.span().unwrap_or(span));
                self.findings.error_at(spot, unknown::explain(error.message()));
                self.findings.set_unusable(path);
            }
        }
    }

    fn note_tables(&mut self, source: usize, keys: &[Key<'_>]) {
        let mut path = KeyPath::default();
        for key in keys {
            path = path.join(key.get_ref());
            self.findings.set_table(path.clone(), Spot::new(source, key.span()));
        }
    }

    /// Merges the layers and checks the result. `exists` tells whether a file that it names is there.
    pub(super) fn finish(mut self, exists: fn(&Path) -> bool) -> Result<Loaded, ConfigErrors> {
        let config = self.merge();
        check::check_files(&config, exists, &mut self.findings);
        let warnings = self.findings.conclude()?;
        Ok(Loaded {
            config,
            warnings,
            sources: self.files,
        })
    }

    /// Merges the layers, with defaults for whatever is missing or wrong.
    pub(super) fn merge(&mut self) -> Config {
        let mut builder = config::Config::builder();
        for layer in std::mem::take(&mut self.layers) {
            builder = builder.add_source(layer);
        }
        let merged = builder.build().and_then(config::Config::try_deserialize::<RawConfig>);
        let raw = merged.unwrap_or_else(|error| {
            // Each value has passed alone, so their union passes too; should it not, say so.
            self.findings
                .error(&KeyPath::default(), format!("the layers do not fit together: {error}"));
            self.findings.set_incomplete();
            RawConfig::default()
        });
        check::check(&raw, &mut self.findings)
    }
}

/// A name that ends in `.toml`; hidden ones are an editor's.
fn is_drop_in(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    name.ends_with(".toml") && !name.starts_with('.')
}

/// The values of a table with the keys that lead to each. An empty table is a value too.
fn flatten<'a>(keys: &mut Vec<Key<'a>>, table: DeTable<'a>, leaves: &mut Vec<(Vec<Key<'a>>, Spanned<DeValue<'a>>)>) {
    for (key, value) in table {
        keys.push(key);
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(inner) if !inner.is_empty() => flatten(keys, inner, leaves),
            value => leaves.push((keys.clone(), Spanned::new(span, value))),
        }
        keys.pop();
    }
}

/// A document with nothing in it but `value` under `keys`.
fn nest<'a>(keys: &[Key<'a>], value: Spanned<DeValue<'a>>) -> DeTable<'a> {
    let mut table = DeTable::new();
    if let Some((key, rest)) = keys.split_first() {
        let value = match rest {
            [] => value,
            _ => Spanned::new(value.span(), DeValue::Table(nest(rest, value))),
        };
        table.insert(key.clone(), value);
    }
    table
}

fn insert(table: &mut Values, keys: &[&str], value: Value) {
    match keys {
        [] => {}
        [key] => {
            table.insert((*key).to_owned(), value);
        }
        [key, rest @ ..] => {
            let inner = table
                .entry((*key).to_owned())
                .or_insert_with(|| Value::from(Values::new()));
            if let ValueKind::Table(inner) = &mut inner.kind {
                insert(inner, rest, value);
            }
        }
    }
}
