//! Lines, and the file that they go to.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::clock::SystemClock;
use crate::metrics::Metrics;
use crate::rotation::step::Step;

fn trail(path: &Path) -> (Trail, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new(&[]));
    let trail = Trail::open(Some(path), Arc::new(SystemClock::new()), metrics.clone()).unwrap();
    (trail, metrics)
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| json!(line)))
        .collect()
}

fn retirement() -> Subject {
    Subject {
        step: Some(Step::Retire),
        policy: Some("orders".to_owned()),
        user: Some("arn:of:a:user".to_owned()),
        version: Some("v2".to_owned()),
        ..Subject::default()
    }
}

async fn begin(trail: &Trail) -> Result<Begun, AuditError> {
    trail.begin(Actor::Rekeyd, Change::ModifyUser, retirement()).await
}

#[tokio::test]
async fn a_change_is_announced_and_told_of_under_one_id_in_a_file_that_its_group_reads() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let (trail, _) = trail(&path);
    let begun = begin(&trail).await.unwrap();
    trail.end(&begun, Outcome::Done, Some("4711".to_owned()), None).await;
    let second = begin(&trail).await.unwrap();
    trail
        .end(&second, Outcome::Failed, None, Some("Throttling".to_owned()))
        .await;
    let lines = lines(&path);
    assert_eq!(lines.len(), 4);
    for (line, outcome) in lines.iter().zip(["begun", "done", "begun", "failed"]) {
        assert_eq!(line["outcome"], outcome, "{line}");
        assert_eq!(
            (&line["by"], &line["change"], &line["step"], &line["user"]),
            (
                &json!("rekeyd"),
                &json!("ModifyUser"),
                &json!("retire"),
                &json!("arn:of:a:user")
            ),
            "{line}"
        );
        assert!(line["time"].as_str().unwrap().ends_with('Z') && line.get("secret").is_none());
    }
    assert_eq!(lines[0]["id"], lines[1]["id"]);
    assert_ne!(lines[1]["id"], lines[2]["id"]);
    assert_eq!(
        (&lines[1]["request_id"], &lines[3]["error"]),
        (&json!("4711"), &json!("Throttling"))
    );
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
}

#[tokio::test]
async fn a_line_that_a_dead_process_left_in_part_does_not_spoil_the_next() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    std::fs::write(&path, "{\"time\": \"2027-01-15T08:0").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    begin(&trail(&path).0).await.unwrap();
    let lines = lines(&path);
    assert_eq!((lines.len(), &lines[1]["outcome"]), (2, &json!("begun")));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600, "who made the file decided who reads it");
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_left_at_a_reopening_and_one_that_was_deleted_at_once() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let moved = folder.path().join("audit.jsonl.1");
    let (trail, _) = trail(&path);
    begin(&trail).await.unwrap();
    std::fs::rename(&path, &moved).unwrap();
    begin(&trail).await.unwrap();
    trail.reopen(Some(path.clone())).await.unwrap();
    begin(&trail).await.unwrap();
    assert_eq!((lines(&moved).len(), lines(&path).len()), (2, 1));

    std::fs::remove_file(&path).unwrap();
    begin(&trail).await.unwrap();
    assert_eq!(lines(&path).len(), 1);

    let nowhere = folder.path().join("missing/audit.jsonl");
    let refused = trail.reopen(Some(nowhere)).await.unwrap_err().to_string();
    assert!(
        refused.contains("missing/audit.jsonl") && refused.contains("daemon.audit_log"),
        "{refused}"
    );
    begin(&trail).await.unwrap();
    assert_eq!(lines(&path).len(), 2, "lines go on to where they went");
}

/// Two that opened the file for themselves, as two processes do.
#[tokio::test(flavor = "multi_thread")]
async fn lines_of_two_that_append_at_the_same_time_do_not_mix() {
    const EACH: usize = 200;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut writing = tokio::task::JoinSet::new();
    for who in ["one", "other"] {
        let (trail, _) = trail(&path);
        writing.spawn(async move {
            for number in 0..EACH {
                let request = Some(json!({who: "x".repeat(number * 97)}));
                let about = Subject {
                    request,
                    ..Subject::default()
                };
                trail.begin(Actor::Rekeyd, Change::Pause, about).await.unwrap();
            }
        });
    }
    writing.join_all().await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2 * EACH);
    assert!(lines(&path).iter().all(|line| line["outcome"] == "begun"), "{text}");
}

#[tokio::test]
async fn a_line_that_another_process_left_in_part_does_not_spoil_the_next() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("audit.jsonl");
    let (trail, _) = trail(&path);
    begin(&trail).await.unwrap();
    let mut other = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    std::io::Write::write_all(&mut other, b"{\"time\": \"2027-01-15T08:0").unwrap();
    begin(&trail).await.unwrap();
    let lines = lines(&path);
    assert_eq!((lines.len(), &lines[2]["outcome"]), (3, &json!("begun")));
}

#[tokio::test]
async fn a_change_that_cannot_be_announced_is_refused_and_counted() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("logs/audit.jsonl");
    std::fs::create_dir(folder.path().join("logs")).unwrap();
    let (trail, metrics) = trail(&path);
    let begun = begin(&trail).await.unwrap();
    std::fs::remove_dir_all(folder.path().join("logs")).unwrap();
    let error = begin(&trail).await.unwrap_err().to_string();
    assert!(
        error.contains("logs/audit.jsonl") && error.contains("nothing is changed"),
        "{error}"
    );
    trail.end(&begun, Outcome::Done, None, None).await;
    assert!(
        metrics.render().contains("rekeyd_audit_errors_total 2"),
        "{}",
        metrics.render()
    );
    std::fs::create_dir(folder.path().join("logs")).unwrap();
    begin(&trail).await.unwrap();
    assert_eq!(lines(&path).len(), 1, "it goes on by itself");
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(SystemClock::new());
    for path in [folder.path(), Path::new("/dev/null")] {
        let error = Trail::open(Some(path), clock.clone(), Arc::new(Metrics::new(&[]))).err();
        let error = error.unwrap_or_else(|| panic!("{} was taken", path.display()));
        assert!(error.to_string().contains("cannot be written"), "{error}");
    }
}
