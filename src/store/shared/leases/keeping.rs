//! Writing leases: taking them, handing them over, giving them back, and showing what belongs to them.

use super::Leases;
use super::asked::{each, not_written};
use super::secrets::{Deed, Why};
use crate::store::StoreError;
use crate::store::shared::layout;
use crate::store::table::{Change, Condition, TableError};

/// A write of a lease that may be made.
struct Order {
    me: String,
    fence: Option<u64>,
    /// The fence under which it was held for certain.
    held: Option<u64>,
}

/// What came of one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Done {
    Nothing,
    Taken,
    TakenOver,
    Given,
}

impl Leases {
    /// Makes these writes.
    pub(super) async fn carry_out(&self, deeds: Vec<(String, Deed)>) {
        let done = each(deeds.into_iter().map(|(secret_arn, deed)| async move {
            match deed {
                Deed::Take { from_the_dead } => self.take(&secret_arn, from_the_dead).await,
                Deed::Give { to } => self.give(&secret_arn, Some(&to)).await,
                Deed::Release => self.give(&secret_arn, None).await,
            }
        }))
        .await;
        let count = |what: Done| done.iter().filter(|done| **done == what).count();
        let (taken_over, given) = (count(Done::TakenOver), count(Done::Given));
        if taken_over > 0 {
            self.metrics.leases_taken_over(taken_over);
            tracing::info!(
                event = "leases_taken_over",
                leases = taken_over,
                "the secrets of a replica that is gone are this one's now"
            );
        }
        if given > 0 {
            tracing::info!(
                event = "leases_given",
                leases = given,
                "secrets were handed over to other replicas"
            );
        }
    }

    async fn take(&self, secret_arn: &str, from_the_dead: bool) -> Done {
        let Some(Order { me, fence, .. }) = self.order(secret_arn, |_| {}) else {
            return Done::Nothing;
        };
        let change = Change::new().set(layout::HOLDER, me.as_str());
        let change = change.set(layout::FENCE, fence.unwrap_or_default() + 1);
        let on = match fence {
            Some(fence) => Condition::is(layout::FENCE, fence),
            None => Condition::Lacks(layout::FENCE),
        };
        let written = self.table.write(&layout::record(secret_arn), change, on).await;
        if written.as_ref().is_err_and(not_written) {
            return Done::Nothing;
        }
        // What the one before did last is part of what this one must know before it owns the secret.
        let why = if written.is_ok() { Why::Wanted } else { Why::Unsure };
        let read = self.read_one(secret_arn, why).await;
        if written.is_err() && !self.holds(secret_arn, &me) {
            match written {
                // Whose it is now may have been written without anybody's knowledge: its reply was lost.
                Err(TableError::NotAsWanted { .. }) => self.presence.note(secret_arn),
                // It may still arrive.
                _ => self.state().secrets.look_up(secret_arn, Why::Unsure),
            }
            return Done::Nothing;
        }
        self.presence.note(secret_arn);
        if from_the_dead {
            self.presence.took(secret_arn);
        }
        tracing::debug!(event = "lease_taken", secret_arn, "the secret is this replica's now");
        if read.is_some_and(|stored| stored.journal) {
            self.settle(secret_arn).await;
        }
        if from_the_dead { Done::TakenOver } else { Done::Taken }
    }

    /// Writes what the last saves of a secret led to. What fails stays in its journal, for its next save.
    async fn settle(&self, secret_arn: &str) {
        let Some(store) = self.store.get() else {
            return;
        };
        let settling = async {
            match store.read(secret_arn).await {
                Ok(Some(stored)) => store.settle_journal(&stored).await,
                _ => Ok(()),
            }
        };
        drop(tokio::time::timeout(self.table.most, settling).await);
    }

    /// Gives a lease to another session, or to nobody. It is not this process's any more from before the write on.
    async fn give(&self, secret_arn: &str, to: Option<&str>) -> Done {
        let order = self.order(secret_arn, |entry| {
            entry.may_have_given(entry.fence());
            entry.held = None;
            entry.told = false;
        });
        let Some(order) = order else {
            return Done::Nothing;
        };
        let fence = order.fence.unwrap_or_default();
        let change = Change::new().set(layout::FENCE, fence + 1);
        let change = match to {
            Some(to) => change.set(layout::HOLDER, to),
            None => change.remove(layout::HOLDER),
        };
        let on = vec![
            (layout::FENCE, fence.into()),
            (layout::HOLDER, order.me.as_str().into()),
        ];
        let key = layout::record(secret_arn);
        let written = self.table.write(&key, change, Condition::Has(on)).await;
        let mut state = self.state();
        match written {
            Ok(()) => {
                state.secrets.entry(secret_arn).gave(to, fence + 1);
                drop(state);
                self.presence.note(secret_arn);
                tracing::debug!(event = "lease_given", secret_arn, "the secret is another replica's now");
                if to.is_some() { Done::Given } else { Done::Nothing }
            }
            Err(error) if not_written(&error) => {
                let now = self.clock.monotonic();
                if state.living(now) == Some(order.me.as_str()) {
                    let entry = state.secrets.entry(secret_arn);
                    entry.may_have_given(None);
                    // Whoever asked meanwhile was told that it is not this process's: that it is has to be told again.
                    entry.held = order.held;
                    state.secrets.look_up(secret_arn, Why::Wanted);
                }
                Done::Nothing
            }
            Err(_) => {
                state.secrets.look_up(secret_arn, Why::Unsure);
                Done::Nothing
            }
        }
    }

    /// What a write of a lease is made under, if it may still be made, noting that it is.
    fn order(&self, secret_arn: &str, note: impl FnOnce(&mut super::secrets::Entry)) -> Option<Order> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let me = state.living(now)?.to_owned();
        let entry = state.secrets.entries.get_mut(secret_arn)?;
        if entry.drives > 0 && entry.holder() == Some(me.as_str()) {
            return None;
        }
        let order = Order {
            me,
            fence: entry.fence(),
            held: entry.held,
        };
        note(entry);
        Some(order)
    }

    fn holds(&self, secret_arn: &str, session: &str) -> bool {
        let state = self.state();
        let entry = state.secrets.entries.get(secret_arn);
        entry.is_some_and(|entry| entry.holder() == Some(session))
    }

    /// Shows what a secret's owner knows beside its record.
    pub(super) async fn show_sight(&self, secret_arn: &str, sight: &str) -> Result<(), StoreError> {
        let (me, fence) = {
            let now = self.clock.monotonic();
            let mut state = self.state();
            let Some(me) = state.living(now).map(str::to_owned) else {
                return Ok(());
            };
            let owns = state.owns(secret_arn, now);
            let entry = state.secrets.entry(secret_arn);
            let Some(fence) = entry.held.filter(|_| owns && entry.sight() != Some(sight)) else {
                return Ok(());
            };
            // Until it is known to be written it is not known what is.
            entry.shows(None);
            (me, fence)
        };
        let on = vec![(layout::FENCE, fence.into()), (layout::HOLDER, me.into())];
        let key = layout::record(secret_arn);
        let change = Change::new().set(layout::SIGHT, sight);
        match self.table.write(&key, change, Condition::Has(on)).await {
            Ok(()) => {
                let mut state = self.state();
                let entry = state.secrets.entry(secret_arn);
                if entry.fence() == Some(fence) {
                    entry.shows(Some(sight));
                }
                drop(state);
                self.presence.note(secret_arn);
                Ok(())
            }
            Err(TableError::NotAsWanted { .. }) => {
                self.state().secrets.look_up(secret_arn, Why::Unsure);
                self.wake.notify_one();
                Ok(())
            }
            Err(error) => Err(self.failed("showing what is known of a secret")(error)),
        }
    }
}
