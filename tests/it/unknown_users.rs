//! Users that ElastiCache does not know, or not yet.

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::Phase;

use crate::support::world::{GROUP, ON, document_with, secret_name};
use crate::support::{OLD, Policy, World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn users_that_elasticache_does_not_know_hold_nobody_up_and_recover_by_themselves() {
    let world = World::of(&["good", "gone"]).await;
    for user in ["good", "gone", "never"] {
        world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    let delete = world.elasticache.delete_user().user_id("gone");
    delete.send().await.unwrap();
    let policy = Policy::new("orders", &["good", "gone", "never"]).with("schedule", "\"2s\"");
    let policy = policy.with("max_attention", "\"100%\"").with("canary", "0");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    for user in ["gone", "never"] {
        let secret = secret_name(user);
        let status = daemon
            .wait_reason(&secret, Phase::NeedsAttention, "user_not_found")
            .await;
        assert!(status.detail.as_ref().unwrap().contains(user), "{status:?}");
    }
    let attempts = |user: &'static str| {
        let calls = world.calls_by("rekeyd");
        let of_user = calls
            .iter()
            .filter(|call| call.operation == "DescribeUsers" && call.resource.as_deref() == Some(user));
        of_user.count()
    };
    // They are asked for less and less often, down to once in retry.max, which is a second here.
    let since = tokio::time::Instant::now();
    let before = ["gone", "never"].map(attempts);
    let mut versions = vec![world.holder(&secret_name("good"), "AWSCURRENT").await];
    while versions.len() < 4 {
        eventually("the good user is rotated again", || async {
            let current = world.holder(&secret_name("good"), "AWSCURRENT").await;
            if versions.contains(&current) {
                Err(daemon.log_text())
            } else {
                Ok(())
            }
        })
        .await;
        versions.push(world.holder(&secret_name("good"), "AWSCURRENT").await);
        world.assert_current_logs_in(&secret_name("good"), "good").await;
    }
    let at_most = (since.elapsed().as_secs_f64() / 0.8) as usize + 4;
    for (user, before) in ["gone", "never"].into_iter().zip(before) {
        let calls = attempts(user) - before;
        assert!(
            (2..=at_most).contains(&calls),
            "{user}: {calls} calls in {:?}",
            since.elapsed()
        );
        let secret = secret_name(user);
        let status = daemon
            .wait_reason(&secret, Phase::NeedsAttention, "user_not_found")
            .await;
        assert!(status.attempts > 3 && status.next_attempt_at.is_some(), "{status:?}");
        assert_eq!(world.labels(&secret).await.len(), 1, "{user} was given a new version");
    }

    for user in ["gone", "never"] {
        world.create_user_with(user, user, ON, &[OLD]).await;
    }
    let add = world.elasticache.modify_user_group().user_group_id(GROUP);
    add.user_ids_to_add("gone")
        .user_ids_to_add("never")
        .send()
        .await
        .unwrap();
    for user in ["gone", "never"] {
        daemon
            .wait(&secret_name(user), "rotated and proved", |status| {
                status.retired_proof == Some(Proof::Proven) && status.attempts == 0
            })
            .await;
    }
}
