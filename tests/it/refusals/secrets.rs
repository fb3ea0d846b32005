//! Secrets in other hands, documents that cannot be used, and versions that others made or moved.

use aws_sdk_secretsmanager::primitives::Blob;
use rekeyd::rotation::version::version_id;
use rekeyd_sandbox::Seed;

use super::case::Cases;
use crate::support::world::{ACCOUNT, REGION, document, document_with, secret_name, user_arn};
use crate::support::{OLD, OTHER};

pub(super) async fn secrets_in_other_hands(cases: &mut Cases<'_>) {
    let world = cases.world;
    for name in [
        "deleted",
        "rotation-on",
        "rotation-begun",
        "owned",
        "replicated",
        "replica",
    ] {
        cases.good_secret(name).await;
    }
    let lambda = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotator");
    let delete = world.secrets.delete_secret().secret_id(secret_name("deleted"));
    delete.recovery_window_in_days(7).send().await.expect("deleted");
    for (name, at_once) in [("rotation-on", false), ("rotation-begun", true)] {
        let rotate = world.secrets.rotate_secret().secret_id(secret_name(name));
        let rotate = rotate.rotation_lambda_arn(&lambda).rotate_immediately(at_once);
        rotate.send().await.expect("rotation enabled");
    }
    let seed = |name: &str| Seed {
        secret: Some(secret_name(name)),
        ..Seed::default()
    };
    let seeds = [
        Seed {
            owning_service: Some("rds".to_owned()),
            ..seed("owned")
        },
        Seed {
            replicated_to: Some(vec!["eu-west-1".to_owned()]),
            ..seed("replicated")
        },
        Seed {
            primary_region: Some("eu-west-1".to_owned()),
            ..seed("replica")
        },
    ];
    for seed in seeds {
        world.sandbox.sandbox().seed(seed).expect("seeded");
    }
    cases.add("deleted", "secret_deleted");
    cases.add("rotation-on", "rotation_enabled");
    cases.add("rotation-begun", "rotation_enabled");
    cases.add("owned", "owned_by_service").says = "rds".to_owned();
    cases.add("replicated", "secret_replicated");
    cases.add("replica", "secret_replicated");

    let empty = world.secrets.create_secret().name(secret_name("no-current"));
    empty.send().await.expect("a secret without a value");
    cases.add("no-current", "no_current_version");
    let binary = world.secrets.create_secret().name(secret_name("binary"));
    let blob = Blob::new(document_with("binary", OLD));
    binary.secret_binary(blob).send().await.expect("secret");
    cases.add("binary", "secret_binary");
}

pub(super) async fn documents(cases: &mut Cases<'_>) {
    let with_arn = |name: &str, arn: &str| document_with(name, OLD).replace(&user_arn(name), arn);
    cases
        .with_document("not-json", "secret_not_json", "user1:the-first-password-1")
        .await;
    cases
        .with_document("not-an-object", "secret_not_json", "[\"the-first-password-1\"]")
        .await;
    let twice = document_with("duplicate-key", OLD).replacen('{', &format!("{{\"password\":\"{OTHER}\","), 1);
    cases.with_document("duplicate-key", "secret_not_json", &twice).await;
    let no_arn = r#"{"username":"no-arn","password":"the-first-password-1"}"#;
    cases.with_document("no-arn", "user_arn_missing", no_arn).await;
    let bad_arn = with_arn("bad-arn", "arn:aws:iam::123456789012:user/bad-arn");
    cases.with_document("bad-arn", "user_arn_invalid", &bad_arn).await;
    let region = user_arn("other-region").replace(REGION, "eu-west-1");
    let document = with_arn("other-region", &region);
    cases
        .with_document("other-region", "user_arn_other_region", &document)
        .await;
    let account = user_arn("other-account").replace(ACCOUNT, "999999999999");
    let document = with_arn("other-account", &account);
    cases
        .with_document("other-account", "user_arn_other_account", &document)
        .await;
    let no_username = document_with("no-username", OLD).replace("\"username\"", "\"login\"");
    cases
        .with_document("no-username", "username_missing", &no_username)
        .await;
    let quoted = format!("\"{OLD}\"");
    let number = document_with("number-password", OLD).replace(&quoted, "1234567890123456");
    cases
        .with_document("number-password", "password_invalid", &number)
        .await;
    let empty = document_with("empty-password", OLD).replace(&quoted, "\"\"");
    cases.with_document("empty-password", "password_invalid", &empty).await;
}

pub(super) async fn versions(cases: &mut Cases<'_>) {
    let world = cases.world;
    let foreign = "11111111-2222-4333-8444-555555555555";
    cases.good_secret("foreign-pending").await;
    let pending = document_with("foreign-pending", OTHER);
    cases.put("foreign-pending", foreign, &pending, "AWSPENDING").await;
    cases.add("foreign-pending", "foreign_pending").says = foreign.to_owned();

    let pending = [
        ("pending-moved", "pending_user_changed", document_with("twin", OTHER)),
        (
            "pending-renamed",
            "pending_user_changed",
            document_with("pending-renamed", OTHER)
                .replace("\"username\":\"pending-renamed\"", "\"username\":\"somebody\""),
        ),
        ("pending-no-json", "pending_unreadable", "not a document".to_owned()),
        ("pending-no-word", "pending_unreadable", document("pending-no-word")),
    ];
    for (name, reason, document) in pending {
        let (arn, first) = cases.good_secret(name).await;
        let version = version_id(&arn, &first, 0);
        cases.put(name, &version, &document, "AWSPENDING").await;
        cases.add(name, reason).says = version;
    }

    let (arn, first) = cases.good_secret("rolled-back").await;
    let second = version_id(&arn, &first, 0);
    let document = document_with("rolled-back", OTHER);
    cases.put("rolled-back", &second, &document, "AWSPENDING").await;
    let secret = secret_name("rolled-back");
    world.move_current(&secret, &first, &second).await;
    world.move_current(&secret, &second, &first).await;
    cases.add("rolled-back", "rolled_back").says = second;
}
