//! A rotation from beginning to end, as an operator sees it.

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::UnprovenReason;
use rekeyd::rotation::status::Phase;
use rekeyd::rotation::version::version_id;

use crate::support::cli::orders;
use crate::support::status::{promoted_to, proven};
use crate::support::world::{document, secret_name, user_arn};
use crate::support::{OLD, Policy, Scene, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_made_by_the_aws_guide_gets_its_first_password_its_proof_and_its_rotations() {
    let world = World::start().await;
    world.create_inactive_user("user1").await;
    world.create_cache(&["user1"]).await;
    let secret = secret_name("user1");
    let arn = world.create_secret(&secret, &document("user1")).await;
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let policy = Policy::new("orders", &["user1"]).with("overlap", "\"3s\"");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;

    let off = Proof::Unproven(UnprovenReason::UserOff);
    let status = daemon
        .wait(&secret, "rotated, unproven", |status| status.proof == Some(off))
        .await;
    let second = version_id(&arn, &first, 0);
    assert_eq!(status.current_version.as_deref(), Some(second.as_str()));
    let password = world.password(&secret, "AWSCURRENT").await.unwrap();
    assert_eq!(password.len(), 32);
    assert_eq!(
        world.logins("user1", &password).await,
        (0, 3),
        "a user that is off refuses everything"
    );

    world.switch("user1", true).await;
    let status = daemon.wait(&secret, "proved", proven).await;
    assert_eq!(status.nodes, Some(3));
    world.assert_current_logs_in(&secret, "user1").await;

    daemon.rotate(&secret).await;
    let third = version_id(&arn, &second, 0);
    let status = daemon
        .wait(&secret, "rotated again", |status| {
            promoted_to(&third)(status) && status.phase == Phase::Overlap
        })
        .await;
    assert_eq!(status.proof, Some(Proof::Proven));
    assert_eq!(
        world.logins("user1", &password).await,
        (3, 3),
        "both passwords work during the overlap"
    );
    world.assert_current_logs_in(&secret, "user1").await;

    let status = daemon
        .wait(&secret, "retired", |status| {
            status.phase == Phase::Idle && status.retired_at.is_some()
        })
        .await;
    assert_eq!(status.retired_proof, Some(Proof::Proven));
    assert_eq!(
        world.logins("user1", &password).await,
        (0, 3),
        "the previous password is dead"
    );
    world.assert_current_logs_in(&secret, "user1").await;
    assert_eq!(daemon.end("-TERM").await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn scheduled_rotations_form_one_chain_and_never_lock_anybody_out() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let policy = Policy::new("orders", &["user1"]).with("schedule", "\"3s\"");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;

    let mut chain = vec![first];
    while chain.len() < 4 {
        let next = version_id(&arn, chain.last().unwrap(), 0);
        eventually("the next version of the chain is current", || async {
            world.assert_current_logs_in(&secret, "user1").await;
            let current = world.holder(&secret, "AWSCURRENT").await.unwrap();
            if current == next {
                Ok(())
            } else {
                Err(format!("{current}\n{}", daemon.log_text()))
            }
        })
        .await;
        chain.push(next);
    }
    drop(daemon);
    let versions = world.labels(&secret).await;
    assert!(
        versions
            .keys()
            .all(|version| chain.contains(version) || *version == version_id(&arn, &chain[3], 0))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_key_of_the_document_is_carried_over_unchanged_and_in_order() {
    let world = World::start().await;
    world.create_user("user1", OLD).await;
    world.create_cache(&["user1"]).await;
    let secret = secret_name("user1");
    let before = format!(
        r#"{{"z":1.50,"username":"user1","password":"{OLD}","user_arn":"{}","a":{{"nested":[1, 2]}},"host":"ünï"}}"#,
        user_arn("user1")
    );
    world.create_secret(&secret, &before).await;
    let daemon = orders(&world, &["user1"]).run().await;
    daemon.checked(&secret).await;
    daemon.rotate(&secret).await;
    daemon
        .wait(&secret, "rotated", |status| status.retired_at.is_some())
        .await;
    let value = world
        .secrets
        .get_secret_value()
        .secret_id(&secret)
        .send()
        .await
        .unwrap();
    let password = world.password(&secret, "AWSCURRENT").await.unwrap();
    assert_ne!(password, OLD);
    assert_eq!(value.secret_string(), Some(before.replace(OLD, &password).as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_rotated_before_it_is_due() {
    let scene = Scene::start(&[]).await;
    let (world, daemon, secret) = scene.parts();
    let status = daemon
        .wait(secret, "at rest", |status| {
            status.phase == Phase::Idle && proven(status)
        })
        .await;
    let due = status.next_rotation_at.unwrap() - status.last_rotation_at.unwrap();
    assert_eq!(due.num_days(), 1000);
    assert_eq!(world.count("secretsmanager.PutSecretValue"), 0);
    assert_eq!(world.count("elasticache.ModifyUser"), 0);
}
