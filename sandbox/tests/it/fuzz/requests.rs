//! Requests that were valid until something happened to them.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::support::{TOKEN_1, TOKEN_2};

/// A request, with the target of awsJson or without.
pub struct Request {
    pub target: Option<String>,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Request {
    pub fn new(target: Option<&str>, body: Vec<u8>) -> Self {
        Self {
            target: target.map(ToOwned::to_owned),
            content_type: "application/x-amz-json-1.1",
            body,
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let target = self.target.iter().map(|target| format!("x-amz-target: {target}\r\n"));
        let head = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {}\r\ncontent-length: {}\r\n{}\r\n",
            self.content_type,
            self.body.len(),
            target.collect::<String>()
        );
        [head.into_bytes(), self.body.clone()].concat()
    }
}

const CONTENT_TYPES: [&str; 5] = [
    "application/x-amz-json-1.1",
    "application/x-www-form-urlencoded",
    "text/plain",
    "multipart/form-data; boundary=",
    "\u{ff}",
];

fn pick<T: Clone>(rng: &mut StdRng, from: &[T]) -> T {
    from[rng.random_range(0..from.len())].clone()
}

/// A Secrets Manager request out of every operation's valid ones.
pub fn json(rng: &mut StdRng) -> Request {
    let templates = json_templates();
    let (operation, mut body) = pick(rng, &templates);
    for _ in 0..rng.random_range(0..4) {
        mutate(rng, &mut body);
    }
    let mut bytes = body.to_string().into_bytes();
    if rng.random_bool(0.3) {
        scramble(rng, &mut bytes);
    }
    Request {
        target: Some(format!("secretsmanager.{operation}")),
        content_type: pick(rng, &CONTENT_TYPES),
        body: bytes,
    }
}

/// An ElastiCache request out of valid ones.
pub fn form(rng: &mut StdRng) -> Request {
    let mut pairs: Vec<(String, String)> = form_urlencoded(pick(rng, &FORMS));
    for _ in 0..rng.random_range(0..4) {
        let at = rng.random_range(0..pairs.len());
        let odd = odd_text(rng);
        match rng.random_range(0..5) {
            0 => pairs[at].1 = odd,
            1 => pairs[at].0 = odd,
            2 => pairs[at].0.push_str(pick(
                rng,
                &[".member.1", ".member.x", ".", "..", ".1.1.1.1", ".member.0.Value"],
            )),
            3 => pairs.push((pairs[at].0.clone(), odd)),
            _ if pairs.len() > 1 => drop(pairs.remove(at)),
            _ => {}
        }
    }
    let encoded = pairs
        .iter()
        .map(|(key, value)| format!("{}={}", encode(key), encode(value)));
    let mut bytes = encoded.collect::<Vec<_>>().join("&").into_bytes();
    if rng.random_bool(0.3) {
        scramble(rng, &mut bytes);
    }
    Request {
        target: None,
        content_type: pick(rng, &CONTENT_TYPES),
        body: bytes,
    }
}

/// Random bytes, for either service.
pub fn noise(rng: &mut StdRng) -> Request {
    let length = rng.random_range(0..1_000);
    let templates = json_templates();
    Request {
        target: rng
            .random_bool(0.5)
            .then(|| format!("secretsmanager.{}", pick(rng, &templates).0)),
        content_type: pick(rng, &CONTENT_TYPES),
        body: (0..length).map(|_| rng.random()).collect(),
    }
}

/// Flips, cuts, doubles and inserts bytes, so that UTF-8 and syntax break.
fn scramble(rng: &mut StdRng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..=bytes.len());
        match rng.random_range(0..4) {
            0 if at < bytes.len() => bytes[at] = rng.random(),
            1 => bytes.truncate(at),
            2 => bytes.insert(at, pick(rng, b"\xff\xc3\x00\"{}[]\\%&=.,")),
            _ => bytes.extend_from_within(at..),
        }
    }
}

/// Does something to one value that is somewhere in another.
fn mutate(rng: &mut StdRng, value: &mut Value) {
    let deeper = rng.random_bool(0.6);
    match value {
        Value::Object(map) if deeper && !map.is_empty() => {
            let keys: Vec<String> = map.keys().cloned().collect();
            let key = pick(rng, &keys);
            match rng.random_range(0..6) {
                0 => drop(map.remove(&key)),
                1 => drop(map.insert(odd_text(rng), odd_value(rng))),
                _ => mutate(rng, &mut map[&key]),
            }
        }
        Value::Array(list) if deeper && !list.is_empty() => {
            let at = rng.random_range(0..list.len());
            match rng.random_range(0..4) {
                0 => list.extend(vec![list[at].clone(); 60]),
                1 => list.clear(),
                _ => mutate(rng, &mut list[at]),
            }
        }
        other => *other = odd_value(rng),
    }
}

fn odd_value(rng: &mut StdRng) -> Value {
    let deep = (0..100).fold(json!(0), |inner, _| json!([inner]));
    match rng.random_range(0..13) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(0),
        4 => json!(i64::MIN),
        5 => json!(u64::MAX),
        6 => json!(1e300),
        7 => json!(0.5),
        8 => json!([]),
        9 => json!({}),
        10 => deep,
        11 => json!({"Key": odd_text(rng), "Value": [odd_text(rng)]}),
        _ => Value::String(odd_text(rng)),
    }
}

fn odd_text(rng: &mut StdRng) -> String {
    let long = rng.random_range(1..70_000);
    match rng.random_range(0..12) {
        0 => String::new(),
        1 => "x".repeat(long),
        2 => "\0\u{1}\u{b}\u{7f}\u{fffe}".to_owned(),
        3 => "é\u{1f511}\u{202e}".to_owned(),
        4 => "<a>&\"']]>".to_owned(),
        5 => "-9223372036854775809".to_owned(),
        6 => "99999999999999999999".to_owned(),
        7 => "arn:aws:secretsmanager:us-east-1:123456789012:secret:é-é".to_owned(),
        8 => "arn:aws:elasticache:us-east-1:123456789012:user:".to_owned(),
        9 => "cron(0 0-23/0 * * ? *)".to_owned(),
        10 => "%".to_owned(),
        _ => (*pick(
            rng,
            &["s", "u", "g", "rg", "default", "AWSCURRENT", TOKEN_1, "true", "1"],
        ))
        .to_owned(),
    }
}

fn json_templates() -> Vec<(&'static str, Value)> {
    [of_many_secrets(), of_values(), of_settings()].concat()
}

/// A request about the one secret that there is.
fn about_s(mut more: Value) -> Value {
    more["SecretId"] = json!("s");
    more
}

fn of_many_secrets() -> Vec<(&'static str, Value)> {
    let filters = json!([{"Key": "name", "Values": ["s", "!x"]}]);
    let tags = json!([{"Key": "k", "Value": "v"}]);
    let create = json!({
        "Name": "t", "SecretString": "v", "ClientRequestToken": TOKEN_1, "Tags": tags,
        "AddReplicaRegions": [{"Region": "eu-west-1"}],
    });
    let random = json!({"PasswordLength": 20, "ExcludeCharacters": "abc", "IncludeSpace": true});
    let list = json!({"Filters": filters, "MaxResults": 1, "SortBy": "name", "NextToken": "page-1"});
    vec![
        ("BatchGetSecretValue", json!({"SecretIdList": ["s", "t"]})),
        ("BatchGetSecretValue", json!({"Filters": filters, "MaxResults": 2})),
        ("CreateSecret", create),
        ("DeleteSecret", json!({"SecretId": "t", "RecoveryWindowInDays": 7})),
        ("GetRandomPassword", random),
        ("ListSecrets", list),
        ("RestoreSecret", json!({"SecretId": "t"})),
    ]
}

fn of_values() -> Vec<(&'static str, Value)> {
    let value = json!({"SecretString": "v", "ClientRequestToken": TOKEN_2, "VersionStages": ["AWSPENDING"]});
    let read = json!({"VersionId": TOKEN_1, "VersionStage": "AWSCURRENT"});
    let versions = json!({"MaxResults": 1, "IncludeDeprecated": true});
    let label = json!({"VersionStage": "MINE", "MoveToVersionId": TOKEN_1});
    vec![
        ("DescribeSecret", about_s(json!({}))),
        ("GetSecretValue", about_s(read)),
        ("ListSecretVersionIds", about_s(versions)),
        ("PutSecretValue", about_s(value)),
        ("UpdateSecret", about_s(json!({"Description": "d", "KmsKeyId": "k"}))),
        ("UpdateSecretVersionStage", about_s(label)),
    ]
}

fn of_settings() -> Vec<(&'static str, Value)> {
    let policy =
        "{\"Statement\": {\"Effect\": \"Allow\", \"Principal\": \"*\", \"Action\": \"*\", \"Resource\": \"*\"}}";
    let put = json!({"ResourcePolicy": policy, "BlockPublicPolicy": true});
    let regions = json!([{"Region": "eu-west-1", "KmsKeyId": "k"}]);
    let rotate = json!({
        "ClientRequestToken": TOKEN_2, "RotationLambdaARN": "arn:aws:lambda:x", "RotateImmediately": false,
        "RotationRules": {"ScheduleExpression": "cron(0 8 ? 1/3 SUN#1 *)", "Duration": "3h"},
    });
    let removed = json!({"RemoveReplicaRegions": ["eu-west-1"]});
    vec![
        ("CancelRotateSecret", about_s(json!({}))),
        ("DeleteResourcePolicy", about_s(json!({}))),
        ("GetResourcePolicy", about_s(json!({}))),
        ("ListResourcePolicies", about_s(json!({"MaxResults": 1}))),
        ("PutResourcePolicy", about_s(put)),
        ("RemoveRegionsFromReplication", about_s(removed)),
        (
            "ReplicateSecretToRegions",
            about_s(json!({"AddReplicaRegions": regions})),
        ),
        ("RotateSecret", about_s(rotate)),
        ("StopReplicationToReplica", about_s(json!({}))),
        ("TagResource", about_s(json!({"Tags": [{"Key": "k", "Value": "v"}]}))),
        ("UntagResource", about_s(json!({"TagKeys": ["k"]}))),
        ("ValidateResourcePolicy", json!({"ResourcePolicy": policy})),
    ]
}

const FORMS: [&str; 24] = [
    "Action=CreateUser&UserId=v&UserName=v&Engine=redis&AccessString=on&Passwords.member.1=new-password-of-the-user",
    "Action=CreateUser&UserId=w&UserName=w&Engine=redis&AccessString=on&AuthenticationMode.Type=iam&Tags.Tag.1.Key=k",
    "Action=ModifyUser&UserId=u&Passwords.member.1=new-password-of-the-user&Passwords.member.2=old-password-of-the-user",
    "Action=ModifyUser&UserId=u&AppendAccessString=~a* +get&NoPasswordRequired=false",
    "Action=DescribeUsers&UserId=u&MaxRecords=20&Filters.member.1.Name=user-id&Filters.member.1.Values.member.1=u",
    "Action=DeleteUser&UserId=v",
    "Action=CreateUserGroup&UserGroupId=h&Engine=redis&UserIds.member.1=default&UserIds.member.2=u",
    "Action=ModifyUserGroup&UserGroupId=g&UserIdsToAdd.member.1=v&UserIdsToRemove.member.1=u",
    "Action=DescribeUserGroups&UserGroupId=g&MaxRecords=20",
    "Action=DeleteUserGroup&UserGroupId=h",
    "Action=CreateReplicationGroup&ReplicationGroupId=r2&ReplicationGroupDescription=d&NumCacheClusters=2",
    "Action=CreateReplicationGroup&ReplicationGroupId=r3&ReplicationGroupDescription=d&NumNodeGroups=2&ReplicasPerNodeGroup=1",
    "Action=ModifyReplicationGroup&ReplicationGroupId=rg&UserGroupIdsToAdd.member.1=h&ApplyImmediately=true",
    "Action=DescribeReplicationGroups&ReplicationGroupId=rg&MaxRecords=20",
    "Action=IncreaseReplicaCount&ReplicationGroupId=rg&NewReplicaCount=2&ApplyImmediately=true",
    "Action=DecreaseReplicaCount&ReplicationGroupId=rg&NewReplicaCount=1&ApplyImmediately=true",
    "Action=TestFailover&ReplicationGroupId=rg&NodeGroupId=0001",
    "Action=DescribeCacheClusters&ShowCacheNodeInfo=true&CacheClusterId=rg-001",
    "Action=CreateServerlessCache&ServerlessCacheName=sc&Engine=redis&UserGroupId=g",
    "Action=ModifyServerlessCache&ServerlessCacheName=sc&UserGroupId=h",
    "Action=DescribeServerlessCaches&MaxResults=20",
    "Action=DeleteServerlessCache&ServerlessCacheName=sc",
    "Action=AddTagsToResource&ResourceName=arn:aws:elasticache:us-east-1:123456789012:user:u&Tags.Tag.1.Key=k&Tags.Tag.1.Value=v",
    "Action=ListTagsForResource&ResourceName=arn:aws:elasticache:us-east-1:123456789012:user:u",
];

fn form_urlencoded(form: &str) -> Vec<(String, String)> {
    let pairs = form.split('&').map(|pair| pair.split_once('=').expect("a pair"));
    let version = ("Version".to_owned(), "2015-02-02".to_owned());
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .chain([version])
        .collect()
}

fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
