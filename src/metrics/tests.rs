//! The metrics through their text exposition.

use super::*;
use crate::rotation::reason::{AttentionReason, HaltReason, UnprovenReason};
use crate::rotation::status::Phase;

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + second, 0).expect("a valid time")
}

fn metrics() -> Metrics {
    Metrics::new(&["orders".to_owned()])
}

fn status(name: &str, phase: Phase, reason: Option<&str>) -> SecretStatus {
    SecretStatus {
        phase,
        reason: reason.map(str::to_owned),
        proof: Some(Proof::Proven),
        last_rotation_at: Some(at(0)),
        next_rotation_at: Some(at(10_000)),
        previous_password_valid: Some(false),
        ..SecretStatus::unknown(name, "orders", "main")
    }
}

#[track_caller]
fn assert_shows(metrics: &Metrics, line: &str) {
    let text = metrics.render();
    assert!(text.lines().any(|found| found == line), "no line {line:?} in\n{text}");
}

#[track_caller]
fn assert_hides(metrics: &Metrics, part: &str) {
    let text = metrics.render();
    assert!(!text.contains(part), "{part:?} in\n{text}");
}

fn started(version: &str) -> Record {
    let event = Event::RotationStarted {
        version: version.into(),
        parent: "v1".into(),
        generation: 1,
        cause: None,
    };
    Record::new("arn".into(), at(0))
        .apply(at(0), &event)
        .expect("a legal event")
}

fn promoted(proof: Proof) -> Event {
    Event::Promoted {
        version: "v2".into(),
        previous: "v1".into(),
        proof: Some(proof),
        nodes: 3,
    }
}

fn fill(metrics: &Metrics) {
    metrics.started(at(0));
    metrics.config_loaded(true, at(0));
    metrics.tick(at(0));
    metrics.lease_held(true);
    metrics.aws_request("elasticache", "ModifyUser", "ok", Duration::from_millis(80));
    let halted = status("a", Phase::Halted, Some("foreign_pending"));
    let lagging = status("b", Phase::NeedsAttention, Some("node_lagging"));
    metrics.show(&[halted, lagging], &[], at(1));
}

#[test]
fn every_family_of_the_design_is_shown_with_a_help_text() {
    let metrics = metrics();
    fill(&metrics);
    let text = metrics.render();
    for name in [
        "build_info",
        "config_last_reload_successful",
        "config_last_reload_success_timestamp_seconds",
        "scheduler_last_tick_timestamp_seconds",
        "rotations_total",
        "rotation_duration_seconds",
        "rotations_in_flight",
        "step_duration_seconds",
        "step_attempts_total",
        "login_probes_total",
        "aws_requests_total",
        "aws_request_duration_seconds",
        "secrets",
        "policy_oldest_rotation_timestamp_seconds",
        "policy_overdue",
        "policy_needs_attention",
        "policy_halted",
        "policy_unproven",
        "policy_unproven_by_reason",
        "policy_retirement_overdue",
        "policy_paused",
        "store_errors_total",
        "lease_held",
        "start_time_seconds",
        "secret_last_rotation_timestamp_seconds",
        "secret_next_rotation_timestamp_seconds",
        "secret_previous_password_valid",
    ] {
        assert!(text.contains(&format!("# HELP rekeyd_{name} ")), "{name}");
    }
    assert!(text.contains("process_resident_memory_bytes"));
}

#[test]
fn series_that_are_known_to_exist_begin_at_zero() {
    let metrics = metrics();
    for outcome in RotationOutcome::ALL {
        assert_shows(
            &metrics,
            &format!(
                "rekeyd_rotations_total{{outcome=\"{}\",policy=\"orders\"}} 0",
                outcome.label()
            ),
        );
    }
    assert_shows(
        &metrics,
        "rekeyd_step_attempts_total{outcome=\"error\",step=\"finishSecret\"} 0",
    );
    assert_shows(&metrics, "rekeyd_store_errors_total 0");
}

#[test]
fn every_reason_of_a_policy_is_shown_before_anything_has_it() {
    let metrics = metrics();
    metrics.show(&[] as &[SecretStatus], &[], at(0));
    let shown = |family: &str, label: &str| {
        assert_shows(
            &metrics,
            &format!("rekeyd_{family}{{policy=\"orders\",reason=\"{label}\"}} 0"),
        );
    };
    HaltReason::ALL
        .iter()
        .for_each(|reason| shown("policy_halted", reason.label()));
    AttentionReason::ALL
        .iter()
        .for_each(|reason| shown("policy_needs_attention", reason.label()));
    UnprovenReason::ALL
        .iter()
        .for_each(|reason| shown("policy_unproven_by_reason", reason.label()));
}

#[test]
fn an_operation_of_aws_is_shown_with_each_outcome_before_it_is_called() {
    let metrics = metrics();
    metrics.aws_operation("elasticache", "ModifyUser", ["ok", "throttled"].into_iter());
    for outcome in ["ok", "throttled"] {
        let labels = format!("operation=\"ModifyUser\",outcome=\"{outcome}\",service=\"elasticache\"");
        assert_shows(&metrics, &format!("rekeyd_aws_requests_total{{{labels}}} 0"));
    }
}

#[test]
fn what_is_unproven_is_told_by_reason() {
    let metrics = metrics();
    let unproven = |name, reason| SecretStatus {
        proof: Some(Proof::Unproven(reason)),
        ..status(name, Phase::Idle, None)
    };
    let (off, only) = (UnprovenReason::UserOff, UnprovenReason::ApiOnly);
    metrics.show(
        &[unproven("a", off), unproven("b", only), unproven("c", only)],
        &[],
        at(0),
    );
    assert_shows(&metrics, "rekeyd_policy_unproven{policy=\"orders\"} 3");
    assert_shows(
        &metrics,
        "rekeyd_policy_unproven_by_reason{policy=\"orders\",reason=\"api_only\"} 2",
    );
    assert_shows(
        &metrics,
        "rekeyd_policy_unproven_by_reason{policy=\"orders\",reason=\"user_off\"} 1",
    );
}

#[test]
fn no_secret_has_series_of_its_own_if_the_configuration_says_so() {
    let metrics = metrics();
    let secrets = [status("a", Phase::Idle, None)];
    metrics.per_secret(false);
    metrics.show(&secrets, &[], at(0));
    assert_hides(&metrics, "secret=");
    assert_shows(&metrics, "rekeyd_secrets{phase=\"idle\",policy=\"orders\"} 1");
    metrics.per_secret(true);
    metrics.show(&secrets, &[], at(0));
    assert_shows(
        &metrics,
        "rekeyd_secret_previous_password_valid{policy=\"orders\",secret=\"a\"} 0",
    );
}

#[test]
fn a_promotion_is_counted_and_timed_from_the_start_of_its_rotation() {
    let metrics = metrics();
    metrics.event("orders", &started("v2"), &promoted(Proof::Proven), at(40));
    assert_shows(
        &metrics,
        "rekeyd_rotations_total{outcome=\"promoted\",policy=\"orders\"} 1",
    );
    assert_shows(&metrics, "rekeyd_rotation_duration_seconds_sum{policy=\"orders\"} 40");
}

#[test]
fn an_unproven_promotion_is_never_counted_as_a_proved_one() {
    let metrics = metrics();
    metrics.event(
        "orders",
        &started("v2"),
        &promoted(Proof::Unproven(UnprovenReason::UserOff)),
        at(40),
    );
    assert_shows(
        &metrics,
        "rekeyd_rotations_total{outcome=\"promoted\",policy=\"orders\"} 0",
    );
    assert_shows(
        &metrics,
        "rekeyd_rotations_total{outcome=\"promoted_unproven\",policy=\"orders\"} 1",
    );
}

#[test]
fn a_halt_counts_once_and_only_when_a_rotation_met_it() {
    let metrics = metrics();
    let halt = |detail: &str| Event::Halted {
        reason: HaltReason::ForeignPending,
        detail: detail.into(),
        subject: "v9".into(),
    };
    metrics.event("orders", &Record::new("arn".into(), at(0)), &halt("a"), at(1));
    let record = started("v2");
    metrics.event("orders", &record, &halt("a"), at(1));
    let record = record.apply(at(1), &halt("a")).unwrap();
    metrics.event("orders", &record, &halt("b"), at(2));
    assert_shows(
        &metrics,
        "rekeyd_rotations_total{outcome=\"halted\",policy=\"orders\"} 1",
    );
}

#[test]
fn a_reason_that_is_over_goes_to_zero() {
    let metrics = metrics();
    fill(&metrics);
    assert_shows(
        &metrics,
        "rekeyd_policy_halted{policy=\"orders\",reason=\"foreign_pending\"} 1",
    );
    metrics.show(
        &[status("a", Phase::Idle, None), status("b", Phase::Idle, None)],
        &[],
        at(2),
    );
    assert_shows(
        &metrics,
        "rekeyd_policy_halted{policy=\"orders\",reason=\"foreign_pending\"} 0",
    );
    assert_shows(
        &metrics,
        "rekeyd_policy_needs_attention{policy=\"orders\",reason=\"node_lagging\"} 0",
    );
    assert_shows(&metrics, "rekeyd_secrets{phase=\"idle\",policy=\"orders\"} 2");
    assert_shows(&metrics, "rekeyd_secrets{phase=\"halted\",policy=\"orders\"} 0");
}

#[test]
fn text_that_is_no_known_reason_never_becomes_a_label() {
    let metrics = metrics();
    metrics.show(&[status("a", Phase::Halted, Some("hunter2"))], &[], at(0));
    assert_hides(&metrics, "hunter2");
    assert_shows(&metrics, "rekeyd_policy_halted{policy=\"orders\",reason=\"unknown\"} 1");
}

#[test]
fn what_is_late_is_counted_after_an_hour() {
    let metrics = metrics();
    let mut secret = status("a", Phase::Overlap, None);
    secret.previous_password_valid = Some(true);
    secret.overlap_until = Some(at(10_000));
    metrics.show(std::slice::from_ref(&secret), &[], at(13_600));
    assert_shows(&metrics, "rekeyd_policy_overdue{policy=\"orders\"} 0");
    metrics.show(std::slice::from_ref(&secret), &["orders".to_owned()], at(13_601));
    assert_shows(&metrics, "rekeyd_policy_overdue{policy=\"orders\"} 1");
    assert_shows(&metrics, "rekeyd_policy_retirement_overdue{policy=\"orders\"} 1");
    assert_shows(&metrics, "rekeyd_policy_paused{policy=\"orders\"} 1");
    assert_shows(
        &metrics,
        "rekeyd_policy_oldest_rotation_timestamp_seconds{policy=\"orders\"} 1800000000",
    );
}

#[test]
fn secrets_and_policies_that_are_gone_leave_no_gauge_behind() {
    let metrics = metrics();
    metrics.show(
        &[status("a", Phase::Idle, None), status("b", Phase::Idle, None)],
        &[],
        at(0),
    );
    metrics.show(&[status("a", Phase::Idle, None)], &[], at(1));
    assert_shows(
        &metrics,
        "rekeyd_secret_last_rotation_timestamp_seconds{policy=\"orders\",secret=\"a\"} 1800000000",
    );
    assert_hides(&metrics, "secret=\"b\"");
    metrics.policies(&["billing".to_owned()]);
    metrics.show(&[] as &[SecretStatus], &[], at(2));
    assert_hides(&metrics, "rekeyd_policy_overdue{policy=\"orders\"}");
    assert_shows(&metrics, "rekeyd_policy_overdue{policy=\"billing\"} 0");
}

#[test]
fn no_family_keeps_a_series_of_a_policy_or_a_place_that_is_gone() {
    let metrics = metrics();
    let record = started("v2");
    fill(&metrics);
    metrics.event("orders", &record, &promoted(Proof::Proven), at(60));
    for place in ["main", "other"] {
        metrics.aws_budget_begins(place, "modify_user", 5.0);
    }
    metrics.policies(&["billing".to_owned()]);
    metrics.places(["main".to_owned()].into());
    // What had begun before ends after it.
    metrics.event("orders", &record, &promoted(Proof::Proven), at(70));
    metrics.aws_budget("other", "modify_user", 2.5);
    assert_hides(&metrics, "policy=\"orders\"");
    assert_hides(&metrics, "place=\"other\"");
    assert_shows(
        &metrics,
        "rekeyd_rotations_total{outcome=\"promoted\",policy=\"billing\"} 0",
    );
    assert_shows(&metrics, "rekeyd_aws_budget{budget=\"modify_user\",place=\"main\"} 5");

    metrics.aws_budget_begins("third", "modify_user", 7.0);
    metrics.places(["main".to_owned(), "third".to_owned()].into());
    metrics.aws_budget("third", "modify_user", 3.5);
    assert_shows(
        &metrics,
        "rekeyd_aws_budget{budget=\"modify_user\",place=\"third\"} 3.5",
    );
}

#[test]
fn above_a_thousand_secrets_there_is_no_series_for_each() {
    let metrics = metrics();
    let secrets: Vec<_> = (0..1_001)
        .map(|number| status(&format!("s{number}"), Phase::Idle, None))
        .collect();
    metrics.show(&secrets[..1_000], &[], at(0));
    assert_eq!(
        metrics
            .render()
            .matches("rekeyd_secret_previous_password_valid{")
            .count(),
        1_000
    );
    metrics.show(&secrets, &[], at(0));
    assert_hides(&metrics, "secret=\"s1\"");
    assert_shows(&metrics, "rekeyd_secrets{phase=\"idle\",policy=\"orders\"} 1001");
}
