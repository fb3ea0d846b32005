//! The command line against real sockets with a fake engine behind them.

use std::path::Path;
use std::sync::{Arc, Mutex};

use clap::Parser;
use serde_json::Value;

use super::*;
use crate::clock::SystemClock;
use crate::rotation::observation::Proof;
use crate::rotation::reason::UnprovenReason;
use crate::rotation::status::{Phase, SecretStatus};
use crate::server::http::HttpServer;
use crate::server::testing::{FakeControl, Running, admin, arn, at, status, surface, until};
use crate::telemetry::LogControl;

/// A session, and what its watcher was told.
fn session(terminal: bool) -> (Session, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&told);
    let session = Session {
        clock: Arc::new(SystemClock::new()),
        terminal,
        colour: false,
        width: terminal.then_some(80),
        redraws: false,
        progress: Some(Box::new(move |line| listener.lock().unwrap().push(line.to_owned()))),
        log: Arc::new(LogControl::of_no_log()),
    };
    (session, told)
}

fn parse(line: &str) -> Cli {
    Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"))
}

async fn execute_at(socket: &Path, line: &str, session: &Session) -> Result<Reply, CliError> {
    let line = format!("{line} --socket {}", socket.display());
    execute(parse(&line), session).await
}

async fn reply(socket: &Path, line: &str) -> Reply {
    execute_at(socket, line, &session(false).0).await.unwrap()
}

fn promote(secret: &mut SecretStatus, proof: Option<Proof>) {
    secret.current_version = Some("v2".to_owned());
    secret.proof = proof;
    secret.phase = Phase::Overlap;
    secret.last_rotation_at = Some(at(0));
    secret.previous_password_valid = Some(true);
}

#[tokio::test]
async fn status_is_a_table_and_a_single_secret_is_told_in_lines() {
    let mut halted = status("b");
    halted.phase = Phase::Halted;
    halted.reason = Some("foreign_pending".to_owned());
    halted.detail = Some("version \u{1b}[31m9f".to_owned());
    halted.proof = Some(Proof::Unproven(UnprovenReason::UserOff));
    let control = FakeControl::new(vec![status("production/a"), halted]);
    let (_folder, socket, _running) = admin(&control).await;

    let table = reply(&socket, "rekeyd status").await.stdout;
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(
        lines[0],
        "1 of 2 secrets needs a person: 1 halted, 1 proven, 1 unproven"
    );
    assert!(lines[1].starts_with("SECRET        POLICY  PHASE   PROOF"), "{table}");
    assert!(
        lines[2].contains("unproven (user_off)") && lines[2].contains("foreign_pending: version"),
        "what needs a person comes first: {table}"
    );
    assert!(lines[3].starts_with("production/a  orders  idle    proven"), "{table}");
    assert!(!table.contains('\u{1b}'), "nobody steers the terminal");

    let view = reply(&socket, "rekeyd status production/a").await.stdout;
    for part in [
        "current version   v1",
        "proven on 3 nodes",
        "last rotation     2027-01-15",
        "user              user1",
    ] {
        assert!(view.contains(part), "no {part:?} in\n{view}");
    }
}

#[tokio::test]
async fn status_in_json_is_what_the_daemon_said() {
    let control = FakeControl::new(vec![status("a")]);
    let (_folder, socket, _running) = admin(&control).await;
    let json: Value = serde_json::from_str(&reply(&socket, "rekeyd status --json").await.stdout).unwrap();
    assert_eq!(json["secrets"][0]["secret"], "a");
    let colourful = Session {
        colour: true,
        ..session(true).0
    };
    let table = execute_at(&socket, "rekeyd status", &colourful).await.unwrap().stdout;
    assert!(table.contains("\u{1b}[32mproven"), "{table:?}");
}

#[tokio::test]
async fn history_is_newest_first() {
    let control = FakeControl::new(vec![status("a")]);
    let (_folder, socket, _running) = admin(&control).await;
    let table = reply(&socket, "rekeyd history a --limit 2 --events").await.stdout;
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(
        table
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("2027-01-15 08:04:59Z  a       resumed"),
        "{table}"
    );
    let json: Value = serde_json::from_str(&reply(&socket, "rekeyd history --json").await.stdout).unwrap();
    assert_eq!(json["events"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn commands_reach_the_engine_and_are_quiet_in_pipes() {
    let control = FakeControl::new(vec![status("a"), status("b")]);
    let (_folder, socket, _running) = admin(&control).await;
    for line in [
        "rekeyd rotate a --revoke-previous --no-wait --now",
        "rekeyd pause --policy orders --for 1h30m --reason sale",
        "rekeyd resume --all",
    ] {
        assert_eq!(reply(&socket, line).await, Reply::new(Exit::Done, String::new()));
    }
    let asked = control.know().asked.join("\n");
    for part in [
        "now: true, revoke_previous: true",
        "Some(5400s) Some(\"sale\")",
        "resume Selector",
    ] {
        assert!(asked.contains(part), "{asked}");
    }
    let shown = execute_at(&socket, "rekeyd rotate --all", &session(true).0)
        .await
        .unwrap();
    assert_eq!(shown.stdout, "a will be rotated\nb will be rotated\n");
    let json: Value = serde_json::from_str(&reply(&socket, "rekeyd pause a --json").await.stdout).unwrap();
    assert_eq!(json["accepted"][0]["arn"], arn("a"));
}

#[tokio::test]
async fn a_command_that_is_refused_says_why_and_exits_13() {
    let control = FakeControl::new(vec![status("a")]);
    let (_folder, socket, _running) = admin(&control).await;
    let error = execute_at(&socket, "rekeyd rotate none", &session(false).0)
        .await
        .unwrap_err();
    assert_eq!(error.exit(), Exit::Refused);
    assert!(
        error.to_string().contains("no secret of this configuration fits none"),
        "{error}"
    );
    control.know().store_fails = true;
    let error = execute_at(&socket, "rekeyd rotate a", &session(false).0)
        .await
        .unwrap_err();
    assert_eq!(error.exit(), Exit::Failed);
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_named_and_exits_12() {
    let folder = tempfile::TempDir::new().unwrap();
    let socket = folder.path().join("admin.sock");
    let error = execute_at(&socket, "rekeyd status", &session(false).0)
        .await
        .unwrap_err();
    assert_eq!(error.exit(), Exit::Unreachable);
    let words = error.to_string();
    assert!(
        words.contains(&*socket.to_string_lossy()) && words.contains("rekeyd run"),
        "{words}"
    );
}

#[tokio::test]
async fn waiting_ends_when_the_new_password_is_current_and_its_proof_is_known() {
    let control = FakeControl::new(vec![status("a")]);
    let (_folder, socket, _running) = admin(&control).await;
    control.script(|look, secrets| match look {
        1 => secrets[0].phase = Phase::Rotating,
        2 => promote(&mut secrets[0], None),
        _ => promote(&mut secrets[0], Some(Proof::Proven)),
    });
    let (session, told) = session(false);
    let reply = execute_at(&socket, "rekeyd rotate a --wait", &session).await.unwrap();
    assert_eq!(reply.exit, Exit::Done);
    assert!(reply.stdout.contains("a       done    proven  v2"), "{}", reply.stdout);
    let told = told.lock().unwrap().clone();
    assert_eq!(
        told,
        [
            "a: waiting: rotating",
            "a: waiting: overlap",
            "a: done: rotated; the previous password logs in until the next rotation"
        ]
    );
}

#[tokio::test]
async fn revoking_ends_only_when_the_previous_password_is_gone() {
    let control = FakeControl::new(vec![status("a")]);
    let (_folder, socket, _running) = admin(&control).await;
    control.script(|look, secrets| {
        promote(&mut secrets[0], Some(Proof::Proven));
        secrets[0].previous_password_valid = Some(look < 3);
    });
    let reply = reply(&socket, "rekeyd rotate a --wait --revoke-previous --json").await;
    assert_eq!(reply.exit, Exit::Done);
    assert_eq!(control.know().secrets[0].previous_password_valid, Some(false));
}

#[tokio::test]
async fn a_halt_ends_the_wait_for_its_secret_and_the_rest_goes_on() {
    let control = FakeControl::new(vec![status("a"), status("b")]);
    let (_folder, socket, _running) = admin(&control).await;
    control.script(|look, secrets| {
        secrets[0].phase = Phase::Halted;
        secrets[0].reason = Some("unknown_password".to_owned());
        if look > 6 {
            promote(&mut secrets[1], Some(Proof::Proven));
        }
    });
    let reply = reply(&socket, "rekeyd rotate a b --wait --json").await;
    assert_eq!(reply.exit, Exit::Partly);
    let json: Value = serde_json::from_str(&reply.stdout).unwrap();
    assert_eq!(json["secrets"][0]["result"], "failed");
    assert_eq!(json["secrets"][0]["reason"], "unknown_password");
    assert!(
        json["secrets"][0]["detail"].as_str().unwrap().contains("rekeyd resume"),
        "{json}"
    );
    assert_eq!(
        (&json["secrets"][1]["result"], &json["secrets"][1]["proof"]["level"]),
        (&"done".into(), &"proven".into())
    );
}

#[tokio::test]
async fn a_rotation_that_waits_for_an_overlap_says_what_ends_it() {
    let control = FakeControl::new(vec![status("a")]);
    let (_folder, socket, _running) = admin(&control).await;
    control.script(|_, secrets| {
        secrets[0].phase = Phase::Overlap;
        secrets[0].requested = true;
        secrets[0].overlap_until = Some(at(600));
    });
    let reply = reply(&socket, "rekeyd rotate a --wait --timeout 1s").await;
    assert_eq!(reply.exit, Exit::Failed);
    assert!(
        reply.stdout.contains("2027-01-15 08:10Z") && reply.stdout.contains("--revoke-previous` ends it"),
        "{}",
        reply.stdout
    );
}

#[tokio::test]
async fn a_daemon_that_restarts_does_not_end_the_wait() {
    let control = FakeControl::new(vec![status("a")]);
    let (_folder, socket, running) = admin(&control).await;
    let waiting = tokio::spawn({
        let socket = socket.clone();
        async move { reply(&socket, "rekeyd rotate a --wait").await }
    });
    let looked = async {
        while control.know().looks == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), looked)
        .await
        .expect("the wait begins");
    running.stop().await.unwrap();
    promote(&mut control.know().secrets[0], Some(Proof::Proven));
    let server = crate::server::admin::AdminServer::bind(&socket).await.unwrap();
    let behind = surface(&control);
    let _running = Running::start(|stopped| server.serve(behind, until(stopped)));
    assert_eq!(waiting.await.unwrap().exit, Exit::Done);
}

#[tokio::test]
async fn the_health_check_tells_dead_from_not_ready() {
    let control = FakeControl::new(Vec::new());
    let server = HttpServer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    let behind = surface(&control);
    let running = Running::start(|stopped| server.serve(behind, false, until(stopped)));
    let check = async |line: String| execute(parse(&line), &session(false).0).await;
    // Whoever listens everywhere is asked on loopback.
    let line = format!("rekeyd healthcheck --listen 0.0.0.0:{}", address.port());
    assert_eq!(
        check(line.clone()).await.unwrap(),
        Reply::new(Exit::Done, String::new())
    );

    control.know().problems = vec!["no tick for 9 s".to_owned()];
    let reply = check(format!("{line} --ready")).await.unwrap();
    assert_eq!(reply.exit, Exit::Failed);
    assert!(reply.stdout.contains("no tick for 9 s"), "{}", reply.stdout);

    running.stop().await.unwrap();
    assert_eq!(check(line).await.unwrap_err().exit(), Exit::Unreachable);
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    for line in [
        "rekeyd rotate",
        "rekeyd rotate a --all",
        "rekeyd pause --policy p --all",
        "rekeyd rotate a --timeout 5m",
        "rekeyd rotate a --wait --timeout 5",
        "rekeyd rotate a --wait --timeout 0s",
        "rekeyd pause a --for 1w",
        "rekeyd pause a --for 1é",
        "rekeyd run --log-format xml",
    ] {
        let error = Cli::try_parse_from(line.split(' '))
            .err()
            .unwrap_or_else(|| panic!("{line} was taken"));
        assert_eq!(error.exit_code(), Exit::Usage as i32, "{line}");
    }
    for line in [
        "rekeyd rotate a",
        "rekeyd rotate a --wait --timeout 1d2h3m4s",
        "rekeyd run --once --log-level info,rekeyd=debug",
    ] {
        parse(line);
    }
}

#[tokio::test]
async fn a_rollback_that_a_lagging_look_does_not_show_yet_is_followed_and_one_that_is_never_shown_is_lost() {
    use crate::rotation::rollback::{Rollback, RollbackOutcome};
    for (shown_from, result) in [(4, "expired"), (usize::MAX, "unknown")] {
        let control = FakeControl::new(vec![status("a")]);
        let (_folder, socket, _running) = admin(&control).await;
        control.script(move |look, secrets| {
            secrets[0].rollback = (look >= shown_from).then(|| Rollback {
                asked_at: at(0),
                until: at(60),
                version: "v1".to_owned(),
                now: false,
                started: None,
                outcome: Some(RollbackOutcome::Expired { at: at(61) }),
            });
        });
        let reply = reply(&socket, "rekeyd rollback a --json").await;
        assert_eq!(reply.exit, Exit::Failed);
        let told: Value = serde_json::from_str(&reply.stdout).unwrap();
        assert_eq!(told["result"], result, "{told:#}");
    }
}

#[test]
fn a_pause_ends_within_a_year_or_has_no_end() {
    let pause = |span: &str| Cli::try_parse_from(["rekeyd", "pause", "--all", "--for", span]);
    pause("366d").unwrap();
    for longer in ["367d", "1000000d"] {
        let refused = pause(longer).unwrap_err().to_string();
        assert!(refused.contains("at most 366d"), "{refused}");
    }
}

#[tokio::test]
async fn what_came_of_a_rotation_fits_the_terminal() {
    let long = format!("production/ec/{}", "user".repeat(20));
    let control = FakeControl::new(vec![status("a"), status(&long)]);
    let (_folder, socket, _running) = admin(&control).await;
    control.script(|_, secrets| {
        secrets
            .iter_mut()
            .for_each(|secret| promote(secret, Some(Proof::Proven)))
    });
    let line = format!("rekeyd rotate a {long} --wait");
    let shown = execute_at(&socket, &line, &session(true).0).await.unwrap().stdout;
    assert!(
        shown
            .lines()
            .all(|line| unicode_width::UnicodeWidthStr::width(line) <= 80),
        "{shown}"
    );
    assert!(
        shown.contains("\n  version v2; rotated; the previous password logs in until the next rotation\n"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_secret_is_told_within_the_terminal_its_arn_too() {
    let long = format!("production/ec/{}", "user-".repeat(20));
    let control = FakeControl::new(vec![status(&long)]);
    let (_folder, socket, _running) = admin(&control).await;
    let line = format!("rekeyd status {long}");
    let shown = execute_at(&socket, &line, &session(true).0).await.unwrap().stdout;
    assert!(
        shown
            .lines()
            .all(|line| unicode_width::UnicodeWidthStr::width(line) <= 80),
        "{shown}"
    );
    let words: String = shown.split_whitespace().collect();
    assert!(words.contains(&arn(&long)), "{shown}");
}

#[test]
fn of_many_secrets_lines_tell_only_what_a_person_should_see() {
    let drawn = Session {
        redraws: true,
        ..session(true).0
    };
    for (secrets, brief) in [(2, false), (5, false), (6, true), (1_000, true)] {
        assert_eq!(progress::Progress::of(secrets, &drawn).is_brief(), brief, "{secrets}");
        assert!(
            !progress::Progress::of(secrets, &session(true).0).is_brief(),
            "no bar tells the rest"
        );
    }
}
