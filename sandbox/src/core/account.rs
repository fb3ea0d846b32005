//! One account in one region: its secrets, its caches and what is due to happen to them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::arrange::{Arrangement, CacheKey};
use super::cache::model::{AclRule, AuthType, CacheState, Owner, ReplicationGroup, User};
use super::cache::propagation::Confirm;
use super::operation::Env;
use super::quotas::Buckets;
use super::secrets::history::History;
use super::secrets::model::Secret;
use super::secrets::replicas::ReplicaNews;

/// Where a node is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// The node's id, such as `orders-001`.
    pub node: String,
}

/// What the processes behind the nodes have to be told.
#[derive(Debug, Clone)]
pub(crate) enum NodeUpdate {
    /// A node is to come up.
    Start {
        /// Which node.
        node: NodeKey,
        /// How.
        launch: Launch,
    },
    /// A node is to go for good.
    Remove {
        /// Which node.
        node: NodeKey,
    },
    /// A user is changed, or forgotten if there is no rule.
    SetUser {
        /// Which node.
        node: NodeKey,
        /// The user's name.
        user_name: String,
        /// What holds from now on.
        rule: Option<AclRule>,
        /// What to confirm when it holds.
        confirm: Confirm,
    },
    /// Nodes of a cache have something to do together.
    Arrange {
        /// Which cache.
        cache: CacheKey,
        /// What they have to do.
        step: Arrangement,
    },
    /// A serverless cache is to answer at one address for all its nodes.
    OpenEndpoint {
        /// Which cache.
        cache: CacheKey,
        /// Its nodes.
        nodes: Vec<NodeKey>,
    },
    /// A cache is gone: its endpoint closes, and nothing more is arranged.
    Disband {
        /// Which cache.
        cache: CacheKey,
    },
}

/// The partition that a region lies in.
pub(crate) fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// How the process behind a node is to be started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// `redis` or `valkey`.
    pub(crate) engine: String,
    /// Whether it speaks TLS.
    pub(crate) tls: bool,
    /// Whether it is a node of a Redis Cluster.
    pub(crate) cluster: bool,
    /// Whom it follows.
    pub(crate) primary: Option<NodeKey>,
}

/// Something that happens by itself.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Deliver {
        node: String,
        user_name: String,
        revision: u64,
    },
    UserSettles {
        user: String,
        revision: u64,
    },
    TokensSettle {
        group: String,
        revision: u64,
    },
    NodeBegins {
        node: String,
    },
    SecretExpires {
        name: String,
        arn: String,
    },
    PendingSwept {
        name: String,
        arn: String,
        version: String,
        /// Whether it ends a rotation that RotateSecret began, and so comes about whatever the settings say.
        own: bool,
    },
}

/// Account and region with all that is in them. What is skipped is on its way, or about calls: the state file leaves it out.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) region: String,
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// Secrets as they were, by name; nothing where there was none.
    #[serde(skip)]
    pub(crate) past_secrets: BTreeMap<String, History<Option<Secret>>>,
    /// What the secrets' replicas in other regions have to learn.
    #[serde(skip)]
    pub(crate) replication: Vec<ReplicaNews>,
    pub(crate) cache: CacheState,
    #[serde(skip)]
    pub(crate) buckets: Buckets,
    /// Messages for the processes.
    #[serde(skip)]
    pub(crate) outbox: Vec<NodeUpdate>,
    /// Whether there are processes, which confirm what they were told.
    #[serde(skip)]
    pub(crate) live: bool,
    #[serde(skip)]
    agenda: BTreeMap<(DateTime<Utc>, u64), Event>,
    #[serde(skip)]
    planned: u64,
    #[serde(skip)]
    changes: u64,
    /// Reads that left a mark.
    #[serde(skip)]
    marks: u64,
}

impl Account {
    pub(crate) fn new(id: &str, region: &str, live: bool) -> Self {
        let mut account = Self {
            id: id.to_owned(),
            region: region.to_owned(),
            secrets: BTreeMap::new(),
            past_secrets: BTreeMap::new(),
            replication: Vec::new(),
            cache: CacheState::default(),
            buckets: Buckets::default(),
            outbox: Vec::new(),
            live,
            agenda: BTreeMap::new(),
            planned: 0,
            changes: 0,
            marks: 0,
        };
        let user = account.default_user();
        account.cache.users.insert(user.id.clone(), user);
        account
    }

    /// The user that every account has from the start (ElastiCache RBAC guide).
    fn default_user(&self) -> User {
        let rule = AclRule::open_default();
        User {
            id: rule.user_name.clone(),
            name: rule.user_name,
            engine: "redis".to_owned(),
            arn: self.cache_arn("user", "default"),
            access_string: rule.access_string,
            auth: AuthType::NoPassword,
            passwords: Vec::new(),
            tags: Vec::new(),
            revision: 0,
            change: None,
            stale: None,
        }
    }

    pub(crate) fn cache_arn(&self, kind: &str, id: &str) -> String {
        self.arn("elasticache", kind, id)
    }

    pub(crate) fn arn(&self, service: &str, kind: &str, id: &str) -> String {
        format!(
            "arn:{}:{service}:{}:{}:{kind}:{id}",
            partition_of(&self.region),
            self.region,
            self.id
        )
    }

    pub(crate) fn node_key(&self, node: &str) -> NodeKey {
        NodeKey {
            account: self.id.clone(),
            region: self.region.clone(),
            node: node.to_owned(),
        }
    }

    pub(crate) fn cache_key(&self, owner: &Owner) -> CacheKey {
        CacheKey {
            account: self.id.clone(),
            region: self.region.clone(),
            owner: owner.clone(),
        }
    }

    /// The nodes of a cache but one.
    pub(crate) fn all_but(&self, group: &ReplicationGroup, node: &str) -> Vec<NodeKey> {
        let others = group.nodes().filter(|other| *other != node);
        others.map(|other| self.node_key(other)).collect()
    }

    /// Everything that has processes goes.
    pub(crate) fn end_all(&self) -> Vec<NodeUpdate> {
        let owners = self.cache.caches.keys().cloned().map(Owner::ReplicationGroup);
        let owners = owners.chain(self.cache.serverless.keys().cloned().map(Owner::Serverless));
        let caches = owners.map(|owner| NodeUpdate::Disband {
            cache: self.cache_key(&owner),
        });
        let nodes = self.cache.nodes.keys().map(|id| NodeUpdate::Remove {
            node: self.node_key(id),
        });
        caches.chain(nodes).collect()
    }

    /// Notes that something changed, for the log.
    pub(crate) fn touch(&mut self) {
        self.changes += 1;
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Notes that a read left something behind, such as the day on which a secret was read: no change as far as the
    /// log goes, but one that the state file has to hear of.
    pub(crate) fn mark(&mut self) {
        self.marks += 1;
    }

    pub(crate) fn marks(&self) -> u64 {
        self.marks
    }

    /// Plans an event. Events at the same moment happen in the order in which they were planned.
    pub(crate) fn plan(&mut self, at: DateTime<Utc>, event: Event) {
        self.planned += 1;
        self.agenda.insert((at, self.planned), event);
    }

    pub(crate) fn next_event(&self) -> Option<DateTime<Utc>> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// Takes the first event that is due, with the moment at which it was due.
    pub(crate) fn take_due(&mut self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, Event)> {
        let first = self.agenda.first_entry()?;
        let at = first.key().0;
        (at <= now).then(|| (at, first.remove()))
    }
}

impl Env<'_> {
    /// Lets an event happen.
    pub(crate) fn happen(&mut self, event: Event) {
        match event {
            Event::Deliver {
                node,
                user_name,
                revision,
            } => self.deliver(&node, &user_name, revision),
            Event::UserSettles { user, revision } => self.settle(&user, revision),
            Event::TokensSettle { group, revision } => self.settle_tokens(&group, revision),
            Event::SecretExpires { name, arn } => self.expire_secret(&name, &arn),
            Event::PendingSwept {
                name,
                arn,
                version,
                own,
            } => self.sweep_pending(&name, &arn, &version, own),
            Event::NodeBegins { node } => self.begin_node(&node),
        }
    }
}
