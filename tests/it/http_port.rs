//! HTTP over TCP: what it shows, that it changes nothing, and connections that nobody uses.

use crate::support::cli::orders;
use crate::support::status::rotated_to;
use crate::support::world::{document_with, secret_name};
use crate::support::{OLD, Scene, World, http};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_at_is_the_same_over_tcp_and_the_socket_and_tcp_changes_nothing() {
    let scene = Scene::start(&[]).await;
    let (world, daemon, secret) = scene.parts();
    let address = daemon.listen_address().await;
    let tcp =
        async |method: &str, path: &str, body: Option<&str>| http::tcp(&address, method, path, body).await.unwrap();

    assert_eq!(tcp("GET", "/livez", None).await.body, "ok\n");
    let ready = tcp("GET", "/readyz", None).await;
    assert_eq!((ready.status, &ready.json()["ready"]), (200, &true.into()));
    let listed = tcp("GET", "/api/v1/secrets", None).await.json();
    let listed = listed["secrets"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 1);
    for (key, wanted) in [
        ("secret", secret),
        ("arn", scene.arn.as_str()),
        ("policy", "orders"),
        ("place", "main"),
        ("user_id", "user1"),
        ("phase", "idle"),
        ("current_version", scene.first.as_str()),
    ] {
        assert_eq!(listed[0][key], wanted, "{listed:?}");
    }
    assert_eq!(listed[0]["nodes"], 3);
    for path in [
        format!("/api/v1/secrets/{secret}"),
        format!("/api/v1/secrets/{}", scene.arn),
        format!("/api/v1/secrets/{}", secret.replace('/', "%2F")),
    ] {
        assert_eq!(tcp("GET", &path, None).await.json(), listed[0], "{path}");
    }
    let policies = tcp("GET", "/api/v1/policies", None).await.json();
    assert_eq!(policies["policies"][0]["policy"], "orders");
    assert_eq!(policies["policies"][0]["secrets"], 1);
    assert_eq!(policies["policies"][0]["paused"], false);
    let rotations = tcp("GET", &format!("/api/v1/rotations?secret={secret}&limit=1"), None)
        .await
        .json();
    assert_eq!(rotations["rotations"][0]["event"], "checked");
    let page = tcp("GET", "/", None).await;
    assert!(page.body.contains(secret) && page.head.to_lowercase().contains("text/html"));
    for path in ["/api/v1/policies", "/api/v1/secrets", "/api/v1/rotations"] {
        assert_eq!(tcp("GET", path, None).await.body, daemon.get(path).await.body, "{path}");
    }
    for (path, status) in [
        ("/api/v1/secrets/none", 404),
        ("/api/v1/secrets?secret=none", 404),
        ("/api/v1/rotations?secret=none", 404),
        ("/api/v1/rotations?limit=many", 400),
        ("/api/v1/secrets?policy=orders", 400),
        ("/api/v2/secrets", 404),
        ("/api/v1/rotate", 404),
    ] {
        let answer = tcp("GET", path, None).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.json()["error"].is_string(), "{path}: {}", answer.body);
    }

    let before = world.traces(daemon).await;
    let body = serde_json::json!({"secrets": [secret]}).to_string();
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "ROTATE"] {
        for path in [
            "/api/v1/rotate",
            "/api/v1/pause",
            "/api/v1/resume",
            "/api/v1/secrets",
            "/livez",
            "/metrics",
            "/",
            "/none",
        ] {
            let answer = tcp(method, path, Some(&body)).await;
            assert_eq!(answer.status, 405, "{method} {path}: {}", answer.body);
            assert!(
                answer.head.to_lowercase().contains("allow: get, head"),
                "{}",
                answer.head
            );
        }
    }
    assert_eq!(world.traces(daemon).await, before);
    // The same request over the socket is carried out, so it was TCP that was refused.
    assert_eq!(
        http::unix(&daemon.socket, "POST", "/api/v1/rotate", Some(&body))
            .await
            .unwrap()
            .status,
        200
    );
    assert_ne!(world.traces(daemon).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback_only_health_and_metrics_are_served_unless_status_is_exposed() {
    let world = World::start().await;
    world.create_user("user1", OLD).await;
    world
        .create_secret(&secret_name("user1"), &document_with("user1", OLD))
        .await;
    for exposed in [false, true] {
        let daemon = orders(&world, &["user1"])
            .env("REKEYD__DAEMON__LISTEN", "\"0.0.0.0:0\"")
            .daemon_key("expose_status", &exposed.to_string())
            .run()
            .await;
        daemon
            .wait(&secret_name("user1"), "looked at", |status| {
                status.current_version.is_some()
            })
            .await;
        let listen = daemon.listen_address().await;
        let address = listen.replace("0.0.0.0", "127.0.0.1");
        assert_ne!(listen, address);
        for path in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(
                http::tcp(&address, "GET", path, None).await.unwrap().status,
                200,
                "{path}"
            );
        }
        for path in [
            "/",
            "/secret?name=production/ec/user1",
            "/api/v1/secrets",
            "/api/v1/policies",
            "/api/v1/rotations",
            "/api/v1/secrets/production/ec/user1",
        ] {
            let answer = http::tcp(&address, "GET", path, None).await.unwrap();
            assert_eq!(answer.status, if exposed { 200 } else { 404 }, "{path}");
            let named = if path.ends_with("policies") { "orders" } else { "user1" };
            assert_eq!(answer.body.contains(named), exposed, "{path}: {}", answer.body);
            assert!(exposed || answer.body.contains("expose_status"), "{}", answer.body);
        }
        assert_eq!(
            http::tcp(&address, "POST", "/api/v1/rotate", Some("{\"all\": true}"))
                .await
                .unwrap()
                .status,
            405
        );
        assert_eq!(
            daemon.get("/api/v1/secrets").await.status,
            200,
            "the socket shows it all"
        );
        assert_eq!(daemon.end("-TERM").await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_nobody_uses_hold_no_rotation_up() {
    let scene = Scene::start(&[]).await;
    let (_, daemon, secret) = scene.parts();
    let address = daemon.listen_address().await;
    let mut idle = Vec::new();
    for _ in 0..350 {
        idle.push(tokio::net::TcpStream::connect(&address).await.unwrap());
    }
    daemon.rotate(secret).await;
    let second = scene.successor(0);
    daemon.wait(secret, "rotated all the same", rotated_to(&second)).await;
    let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    assert!(open < 330, "{open} descriptors are open: idle connections are bounded");
    drop(idle);
    assert_eq!(http::tcp(&address, "GET", "/livez", None).await.unwrap().status, 200);
}
