//! Where a secret stands, and what it waits for.

use crate::clock::Timestamp;
use crate::rotation::observation::Proof;
use crate::rotation::reason::{HaltReason, UnprovenReason};
use crate::rotation::status::{Phase, SecretStatus};
use crate::rotation::step::Step;
use crate::words::time::{time, time_and_distance};

/// Details that are sentences, and say themselves who waits.
const SENTENCES: [&str; 4] = [
    "a requested rotation waits",
    "a rotation is due",
    "its halt was ended",
    "the overlap is prolonged",
];

/// What a secret waits for, behind its verb: some wait for something, others until something.
pub fn waits(secret: &SecretStatus, now: Timestamp) -> String {
    let what = waits_for(secret, now);
    if SENTENCES.iter().any(|sentence| what.starts_with(sentence)) {
        return what;
    }
    match what.starts_with("until ") {
        true => format!("waits {what}"),
        false => format!("waits for {what}"),
    }
}

/// Why a secret stands where it does, in a line.
pub fn told(secret: &SecretStatus) -> String {
    let overlap = (secret.requested && secret.phase == Phase::Overlap).then(|| {
        let end = match secret.overlap_until {
            Some(until) => format!("until {} for the overlap of the last one", time(Some(until))),
            None => "for the overlap of the last one to end".to_owned(),
        };
        format!("a requested rotation waits {end}; `rekeyd rotate --revoke-previous` ends it")
    });
    let reason = match (&secret.reason, &secret.detail) {
        (Some(reason), Some(detail)) => Some(format!("{reason}: {detail}")),
        (reason, detail) => detail.clone().or_else(|| reason.clone()),
    };
    overlap.or(reason).unwrap_or_default()
}

/// The detail of something due without its beginning, which says what stands before it.
fn of_due(told: &str) -> &str {
    let told = told.strip_prefix("due, and waits ").unwrap_or(told);
    told.strip_prefix("for ").unwrap_or(told)
}

/// What has to happen before a secret's phase ends.
pub fn waits_for(secret: &SecretStatus, now: Timestamp) -> String {
    let told = told(secret);
    let or = |usual: String| if told.is_empty() { usual } else { told.clone() };
    match secret.phase {
        Phase::Starting => or("its first look since the daemon started".to_owned()),
        Phase::Idle => or(next_rotation(secret, now)),
        Phase::Due => of_due(&or("its turn".to_owned())).to_owned(),
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
    let next = match secret.next_rotation_at {
        Some(at) => format!("its next rotation, {}", time_and_distance(at, now)),
        None => "its next rotation".to_owned(),
    };
    next + proof_to_come(secret)
}

/// A user is off when its first password is proved, and may be on by now.
fn proof_to_come(secret: &SecretStatus) -> &'static str {
    match secret.proof {
        Some(Proof::Unproven(UnprovenReason::UserOff)) => {
            "; the user was off at the last proof, which is tried again by itself"
        }
        _ => "",
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
    format!("{end}{both}{}", proof_to_come(secret))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn status(name: &str) -> SecretStatus {
        SecretStatus::unknown(name, "orders", "main")
    }

    #[test]
    fn what_waits_is_said_in_english_whatever_it_waits_for() {
        for (phase, detail, said) in [
            (
                Phase::Due,
                "due, and waits until fewer are in trouble",
                "waits until fewer are in trouble",
            ),
            (Phase::Due, "due, and waits for its turn", "waits for its turn"),
            (
                Phase::Due,
                "until 2027-01-16 00:00:00Z: the last change",
                "waits until 2027-01-16 00:00:00Z: the last change",
            ),
            (
                Phase::Overlap,
                "a rotation is due and waits for the retirement",
                "a rotation is due and waits for the retirement",
            ),
        ] {
            let mut secret = status("a");
            (secret.phase, secret.detail) = (phase, Some(detail.to_owned()));
            assert_eq!(waits(&secret, at(0)), said);
        }
    }

    #[test]
    fn a_request_whose_overlap_has_no_date_tells_none() {
        let mut secret = status("a");
        (secret.phase, secret.requested, secret.overlap_until) = (Phase::Overlap, true, None);
        let said = waits(&secret, at(0));
        assert!(
            said.starts_with("a requested rotation waits for the overlap of the last one to end; "),
            "{said}"
        );
    }

    #[test]
    fn a_store_does_not_tell_of_a_previous_password_that_it_knows_nothing_of() {
        let mut secret = status("a");
        secret.phase = Phase::Overlap;
        secret.proof = Some(Proof::Unproven(UnprovenReason::UserOff));
        (secret.overlap_until, secret.previous_password_valid) = (None, None);
        let said = waits(&secret, at(0));
        assert!(
            said.contains("if there was a password before") && said.contains("tried again by itself"),
            "{said}"
        );
        assert!(!said.contains("both passwords"), "{said}");
        secret.previous_password_valid = Some(true);
        assert!(waits(&secret, at(0)).contains("both passwords log in until then"));
    }
}
