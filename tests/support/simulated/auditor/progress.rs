//! P5: when faults have ended and time has passed, nothing is left undone.

use chrono::TimeDelta;
use rekeyd_sandbox::{LoginAnswer, Sandbox, UserView};

use super::Auditor;
use super::secrets::Tracked;

impl Auditor {
    /// Looks for what is left undone, in all secrets but those of these names, which halt rightly. Whatever was
    /// due less than `allowance` ago may still be on its way.
    pub fn at_end(&mut self, sandbox: &Sandbox, exempt: &[&str], allowance: TimeDelta) {
        self.look(sandbox);
        let mut found = Vec::new();
        for secret in self.secrets.values() {
            let view = &secret.view;
            if exempt.contains(&view.name.as_str()) || view.deleted.is_some() {
                continue;
            }
            let keys = self.replicas.keys();
            let Some(key) = keys.into_iter().find(|key| {
                let expected = self.expectations(key, view);
                expected.is_some_and(|expected| !expected.paused)
            }) else {
                continue;
            };
            let undone = self.undone(sandbox, key, secret, allowance);
            found.extend(undone.into_iter().map(|what| format!("P5: {}: {what}", view.name)));
        }
        for what in found {
            self.accuse(sandbox.now(), &what);
        }
    }

    fn undone(&self, sandbox: &Sandbox, key: &str, secret: &Tracked, allowance: TimeDelta) -> Vec<String> {
        let mut undone = Vec::new();
        let then = sandbox.now() - allowance - self.time.clock_spread();
        let (view, expected) = (&secret.view, self.expectations(key, &secret.view));
        let (Some(current), Some(expected)) = (view.holder("AWSCURRENT"), expected) else {
            return vec!["no version is current".to_owned()];
        };
        let document = secret.document(&current.id);
        if document.is_none_or(|document| document.password.is_none()) {
            undone.push(format!("version {} has no password yet", current.id));
        }
        let due = expected.due_after(current.created);
        if due < then {
            undone.push(format!("the rotation after version {} was due on {due}", current.id));
        }
        if let Some(pending) = view
            .holder("AWSPENDING")
            .filter(|pending| pending.id != current.id && pending.created < then)
        {
            undone.push(format!("version {} is pending still", pending.id));
        }
        let standing = |asked: &&super::secrets::Asked| {
            let newer = asked.at - self.time.clock_spread() > current.created;
            let unserved = asked.over.as_ref() == Some(&current.id) || newer;
            asked.of.is_some() && unserved && asked.at < then
        };
        if let Some(asked) = secret.requests.iter().find(standing) {
            undone.push(format!(
                "the rotation that was asked for on {} has not happened",
                asked.at
            ));
        }
        undone.extend(self.living(sandbox, key, secret, then));
        undone
    }

    /// The previous password, where it still works although its time is over.
    fn living(
        &self,
        sandbox: &Sandbox,
        key: &str,
        secret: &Tracked,
        then: chrono::DateTime<chrono::Utc>,
    ) -> Vec<String> {
        let Some(overlap) = &secret.overlap else {
            return Vec::new();
        };
        let created = secret.created(&overlap.previous);
        let revoked = secret.requests.iter().any(|asked| {
            let since = created.is_none_or(|created| asked.at >= created);
            asked.of.is_some() && asked.revoke_previous && since
        });
        // Only a request that came after the promotion, however clocks differ, ends such an overlap.
        let asked = secret.asked_over(&overlap.version, -self.time.clock_spread());
        let over = match self.overlap_end(key, secret, overlap) {
            Some(end) => end < then,
            None => asked,
        };
        if !revoked && !over {
            return Vec::new();
        }
        let Some((document, _)) = self.password_of(&secret.view.arn, &overlap.previous) else {
            return Vec::new();
        };
        let holds = |user: &UserView| user.passwords.iter().any(|known| known.expose() == overlap.password);
        let mut living: Vec<String> = sandbox
            .answers(&overlap.user, &document.username, &[&overlap.password])
            .into_iter()
            .filter(|node| node.answers[0] == LoginAnswer::Ok)
            .map(|node| format!("the password of version {} lives on {}", overlap.previous, node.node))
            .collect();
        if sandbox.user(&overlap.user).as_ref().is_some_and(holds) && living.is_empty() {
            living.push(format!(
                "user {} has the password of version {}",
                overlap.user, overlap.previous
            ));
        }
        living
    }
}
