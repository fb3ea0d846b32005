//! Many at once.

use std::fmt::Write as _;

use aws_sdk_elasticache::types::Tag;

use crate::support::cli::orders;
use crate::support::world::{GROUP, OFF, document};

use super::{changes, empty};

const HEADER: &str = "user_id,user_name,secret,policy,engine,access_string,groups,tags\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_line_is_checked_before_the_first_is_done_and_each_is_reported() {
    let world = empty().await;
    let users: Vec<String> = (1..=4).map(|n| format!("user{n}")).collect();
    let names: Vec<&str> = users.iter().map(String::as_str).collect();
    let mut table = HEADER.to_owned();
    for user in &users {
        let _ = writeln!(
            table,
            "{user},,production/ec/{user},orders,redis,on ~{user}:* +@read,{GROUP},team=orders"
        );
    }
    // Somebody else's secret.
    world.create_secret("production/ec/user3", &document("user9")).await;
    let file = world.path("users.csv");
    std::fs::write(&file, &table).unwrap();
    let file = file.display().to_string();
    let before = changes(&world);
    let refused = orders(&world, &names).cli(&["onboard", "--csv", &file]).await.with(13);
    assert!(
        refused.stdout.contains("line 4") && refused.stdout.contains("another user"),
        "{}",
        refused.stdout
    );
    std::fs::write(world.path("bad.csv"), format!("{table}user5,,,orders,,,,\n")).unwrap();
    let bad = world.path("bad.csv").display().to_string();
    let told = orders(&world, &names).cli(&["onboard", "--csv", &bad]).await.with(13);
    assert!(told.stderr.contains("line 6: secret is empty"), "{}", told.stderr);
    assert_eq!(changes(&world), before, "a bad line keeps all from being begun");

    let partly = orders(&world, &names)
        .cli(&["onboard", "--csv", &file, "--keep-going", "--json"])
        .await
        .with(3);
    let results: Vec<_> = partly.json()["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| user["result"].clone())
        .collect();
    assert_eq!(results, ["done", "done", "refused", "done"], "{}", partly.stdout);
    for user in ["user1", "user2", "user4"] {
        world
            .assert_current_logs_in(&format!("production/ec/{user}"), user)
            .await;
    }
    let before = changes(&world);
    orders(&world, &names)
        .cli(&["onboard", "--csv", &file, "--keep-going"])
        .await
        .with(3);
    assert_eq!(changes(&world), before, "the second time changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_users_with_a_tag_are_onboarded_together() {
    let world = empty().await;
    world.create_inactive_user("user1").await;
    let tagged = aws_sdk_secretsmanager::types::Tag::builder()
        .key("team")
        .value("orders")
        .build();
    let secret = world
        .secrets
        .create_secret()
        .name("production/ec/user1")
        .secret_string(document("user1"));
    secret.tags(tagged).send().await.unwrap();
    let user = world
        .elasticache
        .create_user()
        .user_id("user2")
        .user_name("user2")
        .engine("redis")
        .access_string(OFF);
    let user = user
        .no_password_required(true)
        .tags(Tag::builder().key("team").value("orders").build());
    user.send().await.unwrap();
    world.create_inactive_user("user3").await;
    let setup = orders(&world, &["user1", "user2", "user3"]);
    let line = ["onboard", "--policy", "orders", "--by-tag", "team=orders"];
    let usage = setup.cli(&line).await.with(2);
    assert!(
        usage.stderr.contains("user user2") && usage.stderr.contains("{user_id}"),
        "{}",
        usage.stderr
    );
    let line = [&line[..], &["--secret", "production/ec/{user_id}", "--json"]].concat();
    let done = setup.cli(&line).await.with(0);
    assert_eq!(done.json()["users"].as_array().unwrap().len(), 2, "{}", done.stdout);
    for user in ["user1", "user2"] {
        assert!(
            world
                .password(&format!("production/ec/{user}"), "AWSCURRENT")
                .await
                .is_some(),
            "{user}"
        );
    }
    let again = setup.cli(&line).await.with(0);
    assert!(
        again.json()["users"]
            .as_array()
            .unwrap()
            .iter()
            .all(|user| user["result"] == "already_done")
    );
}
