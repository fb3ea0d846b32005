//! What receivers of notifications get: the real daemon, real rotations, real HTTP and HTTPS.

use serde_json::{Value, json};

use crate::support::python;
use crate::support::receiver::{KEY, Receiver, Reply, Request};
use crate::support::status::proven_retired;
use crate::support::world::{document, document_with, secret_name};
use crate::support::{OLD, OTHER, Policy, World};

/// Verifies and parses each message as a receiver would that uses the library of the specification's authors.
const VERIFY: &str = "
import json, sys
from standardwebhooks.webhooks import Webhook
given = json.load(sys.stdin)
webhook = Webhook(given['key'])
print(json.dumps([webhook.verify(message['body'], message['headers']) for message in given['messages']]))
forged = dict(given['messages'][0], body=given['messages'][0]['body'].replace('policy', 'polity'))
try:
    webhook.verify(forged['body'], forged['headers'])
except Exception:
    sys.exit(0)
sys.exit('a forged message was taken')
";

async fn verified(requests: &[Request]) -> Vec<Value> {
    let messages: Vec<Value> = requests
        .iter()
        .map(|request| json!({ "headers": request.headers, "body": request.body }))
        .collect();
    let given = json!({ "key": KEY, "messages": messages }).to_string();
    let mut child = tokio::process::Command::new(python::bin().join("python"))
        .args(["-c", VERIFY])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut stdin = child.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stdin, given.as_bytes())
        .await
        .unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_is_told_over_https_and_signed_so_that_a_foreign_library_believes_it() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let receiver = Receiver::with_tls(world.dir.path());
    let table = world.webhook("oncall", &receiver.url(), &["succeeded", "retired", "needs_attention"]);
    let table = format!("{table}ca_file = {:?}\n", world.path("receiver.ca"));
    let daemon = world
        .daemon("rekeyd")
        .policy(Policy::new("orders", &["user1"]))
        .more(&table)
        .run()
        .await;
    daemon.checked(&secret).await;
    daemon.rotate(&secret).await;
    let status = daemon.wait(&secret, "rotated", proven_retired).await;
    let requests = receiver.got(2).await;
    assert_eq!(requests[0].path, "/rekeyd");
    assert_eq!(requests[0].headers["content-type"], "application/json");
    let [succeeded, retired] = &verified(&requests).await[..] else {
        panic!("{requests:#?}");
    };
    assert_eq!(succeeded["type"], "rotation.succeeded");
    assert_eq!(retired["type"], "password.retired");
    let data = &succeeded["data"];
    assert_eq!((&data["policy"], &data["secret"]), (&json!("orders"), &json!(secret)));
    assert_eq!((&data["secret_arn"], &data["user_id"]), (&json!(arn), &json!("user1")));
    assert_eq!(data["version"], json!(status.current_version));
    assert_eq!((&data["proof"], &data["nodes"]), (&json!("proven"), &json!(3)));
    assert_eq!(retired["data"]["version"], data["version"]);
    assert_ne!(requests[0].id(), requests[1].id());

    let current = world.password(&secret, "AWSCURRENT").await.unwrap();
    let log = daemon.log_text();
    for password in [OLD, &current] {
        for request in &requests {
            assert!(!format!("{request:?}").contains(password), "a password in {request:?}");
        }
    }
    assert!(!log.contains(&KEY[6..]), "the key in the log");
    let metrics = daemon.get("/metrics").await.body;
    assert!(metrics.contains("rekeyd_notifications_total{notify=\"oncall\",outcome=\"delivered\"} 2"));
    assert!(metrics.contains("rekeyd_notifications_pending{notify=\"oncall\"} 0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_halts_are_one_message_each_for_a_webhook_and_few_for_slack_whose_url_nobody_sees() {
    const TOKEN: &str = "T000-B000-CANARY";
    let users: Vec<String> = (0..30).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = users.iter().map(String::as_str).collect();
    let world = World::start().await;
    for user in &users {
        world.create_secret(&secret_name(user), &document(user)).await;
    }
    let (webhook, slack) = (Receiver::start(), Receiver::start());
    // It quotes its own address at first, as error pages do.
    let page = format!("The URL /services/{TOKEN} was not found");
    slack.replies(Reply::With(404, String::new(), page));
    let url = format!("http://127.0.0.1:{}/services/{TOKEN}", slack.port);
    let tables = world.webhook("machines", &webhook.url(), &["halted"]) + &world.slack("people", &url, &["halted"]);
    let policy = Policy::new("orders", &names)
        .with("allow_users", "[\"nobody\"]")
        .with("max_attention", "\"100%\"");
    let daemon = world.daemon("rekeyd").policy(policy).more(&tables).run().await;
    let told = webhook.got(30).await;
    assert_eq!(verified(&told).await.len(), 30);
    let secrets: std::collections::BTreeSet<String> = told
        .iter()
        .map(|request| request.json()["data"]["secret"].to_string())
        .collect();
    assert_eq!(secrets.len(), 30, "each once");
    assert!(
        told.iter()
            .all(|request| request.json()["data"]["reason"] == "user_not_allowed")
    );

    let before = slack.got(1).await.len();
    slack.replies(Reply::status(200));
    let told = slack.got(before + 1).await;
    let last = told.last().unwrap().json();
    let title = last["blocks"][0]["text"]["text"].as_str().unwrap().to_owned();
    assert_eq!(title, "Secret Halted: 30 times", "all that waited");
    assert!(last["text"].as_str().unwrap().contains("and 20 more"));
    assert!(!told.last().unwrap().headers.contains_key("webhook-signature"));
    let log = daemon.log_text();
    assert!(log.contains("HTTP 404") && log.contains("\"people\""), "{log}");
    assert!(!log.contains(TOKEN), "the URL in the log");
    let shown = world
        .daemon("rekeyd")
        .policy(Policy::new("orders", &names))
        .more(&tables)
        .cli(&["check", "--effective"])
        .await;
    assert!(!format!("{}{}", shown.stdout, shown.stderr).contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed_and_a_halt_and_its_end_are_told_once() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let (receiver, elsewhere) = (Receiver::start(), Receiver::start());
    let location = format!("location: {}\r\n", elsewhere.url());
    receiver.replies(Reply::With(307, location, String::new()));
    let table = world.webhook("oncall", &receiver.url(), &["halted", "halt_ended"]);
    let setup = || {
        world
            .daemon("rekeyd")
            .daemon_key("discovery_interval", "\"1s\"")
            .policy(Policy::new("orders", &["user1"]))
            .more(&table)
    };
    let daemon = setup().run().await;
    daemon.checked(&secret).await;
    let pending = document_with("user1", OTHER);
    let version = "11111111-2222-4333-8444-555555555555";
    world.put_version(&secret, version, &pending, &["AWSPENDING"]).await;
    daemon.rotate(&secret).await;
    daemon
        .wait_reason(&secret, rekeyd::rotation::status::Phase::Halted, "foreign_pending")
        .await;
    receiver.got(2).await;
    assert!(daemon.log_text().contains("it redirects, which is not followed"));
    receiver.replies(Reply::status(200));
    world.remove_pending(&secret).await;
    let told = receiver.got_types(&["secret.halted", "secret.halt_ended"]).await;
    assert_eq!(elsewhere.requests().len(), 0);
    let ids: std::collections::BTreeSet<&str> = told.iter().map(Request::id).collect();
    assert_eq!(ids.len(), 2, "one id for the halt and one for its end: {told:#?}");
    let begun = told[0].json();
    let ended = told.last().unwrap().json();
    assert_eq!(begun["data"]["reason"], "foreign_pending");
    assert_eq!(ended["data"]["since"], begun["timestamp"]);
}
