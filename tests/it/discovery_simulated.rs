//! Which secrets a policy has: listings that are long, or lag behind, and secrets that two policies have.

use std::time::Duration;

use rekeyd::engine::control::{Control, RotateOptions};
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd_sandbox::secretsmanager as sm;
use rekeyd_sandbox::{Delay, Doubts, NodeChange, Settings};

use crate::support::simulated::{FLEET_PASSWORD, Machine, Policy, Replica, Simulation, lifelike, simulate};
use crate::support::status::{idle_and_retired, proven_retired, selected_twice};
use crate::support::world::{document_with, secret_name};

const PATIENCE: Duration = Duration::from_secs(6 * 3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// A policy that names no secret, and selects these.
fn selecting(name: &str, select: &str) -> Policy {
    Policy {
        name: name.to_owned(),
        keys: format!("select = {select}\nallow_users = [\"user*\"]\noverlap = \"30m\"\n"),
    }
}

fn looking(sim: &Simulation) -> Machine {
    sim.machine("rekeyd").daemon("discovery_interval = \"1m\"")
}

async fn tag(sim: &Simulation, user: &str, key: &str, value: &str) {
    let tag = sm::SecretTag {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    sim.call(sm::TagResource {
        secret_id: secret_name(user),
        tags: vec![tag],
    })
    .await;
}

async fn untag(sim: &Simulation, user: &str, key: &str) {
    sim.call(sm::UntagResource {
        secret_id: secret_name(user),
        tag_keys: vec![key.to_owned()],
    })
    .await;
}

fn asked(sim: &Simulation, operation: &str) -> usize {
    let log = sim.world.sandbox.log();
    log.iter().filter(|entry| entry.operation == operation).count()
}

fn listed(replica: &Replica) -> Vec<String> {
    let all = replica.engine.secrets().into_iter();
    all.map(|status| format!("{} {}", status.policy, status.secret))
        .collect()
}

async fn knows(sim: &Simulation, replica: &Replica, secrets: usize) {
    let all = || replica.engine.secrets().len();
    let probe = || (all() == secrets).then_some(());
    sim.until("so many are known", PATIENCE, probe, || all().to_string())
        .await;
}

#[test]
fn a_selection_of_more_than_a_page_is_found_whole_and_what_is_named_too_only_once() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(130).await;
        let named: Vec<String> = users[..30].iter().map(|user| secret_name(user)).collect();
        let policy =
            selecting("orders", "{ name_prefix = \"production/ec/user\" }").with("secrets", &format!("{named:?}"));
        let replica = looking(&sim).policy(policy.with("paused", "true")).start().await;
        knows(&sim, &replica, 130).await;
        assert!(asked(&sim, "ListSecrets") >= 2, "of two pages");
        let (policies, secrets) = (replica.engine.policies(), replica.engine.secrets());
        assert_eq!((policies[0].secrets, secrets.len()), (130, 130));
    });
}

#[test]
fn named_secrets_that_are_known_cost_a_bounded_number_of_look_ups_for_each_look() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(160).await;
        let users: Vec<&str> = users.iter().map(String::as_str).collect();
        let policy = Policy::new("orders", &users).with("paused", "true");
        let machine = sim.machine("rekeyd").daemon("discovery_interval = \"30m\"");
        let replica = machine
            .daemon("drift_check_interval = \"none\"")
            .policy(policy)
            .start()
            .await;
        knows(&sim, &replica, 160).await;
        sim.run_for(MINUTE).await;
        let before = asked(&sim, "DescribeSecret");
        sim.run_for(60 * MINUTE).await;
        // Each paused secret is looked at once in half an hour, whatever happens; the rest is discovery's.
        let looks = asked(&sim, "DescribeSecret") - before - 2 * 160;
        assert_eq!(looks, 2 * 100);
        assert_eq!(replica.engine.secrets().len(), 160);
    });
}

#[test]
fn a_listing_that_lags_five_minutes_drops_no_secret_and_shows_a_new_one_when_it_can() {
    let doubts = Doubts {
        list_secrets_lag_ms: 300_000,
        ..Doubts::default()
    };
    let settings = Settings { doubts, ..lifelike() };
    simulate(1, settings, async |sim| {
        sim.fleet(2).await;
        tag(&sim, "user0000", "team", "orders").await;
        sim.run_for(10 * MINUTE).await;
        let policy = selecting("orders", "{ tags = { team = \"orders\" } }");
        let replica = looking(&sim).policy(policy).start().await;
        knows(&sim, &replica, 1).await;
        // For two minutes it is not tagged, which the listing shows five minutes later.
        untag(&sim, "user0000", "team").await;
        sim.run_for(2 * MINUTE).await;
        tag(&sim, "user0000", "team", "orders").await;
        tag(&sim, "user0001", "team", "orders").await;
        let mut known = Vec::new();
        for _ in 0..100 {
            sim.run_for(Duration::from_secs(6)).await;
            known.push(listed(&replica).len());
        }
        assert!(known.iter().all(|known| (1..=2).contains(known)), "{known:?}");
        assert_eq!((known[0], known[known.len() - 1]), (1, 2), "{known:?}");
        assert!(known.iter().filter(|known| **known == 2).count() >= 35, "{known:?}");
    });
}

#[test]
fn what_is_deleted_marked_for_deletion_or_untagged_is_gone_within_a_discovery_interval() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(4).await;
        for user in &users {
            tag(&sim, user, "team", "orders").await;
        }
        let selection = "{ tags = { team = \"orders\" } }";
        let machine = looking(&sim).daemon("drift_check_interval = \"none\"");
        let replica = machine.policy(selecting("orders", selection)).start().await;
        knows(&sim, &replica, 4).await;
        sim.run_for(2 * MINUTE).await;
        for (user, force) in [(&users[0], Some(true)), (&users[1], None)] {
            sim.call(sm::DeleteSecret {
                secret_id: secret_name(user),
                recovery_window_in_days: None,
                force_delete_without_recovery: force,
            })
            .await;
        }
        untag(&sim, &users[2], "team").await;
        // The interval, and the calls of the look.
        sim.run_for(MINUTE + Duration::from_secs(5)).await;
        assert_eq!(listed(&replica), [format!("orders {}", secret_name(&users[3]))]);
    });
}

/// Two policies by tag; the second has an overlap of its own, so that it shows whose rules a rotation follows.
fn two(sim: &Simulation) -> Machine {
    let one = selecting("one", "{ tags = { team = \"one\" } }");
    let other = selecting("other", "{ tags = { crew = \"other\" } }").with("overlap", "\"5h\"");
    looking(sim).policy(one).policy(other)
}

async fn until_both_say_so(sim: &Simulation, replica: &Replica) {
    let rows = || {
        let all = replica.engine.secrets().into_iter();
        all.map(|status| (status.policy.clone(), selected_twice(&status), status.detail))
            .collect::<Vec<_>>()
    };
    let told = |detail: &Option<String>| detail.as_ref().is_some_and(|text| text.contains("one and other"));
    let probe = || {
        let rows = rows();
        let policies: Vec<&str> = rows.iter().map(|(policy, ..)| policy.as_str()).collect();
        let all = rows.iter().all(|(_, halted, detail)| *halted && told(detail));
        (policies == ["one", "other"] && all).then_some(())
    };
    sim.until("both policies halt", PATIENCE, probe, || format!("{:#?}", rows()))
        .await;
}

#[test]
fn a_secret_in_two_policies_is_rotated_by_neither_until_it_is_in_one() {
    simulate(1, lifelike(), async |sim| {
        sim.fleet(1).await;
        tag(&sim, "user0000", "team", "one").await;
        tag(&sim, "user0000", "crew", "other").await;
        let name = secret_name("user0000");
        let replica = two(&sim).start().await;
        until_both_say_so(&sim, &replica).await;
        replica.rotate(&name, RotateOptions::default()).await;
        sim.run_for(120 * MINUTE).await;
        assert_eq!(sim.versions()[&name], 1);
        for policy in ["one", "other"] {
            let line = format!("rekeyd_policy_halted{{policy=\"{policy}\",reason=\"selected_twice\"}} 1");
            assert!(replica.metrics().contains(&line), "{line}\n{}", replica.metrics());
        }
        // Whoever keeps it rotates it as was asked.
        untag(&sim, "user0000", "team").await;
        replica
            .until(&name, "rotated by the other", PATIENCE, |status| {
                status.policy == "other" && status.phase == Phase::Overlap && status.reason.is_none()
            })
            .await;
        assert_eq!(listed(&replica), [format!("other {name}")]);
    });
}

#[test]
fn what_one_policy_began_it_finishes_by_its_own_rules_after_a_restart_too() {
    for restart in [false, true] {
        simulate(1, lifelike(), async |sim| {
            sim.fleet(1).await;
            let name = secret_name("user0000");
            tag(&sim, "user0000", "team", "one").await;
            let mut replica = two(&sim).start().await;
            replica
                .until(&name, "checked", PATIENCE, |status| status.proof.is_some())
                .await;
            let slow = NodeChange {
                propagation_ms: Some(Some(Delay::Ms(600_000))),
                ..NodeChange::default()
            };
            sim.change_node("fleet0-001", &slow);
            replica.rotate(&name, RotateOptions::default()).await;
            replica
                .until(&name, "on its way", PATIENCE, |status| status.phase == Phase::Rotating)
                .await;
            tag(&sim, "user0000", "crew", "other").await;
            sim.run_for(2 * MINUTE).await;
            if restart {
                replica = replica.crash().start().await;
                sim.run_for(2 * MINUTE).await;
            }
            let rows = replica.engine.secrets();
            let under_way = |status: &SecretStatus| {
                let told = status
                    .detail
                    .as_ref()
                    .is_some_and(|text| text.contains("one finishes what it began"));
                status.phase == Phase::Rotating && told
            };
            assert!(rows.len() == 2 && rows.iter().all(under_way), "{rows:#?}");
            // Promoted, and retired after the half hour of the first, not the five of the second.
            let began = sim.world.time.elapsed();
            replica.until(&name, "retired", PATIENCE, proven_retired).await;
            let lasted = sim.world.time.elapsed() - began;
            assert!(lasted < 60 * MINUTE, "{lasted:?}");
            until_both_say_so(&sim, &replica).await;
            assert_eq!(sim.logins("user0000", FLEET_PASSWORD).0, 0);
            let password = sim.password(&name, "AWSCURRENT").unwrap();
            assert_eq!(sim.logins("user0000", &password).0, 2);
            // Nothing more begins.
            replica.rotate(&name, RotateOptions::default()).await;
            sim.run_for(120 * MINUTE).await;
            assert_eq!(sim.versions()[&name], 2);
            untag(&sim, "user0000", "crew").await;
            replica
                .until(&name, "rotated again", PATIENCE, |status| {
                    idle_and_retired(status) && sim.versions()[&name] == 3
                })
                .await;
        });
    }
}

#[test]
fn two_places_that_are_one_account_and_region_rotate_no_user_twice() {
    simulate(1, lifelike(), async |sim| {
        sim.fleet(1).await;
        let name = secret_name("user0000");
        let twin = "production/ec/twin";
        sim.create_secret(twin, &document_with("user0000", FLEET_PASSWORD))
            .await;
        sim.run_for(Duration::from_secs(40 * 86_400)).await;
        let policy = |name: &str, secret: &str| Policy {
            name: name.to_owned(),
            keys: format!("secrets = [{secret:?}]\nallow_users = [\"*\"]\nschedule = \"30d\"\n"),
        };
        let machine = sim.machine("rekeyd").place("again", "us-east-1");
        let machine = machine.policy(policy("one", &name));
        let replica = machine
            .policy(policy("other", twin).with("aws", "\"again\""))
            .start()
            .await;
        for secret in [name.as_str(), twin] {
            replica
                .until(secret, "halted", PATIENCE, |status| {
                    status.reason.as_deref() == Some("user_claimed_twice")
                })
                .await;
        }
        assert!(sim.versions().values().all(|versions| *versions == 1));
    });
}

#[test]
fn a_secret_that_two_places_show_halts_like_one_in_two_policies() {
    simulate(1, lifelike(), async |sim| {
        sim.fleet(1).await;
        tag(&sim, "user0000", "team", "one").await;
        tag(&sim, "user0000", "crew", "other").await;
        let one = selecting("one", "{ tags = { team = \"one\" } }");
        let other = selecting("other", "{ tags = { crew = \"other\" } }").with("aws", "\"again\"");
        let machine = looking(&sim).place("again", "us-east-1");
        let replica = machine.policy(one).policy(other).start().await;
        until_both_say_so(&sim, &replica).await;
        let mut places: Vec<String> = replica
            .engine
            .secrets()
            .into_iter()
            .map(|status| status.place)
            .collect();
        places.sort();
        assert_eq!(places, ["again", "main"]);
    });
}
