//! Another configuration while running, in simulated time: at every moment of a rotation, and in storms.

use std::time::Duration;

use rekeyd::engine::control::{Control, RotateOptions};
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::version::version_id;

use crate::support::report::report;
use crate::support::simulated::{Deed, FLEET_PASSWORD, Policy, Replica, Simulation, lifelike, simulate};
use crate::support::status::{idle_and_proven, idle_and_retired};
use crate::support::world::{document_with, secret_name};

const OLD: &str = "the-first-password-1";
const PATIENCE: Duration = Duration::from_secs(12 * 3_600);
const HOUR: Duration = Duration::from_secs(3_600);

fn orders(users: &[&str]) -> Policy {
    Policy::new("orders", users).with("overlap", "\"30m\"")
}

fn bystander() -> Policy {
    Policy::new("bystander", &["user2"])
}

/// What a reload does to the policy of a secret whose rotation is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Blow {
    Removed,
    Moved,
    Rescheduled,
    Paused,
    Narrowed,
    Deselected,
}

const BLOWS: [Blow; 6] = [
    Blow::Removed,
    Blow::Moved,
    Blow::Rescheduled,
    Blow::Paused,
    Blow::Narrowed,
    Blow::Deselected,
];

impl Blow {
    fn policies(self) -> Vec<Policy> {
        let own = match self {
            Self::Removed => return vec![bystander()],
            Self::Moved => Policy {
                name: "others".to_owned(),
                ..orders(&["user1"])
            },
            Self::Rescheduled => orders(&["user1"]).with("schedule", "\"900d\""),
            Self::Paused => orders(&["user1"]).with("paused", "true"),
            Self::Narrowed => orders(&["user1"]).with("allow_users", "[\"somebody-else\"]"),
            Self::Deselected => orders(&["user1"]).with("secrets", "[\"production/ec/nobody\"]"),
        };
        vec![bystander(), own]
    }

    /// Whether nothing may be changed while it lasts.
    fn stops(self) -> bool {
        !matches!(self, Self::Moved | Self::Rescheduled)
    }
}

/// Two users with a secret each, and a replica that has proved both.
async fn proved(sim: &Simulation) -> (Replica, String) {
    for user in ["user1", "user2"] {
        sim.create_user(user, OLD).await;
    }
    sim.create_cache(&["user1", "user2"]).await;
    let arn = sim
        .create_secret(&secret_name("user1"), &document_with("user1", OLD))
        .await;
    sim.create_secret(&secret_name("user2"), &document_with("user2", OLD))
        .await;
    let machine = sim.machine("rekeyd").policy(orders(&["user1"])).policy(bystander());
    let replica = machine.start().await;
    for user in ["user1", "user2"] {
        replica
            .until(&secret_name(user), "checked", PATIENCE, idle_and_proven)
            .await;
    }
    let first = sim.holder(&secret_name("user1"), "AWSCURRENT").unwrap();
    (replica, version_id(&arn, &first, 0))
}

/// All that rekeyd may change: the labels of versions, and how often a user was changed.
fn traces(sim: &Simulation) -> String {
    let secrets = [secret_name("user1"), secret_name("user2")].map(|name| sim.secret(&name));
    let versions = secrets.iter().flat_map(|secret| &secret.versions);
    let labels: Vec<_> = versions.map(|version| (&version.id, &version.labels)).collect();
    format!(
        "{labels:?} {:?}",
        sim.world.sandbox.calls().get("elasticache.ModifyUser")
    )
}

fn is_change(deed: &Deed) -> bool {
    let changes = ["PutSecretValue", "UpdateSecretVersionStage", "ModifyUser"];
    matches!(deed, Deed::Call(call) if changes.contains(call))
}

/// What a requested rotation does from its acknowledgement to the proof that the old password is dead.
fn deeds_of_a_rotation() -> Vec<Deed> {
    simulate(1, lifelike(), async |sim| {
        let (replica, _) = proved(&sim).await;
        replica.rotate(&secret_name("user1"), RotateOptions::default()).await;
        let before = replica.deeds().len();
        replica
            .until(&secret_name("user1"), "rotated", PATIENCE, idle_and_retired)
            .await;
        replica.deeds().split_off(before)
    })
}

/// A rotation whose policy is struck in the middle of its n-th deed, and restored two hours later.
fn struck(deed: usize, blow: Blow) {
    simulate(1, lifelike(), async |sim| {
        let (mut replica, second) = proved(&sim).await;
        let secret = secret_name("user1");
        replica.rotate(&secret, RotateOptions::default()).await;
        replica.has_done(replica.deeds().len() + deed).await;
        let began = replica.deeds();
        let reloaded = replica.reload(blow.policies()).await;
        if blow.stops() {
            // A step that has stored what it is about to do does it; no other follows.
            let followed = replica.deeds()[began.len()..]
                .iter()
                .filter(|deed| is_change(deed))
                .count();
            let most = usize::from(!began.last().is_some_and(is_change));
            assert!(
                followed <= most,
                "{blow:?} at {deed}: {followed} changes before the acknowledgement"
            );
        }
        assert_eq!(reloaded.unfinished, Vec::<String>::new(), "{blow:?} at {deed}");
        let then = traces(&sim);
        sim.run_for(2 * HOUR).await;
        if blow.stops() {
            assert_eq!(then, traces(&sim), "{blow:?} at {deed}\n{}", sim.story());
        }
        let shown = replica.status(&secret).is_some();
        assert_eq!(shown, !matches!(blow, Blow::Removed | Blow::Deselected), "{blow:?}");
        replica.reload(vec![bystander(), orders(&["user1"])]).await;
        replica.until(&secret, "rotated", PATIENCE, idle_and_retired).await;
        assert_eq!(sim.holder(&secret, "AWSCURRENT"), Some(second), "{blow:?} at {deed}");
        assert_eq!(
            sim.secret(&secret).versions.len(),
            2,
            "rotated once: {blow:?} at {deed}"
        );
        let password = sim.password(&secret, "AWSCURRENT").unwrap();
        assert_eq!(
            (sim.logins("user1", &password), sim.logins("user1", OLD)),
            ((3, 3), (0, 3))
        );
        assert_eq!(sim.secret(&secret_name("user2")).versions.len(), 1);
    });
}

#[test]
fn a_reload_in_the_middle_of_any_call_or_write_of_a_rotation_neither_loses_nor_doubles_it() {
    let deeds = deeds_of_a_rotation();
    let mut struck_at: usize = 0;
    for (number, deed) in deeds.iter().enumerate() {
        // Every blow at each call that changes something and right after it; else one after the other, at each
        // write of the store and at a third of the reads.
        let last = number.checked_sub(1).and_then(|last| deeds.get(last));
        let all = is_change(deed) || last.is_some_and(is_change);
        let one = matches!(deed, Deed::Save(_)) || number % 3 == 0;
        let next = struck_at % BLOWS.len();
        let blows = match (all, one) {
            (true, _) => &BLOWS[..],
            (false, true) => &BLOWS[next..=next],
            (false, false) => &[],
        };
        for blow in blows {
            struck(number + 1, *blow);
        }
        struck_at += blows.len();
    }
    assert!(
        deeds.len() > 30 && struck_at > 60,
        "{} deeds, {struck_at} blows",
        deeds.len()
    );
    report(&format!(
        "a rotation whose policy is removed, renamed, rescheduled, paused, narrowed or deselected by a reload: \
         {struck_at} moments in {} calls and writes, each rotated once",
        deeds.len()
    ));
}

fn fleet_policy(name: &str, users: &[String]) -> Policy {
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    Policy::new(name, &users)
        .with("overlap", "\"1h\"")
        .with("schedule", "\"30d\"")
}

#[test]
fn a_storm_of_reloads_loses_and_doubles_no_rotation() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(30).await;
        sim.run_for(40 * 24 * HOUR).await;
        let (one, two) = users.split_at(15);
        let forms = [
            vec![fleet_policy("a", one), fleet_policy("b", two)],
            vec![fleet_policy("b", &users)],
            vec![
                fleet_policy("a", &users)
                    .with("canary", "0")
                    .with("retry", "{ initial = \"1s\" }"),
            ],
            vec![fleet_policy("a", two), fleet_policy("c", one).with("canary", "3")],
            vec![fleet_policy("c", two)],
        ];
        let machine = sim.machine("rekeyd").policies(forms[0].clone());
        let mut replica = machine.start().await;
        let mut reloads = 0;
        while reloads < 150 {
            for form in &forms {
                sim.run_for(Duration::from_millis(700 + 331 * (reloads % 40))).await;
                replica.reload(form.clone()).await;
                reloads += 1;
            }
        }
        replica.reload(forms[0].clone()).await;
        let probe = || {
            let all = replica.engine.secrets();
            (all.len() == 30 && all.iter().all(idle_and_retired)).then_some(())
        };
        let describe = || {
            format!(
                "{:#?}",
                replica.engine.secrets().iter().find(|status| !idle_and_retired(status))
            )
        };
        sim.until("every secret is rotated", 3 * PATIENCE, probe, describe)
            .await;
        assert!(
            sim.versions().values().all(|versions| *versions == 2),
            "{:?}",
            sim.versions()
        );
        for user in &users {
            assert_eq!(sim.logins(user, FLEET_PASSWORD).0, 0);
        }
        let policies = replica.engine.policies();
        assert!(
            policies
                .iter()
                .all(|policy| policy.held.is_empty() && policy.secrets == 15)
        );
        assert!(
            !replica.metrics().contains("policy=\"c\""),
            "a policy that is gone is counted still"
        );
    });
}

#[test]
fn secrets_of_policies_that_did_not_change_are_not_looked_at_and_those_of_a_changed_one_little_by_little() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(200).await;
        let (still, changed) = users.split_at(100);
        let schedule = |policy: Policy, schedule: &str| policy.with("schedule", schedule);
        let before = vec![
            schedule(fleet_policy("still", still), "\"1000d\""),
            schedule(fleet_policy("changed", changed), "\"1000d\""),
        ];
        let mut replica = sim.machine("rekeyd").policies(before.clone()).start().await;
        sim.run_for(7 * HOUR).await;
        assert!(
            replica
                .engine
                .secrets()
                .iter()
                .all(|status| status.proof == Some(Proof::Proven))
        );
        // Long before the next look at anything.
        let looks = || {
            sim.world
                .sandbox
                .calls()
                .get("secretsmanager.ListSecretVersionIds")
                .copied()
                .unwrap_or(0)
        };
        sim.run_for(Duration::from_secs(5)).await;
        let idle = looks();
        let canary = vec![before[0].clone().with("canary", "5"), before[1].clone()];
        replica.reload(canary.clone()).await;
        sim.run_for(Duration::from_secs(20)).await;
        assert_eq!(looks() - idle, 0, "looked at although nothing about them changed");

        let rescheduled = vec![canary[0].clone(), schedule(before[1].clone(), "\"900d\"")];
        replica.reload(rescheduled).await;
        sim.run_for(Duration::from_secs(1)).await;
        let at_first = looks() - idle;
        assert!((10..=60).contains(&at_first), "{at_first} looks in the first second");
        sim.run_for(Duration::from_secs(10)).await;
        assert_eq!(looks() - idle, 100);
        let next = |policy: &str| {
            let all = replica.engine.secrets();
            let days = all.iter().filter(|status| status.policy == policy).map(|status| {
                let span = status.next_rotation_at.unwrap() - status.last_rotation_at.unwrap();
                span.num_days()
            });
            days.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!((next("still"), next("changed")), ([1000].into(), [900].into()));
    });
}

#[test]
fn other_limits_take_effect_on_secrets_that_wait_for_them() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(12).await;
        sim.run_for(40 * 24 * HOUR).await;
        // The canary can never be proved.
        let never = rekeyd_sandbox::NodeChange {
            propagation_ms: Some(Some(rekeyd_sandbox::Delay::Never(rekeyd_sandbox::Never::Never))),
            ..rekeyd_sandbox::NodeChange::default()
        };
        sim.change_node("fleet0-002", &never);
        let policy = |canary: &str| {
            fleet_policy("a", &users)
                .with("canary", canary)
                .with("max_attention", "\"100%\"")
        };
        let mut replica = sim.machine("rekeyd").policy(policy("1")).start().await;
        sim.run_for(HOUR).await;
        assert_eq!(sim.begun(), 1);
        replica.reload(vec![policy("3")]).await;
        sim.run_for(HOUR).await;
        assert_eq!(sim.begun(), 3, "the canary that is under way keeps its place");
        replica.reload(vec![policy("0")]).await;
        sim.run_for(HOUR).await;
        assert_eq!(sim.begun(), 12);
    });
}
