//! P3: AWSCURRENT moves from parent to child, and one version carries it.

use rekeyd::rotation::version::generation_of;
use rekeyd_sandbox::{Sandbox, SecretView};

use super::Auditor;
use super::excuse::Hand;

impl Auditor {
    /// An operator has asked for a rollback of this secret: one move from a child to its parent is right.
    pub fn allow_rollback(&mut self, secret: &str) {
        for tracked in self.secrets.values_mut().filter(|tracked| tracked.view.name == secret) {
            tracked.rollbacks += 1;
        }
    }

    /// Labels after a change by anybody.
    pub(super) fn judge_labels(
        &mut self,
        sandbox: &Sandbox,
        secret: &SecretView,
        hand: &Hand,
        before: Option<&SecretView>,
    ) {
        let holders = secret
            .versions
            .iter()
            .filter(|version| version.labels.contains("AWSCURRENT"));
        if secret.deleted.is_none() && holders.count() != 1 {
            self.accuse(hand.at, &format!("P3: {} has not one AWSCURRENT", secret.name));
        }
        if let Some(before) = before.filter(|_| hand.replica) {
            self.judge_pending(sandbox, hand, before, secret);
        }
    }

    /// A replica takes AWSPENDING off its own versions only.
    fn judge_pending(&mut self, sandbox: &Sandbox, hand: &Hand, before: &SecretView, after: &SecretView) {
        let pending = |secret: &SecretView| secret.holder("AWSPENDING").map(|version| version.id.clone());
        let Some(lost) = pending(before).filter(|lost| pending(after).as_ref() != Some(lost)) else {
            return;
        };
        let derived = before
            .versions
            .iter()
            .any(|parent| generation_of(&after.arn, &parent.id, &lost).is_some());
        let appeared = before
            .versions
            .iter()
            .find(|version| version.id == lost)
            .map(|version| version.created);
        let known = appeared.is_some_and(|at| self.could_know(sandbox, hand, at));
        // A promotion of somebody's leaves the label on the version that is current.
        let current = before.holder("AWSCURRENT").is_some_and(|version| version.id == lost);
        if !derived && known && !current {
            let what = format!(
                "P3: {} took AWSPENDING off the foreign version {lost} of {}",
                hand.key, after.name
            );
            self.accuse(hand.at, &what);
        }
    }

    /// A replica has moved AWSCURRENT.
    pub(super) fn judge_move(&mut self, sandbox: &Sandbox, hand: &Hand, secret: &SecretView, (from, to): (&str, &str)) {
        let arn = &secret.arn;
        let Some(tracked) = self.secrets.get_mut(arn) else {
            return;
        };
        let back = generation_of(arn, to, from).is_some();
        if back && tracked.rollbacks > 0 {
            tracked.rollbacks -= 1;
            return;
        }
        let Some(tracked) = self.secrets.get(arn) else { return };
        let what = if generation_of(arn, from, to).is_none() {
            Some(format!("which is not derived from {from}"))
        } else if let Some(at) = tracked.history.iter().rposition(|place| place.to == to) {
            // AWSCURRENT has been there, and was taken back since, or it would not be on the parent.
            let returned = tracked.history[at..].iter().rev().find(|place| place.to == from);
            let known = returned.is_none_or(|place| self.could_know(sandbox, hand, place.by.at));
            known.then(|| format!("from which AWSCURRENT was taken back to {from}"))
        } else {
            self.fork(tracked, from, to)
        };
        if let Some(what) = what {
            let what = format!(
                "P3: version {to} of {} was promoted by {}, {what}",
                secret.name, hand.key
            );
            self.accuse(hand.at, &what);
        }
    }

    /// A second child of one parent, unless AWSCURRENT was taken back to the parent in between.
    fn fork(&self, tracked: &super::secrets::Tracked, from: &str, to: &str) -> Option<String> {
        let arn = &tracked.view.arn;
        let child = |id: &str| id != to && generation_of(arn, from, id).is_some();
        let other = tracked.history.iter().rposition(|place| child(&place.to))?;
        let returned = tracked.history[other..].iter().any(|place| place.to == from);
        (!returned).then(|| {
            format!(
                "beside {}, which {from} has as a child already",
                tracked.history[other].to
            )
        })
    }
}
