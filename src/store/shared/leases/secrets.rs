//! What this process knows of each secret's lease, and what it does about it. No I/O: reads come in, writes to make come out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::fleet::Fleet;
use super::stored::{Lease, Stored};
use crate::store::ownership::News;
use crate::store::table::Item;

/// How often a process asks for a secret that falls to it while another keeps it, in lease times.
const ASKED_AGAIN: u32 = 10;
/// After how long a secret that has no item is looked for again, first and at most.
const ABSENT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Why a secret's item is read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Why {
    /// Nobody knows what it is now.
    Unsure,
    /// Another replica said its name.
    Mentioned,
    /// What it is must be told, whether or not that is known: the lease was taken, or somebody begins to want it.
    Wanted,
}

/// What is written of a lease.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    /// It becomes this session's. Whether it is taken from one that is dead or gone.
    Take {
        /// Whether it is.
        from_the_dead: bool,
    },
    /// Another session gets it.
    Give {
        /// Which.
        to: String,
    },
    /// Nobody has it.
    Release,
}

/// What decides about a secret beside what is known of it.
pub(super) struct Here<'a> {
    pub(super) me: &'a str,
    pub(super) now: Duration,
    pub(super) lease: Duration,
    pub(super) fleet: &'a Fleet,
    /// Which look at the fleet this is.
    pub(super) look: u64,
}

/// What is known of a secret.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) wanted: bool,
    renounced: bool,
    pub(super) drives: usize,
    /// Whether something is to be done as soon as none is under way.
    pub(super) waits_for_drive: bool,
    known: Option<Known>,
    /// The fence under which this session has the lease for certain.
    pub(super) held: Option<u64>,
    /// Whether what it was when the lease was taken has been told.
    pub(super) told: bool,
    /// The fence on which a write depends that would give the lease away, and of which nobody knows whether it will arrive.
    in_doubt: Option<u64>,
    /// Since when nobody holds what falls to another.
    free_since: Option<Duration>,
    /// Since when it is held here although it is not wanted.
    idle_since: Option<Duration>,
    /// Since when another holds what falls to this process, and was not asked for it.
    elsewhere_since: Option<Duration>,
    asked: bool,
    /// The session that did not take it when it could have: it may not know the secret.
    passed_over: Option<String>,
    falls_to: Option<(u64, String)>,
    /// When an item that was not there is looked for again, and after how long once more.
    absent: Option<(Duration, Duration)>,
}

struct Known {
    lease: Lease,
    /// The look at the fleet before which it was read.
    look: u64,
}

impl Entry {
    /// The fence that is known.
    pub(super) fn fence(&self) -> Option<u64> {
        self.known.as_ref().and_then(|known| known.lease.fence)
    }

    pub(super) fn holder(&self) -> Option<&str> {
        self.known.as_ref().and_then(|known| known.lease.holder.as_deref())
    }

    pub(super) fn sight(&self) -> Option<&str> {
        self.known.as_ref().and_then(|known| known.lease.sight.as_deref())
    }

    /// What is shown of it now; `None` if that is not known.
    pub(super) fn shows(&mut self, sight: Option<&str>) {
        if let Some(known) = &mut self.known {
            known.lease.sight = sight.map(str::to_owned);
        }
    }

    /// Its lease has been given to another, or to nobody, by this fence.
    pub(super) fn gave(&mut self, to: Option<&str>, fence: u64) {
        if let Some(known) = &mut self.known {
            known.lease.fence = Some(fence);
            known.lease.holder = to.map(str::to_owned);
        }
        self.in_doubt = None;
    }

    /// Nobody knows whether it was given away on this fence.
    pub(super) fn may_have_given(&mut self, fence: Option<u64>) {
        self.in_doubt = fence;
    }

    pub(super) fn wants(&mut self) {
        self.wanted = true;
        self.renounced = false;
        self.told = false;
    }

    pub(super) fn renounces(&mut self) {
        self.renounced = self.wanted;
        self.wanted = false;
    }

    /// Another session asked for it: it knows it now.
    fn asked_by(&mut self, session: &str) {
        if self.passed_over.as_deref() == Some(session) {
            self.passed_over = None;
        }
    }

    /// What is to be done about its lease.
    pub(super) fn decide(&mut self, secret_arn: &str, here: &Here<'_>) -> Option<Deed> {
        let known = self.known.as_ref()?;
        let holder = known.lease.holder.clone();
        // Its holder may have begun its session after the look at the fleet.
        let known_before = known.look < here.look;
        let best = self.falls_to(secret_arn, here.fleet)?;
        match holder {
            Some(holder) if holder == here.me => {
                let deed = self.keep(here, best);
                self.waits_for_drive = deed.is_some() && self.drives > 0;
                deed.filter(|_| self.drives == 0)
            }
            Some(holder) if here.fleet.lives(&holder) || !(known_before || here.fleet.is_there(&holder)) => {
                self.free_since = None;
                let mine = self.wanted && best == here.me;
                self.elsewhere_since = mine.then(|| self.elsewhere_since.unwrap_or(here.now));
                None
            }
            holder => self.fill(here, best, holder.is_some()),
        }
    }

    /// What to do with a lease of one's own.
    fn keep(&mut self, here: &Here<'_>, best: String) -> Option<Deed> {
        (self.free_since, self.elsewhere_since, self.asked) = (None, None, false);
        if !self.wanted {
            let since = *self.idle_since.get_or_insert(here.now);
            let long = self.renounced || here.now.saturating_sub(since) >= here.lease / 2;
            return long.then_some(Deed::Release);
        }
        self.idle_since = None;
        if best != here.me && here.fleet.thrives(&best) && self.passed_over.as_deref() != Some(best.as_str()) {
            return Some(Deed::Give { to: best });
        }
        // A write that gives it away may still arrive. After another change of the fence it cannot.
        self.held.is_none().then_some(Deed::Take { from_the_dead: false })
    }

    /// What to do with a lease that nobody has.
    fn fill(&mut self, here: &Here<'_>, best: String, from_the_dead: bool) -> Option<Deed> {
        (self.idle_since, self.elsewhere_since, self.asked) = (None, None, false);
        if !self.wanted {
            self.free_since = None;
            return None;
        }
        // Who has come since cannot have seen that its holder is dead, and gets it from whoever has.
        if best != here.me && !(from_the_dead && here.fleet.is_young(&best, here.now)) {
            let since = *self.free_since.get_or_insert(here.now);
            if here.now.saturating_sub(since) < here.lease / 2 {
                return None;
            }
            self.passed_over = Some(best);
        }
        Some(Deed::Take { from_the_dead })
    }

    /// Whether the replica that keeps it is to be told that this one would have it. Seldom: it has its owner look at it.
    fn is_missed(&mut self, here: &Here<'_>) -> bool {
        let patience = here.lease * if self.asked { ASKED_AGAIN } else { 1 };
        let long = |since| here.now.saturating_sub(since) >= patience;
        let missed = self.elsewhere_since.is_some_and(long);
        if missed {
            self.asked = true;
            self.elsewhere_since = Some(here.now);
        }
        missed
    }

    fn falls_to(&mut self, secret_arn: &str, fleet: &Fleet) -> Option<String> {
        if self
            .falls_to
            .as_ref()
            .is_none_or(|(version, _)| *version != fleet.version)
        {
            let to = fleet.falls_to(secret_arn)?.to_owned();
            self.falls_to = Some((fleet.version, to));
        }
        self.falls_to.as_ref().map(|(_, to)| to.clone())
    }

    fn forget(&mut self) {
        *self = Self {
            wanted: self.wanted,
            renounced: self.renounced,
            drives: self.drives,
            ..Self::default()
        };
    }
}

/// All secrets of the table, by ARN.
#[derive(Default)]
pub(super) struct Secrets {
    pub(super) entries: BTreeMap<String, Entry>,
    /// What is to be told.
    pub(super) news: BTreeMap<String, News>,
    /// Whose items are to be read.
    pub(super) unread: BTreeMap<String, Why>,
    /// Whether all are.
    pub(super) all_unread: bool,
}

impl Secrets {
    pub(super) fn entry(&mut self, secret_arn: &str) -> &mut Entry {
        self.entries.entry(secret_arn.to_owned()).or_default()
    }

    /// Has an item read.
    pub(super) fn look_up(&mut self, secret_arn: &str, why: Why) {
        let noted = self.unread.entry(secret_arn.to_owned()).or_insert(why);
        *noted = why.max(*noted);
    }

    /// Another session said the name of a secret.
    pub(super) fn mentioned(&mut self, secret_arn: &str, by: &str) {
        self.look_up(secret_arn, Why::Mentioned);
        if let Some(entry) = self.entries.get_mut(secret_arn) {
            entry.asked_by(by);
        }
    }

    /// What is to be read now, one by one, and no more than `most`: it counts as read, unless that fails.
    pub(super) fn due_reads(&mut self, now: Duration, most: usize) -> Vec<(String, Why)> {
        let absent = self.entries.iter().filter(|(_, entry)| entry.wanted);
        let absent = absent.filter(|(_, entry)| entry.absent.is_some_and(|(again, _)| again <= now));
        let absent: Vec<String> = absent.map(|(arn, _)| arn.clone()).collect();
        absent.iter().for_each(|arn| self.look_up(arn, Why::Unsure));
        std::iter::from_fn(|| self.unread.pop_first()).take(most).collect()
    }

    /// Takes an item as it was read after this look at the fleet. Returns whether it tells that a lease was given away by a
    /// write of which that was not known: nobody else was told of it yet.
    pub(super) fn learn(&mut self, stored: Stored, why: Why, me: Option<&str>, look: u64) -> bool {
        let Stored { record, lease, .. } = stored;
        let secret_arn = record.secret_arn.clone();
        let entry = self.entries.entry(secret_arn.clone()).or_default();
        entry.absent = None;
        let before = entry.known.as_ref().map(|known| &known.lease);
        if before.is_some_and(|before| lease.is_before(before)) {
            return false;
        }
        let changed = before != Some(&lease);
        let mine = me.is_some() && lease.holder.as_deref() == me && entry.in_doubt != Some(lease.fence.unwrap_or(0));
        let given = entry.in_doubt.is_some_and(|fence| lease.fence > Some(fence));
        if given {
            entry.in_doubt = None;
        }
        let held = lease.fence.filter(|_| mine);
        let taken = held.is_some() && held != entry.held;
        if held != entry.held {
            entry.held = held;
            entry.told = false;
        }
        let sight = lease.sight.clone();
        entry.known = Some(Known { lease, look });
        if changed || taken || why != Why::Unsure {
            let nudged = why == Why::Mentioned && !changed && !taken;
            let nudged = nudged || self.news.get(&secret_arn).is_some_and(|news| news.nudged);
            self.news.insert(secret_arn, News { record, sight, nudged });
        }
        given
    }

    /// There is no item that could be read.
    pub(super) fn is_absent(&mut self, secret_arn: &str, now: Duration) {
        if let Some(entry) = self.entries.get_mut(secret_arn) {
            let pause = entry
                .absent
                .map_or(ABSENT.0, |(_, pause)| pause.saturating_mul(2).min(ABSENT.1));
            entry.forget();
            entry.absent = Some((now + pause, pause));
        }
    }

    /// Everything was read, and these items are all there are.
    pub(super) fn all_there_are(&mut self, items: &[Item], now: Duration) {
        let there: BTreeSet<&str> = items.iter().map(|item| item.key.sort.as_str()).collect();
        let known = self.entries.iter().filter(|(_, entry)| entry.known.is_some());
        let gone = known.filter(|(arn, _)| !there.contains(arn.as_str()));
        let gone: Vec<String> = gone.map(|(arn, _)| arn.clone()).collect();
        gone.iter().for_each(|arn| self.is_absent(arn, now));
    }

    /// What is to be told. Of these, what this session holds is this process's from now on.
    pub(super) fn tell(&mut self) -> Vec<News> {
        let news = std::mem::take(&mut self.news);
        for secret_arn in news.keys() {
            if let Some(entry) = self.entries.get_mut(secret_arn) {
                entry.told = entry.held.is_some();
            }
        }
        news.into_values().collect()
    }

    /// What is to be written, and the secrets that others are to be asked for.
    pub(super) fn decide(&mut self, here: &Here<'_>) -> (Vec<(String, Deed)>, Vec<String>) {
        let mut deeds = Vec::new();
        let mut missed = Vec::new();
        for (arn, entry) in &mut self.entries {
            if let Some(deed) = entry.decide(arn, here) {
                deeds.push((arn.clone(), deed));
            }
            if entry.is_missed(here) {
                missed.push(arn.clone());
            }
        }
        (deeds, missed)
    }

    /// How many leases this session has of what it wants.
    pub(super) fn held(&self) -> usize {
        let held = self
            .entries
            .values()
            .filter(|entry| entry.held.is_some() && entry.wanted);
        held.count()
    }

    /// Everything but what is wanted and worked on is forgotten, and read anew. Returns how many leases that ends.
    pub(super) fn forget(&mut self) -> usize {
        let held = self.held();
        self.entries.values_mut().for_each(Entry::forget);
        self.all_unread = true;
        held
    }
}
