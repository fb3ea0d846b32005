//! How long something takes: a span of milliseconds, or never.

use serde::{Deserialize, Serialize};

/// A span of milliseconds, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The shortest.
    pub min: u64,
    /// The longest.
    pub max: u64,
}

impl From<u64> for Range {
    fn from(ms: u64) -> Self {
        Self { min: ms, max: ms }
    }
}

/// One node's own delay: milliseconds, a span, or `"never"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Delay {
    /// Always this many milliseconds.
    Ms(u64),
    /// Drawn from a span.
    Range(Range),
    /// The change does not arrive until this is taken back.
    Never(Never),
}

/// The word `never`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Never {
    /// Not until told otherwise.
    #[serde(rename = "never")]
    Never,
}

impl Delay {
    /// The delay that does not end.
    pub const NEVER: Self = Self::Never(Never::Never);

    /// The span to draw from; nothing for a delay that does not end.
    #[must_use]
    pub fn range(self) -> Option<Range> {
        match self {
            Self::Ms(ms) => Some(ms.into()),
            Self::Range(range) => Some(range),
            Self::Never(_) => None,
        }
    }
}
