//! What a replica writes down is held against what its logins have shown.

use rekeyd::rotation::revocation::DeadPassword;

use super::*;

const PROOF: Proof = Proof::Proven;

fn checked(stage: &Stage) -> Event {
    Event::Checked {
        version: stage.first.clone(),
        proof: PROOF,
        nodes: 3,
    }
}

fn repaired(stage: &Stage) -> Event {
    Event::Repaired {
        version: stage.first.clone(),
        proof: PROOF,
        nodes: 3,
    }
}

fn rollback_started(stage: &Stage) -> Event {
    Event::RollbackStarted {
        version: stage.second.clone(),
        previous: stage.first.clone(),
        proof: PROOF,
        nodes: 3,
    }
}

const CLAIMS: [fn(&Stage) -> Event; 3] = [checked, repaired, rollback_started];

#[test]
fn what_is_called_proven_was_proved_a_moment_ago_on_every_node() {
    for claim in CLAIMS {
        let found = found_in(async |stage| {
            stage.sim.run_for(30 * MINUTE).await;
            stage.log_in(OLD, &ALL);
            stage.note(&claim(stage));
        });
        assert_found(&found, 0, "");
        let found = found_in(async |stage| {
            stage.sim.run_for(30 * MINUTE).await;
            stage.log_in(OLD, &["001", "002"]);
            stage.note(&claim(stage));
        });
        assert_found(&found, 1, "P2: rekeyd 1 calls version first-version");
    }
}

#[test]
fn an_acceptance_of_months_ago_proves_nothing() {
    for claim in CLAIMS {
        let found = found_in(async |stage| {
            stage.log_in(OLD, &ALL);
            stage.sim.run_for(60 * DAY).await;
            stage.note(&claim(stage));
        });
        assert_found(&found, 3, "with which no replica has logged in");
    }
}

#[test]
fn an_acceptance_before_a_refusal_proves_nothing() {
    for claim in CLAIMS {
        let found = found_in(async |stage| {
            stage.sim.run_for(30 * MINUTE).await;
            stage.log_in(OLD, &ALL);
            stage.set(STRANGER, &[OTHER]).await;
            stage.log_in(OLD, &["002"]);
            stage.note(&claim(stage));
        });
        assert_found(&found, 1, "002");
    }
}

#[test]
fn a_revocation_is_not_over_while_one_of_its_passwords_logs_in() {
    let says = |stage: &Stage, proof| {
        let now = stage.now();
        let dead = DeadPassword {
            version: stage.first.clone(),
            at: now,
            proof,
            nodes: 3,
        };
        stage.note(&Event::RevocationEnded {
            asked_at: now,
            seconds: 60.0,
            dead: vec![dead],
        });
    };
    let found = found_in(async |stage| {
        stage.rotate().await;
        says(stage, PROOF);
    });
    assert_found(&found, 3, "P4: rekeyd 1 calls the password of version");
    let found = found_in(async |stage| {
        stage.rotate().await;
        stage.sim.run_for(30 * MINUTE).await;
        stage.set(REKEYD, &[NEW]).await;
        stage.log_in(OLD, &ALL);
        says(stage, PROOF);
    });
    assert_found(&found, 0, "");
}

#[test]
fn a_replica_is_judged_by_its_own_clock_and_not_by_another_that_is_off() {
    let found = found_in(async |stage| {
        let time = &stage.sim.world.time;
        let right = MachineClock::new(time.clone(), TimeDelta::zero());
        stage.sim.world.auditor().register_clock(REKEYD, right.into());
        MachineClock::new(time.clone(), TimeDelta::hours(-2));
        stage.rotate().await;
        stage.set(REKEYD, &[NEW]).await;
    });
    assert_found(&found, 1, "P4: REKEYD took the password of version");
}
