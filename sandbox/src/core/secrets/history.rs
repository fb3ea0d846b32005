//! What secrets were like a moment ago, for reads that lag behind the truth, and what follows a change of labels.
//! Nobody outside AWS knows by how much reads can lag; by default they do not.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Utc};

use super::model::{CURRENT, PENDING, Secret, Version};
use super::replicas::ReplicaNews;
use crate::core::account::Event;
use crate::core::operation::{Env, earlier};

/// The labels of each version that has any.
pub(crate) type Labels = BTreeMap<String, BTreeSet<String>>;

/// What something was like, each state with the moment at which it ended; oldest first.
#[derive(Debug, Clone)]
pub(crate) struct History<T> {
    past: VecDeque<(DateTime<Utc>, T)>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self { past: VecDeque::new() }
    }
}

impl<T> History<T> {
    /// Notes a state that ends now, and forgets those that nobody will ask for in `keep_ms`.
    fn note(&mut self, now: DateTime<Utc>, keep_ms: u64, state: T) {
        let oldest = earlier(now, keep_ms);
        self.past.retain(|(ended, _)| *ended > oldest);
        self.past.push_back((now, state));
    }

    /// The state at a moment, if it is not the present one.
    fn at(&self, moment: DateTime<Utc>) -> Option<&T> {
        self.past
            .iter()
            .find(|(ended, _)| moment < *ended)
            .map(|(_, state)| state)
    }
}

/// How a read sees a secret's labels and versions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// Labels are seen as they were at this moment.
    labels_at: DateTime<Utc>,
    /// Versions that were put after this moment are not seen.
    put_until: DateTime<Utc>,
}

impl View {
    /// Everything as it is.
    pub(crate) const TRUTH: Self = Self {
        labels_at: DateTime::<Utc>::MAX_UTC,
        put_until: DateTime::<Utc>::MAX_UTC,
    };

    /// What is seen now under the settings in force.
    pub(crate) fn of(env: &Env<'_>) -> Self {
        let ago = |ms: u64| (ms > 0).then(|| earlier(env.now, ms));
        let doubts = &env.settings.doubts;
        Self {
            labels_at: ago(doubts.stale_labels_ms).unwrap_or(Self::TRUTH.labels_at),
            put_until: ago(doubts.new_version_hidden_ms).unwrap_or(Self::TRUTH.put_until),
        }
    }

    /// The labels, which may be on versions that are gone.
    pub(crate) fn labels(self, secret: &Secret) -> Cow<'_, Labels> {
        match secret.past_labels.at(self.labels_at) {
            Some(past) => Cow::Borrowed(past),
            None => Cow::Owned(secret.labels()),
        }
    }

    /// Whether a version can be found by its id.
    pub(crate) fn knows(self, version: &Version) -> bool {
        version.created <= self.put_until
    }
}

/// A secret before a change.
struct Before {
    name: String,
    changes: u64,
    labels: Option<Labels>,
    whole: Option<Secret>,
}

impl Env<'_> {
    /// Runs a change of a secret and sees to what follows from it.
    pub(crate) fn changing<T>(&mut self, secret_id: Option<&str>, change: impl FnOnce(&mut Self) -> T) -> T {
        let before = secret_id.map(|id| self.before(id));
        let result = change(self);
        if let Some(before) = before.filter(|before| before.changes != self.account.changes()) {
            self.follow_up(before);
        }
        result
    }

    fn before(&self, id: &str) -> Before {
        let name = self.account.secret_name(id).unwrap_or_else(|_| id.to_owned());
        let secret = self.account.secrets.get(&name);
        let lagging = self.settings.doubts.list_secrets_lag_ms > 0;
        Before {
            changes: self.account.changes(),
            labels: secret.map(Secret::labels),
            whole: secret.filter(|_| lagging).cloned(),
            name,
        }
    }

    fn follow_up(&mut self, before: Before) {
        let (now, doubts) = (self.now, &self.settings.doubts);
        if doubts.list_secrets_lag_ms > 0 {
            let past = self.account.past_secrets.entry(before.name.clone()).or_default();
            past.note(now, doubts.list_secrets_lag_ms, before.whole);
        }
        let secret = self.account.secrets.get_mut(&before.name);
        let (Some(secret), Some(old)) = (secret, before.labels) else {
            return;
        };
        if secret.has_followers() {
            let name = secret.name.clone();
            self.account.replication.push(ReplicaNews::Changed { name });
        }
        let current = secret.holder(CURRENT).cloned();
        if secret.labels() == old {
            return;
        }
        let moved = !holds(&old, current.as_ref(), CURRENT);
        let pending = current.is_some() && secret.holder(PENDING) == current.as_ref();
        if doubts.stale_labels_ms > 0 {
            secret.past_labels.note(now, doubts.stale_labels_ms, old);
        }
        let own = secret.finish_rotation(now, moved);
        let swept_after = if own {
            Some(0)
        } else {
            doubts.pending_label_swept_after_ms
        };
        if let (Some(ms), Some(version)) = (swept_after, current.filter(|_| moved && pending)) {
            let event = Event::PendingSwept {
                name: before.name,
                arn: secret.arn.clone(),
                version,
                own,
            };
            self.account.plan(self.after(ms), event);
        }
    }

    /// The service takes AWSPENDING off a version that is still current.
    pub(crate) fn sweep_pending(&mut self, name: &str, arn: &str, version: &str, own: bool) {
        let doubts = &self.settings.doubts;
        let (on, counts) = (
            own || doubts.pending_label_swept_after_ms.is_some(),
            doubts.label_move_changes_last_changed_date,
        );
        self.changing(Some(name), |env| {
            let now = env.now;
            let Some(secret) = env.account.secrets.get_mut(name).filter(|s| on && s.arn == arn) else {
                return;
            };
            let holds = |label| secret.holder(label).is_some_and(|id| id == version);
            if holds(CURRENT) && holds(PENDING) {
                secret.detach(PENDING);
                if counts {
                    secret.changed = now;
                }
                env.account.touch();
            }
        });
    }

    /// All secrets as ListSecrets sees them.
    pub(crate) fn listed_secrets(&self) -> Vec<&Secret> {
        let (account, ms) = (&self.account, self.settings.doubts.list_secrets_lag_ms);
        if ms == 0 {
            return account.secrets.values().collect();
        }
        let then = earlier(self.now, ms);
        let names: BTreeSet<&String> = account.secrets.keys().chain(account.past_secrets.keys()).collect();
        let seen = |name| match account.past_secrets.get(name).and_then(|past| past.at(then)) {
            Some(past) => past.as_ref(),
            None => account.secrets.get(name),
        };
        names.into_iter().filter_map(seen).collect()
    }
}

fn holds(labels: &Labels, version: Option<&String>, label: &str) -> bool {
    version
        .and_then(|version| labels.get(version))
        .is_some_and(|labels| labels.contains(label))
}
