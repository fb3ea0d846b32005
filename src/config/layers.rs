//! Layers: the main file, its drop-ins, the environment. Each is parsed alone, so that a mistake
//! has a line and a column; the crate `config` merges what is left.
//!
//! Every value is tried against the raw structs on its own. That is what finds all mistakes at
//! once: serde itself stops at the first.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use config::{Source as ConfigSource, Value, ValueKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, Deserializer, ValueDeserializer};

use super::check::LookAtRoots;
use super::effective::{self, Setting};
use super::error::ConfigErrors;
use super::raw::RawConfig;
use super::source::{Findings, KeyPath, Source, SourceKind, Spot};
use super::{Config, Loaded, check, wording};

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

/// No configuration is longer: thousands of policies fit. A device, or a file of something else, may have no end.
const LONGEST_FILE: u64 = 4 * 1024 * 1024;

/// What stands in a file, if it is no longer than a configuration may be.
fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST_FILE + 1).read_to_end(&mut bytes)?;
    match u64::try_from(bytes.len()).is_ok_and(|length| length <= LONGEST_FILE) {
        true => Ok(bytes),
        false => Err(std::io::Error::new(
            ErrorKind::FileTooLarge,
            format!("it is longer than {LONGEST_FILE} bytes; is it a configuration?"),
        )),
    }
}

impl Layers {
    /// Adds a file. One that cannot be read is a problem like any other.
    pub(super) fn add_file(&mut self, kind: SourceKind, path: &Path) {
        match bounded(path) {
            Ok(bytes) => self.add_bytes(kind, path, bytes),
            Err(error) => self.add_unreadable(kind, path, &error),
        }
    }

    pub(super) fn add_bytes(&mut self, kind: SourceKind, path: &Path, bytes: Vec<u8>) {
        match String::from_utf8(bytes) {
            Ok(text) => self.add_text(kind, path, text),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let source = self.add_source(kind, &path.display().to_string(), Some(text));
                self.findings.error_at(
                    Spot::new(source, at..at),
                    "not UTF-8, which TOML is written in: save the file as UTF-8",
                );
                self.findings.set_incomplete();
            }
        }
    }

    fn add_unreadable(&mut self, kind: SourceKind, path: &Path, error: &std::io::Error) {
        let source = self.add_source(kind, &path.display().to_string(), None);
        let advice = match error.kind() {
            ErrorKind::NotFound => "; name the configuration with --config PATH",
            ErrorKind::PermissionDenied => "; let the user that rekeyd runs as read it",
            ErrorKind::IsADirectory => "; name a file in it",
            _ => "",
        };
        self.findings
            .error_at(Spot::new(source, 0..0), format!("cannot be read: {error}{advice}"));
        self.findings.set_incomplete();
    }

    fn add_source(&mut self, kind: SourceKind, name: &str, text: Option<String>) -> usize {
        self.findings.add_source(Source {
            kind,
            name: name.to_owned(),
            text,
        })
    }

    /// Adds a file's text.
    pub(super) fn add_text(&mut self, kind: SourceKind, path: &Path, text: String) {
        self.files.push(path.to_owned());
        // Windows editors begin a file with a byte order mark, which is no column.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
        let source = self.add_source(kind, &path.display().to_string(), Some(text.clone()));
        let (table, errors) = DeTable::parse_recoverable(&text);
        if errors.is_empty() {
            self.add_table(source, table.into_inner());
            return;
        }
        // After a mistake the parser goes on as well as it can; what it then calls a value may be
        // anything, so that only its messages are of use.
        self.findings.set_incomplete();
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        let mut firsts = BTreeMap::new();
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            let line = ends.partition_point(|end| *end < span.start);
            let first = firsts.entry(line).or_insert((span.clone(), error.clone()));
            if span.start < first.0.start {
                *first = (span, error);
            }
        }
        // What else is wrong on a line follows from its first mistake.
        for (span, error) in firsts.into_values() {
            let message = wording::of_syntax(error.message());
            self.findings.error_at(Spot::new(source, span), message);
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
            Err(error) => return self.add_unreadable(SourceKind::DropIn, &folder, &error),
        };
        let mut files = Vec::new();
        for entry in listing {
            match entry {
                Ok(entry) => files.push(entry.path()),
                Err(error) => self.add_unreadable(SourceKind::DropIn, &folder, &error),
            }
        }
        files.retain(|path| is_drop_in(path));
        files.sort();
        for path in files {
            self.add_file(SourceKind::DropIn, &path);
        }
    }

    /// Adds the variables that are ours, in the order of their names.
    pub(super) fn add_variables(&mut self, variables: impl Iterator<Item = (String, String)>) {
        let ours: BTreeMap<String, String> = variables.filter(|(name, _)| name.starts_with(PREFIX)).collect();
        let mut set_by: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in ours {
            let keys = name[PREFIX.len()..].to_ascii_lowercase();
            let text = value.trim().to_owned();
            let source = self.add_source(SourceKind::Variable, &name, Some(text.clone()));
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
                    "not a TOML value: {}; to set this string, write '{text:?}'",
                    wording::of_syntax(error.message())
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
                let at = error.span().unwrap_or(span);
                let message = wording::of_value(error.message(), &path.to_string());
                self.note_meant(keys, &at, error.message());
                self.findings.error_at(Spot::new(source, at), message);
                self.findings.set_unusable(path);
            }
        }
    }

    /// The key that an unknown one was meant to be is not missing as well. That of a table says nothing about
    /// what else is in the one that was meant.
    fn note_meant(&mut self, keys: &[Key<'_>], at: &Range<usize>, message: &str) {
        let Some((key, known)) = wording::unknown_key(message) else {
            return;
        };
        let Some(meant) = wording::nearest(key, known.into_iter()) else {
            return;
        };
        let table = keys.iter().take_while(|key| key.span() != *at);
        let table = table.fold(KeyPath::default(), |path, key| path.join(key.get_ref()));
        if table != KeyPath::default() {
            self.findings.set_unusable(table.join(meant));
        }
    }

    fn note_tables(&mut self, source: usize, keys: &[Key<'_>]) {
        let mut path = KeyPath::default();
        for key in keys {
            path = path.join(key.get_ref());
            self.findings.set_table(path.clone(), Spot::new(source, key.span()));
        }
    }

    /// Merges the layers and checks the result. `roots` tells what is wrong with a file of roots that it names.
    pub(super) fn finish(mut self, roots: LookAtRoots) -> Result<Loaded, ConfigErrors> {
        self.conclude(roots)
    }

    /// The same, and what set each value.
    pub(super) fn explain(mut self, roots: LookAtRoots) -> Result<(Loaded, Vec<Setting>), ConfigErrors> {
        let loaded = self.conclude(roots)?;
        // What was deserialized once is so again.
        let written = self.merged::<serde_json::Value>().unwrap_or_default();
        let settings = effective::settings(&written, &self.findings);
        Ok((loaded, settings))
    }

    fn conclude(&mut self, roots: LookAtRoots) -> Result<Loaded, ConfigErrors> {
        let config = self.merge();
        check::check_files(&config, roots, &mut self.findings);
        let warnings = self.findings.conclude()?;
        Ok(Loaded {
            config,
            warnings,
            sources: self.files.clone(),
        })
    }

    fn merged<T: DeserializeOwned>(&self) -> Result<T, config::ConfigError> {
        let mut builder = config::Config::builder();
        for layer in &self.layers {
            builder = builder.add_source(layer.clone());
        }
        builder.build()?.try_deserialize()
    }

    /// Merges the layers, with defaults for whatever is missing or wrong.
    pub(super) fn merge(&mut self) -> Config {
        let raw = self.merged::<RawConfig>().unwrap_or_else(|error| {
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
