use std::time::Duration;

use super::super::ErrorClass;
use super::super::wire::{Answer, Wire};
use super::*;
use crate::policy::Endpoint;
use crate::rotation::observation::{Authentication, UserStatus};

const CANARY: &str = "CANARY-hunter2-CANARY";

const NO_PASSWORD: &str = "<Authentication><Type>no-password</Type></Authentication>";

fn reply(operation: &str, result: &str) -> Answer {
    let body = format!(
        r#"<{operation}Response xmlns="http://elasticache.amazonaws.com/doc/2015-02-02/"><{operation}Result>{result}</{operation}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{operation}Response>"#
    );
    Answer::new(200, &body)
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    );
    Answer::new(status, &body)
}

fn user_xml(id: &str, status: &str, access: &str, authentication: &str) -> String {
    format!(
        "<UserId>{id}</UserId><UserName>name-{id}</UserName><Status>{status}</Status><AccessString>{access}</AccessString>\
         <UserGroupIds><member>g2</member><member>g1</member></UserGroupIds>{authentication}\
         <ARN>arn:aws:elasticache:us-east-1:123456789012:user:{id}</ARN>"
    )
}

fn moment() -> Timestamp {
    Timestamp::from_timestamp(1_700_000_000, 0).unwrap() // 2023-11-14T22:13:20Z
}

async fn set(wire: &Wire) -> AwsResult<()> {
    let passwords = [
        Password::new(CANARY.to_owned()),
        Password::new("second-password-0".to_owned()),
    ];
    let ports = wire.ports();
    ports.users_writer.set_passwords("user1", &passwords, moment()).await
}

#[tokio::test]
async fn modify_user_replaces_the_passwords_and_is_dated_as_told() {
    let body = user_xml("user1", "modifying", "on ~* +@all", "");
    let wire = Wire::start(vec![reply("ModifyUser", &body)]).await;
    set(&wire).await.unwrap();
    let [request] = &wire.take()[..] else {
        panic!("not one request");
    };
    assert_eq!(request.header("x-amz-date"), Some("20231114T221320Z"));
    assert!(
        request
            .header("authorization")
            .unwrap()
            .contains("/20231114/us-east-1/elasticache/aws4_request")
    );
    assert!(request.body.contains(&format!(
        "Passwords.member.1={CANARY}&Passwords.member.2=second-password-0"
    )));
    assert!(request.body.contains("Action=ModifyUser") && request.body.contains("UserId=user1"));
    assert!(!request.body.contains("AccessString") && !request.body.contains("AuthenticationMode"));
}

#[tokio::test]
async fn clock_skew_that_a_read_showed_does_not_move_the_date_of_a_write() {
    let listing = reply("DescribeUsers", "<Users></Users>").header("date", "Mon, 01 Jan 2035 00:00:00 GMT");
    let body = user_xml("user1", "modifying", "on", "");
    let write = reply("ModifyUser", &body).header("date", "Mon, 01 Jan 2035 00:00:00 GMT");
    let wire = Wire::start(vec![listing.clone(), listing, write]).await;
    let ports = wire.ports();
    ports.users.users().await.unwrap();
    ports.users.users().await.unwrap();
    let password = [Password::new(CANARY.to_owned())];
    ports
        .users_writer
        .set_passwords("user1", &password, moment())
        .await
        .unwrap();
    ports
        .users_writer
        .set_passwords("user1", &password, moment())
        .await
        .unwrap();
    let requests = wire.take();
    let dates: Vec<_> = requests
        .iter()
        .map(|request| request.header("x-amz-date").unwrap())
        .collect();
    assert!(
        dates[1].starts_with("2035"),
        "reads follow the server's clock: {dates:?}"
    );
    assert_eq!(&dates[2..], ["20231114T221320Z", "20231114T221320Z"]);
}

#[tokio::test]
async fn a_write_that_fails_is_sent_once() {
    for answer in [
        error(500, "InternalFailure", "oops"),
        error(503, "ServiceUnavailable", "oops"),
        error(400, "Throttling", "Rate exceeded"),
        Answer::new(502, "<html>Bad Gateway</html>"),
    ] {
        let wire = Wire::start(vec![answer]).await;
        let failure = set(&wire).await.unwrap_err();
        assert_eq!(wire.take().len(), 1, "{failure}");
        assert!(
            matches!(failure.class, ErrorClass::Unavailable | ErrorClass::Throttled),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn errors_hold_awss_code_and_words_and_never_a_password() {
    let table = [
        (
            error(400, "InvalidUserState", "User user1 has status modifying."),
            ErrorClass::Busy,
            "InvalidUserState",
        ),
        (error(404, "UserNotFound", "gone"), ErrorClass::NotFound, "UserNotFound"),
        (
            error(
                403,
                "SignatureDoesNotMatch",
                "Signature expired: a is now earlier than b",
            ),
            ErrorClass::Expired,
            "SignatureDoesNotMatch",
        ),
        (
            error(403, "AccessDenied", "User is not authorized"),
            ErrorClass::Denied,
            "AccessDenied",
        ),
        (
            Answer::new(200, "<html>captive portal</html>"),
            ErrorClass::Unavailable,
            "UnreadableResponse",
        ),
        (
            Answer::new(403, "<html>proxy</html>"),
            ErrorClass::Unavailable,
            "UnreadableResponse",
        ),
    ];
    for (answer, class, code) in table {
        let wire = Wire::start(vec![answer]).await;
        let failure = set(&wire).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (class, code), "{failure}");
        assert_eq!((failure.operation, failure.resource.as_str()), ("ModifyUser", "user1"));
        assert!(!format!("{failure} {failure:?}").contains("hunter2"), "{failure:?}");
    }
}

#[tokio::test]
async fn the_time_that_aws_asks_to_wait_is_kept() {
    let wire = Wire::start(vec![
        error(400, "Throttling", "Rate exceeded").header("x-amz-retry-after", "1500"),
    ])
    .await;
    assert_eq!(
        set(&wire).await.unwrap_err().retry_after,
        Some(Duration::from_millis(1500))
    );
    let wire = Wire::start(vec![error(503, "ServiceUnavailable", "x").header("retry-after", "7")]).await;
    assert_eq!(set(&wire).await.unwrap_err().retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_refused_connection_is_unavailable() {
    let mut wire = Wire::start(vec![Answer::new(200, "")]).await;
    wire.url = "http://127.0.0.1:1".to_owned();
    let failure = set(&wire).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (ErrorClass::Unavailable, "ConnectionFailed"),
        "{failure}"
    );
}

#[tokio::test]
async fn without_credentials_a_call_is_denied() {
    let wire = Wire::start(vec![Answer::new(200, "")]).await;
    // A profile that no file has, so that the chain fails without asking the network.
    let chain = aws_config::profile::ProfileFileCredentialsProvider::builder()
        .profile_name("no-such-profile")
        .build();
    let ports = wire.ports_with(aws_sdk_elasticache::config::SharedCredentialsProvider::new(chain));
    let failure = ports.users.user("user1").await.unwrap_err();
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (ErrorClass::Denied, "NoCredentials"),
        "{failure}"
    );
    assert!(failure.lacks_credentials());
    assert!(
        failure.message.starts_with("there are no AWS credentials; set "),
        "{failure}"
    );
    assert_eq!(wire.take().len(), 0);
}

#[tokio::test]
async fn a_user_is_read_with_its_status_switch_and_groups() {
    let authentication = "<Authentication><Type>password</Type><PasswordCount>2</PasswordCount></Authentication>";
    let listing = format!(
        "<Users><member>{}</member></Users>",
        user_xml("user1", "active", "on ~* +@all", authentication)
    );
    let wire = Wire::start(vec![reply("DescribeUsers", &listing)]).await;
    let user = wire.ports().users.user("user1").await.unwrap();
    assert_eq!(user.name, "name-user1");
    assert_eq!(
        (user.status, user.authentication, user.password_count, user.on),
        (UserStatus::Active, Authentication::Password, 2, true)
    );
    assert_eq!(user.groups.into_iter().collect::<Vec<_>>(), ["g1", "g2"]);
    assert!(wire.take()[0].body.contains("UserId=user1"));
}

#[tokio::test]
async fn an_empty_listing_of_one_user_is_not_found() {
    let wire = Wire::start(vec![reply("DescribeUsers", "<Users></Users>")]).await;
    let failure = wire.ports().users.user("user1").await.unwrap_err();
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (ErrorClass::NotFound, "UserNotFound")
    );
}

#[tokio::test]
async fn all_pages_of_users_are_read() {
    let page = |id: &str, marker: &str| {
        let user = user_xml(id, "active", "off", NO_PASSWORD);
        reply(
            "DescribeUsers",
            &format!("<Marker>{marker}</Marker><Users><member>{user}</member></Users>"),
        )
    };
    let wire = Wire::start(vec![page("a", "m1"), page("b", "m2"), page("c", "")]).await;
    let users = wire.ports().users.users().await.unwrap();
    assert_eq!(
        users.iter().map(|user| user.id.as_str()).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    assert!(wire.take()[2].body.contains("Marker=m2"));
}

#[tokio::test]
async fn a_listing_that_fails_or_goes_round_on_a_later_page_is_an_error() {
    let user = user_xml("a", "active", "off", NO_PASSWORD);
    let page = reply(
        "DescribeUsers",
        &format!("<Marker>m1</Marker><Users><member>{user}</member></Users>"),
    );
    let wire = Wire::start(vec![page.clone(), error(400, "Throttling", "Rate exceeded")]).await;
    assert_eq!(
        wire.ports().users.users().await.unwrap_err().class,
        ErrorClass::Throttled
    );
    let wire = Wire::start(vec![page]).await;
    assert_eq!(
        wire.ports().users.users().await.unwrap_err().class,
        ErrorClass::Unavailable
    );
    assert_eq!(wire.take().len(), 2);
}

#[tokio::test]
async fn a_group_and_its_caches_are_read() {
    let group = reply(
        "DescribeUserGroups",
        "<UserGroups><member><UserGroupId>g1</UserGroupId><ReplicationGroups><member>rg</member></ReplicationGroups><ServerlessCaches><member>s</member></ServerlessCaches></member></UserGroups>",
    );
    let replication = reply(
        "DescribeReplicationGroups",
        "<ReplicationGroups><ReplicationGroup><ReplicationGroupId>rg</ReplicationGroupId><TransitEncryptionEnabled>true</TransitEncryptionEnabled><TransitEncryptionMode>preferred</TransitEncryptionMode><ClusterEnabled>false</ClusterEnabled><MemberClusters><ClusterId>rg-001</ClusterId></MemberClusters><NodeGroups><NodeGroup><NodeGroupMembers><NodeGroupMember><CacheClusterId>rg-001</CacheClusterId><ReadEndpoint><Address>one</Address><Port>6379</Port></ReadEndpoint></NodeGroupMember></NodeGroupMembers></NodeGroup></NodeGroups></ReplicationGroup></ReplicationGroups>",
    );
    let cluster = reply(
        "DescribeCacheClusters",
        "<CacheClusters><CacheCluster><CacheClusterId>rg-001</CacheClusterId><CacheNodes><CacheNode><CacheNodeStatus>rebooting</CacheNodeStatus><Endpoint><Address>one</Address><Port>6379</Port></Endpoint></CacheNode></CacheNodes></CacheCluster></CacheClusters>",
    );
    let serverless = reply(
        "DescribeServerlessCaches",
        "<ServerlessCaches><member><ServerlessCacheName>s</ServerlessCacheName><Status>AVAILABLE</Status><Endpoint><Address>sl</Address><Port>6379</Port></Endpoint><ReaderEndpoint><Address>sl</Address><Port>6380</Port></ReaderEndpoint></member></ServerlessCaches>",
    );
    let wire = Wire::start(vec![group, replication, cluster, serverless]).await;
    let users = wire.ports().users;
    let one = Endpoint {
        host: "one".to_owned(),
        port: 6379,
    };
    let group = users.user_group("g1").await.unwrap();
    assert_eq!(
        (group.replication_groups, group.serverless_caches),
        (vec!["rg".to_owned()], vec!["s".to_owned()])
    );
    let replication = users.replication_group("rg").await.unwrap();
    assert!(replication.transit_encryption && !replication.cluster_enabled && replication.global_datastore.is_none());
    assert_eq!(replication.members, ["rg-001"]);
    assert_eq!(replication.read_endpoints, [("rg-001".to_owned(), one.clone())]);
    assert_eq!(users.cache_cluster("rg-001").await.unwrap().nodes, [(one, false)]);
    let cache = users.serverless_cache("s").await.unwrap();
    assert!(cache.available);
    assert_eq!(
        cache.endpoints.iter().map(|endpoint| endpoint.port).collect::<Vec<_>>(),
        [6379, 6380]
    );
    assert!(wire.take()[2].body.contains("ShowCacheNodeInfo=true"));
}

#[tokio::test]
async fn a_node_that_only_a_shard_names_is_a_member_too() {
    let shard = |ids: [&str; 2]| {
        let member = |id| format!("<NodeGroupMember><CacheClusterId>{id}</CacheClusterId></NodeGroupMember>");
        format!(
            "<NodeGroup><NodeGroupMembers>{}</NodeGroupMembers></NodeGroup>",
            ids.map(member).concat()
        )
    };
    let shards = [
        shard(["rg-0001-001", "rg-0001-002"]),
        shard(["rg-0002-001", "rg-0002-002"]),
    ]
    .concat();
    let groups = format!(
        "<ReplicationGroups><ReplicationGroup><ReplicationGroupId>rg</ReplicationGroupId><ClusterEnabled>true</ClusterEnabled>\
         <MemberClusters><ClusterId>rg-0002-001</ClusterId><ClusterId>rg-0003-001</ClusterId></MemberClusters>\
         <NodeGroups>{shards}</NodeGroups></ReplicationGroup></ReplicationGroups>"
    );
    let wire = Wire::start(vec![reply("DescribeReplicationGroups", &groups)]).await;
    assert_eq!(
        wire.ports().users.replication_group("rg").await.unwrap().members,
        [
            "rg-0002-001",
            "rg-0003-001",
            "rg-0001-001",
            "rg-0001-002",
            "rg-0002-002"
        ]
    );
}
