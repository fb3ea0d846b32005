//! The log: where it goes, in which form, and what never gets into it.

use std::ffi::OsString;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterFn, ParseError};
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

use crate::audit;

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
    /// What it holds: a level, or directives like those of `RUST_LOG`; `info` if not given.
    pub level: Option<String>,
    /// Whether it goes to a terminal.
    pub terminal: bool,
    /// Whether it may be coloured.
    pub colour: bool,
    /// Whether the audit log is left out, since whoever watches is told in other words what is changed.
    pub without_audit: bool,
}

/// A log that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The directives make no sense.
    #[error("the log level {directives:?} makes no sense: {cause}; try `debug`, or `info,rekeyd=debug`")]
    Level {
        /// The directives.
        directives: String,
        /// What is wrong with them.
        cause: String,
    },
    /// There is a log already.
    #[error("the log was set up twice")]
    Twice,
}

/// At TRACE these print what goes over the wire, or may come to: whatever anybody asks for, they
/// stop at DEBUG.
const CAPPED_PREFIXES: [&str; 3] = ["aws_", "hyper", "tower"];
/// The same, by full name.
const CAPPED: [&str; 4] = ["h2", "rustls", "redis", "tokio_rustls"];

/// What is logged unless told otherwise. The scheduler's remarks about its own parts are no
/// operator's business.
const USUAL_LEVEL: &str = "info,tokio_cron_scheduler=warn";

/// The variable that makes the AWS SDK log the bodies of requests and replies: passwords.
const LOG_BODIES: &str = "LOG_SENSITIVE_BODIES";

/// Sends the log to standard error, and panics to the log, without what they say.
///
/// # Errors
/// [`TelemetryError`] when the level makes no sense.
pub fn init(options: &LogOptions) -> Result<(), TelemetryError> {
    let subscriber = subscriber(options, std::io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| TelemetryError::Twice)?;
    std::panic::set_hook(Box::new(|panic| {
        // The payload is text that somebody formatted, perhaps from a value that holds a password.
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(
            location,
            "a panic: a defect of rekeyd; its message is withheld, it may hold a secret"
        );
    }));
    Ok(())
}

/// The log, written to `writer`.
///
/// # Errors
/// [`TelemetryError`] when the level makes no sense.
pub fn subscriber<W>(options: &LogOptions, writer: W) -> Result<Box<dyn Subscriber + Send + Sync>, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let directives = options.level.as_deref().unwrap_or(USUAL_LEVEL);
    let senseless = |error: ParseError| TelemetryError::Level {
        directives: directives.to_owned(),
        cause: error.to_string(),
    };
    let level = EnvFilter::builder().parse(directives).map_err(senseless)?;
    // Whoever asks for less than all of the log does not mean the audit log.
    let of_audit = if options.without_audit { "off" } else { "info" };
    let audit = format!("{}={of_audit}", audit::TARGET).parse().map_err(senseless)?;
    let level = level.add_directive(audit);
    let base = Registry::default().with(FilterFn::new(allowed)).with(level);
    let layer = fmt::layer()
        .with_writer(writer)
        .with_ansi(options.terminal && options.colour);
    let json = match options.format {
        LogFormat::Auto => !options.terminal,
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    Ok(match json {
        true => Box::new(base.with(layer.json().flatten_event(true).with_ansi(false))),
        false => Box::new(base.with(layer)),
    })
}

fn allowed(metadata: &Metadata<'_>) -> bool {
    let origin = metadata.target().split("::").next().unwrap_or_default();
    let capped = CAPPED.contains(&origin) || CAPPED_PREFIXES.iter().any(|prefix| origin.starts_with(prefix));
    !capped || *metadata.level() <= Level::DEBUG
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
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

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

    fn logged(options: &LogOptions, log: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = subscriber(options, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn level(directives: &str) -> LogOptions {
        LogOptions {
            level: Some(directives.to_owned()),
            ..LogOptions::default()
        }
    }

    #[test]
    fn libraries_that_see_the_wire_stop_at_debug_whatever_is_asked_for() {
        let options =
            level("trace,aws_smithy_runtime=trace,hyper=trace,h2=trace,rustls=trace,redis=trace,[exchange]=trace");
        let text = logged(&options, || {
            tracing::trace!(target: "aws_smithy_runtime::client", "hunter-aws");
            tracing::trace!(target: "hyper::proto", "hunter-hyper");
            tracing::trace!(target: "hyper_util::client", "hunter-util");
            tracing::trace!(target: "h2::frame", "hunter-h2");
            tracing::trace!(target: "rustls", "hunter-rustls");
            tracing::trace!(target: "tokio_rustls::x", "hunter-tokio-rustls");
            tracing::trace!(target: "redis::parser", "hunter-redis");
            tracing::trace!(target: "tower_http", "hunter-tower");
            let span = tracing::error_span!(target: "hyper", "exchange");
            let _entered = span.enter();
            tracing::trace!(target: "hyper::proto", "hunter-in-span");
            tracing::debug!(target: "hyper::proto", "seen-at-debug");
            tracing::trace!(target: "rekeyd::engine", "seen-at-trace");
        });
        assert!(!text.contains("hunter"), "{text}");
        assert!(
            text.contains("seen-at-debug") && text.contains("seen-at-trace"),
            "{text}"
        );
    }

    #[test]
    fn away_from_a_terminal_each_line_is_json_at_info() {
        let text = logged(&LogOptions::default(), || {
            tracing::info!(secret = "a", "promoted");
            tracing::debug!("hidden");
            tracing::info!(target: "tokio_cron_scheduler::job_scheduler", "Uninited");
        });
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["message"], &line["secret"]), (&"promoted".into(), &"a".into()));
    }

    #[test]
    fn on_a_terminal_lines_are_text_with_colour_only_if_allowed() {
        let mut options = LogOptions {
            terminal: true,
            colour: true,
            ..LogOptions::default()
        };
        assert!(logged(&options, || tracing::info!("hello")).contains("\u{1b}["));
        options.colour = false;
        let plain = logged(&options, || tracing::info!("hello"));
        assert!(
            plain.contains("INFO") && !plain.contains('\u{1b}') && !plain.contains('{'),
            "{plain}"
        );
    }

    #[test]
    fn the_audit_log_is_there_at_any_level_unless_it_is_told_otherwise() {
        let tell = || {
            tracing::info!(target: audit::TARGET, "audit");
            tracing::info!("other");
        };
        let mut options = level("error");
        let text = logged(&options, tell);
        assert!(text.contains("audit") && !text.contains("other"), "{text}");
        options.without_audit = true;
        assert_eq!(logged(&options, tell), "");
    }

    #[test]
    fn a_level_that_makes_no_sense_is_refused() {
        let error = subscriber(&level("rekeyd=loud"), std::io::sink).err().unwrap();
        assert!(error.to_string().contains("rekeyd=loud"), "{error}");
    }

    #[test]
    fn logging_of_bodies_is_refused_whatever_its_value() {
        let with = |name: &str, value: &str| refuse_environment([(name.into(), value.into())]);
        for value in ["true", "false", ""] {
            assert!(with("LOG_SENSITIVE_BODIES", value).unwrap_err().contains("unset it"));
        }
        assert!(with("PATH", "/bin").is_ok());
    }
}
