//! Replicas that share a table, simulated: no secret is driven twice at once, and none waits for ever for a replica that
//! cannot do its part.

use std::time::Duration;

use rekeyd::engine::control::{Control, RotateOptions};
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::store::ownership::Ownership;
use rekeyd::store::shared::layout;
use rekeyd::store::table::{Change, Condition, Query, Table};
use rekeyd_sandbox::{Fault, FaultKind};

use crate::support::simulated::{CallFault, CallFaultKind, Deed, Disk, Policy, SharedTable, lifelike, simulate};
use crate::support::status::idle_and_retired;
use crate::support::world::secret_name;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_secret_that_is_lost_and_comes_back_in_the_middle_of_a_drive_is_not_driven_twice() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.overdue_fleet(1).await;
        let (user, secret) = (&users[0], secret_name(&users[0]));
        let arn = sim.secret(&secret).arn;
        let disk = Disk::shared(&SharedTable::with_leases());
        let replica = sim
            .machine("a")
            .disk(disk)
            .policy(Policy::monthly(&users).with("canary", "0"))
            .start()
            .await;
        replica.until(&secret, "rotated", 3 * HOUR, idle_and_retired).await;
        sim.run_for(HOUR).await;
        let looks = || {
            let deeds = replica.deeds();
            deeds
                .iter()
                .filter(|deed| matches!(deed, Deed::Call("DescribeSecret")))
                .count()
        };
        sim.faults(vec![Fault::next("DescribeSecret", FaultKind::Hang).times(0)]);
        let before = looks();
        replica.rotate(&secret, RotateOptions::default()).await;
        sim.run_for(Duration::from_secs(2)).await;
        assert_eq!(looks(), before + 1, "{user}");
        let leases = replica.leases.clone().expect("it asks for leases");
        leases.renounces(&arn);
        sim.run_for(Duration::from_secs(2)).await;
        leases.wants(&arn);
        sim.run_for(Duration::from_secs(3)).await;
        assert!(leases.owns(&arn));
        // The call hangs for ten seconds.
        assert_eq!(looks(), before + 1, "{user}");
        sim.faults(Vec::new());
        replica.until(&secret, "rotated", 3 * HOUR, idle_and_retired).await;
    });
}

#[test]
fn a_replica_that_cannot_look_for_secrets_keeps_none_that_is_under_way() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.overdue_fleet(8).await;
        let table = SharedTable::with_leases();
        let able = sim
            .machine("a")
            .disk(Disk::shared(&table))
            .policy(Policy::monthly(&users).with("canary", "0"))
            .start()
            .await;
        sim.until("begun", HOUR, || (sim.begun() == 8).then_some(()), String::new)
            .await;
        let throttled = |call| CallFault {
            call,
            kind: CallFaultKind::Throttled,
        };
        let unable = sim
            .machine("b")
            .disk(Disk::shared(&table))
            .policy(Policy::monthly(&users).with("canary", "0"));
        let _unable = unable.trips((1..10_000).map(throttled).collect()).start().await;
        for user in &users {
            able.until(&secret_name(user), "rotated", 2 * HOUR, idle_and_retired)
                .await;
        }
    });
}

#[test]
fn what_another_replica_shows_and_nobody_understands_holds_a_place_up_no_longer_than_propagation_timeout() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.overdue_fleet(8).await;
        let table = SharedTable::with_leases();
        let policy = || Policy::monthly(&users).with("canary", "0");
        let machine = |name| {
            let machine = sim
                .machine(name)
                .disk(Disk::shared(&table))
                .policy(policy().with("canary", "0"));
            machine.daemon("drift_check_interval = \"none\"")
        };
        let one = machine("a").start().await;
        for user in &users {
            one.until(&secret_name(user), "rotated", 3 * HOUR, idle_and_retired)
                .await;
        }
        sim.run_for(MINUTE).await;
        for shard in 0..layout::SHARDS {
            let items = table.table().query(&Query::all(layout::shard(shard))).await.unwrap();
            for item in items {
                let change = Change::new().set(layout::SIGHT, "of another release");
                table
                    .table()
                    .write(&item.key, change, Condition::Has(Vec::new()))
                    .await
                    .unwrap();
            }
        }
        let other = machine("b").start().await;
        sim.run_for(2 * MINUTE).await;
        let own = users.iter().map(|user| secret_name(user));
        let own: Vec<String> = own
            .filter(|name| other.status(name).is_some_and(|status| !status.elsewhere))
            .collect();
        assert!(!own.is_empty() && own.len() < 8, "{own:?}");
        let before = sim.holder(&own[0], "AWSCURRENT");
        other.rotate(&own[0], RotateOptions::default()).await;
        other
            .until(&own[0], "rotated again", 2 * HOUR, |_| {
                sim.holder(&own[0], "AWSCURRENT") != before
            })
            .await;
    });
}

#[test]
fn secrets_that_are_lost_before_their_first_look_hold_up_no_first_look_of_another() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.fleet(100).await;
        let slow = Fault {
            ms: Some(4_000),
            ..Fault::next("GetSecretValue", FaultKind::Delay)
        };
        sim.faults(vec![slow.times(0)]);
        let disk = Disk::shared(&SharedTable::with_leases());
        let replica = sim
            .machine("a")
            .disk(disk)
            .policy(Policy::monthly(&users).with("canary", "0"))
            .start()
            .await;
        let leases = replica.leases.clone().expect("it asks for leases");
        let known = || (leases.leases() == Some(100)).then_some(());
        sim.until("all are its own", MINUTE, known, String::new).await;
        let mut arns: Vec<String> = users.iter().map(|user| sim.secret(&secret_name(user)).arn).collect();
        arns.sort();
        // Those that wait for their first look stand in this order.
        let kept = arns.split_off(95);
        arns.iter().for_each(|arn| leases.renounces(arn));
        sim.run_for(Duration::from_secs(2)).await;
        sim.faults(Vec::new());
        let of_kept = |status: &SecretStatus| status.arn.as_ref().is_some_and(|arn| kept.contains(arn));
        let looked = || {
            let all = replica.engine.secrets();
            let looked = all
                .iter()
                .filter(|status| of_kept(status) && status.phase == Phase::Idle);
            (looked.count() == kept.len()).then_some(())
        };
        sim.until("all that it kept are looked at", HOUR, looked, String::new)
            .await;
    });
}

#[test]
fn nobody_waits_for_the_turn_of_a_secret_that_another_replica_has_now() {
    simulate(1, lifelike(), async |sim| {
        let users = sim.overdue_fleet(3).await;
        let unread = Fault::next("GetSecretValue", FaultKind::Throttle);
        sim.faults(vec![unread.on(&secret_name(&users[2])).times(0)]);
        let disk = Disk::shared(&SharedTable::with_leases());
        let policy = Policy::monthly(&users)
            .with("canary", "0")
            .with("canary", "1")
            .with("propagation_timeout", "\"6h\"");
        let replica = sim.machine("a").disk(disk).policy(policy).start().await;
        for user in &users[..2] {
            let surveys = |status: &SecretStatus| {
                let detail = status.detail.as_deref().unwrap_or_default();
                detail.contains("until every secret was read once")
            };
            replica
                .until(&secret_name(user), "held by the survey", HOUR, surveys)
                .await;
        }
        let leases = replica.leases.clone().expect("it asks for leases");
        leases.renounces(&sim.secret(&secret_name(&users[0])).arn);
        sim.run_for(Duration::from_secs(5)).await;
        sim.faults(Vec::new());
        replica
            .until(&secret_name(&users[1]), "rotated", 3 * HOUR, idle_and_retired)
            .await;
    });
}
