//! P2: AWSCURRENT moves only to a password that logins have proved, and what is called proven was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rekeyd::rotation::event::Event;
use rekeyd::rotation::observation::Proof;
use rekeyd_sandbox::{LoginAnswer, NodeAnswers, Sandbox};

use super::Auditor;
use super::excuse::Hand;
use super::secrets::Document;

/// Between a look at the nodes and what is written down of it, less than this passes, stalls included.
const LONGEST_DELAY: TimeDelta = TimeDelta::minutes(15);

/// What nodes have answered to replicas, by user name.
#[derive(Default)]
pub struct Logins(BTreeMap<String, Answered>);

#[derive(Default)]
struct Answered {
    /// By node and password.
    answers: BTreeMap<(String, String), Last>,
    /// When each node last refused a password that no version holds.
    random_refused: BTreeMap<String, DateTime<Utc>>,
}

/// The last of each answer.
#[derive(Default, Clone, Copy)]
pub struct Last {
    pub accepted: Option<DateTime<Utc>>,
    pub refused: Option<DateTime<Utc>>,
}

impl Logins {
    pub fn last(&self, user: &str, node: &str, password: &str) -> Last {
        let key = (node.to_owned(), password.to_owned());
        let last = self.0.get(user).and_then(|user| user.answers.get(&key));
        last.copied().unwrap_or_default()
    }

    fn random_refused(&self, user: &str, node: &str) -> Option<DateTime<Utc>> {
        self.0.get(user)?.random_refused.get(node).copied()
    }
}

/// A password to be proved on a user's nodes.
struct Claim<'a> {
    document: &'a Document,
    password: &'a str,
    /// When the user got it.
    given: DateTime<Utc>,
    /// Whether the user was let in without a password before.
    passwordless: bool,
}

impl Auditor {
    /// A replica has logged in.
    pub fn logged_in(&mut self, at: DateTime<Utc>, user: &str, node: &str, password: &str, answer: LoginAnswer) {
        let known = self.held.contains(password);
        let user = self.logins.0.entry(user.to_owned()).or_default();
        if answer == LoginAnswer::WrongPass && !known {
            user.random_refused.insert(node.to_owned(), at);
            return;
        }
        let last = user.answers.entry((node.to_owned(), password.to_owned())).or_default();
        match answer {
            LoginAnswer::Ok => last.accepted = Some(at),
            LoginAnswer::WrongPass => last.refused = Some(at),
            LoginAnswer::Down => {}
        }
    }

    /// A replica has moved AWSCURRENT to this version.
    pub(super) fn look_at_promoted(&mut self, sandbox: &Sandbox, hand: &Hand, arn: &str, version: &str) {
        let Some(secret) = self.secrets.get(arn) else { return };
        let Some(document) = secret.document(version).cloned() else {
            return;
        };
        let Some(password) = document.password.clone() else {
            return;
        };
        let expected = self.expectations(&hand.key, &secret.view).cloned();
        let name = secret.view.name.clone();
        let mut found = Vec::new();
        let user = sandbox.user(&document.user_id);
        let busy = user.as_ref().and_then(|user| user.busy_since);
        if let Some(since) = busy.filter(|since| *since < self.looked_at(hand)) {
            found.push(format!("while user {} was not active since {since}", document.user_id));
        }
        let meddled = self.users.strangers_last(&document.user_id);
        let meddled = meddled.is_some_and(|at| !self.could_know(sandbox, hand, at));
        let claim = self.claim(&document, &password);
        let nodes = self.nodes_of(sandbox, &document, &password, expected.as_ref());
        let api_only = expected.as_ref().is_none_or(|expected| expected.api_only);
        let off = user.is_none_or(|user| !user.on);
        let unprovable = api_only || off;
        if unprovable && !meddled {
            found.extend(expected.and_then(|expected| self.haste(hand, &claim, expected.settle)));
        }
        // Who could not know that the user was just switched off has logged in before.
        let mut proved = !api_only && (!off || meddled) && !nodes.is_empty();
        for node in &nodes {
            let gap = self.gap(&claim, claim.given, node, &nodes);
            let status = self.settled_status(node, self.looked_at(hand));
            proved &= gap.is_none() && status != Some(false);
            if unprovable || meddled || status != Some(true) {
                continue;
            }
            if node.answers[0] == LoginAnswer::WrongPass && node.serverless_cache.is_none() {
                found.push(format!("which {} refuses", node.node));
            } else if let Some(gap) = gap {
                found.push(gap);
            }
        }
        for what in found {
            let what = format!("P2: version {version} of {name} was promoted by {}, {what}", hand.key);
            self.accuse(hand.at, &what);
        }
        self.settle_promotion(arn, version, proved, &nodes);
    }

    /// Where no login can prove a password, time has to pass since the user got it.
    fn haste(&self, hand: &Hand, claim: &Claim<'_>, settle: Duration) -> Option<String> {
        let passed = (hand.at - claim.given + self.spread_of(&hand.key)).to_std().ok()?;
        (passed < settle).then(|| format!("unproved, {} s after its user got it", passed.as_secs()))
    }

    fn settle_promotion(&mut self, arn: &str, version: &str, proved: bool, nodes: &[NodeAnswers]) {
        let Some(secret) = self.secrets.get_mut(arn) else {
            return;
        };
        secret.proved.insert(version.to_owned(), proved);
        // Where it is refused although it was promoted, P2 has been broken, or nobody could ask.
        for node in nodes.iter().filter(|node| node.answers[0] == LoginAnswer::WrongPass) {
            secret.works.remove(&node.node);
        }
    }

    fn claim<'a>(&self, document: &'a Document, password: &'a str) -> Claim<'a> {
        let given = self.users.given(&document.user_id, password);
        let before = given.and_then(|write| write.before.as_ref());
        Claim {
            document,
            password,
            given: given.map_or(DateTime::<Utc>::MIN_UTC, |write| write.by.at),
            passwordless: before.is_some_and(|user| user.nopass),
        }
    }

    /// The user's nodes that are to be asked.
    fn nodes_of(
        &self,
        sandbox: &Sandbox,
        document: &Document,
        password: &str,
        expected: Option<&super::Expectations>,
    ) -> Vec<NodeAnswers> {
        let endpoints = expected
            .map(|expected| expected.endpoints.as_slice())
            .unwrap_or_default();
        let named = |node: &NodeAnswers| endpoints.contains(&(node.host.clone(), node.port));
        let mut nodes = sandbox.answers(&document.user_id, &document.username, &[password]);
        nodes.retain(|node| if endpoints.is_empty() { node.serves } else { named(node) });
        nodes
    }

    /// Whether a node is available, if that was so at `then` already.
    fn settled_status(&self, node: &NodeAnswers, then: DateTime<Utc>) -> Option<bool> {
        let (_, since) = self.statuses.get(&node.node)?;
        (*since < then).then_some(node.available)
    }

    /// What logins do not prove of a node. Of those that a serverless cache hides, one proves for all.
    fn gap(
        &self,
        claim: &Claim<'_>,
        since: DateTime<Utc>,
        node: &NodeAnswers,
        nodes: &[NodeAnswers],
    ) -> Option<String> {
        let user = &claim.document.username;
        let accepted = |node: &NodeAnswers| {
            let last = self.logins.last(user, &node.node, claim.password);
            last.accepted
                .is_some_and(|at| at >= since && last.refused.is_none_or(|refused| refused <= at))
        };
        let refused = |node: &NodeAnswers| {
            let refused = self.logins.random_refused(user, &node.node);
            !claim.passwordless || refused.is_some_and(|at| at >= claim.given)
        };
        let one = |proves: &dyn Fn(&NodeAnswers) -> bool| match &node.serverless_cache {
            Some(cache) => nodes
                .iter()
                .any(|other| other.serverless_cache.as_ref() == Some(cache) && proves(other)),
            None => proves(node),
        };
        if !one(&accepted) {
            Some(format!(
                "with which no replica has logged in on {} as {user} since {}, when it was set or might have changed, or \
                 which refused it later",
                node.node,
                since.format("%F %T%.3f")
            ))
        } else if !one(&refused) {
            Some(format!("where {} was not seen to refuse another for {user}", node.node))
        } else {
            None
        }
    }

    /// A replica has written down that something happened.
    pub fn noted(&mut self, sandbox: &Sandbox, replica: &str, arn: &str, event: &Event) {
        let proven = |proof: &Proof| !matches!(proof, Proof::Unproven(_));
        match event {
            Event::Promoted {
                version,
                proof: Some(proof),
                ..
            } if proven(proof) => {
                let secret = self.secrets.get(arn);
                if secret.is_some_and(|secret| secret.proved.get(version) == Some(&false)) {
                    let what = format!("P2: {replica} calls version {version} of {arn} proven, which was not proved");
                    self.accuse(sandbox.now(), &what);
                }
            }
            Event::Checked { version, proof, .. } if proven(proof) => {
                self.judge_check(sandbox, replica, (arn, version));
            }
            Event::Repaired { version, proof, .. } if proven(proof) => {
                self.judge_check(sandbox, replica, (arn, version));
            }
            Event::RollbackStarted { previous, proof, .. } if proven(proof) => {
                self.judge_check(sandbox, replica, (arn, previous));
            }
            Event::Retired { previous, proof, .. } if proven(proof) => {
                self.judge_retired(sandbox, replica, (arn, previous));
            }
            Event::RevocationEnded { dead, .. } => {
                for dead in dead.iter().filter(|dead| proven(&dead.proof)) {
                    self.judge_long_dead(sandbox, replica, (arn, &dead.version));
                }
            }
            _ => {}
        }
    }

    fn judge_check(&mut self, sandbox: &Sandbox, replica: &str, (arn, version): (&str, &str)) {
        let Some((document, password)) = self.password_of(arn, version) else {
            return;
        };
        let nodes = self.nodes_of(sandbox, &document, &password, self.any_expectations(arn));
        let claim = Claim {
            passwordless: false,
            ..self.claim(&document, &password)
        };
        let then = sandbox.now() - LONGEST_DELAY;
        // Acceptances of months ago prove nothing.
        let since = claim.given.max(then);
        let mut unproved = BTreeSet::new();
        for node in &nodes {
            match self.settled_status(node, then) {
                Some(true) => unproved.extend(self.gap(&claim, since, node, &nodes)),
                Some(false) => drop(unproved.insert(format!("while {} is not available", node.node))),
                None => {}
            }
        }
        for what in unproved {
            let what = format!("P2: {replica} calls version {version} of {arn} proven, {what}");
            self.accuse(sandbox.now(), &what);
        }
    }

    pub(super) fn password_of(&self, arn: &str, version: &str) -> Option<(Document, String)> {
        let document = self.secrets.get(arn)?.document(version)?.clone();
        let password = document.password.clone()?;
        Some((document, password))
    }

    fn any_expectations(&self, arn: &str) -> Option<&super::Expectations> {
        let secret = self.secrets.get(arn)?;
        self.replicas
            .keys()
            .find_map(|key| self.expectations(key, &secret.view))
    }
}
