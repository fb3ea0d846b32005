//! What is somebody else's, or not covered, is refused by name before anything is changed.

use crate::support::cli::orders;
use crate::support::world::{ON, document, document_with};
use crate::support::{OLD, Policy, World};

use super::{ONBOARD, RIGHTS, changes, empty, one, with};

/// Asserts that this is refused with these words, and changes nothing.
async fn refused(world: &World, line: &[&str], words: &[&str]) {
    let before = changes(world);
    let refused = one(world).cli(line).await.with(13);
    for word in words {
        assert!(refused.stdout.contains(word), "{word}: {}", refused.stdout);
    }
    assert_eq!(changes(world), before, "{line:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_does_not_cover_it_is_told_with_the_lines_to_add() {
    let world = empty().await;
    let before = changes(&world);
    let other = |keys: &str| {
        let policy = Policy {
            name: "orders".to_owned(),
            keys: keys.to_owned(),
        };
        world.daemon("rekeyd").policy(policy)
    };
    for (keys, lines) in [
        (
            "secrets = [\"a\"]\nallow_users = [\"user1\"]\n",
            "secrets = [\"a\", \"production/ec/user1\"]",
        ),
        (
            "secrets = [\"production/ec/user1\"]\nallow_users = [\"b\"]\n",
            "allow_users = [\"b\", \"user1\"]",
        ),
        (
            "select = { tags = { team = \"x\" } }\nallow_users = [\"*\"]\n",
            "secrets = [\"production/ec/user1\"]",
        ),
    ] {
        let refused = other(keys).cli(&ONBOARD).await.with(13);
        assert!(
            refused.stdout.contains("set this in [policy.orders]") && refused.stdout.contains(lines),
            "{}",
            refused.stdout
        );
        assert!(
            !refused.stdout.contains("\n[policy.orders]"),
            "a second table of that name does not parse: {}",
            refused.stdout
        );
    }
    let twice = one(&world).policy(Policy {
        name: "second".to_owned(),
        keys: "select = { name_prefix = \"production/\" }\nallow_users = [\"user1\"]\n".to_owned(),
    });
    let refused = twice.cli(&ONBOARD).await.with(13);
    assert!(refused.stdout.contains("second"), "{}", refused.stdout);
    let mut unknown = ONBOARD;
    unknown[2] = "bills";
    let refused = one(&world).cli(&unknown).await.with(13);
    assert!(
        refused.stdout.contains("add these lines")
            && refused.stdout.contains("\n[policy.bills]")
            && refused.stdout.contains("schedule"),
        "{}",
        refused.stdout
    );
    unknown[2] = "Bad Name";
    let refused = one(&world).cli(&unknown).await.with(13);
    assert!(
        refused.stdout.contains("is no name for a new policy") && !refused.stdout.contains("[policy."),
        "{}",
        refused.stdout
    );
    assert_eq!(changes(&world), before);
    // What the tag that is asked for selects is selected.
    let by_tag = other("select = { tags = { team = \"orders\" } }\nallow_users = [\"user*\"]\n");
    by_tag.cli(&with(&["--dry-run"])).await.with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_would_refuse_of_a_request_is_refused_before_anything_is_made() {
    let world = empty().await;
    let mut line = ONBOARD;
    line[6] = "production/ec/us er?1";
    refused(&world, &line, &["is no secret's name"]).await;
    refused(&world, &with(&["--group", "group_1"]), &["is no user group's id"]).await;
    refused(&world, &with(&["--tag", "aws:team=orders"]), &["only AWS gives"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_one_refused_line_says_that_nothing_was_changed() {
    let world = empty().await;
    let file = world.path("users.csv");
    let text = format!(
        "user_id,secret,policy,access_string\nuser1,production/ec/user1,orders,{RIGHTS}\n\
         user2,production/ec/user2,orders,{RIGHTS}\n"
    );
    std::fs::write(&file, text).unwrap();
    let line = ["onboard", "--csv", file.to_str().unwrap()];
    refused(
        &world,
        &line,
        &[
            "CreateUser",
            "Nothing was changed: the steps above were only planned",
            "--keep-going",
        ],
    )
    .await;
    let dry = one(&world).cli(&[&line[..], &["--dry-run"]].concat()).await.with(13);
    assert!(!dry.stdout.contains("Nothing was changed"), "{}", dry.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_is_not_the_one_asked_for_is_refused_and_never_overwritten() {
    let world = empty().await;
    let bare = |more: &[&'static str]| {
        [
            &[
                "onboard",
                "--policy",
                "orders",
                "--user-id",
                "user1",
                "--secret",
                "production/ec/user1",
            ],
            more,
        ]
        .concat()
    };
    refused(&world, &bare(&[]), &["user user1", "does not exist", "--access-string"]).await;
    refused(
        &world,
        &bare(&["--access-string", "on >hunter2hunter2hunter2"]),
        &["holds a password"],
    )
    .await;
    refused(
        &world,
        &bare(&["--access-string", RIGHTS, "--group", "nobodys"]),
        &["user group nobodys", "does not exist"],
    )
    .await;
    refused(
        &world,
        &bare(&["--access-string", RIGHTS, "--group", "group1", "--engine", "valkey"]),
        &["takes users of engine redis only"],
    )
    .await;

    world.create_user_with("user1", "name1", "off ~other:* +get", &[]).await;
    refused(
        &world,
        &bare(&["--access-string", RIGHTS]),
        &["other rights", "off ~other:* -@all +get"],
    )
    .await;
    refused(&world, &bare(&["--user-name", "user1"]), &["is named name1"]).await;
    refused(&world, &bare(&["--engine", "valkey"]), &["is of engine redis"]).await;

    world.create_user_with("user2", "user2", ON, &[]).await;
    world.create_user("user3", OLD).await;
    let setup = orders(&world, &["user1", "user2", "user3"]);
    let before = changes(&world);
    for (user, words) in [
        ("user2", "is on and needs no password"),
        ("user3", "has a password that no secret holds"),
    ] {
        let secret = format!("production/ec/{user}");
        let line = ["onboard", "--policy", "orders", "--user-id", user, "--secret", &secret];
        let refused = setup.cli(&line).await.with(13);
        assert!(refused.stdout.contains(words), "{}", refused.stdout);
    }
    assert_eq!(changes(&world), before);
    // The policy may allow what cuts clients off.
    let any = orders(&world, &["user2"]).default_key("first_password", "\"any\"");
    let line = [
        "onboard",
        "--policy",
        "orders",
        "--user-id",
        "user2",
        "--secret",
        "production/ec/user2",
    ];
    any.cli(&line).await.with(0);
    assert!(world.password("production/ec/user2", "AWSCURRENT").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_the_users_own_is_refused_and_never_overwritten() {
    let secret = "production/ec/user1";
    for (text, words) in [
        (document("user2"), "is bound to another user"),
        (
            document_with("user1", OLD).replace("\"user1\"", "\"user9\""),
            "its username is",
        ),
        ("{\"api_key\": \"x\"}".to_owned(), "--write-bond"),
        ("no document".to_owned(), "not a JSON object"),
    ] {
        let world = empty().await;
        world.create_secret(secret, &text).await;
        refused(&world, &ONBOARD, &["secret production/ec/user1", words]).await;
    }
    let world = empty().await;
    world.create_secret(secret, &document("user1")).await;
    let tag = aws_sdk_secretsmanager::types::Tag::builder()
        .key("team")
        .value("bills")
        .build();
    world
        .secrets
        .tag_resource()
        .secret_id(secret)
        .tags(tag)
        .send()
        .await
        .unwrap();
    refused(&world, &ONBOARD, &["its tag team is \"bills\""]).await;
    world
        .put_version(
            secret,
            "00000000-0000-0000-0000-000000000007",
            &document_with("user1", OLD),
            &["AWSPENDING"],
        )
        .await;
    refused(&world, &ONBOARD[..11], &["carries AWSPENDING"]).await;
    let lambda = "arn:aws:lambda:us-east-1:123456789012:function:rotate";
    let world = empty().await;
    world.create_secret(secret, &document("user1")).await;
    let rotate = world
        .secrets
        .rotate_secret()
        .secret_id(secret)
        .rotation_lambda_arn(lambda);
    rotate.rotate_immediately(false).send().await.unwrap();
    refused(&world, &ONBOARD, &["rekeyd takeover"]).await;
    world.secrets.delete_secret().secret_id(secret).send().await.unwrap();
    refused(&world, &ONBOARD, &["marked for deletion"]).await;
    // A user that accepts anything is not switched on because its secret looks finished.
    let world = empty().await;
    world.create_user_with("user1", "user1", "off ~app:* +@read", &[]).await;
    world.create_secret(secret, &document_with("user1", OLD)).await;
    refused(&world, &ONBOARD, &["has no password, although secret"]).await;
}
