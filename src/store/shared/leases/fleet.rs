//! The sessions that share a table, as one of them sees them. Times are this process's monotonic ones: no clock of another
//! machine is ever believed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::store::shared::layout;
use crate::store::table::Item;

/// How much of all leases is counted as held by all alike, when parts of budgets are reckoned.
const ALIKE: f64 = 0.25;

/// How many lease times the item of a dead session stays, for people to see.
const KEPT_DEAD: u32 = 10;

/// A process of rekeyd, as `status` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replica {
    /// Its session.
    pub id: String,
    /// The machine, by its name.
    pub host: String,
    /// The number of its process there.
    pub pid: u64,
    /// The release of rekeyd that it runs.
    pub release: String,
    /// What its configuration comes to; nothing before it has one.
    pub fingerprint: Option<String>,
    /// Whether its beat moves.
    pub alive: bool,
    /// Since when this process sees it as it is, alive or dead.
    pub for_time: Duration,
    /// Whether it is this process.
    pub is_self: bool,
    /// How many leases it held when it told last.
    pub leases: u64,
}

/// A session that is or was.
struct Watched {
    beat: u64,
    /// When its beat was seen to change last.
    changed_at: Duration,
    first_seen: Duration,
    /// Whether its beat ever changed under our eyes: the item of a session that died long ago is seen for the first time too.
    moved: bool,
    /// Dead once, dead for good: its own process knows that its time is over.
    dead_since: Option<Duration>,
    /// The number of the last of its writes that it told of.
    told: u64,
    host: String,
    pid: u64,
    release: String,
    fingerprint: Option<String>,
    leases: u64,
}

/// What a look at the fleet brings.
#[derive(Default, Debug)]
pub(super) struct Heard {
    /// Secrets that were written, or are to be looked at, each with who said so.
    pub(super) mentioned: Vec<(String, String)>,
    /// Whether there were more than that.
    pub(super) missed: bool,
    /// Whether a session is over that may have written what it never told.
    pub(super) untold: bool,
    /// Sessions whose beat has just stood still for too long.
    pub(super) died: usize,
}

/// When a look at the fleet was taken.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) asked_at: Duration,
    pub(super) answered_at: Duration,
}

/// All sessions.
pub(super) struct Fleet {
    lease: Duration,
    /// Whether it was ever looked at.
    seen: bool,
    sessions: BTreeMap<String, Watched>,
    /// Who shares secrets with this process, itself included.
    members: BTreeSet<String>,
    /// Counts the changes of `members`.
    pub(super) version: u64,
}

impl Fleet {
    pub(super) fn new(lease: Duration) -> Self {
        Self {
            lease,
            seen: false,
            sessions: BTreeMap::new(),
            members: BTreeSet::new(),
            version: 0,
        }
    }

    /// After how long a session whose beat stands still is dead.
    pub(super) fn lease(&self) -> Duration {
        self.lease
    }

    /// Takes a look at all items of the fleet. What was told before the first one is no news: everything is read then.
    pub(super) fn see(&mut self, items: &[Item], look: Look, me: Option<&str>) -> Heard {
        let first = !std::mem::replace(&mut self.seen, true);
        let mut heard = Heard::default();
        let mut there = BTreeSet::new();
        for item in items {
            let Some(id) = item.key.sort.strip_prefix(layout::SESSION) else {
                continue;
            };
            there.insert(id.to_owned());
            let lease = self.lease;
            let known = self.sessions.contains_key(id);
            let watched = self
                .sessions
                .entry(id.to_owned())
                .or_insert_with(|| Watched::first(look));
            watched.see(item, look, lease, known, &mut heard);
            if me != Some(id) {
                watched.hear(id, &changes(item), first, &mut heard);
            }
        }
        // A session that ends in good order takes what it had not told yet with it.
        let ended = |(id, watched): (&String, &Watched)| watched.dead_since.is_none() && !there.contains(id);
        heard.untold |= self.sessions.iter().any(ended);
        self.sessions.retain(|id, _| there.contains(id));
        heard
    }

    /// Nobody waits for this one: it was this process's own, and is over.
    pub(super) fn bury(&mut self, id: &str, now: Duration) {
        if let Some(watched) = self.sessions.get_mut(id) {
            watched.dead_since.get_or_insert(now);
        }
    }

    /// Who shares secrets with a session that works by this, itself included.
    pub(super) fn share_among(&mut self, me: Option<&str>, fingerprint: Option<&str>, now: Duration) {
        let patience = self.lease / 2;
        // One that lives moves its beat in a third of the lease time. What does not is the item of one that died before
        // this process began, or of one that is hardly connected.
        let well = |watched: &Watched| watched.moved || now.saturating_sub(watched.first_seen) < patience;
        let others = self.sessions.iter().filter(|(_, watched)| {
            watched.dead_since.is_none() && well(watched) && watched.fingerprint.as_deref() == fingerprint
        });
        let mut members: BTreeSet<String> = others.map(|(id, _)| id.clone()).collect();
        members.retain(|_| fingerprint.is_some());
        members.extend(me.filter(|_| fingerprint.is_some()).map(str::to_owned));
        if members != self.members {
            self.members = members;
            self.version += 1;
        }
    }

    /// Which of those who share it a secret falls to: the one whose hash with it is the highest. When one comes or goes, only
    /// what falls to it changes hands. (Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998)
    pub(super) fn falls_to(&self, secret_arn: &str) -> Option<&str> {
        let weight = |id: &&String| {
            let mut hash = Sha256::new();
            hash.update(id.as_bytes());
            hash.update([0]);
            hash.update(secret_arn.as_bytes());
            hash.finalize()
        };
        self.members.iter().max_by_key(weight).map(String::as_str)
    }

    /// Whether a session's item was there when it was last looked for.
    pub(super) fn is_there(&self, id: &str) -> bool {
        self.sessions.contains_key(id)
    }

    /// Whether its item is there, and its beat moves as far as is known.
    pub(super) fn lives(&self, id: &str) -> bool {
        self.sessions
            .get(id)
            .is_some_and(|watched| watched.dead_since.is_none())
    }

    /// Whether secrets may be handed to it: its beat was seen to move.
    pub(super) fn thrives(&self, id: &str) -> bool {
        self.lives(id) && self.sessions.get(id).is_some_and(|watched| watched.moved)
    }

    /// Whether it has not been there for as long as it takes to see another one die.
    pub(super) fn is_young(&self, id: &str, now: Duration) -> bool {
        let watched = self.sessions.get(id);
        watched.is_some_and(|watched| now.saturating_sub(watched.first_seen) < self.lease)
    }

    /// When the next session would be dead if its beat stood still.
    pub(super) fn next_death(&self, me: Option<&str>) -> Option<Duration> {
        let others = self.sessions.iter().filter(|(id, _)| me != Some(id.as_str()));
        let living = others.filter(|(_, watched)| watched.dead_since.is_none());
        living.map(|(_, watched)| watched.changed_at + self.lease).min()
    }

    /// How many live, this process included.
    pub(super) fn living(&self, me: Option<&str>) -> usize {
        let me_too = usize::from(me.is_some_and(|me| !self.lives(me)));
        let living = self.sessions.values().filter(|watched| watched.dead_since.is_none());
        living.count() + me_too
    }

    /// Which part of the leases is this process's among those that live, by what each told last. A part of them is counted as held by all
    /// alike: whoever holds none yet looks for secrets as well.
    pub(super) fn part(&self, me: Option<&str>) -> f64 {
        let mine = me.and_then(|me| self.sessions.get(me));
        let mine = mine.map_or(0.0, |watched| watched.leases as f64);
        let others = self.sessions.iter().filter(|(id, _)| me != Some(id.as_str()));
        let living = others.filter(|(_, watched)| watched.dead_since.is_none());
        let (mut replicas, mut all) = (1.0, mine);
        for (_, watched) in living {
            replicas += 1.0;
            all += watched.leases as f64;
        }
        let alike = 1.0 + all * ALIKE / replicas;
        (mine + alike) / (all + replicas * alike)
    }

    /// Dead sessions whose items nobody needs any more, if they hold nothing, with their beats.
    pub(super) fn remains(&self, now: Duration) -> Vec<(String, u64)> {
        let long_dead = |watched: &&Watched| {
            let since = watched.dead_since.map(|since| since.max(watched.changed_at));
            since.is_some_and(|since| now.saturating_sub(since) >= self.lease * KEPT_DEAD)
        };
        let sessions = self.sessions.iter().filter(|(_, watched)| long_dead(watched));
        sessions.map(|(id, watched)| (id.clone(), watched.beat)).collect()
    }

    /// Every session, for people to see.
    pub(super) fn replicas(&self, me: Option<&str>, now: Duration) -> Vec<Replica> {
        let replica = |(id, watched): (&String, &Watched)| Replica {
            id: id.clone(),
            host: watched.host.clone(),
            pid: watched.pid,
            release: watched.release.clone(),
            fingerprint: watched.fingerprint.clone(),
            alive: watched.dead_since.is_none(),
            for_time: now.saturating_sub(watched.dead_since.unwrap_or(watched.first_seen)),
            is_self: me == Some(id.as_str()),
            leases: watched.leases,
        };
        self.sessions.iter().map(replica).collect()
    }
}

impl Watched {
    fn first(look: Look) -> Self {
        Self {
            beat: 0,
            changed_at: look.answered_at,
            first_seen: look.answered_at,
            moved: false,
            dead_since: None,
            told: 0,
            host: String::new(),
            pid: 0,
            release: String::new(),
            fingerprint: None,
            leases: 0,
        }
    }

    fn see(&mut self, item: &Item, look: Look, lease: Duration, known: bool, heard: &mut Heard) {
        let beat = item.number(layout::BEAT).unwrap_or_default();
        if beat != self.beat {
            self.beat = beat;
            // The beat changed before it was answered, so its process's time is over no later than what follows from this.
            self.changed_at = look.answered_at;
            self.moved |= known;
        } else if self.dead_since.is_none() && look.asked_at.saturating_sub(self.changed_at) >= lease {
            self.dead_since = Some(look.answered_at);
            heard.died += 1;
            // What it wrote of others' secrets last, such as a command, it may not have told.
            heard.untold = true;
        }
        let text = |name| item.text(name).map(str::to_owned);
        self.host = text(layout::HOST).unwrap_or_default();
        self.pid = item.number(layout::PID).unwrap_or_default();
        self.release = text(layout::RELEASE).unwrap_or_default();
        self.fingerprint = text(layout::FINGERPRINT);
        self.leases = item.number(layout::LEASES).unwrap_or_default();
    }

    fn hear(&mut self, id: &str, changes: &[(u64, String)], first: bool, heard: &mut Heard) {
        let told = self.told;
        let new = changes.iter().filter(|(number, _)| *number > told);
        let Some((last, _)) = changes.last().filter(|(last, _)| *last > told) else {
            return;
        };
        self.told = *last;
        if !first {
            heard.missed |= changes.first().is_some_and(|(number, _)| *number > told + 1);
            heard.mentioned.extend(new.map(|(_, arn)| (arn.clone(), id.to_owned())));
        }
    }
}

/// The writes that a session tells of. What cannot be read was written by another release: then there are none.
fn changes(item: &Item) -> Vec<(u64, String)> {
    let json = item.text(layout::CHANGES).unwrap_or("[]");
    serde_json::from_str(json).unwrap_or_default()
}
