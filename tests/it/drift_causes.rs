//! Every cause of drift: somebody or something takes what the current password rests on. Each is called by its
//! name, and is over by itself once the world is right again.

use std::time::Duration;

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::{DriftCause, UnprovenReason};
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd_sandbox::elasticache::{
    AuthenticationMode, CreateUser, DeleteUser, DescribeUsers, ModifyUser, ModifyUserGroup,
};
use rekeyd_sandbox::{Delay, Fault, FaultKind, Never, NodeChange};

use crate::drift::{
    DAY, MINUTES, OLD, STRANGE, STRANGE_TOO, count, has_drifted, healthy, modify_user_calls, rotated, until_modifiable,
};
use crate::support::simulated::{Simulation, lifelike, simulate};
use crate::support::world::GROUP;

/// A heartbeat, and as long as trouble may last before it is reported.
const NAMED_WITHIN: Duration = Duration::from_secs((6 * 60 + 30 + 10) * 60);

fn a_node(sim: &Simulation) -> String {
    sim.world.sandbox.nodes()[0].id.clone()
}

fn change_a_node(sim: &Simulation, change: &NodeChange) {
    sim.change_node(&a_node(sim), change);
}

fn status(status: &str) -> NodeChange {
    NodeChange {
        status: Some(status.to_owned()),
        ..NodeChange::default()
    }
}

fn running(running: bool) -> NodeChange {
    NodeChange {
        running: Some(running),
        ..NodeChange::default()
    }
}

fn learns(learns: bool) -> NodeChange {
    NodeChange {
        propagation_ms: Some((!learns).then_some(Delay::Never(Never::Never))),
        ..NodeChange::default()
    }
}

async fn authenticate(sim: &Simulation, how: &str, passwords: Option<&[&str]>) {
    let passwords = passwords.map(|passwords| passwords.iter().map(|password| (*password).into()).collect());
    sim.call(ModifyUser {
        user_id: "user1".to_owned(),
        authentication_mode: Some(AuthenticationMode {
            r#type: Some(how.to_owned()),
            passwords,
        }),
        ..ModifyUser::default()
    })
    .await;
}

async fn delete(sim: &Simulation) {
    until_modifiable(sim).await;
    sim.call(DeleteUser {
        user_id: "user1".to_owned(),
    })
    .await;
    while sim
        .call(DescribeUsers::default())
        .await
        .users
        .iter()
        .any(|user| user.user_id == "user1")
    {
        sim.run_for(Duration::from_secs(1)).await;
    }
}

/// Makes `user1` anew, in its group, with this name.
async fn make(sim: &Simulation, name: &str, password: &str) {
    sim.call(CreateUser {
        user_id: "user1".to_owned(),
        user_name: name.to_owned(),
        engine: "redis".to_owned(),
        access_string: "on ~keys* -@all +get".to_owned(),
        passwords: Some(vec![password.into()]),
        ..CreateUser::default()
    })
    .await;
    sim.call(ModifyUserGroup {
        user_group_id: GROUP.to_owned(),
        user_ids_to_add: Some(vec!["user1".to_owned()]),
        ..ModifyUserGroup::default()
    })
    .await;
}

/// Brings the cause about, for a user whose password is this one.
async fn spoil(sim: &Simulation, cause: DriftCause, current: &str) {
    match cause {
        DriftCause::Overwritten => sim.set_passwords("user1", &[STRANGE]).await,
        DriftCause::PreviousAccepted => sim.set_passwords("user1", &[OLD]).await,
        DriftCause::NodeOutOfStep => {
            change_a_node(sim, &learns(false));
            sim.set_passwords("user1", &[STRANGE]).await;
        }
        DriftCause::UserOff => sim.switch("user1", false).await,
        DriftCause::Passwordless => authenticate(sim, "no-password-required", None).await,
        DriftCause::IamAuthentication => authenticate(sim, "iam", None).await,
        DriftCause::UserRenamed => {
            delete(sim).await;
            make(sim, "another-name", current).await;
        }
        DriftCause::UserDeleted => delete(sim).await,
        DriftCause::NodeUnavailable => change_a_node(sim, &status("modifying")),
        DriftCause::Network => change_a_node(sim, &running(false)),
        DriftCause::Tls => sim.world.distrust(&a_node(sim), true),
        DriftCause::AwsAccessLost => {
            let denied = Fault {
                code: Some("AccessDenied".to_owned()),
                status: Some(403),
                times: 0,
                ..Fault::next("DescribeUsers", FaultKind::Code)
            };
            sim.faults(vec![denied]);
        }
    }
}

/// Makes the world right again.
async fn mend(sim: &Simulation, cause: DriftCause, current: &str) {
    match cause {
        DriftCause::Overwritten | DriftCause::PreviousAccepted => sim.set_passwords("user1", &[current]).await,
        DriftCause::NodeOutOfStep => {
            change_a_node(sim, &learns(true));
            sim.set_passwords("user1", &[current]).await;
        }
        DriftCause::UserOff => sim.switch("user1", true).await,
        DriftCause::Passwordless | DriftCause::IamAuthentication => {
            authenticate(sim, "password", Some(&[current])).await;
        }
        DriftCause::UserRenamed => {
            delete(sim).await;
            make(sim, "user1", current).await;
        }
        DriftCause::UserDeleted => make(sim, "user1", current).await,
        DriftCause::NodeUnavailable => change_a_node(sim, &status("available")),
        DriftCause::Network => change_a_node(sim, &running(true)),
        DriftCause::Tls => sim.world.distrust(&a_node(sim), false),
        DriftCause::AwsAccessLost => sim.faults(vec![]),
    }
}

/// How the secret stands meanwhile, and for which reason.
fn told(cause: DriftCause) -> (Phase, Option<&'static str>) {
    match cause {
        DriftCause::Overwritten | DriftCause::PreviousAccepted | DriftCause::NodeOutOfStep => {
            (Phase::Halted, Some("current_password_refused"))
        }
        DriftCause::Passwordless => (Phase::Halted, Some("user_passwordless")),
        DriftCause::IamAuthentication => (Phase::Halted, Some("user_is_iam")),
        DriftCause::UserRenamed => (Phase::Halted, Some("username_mismatch")),
        DriftCause::UserOff | DriftCause::NodeUnavailable => (Phase::Idle, None),
        DriftCause::UserDeleted => (Phase::NeedsAttention, Some("user_not_found")),
        DriftCause::Network => (Phase::NeedsAttention, Some("node_unreachable")),
        DriftCause::Tls => (Phase::NeedsAttention, Some("tls_failed")),
        DriftCause::AwsAccessLost => (Phase::NeedsAttention, Some("access_denied")),
    }
}

fn is_named_and_over_in_time(cause: DriftCause, on_drift: &str) {
    simulate(1, lifelike(), async |sim| {
        let (replica, secret) = rotated(&sim, on_drift).await;
        let current = sim.password(&secret, "AWSCURRENT").unwrap();
        spoil(&sim, cause, &current).await;
        let what = format!("named {cause}");
        let status = replica.until(&secret, &what, NAMED_WITHIN, has_drifted(cause)).await;
        assert_eq!((status.phase, status.reason.as_deref()), told(cause), "{status:#?}");
        let gauge = format!("rekeyd_policy_drifted{{cause=\"{cause}\",policy=\"orders\"}} 1");
        let metrics = replica.metrics();
        assert!(metrics.contains(&gauge), "no {gauge} in {metrics}");

        let writes = modify_user_calls(&sim);
        sim.run_for(DAY).await;
        let status = replica.status(&secret).unwrap();
        assert_eq!((status.phase, status.reason.as_deref()), told(cause), "{status:#?}");
        assert_eq!(status.drift, Some(cause), "still, after a day");
        assert_eq!(
            modify_user_calls(&sim),
            writes,
            "{cause} under {on_drift}: nothing is changed"
        );
        assert_eq!(count(&sim, "repair_started"), 0);

        mend(&sim, cause, &current).await;
        replica.until(&secret, "right again", NAMED_WITHIN, healthy).await;
        assert_eq!(sim.logins("user1", &current), (3, 3));
    });
}

#[test]
fn each_cause_of_drift_is_named_within_a_heartbeat_and_gone_within_one_once_the_world_is_right_again() {
    for cause in DriftCause::ALL {
        is_named_and_over_in_time(*cause, "halt");
    }
}

#[test]
fn what_a_repair_does_not_heal_is_left_alone_under_repair_too() {
    for cause in DriftCause::ALL.iter().filter(|cause| !cause.heals_by_repair()) {
        is_named_and_over_in_time(*cause, "repair");
    }
}

#[test]
fn a_user_that_got_two_passwords_of_a_stranger_is_called_overwritten() {
    simulate(1, lifelike(), async |sim| {
        let (replica, secret) = rotated(&sim, "halt").await;
        sim.set_passwords("user1", &[STRANGE, STRANGE_TOO]).await;
        let overwritten = has_drifted(DriftCause::Overwritten);
        let status = replica.until(&secret, "overwritten", MINUTES(370), overwritten).await;
        assert_eq!(
            (status.phase, status.reason.as_deref()),
            (Phase::Halted, Some("current_password_refused"))
        );
    });
}

#[test]
fn a_node_that_does_not_answer_once_is_no_drift_before_it_needs_attention() {
    simulate(1, lifelike(), async |sim| {
        let (replica, secret) = rotated(&sim, "halt").await;
        change_a_node(&sim, &running(false));
        let waits = |status: &SecretStatus| status.reason.as_deref() == Some("node_unreachable");
        let status = replica
            .until(&secret, "waiting for the node", MINUTES(370), waits)
            .await;
        assert_eq!((status.phase == Phase::NeedsAttention, status.drift), (false, None));
        change_a_node(&sim, &running(true));
        replica.until(&secret, "right again", MINUTES(60), healthy).await;
        assert_eq!(count(&sim, "attention_raised"), 0);
    });
}

#[test]
fn a_user_that_was_switched_off_is_told_of_and_proved_soon_after_it_is_on_again() {
    simulate(1, lifelike(), async |sim| {
        let (replica, secret) = rotated(&sim, "repair").await;
        sim.switch("user1", false).await;
        let off = has_drifted(DriftCause::UserOff);
        let status = replica.until(&secret, "switched off", MINUTES(370), off).await;
        assert_eq!(status.proof, Some(Proof::Unproven(UnprovenReason::UserOff)));
        sim.run_for(DAY).await;
        assert_eq!(count(&sim, "drift_found"), 1);
        sim.switch("user1", true).await;
        replica.until(&secret, "switched on", MINUTES(30), healthy).await;
    });
}
