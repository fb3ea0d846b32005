//! The table in DynamoDB, through the SDK.
//!
//! One attempt is the whole of a request: what to do after one that failed is for whoever asked to say, who knows whether a
//! write may be made twice. Every read is strongly consistent.
//!
//! Sources: DynamoDB API reference (UpdateItem, Query, "Common errors") and developer guide, "Read consistency",
//! "Condition expressions", "Error handling with DynamoDB".

pub mod creation;
mod expression;
mod failure;
mod item;
mod range;
pub mod template;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure, Select};

use super::table::{Change, Condition, Item, Key, Query, Table, TableError};
use crate::aws::{BodyLimit, Calls, Operation, configure, http_client};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::metrics::Metrics;

use expression::Expression;
use range::Range;

/// What a table is kept by: the attribute that is the partition key.
pub const PARTITION_KEY: &str = "pk";

/// The attribute that is the sort key.
pub const SORT_KEY: &str = "sk";

/// The attribute after whose time, in seconds since 1970, DynamoDB removes an item.
pub const EXPIRES: &str = "expires";

/// How long to wait for an answer, credentials and connection included: several of these fit into a lease.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);

/// The name of an operation of this service.
const fn operation(name: &'static str) -> Operation {
    Operation {
        service: "dynamodb",
        name,
    }
}

const GET: Operation = operation("GetItem");
const QUERY: Operation = operation("Query");
const UPDATE: Operation = operation("UpdateItem");
const DELETE: Operation = operation("DeleteItem");

/// A table that cannot be named.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoTable {
    /// Records are kept elsewhere.
    #[error("`daemon.state` names no DynamoDB table: write \"dynamodb:TABLE\"")]
    OtherState,
}

/// The table that a configuration names. Reads files and the environment for credentials, and asks AWS for nothing yet.
///
/// # Errors
/// [`NoTable`] when the configuration keeps records elsewhere.
pub async fn open_table(config: &Config, clock: SharedClock, metrics: Arc<Metrics>) -> Result<DynamoTable, NoTable> {
    let (table, place) = config.table().ok_or(NoTable::OtherState)?;
    let (sdk, calls) = configure(&http_client(), place, clock, metrics).await;
    Ok(DynamoTable::new(&sdk, place.dynamodb_endpoint.as_deref(), table, calls))
}

/// A client of a place's DynamoDB that tries once, and no longer than `patience`.
fn client(sdk: &SdkConfig, endpoint: Option<&str>, patience: Duration) -> Client {
    // Connecting and reading keep their bounds, so that the connector is the one of the other services.
    let inherited = sdk.timeout_config().map(TimeoutConfig::to_builder);
    let timeouts = inherited
        .unwrap_or_else(TimeoutConfig::builder)
        .operation_attempt_timeout(patience)
        .operation_timeout(patience)
        .build();
    let mut builder = Builder::from(sdk)
        .interceptor(BodyLimit)
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts);
    if let Some(url) = endpoint {
        builder = builder.endpoint_url(url);
    }
    Client::from_conf(builder.build())
}

/// A table in DynamoDB.
#[derive(Clone)]
pub struct DynamoTable {
    client: Client,
    table: String,
    location: String,
    calls: Calls,
}

impl DynamoTable {
    /// A table for who has an SDK configuration already: its region, credentials and endpoint.
    pub fn through(sdk: &SdkConfig, table: &str, clock: SharedClock, metrics: Arc<Metrics>) -> Self {
        Self::new(sdk, None, table, Calls::new(clock, metrics))
    }

    fn new(sdk: &SdkConfig, endpoint: Option<&str>, table: &str, calls: Calls) -> Self {
        calls.announce([GET, QUERY, UPDATE, DELETE]);
        Self {
            client: client(sdk, endpoint, ATTEMPT_TIMEOUT),
            table: table.to_owned(),
            location: format!("dynamodb:{table}"),
            calls,
        }
    }
}

#[async_trait]
impl Table for DynamoTable {
    fn location(&self) -> &str {
        &self.location
    }

    async fn get(&self, key: &Key) -> Result<Option<Item>, TableError> {
        let request = self.client.get_item().table_name(&self.table);
        let request = request.set_key(Some(item::key(key))).consistent_read(true);
        let reply = self.calls.run(GET, &self.table, request.send()).await;
        let reply = reply.map_err(failure::of)?;
        reply.item.map(|stored| item::read(stored, GET)).transpose()
    }

    async fn query(&self, query: &Query) -> Result<Vec<Item>, TableError> {
        let mut found = Vec::new();
        let Some(range) = Range::of(query) else {
            return Ok(found);
        };
        let most = query.limit.unwrap_or(usize::MAX);
        let mut from = None;
        while found.len() < most {
            let request = range.apply(self.client.query().table_name(&self.table));
            // One more than is wanted: a bound that is not part of what is asked for may be among them.
            let page = query.limit.map(|_| (most - found.len()).saturating_add(1));
            let request = request
                .consistent_read(true)
                .scan_index_forward(!query.descending)
                .set_limit(page.and_then(|page| i32::try_from(page).ok()))
                .set_exclusive_start_key(from);
            let reply = self.calls.run(QUERY, &self.table, request.send()).await;
            let reply = reply.map_err(failure::of)?;
            for stored in reply.items.unwrap_or_default() {
                let item = item::read(stored, QUERY)?;
                if found.len() < most && range.has(&item.key.sort) {
                    found.push(item);
                }
            }
            from = reply.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                break;
            }
        }
        Ok(found)
    }

    async fn count(&self, partition: &str) -> Result<u64, TableError> {
        let all = Query::all(partition);
        let Some(range) = Range::of(&all) else {
            return Ok(0);
        };
        let (mut total, mut from) = (0_u64, None);
        loop {
            let request = range.apply(self.client.query().table_name(&self.table));
            let request = request
                .consistent_read(true)
                .select(Select::Count)
                .set_exclusive_start_key(from);
            let reply = self.calls.run(QUERY, &self.table, request.send()).await;
            let reply = reply.map_err(failure::of)?;
            total = total.saturating_add(u64::try_from(reply.count).unwrap_or_default());
            from = reply.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(total);
            }
        }
    }

    async fn write(&self, key: &Key, change: Change, on: Condition) -> Result<(), TableError> {
        let mut expression = Expression::default();
        let update = expression.update(change);
        let condition = expression.condition(on);
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(item::key(key)))
            .set_update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let answer = self.calls.run_keeping(UPDATE, &self.table, request.send()).await;
        answer
            .map(drop)
            .map_err(|(error, kept)| failure::of_write(error, kept, UPDATE))
    }

    async fn delete(&self, key: &Key, on: Condition) -> Result<(), TableError> {
        let mut expression = Expression::default();
        let condition = expression.condition(on);
        let request = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(item::key(key)))
            .condition_expression(condition)
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let answer = self.calls.run_keeping(DELETE, &self.table, request.send()).await;
        answer
            .map(drop)
            .map_err(|(error, kept)| failure::of_write(error, kept, DELETE))
    }
}

#[cfg(test)]
#[path = "dynamodb_tests.rs"]
mod tests;
