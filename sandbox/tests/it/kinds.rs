//! What the tests of the kinds of caches have in common.

use std::path::Path;

use serde_json::Value;

use crate::support::{Client, OLD, tag, until};

/// A user `u` that may do everything, in a group `g`.
pub async fn user_in_group(client: &Client) {
    let form = format!("UserId=u&UserName=u&Engine=redis&AccessString=on ~* +@all&Passwords.member.1={OLD}");
    client.ec_ok("CreateUser", &form).await;
    let form = "UserGroupId=g&Engine=redis&UserIds.member.1=default&UserIds.member.2=u";
    client.ec_ok("CreateUserGroup", form).await;
}

/// A replication group `rg` with TLS and the users of `g`, besides what `more` asks for.
pub async fn replication_group(client: &Client, more: &str) -> String {
    let form = format!(
        "ReplicationGroupId=rg&ReplicationGroupDescription=d&TransitEncryptionEnabled=true&UserGroupIds.member.1=g&{more}"
    );
    client.ec_ok("CreateReplicationGroup", &form).await
}

pub async fn group(client: &Client) -> String {
    client.ec_ok("DescribeReplicationGroups", "ReplicationGroupId=rg").await
}

pub async fn available(client: &Client) {
    until("the cache is available", || async {
        let group = group(client).await;
        let status = tag(&group, "Status");
        assert_ne!(status, "create-failed");
        status == "available"
    })
    .await;
}

pub async fn active(client: &Client) {
    until("the user is active", || async {
        client.user_status("u").await == "active"
    })
    .await;
}

/// The nodes as the control door shows them.
pub async fn nodes(client: &Client) -> Vec<Value> {
    client
        .control("GET", "nodes", Value::Null)
        .await
        .as_array()
        .unwrap()
        .clone()
}

/// What redis-cli says over TLS, as a user with a password or as the default user.
pub async fn cli(ca: &Path, port: u16, login: Option<(&str, &str)>, words: &[&str]) -> String {
    let mut command = tokio::process::Command::new("redis-cli");
    command.args(["--no-auth-warning", "--tls", "--cacert"]).arg(ca);
    command.args(["-h", "localhost", "-p", &port.to_string()]);
    if let Some((user, password)) = login {
        command.args(["--user", user, "--pass", password]);
    }
    let output = command.args(words).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    text.trim().to_owned()
}

/// All texts of the elements with a name.
pub fn tags(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = xml.split(&open).skip(1);
    parts
        .filter_map(|part| part.split_once(&close))
        .map(|(text, _)| text.to_owned())
        .collect()
}

/// What a node itself says of its role, asked as the user with its first password.
pub async fn replication(client: &Client, ca: &Path, node: &str) -> String {
    let port = client.port(node).await;
    cli(ca, port, Some(("u", OLD)), &["INFO", "replication"]).await
}
