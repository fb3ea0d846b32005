//! P4: the previous password works until the overlap is over, and is dead when it is called so.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use rekeyd::policy::Overlap as Span;
use rekeyd::rotation::version::generation_of;
use rekeyd_sandbox::{LoginAnswer, Sandbox, UserView};

use super::Auditor;
use super::excuse::Hand;
use super::secrets::{Asked, Tracked};

/// The previous password after a promotion.
#[derive(Clone, Debug)]
pub struct Overlap {
    /// The version that was promoted.
    pub version: String,
    /// The version that it replaced.
    pub previous: String,
    /// The user, by id.
    pub user: String,
    /// The previous password.
    pub password: String,
    /// When.
    pub since: DateTime<Utc>,
}

impl Tracked {
    /// Whether an operator wants the previous password gone, or this replica cannot tell that he does not: its clock
    /// differs by `spread` from AWS's, or another replica made what it found.
    fn revoked(&self, overlap: &Overlap, key: &str, spread: TimeDelta) -> bool {
        let created = self.created(&overlap.previous);
        let asked = |asked: &Asked| created.is_none_or(|created| asked.at + spread >= created);
        let found = |puts: Vec<&str>| puts.len() <= 1 && !puts.contains(&overlap.previous.as_str());
        self.requests.iter().any(|one| one.revoke_previous && asked(one))
            || self.put_since_revocations(key).any(found)
            || self.revoked_though_edited(&overlap.previous)
    }

    /// Whether a person put this version, and what an operator revoked may be in it.
    fn revoked_though_edited(&self, version: &str) -> bool {
        let derived = |parent: &String| generation_of(&self.view.arn, parent, version).is_some();
        self.requests.iter().any(|asked| asked.revoke_previous) && !self.documents.keys().any(derived)
    }

    /// The request that a version under AWSCURRENT has not served. Clocks may differ by `spread`.
    pub fn asked_over(&self, version: &str, spread: TimeDelta) -> bool {
        let created = self.created(version);
        self.requests.iter().any(|asked| {
            asked.over.as_deref() == Some(version) || created.is_none_or(|created| asked.at + spread > created)
        }) || self.revoked_though_edited(version)
    }
}

impl Auditor {
    /// A replica has promoted a version.
    pub(super) fn begin_overlap(&mut self, sandbox: &Sandbox, hand: &Hand, arn: &str, (from, to): (&str, &str)) {
        let dated = sandbox.settings().doubts.label_move_changes_last_changed_date;
        let previous = self.password_of(arn, from);
        let current = self.password_of(arn, to);
        let Some(secret) = self.secrets.get_mut(arn) else {
            return;
        };
        let child = generation_of(arn, from, to).is_some();
        secret.overlap = previous.zip(current).and_then(|((document, password), (_, current))| {
            // Where AWS does not date a promotion, whoever has lost its date goes by that of the put.
            let put = secret.created(to).filter(|_| !dated);
            (child && password != current).then(|| Overlap {
                version: to.to_owned(),
                previous: from.to_owned(),
                user: document.user_id,
                password,
                since: put.unwrap_or(hand.at),
            })
        });
    }

    /// A stranger has changed a user: what becomes of its previous password is his affair.
    pub(super) fn stranger_changed_user(&mut self, user: &str) {
        for secret in self.secrets.values_mut() {
            if secret.overlap.as_ref().is_some_and(|overlap| overlap.user == user) {
                secret.overlap = None;
            }
        }
    }

    /// A replica has set a user's passwords: was the previous one due to go?
    pub(super) fn judge_previous_taken(
        &mut self,
        sandbox: &Sandbox,
        hand: &Hand,
        arn: &str,
        before: &UserView,
        after: &UserView,
    ) {
        let Some(secret) = self.secrets.get(arn) else { return };
        let Some(overlap) = secret.overlap.as_ref().filter(|overlap| overlap.user == after.id) else {
            return;
        };
        let holds = |user: &UserView| user.passwords.iter().any(|known| known.expose() == overlap.password);
        if !holds(before) || holds(after) || secret.revoked(overlap, &hand.key, self.time.clock_spread()) {
            return;
        }
        let Some(until) = self.overlap_end(&hand.key, secret, overlap) else {
            return;
        };
        if hand.at + self.spread_of(&hand.key) < until {
            let what = format!(
                "P4: {} took the password of version {} from user {}: {}, which was to work until {}",
                hand.key,
                overlap.previous,
                after.id,
                secret.view.name,
                until.format("%F %T%.3f")
            );
            self.accuse(sandbox.now(), &what);
        }
    }

    /// When the previous password may go; now if a policy does not say.
    pub(super) fn overlap_end(&self, key: &str, secret: &Tracked, overlap: &Overlap) -> Option<DateTime<Utc>> {
        let expected = self.expectations(key, &secret.view)?;
        match expected.overlap {
            Span::For(span) => Some(overlap.since + TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX / 4)),
            Span::UntilNextRotation if secret.asked_over(&overlap.version, self.time.clock_spread()) => None,
            Span::UntilNextRotation => Some(expected.due_after(secret.created(&overlap.version)?)),
        }
    }

    /// A replica calls a password dead.
    pub(super) fn judge_retired(&mut self, sandbox: &Sandbox, replica: &str, (arn, previous): (&str, &str)) {
        self.judge_dead(sandbox, replica, (arn, previous), true);
    }

    /// A replica tells of a password's death again. Nodes may have come since, which it has not asked.
    pub(super) fn judge_long_dead(&mut self, sandbox: &Sandbox, replica: &str, (arn, version): (&str, &str)) {
        self.judge_dead(sandbox, replica, (arn, version), false);
    }

    fn judge_dead(&mut self, sandbox: &Sandbox, replica: &str, (arn, previous): (&str, &str), just_now: bool) {
        let Some((document, password)) = self.password_of(arn, previous) else {
            return;
        };
        let taken = self.users.taken(&document.user_id, &password).map(|write| write.by.at);
        // Somebody has given it back since the logins were made, or has switched the user off and on.
        let last = self.users.last(&document.user_id);
        if taken.is_none() && last.is_some_and(|write| !write.by.replica) {
            return;
        }
        let answers = sandbox.answers(&document.user_id, &document.username, &[&password]);
        let mut alive = BTreeSet::new();
        for node in answers.iter().filter(|node| node.serves) {
            let refused = self.logins.last(&document.username, &node.node, &password).refused;
            let seen = taken.is_some_and(|taken| refused.is_some_and(|at| at >= taken));
            if node.serverless_cache.is_some() {
                continue;
            }
            if node.answers[0] == LoginAnswer::Ok {
                alive.insert(format!("and {} accepts it", node.node));
            } else if just_now && !seen {
                alive.insert(format!("and no replica saw {} refuse it since it was taken", node.node));
            }
        }
        for what in alive {
            let what = format!("P4: {replica} calls the password of version {previous} of {arn} dead, {what}");
            self.accuse(sandbox.now(), &what);
        }
    }
}
