//! One pass over all secrets: what is counted of them, and those that are shown.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};

use crate::clock::Timestamp;
use crate::rotation::status::{Phase, SecretStatus};

use super::request::{ROWS, Wanted};

/// How many of those that need a person are named at the top.
const NAMED: usize = 5;

/// What is counted of secrets.
#[derive(Clone, Default, Debug)]
pub(super) struct Counts {
    pub(super) all: usize,
    phases: BTreeMap<Phase, usize>,
    pub(super) needs_a_person: usize,
    pub(super) drifted: usize,
    pub(super) overdue: usize,
    pub(super) retirement_overdue: usize,
    pub(super) unproven: usize,
    /// The oldest password's rotation.
    pub(super) oldest: Option<Timestamp>,
    /// The next rotation that is still to come.
    pub(super) next: Option<Timestamp>,
}

impl Counts {
    fn add(&mut self, secret: &SecretStatus, now: Timestamp) {
        self.all += 1;
        *self.phases.entry(secret.phase).or_default() += 1;
        self.needs_a_person += usize::from(secret.needs_a_person());
        self.drifted += usize::from(secret.drift.is_some());
        self.overdue += usize::from(secret.is_overdue(now));
        self.retirement_overdue += usize::from(secret.is_retirement_overdue(now));
        self.unproven += usize::from(secret.is_unproven());
        self.oldest = earlier(self.oldest, secret.last_rotation_at);
        self.next = earlier(self.next, secret.next_rotation_at.filter(|next| *next > now));
    }

    /// How many are in a phase.
    pub(super) fn of(&self, phase: Phase) -> usize {
        self.phases.get(&phase).copied().unwrap_or_default()
    }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// What a page knows of all secrets.
pub(super) struct Survey {
    pub(super) all: Counts,
    pub(super) policies: BTreeMap<String, Counts>,
    /// Some of those that need a person, the worst first.
    pub(super) worst: Vec<SecretStatus>,
    /// How many fit what is wanted.
    pub(super) fitting: usize,
    /// The page that is shown: the last one if there are fewer than was wanted.
    pub(super) page: usize,
    /// Of those the page that is wanted, in its order.
    pub(super) rows: Vec<SecretStatus>,
}

impl Survey {
    /// Takes each secret once, and keeps no more of them than the wanted page and those before it.
    pub(super) fn of(secrets: impl Iterator<Item = SecretStatus>, wanted: &Wanted, now: Timestamp) -> Self {
        let mut all = Counts::default();
        let mut policies: BTreeMap<String, Counts> = BTreeMap::new();
        let mut first = Least::new(wanted.page.saturating_mul(ROWS));
        let mut worst = Least::new(NAMED);
        let mut fitting = 0;
        let needle = wanted.search.to_lowercase();
        for secret in secrets {
            all.add(&secret, now);
            match policies.get_mut(&secret.policy) {
                Some(counts) => counts.add(&secret, now),
                None => policies.entry(secret.policy.clone()).or_default().add(&secret, now),
            }
            if secret.needs_a_person() {
                worst.offer_copy(i64::from(secret.phase.urgency()), &secret);
            }
            if wanted.fits(&secret, &needle, now) {
                fitting += 1;
                first.offer(wanted.order.rank(&secret, now), secret);
            }
        }
        let page = wanted.page.min(pages(fitting));
        let rows = first.in_order().skip((page - 1) * ROWS).take(ROWS).collect();
        Self {
            all,
            policies,
            worst: worst.in_order().collect(),
            fitting,
            page,
            rows,
        }
    }

    /// How many pages there are.
    pub(super) fn pages(&self) -> usize {
        pages(self.fitting)
    }
}

fn pages(secrets: usize) -> usize {
    secrets.div_ceil(ROWS).max(1)
}

/// The least of what is offered, and no more of it than is wanted.
struct Least {
    most: usize,
    /// The greatest of them is on top.
    kept: BinaryHeap<Ranked>,
}

impl Least {
    fn new(most: usize) -> Self {
        let kept = BinaryHeap::new();
        Self { most, kept }
    }

    fn offer(&mut self, rank: i64, secret: SecretStatus) {
        if !self.takes(rank, &secret) {
            return;
        }
        if self.kept.len() == self.most {
            self.kept.pop();
        }
        self.kept.push(Ranked {
            rank,
            secret: Box::new(secret),
        });
    }

    /// The same for one that is needed elsewhere, too.
    fn offer_copy(&mut self, rank: i64, secret: &SecretStatus) {
        if self.takes(rank, secret) {
            self.offer(rank, secret.clone());
        }
    }

    fn takes(&self, rank: i64, secret: &SecretStatus) -> bool {
        let greatest = self.kept.peek().filter(|_| self.kept.len() == self.most);
        self.most > 0 && greatest.is_none_or(|greatest| key(rank, secret) < greatest.key())
    }

    fn in_order(self) -> impl Iterator<Item = SecretStatus> {
        self.kept.into_sorted_vec().into_iter().map(|ranked| *ranked.secret)
    }
}

/// A secret with its place in the order.
struct Ranked {
    rank: i64,
    secret: Box<SecretStatus>,
}

type Key<'a> = (i64, &'a str, &'a str, Option<&'a str>);

fn key(rank: i64, secret: &SecretStatus) -> Key<'_> {
    (rank, &secret.secret, &secret.policy, secret.arn.as_deref())
}

impl Ranked {
    fn key(&self) -> Key<'_> {
        key(self.rank, &self.secret)
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}
