//! What is wrong with a configuration, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Everything that is wrong with a configuration, in the order of the sources.
///
/// `Display` shows each problem as `path:line:column: message`, with the line and a caret under
/// the spot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigErrors {
    pub(super) problems: Vec<Problem>,
}

impl ConfigErrors {
    /// These; at least one.
    pub fn of(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// The problems, in the order of the sources; at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// `path:line:column`, a path, or the name of an environment variable.
    pub place: String,
    /// The same in parts.
    #[serde(flatten)]
    pub location: Location,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// The line with a caret under the spot; `None` where there is no line to show.
    #[serde(default)]
    pub excerpt: Option<String>,
}

impl Problem {
    /// A problem without an excerpt.
    pub fn at(location: Location, message: String) -> Self {
        Self {
            place: location.to_string(),
            location,
            message,
            excerpt: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        match &self.excerpt {
            Some(excerpt) => write!(f, "\n{excerpt}"),
            None => Ok(()),
        }
    }
}

/// Where something stands in a configuration.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Location {
    /// The file, as its path was given.
    pub file: Option<String>,
    /// The line, from one.
    pub line: Option<usize>,
    /// The column, from one, in characters.
    pub column: Option<usize>,
    /// The environment variable, if it is no file.
    pub variable: Option<String>,
}

impl fmt::Display for Location {
    /// `path:line:column`, a path, or the name of an environment variable.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.variable.as_ref().or(self.file.as_ref());
        f.write_str(name.map_or("configuration", String::as_str))?;
        for number in self.line.iter().chain(&self.column) {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}
