//! What the state file keeps, and how a state comes back from it.
//!
//! The model's own structs are written, so that whoever adds a field to one has it kept: a field that older files do
//! not have is an `Option` or has `#[serde(default)]`. A release that adds one raises [`VERSION`], because the release
//! before would leave it out when it writes. What is on its way, or depends on where nodes are, is `#[serde(skip)]`; keys
//! of maps are strings, and times such as JSON can hold. Settings, faults, the log and the counters are not kept.
//!
//! [`Sensitive`](crate::Sensitive) writes itself out in full wherever it is serialised: in replies and here. Nothing
//! else may serialise these structs, and the text that comes of it goes to a file that its owner alone can read.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};

use super::State;
use super::account::{Account, Event};
use super::cache::model::{Owner, Stage};
use super::cache::replication::bring_up;
use super::cache::serverless::open_endpoint;
use super::operation::Env;
use crate::settings::Caches;

/// The form of the file. A file of a higher one is refused.
pub(crate) const VERSION: u32 = 1;

/// Sets the random numbers of one start apart from those of the next (2^64 divided by the golden ratio).
const STRIDE: u64 = 0x9E37_79B9_7F4A_7C15;

/// What is written.
#[derive(Serialize)]
struct Writing<'a> {
    rekeyd_sandbox_state: u32,
    saved: DateTime<Utc>,
    starts: u64,
    accounts: Vec<&'a Account>,
}

/// What is read first: whether the rest can be.
#[derive(Deserialize)]
pub(crate) struct Head {
    pub(crate) rekeyd_sandbox_state: u32,
}

/// What has been read.
#[derive(Debug, Deserialize)]
pub(crate) struct Kept {
    starts: u64,
    accounts: Vec<Account>,
}

impl Kept {
    /// What in it contradicts itself, if anything does: no sandbox has written that. Names are told, values never.
    pub(crate) fn contradiction(&self) -> Option<String> {
        self.accounts.iter().find_map(|account| {
            let place = format!("{} in {}", account.id, account.region);
            let found = secrets_contradict(account).or_else(|| caches_contradict(account));
            found.map(|what| format!("account {place}: {what}"))
        })
    }
}

fn secrets_contradict(account: &Account) -> Option<String> {
    account.secrets.iter().find_map(|(key, secret)| {
        if *key != secret.name {
            return Some(format!("secret {} stands under {key}", secret.name));
        }
        let labels = secret.versions.values().flat_map(|version| &version.labels);
        let mut seen = BTreeSet::new();
        let mut twice = labels.filter(|label| !seen.insert(*label));
        twice
            .next()
            .map(|label| format!("two versions of secret {key} have the label {label}"))
    })
}

fn caches_contradict(account: &Account) -> Option<String> {
    let cache = &account.cache;
    let members = cache
        .groups
        .values()
        .flat_map(|group| group.user_ids.iter().map(|user| (&group.id, user)));
    let mut no_user = members.filter(|(_, user)| !cache.users.contains_key(*user));
    if let Some((group, user)) = no_user.next() {
        return Some(format!("user group {group} names user {user}, who is not there"));
    }
    let of_groups = cache
        .caches
        .values()
        .flat_map(|c| c.user_group_ids.iter().map(|group| (&c.id, group)));
    let of_serverless = cache
        .serverless
        .values()
        .filter_map(|c| Some((&c.name, c.user_group_id.as_ref()?)));
    let mut no_group = of_groups
        .chain(of_serverless)
        .filter(|(_, group)| !cache.groups.contains_key(*group));
    no_group
        .next()
        .map(|(name, group)| format!("cache {name} names user group {group}, which is not there"))
}

impl State {
    /// Changes with everything that is kept, and now and then without need.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Says that something may have changed.
    pub(crate) fn revise(&mut self) {
        self.revision += 1;
    }

    /// All that is kept, with its [`revision`](Self::revision).
    pub(crate) fn to_keep(&self, now: DateTime<Utc>) -> serde_json::Result<(u64, Vec<u8>)> {
        let writing = Writing {
            rekeyd_sandbox_state: VERSION,
            saved: now,
            starts: self.starts,
            accounts: self.accounts.values().collect(),
        };
        Ok((self.revision, serde_json::to_vec(&writing)?))
    }

    /// Takes over what was kept. What was in flight has arrived, and the nodes of caches start anew. Random names go
    /// on: with the numbers of the last start they would be the ones that exist.
    pub(crate) fn restore(&mut self, now: DateTime<Utc>, kept: Kept) {
        self.starts = kept.starts.wrapping_add(1);
        self.rng = StdRng::seed_from_u64(self.seed.wrapping_add(self.starts.wrapping_mul(STRIDE)));
        let live = self.live && self.settings.caches == Caches::Redis;
        for mut account in kept.accounts {
            account.live = live;
            let place = (account.id.clone(), account.region.clone());
            self.accounts.insert(place.clone(), account);
            self.env(now, &place.0, &place.1).resume();
        }
        self.revision += 1;
    }
}

impl Env<'_> {
    fn resume(&mut self) {
        self.settle_users();
        self.plan_expiries();
        let groups: Vec<_> = self.account.cache.caches.keys().cloned().collect();
        for id in groups {
            self.relist(&Owner::ReplicationGroup(id.clone()));
            if let Some(group) = self.account.cache.caches.get_mut(&id) {
                group.status = "creating";
                group.resumed = true;
                let group = group.clone();
                bring_up(self, &group);
            }
        }
        let serverless: Vec<_> = self.account.cache.serverless.keys().cloned().collect();
        for name in serverless {
            let owner = Owner::Serverless(name.clone());
            self.relist(&owner);
            let host = self.host(&format!("{name}.serverless"));
            if let Some(cache) = self.account.cache.serverless.get_mut(&name) {
                cache.status = "CREATING";
                cache.host = host;
            }
            let nodes = self.account.cache.nodes_in(&owner);
            for node in &nodes {
                self.begin_node(node);
            }
            open_endpoint(self, &owner, &nodes);
        }
    }

    /// Changes of users are over: those that were being deleted are gone.
    fn settle_users(&mut self) {
        let users = &mut self.account.cache.users;
        users.retain(|_, user| !user.change.as_ref().is_some_and(|change| change.deleting));
        for user in users.values_mut() {
            user.change = None;
        }
    }

    /// What is marked for deletion goes at its time, at once if that has passed.
    fn plan_expiries(&mut self) {
        let marked = self.account.secrets.values();
        let marked = marked.filter_map(|secret| Some((secret.deleted?, secret.name.clone(), secret.arn.clone())));
        for (at, name, arn) in marked.collect::<Vec<_>>() {
            self.account.plan(at, Event::SecretExpires { name, arn });
        }
    }

    /// Lists a cache's nodes as they were listed when it was made, each in the role that it had last.
    fn relist(&mut self, owner: &Owner) {
        for id in self.account.cache.nodes_in(owner) {
            if !self.account.cache.nodes.contains_key(&id) {
                self.list_node(&id, owner, 0);
            }
            let (host, live) = (self.host(&id), self.account.live);
            if let Some(node) = self.account.cache.nodes.get_mut(&id) {
                node.host = host;
                node.stage = Stage::Starting;
                node.running = true;
                node.resumed = true;
                "creating".clone_into(&mut node.status);
                if live {
                    // A process that has no predecessor at this start.
                    node.replaced = 0;
                }
            }
        }
    }
}
