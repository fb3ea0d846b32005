//! What to do about what a preflight finds, with the names of the things that are to be changed.

use crate::login::ObstacleKind;
use crate::policy::{Policy, Tls};
use crate::rotation::reason::{HaltReason, WaitReason};

/// The names that advice speaks of.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) secret: &'a str,
    pub(super) policy: &'a Policy,
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    /// As the secret names it.
    pub(super) user: Option<&'a str>,
}

impl Names<'_> {
    fn user(&self) -> &str {
        self.user.unwrap_or("USERID")
    }

    fn user_arn(&self) -> String {
        let partition = crate::policy::partition_of(self.region);
        let (region, account, user) = (self.region, self.account, self.user());
        format!("arn:{partition}:elasticache:{region}:{account}:user:{user}")
    }
}

/// What ends a halt; `subject` is what the halt is about.
pub(super) fn on_halt(reason: HaltReason, subject: &str, names: &Names<'_>) -> String {
    use HaltReason as Halt;
    match reason {
        Halt::SecretDeleted
        | Halt::SecretReplicated
        | Halt::RotationEnabled
        | Halt::OwnedByService
        | Halt::NoCurrentVersion
        | Halt::SelectedTwice
        | Halt::ForeignPending
        | Halt::PendingUnreadable
        | Halt::PendingUserChanged
        | Halt::RolledBack
        | Halt::AttemptsExhausted => on_secret(reason, subject, names),
        Halt::SecretBinary
        | Halt::SecretNotJson
        | Halt::UserArnMissing
        | Halt::UserArnInvalid
        | Halt::UsernameMissing
        | Halt::PasswordInvalid
        | Halt::UserArnOtherPartition
        | Halt::UserArnOtherRegion
        | Halt::UserArnOtherAccount
        | Halt::UserNotAllowed
        | Halt::UserClaimedTwice
        | Halt::UserArnMismatch
        | Halt::UsernameMismatch => on_document(reason, names),
        Halt::UserIsIam
        | Halt::UserIsDefault
        | Halt::UserPasswordless
        | Halt::FirstPasswordLiveUser
        | Halt::UnknownPassword
        | Halt::CurrentPasswordRefused
        | Halt::RepairsUndone
        | Halt::GlobalDatastore
        | Halt::NoTransitEncryption => on_user(reason, names),
    }
}

fn on_secret(reason: HaltReason, subject: &str, names: &Names<'_>) -> String {
    use HaltReason as Halt;
    let (secret, policy) = (names.secret, &names.policy.name);
    match reason {
        Halt::SecretDeleted => format!(
            "restore it (aws secretsmanager restore-secret --secret-id {secret}), or take it out of policy {policy}"
        ),
        Halt::SecretReplicated => format!(
            "remove its replicas (aws secretsmanager remove-regions-from-replication --secret-id {secret} \
             --remove-replica-regions REGION); or name the primary, if this is a replica; or take it out of policy {policy}"
        ),
        Halt::RotationEnabled => format!(
            "`rekeyd takeover {secret}` takes it over; or end its rotation: aws secretsmanager cancel-rotate-secret \
             --secret-id {secret}"
        ),
        Halt::OwnedByService => format!("leave it to the service that manages it: take it out of policy {policy}"),
        Halt::NoCurrentVersion => format!("put a document into it: {}", put(names)),
        Halt::SelectedTwice => "leave the secret in one policy: change `secrets` or `select` of the others".to_owned(),
        Halt::ForeignPending | Halt::PendingUnreadable | Halt::PendingUserChanged => format!(
            "let the other rotator end its rotation; or, if none is at work, take the label away: aws secretsmanager \
             update-secret-version-stage --secret-id {secret} --version-stage AWSPENDING --remove-from-version-id {subject}"
        ),
        Halt::RolledBack => format!("`rekeyd resume {secret}` rotates on from there"),
        Halt::AttemptsExhausted => {
            format!("see in `rekeyd history {secret}` why they were given up; then `rekeyd resume {secret}`")
        }
        _ => String::new(),
    }
}

fn on_document(reason: HaltReason, names: &Names<'_>) -> String {
    use HaltReason as Halt;
    let policy = &names.policy.name;
    match reason {
        Halt::SecretBinary => format!(
            "store the document as text (SecretString): {}; one with \"password\", if the user has one, from a file \
             (--secret-string file://FILE)",
            put(names)
        ),
        Halt::SecretNotJson => format!(
            "store one JSON object with each key once: {}; one with \"password\", if the user has one, from a file \
             (--secret-string file://FILE)",
            put(names)
        ),
        Halt::UserArnMissing => format!(
            "`rekeyd onboard --policy {policy} --user-id USERID --secret {} --write-bond` adds it, and keeps what is there; or add \
             \"user_arn\": \"{}\" yourself. `aws elasticache describe-users` lists the ids",
            names.secret,
            names.user_arn()
        ),
        Halt::UserArnInvalid => format!(
            "write it as \"{}\"; `aws elasticache describe-users` shows it as ARN",
            names.user_arn()
        ),
        Halt::UsernameMissing => {
            "add \"username\", the name that clients log in with, to the document; `aws elasticache describe-users` shows \
             it as UserName"
                .to_owned()
        }
        Halt::PasswordInvalid => {
            "make \"password\" a string that is not empty; before the first rotation leave the key out"
                .to_owned()
        }
        Halt::UserArnOtherPartition | Halt::UserArnOtherRegion | Halt::UserArnOtherAccount => format!(
            "correct \"user_arn\" in the secret; or keep the secret where its user is: in an `aws` place of that account \
             and region, which policy {policy} is not"
        ),
        Halt::UserNotAllowed => format!(
            "if the policy is to rotate that user, add {:?} to allow_users of [policy.{policy}]; else correct \"user_arn\" \
             in the secret",
            names.user()
        ),
        Halt::UserClaimedTwice => {
            "keep one secret for each user: name another user in one of the two, or take one out of its policy".to_owned()
        }
        Halt::UserArnMismatch => format!(
            "use credentials of the account that \"user_arn\" names (role_arn or profile of [aws.{}]), or correct \
             \"user_arn\"",
            names.policy.place
        ),
        Halt::UsernameMismatch => {
            "make \"username\" in the secret the name that the user has, which clients log in with; it may differ from its id"
                .to_owned()
        }
        _ => String::new(),
    }
}

fn on_user(reason: HaltReason, names: &Names<'_>) -> String {
    use HaltReason as Halt;
    let (secret, policy, user) = (names.secret, &names.policy.name, names.user());
    match reason {
        Halt::UserIsIam => format!(
            "a user that logs in with IAM has no password to rotate: take the secret out of policy {policy}; or let it log \
             in with the password that the secret holds: {}",
            modify_user(&format!(
                "{{\"UserId\": \"{user}\", \"AuthenticationMode\": {{\"Type\": \"password\", \"Passwords\": [\"PASSWORD\"]}}}}"
            ))
        ),
        Halt::UserIsDefault => format!(
            "every client that names no user logs in as `default`: if it is to be rotated, set allow_default_user = true \
             in [policy.{policy}]"
        ),
        Halt::UserPasswordless => format!(
            "give the user the password that the secret holds: {}",
            give_password(user)
        ),
        Halt::FirstPasswordLiveUser => format!(
            "put the password that its clients use into the secret (`rekeyd onboard --policy {policy} --user-id {user} \
             --secret {secret} --password-file FILE` does); or, if it has no clients, switch the user off and take its \
             password away: aws elasticache modify-user --user-id {user} --access-string 'off …' \
             --no-password-required; or set first_password = \"any\" in [policy.{policy}], which cuts the clients that it \
             has"
        ),
        Halt::UnknownPassword => format!(
            "find out who uses the second password; then leave the user the one under AWSCURRENT alone: {}",
            give_password(user)
        ),
        Halt::CurrentPasswordRefused => format!(
            "find out who changed the user; then give it the password under AWSCURRENT: {} (on_drift = \"repair\" in \
             [policy.{policy}] does that by itself); or put the document with the one that works into the secret: aws \
             secretsmanager put-secret-value --secret-id {secret} --secret-string file://FILE",
            give_password(user)
        ),
        Halt::RepairsUndone => {
            format!("stop whoever keeps changing the user, such as Terraform; then `rekeyd resume {secret}`")
        }
        Halt::GlobalDatastore => format!(
            "rekeyd does not rotate users of a global datastore: take the cache out of it, or the secret out of policy \
             {policy}"
        ),
        Halt::NoTransitEncryption => {
            "switch on the cache's in-transit encryption: without it a login would send the password in clear"
                .to_owned()
        }
        _ => String::new(),
    }
}

/// The command that leaves a user one password.
fn give_password(user: &str) -> String {
    modify_user(&format!("{{\"UserId\": \"{user}\", \"Passwords\": [\"PASSWORD\"]}}"))
}

/// The command that changes a user by a request with a password: every user of the machine reads a command line, and the
/// shell keeps it.
fn modify_user(request: &str) -> String {
    format!(
        "aws elasticache modify-user --cli-input-json file://FILE, where FILE, readable for you alone, holds {request}"
    )
}

/// The command that stores a document without a password.
fn put(names: &Names<'_>) -> String {
    format!(
        "aws secretsmanager put-secret-value --secret-id {} --secret-string '{{\"username\": \"{}\", \"user_arn\": \"{}\"}}'",
        names.secret,
        names.user(),
        names.user_arn()
    )
}

/// What ends a wait, if anybody has to do something about it.
pub(super) fn on_wait(reason: WaitReason) -> Option<&'static str> {
    match reason {
        WaitReason::AcceptsAnyPassword => Some(
            "the user still takes any password: look in `aws elasticache describe-users` whether it has one, and give the \
             node time to learn it",
        ),
        WaitReason::UserDeleting => Some("take the secret out of its policy, or make the user anew"),
        WaitReason::NodeUnavailable => Some("wait until ElastiCache calls the node available, or replace it"),
        WaitReason::Modifying => Some(
            "look again in a few minutes; if it lasts, `aws elasticache describe-events` tells what ElastiCache does to the \
             caches of its groups",
        ),
        WaitReason::StatusUnsettled
        | WaitReason::Settling
        | WaitReason::NodeLagging
        | WaitReason::NodeUnreachable
        | WaitReason::TlsFailed
        | WaitReason::NodesChanging
        | WaitReason::PreviousStillAccepted
        | WaitReason::StaleObservation => None,
    }
}

/// What clears the way to a node.
pub(super) fn on_obstacle(kind: ObstacleKind, tls: &Tls) -> String {
    let roots = tls.ca_file.as_ref().map_or_else(
        || "the system's roots; tls = { ca_file = … } names others".to_owned(),
        |file| format!("those in tls.ca_file, {}", file.display()),
    );
    match kind {
        ObstacleKind::Name => {
            "let this machine ask the DNS of the cache's VPC, which alone knows the nodes' names; `getent hosts HOST` \
             tries it".to_owned()
        }
        ObstacleKind::Network | ObstacleKind::Timeout => {
            "let this machine reach the node's port (`nc -vz HOST PORT` tries it): route, network ACL and the cache's \
             security group; where that cannot be, verify = \"api-only\" does without logins"
                .to_owned()
        }
        ObstacleKind::CertificateExpired => {
            "renew the node's certificate; and see that this machine's clock is right".to_owned()
        }
        ObstacleKind::CertificateUntrusted => format!(
            "trust the root that signed the certificate: rekeyd trusts {roots}. ElastiCache's own certificates need only the \
             system's"
        ),
        ObstacleKind::CertificateName => {
            "name the node as its certificate does: ElastiCache's own endpoint, if `endpoints` of the policy names another"
                .to_owned()
        }
        ObstacleKind::NoTls => "switch on the cache's in-transit encryption, or correct the port in `endpoints`".to_owned(),
        ObstacleKind::Roots => format!("put PEM certificates that rekeyd may read where it looks: {roots}"),
        ObstacleKind::Tls => "see in the node's log why it refuses; rekeyd speaks TLS 1.2 and 1.3".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::testing;

    #[test]
    fn every_halt_and_every_obstacle_says_what_to_do() {
        let policy = testing::policy();
        let names = testing::names(&policy);
        for reason in HaltReason::ALL {
            let advice = on_halt(*reason, "subject", &names);
            assert!(advice.len() > 20, "{reason}: {advice}");
            assert!(
                !advice.contains('{') || advice.contains("'{\"username\"") || advice.contains("{\"UserId\""),
                "{reason}: {advice}"
            );
        }
    }

    #[test]
    fn no_advice_puts_a_password_on_a_command_line() {
        let policy = testing::policy();
        let names = testing::names(&policy);
        for reason in HaltReason::ALL {
            let advice = on_halt(*reason, "subject", &names);
            for option in ["--passwords", "Passwords=", "--secret-string DOCUMENT"] {
                assert!(!advice.contains(option), "{reason}: {advice}");
            }
            assert!(
                !advice.contains("PASSWORD") || advice.contains("--cli-input-json file://"),
                "{reason}: {advice}"
            );
        }
    }
}
