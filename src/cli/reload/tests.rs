use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use serde_json::Value;

use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::{CliError, Reply, Session, execute};
use crate::clock::SystemClock;
use crate::config::{Location, Problem};
use crate::engine::{LeftAlone, Reloaded};
use crate::server::configuration::{
    ConfigurationStatus, FailedReload, NeedsRestart, RefusedReload, ReloadError, ReplicaReload,
};
use crate::server::testing::{FakeControl, admin, at, configuration, status};

async fn run(socket: &Path, line: &str, terminal: bool) -> Result<Reply, CliError> {
    let session = Session {
        clock: Arc::new(SystemClock::new()),
        terminal,
        colour: false,
        width: None,
        redraws: false,
        progress: None,
        log: std::sync::Arc::new(crate::telemetry::LogControl::of_no_log()),
    };
    let line = format!("{line} --socket {}", socket.display());
    execute(Cli::try_parse_from(line.split(' ')).unwrap(), &session).await
}

fn problem() -> Problem {
    let location = Location {
        file: Some("/etc/rekeyd/rekeyd.toml".to_owned()),
        line: Some(3),
        column: Some(7),
        variable: None,
    };
    Problem {
        excerpt: Some("3 | schedule\n    ^^^^^^^^".to_owned()),
        ..Problem::at(location, "no schedule".to_owned())
    }
}

fn partly() -> ConfigurationStatus {
    ConfigurationStatus {
        needs_restart: vec![NeedsRestart {
            key: "daemon.listen".to_owned(),
            running: "127.0.0.1:1".to_owned(),
            configured: "127.0.0.1:2".to_owned(),
        }],
        ..configuration()
    }
}

#[tokio::test]
async fn a_reload_is_quiet_in_pipes_and_tells_on_a_terminal_what_it_changed() {
    let control = FakeControl::new(Vec::new());
    let (_folder, socket, _running) = admin(&control).await;
    let quiet = run(&socket, "rekeyd reload", false).await.unwrap();
    assert_eq!((quiet.exit, quiet.stdout.as_str()), (Exit::Done, ""));
    let same = run(&socket, "rekeyd reload", true).await.unwrap();
    assert_eq!(same.stdout, "reloaded; no policy is another one\n");
    control.know().reloaded = Reloaded {
        added: vec!["a".to_owned(), "b".to_owned()],
        changed: vec!["c".to_owned()],
        ..Reloaded::default()
    };
    let told = run(&socket, "rekeyd reload", true).await.unwrap();
    assert_eq!(told.stdout, "reloaded; policies: added a, b; changed c\n");
    assert_eq!(control.know().asked, ["reload", "reload", "reload"]);
}

#[tokio::test]
async fn what_was_left_alone_and_what_takes_a_restart_is_told_in_pipes_too() {
    let control = FakeControl::new(Vec::new());
    let (_folder, socket, _running) = admin(&control).await;
    control.know().configuration = Some(partly());
    control.know().reloaded = Reloaded {
        left_alone: vec![LeftAlone {
            secret: "one\u{1b}".to_owned(),
            arn: "arn".to_owned(),
            policy: "orders".to_owned(),
            under_way: "rotation".to_owned(),
        }],
        unfinished: vec!["two".to_owned()],
        ..Reloaded::default()
    };
    let told = run(&socket, "rekeyd reload", false).await.unwrap();
    assert_eq!(told.exit, Exit::Partly);
    for part in [
        "left alone: one , which orders had, with a rotation under way",
        "not finished: a call for two",
        "daemon.listen takes a restart: 127.0.0.1:1 is in force, 127.0.0.1:2 is configured",
    ] {
        assert!(told.stdout.contains(part), "no {part:?} in {}", told.stdout);
    }
    let json = run(&socket, "rekeyd reload --json", false).await.unwrap();
    assert_eq!(json.exit, Exit::Partly);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["left_alone"][0]["under_way"], "rotation");
    assert_eq!(json["configuration"]["needs_restart"][0]["key"], "daemon.listen");
    assert_eq!(json["removed"], serde_json::json!([]));
}

#[tokio::test]
async fn a_refused_reload_ends_with_13_and_tells_everything_that_is_wrong() {
    let control = FakeControl::new(Vec::new());
    let (_folder, socket, _running) = admin(&control).await;
    control.know().reload_refused = Some(ReloadError::Refused(RefusedReload {
        error: problem().to_string(),
        problems: vec![problem()],
    }));
    let error = run(&socket, "rekeyd reload", false).await.unwrap_err();
    assert_eq!(error.exit(), Exit::Refused);
    let told = error.to_string();
    assert!(
        told.contains("stays in force") && told.contains("rekeyd.toml:3:7: no schedule\n3 | schedule"),
        "{told}"
    );
    let json = run(&socket, "rekeyd reload --json", false).await.unwrap();
    assert_eq!(json.exit, Exit::Refused);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["problems"][0]["place"], "/etc/rekeyd/rekeyd.toml:3:7");

    control.know().reload_refused = Some(ReloadError::Stopping("it stops".to_owned()));
    let stopping = run(&socket, "rekeyd reload", false).await.unwrap_err();
    assert_eq!(
        (stopping.exit(), stopping.to_string().as_str()),
        (Exit::Failed, "it stops")
    );
    let gone = Path::new("/nowhere/admin.sock");
    assert_eq!(
        run(gone, "rekeyd reload", false).await.unwrap_err().exit(),
        Exit::Unreachable
    );
}

#[tokio::test]
async fn status_tells_what_is_wrong_with_the_configuration_before_any_secret() {
    let control = FakeControl::new(vec![status("a")]);
    let (_folder, socket, _running) = admin(&control).await;
    let well = run(&socket, "rekeyd status", false).await.unwrap().stdout;
    assert!(
        well.starts_with("All is well") && !well.contains("configuration"),
        "{well}"
    );
    control.know().configuration = Some(ConfigurationStatus {
        last_reload_failed: Some(FailedReload {
            at: at(0),
            problems: vec![problem()],
        }),
        ..partly()
    });
    let table = run(&socket, "rekeyd status", false).await.unwrap().stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[0],
        "The configuration needs a person; the rest is well: 1 secret; 1 proven, next rotation 2027-01-16 08:00Z"
    );
    assert_eq!(
        lines[1],
        "configuration: the reload at 2027-01-15 08:00:00Z failed, and the configuration of 2027-01-15 06:00:00Z \
         stays in force: /etc/rekeyd/rekeyd.toml:3:7: no schedule"
    );
    assert!(
        lines[2].starts_with("configuration: daemon.listen takes a restart"),
        "{table}"
    );
    assert!(lines[3].starts_with("SECRET"), "{table}");
    let json = run(&socket, "rekeyd status --json", false).await.unwrap().stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json["configuration"]["last_reload_failed"]["problems"][0]["message"],
        "no schedule"
    );
}

#[tokio::test]
async fn a_replica_that_has_not_taken_the_configuration_is_named_and_it_is_done_in_part() {
    let control = FakeControl::new(Vec::new());
    let (_folder, socket, _running) = admin(&control).await;
    let replica = |host: &str, error: Option<&str>| ReplicaReload {
        session: format!("session-{host}"),
        host: host.to_owned(),
        reloaded: error.is_none(),
        error: error.map(str::to_owned),
    };
    control.know().replicas_reloaded = Some(vec![replica("h2", None)]);
    let all = run(&socket, "rekeyd reload", true).await.unwrap();
    assert_eq!(all.exit, Exit::Done);
    assert!(
        all.stdout.contains("reloaded by other replicas as well: h2\n"),
        "{}",
        all.stdout
    );
    control.know().replicas_reloaded = Some(vec![replica("h2", None), replica("h3", Some("no schedule"))]);
    let partly = run(&socket, "rekeyd reload", false).await.unwrap();
    assert_eq!(partly.exit, Exit::Partly);
    assert_eq!(
        partly.stdout,
        "not reloaded by the replica session-h3 on h3: no schedule\n"
    );
    let json = run(&socket, "rekeyd reload --json", false).await.unwrap();
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["replicas"][1]["error"], "no schedule");
    assert_eq!(json["replicas"][0].get("error"), None);
}
