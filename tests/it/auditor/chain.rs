//! What promise P3 forbids, and what it does not.

use super::*;

#[test]
fn a_promotion_of_a_version_that_is_not_derived_from_the_one_before_does_not_escape() {
    let promoted = |version: fn(&str, &str) -> String| {
        found_in(async |stage| {
            let version = version(&stage.arn, &stage.first);
            stage.put(STRANGER, &version, OLD, "AWSPENDING").await;
            stage.log_in(OLD, &ALL);
            stage.promote(REKEYD, &stage.first, &version).await;
        })
    };
    assert_found(&promoted(|arn, first| version_id(arn, first, 3)), 0, "");
    let foreign: [fn(&str, &str) -> String; 3] = [
        |_, _| STRANGERS.to_owned(),
        |_, first| version_id("another secret", first, 0),
        |arn, first| version_id(arn, &version_id(arn, first, 0), 0),
    ];
    for foreign in foreign {
        assert_found(
            &promoted(foreign),
            1,
            "was promoted by REKEYD, which is not derived from",
        );
    }
}

#[test]
fn a_replica_that_takes_awspending_from_a_stranger_does_not_escape() {
    let found = found_in(async |stage| {
        stage.put(STRANGER, STRANGERS, OTHER, "AWSPENDING").await;
        stage.sim.run_for(MINUTE).await;
        stage.request(false);
        stage.put(REKEYD, &stage.second, NEW, "AWSPENDING").await;
    });
    assert_found(&found, 1, "P3: REKEYD took AWSPENDING off the foreign version 11111111");
}

#[test]
fn a_move_back_to_the_parent_is_right_once_an_operator_asked_for_it() {
    let rolled_back = |asked: usize, times: usize| {
        found_in(async |stage| {
            stage.rotate().await;
            for _ in 0..asked {
                stage.sim.world.auditor().allow_rollback(&stage.secret);
            }
            stage.log_in(OLD, &ALL);
            for _ in 0..times {
                stage.promote(REKEYD, &stage.second, &stage.first).await;
                stage.promote(STRANGER, &stage.first, &stage.second).await;
            }
        })
    };
    assert_found(&rolled_back(1, 1), 0, "");
    let undone = "P3: version first-version";
    assert_found(&rolled_back(0, 1), 1, undone);
    assert_found(&rolled_back(1, 2), 1, undone);
}

#[test]
fn a_promotion_that_a_person_has_taken_back_is_not_made_again() {
    let found = found_in(async |stage| {
        stage.rotate().await;
        stage.promote(STRANGER, &stage.second, &stage.first).await;
        stage.sim.run_for(MINUTE).await;
        stage.promote(REKEYD, &stage.first, &stage.second).await;
    });
    assert_found(&found, 1, "from which AWSCURRENT was taken back");
}
