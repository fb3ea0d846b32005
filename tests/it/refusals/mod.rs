//! Secrets and users that rekeyd must leave alone: each refusal says why, changes nothing in AWS
//! and is no hot loop.

mod case;
mod secrets;
mod users;

use case::{Case, Cases};
use rekeyd::rotation::status::{Phase, SecretStatus};
use users::USERS;

use crate::support::{Daemon, OLD, OTHER, Policy, World, eventually};

/// Makes every user and secret, and says what is to come of each.
async fn every_refusal(world: &World) -> Cases<'_> {
    for (user, access, passwords) in USERS {
        world.create_user_with(user, user, access, passwords).await;
    }
    let mut users: Vec<&str> = USERS.iter().map(|(user, _, _)| *user).collect();
    users.retain(|user| *user != "global");
    world.create_cache(&users).await;
    let mut cases = Cases { world, all: Vec::new() };
    secrets::secrets_in_other_hands(&mut cases).await;
    secrets::documents(&mut cases).await;
    users::users_unfit(&mut cases).await;
    secrets::versions(&mut cases).await;
    users::global_datastore(&mut cases).await;
    cases
}

/// Two policies over all cases, one of them paused.
fn policies(cases: &Cases<'_>, schedule: &str) -> [Policy; 2] {
    let users: Vec<&str> = USERS
        .iter()
        .map(|(user, _, _)| *user)
        .chain(["iam-user", "iam-without", "own-default", "empty-default"])
        .filter(|user| *user != "not-allowed")
        .collect();
    let [paused, open]: [Vec<&str>; 2] = [true, false].map(|paused| {
        let of = cases
            .all
            .iter()
            .filter(|case| case.name.starts_with("paused-") == paused);
        of.map(|case| case.secret.as_str()).collect()
    });
    let policy = |name: &str, secrets: &[&str]| {
        Policy::new(name, &users)
            .with("secrets", &format!("{secrets:?}"))
            .with("schedule", schedule)
            .with("max_attention", "\"100%\"")
            .with("canary", "0")
    };
    [policy("open", &open), policy("shut", &paused).with("paused", "true")]
}

/// Waits until every case is refused with its reason, and names those that are not.
async fn all_refused(daemon: &Daemon, cases: &Cases<'_>, wanted: impl Fn(&Case, &SecretStatus) -> Result<(), String>) {
    eventually("every case is refused for its reason", || async {
        let statuses = daemon.statuses().await?;
        let wrong: Vec<String> = cases
            .all
            .iter()
            .filter_map(|case| {
                let Some(status) = statuses.iter().find(|status| status.secret == case.secret) else {
                    return Some(format!("case {}: not listed", case.name));
                };
                let problem = wanted(case, status).err()?;
                Some(format!(
                    "case {}: {problem}: {:?} {:?} {:?}",
                    case.name, status.phase, status.reason, status.detail
                ))
            })
            .collect();
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(format!("\n{}", wrong.join("\n")))
        }
    })
    .await;
}

fn refused(case: &Case, status: &SecretStatus) -> Result<(), String> {
    if (status.phase, status.reason.as_deref()) != (Phase::Halted, Some(case.reason)) {
        return Err(format!("wants a halt for {}", case.reason));
    }
    let detail = status.detail.as_deref().unwrap_or_default();
    if !detail.contains(&case.says) {
        return Err(format!("does not say {:?}", case.says));
    }
    if detail.contains(OLD) || detail.contains(OTHER) {
        return Err("shows a password".to_owned());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_own_reason_changes_nothing_and_comes_to_rest() {
    let world = World::start().await;
    let cases = every_refusal(&world).await;
    let before = cases.sights().await;
    let live = before.values().filter(|sight| sight.logins.is_some_and(|[old, _]| old));
    assert!(live.count() > 20, "most users log in with the password of their secret");

    // Nothing is due.
    let [open, shut] = policies(&cases, "\"1000d\"");
    let resting = world.daemon("resting").policy(open).policy(shut);
    let resting = resting.default_key("retry", "{ initial = \"100ms\", max = \"1h\", jitter = 0.2 }");
    let daemon = resting.run().await;
    all_refused(&daemon, &cases, |case, status| match case.at_rest {
        Some(proof) if (status.phase, status.proof) == (Phase::Idle, Some(proof)) => Ok(()),
        Some(proof) => Err(format!("wants to be idle and {proof:?}")),
        None => refused(case, status),
    })
    .await;
    world.assert_comes_to_rest("resting").await;
    assert_eq!(daemon.end("-TERM").await, Some(0));
    world.assert_only_reads("resting");

    // Everything is due, all the time.
    let [open, shut] = policies(&cases, "\"1s\"");
    let due = world.daemon("due").policy(open).policy(shut);
    let due = due.default_key("retry", "{ initial = \"100ms\", max = \"1h\", jitter = 0.2 }");
    let daemon = due.run().await;
    all_refused(&daemon, &cases, refused).await;
    world.assert_comes_to_rest("due").await;

    // Asked for, it is refused all the same, and status says that it was asked for.
    let looked = world.count_by("due", |operation| operation == "DescribeSecret");
    daemon.order("rotate", &serde_json::json!({"all": true})).await;
    eventually("every secret is looked at again", || async {
        let again = world.count_by("due", |operation| operation == "DescribeSecret") - looked;
        if again >= cases.all.len() {
            Ok(())
        } else {
            Err(format!("{again} of {}", cases.all.len()))
        }
    })
    .await;
    world.assert_comes_to_rest("due").await;
    all_refused(&daemon, &cases, |case, status| {
        refused(case, status)?;
        if status.requested {
            Ok(())
        } else {
            Err("does not say that it was requested".to_owned())
        }
    })
    .await;
    // So does resuming, but for the rollback, which is for another test.
    for case in cases.all.iter().filter(|case| case.reason != "rolled_back") {
        let answer = daemon
            .post("/api/v1/resume", &serde_json::json!({"secrets": [case.secret]}))
            .await;
        assert_eq!(answer.status, 200, "case {}: {}", case.name, answer.body);
    }
    world.assert_comes_to_rest("due").await;
    all_refused(&daemon, &cases, refused).await;
    world.assert_only_reads("due");

    let after = cases.sights().await;
    for case in &cases.all {
        assert_eq!(
            after[&case.secret], before[&case.secret],
            "case {} was changed",
            case.name
        );
    }
    let metrics = daemon.get("/metrics").await.body;
    for case in &cases.all {
        let line = format!("reason=\"{}\"", case.reason);
        let shown = metrics
            .lines()
            .any(|text| text.starts_with("rekeyd_policy_halted{") && text.contains(&line) && !text.ends_with(" 0"));
        assert!(shown, "case {}: {line} is not in the metrics", case.name);
    }
}
