//! Gates: what of several secrets only one may begin, whichever replicas they belong to.

use super::Leases;
use super::asked::each;
use super::secrets::Why;
use super::stored::Stored;
use crate::store::StoreError;
use crate::store::ownership::{Gate, News};
use crate::store::shared::layout;
use crate::store::table::{Change, Condition, Item, TableError};

/// How many secrets a gate remembers.
const REMEMBERED: usize = 8;
/// How often a gate is tried when others write it at the same moment.
const ATTEMPTS: usize = 3;
/// What passing is called in errors.
const PASSING: &str = "passing a gate";

/// A secret of this process in a gate.
pub(super) struct Inside {
    secret_arn: String,
    /// The fence that it passed under; none while it is on its way.
    fence: Option<u64>,
}

/// What became of an attempt to pass.
enum Attempt {
    /// After these, under this fence.
    Passed(Vec<String>, u64),
    Taken,
    Again,
}

/// A secret on its way into a gate: not any more, if that comes to nothing or nobody waits for it.
struct OnItsWay<'a> {
    leases: &'a Leases,
    gate: &'a str,
    secret_arn: &'a str,
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        let mut state = self.leases.state();
        let waits = |inside: &Inside| inside.secret_arn == self.secret_arn && inside.fence.is_none();
        if state.inside.get(self.gate).is_some_and(waits) {
            state.inside.remove(self.gate);
        }
    }
}

impl Leases {
    pub(super) async fn pass_gate(&self, gate: &str, secret_arn: &str) -> Result<Gate, StoreError> {
        let Some((me, _on_its_way)) = self.approach(gate, secret_arn) else {
            return Ok(Gate::Taken);
        };
        for _ in 0..ATTEMPTS {
            match self.try_gate(gate, secret_arn, &me).await? {
                Attempt::Passed(before, fence) => {
                    let news = self.before(before, secret_arn).await?;
                    return Ok(match self.enter(gate, secret_arn, &me, fence) {
                        true => Gate::Passed(news),
                        false => Gate::Taken,
                    });
                }
                Attempt::Taken => return Ok(Gate::Taken),
                Attempt::Again => {}
            }
        }
        Ok(Gate::Taken)
    }

    /// Keeps other secrets of this process away from a gate.
    fn approach<'a>(&'a self, gate: &'a str, secret_arn: &'a str) -> Option<(String, OnItsWay<'a>)> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let me = state.living(now)?.to_owned();
        if state
            .inside
            .get(gate)
            .is_some_and(|inside| inside.secret_arn != secret_arn || inside.fence.is_none())
        {
            return None;
        }
        let inside = Inside {
            secret_arn: secret_arn.to_owned(),
            fence: None,
        };
        state.inside.insert(gate.to_owned(), inside);
        let on_its_way = OnItsWay {
            leases: self,
            gate,
            secret_arn,
        };
        Some((me, on_its_way))
    }

    async fn try_gate(&self, gate: &str, secret_arn: &str, me: &str) -> Result<Attempt, StoreError> {
        let key = layout::gate(gate);
        let item = self.table.get(&key).await.map_err(self.failed(PASSING))?;
        if let Some(holder) = item.as_ref().and_then(|item| item.text(layout::HOLDER))
            && holder != me
            && self.may_live(holder).await?
        {
            return Ok(Attempt::Taken);
        }
        let fence = item.as_ref().and_then(|item| item.number(layout::FENCE));
        let before = item.as_ref().map(passed).unwrap_or_default();
        let write = self.random_id();
        let next = fence.unwrap_or_default() + 1;
        let change = Change::new()
            .set(layout::HOLDER, me)
            .set(layout::SECRET, secret_arn)
            .set(layout::PASSED, remembered(&before, secret_arn))
            .set(layout::FENCE, next)
            .set(layout::WRITE, write.as_str());
        let on = match (&item, fence) {
            (None, _) => Condition::Absent,
            (Some(_), Some(fence)) => Condition::is(layout::FENCE, fence),
            (Some(_), None) => Condition::Lacks(layout::FENCE),
        };
        let written = self.table.write(&key, change, on).await;
        match written {
            Ok(()) => {}
            Err(TableError::NotAsWanted { .. }) => return Ok(Attempt::Again),
            Err(error) => {
                let item = self.table.get(&key).await.map_err(self.failed(PASSING))?;
                if item.as_ref().and_then(|item| item.text(layout::WRITE)) != Some(write.as_str()) {
                    return Err(self.failed(PASSING)(error));
                }
            }
        }
        Ok(Attempt::Passed(before, next))
    }

    /// Notes that a secret is in a gate, if the session that passed it still lives.
    fn enter(&self, gate: &str, secret_arn: &str, me: &str, fence: u64) -> bool {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let lives = state.living(now) == Some(me);
        if lives {
            let inside = Inside {
                secret_arn: secret_arn.to_owned(),
                fence: Some(fence),
            };
            state.inside.insert(gate.to_owned(), inside);
        }
        lives
    }

    /// Whether a session may be alive. One that was not there at the last look may have begun since.
    async fn may_live(&self, session: &str) -> Result<bool, StoreError> {
        {
            let state = self.state();
            if state.past.iter().any(|past| past == session) {
                return Ok(false);
            }
            if state.fleet.is_there(session) && !state.fleet.lives(session) {
                return Ok(false);
            }
        }
        let item = self.table.get(&layout::session(session)).await;
        Ok(item.map_err(self.failed(PASSING))?.is_some())
    }

    /// What the secrets are now that passed before.
    async fn before(&self, before: Vec<String>, secret_arn: &str) -> Result<Vec<News>, StoreError> {
        let others = before.into_iter().filter(|arn| arn != secret_arn);
        let read = each(others.map(|arn| async move {
            let item = self.table.get(&layout::record(&arn)).await;
            item.map_err(self.failed(PASSING))
        }));
        let items = read.await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let now = self.clock.monotonic();
        let mut state = self.state();
        let state = &mut *state;
        let me = state.living(now).map(str::to_owned);
        let mut news = Vec::new();
        for stored in items.iter().flatten().filter_map(Stored::of) {
            news.push(News {
                record: stored.record.clone(),
                sight: stored.lease.sight.clone(),
                nudged: false,
            });
            state.secrets.learn(stored, Why::Unsure, me.as_deref(), state.look);
        }
        self.told.notify_one();
        Ok(news)
    }

    pub(super) async fn leave_gate(&self, gate: &str, secret_arn: &str) {
        let fence = {
            let mut state = self.state();
            let inside = state.inside.get(gate).filter(|inside| inside.secret_arn == secret_arn);
            let fence = inside.and_then(|inside| inside.fence);
            if fence.is_some() {
                state.inside.remove(gate);
            }
            fence
        };
        if let Some(fence) = fence {
            self.clear_gate(gate, fence).await;
        }
    }

    /// Takes this process's name from a gate. What fails is done again after the next look.
    async fn clear_gate(&self, gate: &str, fence: u64) {
        let change = Change::new()
            .remove(layout::HOLDER)
            .remove(layout::SECRET)
            .set(layout::FENCE, fence + 1);
        let on = Condition::is(layout::FENCE, fence);
        drop(self.table.write(&layout::gate(gate), change, on).await);
    }

    /// Leaves gates that no secret of this process is in: a write was lost, or arrived late.
    pub(super) async fn leave_forgotten(&self, items: &[Item]) {
        let now = self.clock.monotonic();
        let Some(me) = self.state().living(now).map(str::to_owned) else {
            return;
        };
        for item in items.iter().filter(|item| item.text(layout::HOLDER) == Some(&me)) {
            let Some(gate) = item.key.sort.strip_prefix(layout::GATE) else {
                continue;
            };
            let forgotten = !self.state().inside.contains_key(gate);
            if let Some(fence) = item.number(layout::FENCE).filter(|_| forgotten) {
                self.clear_gate(gate, fence).await;
            }
        }
    }
}

fn passed(item: &Item) -> Vec<String> {
    let json = item.text(layout::PASSED).unwrap_or("[]");
    serde_json::from_str(json).unwrap_or_default()
}

/// These and then this one, as JSON: the last of them, each once.
fn remembered(before: &[String], secret_arn: &str) -> String {
    let mut all: Vec<&str> = before
        .iter()
        .map(String::as_str)
        .filter(|arn| *arn != secret_arn)
        .collect();
    all.push(secret_arn);
    let last = all.get(all.len().saturating_sub(REMEMBERED)..).unwrap_or_default();
    serde_json::to_string(last).unwrap_or_default()
}
