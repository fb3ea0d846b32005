//! The admin socket: who may use it, and what it refuses.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use rekeyd::rotation::status::Phase;

use crate::support::{Scene, http};

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_socket_is_for_owner_and_group_and_takes_no_request_that_is_wrong_in_part() {
    let scene = Scene::start(&[]).await;
    let (world, daemon, secret) = scene.parts();
    let metadata = std::fs::metadata(&daemon.socket).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o660);
    assert_eq!(
        metadata.uid(),
        std::fs::metadata(format!("/proc/{}", daemon.pid())).unwrap().uid()
    );
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let mut path = daemon.state_file.clone().into_os_string();
        path.push(suffix);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{path:?}");
    }

    let before = world.traces(daemon).await;
    let post = async |path: &str, body: &str| http::unix(&daemon.socket, "POST", path, Some(body)).await.unwrap();
    let known = format!("\"secrets\": [{secret:?}]");
    let long = "x".repeat(70_000);
    for (path, body, status, words) in [
        ("rotate", "".to_owned(), 400, ""),
        ("rotate", "{".to_owned(), 400, ""),
        ("rotate", "[]".to_owned(), 400, ""),
        ("rotate", "null".to_owned(), 400, ""),
        ("rotate", "{}".to_owned(), 400, "name secrets"),
        ("rotate", "{\"secrets\": []}".to_owned(), 400, "name secrets"),
        ("rotate", "{\"secrets\": \"all\"}".to_owned(), 400, ""),
        ("rotate", format!("{{{known}, \"force\": true}}"), 400, "force"),
        ("rotate", format!("{{{known}}} {{}}"), 400, ""),
        ("rotate", format!("{{{known}, \"now\": \"yes\"}}"), 400, ""),
        ("rotate", "{\"secrets\": [\"none\"]}".to_owned(), 404, "none"),
        (
            "rotate",
            format!("{{\"secrets\": [{secret:?}, \"none\"]}}"),
            404,
            "none",
        ),
        ("rotate", "{\"policy\": \"nine\"}".to_owned(), 404, "nine"),
        (
            "rotate",
            format!("{{{known}, \"policy\": \"nine\"}}"),
            400,
            "secrets and policy",
        ),
        ("rotate", format!("{{\"secrets\": [\"{long}\"]}}"), 413, ""),
        ("pause", format!("{{{known}, \"for_seconds\": 0}}"), 400, "for_seconds"),
        ("pause", format!("{{{known}, \"for_seconds\": -1}}"), 400, ""),
        (
            "pause",
            format!("{{{known}, \"reason\": \"{}\"}}", &long[..501]),
            400,
            "reason",
        ),
        ("pause", format!("{{{known}, \"reason\": \"{long}\"}}"), 413, ""),
        ("pause", "{\"secrets\": [\"none\"]}".to_owned(), 404, "none"),
        ("resume", format!("{{{known}, \"now\": true}}"), 400, "now"),
        ("resume", "{}".to_owned(), 400, "name secrets"),
        ("rollback", format!("{{{known}}}"), 400, "secret"),
        ("rollback", "{\"secret\": \"none\"}".to_owned(), 404, "none"),
        (
            "rollback",
            format!("{{\"secret\": {secret:?}, \"timeout_seconds\": 0}}"),
            400,
            "timeout_seconds",
        ),
        ("takeover", format!("{{{known}}}"), 404, ""),
        ("secrets", format!("{{{known}}}"), 405, ""),
    ] {
        let answer = post(&format!("/api/v1/{path}"), &body).await;
        let shown = &body[..body.len().min(100)];
        assert_eq!(answer.status, status, "{path} {shown}: {}", answer.body);
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(words), "{path} {shown}: {error}");
        assert!(error.len() < 1_000, "an echo of the request: {}", error.len());
    }
    for method in ["GET", "PUT", "DELETE"] {
        let answer = http::unix(&daemon.socket, method, "/api/v1/rotate", None)
            .await
            .unwrap();
        assert_eq!(answer.status, 405, "{method}");
    }
    assert_eq!(
        world.traces(daemon).await,
        before,
        "a request that was refused changed something"
    );

    let accepted = post("/api/v1/rotate", &format!("{{{known}}}")).await;
    assert_eq!(accepted.status, 200);
    assert_eq!(accepted.json()["accepted"][0]["secret"], secret);
    assert_ne!(world.traces(daemon).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn arrays_and_selections_of_two_kinds_are_refused_and_neither_rotate_nor_pause_anything() {
    let scene = Scene::start(&[]).await;
    let (world, daemon, secret) = scene.parts();
    let before = world.traces(daemon).await;
    let policy = daemon.statuses().await.unwrap()[0].policy.clone();
    let no_object = "expected a JSON object";
    for route in ["rotate", "pause", "resume"] {
        for (body, words) in [
            ("[[], null, true]".to_owned(), no_object),
            (format!("[[], {policy:?}, false]"), no_object),
            (format!("[[{secret:?}], null, false]"), no_object),
            ("[[], null, true, true, true]".to_owned(), no_object),
            ("[{\"all\": true}]".to_owned(), no_object),
            (
                format!("{{\"secrets\": [{secret:?}], \"all\": true}}"),
                "secrets and all",
            ),
            (
                format!("{{\"secrets\": [{secret:?}], \"policy\": {policy:?}}}"),
                "secrets and policy",
            ),
            (format!("{{\"policy\": {policy:?}, \"all\": true}}"), "policy and all"),
        ] {
            let path = format!("/api/v1/{route}");
            let answer = http::unix(&daemon.socket, "POST", &path, Some(&body)).await.unwrap();
            assert_eq!(answer.status, 400, "{route} {body}: {}", answer.body);
            let error = answer.json()["error"].to_string();
            assert!(error.contains(words), "{route} {body}: {error}");
        }
    }
    for status in daemon.statuses().await.unwrap() {
        assert!(!status.requested && status.phase == Phase::Idle, "{status:?}");
    }
    assert_eq!(world.traces(daemon).await, before);
}
