//! `rekeyd notify test`: whether notifications arrive, without a daemon.

use crate::support::World;
use crate::support::cli::Ended;
use crate::support::receiver::{Receiver, Reply};

async fn test(world: &World, tables: &str, args: &[&str]) -> Ended {
    let policy = crate::support::Policy::new("orders", &["user1"]);
    let setup = world.daemon("rekeyd").policy(policy).more(tables);
    setup.cli(&[&["notify", "test"], args].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_arrives_signed_and_what_was_answered_is_told() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let tables =
        world.webhook("oncall", &receiver.url(), &["halted"]) + &world.slack("team", &receiver.url(), &["halted"]);
    let ended = test(&world, &tables, &["oncall"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.starts_with("oncall took the test message msg_test_"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("HTTP 204"), "{}", ended.stdout);
    let requests = receiver.requests();
    assert_eq!((requests.len(), requests[0].kind().as_str()), (1, "rekeyd.test"));
    assert!(requests[0].headers["webhook-signature"].starts_with("v1,"));

    let json = test(&world, &tables, &["team", "--json"]).await.with(0).json();
    assert_eq!((&json["notify"], &json["delivered"]), (&"team".into(), &true.into()));
    let body = receiver.requests()[1].json();
    assert_eq!(body["blocks"][0]["text"]["text"], "Test");
    assert!(body["text"].as_str().unwrap().contains("Nothing happened"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_does_not_take_it_is_a_failure_and_a_name_that_is_none_a_slip() {
    let world = World::start().await;
    let receiver = Receiver::start();
    let tables = world.webhook("oncall", &receiver.url(), &["halted"]);
    receiver.replies(Reply::With(403, String::new(), "invalid_token".to_owned()));
    let ended = test(&world, &tables, &["oncall"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .stderr
            .contains("oncall did not take the test message: HTTP 403, invalid_token"),
        "{}",
        ended.stderr
    );
    receiver.replies(Reply::Hang);
    let json = test(&world, &tables, &["oncall", "--json"]).await.with(1).json();
    assert_eq!(
        (&json["delivered"], &json["answer"]),
        (&false.into(), &"no answer within 1 s".into())
    );

    let ended = test(&world, &tables, &["onkall"]).await;
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("there is no [notify.onkall]; known: oncall"),
        "{}",
        ended.stderr
    );
    std::fs::remove_file(world.path("signing.key")).unwrap();
    let setup = world
        .daemon("rekeyd")
        .policy(crate::support::Policy::new("orders", &["user1"]));
    let ended = setup.more(&tables).cli(&["notify", "test", "oncall"]).await;
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("notify.oncall.secret_file"), "{}", ended.stderr);
}
