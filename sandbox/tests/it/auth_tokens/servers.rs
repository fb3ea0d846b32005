//! On real servers, asked by redis-cli.

use rekeyd_sandbox::Settings;
use serde_json::json;

use super::{FIRST, SECOND};
use crate::support::*;

async fn available(client: &Client) {
    until("the group is available", || async {
        let reply = client
            .ec_ok("DescribeReplicationGroups", "ReplicationGroupId=auth")
            .await;
        tag(&reply, "Status") == "available"
    })
    .await;
}

#[tokio::test]
async fn real_servers_take_the_tokens_one_by_one_and_the_users_after_them() {
    let settings = Settings::default()
        .patched(&json!({"propagation_ms": {"min": 0, "max": 0}, "node_propagation_ms": {"replica": 900}}))
        .unwrap();
    let (server, client) = start(settings).await;
    let ca = server.ca_file();
    client.cache_with_user("u", "on ~* +@all", 1).await;
    let form = format!(
        "ReplicationGroupId=auth&ReplicationGroupDescription=d&NumCacheClusters=2\
         &TransitEncryptionEnabled=true&AuthToken={FIRST}"
    );
    client.ec_ok("CreateReplicationGroup", &form).await;
    available(&client).await;
    let (primary, replica) = (client.port("auth-001").await, client.port("auth-002").await);
    let works = |port, token| async move { login(ca, port, "default", token).await };
    assert_eq!(
        (works(primary, FIRST).await, works(replica, SECOND).await),
        ("OK".into(), "WRONGPASS".into())
    );
    let change = |token: &str, strategy: &str| {
        format!("ReplicationGroupId=auth&AuthToken={token}&AuthTokenUpdateStrategy={strategy}&ApplyImmediately=true")
    };
    client.ec_ok("ModifyReplicationGroup", &change(SECOND, "ROTATE")).await;
    until("the primary has it", || async { works(primary, SECOND).await == "OK" }).await;
    assert_eq!(works(replica, SECOND).await, "WRONGPASS");
    available(&client).await;
    for port in [primary, replica] {
        assert_eq!(
            (works(port, FIRST).await, works(port, SECOND).await),
            ("OK".into(), "OK".into())
        );
    }
    client.ec_ok("ModifyReplicationGroup", &change(SECOND, "SET")).await;
    available(&client).await;
    for port in [primary, replica] {
        assert_eq!(
            (works(port, FIRST).await, works(port, SECOND).await),
            ("WRONGPASS".into(), "OK".into())
        );
    }
    let users = "ReplicationGroupId=auth&AuthTokenUpdateStrategy=DELETE&UserGroupIdsToAdd.member.1=g";
    client.ec_ok("ModifyReplicationGroup", users).await;
    available(&client).await;
    until("the user is known", || async {
        client.user_status("u").await == "active"
    })
    .await;
    for port in [primary, replica] {
        assert_eq!(login(ca, port, "u", OLD).await, "OK");
    }
    server.shutdown().await;
}
