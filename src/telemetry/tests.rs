//! What a log holds and what it never does.

use std::io::Write;
use std::sync::{Arc, Mutex};

use super::*;
use std::time::Duration;

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
    let (subscriber, _) = subscriber(options, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, log);
    let bytes = buffer.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn said(directives: &str) -> Said {
    Said {
        level: directives.parse().unwrap(),
        by: LevelSource::CommandLine,
    }
}

fn level(directives: &str) -> LogOptions {
    LogOptions {
        level: Some(said(directives)),
        ..LogOptions::default()
    }
}

#[test]
fn libraries_stop_at_debug_whatever_is_asked_for() {
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
fn logging_of_bodies_is_refused_whatever_its_value() {
    let with = |name: &str, value: &str| refuse_environment([(name.into(), value.into())]);
    for value in ["true", "false", ""] {
        assert!(with("LOG_SENSITIVE_BODIES", value).unwrap_err().contains("unset it"));
    }
    assert!(with("PATH", "/bin").is_ok());
}

/// A log that a test can read, and what changes its level.
fn log_of(options: &LogOptions, log: impl FnOnce(Arc<LogControl>)) -> String {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let (subscriber, control) = subscriber(options, move || writer.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, || log(Arc::new(control)));
    let bytes = buffer.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_line_has_what_its_spans_say_beside_its_own_fields_each_name_once() {
    let text = logged(&LogOptions::default(), || {
        let outer = tracing::error_span!("secret", secret = "ec/user1", policy = "orders", step = "observe");
        let _outer = outer.enter();
        let inner = tracing::error_span!("rotation", version = "v1", generation = 0, step = "setSecret");
        let _inner = inner.enter();
        let library = tracing::error_span!(target: "hyper::proto", "exchange", version = "HTTP/1.1", host = "h");
        let _library = library.enter();
        tracing::info!(
            event = "promoted",
            secret = "its own",
            nodes = 3,
            ok = true,
            "AWSCURRENT \"moved\"\n"
        );
    });
    assert_eq!(text.matches("\"secret\"").count(), 1, "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    let line = &lines(&text)[0];
    let names: Vec<&String> = line.as_object().unwrap().keys().collect();
    let wanted = [
        "timestamp",
        "level",
        "target",
        "event",
        "message",
        "secret",
        "policy",
        "version",
        "generation",
        "step",
        "nodes",
        "ok",
        "host",
    ];
    assert_eq!(names, wanted);
    let wanted = serde_json::json!({
        "timestamp": line["timestamp"], "level": "INFO", "target": "rekeyd::telemetry::tests", "event": "promoted",
        "message": "AWSCURRENT \"moved\"\n", "secret": "its own", "policy": "orders", "version": "v1", "generation": 0,
        "step": "setSecret", "nodes": 3, "ok": true, "host": "h",
    });
    assert_eq!(*line, wanted);
    let time = line["timestamp"].as_str().unwrap();
    assert!(
        chrono::DateTime::parse_from_rfc3339(time).is_ok() && time.ends_with('Z'),
        "{time}"
    );
}

#[test]
fn whoever_asks_for_one_secret_or_for_rotations_alone_gets_these() {
    let tell = || {
        for name in ["ec/user1", "ec/user2"] {
            let secret = tracing::error_span!("secret", secret = name);
            let _secret = secret.enter();
            tracing::debug!(name, "plain");
            let rotation = tracing::error_span!("rotation", version = "v1");
            let _rotation = rotation.enter();
            tracing::debug!(name, "rotating");
        }
    };
    let seen = |directives: &str| -> Vec<String> {
        let lines = lines(&logged(&level(directives), tell));
        let told = |line: &serde_json::Value| format!("{} {}", line["name"], line["message"]).replace('"', "");
        lines.iter().map(told).collect()
    };
    assert_eq!(
        seen("info,[rotation]=debug"),
        ["ec/user1 rotating", "ec/user2 rotating"]
    );
    let one = seen("info,[secret{secret=\"ec/user1\"}]=debug");
    assert_eq!(one, ["ec/user1 plain", "ec/user1 rotating"]);
}

#[test]
fn spans_tell_of_their_secret_at_any_level() {
    let text = logged(&level("rekeyd::engine::log=warn"), || {
        let span = tracing::error_span!(target: "rekeyd::engine::spans", "secret", secret = "ec/user1");
        let _entered = span.enter();
        tracing::warn!(target: "rekeyd::engine::log", "halted");
    });
    assert_eq!(lines(&text)[0]["secret"], "ec/user1");
}

#[test]
fn in_the_journal_each_line_has_its_priority_and_elsewhere_none() {
    let tell = || {
        tracing::error!("a");
        tracing::warn!("b");
        tracing::info!("c");
        tracing::debug!("d");
        tracing::trace!("e");
    };
    for format in [LogFormat::Json, LogFormat::Text] {
        let options = LogOptions {
            format,
            journal: true,
            ..level("trace")
        };
        let text = logged(&options, tell);
        let priorities: Vec<&str> = text.lines().map(|line| &line[..3]).collect();
        assert_eq!(priorities, ["<3>", "<4>", "<6>", "<7>", "<7>"], "{text}");
        let options = LogOptions {
            journal: false,
            ..options
        };
        assert!(!logged(&options, tell).contains('<'));
    }
}

#[test]
fn what_was_typed_holds_before_what_is_configured_and_that_before_what_is_usual() {
    let debug = || tracing::debug!(event = "x", "seen at debug");
    let text = log_of(&LogOptions::default(), |control| {
        assert_eq!(control.in_force().said.by, LevelSource::Default);
        debug();
        assert_eq!(control.configure(Some("debug".parse().unwrap())), None);
        assert_eq!(control.in_force().said.by, LevelSource::Configuration);
        debug();
        assert_eq!(control.configure(None), None);
        debug();
    });
    let told: Vec<String> = lines(&text).iter().map(|line| line["event"].to_string()).collect();
    assert_eq!(told, ["\"log_level_changed\"", "\"x\"", "\"log_level_changed\""]);
    let text = log_of(&level("warn"), |control| {
        let told = control.configure(Some("debug".parse().unwrap())).unwrap();
        let wanted = "daemon.log_level \"debug\" is not in force: --log-level says \"warn\"";
        assert_eq!(told, wanted);
        assert_eq!(
            control.configure(Some("warn".parse().unwrap())),
            None,
            "the same is no news"
        );
        debug();
    });
    assert_eq!(text, "");
}

#[test]
fn a_level_that_is_asked_for_ends_by_itself_or_when_it_is_told_to_and_libraries_stay_capped() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let text = log_of(&level("error"), |control| {
        runtime.block_on(async {
            let ask = |level: &str, seconds| control.ask_for(level.parse().unwrap(), Duration::from_secs(seconds));
            assert_eq!(ask("trace", 600).ends_in, Some(Duration::from_secs(600)));
            tracing::trace!("first");
            tracing::trace!(target: "hyper::proto", "hunter-first");
            tokio::time::sleep(Duration::from_secs(400)).await;
            // Another, longer one: the end of the first is not its end. A reload is not either.
            assert_eq!(
                ask("trace,hyper=trace,[exchange]=trace", 600).said.by,
                LevelSource::Command
            );
            control.configure(Some("warn".parse().unwrap()));
            tokio::time::sleep(Duration::from_secs(500)).await;
            tracing::trace!("second");
            let span = tracing::error_span!(target: "hyper", "exchange");
            span.in_scope(|| tracing::trace!(target: "hyper::proto", "hunter-second"));
            tokio::time::sleep(Duration::from_secs(101)).await;
            tracing::info!("over");
            assert_eq!(control.in_force().said, said("error"));
            ask("info", 600);
            assert_eq!(control.end_asked().said, said("error"));
            tracing::info!("told to end");
        });
    });
    let told: Vec<String> = lines(&text).iter().map(|line| line["message"].to_string()).collect();
    let changed = "\"another log level is in force\"";
    assert_eq!(
        told,
        [changed, "\"first\"", changed, "\"second\"", changed, changed, changed]
    );
}
