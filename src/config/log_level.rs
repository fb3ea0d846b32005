//! What a log is to hold: a level, or directives.

use std::fmt;
use std::str::FromStr;

use tracing_subscriber::filter::{EnvFilter, LevelFilter};

/// More than anybody types; what is beyond was generated, or is an attack on a machine's log.
const LONGEST: usize = 1_000;

/// A level such as `info`, or directives such as `info,rekeyd=debug`, in the form of `RUST_LOG`. One that makes no sense
/// cannot be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLevel(String);

/// A level that makes no sense.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the log level {directives:?} makes no sense: {cause}; write off, error, warn, info, debug or trace, or directives such as `info,rekeyd=debug`"
)]
pub struct LogLevelError {
    /// What was written.
    pub directives: String,
    /// What is wrong with it.
    pub cause: String,
}

impl Default for LogLevel {
    /// `info`.
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl LogLevel {
    /// As it was written, without spaces between directives.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LogLevel {
    type Err = LogLevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let senseless = |cause: String| LogLevelError {
            directives: text.chars().take(LONGEST).collect(),
            cause,
        };
        if text.len() > LONGEST {
            return Err(senseless(format!("it is longer than {LONGEST} bytes")));
        }
        // What parses them takes no space.
        let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        if words.is_empty() {
            return Err(senseless("it is empty".to_owned()));
        }
        let directives = words.join(",");
        EnvFilter::builder()
            .with_regex(false)
            .parse(&directives)
            .map_err(|error| senseless(error.to_string()))?;
        // A word alone would be taken for the name of a part that logs everything, and silence all others.
        let mut words = words.into_iter();
        match words.find(|word| !word.contains(['=', '[']) && word.parse::<LevelFilter>().is_err()) {
            Some(word) => Err(senseless(format!("{word:?} is no level"))),
            None => Ok(Self(directives)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_directives_are_taken_as_they_are_written() {
        for text in [
            "info",
            "TRACE",
            "off",
            "info,rekeyd=debug",
            "warn,rekeyd::engine=info",
            "info,[rotation]=debug",
            "info,[secret{secret=production/ec/user1}]=debug",
        ] {
            assert_eq!(text.parse::<LogLevel>().unwrap().as_str(), text);
        }
        let spaced = " warn , rekeyd::engine=info,".parse::<LogLevel>().unwrap();
        assert_eq!(spaced.as_str(), "warn,rekeyd::engine=info");
    }

    #[test]
    fn a_level_that_would_silence_the_log_by_a_slip_of_the_hand_is_refused() {
        let long = "info,".repeat(300);
        for (text, cause) in [
            ("inof", "\"inof\" is no level"),
            ("info,rekeyd", "\"rekeyd\" is no level"),
            ("rekeyd=loud", "expected one of"),
            ("", "empty"),
            (" , ", "empty"),
            (&long, "longer"),
        ] {
            let error = text.parse::<LogLevel>().unwrap_err().to_string();
            assert!(error.contains(cause), "{text}: {error}");
        }
    }
}
