//! Rotation windows: in which one a secret may begin, and when within it.
//!
//! All of it follows from the schedule, the date of the current version and the secret's ARN. Nothing is stored, so
//! that a restart and every other replica come to the same moments.
//!
//! A schedule that counts from the last rotation keeps to its time of the day, and of the week: what a blackout covers
//! of it, it covers every time. So of such a schedule a window that a blackout leaves no start in opens when that ends.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{next_after, opening_at_or_before};
use crate::clock::{Timestamp, after, between};
use crate::policy::{Blackout, Schedule, Window};

/// Changing this moves every start within its window, and replicas of two releases would differ.
const DOMAIN: &[u8] = b"rekeyd start within a window 1";

/// The end of a window in which nothing is planned to start: a tenth of it, and no more than this.
const LONGEST_MARGIN: Duration = Duration::from_secs(600);

impl Window {
    /// A window of this length whose last planned start comes at least `reserve` before its close.
    pub fn new(length: Duration, reserve: Duration) -> Self {
        let margin = (length / 10).min(LONGEST_MARGIN).max(reserve);
        Self {
            length,
            spread: length.saturating_sub(margin),
        }
    }
}

/// What the dates of a secret's rotations follow from.
#[derive(Clone, Copy, Debug)]
pub struct Timing<'a> {
    /// When windows open.
    pub schedule: &'a Schedule,
    /// How long they stay open; without one there is no close.
    pub window: Option<Window>,
    /// When nothing begins.
    pub blackout: &'a Blackout,
    /// The secret.
    pub arn: &'a str,
    /// Its last rotation.
    pub last: Timestamp,
}

/// When a secret's next rotation may begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    /// Since when, or from when on, it is due: its start in the first window after the last rotation.
    pub due_at: Timestamp,
    /// When the window opened, or opens, that it may begin in.
    pub opening: Timestamp,
    /// From when on it may begin there.
    pub begins_at: Timestamp,
    /// When that window closes, if ever.
    pub closes_at: Option<Timestamp>,
}

/// One window.
#[derive(Clone, Copy)]
struct Open {
    /// Its opening by the schedule alone.
    scheduled: Timestamp,
    opens: Timestamp,
    closes: Timestamp,
}

impl Timing<'_> {
    /// The first window after the last rotation, or if it has closed the one that is open at `now`, or else the next.
    pub fn turn(&self, now: Timestamp) -> Turn {
        let first = next_after(self.schedule, self.last);
        let Some(window) = self.window else {
            return Turn {
                due_at: first,
                opening: first,
                begins_at: first,
                closes_at: None,
            };
        };
        let begins_in = match opening_at_or_before(self.schedule, self.last, now) {
            None => self.open_from(first, window),
            Some(latest) => Some(self.open_from(latest, window))
                .filter(|open| now < open.closes)
                .unwrap_or_else(|| self.open_from(next_after(self.schedule, latest), window)),
        };
        Turn {
            due_at: self.start(self.open_from(first, window), window),
            opening: begins_in.opens,
            begins_at: self.start(begins_in, window),
            closes_at: Some(begins_in.closes),
        }
    }

    /// The window of this opening of the schedule; or, where a blackout leaves no start in it, of a later one.
    fn open_from(&self, opening: Timestamp, window: Window) -> Open {
        let as_scheduled = Open {
            scheduled: opening,
            opens: opening,
            closes: after(opening, window.length),
        };
        let counts_from_last = !matches!(self.schedule, Schedule::Cron(_));
        if !counts_from_last || !self.blackout.leaves(opening, after(opening, window.spread)).is_empty() {
            return as_scheduled;
        }
        let Some(end) = self.blackout.end(opening) else {
            return as_scheduled;
        };
        // Of several that lie within one blackout, the last is the one that opens.
        let scheduled = opening_at_or_before(self.schedule, self.last, end).unwrap_or(opening);
        let opens = match self
            .blackout
            .leaves(scheduled, after(scheduled, window.spread))
            .is_empty()
        {
            true => end,
            false => scheduled,
        };
        Open {
            scheduled,
            opens,
            closes: after(opens, window.length).min(next_after(self.schedule, scheduled)),
        }
    }

    /// Its start in a window: anywhere in the time that blackouts leave of it, by a hash of the secret and the opening.
    fn start(&self, open: Open, window: Window) -> Timestamp {
        let opening = open.opens;
        let free = self
            .blackout
            .leaves(opening, after(opening, window.spread).min(open.closes));
        let room: Duration = free.iter().map(|(from, until)| between(*from, *until)).sum();
        let mut offset = share_of(self.arn, opening, if room.is_zero() { window.spread } else { room });
        for (from, until) in free {
            let span = between(from, until);
            if offset < span {
                return after(from, offset);
            }
            offset -= span;
        }
        after(opening, offset)
    }

    /// The windows that opened after `counted` and closed after `since`, and by `now`: each with its opening and its
    /// close, oldest first. Those that a rotation began in are among them.
    pub fn closed(
        &self,
        since: Timestamp,
        counted: Option<Timestamp>,
        now: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> + '_ {
        let length = self.window.map(|window| window.length);
        let span = length.and_then(|length| chrono::Duration::from_std(length).ok());
        let opened_after = span.and_then(|span| since.checked_sub_signed(span));
        let from = opened_after.max(counted).map_or(self.last, |from| from.max(self.last));
        let next = |at: Timestamp| Some(next_after(self.schedule, at)).filter(|next| *next > at);
        // A window that a blackout put off may close later than the length after its opening.
        let first = opening_at_or_before(self.schedule, self.last, from).or_else(|| next(self.last));
        let open = move |opening: Timestamp| Some(self.open_from(opening, self.window?));
        let windows = std::iter::successors(first.and_then(open), move |before| open(next(before.scheduled)?));
        windows
            .take_while(move |open| open.closes <= now)
            .filter(move |open| open.closes > since && counted.is_none_or(|counted| open.opens > counted))
            .map(|open| (open.opens, open.closes))
    }
}

/// A share of `of`, from zero up to but without the whole, to the millisecond.
fn share_of(arn: &str, opening: Timestamp, of: Duration) -> Duration {
    let mut hash = Sha256::new();
    for part in [DOMAIN, arn.as_bytes(), &opening.timestamp_millis().to_be_bytes()] {
        // Lengths go in, so that no two triples give the same bytes.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let number = digest
        .iter()
        .take(8)
        .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    let millis = u64::try_from(of.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(number % millis)
}
