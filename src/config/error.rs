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
    /// What is wrong, and what to write instead.
    pub message: String,
    /// The line with a caret under the spot; `None` where there is no line to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
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
