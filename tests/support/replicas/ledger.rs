//! What the table says of leases, read by an outsider through the SDK's own client.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use rekeyd::store::shared::layout::{self, SHARDS};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::PATIENCE;
use crate::support::dynamo::sdk_config;

/// How often the table is looked at while a take-over is waited for.
const EVERY: Duration = Duration::from_millis(100);
/// How many requests follow each other in a take-over, each of which takes longer on a busy machine: the look that finds the dead,
/// two rounds of taking, each a write and a read, another look, and two of this test's own.
const IN_TURN: u32 = 8;

/// The table, to look at.
#[derive(Clone)]
pub struct Ledger {
    client: Client,
    table: String,
}

/// What was seen of all leases at once.
pub struct Leases {
    /// The session that holds a secret, by its ARN; nothing while nobody does.
    pub holders: BTreeMap<String, Option<String>>,
    /// The process of a session.
    pub sessions: BTreeMap<String, u64>,
}

impl Leases {
    /// The process that holds a secret.
    pub fn process(&self, secret_arn: &str) -> Option<u64> {
        let holder = self.holders.get(secret_arn)?.as_ref()?;
        self.sessions.get(holder).copied()
    }

    /// How many sessions each process has begun whose items are there.
    fn begun_by(&self) -> BTreeMap<u64, usize> {
        let mut begun = BTreeMap::new();
        self.sessions
            .values()
            .for_each(|pid| *begun.entry(*pid).or_default() += 1);
        begun
    }

    /// The secrets that a process holds.
    pub fn of(&self, pid: u64) -> BTreeSet<String> {
        let secrets = self.holders.keys();
        secrets.filter(|arn| self.process(arn) == Some(pid)).cloned().collect()
    }
}

/// How long others took to take over what a process held that fell silent.
#[derive(Clone, Copy, Debug)]
pub struct TakeOver {
    pub secrets: usize,
    /// How often one that was to take them lost its own session meanwhile, on a machine too busy for the table to answer.
    pub lost: usize,
    /// Until the last of its secrets had another living holder; since the last of those losses, if there were any.
    pub took: Duration,
    /// What this machine's load may have added: a pause that lasted too long, and the longest that one request took, for each
    /// of those that follow each other.
    pub late: Duration,
}

impl Ledger {
    pub fn new(url: &str, table: &str) -> Self {
        // A connection that the server closes at that moment says nothing about leases.
        let sdk = sdk_config(url)
            .to_builder()
            .retry_config(RetryConfig::standard())
            .build();
        Self {
            client: Client::new(&sdk),
            table: table.to_owned(),
        }
    }

    /// All leases as they are.
    ///
    /// # Errors
    /// When the table gives no answer.
    pub async fn leases(&self) -> Result<Leases, String> {
        self.leases_in((0..SHARDS).collect()).await
    }

    /// The same of some partitions.
    async fn leases_in(&self, shards: Vec<u8>) -> Result<Leases, String> {
        let mut reading = JoinSet::new();
        for shard in shards {
            let this = self.clone();
            reading.spawn(async move { this.attribute(&layout::shard(shard), "", layout::HOLDER).await });
        }
        let mut holders = BTreeMap::new();
        while let Some(read) = reading.join_next().await {
            let read = read.map_err(|error| error.to_string())??;
            let holder = |value: Option<AttributeValue>| value.and_then(|value| value.as_s().ok().cloned());
            holders.extend(read.into_iter().map(|(arn, value)| (arn, holder(value))));
        }
        let sessions = self
            .attribute(layout::FLEET, layout::SESSION, layout::PID)
            .await?
            .into_iter();
        let sessions = sessions.filter_map(|(sort, value)| {
            let pid = value?.as_n().ok()?.parse().ok()?;
            Some((sort.trim_start_matches(layout::SESSION).to_owned(), pid))
        });
        Ok(Leases {
            holders,
            sessions: sessions.collect(),
        })
    }

    /// How long one request takes at the moment.
    async fn one_request(&self) -> Duration {
        let begun = Instant::now();
        let key = |text: &str| AttributeValue::S(text.to_owned());
        let get = self.client.get_item().table_name(&self.table).consistent_read(true);
        let got = get.key("pk", key("NOTHING")).key("sk", key("NOTHING")).send().await;
        drop(got.expect("the table answers"));
        begun.elapsed()
    }

    /// An attribute of each item of a partition whose sort key begins like that, by its sort key.
    async fn attribute(
        &self,
        partition: &str,
        prefix: &str,
        name: &str,
    ) -> Result<Vec<(String, Option<AttributeValue>)>, String> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let mut query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(partition))
            .projection_expression("sk, #name")
            .expression_attribute_names("#name", name);
        if !prefix.is_empty() {
            query = query
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", text(prefix));
        }
        let mut pages = query.into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            let mut item = item.map_err(|error| format!("{error:?}"))?;
            let sort = item.remove("sk").and_then(|value| value.as_s().ok().cloned());
            found.push((sort.unwrap_or_default(), item.remove(name)));
        }
        Ok(found)
    }

    /// How many secrets each of these processes holds.
    ///
    /// # Errors
    /// When the table gives no answer.
    pub async fn held_by(&self, pids: &[u64]) -> Result<Vec<usize>, String> {
        let leases = self.leases().await?;
        Ok(pids.iter().map(|pid| leases.of(*pid).len()).collect())
    }

    /// Waits until each of these secrets is held by another process than this one, which fell silent then. All others live.
    pub async fn taken_over(&self, mut secrets: BTreeSet<String>, silent: u64, mut since: Instant) -> TakeOver {
        let deadline = since + PATIENCE;
        let mut sessions = BTreeMap::<u64, usize>::new();
        let mut over = TakeOver {
            secrets: secrets.len(),
            lost: 0,
            took: Duration::ZERO,
            late: Duration::ZERO,
        };
        loop {
            let asked = self.one_request().await;
            let shards: BTreeSet<u8> = (0..SHARDS)
                .filter(|shard| {
                    secrets
                        .iter()
                        .any(|arn| layout::record(arn).partition == layout::shard(*shard))
                })
                .collect();
            let leases = self
                .leases_in(shards.into_iter().collect())
                .await
                .expect("the table answers");
            secrets.retain(|arn| leases.process(arn).is_none_or(|pid| pid == silent));
            for (pid, begun) in leases.begun_by().into_iter().filter(|(pid, _)| *pid != silent) {
                if sessions.insert(pid, begun).is_some_and(|before| before < begun) {
                    since = Instant::now();
                    over.lost += 1;
                }
            }
            over.took = since.elapsed();
            over.late = over.late.max(asked * IN_TURN);
            if secrets.is_empty() {
                return over;
            }
            assert!(
                Instant::now() < deadline,
                "{} secrets have no living holder",
                secrets.len()
            );
            let pause = Instant::now();
            sleep(EVERY).await;
            over.late = over.late.max(asked * IN_TURN + pause.elapsed().saturating_sub(EVERY));
        }
    }
}
