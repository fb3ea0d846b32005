//! P1: the password under AWSCURRENT logs in on every node where it did, for ever.
//!
//! A node that refuses it is laid at the door of whoever caused that last: who took the password from the user, or
//! who put AWSCURRENT on a password that the user had lost before.

use rekeyd_sandbox::{LoginAnswer, NodeAnswers, Sandbox, UserView};

use super::Auditor;
use super::excuse::Hand;
use super::secrets::Document;

impl Auditor {
    /// A replica has set a user's passwords.
    pub(super) fn judge_passwords(&mut self, sandbox: &Sandbox, hand: &Hand, before: &UserView, after: &UserView) {
        let arns: Vec<String> = self
            .secrets
            .iter()
            .filter(|(_, secret)| secret.names(&after.id))
            .map(|(arn, _)| arn.clone())
            .collect();
        for arn in &arns {
            self.judge_current_taken(sandbox, hand, arn, before, after);
            self.judge_previous_taken(sandbox, hand, arn, before, after);
        }
        let held = |password: &str| self.held.contains(password);
        let lost = before
            .passwords
            .iter()
            .filter(|password| !after.passwords.contains(password));
        let unrecorded = lost.filter(|password| !held(password.expose())).any(|password| {
            let given = self.users.given(&after.id, password.expose());
            given.is_none_or(|write| self.could_know(sandbox, hand, write.by.at))
        });
        let invented = after.passwords.iter().any(|password| !held(password.expose()));
        let key = &hand.key;
        if unrecorded && !self.may_take_unknown(hand, &arns, before) {
            let what = format!(
                "P1: {key} took a password from user {}, which no version holds",
                after.id
            );
            self.accuse(hand.at, &what);
        }
        if invented {
            let what = format!("P1: {key} gave user {} a password, which no version holds", after.id);
            self.accuse(hand.at, &what);
        }
    }

    /// Whether a policy lets a replica take passwords that no version holds from a user as it was.
    fn may_take_unknown(&self, hand: &Hand, arns: &[String], before: &UserView) -> bool {
        arns.iter().filter_map(|arn| self.secrets.get(arn)).any(|secret| {
            let expected = self.expectations(&hand.key, &secret.view);
            let current = secret.current().and_then(|document| document.password.as_ref());
            expected.is_some_and(|expected| match current {
                None => expected.takes_any_user,
                Some(current) => expected.repairs && !before.accepts(current),
            })
        })
    }

    fn judge_current_taken(&mut self, sandbox: &Sandbox, hand: &Hand, arn: &str, before: &UserView, after: &UserView) {
        let Some(secret) = self.secrets.get(arn) else { return };
        let Some(document) = secret.current().filter(|document| document.user_id == after.id) else {
            return;
        };
        let taken = |password: &String| before.accepts(password) && !after.accepts(password);
        if !document.password.as_ref().is_some_and(taken) {
            return;
        }
        let moved = &secret.moved_by;
        if !moved.replica && !self.could_know(sandbox, hand, moved.at) {
            return;
        }
        let what = format!(
            "P1: {} took the password under AWSCURRENT from user {}: {}, version {}",
            hand.key,
            after.id,
            secret.view.name,
            secret.view.holder("AWSCURRENT").map_or("", |version| &version.id)
        );
        self.accuse(hand.at, &what);
    }

    /// Asks every node.
    pub(super) fn look_at_nodes(&mut self, sandbox: &Sandbox, arn: &str) {
        let Some(secret) = self.secrets.get(arn) else { return };
        match secret.current().cloned() {
            Some(Document {
                username,
                user_id,
                password: Some(password),
            }) => {
                let answers = sandbox.answers(&user_id, &username, &[&password]);
                self.look_at_answers(sandbox, arn, (&user_id, &password), &answers);
            }
            _ => self.look_at_nothing(sandbox, arn),
        }
    }

    fn look_at_answers(&mut self, sandbox: &Sandbox, arn: &str, user: (&str, &str), answers: &[NodeAnswers]) {
        let Some(secret) = self.secrets.get_mut(arn) else {
            return;
        };
        let mut lost = Vec::new();
        for node in answers {
            match node.answers[0] {
                LoginAnswer::Down => {}
                LoginAnswer::Ok => drop(secret.works.insert(node.node.clone())),
                LoginAnswer::WrongPass => lost.extend(secret.works.take(&node.node)),
            }
        }
        for node in lost {
            self.locked_out(sandbox, arn, user, &node);
        }
    }

    /// A node refuses the password under AWSCURRENT that it accepted.
    fn locked_out(&mut self, sandbox: &Sandbox, arn: &str, (user, password): (&str, &str), node: &str) {
        let (Some(secret), Some(taken)) = (self.secrets.get(arn), self.users.taken(user, password)) else {
            // The user has it: its groups were changed, or the node, which no replica can do.
            return;
        };
        let (moved, taker) = (&secret.moved_by, &taken.by);
        let (culprit, other) = if taker.at < moved.at {
            (moved, taker)
        } else {
            (taker, moved)
        };
        let in_the_dark = !other.replica && !self.could_know(sandbox, culprit, other.at);
        if !culprit.replica || in_the_dark {
            return;
        }
        let what = format!(
            "P1: {user} is locked out of {node}: {}, version {}, by {}",
            secret.view.name,
            secret.view.holder("AWSCURRENT").map_or("", |version| &version.id),
            culprit.key
        );
        self.accuse(sandbox.now(), &what);
    }

    /// A current version that holds no credentials locks clients out wherever one let them in.
    fn look_at_nothing(&mut self, sandbox: &Sandbox, arn: &str) {
        let Some(secret) = self.secrets.get_mut(arn) else {
            return;
        };
        let lost = std::mem::take(&mut secret.works);
        let version = secret.view.holder("AWSCURRENT").map_or("", |version| &version.id);
        let what = format!(
            "P1: version {version} of {} holds no password, and one worked on",
            secret.view.name
        );
        for node in lost {
            self.accuse(sandbox.now(), &format!("{what} {node}"));
        }
    }
}
