//! ElastiCache's things: users, groups, replication groups and their nodes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub(crate) use super::acl_rule::AclRule;
use super::auth_token::AuthTokens;
use super::events::Events;
use super::looks::Looks;
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

impl Tag {
    /// Tags as keys and values; none is an empty one.
    pub(crate) fn pairs<'a>(tags: impl IntoIterator<Item = &'a Self>) -> Vec<(&'a str, &'a str)> {
        let value = |tag: &'a Self| tag.value.as_deref().unwrap_or_default();
        tags.into_iter().map(|tag| (tag.key.as_str(), value(tag))).collect()
    }
}

/// How a user proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum AuthType {
    /// With one of up to two passwords.
    Password,
    /// Not at all.
    NoPassword,
    /// With an IAM token.
    Iam,
}

/// A user. Its passwords never leave this crate except to the nodes and into the state file.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    #[serde(skip)]
    pub(crate) stale: Option<Stale>,
}

/// A change on its way to the nodes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) deleting: bool,
    #[serde(skip)]
    pub(crate) started: DateTime<Utc>,
    /// Not over before this.
    #[serde(skip)]
    pub(crate) not_before: DateTime<Utc>,
    /// Nodes that have yet to confirm it.
    #[serde(skip)]
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

/// A set of users that caches can be given.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserGroup {
    pub(crate) id: String,
    pub(crate) engine: String,
    pub(crate) arn: String,
    pub(crate) user_ids: Vec<String>,
    pub(crate) tags: Vec<Tag>,
    #[serde(skip)]
    pub(crate) creating_until: DateTime<Utc>,
    /// Users whose membership is still on its way to the nodes.
    #[serde(skip)]
    pub(crate) waiting: BTreeSet<String>,
    #[serde(skip)]
    pub(crate) pending_add: Vec<String>,
    #[serde(skip)]
    pub(crate) pending_remove: Vec<String>,
    #[serde(skip)]
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

/// What a node belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Owner {
    /// A replication group, by id.
    ReplicationGroup(String),
    /// A serverless cache, by name: the node is hidden behind its endpoint.
    Serverless(String),
}

/// A cache: a primary and its replicas in each shard.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReplicationGroup {
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) engine: String,
    pub(crate) arn: String,
    pub(crate) tls: bool,
    /// Whether cluster mode is on.
    pub(crate) cluster: bool,
    /// Whether its shards have been put together; who comes later joins them.
    #[serde(skip)]
    pub(crate) formed: bool,
    /// Whether it comes up again after a restart of the sandbox, of which no event tells.
    #[serde(skip)]
    pub(crate) resumed: bool,
    #[serde(skip)]
    pub(crate) status: &'static str,
    /// Arrangements of its nodes that are under way.
    #[serde(skip)]
    pub(crate) work: usize,
    pub(crate) user_group_ids: Vec<String>,
    pub(crate) auth: AuthTokens,
    pub(crate) shards: Vec<Shard>,
    pub(crate) created: DateTime<Utc>,
    pub(crate) looks: Looks,
    pub(crate) tags: Vec<Tag>,
    pub(crate) global: Option<String>,
}

/// One shard.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Shard {
    pub(crate) id: String,
    /// The first and the last hash slot, in cluster mode.
    pub(crate) slots: Option<(u16, u16)>,
    /// Its nodes by id; which of them is the primary, the nodes say.
    pub(crate) nodes: Vec<String>,
}

impl ReplicationGroup {
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &String> {
        self.shards.iter().flat_map(|shard| &shard.nodes)
    }

    pub(crate) fn shard_of(&self, node: &str) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.nodes.iter().any(|id| id == node))
    }
}

/// How far a node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stage {
    /// It is listed, and has no address.
    #[default]
    Starting,
    /// It has come up. It may have been stopped since.
    Up,
    /// Its process could not be started.
    Failed,
}

/// A node and what it believes about users. Kept is only its place: it is started anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) owner: Owner,
    /// Its place in its shard: 0 is the primary's. A failover swaps places.
    pub(crate) index: usize,
    #[serde(skip)]
    pub(crate) host: String,
    /// 0 until it has come up.
    #[serde(skip)]
    pub(crate) port: u16,
    /// How often another process has taken its place.
    pub(crate) replaced: u16,
    /// The status that ElastiCache reports, which need not be the truth.
    #[serde(skip)]
    pub(crate) status: String,
    #[serde(skip)]
    pub(crate) running: bool,
    /// As for a group.
    #[serde(skip)]
    pub(crate) resumed: bool,
    #[serde(skip)]
    pub(crate) stage: Stage,
    #[serde(skip)]
    pub(crate) delay: Option<Delay>,
    /// Users by name.
    #[serde(skip)]
    pub(crate) view: BTreeMap<String, AclRule>,
    /// News on the way, by user name; newer news replace older.
    #[serde(skip)]
    pub(crate) pending: BTreeMap<String, Pending>,
}

impl Node {
    pub(crate) fn role(&self) -> &'static str {
        if self.index == 0 { "primary" } else { "replica" }
    }

    /// Whether a login can reach it.
    pub(crate) fn answers(&self) -> bool {
        self.running && self.stage == Stage::Up
    }
}

/// A change to one user that a node has yet to hear of.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    /// What is confirmed when the node has heard of it.
    pub(crate) confirm: Confirm,
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

/// A serverless cache: an endpoint, and nodes behind it that nobody sees.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ServerlessCache {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) engine: String,
    pub(crate) major_version: String,
    pub(crate) arn: String,
    #[serde(skip)]
    pub(crate) status: &'static str,
    pub(crate) user_group_id: Option<String>,
    #[serde(skip)]
    pub(crate) host: String,
    /// 0 until the endpoint is open.
    #[serde(skip)]
    pub(crate) port: u16,
    #[serde(skip)]
    pub(crate) reader_port: u16,
    pub(crate) nodes: Vec<String>,
    /// Connections that the model has led to a node.
    #[serde(skip)]
    pub(crate) led: usize,
    pub(crate) created: DateTime<Utc>,
    pub(crate) tags: Vec<Tag>,
}

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct CacheState {
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) groups: BTreeMap<String, UserGroup>,
    pub(crate) caches: BTreeMap<String, ReplicationGroup>,
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) globals: BTreeMap<String, Vec<GlobalMember>>,
    pub(crate) serverless: BTreeMap<String, ServerlessCache>,
    pub(crate) events: Events,
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

    /// All nodes that a group's users are known to.
    pub(crate) fn nodes_of_group<'a>(&'a self, group_id: &'a str) -> impl Iterator<Item = &'a String> + 'a {
        let hidden = self
            .serverless
            .values()
            .filter(move |cache| cache.user_group_id.as_deref() == Some(group_id))
            .flat_map(|cache| &cache.nodes);
        self.caches_of(group_id).flat_map(ReplicationGroup::nodes).chain(hidden)
    }

    /// The nodes that know the user.
    pub(crate) fn nodes_of(&self, user_id: &str) -> BTreeSet<String> {
        self.groups_of(user_id)
            .flat_map(|group| self.nodes_of_group(&group.id))
            .cloned()
            .collect()
    }

    /// The nodes of a cache.
    pub(crate) fn nodes_in(&self, owner: &Owner) -> Vec<String> {
        match owner {
            Owner::ReplicationGroup(id) => self.caches.get(id).map(|c| c.nodes().cloned().collect()),
            Owner::Serverless(name) => self.serverless.get(name).map(|c| c.nodes.clone()),
        }
        .unwrap_or_default()
    }

    /// The user groups that a cache is given.
    pub(crate) fn groups_given(&self, owner: &Owner) -> &[String] {
        match owner {
            Owner::ReplicationGroup(id) => self.caches.get(id).map(|c| c.user_group_ids.as_slice()),
            Owner::Serverless(name) => self.serverless.get(name).map(|c| c.user_group_id.as_slice()),
        }
        .unwrap_or_default()
    }

    /// Whether a cache's user groups hold the user.
    pub(crate) fn cache_knows(&self, owner: &Owner, user_id: &str) -> bool {
        self.groups_given(owner)
            .iter()
            .filter_map(|id| self.groups.get(id))
            .any(|group| group.user_ids.iter().any(|id| id == user_id))
    }

    /// Who may log in to a cache: the users of its groups; without any, who has an AUTH token, or anybody.
    pub(crate) fn view_of(&self, owner: &Owner) -> BTreeMap<String, AclRule> {
        let groups = self.groups_given(owner);
        if groups.is_empty() {
            let tokens = match owner {
                Owner::ReplicationGroup(id) => self.caches.get(id).map(|cache| cache.auth.rule()),
                Owner::Serverless(_) => None,
            };
            let rule = tokens.unwrap_or_else(AclRule::open_default);
            return BTreeMap::from([(rule.user_name.clone(), rule)]);
        }
        groups
            .iter()
            .filter_map(|id| self.groups.get(id))
            .flat_map(|group| &group.user_ids)
            .filter_map(|id| self.users.get(id))
            .map(|user| (user.name.clone(), user.rule()))
            .collect()
    }
}
