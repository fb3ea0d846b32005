//! ElastiCache's things: users, groups, replication groups and their nodes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::access_string;
use super::propagation::Confirm;
use crate::sensitive::Sensitive;
use crate::settings::Delay;

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// Its key.
    pub key: String,
    /// Its value.
    #[serde(default)]
    pub value: Option<String>,
}

/// How a user proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum AuthType {
    /// With one of up to two passwords.
    #[serde(rename = "password")]
    Password,
    /// Not at all. Output spelling of the botocore model (`no-password`); input says `no-password-required`.
    #[serde(rename = "no-password")]
    NoPassword,
    /// With an IAM token.
    #[serde(rename = "iam")]
    Iam,
}

/// A user. Its passwords never leave this crate except to the nodes.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) engine: String,
    pub(crate) arn: String,
    pub(crate) access_string: String,
    pub(crate) auth: AuthType,
    pub(crate) passwords: Vec<Sensitive>,
    pub(crate) tags: Vec<Tag>,
    /// Counts its changes, so that late news of an earlier one are told apart.
    pub(crate) revision: u64,
    pub(crate) change: Option<Change>,
    pub(crate) stale: Option<Stale>,
}

/// A change on its way to the nodes.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) deleting: bool,
    pub(crate) started: DateTime<Utc>,
    /// Not over before this.
    pub(crate) not_before: DateTime<Utc>,
    /// Nodes that have yet to confirm it.
    pub(crate) waiting: BTreeSet<String>,
}

/// What DescribeUsers goes on showing after a change.
#[derive(Debug, Clone)]
pub(crate) struct Stale {
    pub(crate) until: DateTime<Utc>,
    pub(crate) auth: AuthType,
    pub(crate) password_count: usize,
    pub(crate) access_string: String,
}

impl User {
    /// The status as it is, whatever describe calls show.
    pub(crate) fn status(&self) -> &'static str {
        match &self.change {
            None => "active",
            Some(change) if change.deleting => "deleting",
            Some(_) => "modifying",
        }
    }

    /// What a node is told about this user.
    pub(crate) fn rule(&self) -> AclRule {
        AclRule {
            user_name: self.name.clone(),
            access_string: self.access_string.clone(),
            nopass: self.auth == AuthType::NoPassword,
            passwords: self.passwords.clone(),
        }
    }
}

/// A user as a node knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AclRule {
    /// The name that AUTH takes.
    pub(crate) user_name: String,
    /// State, keys, channels and commands.
    pub(crate) access_string: String,
    /// Whether any password will do.
    pub(crate) nopass: bool,
    /// The passwords that will do.
    pub(crate) passwords: Vec<Sensitive>,
}

impl AclRule {
    /// The rule of a cache without RBAC, and of the user that every account starts with.
    pub(crate) fn open_default() -> Self {
        Self {
            user_name: "default".to_owned(),
            access_string: "on ~* +@all".to_owned(),
            nopass: true,
            passwords: Vec::new(),
        }
    }

    /// Whether the user may log in at all.
    pub(crate) fn is_on(&self) -> bool {
        access_string::is_on(&self.access_string)
    }

    /// Whether the user gets in with this password.
    pub(crate) fn accepts(&self, password: &str) -> bool {
        self.is_on() && (self.nopass || self.passwords.iter().any(|p| p.expose() == password))
    }
}

/// A set of users that caches can be given.
#[derive(Debug, Clone)]
pub(crate) struct UserGroup {
    pub(crate) id: String,
    pub(crate) engine: String,
    pub(crate) arn: String,
    pub(crate) user_ids: Vec<String>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) creating_until: DateTime<Utc>,
    /// Users whose membership is still on its way to the nodes.
    pub(crate) waiting: BTreeSet<String>,
    pub(crate) pending_add: Vec<String>,
    pub(crate) pending_remove: Vec<String>,
    pub(crate) deleting: bool,
}

impl UserGroup {
    pub(crate) fn status(&self, now: DateTime<Utc>) -> &'static str {
        if self.deleting {
            "deleting"
        } else if !self.waiting.is_empty() {
            "modifying"
        } else if now < self.creating_until {
            "creating"
        } else {
            "active"
        }
    }
}

/// A cache: a primary and its replicas in each shard. Only one shard runs for real now.
#[derive(Debug, Clone)]
pub(crate) struct ReplicationGroup {
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) engine: String,
    pub(crate) arn: String,
    pub(crate) tls: bool,
    pub(crate) status: &'static str,
    pub(crate) user_group_ids: Vec<String>,
    pub(crate) shards: Vec<Shard>,
    pub(crate) created: DateTime<Utc>,
    pub(crate) node_type: String,
    pub(crate) global: Option<String>,
}

/// One shard: the first node is its primary.
#[derive(Debug, Clone)]
pub(crate) struct Shard {
    pub(crate) id: String,
    pub(crate) nodes: Vec<String>,
}

impl ReplicationGroup {
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &String> {
        self.shards.iter().flat_map(|shard| &shard.nodes)
    }
}

/// A node and what it believes about users.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) replication_group: String,
    /// 0 is the primary.
    pub(crate) index: usize,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The status that ElastiCache reports, which need not be the truth.
    pub(crate) status: String,
    pub(crate) running: bool,
    /// Whether it has come up for the first time.
    pub(crate) started: bool,
    pub(crate) delay: Option<Delay>,
    /// Users by name.
    pub(crate) view: BTreeMap<String, AclRule>,
    /// News on the way, by user name; newer news replace older.
    pub(crate) pending: BTreeMap<String, Pending>,
}

impl Node {
    pub(crate) fn role(&self) -> &'static str {
        if self.index == 0 { "primary" } else { "replica" }
    }
}

/// A change to one user that a node has yet to hear of.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) user_id: String,
    pub(crate) revision: u64,
    /// Nothing when the user is to be forgotten.
    pub(crate) rule: Option<AclRule>,
    /// Whether it has a time of arrival. It has none while the node's delay is `never`.
    pub(crate) scheduled: bool,
    /// Users of the same name that gave way to this one: until the node hears of it, it knows them.
    pub(crate) instead_of: Vec<Confirm>,
}

/// A global datastore, which only seeding makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalMember {
    /// The member cache.
    pub replication_group: String,
    /// Its region.
    pub region: String,
    /// `PRIMARY` or `SECONDARY`.
    pub role: String,
}

/// A serverless cache, which only seeding makes for now.
#[derive(Debug, Clone)]
pub(crate) struct ServerlessCache {
    pub(crate) name: String,
    pub(crate) engine: String,
    pub(crate) arn: String,
    pub(crate) user_group_id: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) created: DateTime<Utc>,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct CacheState {
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) groups: BTreeMap<String, UserGroup>,
    pub(crate) caches: BTreeMap<String, ReplicationGroup>,
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) globals: BTreeMap<String, Vec<GlobalMember>>,
    pub(crate) serverless: BTreeMap<String, ServerlessCache>,
}

impl CacheState {
    /// The groups that a user is in.
    pub(crate) fn groups_of<'a>(&'a self, user_id: &'a str) -> impl Iterator<Item = &'a UserGroup> + 'a {
        self.groups
            .values()
            .filter(move |group| group.user_ids.iter().any(|id| id == user_id))
    }

    /// The caches that a group is given to.
    pub(crate) fn caches_of<'a>(&'a self, group_id: &'a str) -> impl Iterator<Item = &'a ReplicationGroup> + 'a {
        self.caches
            .values()
            .filter(move |cache| cache.user_group_ids.iter().any(|id| id == group_id))
    }

    /// The nodes that know the user.
    pub(crate) fn nodes_of(&self, user_id: &str) -> BTreeSet<String> {
        self.groups_of(user_id)
            .flat_map(|group| self.caches_of(&group.id))
            .flat_map(ReplicationGroup::nodes)
            .cloned()
            .collect()
    }

    /// Whether a cache's user groups hold the user.
    pub(crate) fn cache_knows(&self, cache: &ReplicationGroup, user_id: &str) -> bool {
        cache
            .user_group_ids
            .iter()
            .filter_map(|id| self.groups.get(id))
            .any(|group| group.user_ids.iter().any(|id| id == user_id))
    }
}
