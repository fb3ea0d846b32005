//! Another configuration while running, and which policies have a secret by it, in simulated time.

use std::time::Duration;

use rekeyd::engine::control::{Control, RotateOptions};
use rekeyd::rotation::event::Event;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd_sandbox::secretsmanager as sm;

use crate::support::simulated::{Policy, Replica, Simulation, lifelike, simulate};
use crate::support::status::{idle_and_proven, idle_and_retired, selected_twice};
use crate::support::world::secret_name;

const PATIENCE: Duration = Duration::from_secs(6 * 3_600);
const MINUTE: Duration = Duration::from_secs(60);

/// A policy that selects what bears the tag `team` of this value, with an overlap of its own.
fn tagged(name: &str, team: &str) -> Policy {
    let keys = format!("select = {{ tags = {{ team = {team:?} }} }}\nallow_users = [\"user*\"]\noverlap = \"2h\"\n");
    Policy {
        name: name.to_owned(),
        keys,
    }
}

fn named(name: &str, users: &[&str]) -> Policy {
    Policy::new(name, users).with("overlap", "\"30m\"")
}

/// Two users whose secrets bear the tag `team = "one"`, in a policy that names them.
async fn in_use(sim: &Simulation) -> (Replica, String) {
    for user in sim.fleet(2).await {
        let (key, value) = ("team".to_owned(), "one".to_owned());
        let secret_id = secret_name(&user);
        let tags = vec![sm::SecretTag { key, value }];
        sim.call(sm::TagResource { secret_id, tags }).await;
    }
    // Long before the next look of those that are not new.
    let machine = sim.machine("rekeyd").daemon("discovery_interval = \"1d\"");
    let replica = machine.policy(named("m", &["user0000", "user0001"])).start().await;
    for user in ["user0000", "user0001"] {
        replica
            .until(&secret_name(user), "proved", PATIENCE, idle_and_proven)
            .await;
    }
    (replica, secret_name("user0000"))
}

fn halts(sim: &Simulation) -> usize {
    let journal = sim.world.journal();
    let halts = journal
        .iter()
        .filter(|entry| matches!(entry.event, Event::Halted { .. }));
    halts.count()
}

/// Under which policies a secret is shown.
fn policies_of(replica: &Replica, secret: &str) -> Vec<String> {
    let all = replica.engine.secrets().into_iter();
    let all = all.filter(|status| status.secret == secret);
    all.map(|status| status.policy).collect()
}

#[test]
fn a_secret_that_a_reload_moves_goes_on_under_its_new_policy_without_a_halt() {
    let others = [
        // Certain by the configuration, and only AWS can tell, both ways round in the order of names.
        named("z", &["user0000"]),
        named("b", &["user0000"]),
        tagged("z", "one").with("overlap", "\"30m\""),
        tagged("b", "one").with("overlap", "\"30m\""),
    ];
    for to in others {
        // The policy before is gone, or names another secret.
        for stays in [false, true] {
            simulate(1, lifelike(), async |sim| {
                let (mut replica, name) = in_use(&sim).await;
                replica.rotate(&name, RotateOptions::default()).await;
                replica
                    .until(&name, "on its way", PATIENCE, |status| status.phase == Phase::Rotating)
                    .await;
                let version = replica.status(&name).and_then(|status| status.pending_version);
                let remains = stays.then(|| named("m", &["user0001"]));
                if stays {
                    let (secret_id, tag_keys) = (secret_name("user0001"), vec!["team".to_owned()]);
                    sim.call(sm::UntagResource { secret_id, tag_keys }).await;
                }
                replica
                    .reload([vec![to.clone()], remains.into_iter().collect()].concat())
                    .await;
                sim.run_for(Duration::from_secs(5)).await;
                assert_eq!(policies_of(&replica, &name), [to.name.as_str()], "looked for at once");
                let replica = replica.crash().start().await;
                replica.until(&name, "retired", PATIENCE, idle_and_retired).await;
                assert_eq!(policies_of(&replica, &name), [to.name.as_str()]);
                assert_eq!(halts(&sim), 0, "{}", sim.story());
                assert_eq!(sim.versions()[&name], 2);
                let current = sim.holder(&name, "AWSCURRENT");
                assert!(version.is_none() || current == version, "{current:?}, {version:?}");
            });
        }
    }
}

#[test]
fn a_second_policy_that_comes_with_a_reload_halts_the_secret_and_ends_that_when_it_goes() {
    simulate(1, lifelike(), async |sim| {
        let (mut replica, name) = in_use(&sim).await;
        let (one, second) = (named("m", &["user0000", "user0001"]), tagged("z", "one"));
        replica.reload(vec![one.clone(), second.clone()]).await;
        replica.until(&name, "halted", MINUTE, selected_twice).await;
        assert_eq!(policies_of(&replica, &name), ["m", "z"]);
        replica.rotate(&name, RotateOptions::default()).await;
        sim.run_for(60 * MINUTE).await;
        assert_eq!(sim.begun(), 0);

        // Whichever of the two goes, the other one has it at once, and rotates it as was asked.
        replica.reload(vec![second.clone()]).await;
        assert_eq!(policies_of(&replica, &name), ["z"]);
        let begun = |status: &SecretStatus| status.phase == Phase::Overlap && status.reason.is_none();
        replica.until(&name, "rotated", 10 * MINUTE, begun).await;
        replica.reload(vec![one.clone(), second]).await;
        replica
            .until(&secret_name("user0001"), "halted", MINUTE, selected_twice)
            .await;
        replica.reload(vec![one]).await;
        sim.run_for(MINUTE).await;
        for user in ["user0000", "user0001"] {
            let secret = secret_name(user);
            assert_eq!(policies_of(&replica, &secret), ["m"]);
            assert!(replica.status(&secret).is_some_and(|status| status.reason.is_none()));
        }
        replica
            .until(
                &name,
                "retired by the rules of the first",
                40 * MINUTE,
                idle_and_retired,
            )
            .await;
    });
}

#[test]
fn a_policy_that_goes_to_another_place_and_back_has_its_secrets_where_it_works() {
    simulate(1, lifelike(), async |sim| {
        let (mut replica, name) = in_use(&sim).await;
        let here = named("m", &["user0000", "user0001"]);
        let machine = replica.machine().place("again", "us-east-1");
        let there = here.clone().with("aws", "\"again\"");
        for (round, policy) in [there.clone(), here, there].into_iter().enumerate() {
            replica.reload_as(machine.clone().policies(vec![policy.clone()])).await;
            replica
                .until(&name, "found", MINUTE, |status| status.arn.is_some())
                .await;
            replica
                .rotate(
                    &name,
                    RotateOptions {
                        now: true,
                        ..RotateOptions::default()
                    },
                )
                .await;
            replica
                .until(&name, "rotated", PATIENCE, |status| {
                    idle_and_retired(status) && sim.versions()[&name] == round + 2
                })
                .await;
            let places: Vec<String> = replica
                .engine
                .secrets()
                .into_iter()
                .map(|status| status.place)
                .collect();
            let place = if policy.keys.contains("again") { "again" } else { "main" };
            assert_eq!(places, [place, place]);
        }
        assert_eq!(halts(&sim), 0);
    });
}

#[test]
fn a_secret_that_moves_while_the_daemon_is_stopped_does_not_halt_either() {
    for name in ["b", "z"] {
        simulate(1, lifelike(), async |sim| {
            let (replica, secret) = in_use(&sim).await;
            let (secret_id, tag_keys) = (secret_name("user0001"), vec!["team".to_owned()]);
            sim.call(sm::UntagResource { secret_id, tag_keys }).await;
            sim.run_for(10 * MINUTE).await;
            let machine = replica.end().await;
            let policies = vec![named("m", &["user0001"]), tagged(name, "one")];
            let replica = machine.policies(policies).start().await;
            replica
                .until(&secret, "found", MINUTE, |status| status.arn.is_some())
                .await;
            replica.rotate(&secret, RotateOptions::default()).await;
            replica.until(&secret, "retired", PATIENCE, idle_and_retired).await;
            assert_eq!(policies_of(&replica, &secret), [name]);
            assert_eq!(halts(&sim), 0, "{}", sim.story());
        });
    }
}
