//! The log: where it goes, in which form, and what never gets into it.

mod control;
mod journal;
mod line;

use std::ffi::OsString;
use std::sync::Arc;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{Directive, EnvFilter, FilterFn, ParseError};
use tracing_subscriber::fmt::format::{Format, JsonFields};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;

use crate::audit;
use crate::config::{LogLevel, LogLevelError};
pub use control::{InForce, LevelSource, LogControl, Said};
use line::{JsonLine, Prioritised};

/// The form of the log.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, clap::ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// What the log should be like.
#[derive(Clone, Default, Debug)]
pub struct LogOptions {
    /// Its form.
    pub format: LogFormat,
    /// What it holds, and who says so, if anybody does.
    pub level: Option<Said>,
    /// What it holds if nobody says anything; `info` if not given.
    pub usual: Option<LogLevel>,
    /// Whether it goes to a terminal.
    pub terminal: bool,
    /// Whether it may be coloured.
    pub colour: bool,
    /// Whether the audit log is left out, since whoever watches is told in other words what is changed.
    pub without_audit: bool,
    /// Whether the journal reads it: then each line has its priority before it.
    pub journal: bool,
}

/// A log that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level makes no sense.
    #[error(transparent)]
    Level(#[from] LogLevelError),
    /// There is a log already.
    #[error("the log was set up twice")]
    Twice,
}

/// What holds before all that is asked for, but for what names the same part: the scheduler's remarks about its own parts
/// are no operator's business.
const QUIET: &str = "tokio_cron_scheduler=warn";

/// What holds after all that is asked for. Spans tell which secret a line is about, at any level; and whoever asks for less
/// than all of the log does not mean the line which says so.
const ALWAYS: [&str; 2] = ["rekeyd::engine::spans=error", "rekeyd::telemetry::control=info"];

/// The variable that makes the AWS SDK log the bodies of requests and replies: passwords.
const LOG_BODIES: &str = "LOG_SENSITIVE_BODIES";

/// Sends the log to standard error, and panics to the log, without what they say.
///
/// # Errors
/// [`TelemetryError`] when the level makes no sense.
pub fn init(options: &LogOptions) -> Result<Arc<LogControl>, TelemetryError> {
    let (subscriber, control) = subscriber(options, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice)?;
    std::panic::set_hook(Box::new(|panic| {
        // The payload is text that somebody formatted, perhaps from a value that holds a password.
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            event = "panicked",
            location,
            "a panic: a defect of rekeyd; its message is withheld, it may hold a secret"
        );
    }));
    Ok(Arc::new(control))
}

/// The log, written to `writer`, and what changes its level.
///
/// # Errors
/// [`TelemetryError`] when the level makes no sense.
pub fn subscriber<W>(
    options: &LogOptions,
    writer: W,
) -> Result<(Box<dyn Subscriber + Send + Sync>, LogControl), TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let usual = options.usual.clone().unwrap_or_default();
    let without_audit = options.without_audit;
    let level = options.level.as_ref().map_or(&usual, |said| &said.level);
    let (level, handle) = reload::Layer::new(filter(level, without_audit)?);
    let base = Registry::default().with(FilterFn::new(allowed)).with(level);
    let apply = move |level: &LogLevel| {
        // Both fail for no level that was checked, and only where there is no log any more.
        if let Ok(filter) = filter(level, without_audit) {
            handle.reload(filter).unwrap_or_default();
        }
    };
    let control = LogControl::new(usual, options.level.clone(), Box::new(apply));
    let layer = fmt::layer()
        .with_writer(writer)
        .with_ansi(options.terminal && options.colour);
    let json = match options.format {
        LogFormat::Auto => !options.terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    let journal = options.journal;
    let subscriber: Box<dyn Subscriber + Send + Sync> = match json {
        true => {
            let line = Prioritised {
                line: JsonLine,
                journal,
            };
            let layer = layer.with_ansi(false).fmt_fields(JsonFields::new());
            Box::new(base.with(layer.event_format(line)))
        }
        false => {
            let line = Format::default();
            Box::new(base.with(layer.event_format(Prioritised { line, journal })))
        }
    };
    Ok((subscriber, control))
}

/// What a level lets through, [`allowed`] apart.
fn filter(level: &LogLevel, without_audit: bool) -> Result<EnvFilter, LogLevelError> {
    let senseless = |error: ParseError| LogLevelError {
        directives: level.to_string(),
        cause: error.to_string(),
    };
    // No regular expressions: what is compared is as long as whoever asks likes it.
    let parser = EnvFilter::builder().with_regex(false);
    let filter = parser.parse(format!("{QUIET},{level}")).map_err(senseless)?;
    // Whoever asks for less than all of the log does not mean the audit log.
    let of_audit = if without_audit { "off" } else { "info" };
    let audit = format!("{}={of_audit}", audit::TARGET);
    let mut filter = filter.add_directive(audit.parse().map_err(senseless)?);
    for always in ALWAYS {
        let always: Directive = always.parse().map_err(senseless)?;
        filter = filter.add_directive(always);
    }
    Ok(filter)
}

/// Libraries stop at DEBUG, whatever anybody asks for: at TRACE those that see the wire print what goes over it, and a new
/// one may be among them.
fn allowed(metadata: &Metadata<'_>) -> bool {
    let origin = metadata.target().split("::").next().unwrap_or_default();
    *metadata.level() <= Level::DEBUG || origin == env!("CARGO_PKG_NAME")
}

/// Whether the journal reads standard error, and takes a priority from the beginning of each line.
pub fn journal_reads_standard_error() -> bool {
    journal::reads_standard_error()
}

/// Text for standard error that tells of a failure: where the journal reads it, with that priority.
pub fn failure(text: &str) -> String {
    journal::as_error(text, journal::reads_standard_error())
}

/// Refuses to start in an environment that would put passwords into the log.
///
/// # Errors
/// The reason, and what to do.
pub fn refuse_environment(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<(), String> {
    match variables.into_iter().any(|(name, _)| name == LOG_BODIES) {
        false => Ok(()),
        true => Err(format!(
            "{LOG_BODIES} is set: with it the AWS SDK can write passwords into the log, whatever its value; unset it"
        )),
    }
}

#[cfg(test)]
mod tests;
