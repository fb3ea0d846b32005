//! Making the table. Whoever keeps records in one is never given this.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, PointInTimeRecoverySpecification,
    PointInTimeRecoveryStatus, ScalarAttributeType, TableDescription, TableStatus, TimeToLiveDescription,
    TimeToLiveSpecification, TimeToLiveStatus,
};

use super::{EXPIRES, NoTable, PARTITION_KEY, SORT_KEY, client, failure, operation};
use crate::aws::{AwsError, Calls, ErrorClass, Operation, configure, http_client};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::store::table::TableError;

/// How long a request may take: an operator waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

const CREATE: Operation = operation("CreateTable");
const DESCRIBE: Operation = operation("DescribeTable");
const DESCRIBE_EXPIRY: Operation = operation("DescribeTimeToLive");
const UPDATE_EXPIRY: Operation = operation("UpdateTimeToLive");
const DESCRIBE_BACKUPS: Operation = operation("DescribeContinuousBackups");
const UPDATE_BACKUPS: Operation = operation("UpdateContinuousBackups");

/// What services that stand for DynamoDB answer to what they do not know.
const UNKNOWN: [&str; 3] = ["UnknownOperationException", "NotImplemented", "NotImplementedException"];

/// Makes the table that a configuration names, and looks at it.
pub struct TableCreator {
    client: Client,
    table: String,
    calls: Calls,
}

/// A creator of the table that a configuration names. Asks AWS for nothing yet.
///
/// # Errors
/// [`NoTable`] when the configuration keeps records elsewhere.
pub async fn table_creator(
    config: &Config,
    clock: SharedClock,
    metrics: Arc<Metrics>,
) -> Result<TableCreator, NoTable> {
    let (table, place) = config.table().ok_or(NoTable::OtherState)?;
    let (sdk, calls) = configure(&http_client(), place, clock, metrics).await;
    Ok(TableCreator {
        client: client(&sdk, place.dynamodb_endpoint.as_deref(), PATIENCE),
        table: table.to_owned(),
        calls,
    })
}

/// A setting of the table, as far as it can be seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen<T> {
    /// It is this.
    Known(T),
    /// The service does not say, and why.
    Unknown(String),
}

/// A table as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sight {
    /// Whether it can be used already.
    pub active: bool,
    /// Whether it goes or cannot be used for good, in DynamoDB's words.
    pub unusable: Option<String>,
    /// What is wrong with its keys, in words.
    pub wrong_keys: Option<String>,
    /// Whether each request is paid for, instead of a rate.
    pub on_demand: bool,
    /// Whether it must be unlocked before it can be deleted.
    pub protected: bool,
}

impl TableCreator {
    /// The table; nothing if there is none.
    ///
    /// # Errors
    /// [`TableError`] when it cannot be seen.
    pub async fn look(&self) -> Result<Option<Sight>, TableError> {
        let request = self.client.describe_table().table_name(&self.table);
        match self.calls.run(DESCRIBE, &self.table, request.send()).await {
            Ok(reply) => Ok(reply.table.as_ref().map(sight)),
            Err(error) if error.class == ErrorClass::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Creates it, protected from deletion and paid for by request. It is not there at once.
    ///
    /// # Errors
    /// [`TableError`] when it is not created, as far as is known.
    pub async fn create(&self) -> Result<(), TableError> {
        let mut request = self
            .client
            .create_table()
            .table_name(&self.table)
            .billing_mode(BillingMode::PayPerRequest)
            .deletion_protection_enabled(true);
        for (name, kind) in KEYS {
            let attribute = AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S);
            let key = KeySchemaElement::builder().attribute_name(name).key_type(kind);
            request = request
                .attribute_definitions(attribute.build().map_err(unbuilt)?)
                .key_schema(key.build().map_err(unbuilt)?);
        }
        let created = self.calls.run(CREATE, &self.table, request.send()).await;
        created.map(drop).map_err(failed)
    }

    /// The attribute by which items expire; nothing if they do not.
    ///
    /// # Errors
    /// [`TableError`] when it cannot be seen.
    pub async fn expiry(&self) -> Result<Seen<Option<String>>, TableError> {
        let request = self.client.describe_time_to_live().table_name(&self.table);
        let reply = self.calls.run(DESCRIBE_EXPIRY, &self.table, request.send()).await;
        known(reply.map(|reply| reply.time_to_live_description.and_then(attribute)))
    }

    /// Lets items expire.
    ///
    /// # Errors
    /// [`TableError`] when it was not switched on, as far as is known.
    pub async fn let_expire(&self) -> Result<Seen<()>, TableError> {
        let expiry = TimeToLiveSpecification::builder().attribute_name(EXPIRES).enabled(true);
        let request = self
            .client
            .update_time_to_live()
            .table_name(&self.table)
            .time_to_live_specification(expiry.build().map_err(unbuilt)?);
        let reply = self.calls.run(UPDATE_EXPIRY, &self.table, request.send()).await;
        known(reply.map(drop))
    }

    /// Whether the table can be had back as it was at any time of late.
    ///
    /// # Errors
    /// [`TableError`] when it cannot be seen.
    pub async fn recoverable(&self) -> Result<Seen<bool>, TableError> {
        let request = self.client.describe_continuous_backups().table_name(&self.table);
        let reply = self.calls.run(DESCRIBE_BACKUPS, &self.table, request.send()).await;
        known(reply.map(|reply| {
            let backups = reply.continuous_backups_description;
            let recovery = backups.and_then(|backups| backups.point_in_time_recovery_description);
            let status = recovery.and_then(|recovery| recovery.point_in_time_recovery_status);
            status == Some(PointInTimeRecoveryStatus::Enabled)
        }))
    }

    /// Lets the table be had back.
    ///
    /// # Errors
    /// [`TableError`] when it was not switched on, as far as is known.
    pub async fn let_recover(&self) -> Result<Seen<()>, TableError> {
        let recovery = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
        let request = self
            .client
            .update_continuous_backups()
            .table_name(&self.table)
            .point_in_time_recovery_specification(recovery.build().map_err(unbuilt)?);
        let reply = self.calls.run(UPDATE_BACKUPS, &self.table, request.send()).await;
        known(reply.map(drop))
    }
}

/// The keys of the table.
const KEYS: [(&str, KeyType); 2] = [(PARTITION_KEY, KeyType::Hash), (SORT_KEY, KeyType::Range)];

fn sight(table: &TableDescription) -> Sight {
    let status = table.table_status();
    let billing = table.billing_mode_summary().and_then(|billing| billing.billing_mode());
    Sight {
        active: matches!(status, Some(TableStatus::Active | TableStatus::Updating)),
        unusable: match status {
            Some(TableStatus::Active | TableStatus::Updating | TableStatus::Creating) => None,
            Some(status) => Some(status.as_str().to_owned()),
            None => Some("of an unknown status".to_owned()),
        },
        wrong_keys: wrong_keys(table),
        on_demand: billing == Some(&BillingMode::PayPerRequest),
        protected: table.deletion_protection_enabled().unwrap_or_default(),
    }
}

/// What is wrong with a table's keys, in words.
fn wrong_keys(table: &TableDescription) -> Option<String> {
    let of = |name: &str| {
        let attributes = table.attribute_definitions();
        let attribute = attributes.iter().find(|attribute| attribute.attribute_name() == name);
        attribute.map_or("?", |attribute| attribute.attribute_type().as_str())
    };
    let keys = table.key_schema().iter();
    let keys = keys.map(|key| (key.attribute_name(), key.key_type().clone(), of(key.attribute_name())));
    let mut keys: Vec<(&str, KeyType, &str)> = keys.collect();
    // The partition key first.
    keys.sort_by_key(|(_, kind, _)| *kind != KeyType::Hash);
    let wanted = KEYS.map(|(name, kind)| (name, kind, ScalarAttributeType::S.as_str().to_owned()));
    let right = keys.len() == wanted.len()
        && keys
            .iter()
            .zip(&wanted)
            .all(|((name, kind, attribute), (wanted, of_kind, text))| {
                name == wanted && kind == of_kind && attribute == text
            });
    let shown: Vec<String> = keys
        .iter()
        .map(|(name, kind, attribute)| format!("`{name}` ({}, {attribute})", kind.as_str()))
        .collect();
    (!right).then(|| {
        format!(
            "its keys are {}, and not `{PARTITION_KEY}` (HASH, S) and `{SORT_KEY}` (RANGE, S)",
            shown.join(" and ")
        )
    })
}

fn attribute(expiry: TimeToLiveDescription) -> Option<String> {
    let on = matches!(
        expiry.time_to_live_status,
        Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
    );
    expiry.attribute_name.filter(|_| on)
}

/// An answer, unless the service does not know the question.
fn known<T>(reply: Result<T, AwsError>) -> Result<Seen<T>, TableError> {
    match reply {
        Ok(answer) => Ok(Seen::Known(answer)),
        Err(error) if UNKNOWN.contains(&error.code.as_str()) => Ok(Seen::Unknown(error.to_string())),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: AwsError) -> TableError {
    match error.class {
        ErrorClass::Denied if !error.lacks_credentials() => TableError::Refused {
            cause: error.to_string(),
            advice: "`rekeyd iam-policy --for init-table` prints what this takes".to_owned(),
        },
        _ => failure::of(error),
    }
}

fn unbuilt(error: impl std::fmt::Display) -> TableError {
    TableError::Failed {
        cause: format!("the request could not be built: {error}"),
    }
}
