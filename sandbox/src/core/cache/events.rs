//! What has happened to users, user groups and caches, as DescribeEvents tells it.
//!
//! Messages of replication groups and their nodes are those that AWS documents (samples of `aws elasticache
//! describe-events`; botocore's model, `TestFailover`) where it documents any. The others are made up.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use chrono::{DateTime, TimeDelta, Utc};

use crate::core::operation::Env;

/// How long events are kept (botocore model: up to 14 days' worth).
pub(crate) const KEPT: TimeDelta = TimeDelta::days(14);

/// How many are kept at most, whatever their age: a sandbox forgets rather than grow.
const MOST: usize = 20_000;

/// What an event is about, as `SourceType` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Source {
    User,
    UserGroup,
    ReplicationGroup,
    CacheCluster,
    ServerlessCache,
}

impl Source {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::UserGroup => "user-group",
            Self::ReplicationGroup => "replication-group",
            Self::CacheCluster => "cache-cluster",
            Self::ServerlessCache => "serverless-cache",
        }
    }
}

/// One event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Happened {
    /// Counts all events, from 1.
    pub(crate) seq: u64,
    pub(crate) date: DateTime<Utc>,
    pub(crate) source: Source,
    pub(crate) id: String,
    pub(crate) message: String,
}

/// All events, the oldest first.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Events {
    list: VecDeque<Happened>,
    seq: u64,
}

impl Events {
    fn note(&mut self, date: DateTime<Utc>, source: Source, id: &str, message: String) {
        let expired = |event: &Happened| event.date + KEPT < date;
        while self.list.len() >= MOST || self.list.front().is_some_and(expired) {
            self.list.pop_front();
        }
        self.seq += 1;
        self.list.push_back(Happened {
            seq: self.seq,
            date,
            source,
            id: id.to_owned(),
            message,
        });
    }

    /// The newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Happened> {
        self.list.iter().rev()
    }
}

impl Env<'_> {
    /// Notes an event.
    pub(crate) fn note(&mut self, source: Source, id: &str, message: impl Into<String>) {
        self.account.cache.events.note(self.now, source, id, message.into());
    }
}
