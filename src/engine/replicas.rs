//! What other replicas do, where several share the store: their records and what they show are taken over as they come, and
//! a secret is driven only while it is this process's.

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use tokio_util::task::AbortOnDropHandle;

use crate::inventory::together;
use crate::rotation::plan::Dues;
use crate::rotation::state::Record;
use crate::store::ownership::News;

use super::entry::Sight;
use super::queue::Wake;
use super::{Engine, State};

/// What a secret's owner shows the other replicas of it, beside its record.
#[derive(Serialize, Deserialize)]
struct Shown {
    sight: Sight,
    dues: Dues,
    /// The ARN of the user that it names, if that was read.
    user_arn: Option<String>,
    /// The id of that user, and its groups.
    user: Option<(String, BTreeSet<String>)>,
    /// Whether others wait for its first look.
    awaited: bool,
    lost: bool,
}

impl Engine {
    /// Takes over what other replicas do, for ever. A panic ends what was being taken over, and nothing else.
    pub(super) async fn follow_replicas(self: Arc<Self>) {
        loop {
            let following = AbortOnDropHandle::new(tokio::spawn(self.clone().take_over_news()));
            if following.await.is_err() {
                tracing::error!(
                    event = "news_panicked",
                    "taking over what other replicas do failed badly: please report this"
                );
            }
        }
    }

    async fn take_over_news(self: Arc<Self>) {
        loop {
            let news = self.ownership.news().await;
            together::each(news, |news| self.learn(news)).await;
            self.wake.notify_one();
        }
    }

    /// Takes over what another replica wrote of a secret, and whose it is.
    pub(super) async fn learn(&self, news: News) {
        let key = news.record.secret_arn.clone();
        let journal = self.state().entries.get(&key).map(|entry| entry.journal.clone());
        // Nobody else changes the record meanwhile.
        let _held = match &journal {
            Some(journal) => Some(journal.lock().await),
            None => None,
        };
        let mut state = self.state();
        match state.entries.contains_key(&key) {
            true => self.learn_of_known(&mut state, &key, news),
            false => self.remember_news(&mut state, key, news),
        }
    }

    /// Keeps what is told of a secret that was not found here yet.
    fn remember_news(&self, state: &mut State, key: String, news: News) {
        let known = state.records.get(&key);
        if known.is_none_or(|known| known.revision < news.record.revision) {
            let record = news.record.believed(self.clock.now());
            state.records.insert(key.clone(), Arc::new(record));
        }
        match news.sight {
            Some(sight) => drop(state.sights.insert(key, sight)),
            None => drop(state.sights.remove(&key)),
        }
    }

    fn learn_of_known(&self, state: &mut State, key: &str, news: News) {
        let mine = self.ownership.owns(key);
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        let was_mine = entry.mine;
        let changed = entry.record.revision < news.record.revision;
        if changed {
            self.replace_record(state, key, news.record);
        }
        if !mine && let Some(sight) = &news.sight {
            self.take_over_sight(state, key, sight);
        }
        match (was_mine, mine) {
            (false, true) => self.is_mine(state, key),
            (true, false) => self.is_not_mine(state, key),
            (true, true) if changed || news.nudged => state.wake(key),
            _ => {}
        }
        self.member_changed(state, key);
    }

    /// Goes by a record that somebody else stored.
    pub(super) fn catch_up(&self, key: &str, record: Record) {
        let mut state = self.state();
        self.replace_record(&mut state, key, record);
        self.member_changed(&mut state, key);
    }

    fn replace_record(&self, state: &mut State, key: &str, record: Record) {
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        let took_room = entry.takes_room();
        entry.record = Arc::new(record.believed(self.clock.now()).under(&entry.policy));
        let takes_room = entry.takes_room();
        state.count_in_flight(key, took_room, takes_room);
    }

    /// Takes over what another replica shows. Nothing if a release wrote it that this one does not understand.
    pub(super) fn take_over_sight(&self, state: &mut State, key: &str, sight: &str) {
        let Ok(shown) = serde_json::from_str::<Shown>(sight) else {
            tracing::debug!(event = "sight_not_understood", "another release shows this secret");
            return;
        };
        let Some(entry) = state.entries.get_mut(key) else {
            return;
        };
        let arn = entry.secret.arn.clone();
        let looked = shown.sight.looked;
        // Whether it was looked at is noted below, with what follows from it.
        entry.sight = Sight {
            looked: entry.sight.looked,
            ..shown.sight
        };
        (entry.dues, entry.user, entry.lost) = (shown.dues, shown.user, shown.lost);
        let told = match shown.user_arn {
            Some(user) => state.claims.claim(arn, &user),
            None if looked => state.claims.release(key),
            None => Vec::new(),
        };
        told.iter().for_each(|other| state.wake(other));
        if looked {
            self.looked(state, key, !shown.awaited);
        }
    }

    /// A secret is this process's from now on.
    fn is_mine(&self, state: &mut State, key: &str) {
        let Some(entry) = state.entries.get(key) else { return };
        let policy = self.policy(&entry.policy);
        let wait = policy.map_or(Duration::ZERO, |policy| {
            self.pause_after_failure(&entry.record, &policy)
        });
        let now = self.clock.monotonic();
        state.set_mine(key, true);
        match state.entries.get_mut(key).filter(|entry| entry.driven) {
            // By a drive from before it was lost, which has to end first: there is one at a time of each secret.
            Some(entry) => entry.woken = true,
            None => state.queue.set(key, Wake::Past(now.saturating_add(wait))),
        }
    }

    /// A secret is another replica's from now on, or nobody's.
    pub(super) fn is_not_mine(&self, state: &mut State, key: &str) {
        state.set_mine(key, false);
        state.steps_back(key);
        state.leaves_first_looks(key);
        state.leaves_row(key);
    }

    /// Notes which secrets were lost because nothing was heard of the others for too long.
    pub(super) fn note_lost_secrets(&self, state: &mut State) {
        if !self.store.shared() {
            return;
        }
        let mine = state.entries.iter().filter(|(_, entry)| entry.mine);
        let lost: Vec<Arc<str>> = mine
            .filter(|(key, _)| !self.ownership.owns(key))
            .map(|(key, _)| key.clone())
            .collect();
        lost.iter().for_each(|key| self.is_not_mine(state, key));
    }

    /// Shows the other replicas how a secret stands, if that has changed.
    pub(super) async fn show(&self, key: &str) {
        if !self.store.shared() {
            return;
        }
        let Some(shown) = self.to_show(key) else { return };
        if let Err(error) = self.ownership.show(key, &shown).await {
            tracing::debug!(event = "not_shown", %error, "the other replicas are shown this secret after its next look");
            if let Some(entry) = self.state().entries.get_mut(key) {
                entry.shown = None;
            }
        }
    }

    /// What is to be shown of a secret; nothing if that is known already.
    fn to_show(&self, key: &str) -> Option<String> {
        let mut state = self.state();
        let user_arn = state.claims.user_of(key).map(str::to_owned);
        let entry = state.entries.get_mut(key).filter(|entry| entry.mine)?;
        let shown = serde_json::to_string(&Shown {
            sight: entry.sight.clone(),
            dues: entry.dues.clone(),
            user_arn,
            user: entry.user.clone(),
            awaited: entry.awaited,
            lost: entry.lost,
        });
        let shown = shown.ok()?;
        let mut hasher = DefaultHasher::new();
        shown.hash(&mut hasher);
        let digest = Some(hasher.finish());
        (std::mem::replace(&mut entry.shown, digest) != digest).then_some(shown)
    }
}

impl State {
    /// Gives a secret the lane of its place in the queue, or none: it is somebody else's, or only remembered.
    pub(super) fn take_lane(&mut self, key: &str) {
        let Some(entry) = self.entries.get(key) else { return };
        match entry.mine && !entry.is_only_remembered() {
            true => self.queue.assign(entry.secret.arn.clone(), &entry.place),
            false => self.queue.unassign(key),
        }
    }

    fn set_mine(&mut self, key: &str, mine: bool) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let took_room = entry.takes_room();
        entry.mine = mine;
        // What it was when it was last this process's is no more.
        (entry.memory, entry.shown) = (None, None);
        let takes_room = entry.takes_room();
        self.count_in_flight(key, took_room, takes_room);
        self.take_lane(key);
    }
}
