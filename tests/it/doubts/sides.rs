//! Each switch that changes what rekeyd does, on both sides: first as it is by default, then the other.

use std::time::Duration;

use rekeyd_sandbox::{Fault, FaultKind};
use serde_json::{Value, json};

use super::scenarios::Scenario;
use super::scene::{HOUR, MINUTE, Scene, policy};
use crate::support::simulated::{Footprint, Simulation, lifelike, simulate};

/// What a scenario gives on the default side and on the other.
fn on_both_sides<T>(other: &Value, scenario: impl AsyncFn(Simulation) -> T) -> [T; 2] {
    [json!({}), other.clone()].map(|patch| {
        let settings = lifelike().patched(&patch).expect("a switch of the sandbox");
        simulate(1, settings, &scenario)
    })
}

fn footprints(other: &Value, scenario: Scenario) -> [Footprint; 2] {
    on_both_sides(other, async |sim| {
        scenario.play(&sim).await;
        sim.footprint()
    })
}

impl Footprint {
    fn has(&self, reason: &str) -> bool {
        self.reasons.contains(reason)
    }

    fn count(&self, operation: &str) -> u64 {
        self.calls.get(operation).copied().unwrap_or(0)
    }
}

#[test]
fn a_status_that_still_reads_active_costs_refused_logins_and_promotes_nothing_unproved() {
    let [usual, lagging] = footprints(&json!({"modifying_lag_ms": 30_000}), Scenario::Requested);
    assert!(!usual.has("waits: node_lagging") && lagging.has("waits: node_lagging"));
    // Three by the proof that the old password is dead; the others by asking for the new one too soon.
    assert_eq!(usual.refused, 3);
    assert!(lagging.refused > 3, "{lagging:?}");
    assert_eq!(usual.count("ModifyUser"), lagging.count("ModifyUser"));
}

#[test]
fn a_user_that_is_shown_as_it_was_is_waited_for_and_not_changed_again() {
    let [usual, stale] = footprints(&json!({"stale_active_ms": 30_000}), Scenario::Requested);
    assert!(!usual.has("waits: status_unsettled") && stale.has("waits: status_unsettled"));
    assert_eq!((usual.count("ModifyUser"), stale.count("ModifyUser")), (2, 2));
}

#[test]
fn a_user_that_is_active_before_its_nodes_know_is_promoted_only_when_they_do() {
    let [usual, early] = footprints(&json!({"modifying_max_ms": 5_000}), Scenario::Requested);
    assert!(!usual.has("waits: node_lagging") && early.has("waits: node_lagging"));
    assert!(early.has("waits: previous_still_accepted"), "{early:?}");
}

#[test]
fn a_node_that_cannot_be_told_is_named_unless_it_keeps_the_user_modifying() {
    let other = json!({"stuck_nodes_hold_modifying": true, "modifying_max_ms": 3_600_000});
    let [named, hidden] = footprints(&other, Scenario::LaggingNode);
    assert!(named.has("waits: node_lagging") && !hidden.has("waits: node_lagging"));
    assert!(hidden.has("waits: modifying"));
}

#[test]
fn a_change_of_tags_that_makes_the_user_modifying_holds_a_rotation_up_until_it_is_over() {
    let [unhindered, held] = on_both_sides(&json!({"tag_modifying_ms": 120_000}), async |sim| {
        Scenario::UserTaggedMeanwhile.play(&sim).await;
        let log = sim.world.sandbox.log();
        let when = |operation: &str| {
            log.iter()
                .find(|call| call.operation == operation)
                .expect("a call")
                .time
        };
        (when("PutSecretValue") - when("AddTagsToResource"))
            .to_std()
            .expect("later")
    });
    assert!(unhindered < Duration::from_secs(5), "{unhindered:?}");
    assert!(held >= 2 * MINUTE && held < 3 * MINUTE, "{held:?}");
}

#[test]
fn users_of_one_group_go_one_by_one_where_aws_refuses_them_at_once() {
    for refused in ["refused_as_user_state", "refused_as_group_state"] {
        let other = json!({"doubts": {"group_collisions": refused}});
        let [at_once, in_turn] = footprints(&other, Scenario::TwoUsersOfOneGroup);
        assert_eq!(at_once.count("ModifyUser"), 4);
        assert!(in_turn.count("ModifyUser") > 4, "{in_turn:?}");
        assert!(in_turn.took >= at_once.took + Duration::from_secs(20), "{in_turn:?}");
        assert_eq!(in_turn.reasons, at_once.reasons, "a busy group is no failure");
    }
}

/// A finish whose reply is lost, on a secret that was rotated once.
async fn finish_unanswered(sim: Simulation) -> Footprint {
    let scene = Scene::with(&sim, policy(&[super::scene::USER])).await;
    sim.faults(vec![Fault::next("UpdateSecretVersionStage", FaultKind::ReplyLost)]);
    let second = scene.after(&scene.first);
    scene.request().await;
    scene.until_done(&second).await;
    sim.footprint()
}

#[test]
fn labels_that_are_read_late_cost_a_few_refused_writes_and_no_hot_loop() {
    let side = |code: &str| json!({"doubts": {"stale_labels_ms": 60_000, "wrong_remove_from_code": code}});
    let [usual, stale] = on_both_sides(&side("InvalidParameterException"), finish_unanswered);
    assert_eq!(
        usual.count("UpdateSecretVersionStage"),
        1,
        "the next look shows that it was made"
    );
    let again = stale.count("UpdateSecretVersionStage");
    // Two to a look at the secret, after 2, 4, 8, 16 and 32 seconds.
    assert!((2..=13).contains(&again), "{again} times asked to move AWSCURRENT");
    assert!(
        stale.total() < usual.total() + 300,
        "{} calls and {}",
        usual.total(),
        stale.total()
    );
    let [_, other_code] = on_both_sides(&side("InvalidRequestException"), finish_unanswered);
    assert_eq!(stale.compared_with(&other_code), None, "both codes mean the same");
}

#[test]
fn a_version_that_cannot_be_found_yet_is_waited_for_and_halts_nothing() {
    let other = json!({"doubts": {"new_version_hidden_ms": 30_000}});
    let [usual, hidden] = footprints(&other, Scenario::Requested);
    assert!(!usual.has("waits: status_unsettled") && hidden.has("waits: status_unsettled"));
    assert!(!hidden.has("halts: no_current_version"), "{hidden:?}");
    assert!(hidden.took < usual.took + 2 * MINUTE, "{hidden:?}");
}

#[test]
fn a_secret_that_listings_do_not_show_yet_is_found_by_the_next_discovery() {
    let other = json!({"doubts": {"list_secrets_lag_ms": 300_000}});
    let [usual, late] = footprints(&other, Scenario::SecretFoundByItsPrefix);
    assert!(
        late.took >= usual.took + 14 * MINUTE && late.took < usual.took + HOUR,
        "{late:?}"
    );
    assert_eq!(late.reasons, usual.reasons);
}

/// How long the previous password lived after a promotion, when the store was lost with it.
async fn overlap_after_a_lost_store(sim: Simulation) -> Duration {
    let lost = Scenario::Crash {
        after: 3,
        store_kept: false,
    };
    lost.play(&sim).await;
    let log = sim.world.sandbox.log();
    let when = |operation: &str| {
        let mut calls = log.iter().rev().filter(|call| call.operation == operation);
        calls.next().expect("a call").time
    };
    (when("ModifyUser") - when("UpdateSecretVersionStage"))
        .to_std()
        .expect("later")
}

#[test]
fn a_lost_store_ends_the_overlap_too_early_by_the_rotations_length_where_label_moves_are_not_dated() {
    let other = json!({"doubts": {"label_move_changes_last_changed_date": false}});
    let [dated, undated] = on_both_sides(&other, overlap_after_a_lost_store);
    assert!(dated >= 30 * MINUTE, "{dated:?}");
    assert!(undated >= 28 * MINUTE && undated < 30 * MINUTE, "{undated:?}");
}

#[test]
fn a_lost_store_counts_the_overlap_from_a_sweep_of_the_pending_label() {
    let other = json!({"doubts": {"pending_label_swept_after_ms": 600_000}});
    let [promoted, swept] = on_both_sides(&other, overlap_after_a_lost_store);
    assert!(promoted < 32 * MINUTE, "{promoted:?}");
    assert!(swept >= 40 * MINUTE && swept < 42 * MINUTE, "{swept:?}");
}
