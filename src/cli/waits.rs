//! What a secret waits for, in words.

use crate::cli::show::told;
use crate::cli::text::{time, time_and_distance};
use crate::clock::Timestamp;
use crate::rotation::observation::Proof;
use crate::rotation::reason::{HaltReason, UnprovenReason};
use crate::rotation::status::{Phase, SecretStatus};
use crate::rotation::step::Step;

/// How the daemon begins to tell what something due waits for.
const DUE: &str = "due, and waits for ";

/// The same as a sentence without its subject: some wait for something, others until something.
pub(super) fn waits(secret: &SecretStatus, now: Timestamp) -> String {
    let what = waits_for(secret, now);
    match what.strip_prefix("due, and waits ") {
        Some(until) => format!("waits {until}"),
        None => format!("waits for {what}"),
    }
}

/// What has to happen before a secret's phase ends.
pub(super) fn waits_for(secret: &SecretStatus, now: Timestamp) -> String {
    let told = told(secret);
    let or = |usual: String| if told.is_empty() { usual } else { told.clone() };
    match secret.phase {
        Phase::Starting => or("its first look since the daemon started".to_owned()),
        Phase::Idle => or(next_rotation(secret, now)),
        Phase::Due => or("its turn".to_owned()).trim_start_matches(DUE).to_owned(),
        Phase::Rotating => under_way(secret, &told),
        Phase::Retiring => under_way(secret, &told),
        Phase::Overlap => or(end_of_overlap(secret, now)),
        Phase::Paused => match told.is_empty() {
            true => "`rekeyd resume`: it is paused".to_owned(),
            false => format!("`rekeyd resume`: it is paused: {told}"),
        },
        Phase::NeedsAttention => match secret.next_attempt_at {
            Some(at) => format!("a person; tried again at {}: {told}", time(Some(at))),
            None => format!("a person; tried again by itself: {told}"),
        },
        Phase::Halted => format!("{}: {told}", way_out(secret)),
    }
}

fn next_rotation(secret: &SecretStatus, now: Timestamp) -> String {
    match secret.next_rotation_at {
        Some(at) => format!("its next rotation, {}", time_and_distance(at, now)),
        None => "its next rotation".to_owned(),
    }
}

fn end_of_overlap(secret: &SecretStatus, now: Timestamp) -> String {
    let end = match (secret.overlap_until, secret.previous_password_valid) {
        (Some(at), _) => format!("the end of the overlap, {}", time_and_distance(at, now)),
        (None, Some(_)) => "the next rotation, which ends the overlap".to_owned(),
        // A store knows neither dates nor whether there was a password before the first one.
        (None, None) => "a daemon, which ends the overlap if there was a password before this one".to_owned(),
    };
    let both = match secret.previous_password_valid {
        Some(true) => "; both passwords log in until then",
        _ => "",
    };
    let unproven = match secret.proof {
        Some(Proof::Unproven(UnprovenReason::UserOff)) => {
            "; the user was off when its password was to be proved, and the daemon proves it once it is on"
        }
        _ => "",
    };
    format!("{end}{both}{unproven}")
}

fn under_way(secret: &SecretStatus, told: &str) -> String {
    let step = match secret.step {
        Some(Step::CreateSecret) => "the new password to be written under AWSPENDING",
        Some(Step::SetSecret) => "ElastiCache to take the new password beside the current one",
        Some(Step::TestSecret) => "every node to accept the new password",
        Some(Step::FinishSecret) => "AWSCURRENT to move to the new password",
        Some(Step::Retire) => "every node to refuse the previous password",
        Some(Step::Abandon) => "the pending password to be given up",
        Some(Step::Repair) => "every node to accept the current password again",
        Some(Step::Rollback) => "AWSCURRENT to move back",
        Some(Step::Observe) | None => "the next look",
    };
    match (told.is_empty(), secret.attempts) {
        (true, _) => step.to_owned(),
        (false, 0) => format!("{step}: {told}"),
        (false, attempts) => format!("{step}; {attempts} failed attempts: {told}"),
    }
}

/// What ends a halt.
fn way_out(secret: &SecretStatus) -> &'static str {
    let reason = secret.reason.as_deref().unwrap_or_default();
    let passable = HaltReason::ALL
        .iter()
        .any(|halt| halt.label() == reason && halt.may_be_passed());
    match passable {
        true => "`rekeyd resume`, or a change",
        false => "somebody to mend it",
    }
}
