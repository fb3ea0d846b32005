//! `rekeyd iam-policy`: with exactly what it prints, and nothing more, everything that rekeyd does goes through;
//! without any one of its actions it does not, and status says which.

mod cases;
mod judged;
mod operators;
mod planned;

use std::time::Duration;

use rekeyd::engine::control::{Control, RollbackOptions, RotateOptions, Selector};
use rekeyd::rotation::status::{Phase, SecretStatus};

use self::cases::{CASES, Case, DRIFTED, REKEYD, Stage};
use crate::support::OTHER;
use crate::support::iam::{actions, actions_of, calls, documents_for, enforce, without};
use crate::support::simulated::{Replica, Simulation, lifelike, simulate};

const PATIENCE: Duration = Duration::from_secs(24 * 3_600);
const HOUR: Duration = Duration::from_secs(3_600);

fn at_rest_after(version: &str) -> impl Fn(&SecretStatus) -> bool + '_ {
    move |status| status.phase == Phase::Idle && status.current_version.as_deref().is_some_and(|now| now != version)
}

async fn rotate(replica: &Replica, secret: &str) {
    replica.rotate(secret, RotateOptions::default()).await;
}

/// What rekeyd calls only where there is a serverless cache, and what Secrets Manager calls for it. That they are needed
/// then shows when they are missing.
const CONDITIONAL: [&str; 3] = [
    "elasticache:DescribeServerlessCaches",
    "kms:Decrypt",
    "kms:GenerateDataKey",
];

/// Everything that rekeyd does with a secret: the first password, a rotation and its way back, another one up to the
/// retirement, and the look whether it still is so.
async fn whole_life(sim: &Simulation, stage: &Stage, replica: &Replica, case: &Case) {
    let (secret, user) = (stage.secret.as_str(), stage.user);
    let first = sim.holder(secret, "AWSCURRENT").expect("a version");
    replica
        .until(secret, "given its first password", PATIENCE, at_rest_after(&first))
        .await;
    sim.switch(user, true).await;
    sim.run_for(HOUR).await;
    let second = sim.holder(secret, "AWSCURRENT").expect("a version");
    rotate(replica, secret).await;
    let overlapping = |status: &SecretStatus| status.phase == Phase::Overlap;
    replica.until(secret, "in its overlap", PATIENCE, overlapping).await;
    if case.logs_in {
        sim.world.auditor().allow_rollback(secret);
        let rolled_back = replica.engine.rollback(secret, RollbackOptions::default()).await;
        rolled_back.unwrap_or_else(|error| panic!("{error}"));
        let halted = |status: &SecretStatus| status.reason.as_deref() == Some("rolled_back");
        replica.until(secret, "rolled back", PATIENCE, halted).await;
        let selector = Selector {
            secrets: vec![secret.to_owned()],
            ..Selector::default()
        };
        let resumed = replica.engine.resume(&selector).await;
        resumed.unwrap_or_else(|error| panic!("{error}"));
        rotate(replica, secret).await;
    }
    let retired = |status: &SecretStatus| at_rest_after(&second)(status) && status.retired_at.is_some();
    replica.until(secret, "rotated and retired", PATIENCE, retired).await;
    sim.run_for(8 * HOUR).await;
}

/// Starts rekeyd on a stage with these policies, after which no other is let in.
async fn start(
    sim: &Simulation,
    case: &Case,
    stage: &Stage,
    left_out: Option<&str>,
) -> (Replica, Vec<serde_json::Value>) {
    let machine = case.machine(sim, stage);
    let documents = documents_for(&machine.config(), case.given());
    let enforced = left_out.map_or_else(|| documents.clone(), |action| without(&documents, action));
    enforce(&sim.world.sandbox, REKEYD, &enforced);
    (machine.start().await, documents)
}

#[test]
fn with_exactly_the_printed_policy_everything_goes_through_and_nothing_of_it_is_unused() {
    for case in CASES {
        simulate(1, lifelike(), async |sim| {
            let stage = case.stage(&sim).await;
            let (replica, documents) = start(&sim, case, &stage, None).await;
            whole_life(&sim, &stage, &replica, case).await;
            let (called, refused) = actions_of(&calls(&sim.world.sandbox, REKEYD));
            assert_eq!(refused, Vec::<String>::new(), "{}", case.name);
            let allowed = actions(&documents);
            let unused = allowed.difference(&called).map(String::as_str);
            let unused: Vec<&str> = unused.filter(|action| !CONDITIONAL.contains(action)).collect();
            assert_eq!(unused, Vec::<&str>::new(), "{}", case.name);
        });
    }
}

#[test]
fn a_drift_is_repaired_with_the_same_policy() {
    simulate(1, lifelike(), async |sim| {
        let stage = DRIFTED.stage(&sim).await;
        let (replica, _) = start(&sim, &DRIFTED, &stage, None).await;
        let first = sim.holder(&stage.secret, "AWSCURRENT").expect("a version");
        let given = at_rest_after(&first);
        replica
            .until(&stage.secret, "given its first password", PATIENCE, given)
            .await;
        sim.switch(stage.user, true).await;
        sim.run_for(HOUR).await;
        sim.set_passwords(stage.user, &[OTHER]).await;
        sim.run_for(24 * HOUR).await;
        let password = sim.password(&stage.secret, "AWSCURRENT").expect("a password");
        let (logins, nodes) = sim.logins(stage.user, &password);
        assert!(nodes > 0 && logins == nodes, "{logins} of {nodes}");
        let (_, refused) = actions_of(&calls(&sim.world.sandbox, REKEYD));
        assert_eq!(refused, Vec::<String>::new());
    });
}

/// The row of status that says why nothing goes on: the secret's own, or the one of what could not be looked up.
fn refusal(replica: &Replica) -> Option<SecretStatus> {
    let reasons = ["access_denied", "kms_unavailable"];
    let refused = |status: &SecretStatus| status.reason.as_deref().is_some_and(|reason| reasons.contains(&reason));
    replica.engine.secrets().into_iter().find(refused)
}

/// Asserts that without this action nothing is rotated, and that status names it.
fn assert_missed(case: &Case, action: &str) {
    simulate(1, lifelike(), async |sim| {
        let stage = case.stage(&sim).await;
        let before = sim.holder(&stage.secret, "AWSCURRENT");
        let (replica, _) = start(&sim, case, &stage, Some(action)).await;
        let probe = || refusal(&replica);
        let describe = || format!("{}, {action}: {:#?}", case.name, replica.engine.secrets());
        let status = sim.until("it is told", PATIENCE, probe, describe).await;
        sim.run_for(2 * HOUR).await;
        let told = status.detail.clone().unwrap_or_default();
        let named = match action.starts_with("kms:") {
            // AWS does not say which of the two.
            true => told.contains("Access to KMS is not allowed"),
            false => told.contains(&format!("not authorized to perform: {action}")),
        };
        assert!(named && told.contains(" on "), "{}, {action}: {told}", case.name);
        // A secret that is named as well is found without the listing.
        if action != "secretsmanager:ListSecrets" || !case.keys.contains("secrets =") {
            assert_eq!(
                sim.holder(&stage.secret, "AWSCURRENT"),
                before,
                "{}, {action}",
                case.name
            );
        }
    });
}

#[test]
fn without_any_one_action_no_rotation_goes_through_and_status_names_what_is_missing() {
    let mut missed = 0;
    for case in CASES {
        // With every kind of cache every action is needed.
        let case = &Case {
            serverless: !case.keys.contains("endpoints"),
            ..*case
        };
        let all = simulate(1, lifelike(), async |sim| {
            let stage = case.stage(&sim).await;
            actions(&documents_for(&case.machine(&sim, &stage).config(), case.given()))
        });
        for action in &all {
            assert_missed(case, action);
        }
        missed += all.len();
    }
    assert!(missed > 60, "{missed} actions");
}
