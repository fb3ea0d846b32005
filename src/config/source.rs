//! The texts that a configuration comes from, spots in them, and which of them set which key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use super::error::{ConfigErrors, Location, Problem};

/// An excerpt shows no more of a line than this, so that a minified file stays readable.
const EXCERPT_WIDTH: usize = 160;

/// No more problems are shown than this: each costs a search through its text for its line, and
/// nobody reads a thousand.
const MOST_PROBLEMS: usize = 100;

/// A file or an environment variable.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// What it is.
    pub(super) kind: SourceKind,
    /// The path as given, or the variable's name.
    pub(super) name: String,
    /// Its TOML; `None` for a file that cannot be read.
    pub(super) text: Option<String>,
}

impl Source {
    /// A file has lines; a variable, or a file that cannot be read, is its name and no more.
    fn lines(&self) -> Option<&str> {
        let text = self.text.as_deref()?;
        (self.kind != SourceKind::Variable).then_some(text)
    }
}

/// What a value was set by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// The main file.
    File,
    /// A file of the drop-in folder.
    DropIn,
    /// An environment variable.
    Variable,
}

/// A range of bytes in one source.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Spot {
    source: usize,
    start: usize,
    end: usize,
}

impl Spot {
    pub(super) fn new(source: usize, range: Range<usize>) -> Self {
        Self {
            source,
            start: range.start,
            end: range.end,
        }
    }
}

/// The keys from the root of the document to a value; an element of an array has its index last.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(super) struct KeyPath(Vec<String>);

impl KeyPath {
    pub(super) fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| (*key).to_owned()).collect())
    }

    pub(super) fn join(&self, key: &str) -> Self {
        let mut keys = self.0.clone();
        keys.push(key.to_owned());
        Self(keys)
    }

    pub(super) fn item(&self, index: usize) -> Self {
        self.join(&index.to_string())
    }

    pub(super) fn append(&self, keys: &Self) -> Self {
        Self(self.0.iter().chain(&keys.0).cloned().collect())
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.iter()
    }

    pub(super) fn parent(&self) -> Option<Self> {
        let (_, rest) = self.0.split_last()?;
        Some(Self(rest.to_vec()))
    }

    fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for KeyPath {
    /// As TOML writes it: a key of other characters than those of bare keys in quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        for (index, key) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "." })?;
            match bare(key) {
                true => f.write_str(key)?,
                false => write!(f, "{key:?}")?,
            }
        }
        Ok(())
    }
}

/// Where everything came from and everything found out about it so far.
#[derive(Default, Debug)]
pub(super) struct Findings {
    sources: Vec<Source>,
    /// The spot of each key's value, in the layer that won.
    spots: BTreeMap<KeyPath, Spot>,
    /// Keys whose value was of no use. What depends on them is not called missing as well.
    unusable: BTreeSet<KeyPath>,
    /// Whether a whole source was of no use, so that anything may seem to be missing.
    incomplete: bool,
    problems: BTreeSet<(Spot, String)>,
    warnings: BTreeSet<(Spot, String)>,
}

impl Findings {
    pub(super) fn add_source(&mut self, source: Source) -> usize {
        self.sources.push(source);
        self.sources.len() - 1
    }

    /// Notes where a value was set; a later layer replaces an earlier one's spot.
    pub(super) fn set_value(&mut self, path: KeyPath, spot: Spot) {
        // An array is replaced as a whole: its old elements are gone too.
        let below = self.spots.range(path.clone()..).map(|(known, _)| known);
        let gone: Vec<KeyPath> = below.take_while(|known| known.starts_with(&path)).cloned().collect();
        for known in gone {
            self.spots.remove(&known);
        }
        self.unusable.remove(&path);
        self.spots.insert(path, spot);
    }

    /// Notes where an element of an array stands.
    pub(super) fn set_item(&mut self, path: KeyPath, spot: Spot) {
        self.spots.insert(path, spot);
    }

    /// Notes where a table begins: tables of all layers are one, and the first named it.
    pub(super) fn set_table(&mut self, path: KeyPath, spot: Spot) {
        self.spots.entry(path).or_insert(spot);
    }

    pub(super) fn set_unusable(&mut self, path: KeyPath) {
        self.unusable.insert(path);
    }

    pub(super) fn set_incomplete(&mut self) {
        self.incomplete = true;
    }

    /// Whether a source was so broken that checking the rest would only mislead.
    pub(super) fn is_incomplete(&self) -> bool {
        self.incomplete
    }

    /// Whether a value given at this path, or below it, had to be dropped, or may have been.
    pub(super) fn was_dropped(&self, path: &KeyPath) -> bool {
        let touches = |known: &KeyPath| known.starts_with(path) || path.starts_with(known);
        self.incomplete || self.unusable.iter().any(touches)
    }

    /// The spot of a key, or of the nearest table around it.
    fn spot(&self, path: &KeyPath) -> Spot {
        let mut path = Some(path.clone());
        while let Some(here) = path {
            if let Some(spot) = self.spots.get(&here) {
                return spot.clone();
            }
            path = here.parent();
        }
        Spot::new(0, 0..0)
    }

    pub(super) fn error(&mut self, path: &KeyPath, message: impl Into<String>) {
        let spot = self.spot(path);
        self.error_at(spot, message);
    }

    pub(super) fn error_at(&mut self, spot: Spot, message: impl Into<String>) {
        self.problems.insert((spot, printable(&message.into())));
    }

    pub(super) fn warn(&mut self, path: &KeyPath, message: impl Into<String>) {
        let spot = self.spot(path);
        self.warnings.insert((spot, printable(&message.into())));
    }

    /// Whether this very value was reported, so that what stands in for it proves nothing.
    pub(super) fn has_error(&self, path: &KeyPath) -> bool {
        let reported = self
            .spots
            .get(path)
            .is_some_and(|spot| self.problems.iter().any(|(reported, _)| reported == spot));
        reported || self.was_dropped(path)
    }

    /// Whether a value was given at this path.
    pub(super) fn is_set(&self, path: &KeyPath) -> bool {
        self.spots.contains_key(path)
    }

    /// What set the value at this path, and where; `None` if nothing did.
    pub(super) fn set_by(&self, path: &KeyPath) -> Option<(SourceKind, Location)> {
        let spot = self.spots.get(path)?;
        let source = self.sources.get(spot.source)?;
        Some((source.kind, self.place(spot)))
    }

    /// The warnings, or everything that is wrong.
    pub(super) fn conclude(&self) -> Result<Vec<String>, ConfigErrors> {
        if self.problems.is_empty() {
            let warnings = self.warnings.iter();
            return Ok(warnings
                .map(|(spot, message)| format!("{}: {message}", self.place(spot)))
                .collect());
        }
        let shown = self.problems.iter().take(MOST_PROBLEMS).map(|(spot, message)| Problem {
            excerpt: self.excerpt(spot),
            ..Problem::at(self.place(spot), message.clone())
        });
        let others = self.problems.len().saturating_sub(MOST_PROBLEMS);
        let rest = self.problems.iter().nth(MOST_PROBLEMS).map(|(spot, _)| {
            let message = format!("{others} more from here on; mend those above first");
            Problem::at(self.place(spot), message)
        });
        Err(ConfigErrors {
            problems: shown.chain(rest).collect(),
        })
    }

    fn place(&self, spot: &Spot) -> Location {
        let Some(source) = self.sources.get(spot.source) else {
            return Location::default();
        };
        let position = source.lines().map(|text| Position::find(text, spot.start));
        let name = Some(source.name.clone());
        let is_variable = source.kind == SourceKind::Variable;
        Location {
            variable: name.clone().filter(|_| is_variable),
            file: name.filter(|_| !is_variable),
            line: position.as_ref().map(|position| position.line),
            column: position.map(|position| position.column),
        }
    }

    /// The spot's line with carets under the spot. Control characters do not reach the terminal.
    fn excerpt(&self, spot: &Spot) -> Option<String> {
        let text = self.sources.get(spot.source).and_then(Source::lines)?;
        let position = Position::find(text, spot.start);
        let chars: Vec<char> = position
            .text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let before = position.column - 1;
        let skipped = before.saturating_sub(EXCERPT_WIDTH / 2);
        let shown: String = chars.iter().skip(skipped).take(EXCERPT_WIDTH).collect();
        let marked = text
            .get(spot.start..spot.end)
            .map_or(1, |marked| marked.chars().count());
        let room = shown.chars().count().saturating_sub(before - skipped);
        let number = position.line.to_string();
        Some(format!(
            "{number} | {}\n{:width$} | {:indent$}{}",
            shown.trim_end(),
            "",
            "",
            "^".repeat(marked.clamp(1, room.max(1))),
            width = number.len(),
            indent = before - skipped,
        ))
    }
}

/// A message may quote a value; what a terminal would obey is written out.
fn printable(message: &str) -> String {
    let shown = |c: char| {
        if c.is_control() {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    message.chars().map(shown).collect()
}

/// A line and column, both from one, and the line itself. Columns count characters.
struct Position<'a> {
    line: usize,
    column: usize,
    text: &'a str,
}

impl<'a> Position<'a> {
    fn find(text: &'a str, offset: usize) -> Self {
        let mut start = 0;
        let mut line = 1;
        for (index, byte) in text.bytes().enumerate().take(offset) {
            if byte == b'\n' {
                start = index + 1;
                line += 1;
            }
        }
        let rest = text.get(start..).unwrap_or("");
        let text = rest.lines().next().unwrap_or("");
        let column = 1 + text.char_indices().take_while(|(at, _)| start + at < offset).count();
        Self { line, column, text }
    }
}
