//! `rekeyd state init-table`: the real binary makes the table on servers that nobody here wrote, finds it made, and refuses
//! what is none of its kind; and its templates are what others read them to be.

use std::path::PathBuf;

use aws_sdk_dynamodb::types::{BillingMode, PointInTimeRecoveryStatus, TimeToLiveSpecification, TimeToLiveStatus};
use rekeyd::store::table::{Change, Condition, Key, Table};
use serde_json::{Value, json};

use crate::support::cli::{Ended, ended};
use crate::support::dynamo::{StandIn, create_table, dynamo_client, table_at};
use crate::support::python;
use crate::support::shape::assert_shape;

/// A configuration in a folder of its own.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// One that keeps records in this state, which is reached at a URL.
    fn new(state: &str, url: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let audit_log = folder.path().join("audit.jsonl");
        let text = format!(
            "[daemon]\nstate = {state:?}\naudit_log = {audit_log:?}\n[aws.main]\nregion = \"us-east-1\"\n\
             dynamodb_endpoint_url = {url:?}\n[policy.orders]\naws = \"main\"\nschedule = \"30d\"\nsecrets = [\"a\"]\n\
             allow_users = [\"a\"]\n"
        );
        std::fs::write(folder.path().join("rekeyd.toml"), text).expect("a file");
        Self { folder }
    }

    async fn init_table(&self, args: &[&str]) -> Ended {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rekeyd"));
        command
            .arg("--config")
            .arg(self.path("rekeyd.toml"))
            .args(["state", "init-table"])
            .args(args)
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", "OPERATOR")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        ended(command).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the audit log says of each change.
    fn audited(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("audit.jsonl")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        lines
            .map(|line: Value| json!([line["change"], line["outcome"], line["request"]["create"]]))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_made_once_with_all_that_it_is_to_have() {
    let server = StandIn::moto().await;
    let machine = Machine::new("dynamodb:rekeyd", server.url());
    let made = machine.init_table(&["--json"]).await.with(0).json();
    assert_shape("state_init_table", &made);
    assert_eq!(
        made,
        json!({ "table": "dynamodb:rekeyd", "created": true, "warnings": [] })
    );
    let client = dynamo_client(server.url());
    let table = client.describe_table().table_name("rekeyd").send().await.unwrap();
    let table = table.table.unwrap();
    let billing = table.billing_mode_summary().unwrap().billing_mode().unwrap();
    assert_eq!(
        (billing, table.deletion_protection_enabled()),
        (&BillingMode::PayPerRequest, Some(true))
    );
    let expiry = client
        .describe_time_to_live()
        .table_name("rekeyd")
        .send()
        .await
        .unwrap();
    let expiry = expiry.time_to_live_description.unwrap();
    assert_eq!(
        (expiry.attribute_name(), expiry.time_to_live_status()),
        (Some("expires"), Some(&TimeToLiveStatus::Enabled))
    );
    let backups = client.describe_continuous_backups().table_name("rekeyd").send();
    let backups = backups.await.unwrap().continuous_backups_description.unwrap();
    let recovery = backups.point_in_time_recovery_description.unwrap();
    assert_eq!(
        recovery.point_in_time_recovery_status,
        Some(PointInTimeRecoveryStatus::Enabled)
    );
    let table = table_at(server.url(), "rekeyd");
    let key = Key::new("p", "s");
    table
        .write(&key, Change::new().set("n", 1), Condition::Absent)
        .await
        .expect("the table can be used");
    let steps = |outcome: &str| json!(["state init-table", outcome, true]);
    assert_eq!(machine.audited(), [steps("begun"), steps("done")]);

    let again = machine.init_table(&["--json"]).await.with(0).json();
    assert_eq!(
        again,
        json!({ "table": "dynamodb:rekeyd", "created": false, "warnings": [] })
    );
    assert_eq!(machine.audited().len(), 2, "nothing was changed");
    assert!(table.get(&key).await.unwrap().is_some(), "what is in it stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_know_every_setting_is_put_up_with_and_said_to_be_one() {
    let server = StandIn::dynalite().await;
    let machine = Machine::new("dynamodb:rekeyd", server.url());
    let made = machine.init_table(&["--json"]).await.with(0).json();
    assert_eq!(made["created"], true);
    let warnings = made["warnings"].to_string();
    assert!(warnings.contains("point-in-time recovery"), "{warnings}");
    let again = machine.init_table(&[]).await.with(0);
    assert!(again.stderr.contains("not protected from deletion"), "{}", again.stderr);
    table_at(server.url(), "rekeyd")
        .write(&Key::new("p", "s"), Change::new(), Condition::Absent)
        .await
        .expect("the table can be used");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_another_kind_is_refused_with_what_is_wrong() {
    let server = StandIn::moto().await;
    for (name, keys, wrong) in [
        (
            "other",
            &["id", "sk"][..],
            "`id` (HASH, S) and `sk` (RANGE, S), and not `pk`",
        ),
        (
            "swapped",
            &["sk", "pk"],
            "`sk` (HASH, S) and `pk` (RANGE, S), and not `pk`",
        ),
        ("alone", &["pk"], "`pk` (HASH, S), and not `pk`"),
    ] {
        create_table(server.url(), name, keys).await;
        let machine = Machine::new(&format!("dynamodb:{name}"), server.url());
        let refused = machine.init_table(&[]).await.with(13);
        assert!(refused.stderr.contains(wrong), "{}", refused.stderr);
        assert_eq!(machine.audited(), Vec::<Value>::new());
    }
    create_table(server.url(), "expiring", &["pk", "sk"]).await;
    let expiry = TimeToLiveSpecification::builder().attribute_name("until").enabled(true);
    let client = dynamo_client(server.url());
    let request = client.update_time_to_live().table_name("expiring");
    request
        .time_to_live_specification(expiry.build().unwrap())
        .send()
        .await
        .expect("it expires by another attribute");
    let machine = Machine::new("dynamodb:expiring", server.url());
    let refused = machine.init_table(&[]).await.with(13);
    assert!(refused.stderr.contains("expire by `until`"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_lacks_only_the_expiry_is_given_it_and_what_is_a_matter_of_taste_is_told() {
    let server = StandIn::moto().await;
    create_table(server.url(), "plain", &["pk", "sk"]).await;
    let machine = Machine::new("dynamodb:plain", server.url());
    let completed = machine.init_table(&["--json"]).await.with(0).json();
    assert_eq!(completed["created"], false);
    assert_eq!(
        completed["warnings"],
        json!(["it is not protected from deletion", "point-in-time recovery is off"])
    );
    let steps = |outcome: &str| json!(["state init-table", outcome, false]);
    assert_eq!(machine.audited(), [steps("begun"), steps("done")]);
    let client = dynamo_client(server.url());
    let expiry = client.describe_time_to_live().table_name("plain").send().await.unwrap();
    let expiry = expiry.time_to_live_description.unwrap();
    assert_eq!(expiry.attribute_name(), Some("expires"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_table_in_the_configuration_or_a_server_nothing_is_made() {
    let machine = Machine::new("sqlite:/nowhere/state.db", "http://127.0.0.1:1");
    let refused = machine.init_table(&[]).await.with(2);
    assert!(refused.stderr.contains("dynamodb:TABLE"), "{}", refused.stderr);
    let machine = Machine::new("dynamodb:rekeyd", "http://127.0.0.1:1");
    let failed = machine.init_table(&["--json"]).await.with(1);
    assert!(
        failed.stderr.contains("dynamodb:rekeyd: no answer"),
        "{}",
        failed.stderr
    );
    assert_eq!(machine.audited(), Vec::<Value>::new());
}

#[tokio::test]
async fn the_templates_are_of_the_table_that_the_command_makes() {
    let machine = Machine::new("dynamodb:rekeyd-prod", "http://127.0.0.1:1");
    for (form, file) in [("cloudformation", "table.yaml"), ("terraform", "table.tf")] {
        let printed = machine.init_table(&["--print", form]).await.with(0);
        std::fs::write(machine.path(file), printed.stdout).expect("a file");
    }
    let script = python::workspace().join("tests/it/init_table/judge.py");
    let mut command = tokio::process::Command::new(python::bin().join("python"));
    command.arg(script).arg(machine.folder.path());
    let verdict = ended(command).await.with(0).json();
    assert_eq!(verdict["findings"], json!([]));
    let attribute = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
    assert_eq!(
        verdict["cloudformation"],
        json!({
            "TableName": "rekeyd-prod",
            "BillingMode": "PAY_PER_REQUEST",
            "DeletionProtectionEnabled": true,
            "AttributeDefinitions": [attribute("pk"), attribute("sk")],
            "KeySchema": [
                { "AttributeName": "pk", "KeyType": "HASH" },
                { "AttributeName": "sk", "KeyType": "RANGE" },
            ],
            "TimeToLiveSpecification": { "AttributeName": "expires", "Enabled": true },
            "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true },
        })
    );
    let attribute = |name: &str| json!({ "name": name, "type": "S" });
    assert_eq!(
        verdict["terraform"],
        json!({
            "name": "rekeyd-prod",
            "billing_mode": "PAY_PER_REQUEST",
            "hash_key": "pk",
            "range_key": "sk",
            "deletion_protection_enabled": true,
            "attribute": [attribute("pk"), attribute("sk")],
            "ttl": [{ "attribute_name": "expires", "enabled": true }],
            "point_in_time_recovery": [{ "enabled": true }],
        })
    );
}
