//! Looking what the other replicas do, twice a second, and what follows from it.

use std::sync::Arc;
use std::time::Duration;

use super::asked::{WIDTH, each};
use super::fleet::{Heard, Look};
use super::secrets::{Here, Why};
use super::stored::Stored;
use super::{ALL_READ, LOOK, Leases, SETTLED_EVERY};
use crate::store::shared::layout;
use crate::store::table::{Condition, Item, Query, TableError};

/// How many secrets are read before leases are seen to again.
const READ_AT_ONCE: usize = 2 * WIDTH;

impl Leases {
    /// Has the store write what could not be written beside its record, again and again: who delivers the messages among it
    /// may be another replica, which does not know of them.
    pub(super) async fn keep_settling(&self) {
        loop {
            tokio::time::sleep(SETTLED_EVERY).await;
            if self.state().ended {
                return;
            }
            if let Some(store) = self.store.get() {
                store.catch_up().await;
            }
        }
    }

    /// Looks at the fleet and does what follows, again and again.
    pub(super) async fn keep_looking(&self) {
        let mut failed = false;
        while !self.state().ended {
            let begun_at = self.clock.monotonic();
            match self.look().await {
                Ok(()) => failed = false,
                Err(error) if !failed => {
                    failed = true;
                    tracing::warn!(event = "fleet_not_read", %error, "what the other replicas do is not known");
                }
                Err(_) => {}
            }
            self.rest(begun_at).await;
        }
    }

    /// Waits for the next look after one that was begun then. What can be done before it is done.
    async fn rest(&self, begun_at: Duration) {
        let next = begun_at + LOOK.min(self.lease / 6);
        loop {
            let now = self.clock.monotonic();
            let death = {
                let state = self.state();
                if state.ended {
                    return;
                }
                state.fleet.next_death(state.living(now))
            };
            // Whoever should have been dead at that look could not be looked at: that is not tried more often for it.
            let next = death
                .filter(|death| *death > begun_at)
                .map_or(next, |death| death.min(next));
            let rest = next.saturating_sub(now);
            if rest.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = self.wake.notified() => self.tend().await,
            }
        }
    }

    async fn look(&self) -> Result<(), TableError> {
        let asked_at = self.clock.monotonic();
        let me = {
            let mut state = self.state();
            state.look += 1;
            state.living(asked_at).map(str::to_owned)
        };
        let items = self.table.query(&Query::all(layout::FLEET)).await?;
        let answered_at = self.clock.monotonic();
        let untold = self.see(&items, Look { asked_at, answered_at }, me.as_deref());
        if untold {
            // What the dead held goes first: it waits for nobody's news.
            self.tend_leases().await;
            self.state().secrets.all_unread = true;
        }
        self.tend().await;
        self.tidy_up(&items).await;
        Ok(())
    }

    /// Takes in what the fleet's items say. `me` is the session that lived before they were asked for. Returns whether
    /// a session is over that may have written what it never told.
    fn see(&self, items: &[Item], look: Look, me: Option<&str>) -> bool {
        let (heard, gone, living) = {
            let mut state = self.state();
            let state = &mut *state;
            let heard = state.fleet.see(items, look, me);
            for past in &state.past {
                state.fleet.bury(past, look.answered_at);
            }
            for (secret_arn, by) in &heard.mentioned {
                state.secrets.mentioned(secret_arn, by);
            }
            let due = look.answered_at.saturating_sub(state.all_read_at) >= ALL_READ;
            state.secrets.all_unread |= heard.missed || due;
            let gone = me.filter(|me| !state.fleet.is_there(me)).map(str::to_owned);
            (heard, gone, state.fleet.living(state.living(look.answered_at)))
        };
        if let Some(me) = gone {
            self.over(&me, "its item is gone");
        }
        self.tell_of_replicas(living, &heard);
        let told = |item: &&Item| {
            let sort = &item.key.sort;
            sort.starts_with(layout::COMMAND) || sort.starts_with(layout::REPLY)
        };
        let told: Vec<Item> = items.iter().filter(told).cloned().collect();
        self.fleet_items.send_if_modified(|before| {
            let changed = **before != told;
            if changed {
                *before = Arc::new(told);
            }
            changed
        });
        heard.untold
    }

    fn tell_of_replicas(&self, living: usize, heard: &Heard) {
        self.metrics.replicas(living);
        let before = std::mem::replace(&mut self.state().logged, living);
        if before != living || heard.died > 0 {
            tracing::info!(
                event = "replicas_changed",
                living,
                before,
                died = heard.died,
                "the replicas that live are others than before"
            );
        }
    }

    /// Reads what is to be read, and sees to the leases.
    async fn tend(&self) {
        let begun_at = self.clock.monotonic();
        self.read_all().await;
        loop {
            let before = self.state().secrets.unread.len();
            self.read_some().await;
            self.tend_leases().await;
            let left = self.state().secrets.unread.len();
            // A look tells who died: what is left to be read comes after it, and what could not be read.
            let late = self.clock.monotonic().saturating_sub(begun_at) >= LOOK.min(self.lease / 6);
            if left == 0 || left >= before || late {
                return;
            }
        }
    }

    /// Reads every secret, if it is time to.
    async fn read_all(&self) {
        if !std::mem::take(&mut self.state().secrets.all_unread) {
            return;
        }
        let shards = each((0..layout::SHARDS).map(|number| async move {
            let query = Query::all(layout::shard(number));
            self.table.query(&query).await
        }));
        let Ok(shards) = shards.await.into_iter().collect::<Result<Vec<_>, _>>() else {
            self.state().secrets.all_unread = true;
            return;
        };
        let items: Vec<Item> = shards.into_iter().flatten().collect();
        let now = self.clock.monotonic();
        let mut state = self.state();
        let state = &mut *state;
        state.all_read_at = now;
        state.secrets.all_there_are(&items, now);
        for item in &items {
            let why = state.secrets.unread.remove(&item.key.sort).unwrap_or(Why::Unsure);
            let me = state.living(now).map(str::to_owned);
            match Stored::of(item) {
                Some(stored) => {
                    if state.secrets.learn(stored, why, me.as_deref(), state.look) {
                        self.presence.note(&item.key.sort);
                    }
                }
                None => state.secrets.is_absent(&item.key.sort, now),
            }
        }
        self.told.notify_one();
    }

    /// Reads what was named.
    async fn read_some(&self) {
        let due = {
            let now = self.clock.monotonic();
            self.state().secrets.due_reads(now, READ_AT_ONCE)
        };
        each(
            due.into_iter()
                .map(|(secret_arn, why)| async move { self.read_one(&secret_arn, why).await }),
        )
        .await;
    }

    /// Reads a secret, and tells what is news of it.
    pub(super) async fn read_one(&self, secret_arn: &str, why: Why) -> Option<Stored> {
        let item = self.table.get(&layout::record(secret_arn)).await;
        let now = self.clock.monotonic();
        let mut state = self.state();
        let state = &mut *state;
        let item = match item {
            Ok(item) => item,
            Err(_) => {
                state.secrets.look_up(secret_arn, why);
                return None;
            }
        };
        let stored = item.as_ref().and_then(Stored::of);
        match &stored {
            Some(stored) => {
                let me = state.living(now).map(str::to_owned);
                if state.secrets.learn(stored.clone(), why, me.as_deref(), state.look) {
                    self.presence.note(secret_arn);
                }
            }
            None => state.secrets.is_absent(secret_arn, now),
        }
        self.told.notify_one();
        stored
    }

    /// Sees to the leases as they are known.
    async fn tend_leases(&self) {
        let now = self.clock.monotonic();
        let (deeds, missed) = {
            let mut state = self.state();
            let state = &mut *state;
            let Some(me) = state.living(now).map(str::to_owned) else {
                return;
            };
            state.fleet.share_among(Some(&me), state.fingerprint.as_deref(), now);
            state.secrets.decide(&Here {
                me: &me,
                now,
                lease: self.lease,
                fleet: &state.fleet,
                look: state.look,
            })
        };
        missed.iter().for_each(|secret_arn| self.presence.note(secret_arn));
        self.carry_out(deeds).await;
    }

    /// Removes what nobody needs any more: this process's own past sessions, others that died long ago, and its name from
    /// gates that no secret of it is in.
    async fn tidy_up(&self, items: &[Item]) {
        let (past, remains) = {
            let now = self.clock.monotonic();
            let state = self.state();
            let holds = |id: &str| state.secrets.entries.values().any(|entry| entry.holder() == Some(id));
            let remains = state.fleet.remains(now).into_iter().filter(|(id, _)| !holds(id));
            (state.past.clone(), remains.collect::<Vec<_>>())
        };
        let past = past.into_iter().map(|id| (id, Condition::Has(Vec::new())));
        let remains = remains.into_iter();
        let remains = remains.map(|(id, beat)| (id, Condition::is(layout::BEAT, beat)));
        for (id, on) in past.chain(remains) {
            let removed = self.table.delete(&layout::session(&id), on).await;
            if matches!(removed, Ok(()) | Err(TableError::NotAsWanted { .. })) {
                self.state().past.retain(|past| *past != id);
            }
        }
        self.leave_forgotten(items).await;
    }
}
