//! What the commands print with `--json`: each field and its type is frozen in `tests/fixtures/json`, and documented.
//! Those of `status`, `history`, `rotate --wait` and of what is accepted are held by the tests of these commands.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aws_sdk_secretsmanager::types::RotationRulesType;
use serde_json::{Value, json};

use crate::support::cli::{Ended, ended, orders};
use crate::support::daemon::Setup;
use crate::support::shape::assert_shape;
use crate::support::world::{GROUP, document_with};
use crate::support::{Fault, FaultKind, OLD, Policy, Scene, World};

const SECRET: &str = "production/ec/user1";
const PENDING: &str = "00000000-0000-4000-8000-000000000007";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/json")
}

/// The fields of the files of shapes, with the file that each is of; `[]` stands for the elements of an array.
pub fn frozen() -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(fixtures())
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            let (path, kind) = line.rsplit_once(": ").unwrap();
            match kind {
                "array" => fields.push((name.clone(), format!("{}[]", &path[1..]))),
                "object" => {}
                _ => fields.push((name.clone(), path[1..].to_owned())),
            }
        }
    }
    fields
}

#[test]
fn every_field_that_is_frozen_is_documented() {
    let page =
        |name: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap();
    let text = page("JSON.md") + &page("OPERATIONS.md");
    let documented: BTreeSet<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .flat_map(|words| words.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_'))
        .collect();
    let lacking: Vec<_> = frozen()
        .into_iter()
        .filter(|(_, path)| {
            let names = path.split('.').map(|name| name.trim_end_matches("[]"));
            names.into_iter().any(|name| !documented.contains(name))
        })
        .collect();
    assert_eq!(lacking, Vec::new(), "say in docs/JSON.md what these are");
}

async fn told(setup: &Setup<'_>, line: &[&str], code: i32) -> Value {
    let ended = setup.cli(&[line, &["--json"]].concat()).await.with(code);
    ended.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn onboard_keeps_its_fields_whatever_comes_of_it() {
    let world = World::start().await;
    world.create_cache(&[]).await;
    let setup = orders(&world, &["user1"]);
    let one = |secret| {
        [
            "onboard",
            "--policy",
            "orders",
            "--user-id",
            "user1",
            "--secret",
            secret,
        ]
    };
    let rights = ["--access-string", "on ~app:* +@read", "--group", GROUP];
    let planned = told(&setup, &[&one(SECRET)[..], &rights, &["--dry-run"]].concat(), 0).await;
    let refused = told(&setup, &one("production/ec/nobodys"), 13).await;
    world.faults(vec![Fault {
        code: Some("AccessDeniedException".to_owned()),
        status: Some(400),
        ..Fault::next("CreateSecret", FaultKind::Code)
    }]);
    let failed = told(&setup, &[&one(SECRET)[..], &rights].concat(), 1).await;
    let done = told(&setup, &[&one(SECRET)[..], &rights].concat(), 0).await;
    let file = world.path("users.csv");
    std::fs::write(&file, format!("user_id,secret,policy\nuser1,{SECRET},orders\n")).unwrap();
    let already = told(&setup, &["onboard", "--csv", &file.display().to_string()], 0).await;
    let results = [
        (&planned, "planned"),
        (&refused, "refused"),
        (&failed, "failed"),
        (&done, "done"),
        (&already, "already_done"),
    ];
    for (told, result) in results {
        assert_eq!(told["users"][0]["result"], result, "{told:#}");
        assert_shape("onboard", told);
    }
    assert_eq!(already["users"][0]["line"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn takeover_keeps_its_fields_whatever_comes_of_it() {
    let world = World::of(&["user1"]).await;
    world.create_secret(SECRET, &document_with("user1", OLD)).await;
    let rules = RotationRulesType::builder()
        .schedule_expression("rate(30 days)")
        .duration("3h")
        .build();
    let rotate = world.secrets.rotate_secret().secret_id(SECRET).rotation_rules(rules);
    let rotate = rotate
        .rotation_lambda_arn("arn:aws:lambda:us-east-1:123456789012:function:rotate")
        .client_request_token(PENDING)
        .rotate_immediately(false);
    rotate.send().await.expect("rotation");
    let setup = orders(&world, &["user1"]);
    let stranger = world.daemon("rekeyd").policy(Policy::new("others", &["user2"]));
    let refused = told(&stranger, &["takeover", SECRET], 13).await;
    let planned = told(&setup, &["takeover", SECRET, "--dry-run"], 0).await;
    world.faults(vec![Fault {
        code: Some("AccessDeniedException".to_owned()),
        status: Some(400),
        ..Fault::next("CancelRotateSecret", FaultKind::Code)
    }]);
    let failed = told(&setup, &["takeover", SECRET], 1).await;
    let done = told(&setup, &["takeover", SECRET], 0).await;
    let already = told(&setup, &["takeover", SECRET], 0).await;
    let results = [
        (&refused, "refused"),
        (&planned, "planned"),
        (&failed, "failed"),
        (&done, "done"),
        (&already, "already_done"),
    ];
    for (told, result) in results {
        assert_eq!(told["result"], result, "{told:#}");
        assert_shape("takeover", told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_only_keeps_its_fields() {
    let scene = Scene::start(&[("overlap", "\"24h\"")]).await;
    let (world, daemon, secret) = scene.parts();
    let setup = orders(world, &["user1"]);
    let good = told(&setup, &["plan"], 0).await;
    assert_shape("plan", &good);
    daemon.checked(secret).await;
    setup.cli(&["rotate", secret, "--wait"]).await.with(0);
    world.create_user("user2", OLD).await;
    world
        .create_secret("production/ec/user2", &document_with("user2", OLD))
        .await;
    let strangers = Policy::new("strangers", &["user2", "nobody"]).with("allow_users", "[\"user9\"]");
    let seen = told(&orders(world, &["user1"]).policy(strangers), &["plan"], 0).await;
    assert!(seen["totals"]["refused"].as_u64() >= Some(1), "{seen:#}");
    assert_shape("plan", &seen);

    for options in [&[][..], &["--account", "123456789012"]] {
        let mut policies = told(&setup, &[&["iam-policy"], options].concat(), 0).await;
        for policy in policies["policies"].as_array_mut().expect("policies") {
            // Its form is IAM's.
            policy["document"] = json!({});
        }
        assert_shape("iam_policy", &policies);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_daemon_is_asked_for_keeps_its_fields() {
    let scene = Scene::start(&[("overlap", "\"24h\"")]).await;
    let (world, _daemon, secret) = scene.parts();
    let setup = orders(world, &["user1"]).default_key("overlap", "\"24h\"");
    assert_shape("rollback", &told(&setup, &["rollback", secret], 13).await);
    told(&setup, &["rotate", secret, "--wait"], 0).await;
    assert_shape("rollback", &told(&setup, &["rollback", secret, "--now"], 0).await);
    told(&setup, &["resume", secret], 0).await;
    let revoked = told(&setup, &["rotate", secret, "--revoke-previous", "--now"], 0).await;
    assert_shape("rotate_revoke_previous", &revoked);
    let unheld = &["rotate", secret, "--revoke-previous", "--timeout", "1s"];
    told(&setup, &["pause", secret], 0).await;
    assert_shape("rotate_revoke_previous", &told(&setup, unheld, 1).await);

    assert_shape("reload", &told(&setup, &["reload"], 0).await);
    let more = orders(world, &["user1"]).policy(Policy::new("more", &["user2"]));
    assert_shape("reload", &told(&more, &["reload"], 0).await);
    let broken = orders(world, &["user1"]).default_key("overlap", "\"never\"");
    assert_shape("reload_refused", &told(&broken, &["reload"], 13).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_before_it_has_a_result_is_an_object_on_standard_error() {
    let world = World::start().await;
    let setup = || orders(&world, &["user1"]);
    let (bodies, format) = (
        setup().env("LOG_SENSITIVE_BODIES", "1"),
        setup().env("REKEYD_LOG_FORMAT", "loud"),
    );
    let good = setup();
    let cases: [(&Setup<'_>, &[&str], i32, &str); 8] = [
        (&bodies, &["status", "--json"], 78, "LOG_SENSITIVE_BODIES is set"),
        (
            &format,
            &["rotate", "--all", "--json"],
            78,
            "REKEYD_LOG_FORMAT is \"loud\"",
        ),
        (&good, &["status", "--json"], 12, "rekeyd.sock"),
        (&good, &["status", "--json", "--no-such-flag"], 2, "--no-such-flag"),
        (&good, &["rotate", "--json"], 2, "required arguments"),
        (&good, &["rotate", "--all", "--for", "2h", "--json"], 2, "'--for'"),
        (&good, &["no-such-command", "--json"], 2, "no-such-command"),
        (
            &good,
            &["--log-level", "rekeyd=loud", "check", "--json"],
            2,
            "rekeyd=loud",
        ),
    ];
    for (setup, line, code, words) in cases {
        assert_says_as_json(setup.cli(line).await, code, words);
    }
    for line in ["plan", "status", "reload", "iam-policy"] {
        let command = good.command(&[line, "--json"]);
        std::fs::write(good.write_config(), "[daemon]\nlisten = 7\n").unwrap();
        assert_says_as_json(ended(command).await, 78, "listen");
    }
    // Without --json in words; help is help, whoever asks.
    let words = good.cli(&["status"]).await.with(12).stderr;
    assert!(words.starts_with("rekeyd: "), "{words}");
    let help = good.cli(&["status", "--json", "--help"]).await.with(0);
    assert!(
        help.stdout.contains("Usage:") && help.stderr.is_empty(),
        "{}",
        help.stderr
    );
    // What is wrong with a configuration is what `check` is asked for.
    let command = good.command(&["check", "--json"]);
    std::fs::write(good.write_config(), "[daemon]\nlisten = 7\n").unwrap();
    let wrong = ended(command).await.with(78);
    assert!(
        wrong.stderr.is_empty() && wrong.json()["valid"] == false,
        "{}",
        wrong.stderr
    );
}

fn assert_says_as_json(ended: Ended, code: i32, words: &str) {
    let ended = ended.with(code);
    assert_eq!(ended.stdout, "", "{words}");
    let object: Value = serde_json::from_str(&ended.stderr).unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
    assert!(
        object["error"].as_str().is_some_and(|error| error.contains(words)),
        "{words}: {object}"
    );
    assert_eq!((&object["exit_code"], ended.stderr.lines().count()), (&json!(code), 1));
    assert_shape("error", &object);
}
