//! From what was seen to a list of checks. Pure.

use crate::aws::{AwsError, ErrorClass};
use crate::policy::Verify;
use crate::rotation::observation::{AWSCURRENT, AWSPENDING, Authentication, Observation, UserSight};
use crate::rotation::reason::{HaltReason, WaitReason};
use crate::secret::secret_arn_name;

use super::advice::{self, Names};
use super::check::{Check, Checked, Outcome};
use super::document;
use super::failed_call;
use super::nodes;
use super::trouble::{Sight, Trouble};

/// Every check of one secret, in order.
pub(super) fn judge(sight: &Sight, names: &Names<'_>) -> Vec<Checked> {
    let mut checks = Vec::new();
    for check in Check::ALL {
        let wrong: Vec<Checked> = sight
            .troubles
            .iter()
            .filter(|trouble| place_of(trouble) == Some(check))
            .map(|trouble| told(check, trouble, names))
            .collect();
        let first_refusal = checks
            .iter()
            .find(|checked: &&Checked| checked.outcome > Outcome::Warning);
        match wrong.is_empty() {
            false => checks.extend(wrong),
            true => {
                let in_order = evidence(check, sight, names);
                checks.push(in_order.unwrap_or_else(|| unseen(check, first_refusal)));
            }
        }
    }
    checks
}

/// The check that trouble belongs to; none if another check tells it with more detail.
fn place_of(trouble: &Trouble) -> Option<Check> {
    match trouble {
        Trouble::Halt { reason, .. } => Some(place_of_halt(*reason)),
        Trouble::Wait { reason, .. } => match reason {
            WaitReason::NodeUnreachable | WaitReason::TlsFailed | WaitReason::NodeUnavailable => None,
            WaitReason::NodesChanging => Some(Check::Nodes),
            WaitReason::Modifying | WaitReason::UserDeleting => Some(Check::User),
            WaitReason::AcceptsAnyPassword | WaitReason::NodeLagging | WaitReason::PreviousStillAccepted => {
                Some(Check::Login)
            }
            WaitReason::StatusUnsettled | WaitReason::Settling | WaitReason::StaleObservation => Some(Check::Versions),
        },
        Trouble::Aws(error) => Some(place_of_error(error)),
    }
}

fn place_of_halt(reason: HaltReason) -> Check {
    use HaltReason as Halt;
    match reason {
        Halt::SecretDeleted | Halt::NoCurrentVersion => Check::Secret,
        Halt::SecretBinary
        | Halt::SecretNotJson
        | Halt::UserArnMissing
        | Halt::UserArnInvalid
        | Halt::UsernameMissing
        | Halt::PasswordInvalid => Check::Document,
        Halt::RotationEnabled | Halt::OwnedByService => Check::OtherRotators,
        Halt::SecretReplicated => Check::Replicas,
        Halt::UserArnOtherPartition | Halt::UserArnOtherRegion | Halt::UserArnOtherAccount => Check::UserArn,
        Halt::UserNotAllowed => Check::AllowUsers,
        Halt::UserClaimedTwice | Halt::SelectedTwice => Check::OneSecret,
        Halt::ForeignPending
        | Halt::RolledBack
        | Halt::PendingUnreadable
        | Halt::PendingUserChanged
        | Halt::AttemptsExhausted => Check::Versions,
        Halt::UserArnMismatch | Halt::UsernameMismatch | Halt::UserIsIam | Halt::UserIsDefault => Check::User,
        Halt::UserPasswordless | Halt::FirstPasswordLiveUser | Halt::UnknownPassword => Check::Passwords,
        Halt::GlobalDatastore | Halt::NoTransitEncryption => Check::Nodes,
        Halt::CurrentPasswordRefused | Halt::RepairsUndone => Check::Login,
    }
}

fn place_of_error(error: &AwsError) -> Check {
    match error.operation {
        "DescribeSecret" | "ListSecretVersionIds" | "ListSecrets" => Check::Secret,
        "GetSecretValue" => Check::Value,
        "DescribeUsers" => Check::User,
        "a login" => Check::Login,
        operation if failed_call::is_of_cache(operation) && operation.starts_with("Describe") => Check::Nodes,
        _ => Check::Secret,
    }
}

fn told(check: Check, trouble: &Trouble, names: &Names<'_>) -> Checked {
    match trouble {
        Trouble::Halt {
            reason,
            detail,
            subject,
        } => refused(check, *reason, detail, subject, names),
        Trouble::Wait { reason, detail } => {
            let outcome = match reason {
                WaitReason::UserDeleting | WaitReason::AcceptsAnyPassword => Outcome::Refused,
                _ => Outcome::Warning,
            };
            let checked = Checked::plain(check, outcome, format!("{detail}: {}", in_short(*reason)));
            let checked = checked.because(reason.label());
            match advice::on_wait(*reason) {
                Some(advice) => checked.advising(advice),
                None => checked,
            }
        }
        Trouble::Aws(error) => failed(check, error, names),
    }
}

/// A check that a rotation would halt for.
pub(super) fn refused(check: Check, reason: HaltReason, detail: &str, subject: &str, names: &Names<'_>) -> Checked {
    Checked::plain(check, Outcome::Refused, in_words(reason, detail, subject))
        .because(reason.label())
        .advising(advice::on_halt(reason, subject, names))
}

/// What a halt is about: its detail, with what the reason alone says in status.
fn in_words(reason: HaltReason, detail: &str, subject: &str) -> String {
    match reason {
        HaltReason::UserIsIam => format!("{detail} logs in with IAM"),
        HaltReason::UserIsDefault => format!("{detail} is named `default`"),
        HaltReason::GlobalDatastore => {
            format!("{detail} belongs to a global datastore, whose other regions would lack the new password")
        }
        HaltReason::NoTransitEncryption => format!("{detail} has no in-transit encryption"),
        HaltReason::UserPasswordless => format!("{detail}, so that it accepts any, and the secret holds one"),
        HaltReason::CurrentPasswordRefused => format!("the password under AWSCURRENT does not log in: {detail}"),
        HaltReason::UserClaimedTwice => detail.replace(subject, secret_arn_name(subject).unwrap_or(subject)),
        _ => detail.to_owned(),
    }
}

/// What a wait means, without the full stop of a sentence.
fn in_short(reason: WaitReason) -> String {
    let meaning = reason.meaning().trim_end_matches('.');
    let mut letters = meaning.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

pub(super) fn failed(check: Check, error: &AwsError, names: &Names<'_>) -> Checked {
    let (action, resource) = failed_call::action_of(error, names);
    let outcome = match error.class {
        ErrorClass::Changing | ErrorClass::Busy | ErrorClass::Conflict => Outcome::Warning,
        _ if error.passes_by_itself() => Outcome::Unknown,
        _ => Outcome::Refused,
    };
    let words = match error.class {
        ErrorClass::Denied => format!("AWS denies {action} on {resource}: {}: {}", error.code, error.message),
        ErrorClass::Kms => {
            format!(
                "the key of the secret cannot be used ({action}): {}: {}",
                error.code, error.message
            )
        }
        ErrorClass::NotFound if error.operation == "DescribeUsers" => {
            format!("ElastiCache knows no user {} in {}", error.resource, names.region)
        }
        ErrorClass::NotFound => {
            format!(
                "Secrets Manager knows no {} in {}: {}",
                error.resource, names.region, error.message
            )
        }
        _ => error.to_string(),
    };
    let checked = Checked::plain(check, outcome, words).because(error.attention().label());
    match failed_call::on_error(error, names) {
        Some(advice) => checked.advising(advice),
        None => checked,
    }
}

/// A check that nothing was seen for, because something before it is wrong.
fn unseen(check: Check, first_refusal: Option<&Checked>) -> Checked {
    let why = first_refusal.map_or_else(String::new, |checked| {
        format!(": {} comes first", checked.check.label())
    });
    Checked::plain(check, Outcome::Unknown, format!("not looked at{why}"))
}

/// That a check is in order, by what was seen; nothing if it was not seen.
fn evidence(check: Check, sight: &Sight, names: &Names<'_>) -> Option<Checked> {
    let observation = sight.observation.as_ref()?;
    let secret = &observation.secret;
    match check {
        Check::Secret => Some(Checked::ok(check, format!("{} is there", secret.arn))),
        Check::OtherRotators => Some(Checked::ok(check, "nobody else rotates or manages it")),
        Check::Replicas => Some(Checked::ok(check, "in one region only")),
        Check::Value => {
            let current = secret.holder(AWSCURRENT)?;
            let read = observation.values.contains_key(current);
            read.then(|| Checked::ok(check, format!("version {current} can be read")))
        }
        Check::Document => {
            let document = document(observation)?;
            let password = match document.password() {
                Some(_) => "with a password",
                None => "without a password yet",
            };
            Some(Checked::ok(check, format!("names {}, {password}", document.username())))
        }
        Check::UserArn => {
            let document = document(observation)?;
            Some(Checked::ok(check, document.user_arn().to_string()))
        }
        Check::AllowUsers => {
            let document = document(observation)?;
            let allowed = names.policy.allows_user(document.user_arn().user_id());
            allowed.then(|| Checked::ok(check, format!("policy {} allows it", names.policy.name)))
        }
        Check::OneSecret => document(observation).map(|_| Checked::ok(check, "no other secret names that user")),
        Check::Versions => versions(observation),
        Check::User => user(observation),
        Check::Passwords => passwords(observation),
        Check::Nodes => nodes::known(observation, names),
        Check::Network => nodes::network(observation, sight, names),
        Check::Login => nodes::login(observation, names),
    }
}

fn versions(observation: &Observation) -> Option<Checked> {
    let current = observation.secret.holder(AWSCURRENT)?;
    let pending = observation
        .secret
        .holder(AWSPENDING)
        .filter(|pending| *pending != current);
    let told = match pending {
        Some(pending) => format!("AWSPENDING is on version {pending}, which rekeyd made"),
        None => "no rotation is pending".to_owned(),
    };
    document(observation).map(|_| Checked::ok(Check::Versions, told))
}

fn user(observation: &Observation) -> Option<Checked> {
    let UserSight::Seen(user) = &observation.user else {
        return None;
    };
    let state = if user.on { "on" } else { "off" };
    let takes = match user.authentication {
        Authentication::Password => "takes passwords",
        Authentication::NoPassword => "has no password",
        Authentication::Iam => "logs in with IAM",
        Authentication::Unknown => "authenticates in a way that rekeyd does not know",
    };
    Some(Checked::ok(
        Check::User,
        format!("{}, named {}, is {state} and {takes}", user.id, user.name),
    ))
}

fn passwords(observation: &Observation) -> Option<Checked> {
    let UserSight::Seen(user) = &observation.user else {
        return None;
    };
    let count = match user.authentication {
        Authentication::Password => user.password_count,
        _ => 0,
    };
    Some(Checked::ok(Check::Passwords, format!("{count} of 2 in use")))
}

/// Whether logins prove nothing under the policy, or of this user.
pub(super) fn cannot_be_proved(observation: &Observation, names: &Names<'_>) -> Option<&'static str> {
    let UserSight::Seen(user) = &observation.user else {
        return None;
    };
    match names.policy.verify {
        Verify::ApiOnly => Some("the policy believes ElastiCache's API (verify = \"api-only\")"),
        Verify::Login if !user.on => Some("the user is off and refuses every login"),
        Verify::Login => None,
    }
}
