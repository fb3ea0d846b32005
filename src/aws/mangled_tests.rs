//! Replies that AWS would not give: none of them is taken at face value.

use proptest::prelude::*;
use secrecy::SecretString;

use super::wire::{Answer, Wire};
use super::{AwsResult, ErrorClass};
use crate::clock::Timestamp;
use crate::policy::Selection;
use crate::secret::Password;

const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:orders-AbCdEf";
const OTHER: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:others-AbCdEf";
const VERSION: &str = "0123456789abcdef0123456789abcdef";

fn json(body: String) -> Answer {
    Answer::new(200, &body).header("content-type", "application/x-amz-json-1.1")
}

fn xml(operation: &str, result: &str) -> Answer {
    let body = format!(
        "<{operation}Response><{operation}Result>{result}</{operation}Result><ResponseMetadata/></{operation}Response>"
    );
    Answer::new(200, &body)
}

fn described(arn: &str, stages: &str) -> Answer {
    json(format!(
        r#"{{"ARN":"{arn}","Name":"orders","VersionIdsToStages":{{{stages}}}}}"#
    ))
}

fn listed(arn: &str, versions: &str) -> Answer {
    json(format!(r#"{{"ARN":"{arn}","Name":"orders"{versions}}}"#))
}

fn moment() -> Timestamp {
    Timestamp::from_timestamp(1_700_000_000, 0).unwrap()
}

/// That a call failed like one that AWS did not answer: it is made again, and a write is taken
/// for one that may have been applied.
fn assert_unanswered<T>(what: &str, result: AwsResult<T>) {
    let failure = result.err().unwrap_or_else(|| panic!("{what}: taken at face value"));
    assert_eq!(failure.class, ErrorClass::Unavailable, "{what}: {failure}");
}

#[tokio::test]
async fn a_reply_about_another_secret_or_version_is_no_answer() {
    let stages = r#""v1":["AWSCURRENT"]"#;
    let one = r#","Versions":[{"VersionId":"v1","VersionStages":["AWSCURRENT"],"CreatedDate":1}]"#;
    for asked in [ARN, "orders"] {
        let renamed = |answer: &str| json(answer.replace("NAME", if asked == ARN { "orders" } else { "others" }));
        let about_other = renamed(&format!(
            r#"{{"ARN":"{OTHER}","Name":"NAME","VersionIdsToStages":{{{stages}}}}}"#
        ));
        let wire = Wire::start(vec![about_other, listed(ARN, one)]).await;
        assert_unanswered("DescribeSecret", wire.ports().secrets.secret(asked).await);
        let about_other = renamed(&format!(r#"{{"ARN":"{OTHER}","Name":"NAME"{one}}}"#));
        let wire = Wire::start(vec![described(ARN, stages), about_other]).await;
        assert_unanswered("ListSecretVersionIds", wire.ports().secrets.secret(asked).await);
    }
    for reply in [
        format!(r#"{{"ARN":"{OTHER}","Name":"others","VersionId":"{VERSION}","SecretString":"x"}}"#),
        format!(r#"{{"ARN":"{ARN}","Name":"orders","VersionId":"v0","SecretString":"x"}}"#),
        format!(r#"{{"Name":"orders","VersionId":"{VERSION}","SecretString":"x"}}"#),
        "{}".to_owned(),
        String::new(),
    ] {
        let wire = Wire::start(vec![json(reply.clone())]).await;
        let ports = wire.ports();
        assert_unanswered(&reply, ports.secrets.value(ARN, VERSION).await);
        let document = SecretString::from("{}");
        let put = ports
            .secrets_writer
            .put_pending(ARN, VERSION, &document, moment())
            .await;
        assert_unanswered(&reply, put);
        if !reply.contains(ARN) {
            let moved = ports.secrets_writer.move_current(ARN, "v1", "v2", moment()).await;
            assert_unanswered(&reply, moved);
            assert_unanswered(&reply, ports.secrets_writer.remove_pending(ARN, "v2", moment()).await);
        }
    }
}

#[tokio::test]
async fn a_listing_that_shows_a_name_for_the_arn_is_known_by_its_name() {
    let one = r#","Versions":[{"VersionId":"v1","VersionStages":["AWSCURRENT"],"CreatedDate":1}]"#;
    let stages = r#""v1":["AWSCURRENT"]"#;
    for (name, is_it) in [("orders", true), ("order", false), ("others", false), ("", false)] {
        let listed = json(format!(r#"{{"ARN":"{name}","Name":"{name}"{one}}}"#));
        let wire = Wire::start(vec![described(ARN, stages), listed]).await;
        assert_eq!(wire.ports().secrets.secret(ARN).await.is_ok(), is_it, "{name}");
    }
}

#[tokio::test]
async fn a_secret_that_is_asked_for_by_a_shortened_arn_answers_with_its_whole_one() {
    let one = r#","Versions":[{"VersionId":"v1","VersionStages":["AWSCURRENT"],"CreatedDate":1}]"#;
    let wire = Wire::start(vec![described(ARN, r#""v1":["AWSCURRENT"]"#), listed(ARN, one)]).await;
    let shortened = ARN.strip_suffix("-AbCdEf").unwrap();
    assert_eq!(wire.ports().secrets.secret(shortened).await.unwrap().arn, ARN);
    let wire = Wire::start(vec![described(ARN, "")]).await;
    let shorter = ARN.strip_suffix("ers-AbCdEf").unwrap();
    assert_unanswered("another name", wire.ports().secrets.secret(shorter).await);
}

#[tokio::test]
async fn a_listing_without_its_list_is_no_empty_one() {
    let stages = r#""v1":["AWSCURRENT"]"#;
    let wire = Wire::start(vec![described(ARN, stages), listed(ARN, "")]).await;
    assert_unanswered("versions", wire.ports().secrets.secret(ARN).await);
    let wire = Wire::start(vec![json("{}".to_owned())]).await;
    let selection = Selection {
        name_prefix: Some("o".to_owned()),
        ..Selection::default()
    };
    assert_unanswered("secrets", wire.ports().secrets.select(&selection).await);
}

#[tokio::test]
async fn a_label_on_two_versions_is_no_answer() {
    let one = r#","Versions":[{"VersionId":"v1","VersionStages":["AWSCURRENT"],"CreatedDate":1}]"#;
    for label in ["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"] {
        let stages = format!(r#""v1":["AWSCURRENT","{label}"],"v2":["{label}"]"#);
        let pair = [described(ARN, &stages), listed(ARN, one)];
        let wire = Wire::start([pair.clone(), pair.clone(), pair].concat()).await;
        assert_unanswered(label, wire.ports().secrets.secret(ARN).await);
    }
}

#[tokio::test]
async fn listings_that_never_end_are_given_up() {
    // Two markers in turn, which are never the same twice in a row.
    let user = USER.replace("ID", "user1");
    let page = |marker: &str| {
        let result = format!("<Marker>{marker}</Marker><Users><member>{user}</member></Users>");
        xml("DescribeUsers", &result)
    };
    let wire = Wire::start(vec![[page("m1"), page("m2")]; 200].concat()).await;
    assert_unanswered("users", wire.ports().users.users().await);
    assert!(wire.take().len() <= 100);

    let entry = r#"{"VersionId":"v1","VersionStages":["AWSCURRENT"],"CreatedDate":1}"#;
    let page = |token: &str| listed(ARN, &format!(r#","Versions":[{entry}],"NextToken":"{token}""#));
    let pages = [vec![described(ARN, "")], vec![[page("t1"), page("t2")]; 200].concat()].concat();
    let wire = Wire::start(pages).await;
    assert_unanswered("versions", wire.ports().secrets.secret(ARN).await);
    assert!(wire.take().len() <= 1 + 100);
}

#[tokio::test]
async fn a_reply_that_is_too_long_is_not_read() {
    let filler = "x".repeat(17 * 1024 * 1024);
    let reply = format!(r#"{{"ARN":"{ARN}","VersionId":"{VERSION}","SecretString":"{filler}"}}"#);
    let wire = Wire::start(vec![json(reply)]).await;
    assert_unanswered("a value", wire.ports().secrets.value(ARN, VERSION).await);
    let users = xml("DescribeUsers", &format!("<Users><!--{filler}--></Users>"));
    let wire = Wire::start(vec![users]).await;
    assert_unanswered("a user", wire.ports().users.user("user1").await);
    // As long as a value may be, escaped in the longest way.
    let filler = "\\u0041".repeat(65_536);
    let reply = format!(r#"{{"ARN":"{ARN}","VersionId":"{VERSION}","SecretString":"{filler}"}}"#);
    let wire = Wire::start(vec![json(reply)]).await;
    wire.ports().secrets.value(ARN, VERSION).await.unwrap().err().unwrap();
}

#[tokio::test]
async fn the_longest_page_of_secrets_is_read() {
    let wide = |characters: usize| "\u{1d11e}".repeat(characters);
    let tag = format!(r#"{{"Key":"{}","Value":"{}"}}"#, wide(128), wide(256));
    let entry = format!(
        r#"{{"ARN":"{ARN}","Name":"orders","Description":"{}","Tags":[{}]}}"#,
        wide(2_048),
        vec![tag; 50].join(",")
    );
    let page = format!(r#"{{"SecretList":[{}]}}"#, vec![entry; 100].join(","));
    let wire = Wire::start(vec![json(page)]).await;
    let found = wire.ports().secrets.select(&crate::policy::Selection::default()).await;
    assert_eq!(found.unwrap().len(), 100);
}

/// A user with everything that is said of one. ID stands for its id.
const USER: &str = "<UserId>ID</UserId><UserName>ID</UserName><Status>active</Status><AccessString>on ~* +@all</AccessString>\
                    <UserGroupIds><member>g</member></UserGroupIds>\
                    <Authentication><Type>password</Type><PasswordCount>1</PasswordCount></Authentication>\
                    <ARN>arn:aws:elasticache:us-east-1:123456789012:user:ID</ARN>";

async fn user(users: &str) -> AwsResult<crate::rotation::observation::User> {
    let wire = Wire::start(vec![xml("DescribeUsers", &format!("<Users>{users}</Users>"))]).await;
    wire.ports().users.user("user1").await
}

#[tokio::test]
async fn a_user_of_which_something_is_not_said_is_no_answer() {
    let whole = USER.replace("ID", "user1");
    let member = |user: &str| format!("<member>{user}</member>");
    user(&member(&whole)).await.unwrap();
    let groupless = whole.replace("<member>g</member>", "");
    assert_eq!(user(&member(&groupless)).await.unwrap().groups.len(), 0);
    for said in [
        "<UserName>user1</UserName>",
        "<Status>active</Status>",
        "<AccessString>on ~* +@all</AccessString>",
        "<UserGroupIds><member>g</member></UserGroupIds>",
        "<Authentication><Type>password</Type><PasswordCount>1</PasswordCount></Authentication>",
        "<Type>password</Type>",
        "<PasswordCount>1</PasswordCount>",
        "<ARN>arn:aws:elasticache:us-east-1:123456789012:user:user1</ARN>",
    ] {
        assert!(whole.contains(said));
        assert_unanswered(said, user(&member(&whole.replace(said, ""))).await);
    }
    for count in ["-1", "-2147483648", "2147483648", "1.5", "one", ""] {
        let counted = whole.replace("Count>1<", &format!("Count>{count}<"));
        assert_unanswered(count, user(&member(&counted)).await);
    }
    let nameless = whole.replace("arn:aws:elasticache:us-east-1:123456789012:user:user1", "");
    assert_unanswered("an empty ARN", user(&member(&nameless)).await);
    assert_unanswered("twice", user(&member(&whole).repeat(2)).await);
    let other = user(&member(&USER.replace("ID", "user2"))).await.unwrap_err();
    assert_eq!(other.class, ErrorClass::NotFound, "{other}");
}

#[tokio::test]
async fn a_change_that_another_user_answers_to_may_or_may_not_have_been_made() {
    for reply in [USER.replace("ID", "user2"), String::new()] {
        let wire = Wire::start(vec![xml("ModifyUser", &reply)]).await;
        let password = [Password::new("CANARY".to_owned())];
        let changed = wire
            .ports()
            .users_writer
            .set_passwords("user1", &password, moment())
            .await;
        assert_unanswered(&reply, changed);
    }
}

#[tokio::test]
async fn caches_of_which_something_is_not_said_are_no_answer() {
    let wire = Wire::start(vec![
        xml("DescribeUserGroups", "<UserGroups><member><UserGroupId>g</UserGroupId></member></UserGroups>"),
        xml(
            "DescribeCacheClusters",
            "<CacheClusters><CacheCluster><CacheClusterId>c</CacheClusterId><CacheNodes><CacheNode><Endpoint><Address>one\
             </Address><Port>6379</Port></Endpoint></CacheNode></CacheNodes></CacheCluster></CacheClusters>",
        ),
        xml(
            "DescribeServerlessCaches",
            "<ServerlessCaches><member><ServerlessCacheName>s</ServerlessCacheName><Status>AVAILABLE</Status><Endpoint>\
             <Address>sl</Address><Port>6379</Port></Endpoint><ReaderEndpoint><Port>6380</Port></ReaderEndpoint></member>\
             </ServerlessCaches>",
        ),
        xml(
            "DescribeServerlessCaches",
            "<ServerlessCaches><member><ServerlessCacheName>s</ServerlessCacheName><Endpoint><Address>sl</Address><Port>\
             6379</Port></Endpoint></member></ServerlessCaches>",
        ),
    ])
    .await;
    let users = wire.ports().users;
    assert_unanswered("a group without caches", users.user_group("g").await);
    assert_unanswered("a node without status", users.cache_cluster("c").await);
    assert_unanswered("an endpoint without address", users.serverless_cache("s").await);
    assert_unanswered("a cache without status", users.serverless_cache("s").await);
}

/// Asks with every read that takes one reply, and sees to it that what comes is about what was
/// asked for.
async fn ask_everything(body: &str, status: u16) {
    let wire = Wire::start(vec![Answer::new(status, body)]).await;
    let ports = wire.ports();
    if let Ok(user) = ports.users.user("user1").await {
        assert!(user.id.eq_ignore_ascii_case("user1"), "{body}");
        assert!(!user.arn.is_empty(), "{body}");
    }
    let _ = ports.users.user_group("g").await;
    let _ = ports.users.cache_cluster("c").await;
    let value = ports.secrets.value(ARN, VERSION).await;
    assert!(
        value.is_err() || (body.contains(ARN) && body.contains(VERSION)),
        "{body}"
    );
    if let Ok(secret) = ports.secrets.secret(ARN).await {
        assert!(secret.arn.starts_with(ARN), "{body}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_reply_makes_an_adapter_panic_or_is_about_something_else(
        which in 0..3_usize,
        at in any::<proptest::sample::Index>(),
        instead in "\\PC{0,3}",
        cut in proptest::option::of(any::<proptest::sample::Index>()),
        status in proptest::sample::select(vec![200_u16, 200, 200, 204, 301, 400, 403, 500, 503]),
    ) {
        let users = format!("<Users><member>{}</member></Users>", USER.replace("ID", "user1"));
        let whole = [
            format!("<DescribeUsersResponse><DescribeUsersResult>{users}</DescribeUsersResult></DescribeUsersResponse>"),
            format!(
                r#"{{"ARN":"{ARN}","Name":"orders","VersionId":"{VERSION}","SecretString":"{{}}","CreatedDate":1e9,"VersionIdsToStages":{{"v1":["AWSCURRENT"]}},"Versions":[{{"VersionId":"v1","CreatedDate":1}}]}}"#
            ),
            String::new(),
        ];
        let mut body = whole[which].clone();
        if !body.is_empty() {
            let at = at.index(body.len());
            body.replace_range(at..=at, &instead);
        }
        if let Some(cut) = cut.filter(|_| !body.is_empty()) {
            let mut end = cut.index(body.len());
            while !body.is_char_boundary(end) {
                end -= 1;
            }
            body.truncate(end);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(ask_everything(&body, status));
    }
}

#[tokio::test]
async fn absurd_dates_are_no_dates_and_no_panic() {
    for date in [
        "-62135596800",
        "253402300800",
        "1e300",
        "-1e300",
        "\"NaN\"",
        "\"Infinity\"",
        "null",
        "1e-300",
        "0",
    ] {
        let one = format!(r#","Versions":[{{"VersionId":"v1","VersionStages":["AWSCURRENT"],"CreatedDate":{date}}}]"#);
        let described = json(format!(
            r#"{{"ARN":"{ARN}","Name":"orders","LastChangedDate":{date},"VersionIdsToStages":{{"v1":["AWSCURRENT"]}}}}"#
        ));
        let wire = Wire::start(vec![described, listed(ARN, &one)]).await;
        let Ok(secret) = wire.ports().secrets.secret(ARN).await else {
            continue;
        };
        let created = secret.versions["v1"].created;
        for at in [created, secret.last_changed].into_iter().flatten() {
            let _ = crate::clock::after(at, std::time::Duration::from_secs(u64::MAX));
            let _ = crate::clock::between(at, moment());
            let _ = crate::clock::between(moment(), at);
            let every = crate::policy::Schedule::Every(std::time::Duration::from_secs(86_400));
            assert!(crate::schedule::next_after(&every, at) >= at, "{date}");
        }
    }
}
