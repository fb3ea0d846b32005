//! Servers that stand for DynamoDB, neither of which was written here: dynalite and moto.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
};
use rekeyd::clock::{SharedClock, SystemClock};
use rekeyd::metrics::Metrics;
use rekeyd::store::dynamodb::DynamoTable;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::eventually;
use super::python::{Moto, workspace};
use super::world::REGION;

/// dynalite in memory, which takes no time to create a table, on a free port.
const SERVE: &str = r#"
const server = require("dynalite")({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
"#;

/// dynalite as a server on a port of its own. Dropping it ends it.
pub struct Dynalite {
    /// Where it listens.
    pub url: String,
    /// Held for the sake of `kill_on_drop`.
    _child: Child,
}

impl Dynalite {
    /// Starts it and waits until it listens.
    pub async fn start() -> Self {
        let dir = workspace().join(".tools/dynalite");
        let installed = dir.join("node_modules/dynalite").is_dir();
        assert!(installed, "{} lacks dynalite; run `make tools`", dir.display());
        let mut child = Command::new("node")
            .args(["-e", SERVE])
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let url = lines.next_line().await.expect("text").expect("dynalite listens");
        Self { url, _child: child }
    }
}

/// A server that stands for DynamoDB.
pub enum StandIn {
    Dynalite(Dynalite),
    Moto(Moto),
}

impl StandIn {
    pub async fn dynalite() -> Self {
        Self::Dynalite(Dynalite::start().await)
    }

    pub async fn moto() -> Self {
        Self::Moto(Moto::start().await)
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        match self {
            Self::Dynalite(server) => &server.url,
            Self::Moto(server) => &server.url,
        }
    }

    /// A table of rekeyd's, which is created if it is not there.
    pub async fn table(&self, name: &str) -> DynamoTable {
        create_table(self.url(), name, &["pk", "sk"]).await;
        table_at(self.url(), name)
    }
}

/// What speaks to a server at this URL, with made-up credentials.
pub fn sdk_config(url: &str) -> SdkConfig {
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_millis(3_100));
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "OPERATOR", "secret", None, None, "test",
        )))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts.build())
        .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
            aws_smithy_async::rt::sleep::TokioSleep::new(),
        ))
        .build()
}

/// The SDK's own client, which knows nothing of rekeyd.
pub fn dynamo_client(url: &str) -> Client {
    Client::new(&sdk_config(url))
}

/// The table of that name at this URL, whether it is there or not.
pub fn table_at(url: &str, name: &str) -> DynamoTable {
    let clock: SharedClock = Arc::new(SystemClock::new());
    DynamoTable::through(&sdk_config(url), name, clock, Arc::new(Metrics::new(&[])))
}

/// Creates a table with these keys, texts, the partition's first, and waits until it can be used.
pub async fn create_table(url: &str, name: &str, keys: &[&str]) {
    let client = dynamo_client(url);
    if client.describe_table().table_name(name).send().await.is_ok() {
        return;
    }
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest);
    for (key, kind) in keys.iter().zip([KeyType::Hash, KeyType::Range]) {
        let attribute = AttributeDefinition::builder()
            .attribute_name(*key)
            .attribute_type(ScalarAttributeType::S);
        let element = KeySchemaElement::builder().attribute_name(*key).key_type(kind);
        request = request
            .attribute_definitions(attribute.build().expect("whole"))
            .key_schema(element.build().expect("whole"));
    }
    request.send().await.expect("the table is created");
    eventually("the table can be used", async || {
        let told = client.describe_table().table_name(name).send().await;
        let table = told.map_err(|error| format!("{error:?}"))?.table;
        match table.and_then(|table| table.table_status) {
            Some(TableStatus::Active) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}
