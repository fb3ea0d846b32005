//! This process's session: an item whose beat moves while the process lives and reaches the table.

use std::collections::BTreeMap;
use std::time::Duration;

use super::asked::not_written;
use super::{LAST_WORDS, LOOK, Leases, State};
use crate::store::shared::layout;
use crate::store::table::{Change, Condition, Item, TableError};

/// Pauses between attempts to move the beat: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How many of its own past sessions a process removes itself. While the table cannot be reached there is another one each
/// lease time; what any of them has left there goes as that of the long dead does.
const MOST_PAST: usize = 8;
/// How long the item of a session may stay when no replica is left that would remove it.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// A session that has begun.
pub(super) struct Session {
    pub(super) id: String,
    beat: u64,
    /// When the attempt that made its last beat was begun.
    beaten_at: Duration,
    /// Until when no other process can take it for dead.
    pub(super) valid_until: Duration,
    /// Which of its writes the others were told of, and since when.
    told: BTreeMap<u64, Duration>,
    /// What it told of its configuration.
    fingerprint: Option<String>,
}

/// A beat that is to be made.
struct Beat {
    id: String,
    number: u64,
    /// The beat after which nobody may wait for this one any more; none for a first one.
    valid_until: Option<Duration>,
    /// The attempts to make it: their ids, and when each was begun.
    attempts: Vec<(String, Duration)>,
}

/// What came of an attempt to make a beat.
enum Outcome {
    /// It was made by the attempt that began then.
    Made(Duration),
    /// It was not, or nobody knows.
    Again(String),
    /// The session is over, for this reason.
    Over(&'static str),
}

impl Leases {
    /// Keeps a session, and begins another one when it is over.
    pub(super) async fn keep_session(&self) {
        loop {
            let wait = {
                let now = self.clock.monotonic();
                let state = self.state();
                let session = state.session.as_ref();
                session.map_or(Duration::ZERO, |session| self.until_next_beat(&state, session, now))
            };
            if !wait.is_zero() {
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.presence.wrote.notified() => tokio::time::sleep(self.soon()).await,
                }
            }
            let beat = {
                let state = self.state();
                if state.ended {
                    return;
                }
                state.session.as_ref().map(Beat::after)
            };
            let beat = beat.unwrap_or_else(|| Beat::first(self.random_id()));
            self.make(beat).await;
        }
    }

    /// How long until the next beat if there is nothing to tell sooner.
    fn until_next_beat(&self, state: &State, session: &Session, now: Duration) -> Duration {
        // Replicas hand secrets over to a session whose beat they saw move.
        let news = session.beat < 2 || session.fingerprint != state.fingerprint;
        let pause = if news { LOOK } else { self.lease / 3 };
        (session.beaten_at + pause.min(self.lease / 3)).saturating_sub(now)
    }

    /// How long until others may be told of a write.
    fn soon(&self) -> Duration {
        let state = self.state();
        let next = state
            .session
            .as_ref()
            .map(|session| session.beaten_at + LOOK.min(self.lease / 3));
        next.unwrap_or_default().saturating_sub(self.clock.monotonic())
    }

    /// Makes a beat, however many attempts that takes, or ends the session.
    async fn make(&self, mut beat: Beat) {
        let mut pause = PAUSE.0;
        loop {
            let outcome = self.attempt(&mut beat).await;
            let now = self.clock.monotonic();
            let until = beat.valid_until.unwrap_or_else(|| beat.begun_at() + self.lease);
            match outcome {
                // Who learns of it later than that cannot know whether others have seen it die.
                Outcome::Made(begun_at) if now < until => return self.made(&beat, begun_at),
                Outcome::Over(why) => return self.over(&beat.id, why),
                Outcome::Again(_) if now < until => {}
                Outcome::Made(_) => return self.over(&beat.id, "its beat was confirmed too late"),
                Outcome::Again(cause) => {
                    tracing::warn!(
                        event = "beat_failed",
                        error = cause,
                        "the table did not take a sign of life in time"
                    );
                    return self.over(&beat.id, "its beat could not be moved");
                }
            }
            tokio::time::sleep(pause.min(until.saturating_sub(now))).await;
            pause = pause.saturating_mul(2).min(PAUSE.1);
            if self.state().ended {
                return;
            }
        }
    }

    async fn attempt(&self, beat: &mut Beat) -> Outcome {
        let begun_at = self.clock.monotonic();
        if beat.valid_until.is_some_and(|until| until <= begun_at) {
            return Outcome::Over("it could not move its beat for a lease time");
        }
        let write = self.random_id();
        let change = self.sign_of_life(beat, &write);
        beat.attempts.push((write, begun_at));
        let on = match beat.number {
            1 => Condition::Absent,
            number => Condition::is(layout::BEAT, number - 1),
        };
        let key = layout::session(&beat.id);
        match self.table.write(&key, change, on).await {
            Ok(()) => Outcome::Made(begun_at),
            Err(error) if not_written(&error) => Outcome::Again(error.to_string()),
            // Its own attempt before may have been carried out, or the reply to this one lost.
            Err(error) => match self.table.get(&key).await {
                Ok(item) => beat.found(item.as_ref(), &error),
                Err(error) => Outcome::Again(error.to_string()),
            },
        }
    }

    /// What a session's item says of it.
    fn sign_of_life(&self, beat: &Beat, write: &str) -> Change {
        let now = self.clock.monotonic();
        let state = self.state();
        let told = state.session.as_ref().filter(|session| session.id == beat.id);
        let held = told.map_or(0, |_| state.secrets.held());
        let mut changes = if told.is_some() {
            self.presence.last_writes()
        } else {
            Vec::new()
        };
        if let Some(session) = told {
            // Who looks twice a second has seen what was told for two lease times. The last number stays: who has
            // missed more than is told sees that from it.
            let old = |number: &u64| {
                let since = session.told.get(number);
                since.is_some_and(|since| now.saturating_sub(*since) >= self.lease * 2)
            };
            let last = changes.last().map(|(number, _)| *number);
            changes.retain(|(number, _)| Some(*number) == last || !old(number));
        }
        let expires = crate::clock::after(self.clock.now(), KEPT).timestamp();
        let change = Change::new()
            .set(layout::BEAT, beat.number)
            .set(layout::WRITE, write)
            .set(layout::HOST, self.identity.host.as_str())
            .set(layout::PID, u64::from(self.identity.pid))
            .set(layout::RELEASE, self.identity.release.as_str())
            .set(layout::LEASES, held as u64)
            .set(layout::CHANGES, serde_json::to_string(&changes).unwrap_or_default())
            .set(layout::EXPIRES, u64::try_from(expires).unwrap_or_default());
        match &state.fingerprint {
            None => change,
            Some(fingerprint) => change.set(layout::FINGERPRINT, fingerprint.as_str()),
        }
    }

    /// A beat was made by an attempt that began then.
    fn made(&self, beat: &Beat, begun_at: Duration) {
        let told = self.presence.last_writes();
        let begins = {
            let mut state = self.state();
            if state.ended {
                return;
            }
            let fingerprint = state.fingerprint.clone();
            match &mut state.session {
                Some(session) if session.id == beat.id => {
                    session.beat = beat.number;
                    session.beaten_at = begun_at;
                    session.valid_until = begun_at + self.lease;
                    session.fingerprint = fingerprint;
                    let numbers = told.iter().map(|(number, _)| *number);
                    let since = session.told.split_off(&numbers.clone().next().unwrap_or(u64::MAX));
                    session.told = numbers
                        .map(|number| (number, since.get(&number).copied().unwrap_or(begun_at)))
                        .collect();
                    false
                }
                _ => {
                    state.begin(beat, begun_at + self.lease, fingerprint);
                    true
                }
            }
        };
        if begins {
            self.presence.set_session(Some(beat.id.clone()));
            tracing::info!(
                event = "session_begun",
                session = beat.id,
                "this process is one of the replicas"
            );
            self.wake.notify_one();
        }
    }

    /// A session is over for good.
    pub(super) fn over(&self, id: &str, why: &'static str) {
        let now = self.clock.monotonic();
        let lost = {
            let mut state = self.state();
            state.past.push(id.to_owned());
            let surplus = state.past.len().saturating_sub(MOST_PAST);
            state.past.drain(..surplus);
            state.fleet.bury(id, now);
            match &state.session {
                Some(session) if session.id == id && !state.ended => {
                    state.session = None;
                    state.inside.clear();
                    Some(state.secrets.forget())
                }
                _ => None,
            }
        };
        if let Some(leases) = lost {
            self.presence.set_session(None);
            self.metrics.leases_lost(leases);
            tracing::warn!(
                event = "session_over",
                session = id,
                leases,
                reason = why,
                "this process counts its leases as lost, and begins anew"
            );
        }
        // Whoever waits for its next beat waits for another session's.
        self.presence.wrote.notify_one();
    }

    /// Ends for good, and says so.
    pub(super) async fn end(&self) {
        let id = {
            let mut state = self.state();
            state.ended = true;
            state.secrets.forget();
            state.session.take().map(|session| session.id)
        };
        self.presence.set_session(None);
        self.presence.wrote.notify_one();
        self.wake.notify_one();
        let Some(id) = id else {
            return;
        };
        let attempts = async {
            let gone = Condition::Has(Vec::new());
            while let Err(error) = self.table.delete(&layout::session(&id), gone.clone()).await {
                if matches!(error, TableError::NotAsWanted { .. }) {
                    return;
                }
                tokio::time::sleep(PAUSE.0).await;
            }
        };
        // Without it the others wait for a lease time.
        drop(tokio::time::timeout(LAST_WORDS, attempts).await);
    }
}

impl State {
    fn begin(&mut self, beat: &Beat, valid_until: Duration, fingerprint: Option<String>) {
        self.session = Some(Session {
            id: beat.id.clone(),
            beat: beat.number,
            beaten_at: valid_until.saturating_sub(self.fleet.lease()),
            valid_until,
            told: BTreeMap::new(),
            fingerprint,
        });
        self.secrets.forget();
    }
}

impl Beat {
    fn first(id: String) -> Self {
        Self {
            id,
            number: 1,
            valid_until: None,
            attempts: Vec::new(),
        }
    }

    fn after(session: &Session) -> Self {
        Self {
            id: session.id.clone(),
            number: session.beat + 1,
            valid_until: Some(session.valid_until),
            attempts: Vec::new(),
        }
    }

    fn begun_at(&self) -> Duration {
        self.attempts.first().map_or(Duration::ZERO, |(_, begun_at)| *begun_at)
    }

    /// What the session's item tells after an attempt whose outcome nobody told.
    fn found(&self, item: Option<&Item>, error: &TableError) -> Outcome {
        let Some(item) = item else {
            return match self.number {
                1 => Outcome::Again(error.to_string()),
                _ => Outcome::Over("its item is gone"),
            };
        };
        let beat = item.number(layout::BEAT).unwrap_or_default();
        let write = item.text(layout::WRITE);
        let made = self.attempts.iter().find(|(id, _)| Some(id.as_str()) == write);
        match made {
            Some((_, begun_at)) if beat == self.number => Outcome::Made(*begun_at),
            _ if beat + 1 == self.number => Outcome::Again(error.to_string()),
            _ => Outcome::Over("another process wrote its item"),
        }
    }
}
