//! P8: a rotation begins when it is due or asked for, and never because something was forgotten.

use chrono::{DateTime, Utc};
use rekeyd::rotation::version::generation_of;
use rekeyd_sandbox::{Happening, Sandbox, SecretView};

use super::Auditor;
use super::excuse::Hand;
use super::secrets::{Asked, Put};

impl Auditor {
    /// An operator asks for a rotation of these secrets, by name or ARN.
    pub fn requested(&mut self, at: DateTime<Utc>, secret: &str, revoke_previous: bool) {
        let named = |view: &SecretView| view.name == secret || view.arn == secret;
        for tracked in self.secrets.values_mut().filter(|tracked| named(&tracked.view)) {
            let over = tracked.view.holder("AWSCURRENT").map(|version| version.id.clone());
            tracked.requests.push(Asked {
                at,
                over,
                revoke_previous,
                of: None,
            });
        }
    }

    /// The replica with this access key has said that it will.
    pub fn acknowledged(&mut self, access_key: &str, secret: &str) {
        let named = |view: &SecretView| view.name == secret || view.arn == secret;
        for tracked in self.secrets.values_mut().filter(|tracked| named(&tracked.view)) {
            if let Some(asked) = tracked.requests.last_mut() {
                asked.of = Some(access_key.to_owned());
            }
        }
    }

    /// The replica with this access key has lost its store, and with it what it was asked for.
    pub fn store_lost(&mut self, access_key: &str) {
        for tracked in self.secrets.values_mut() {
            for asked in &mut tracked.requests {
                asked.of.take_if(|of| of == access_key);
            }
        }
    }

    /// A replica has put versions: was a rotation due?
    pub(super) fn judge_beginning(
        &mut self,
        sandbox: &Sandbox,
        happening: &Happening,
        hand: &Hand,
        secret: &SecretView,
    ) {
        let Some(before) = &happening.secret.before else { return };
        let known = |id: &str| {
            before
                .versions
                .iter()
                .any(|version| version.id == id && version.text.is_some())
        };
        for version in secret.versions.iter().filter(|version| !known(&version.id)) {
            let parent = before
                .versions
                .iter()
                .find(|parent| generation_of(&secret.arn, &parent.id, &version.id).is_some());
            let put = Put {
                version: version.id.clone(),
                by: hand.key.clone(),
                sent: hand.signed_at.min(hand.at) + self.spread_of(&hand.key),
            };
            let what = match parent {
                None => Some("which no version is the parent of".to_owned()),
                Some(parent) => self.undue(sandbox, hand, before, &parent.id),
            };
            if let Some(what) = what {
                let what = format!("P8: {} put version {} of {}, {what}", hand.key, version.id, secret.name);
                self.accuse(hand.at, &what);
            }
            if let Some(tracked) = self.secrets.get_mut(&secret.arn) {
                tracked.puts.push(put);
            }
        }
    }

    /// Why no rotation of a secret with this version under AWSCURRENT is due.
    fn undue(&self, sandbox: &Sandbox, hand: &Hand, secret: &SecretView, parent: &str) -> Option<String> {
        let tracked = self.secrets.get(&secret.arn)?;
        let current = secret.holder("AWSCURRENT").is_some_and(|version| version.id == parent);
        if !current && self.could_know(sandbox, hand, tracked.moved_by.at) {
            return Some(format!("whose parent {parent} is not current any more"));
        }
        let (asked, own) = (self.time.clock_spread(), self.spread_of(&hand.key));
        let password = tracked.document(parent).and_then(|document| document.password.as_ref());
        let revoking = tracked.put_since_revocations(&hand.key).any(|puts| puts.is_empty());
        if password.is_none() || revoking || tracked.asked_over(parent, asked) {
            return None;
        }
        let due = self
            .expectations(&hand.key, secret)?
            .due_after(tracked.created(parent)?);
        (hand.at + own < due).then(|| format!("although nobody asked and it is due on {}", due.format("%F %T%.3f")))
    }
}
