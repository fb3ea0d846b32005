//! Secrets, users, groups and caches in the sandbox, made over HTTP as an operator would.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::http::Connection;
use crate::sandbox::Sandbox;

/// Users of an account and region besides ElastiCache's own `default`; AWS allows 1,000 in all.
const USERS: usize = 999;
/// Users of a group, of which AWS allows no more.
const USERS_OF_GROUP: usize = 100;
const CONNECTIONS: usize = 16;
pub(crate) const PASSWORD: &str = "the-first-password-of-all";

/// A secret that was made.
pub(crate) struct Made {
    pub(crate) arn: String,
    /// Its version.
    pub(crate) version: String,
}

/// So many secrets in so many places, one user each.
#[derive(Clone, Copy)]
pub(crate) struct Fleet {
    pub(crate) places: usize,
    pub(crate) secrets_of_place: usize,
}

impl Fleet {
    /// A fleet of about that size: ElastiCache's own user takes one place in every thousand.
    pub(crate) fn of(secrets: usize) -> Self {
        Self {
            places: secrets.div_ceil(1_000),
            secrets_of_place: secrets.min(USERS),
        }
    }

    pub(crate) fn secrets(self) -> usize {
        self.places * self.secrets_of_place
    }

    /// Makes everything. Users of the first place are in groups of 100, each with a cache of one
    /// node, if `caches`; all others are in no group, so that there is nowhere to log in.
    pub(crate) async fn make(self, sandbox: &Sandbox, caches: bool) -> Outcome<Vec<Made>> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut makers = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (next, connection) = (next.clone(), sandbox.connect().await?);
            makers.spawn(self.make_users(connection, next));
        }
        let mut made = Vec::with_capacity(self.secrets());
        while let Some(some) = makers.join_next().await {
            made.extend(some.map_err(|error| error.to_string())??);
        }
        if caches {
            let mut connection = sandbox.connect().await?;
            for group in 0..self.secrets_of_place.div_ceil(USERS_OF_GROUP) {
                self.make_cache(&mut connection, group).await?;
            }
            caches_available(&mut connection).await?;
        }
        Ok(made)
    }

    async fn make_users(self, mut connection: Connection, next: Arc<AtomicUsize>) -> Outcome<Vec<Made>> {
        let mut made = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let (place, user) = (number / self.secrets_of_place, number % self.secrets_of_place);
            if place >= self.places {
                return Ok(made);
            }
            let region = region(place);
            let form = format!(
                "Action=CreateUser&UserId=u{user}&UserName=u{user}&Engine=valkey&AccessString=on+~*+-@all+%2Bget\
                 &Passwords.member.1={PASSWORD}"
            );
            elasticache(&mut connection, &region, form).await?;
            let arn = format!("arn:aws:elasticache:{region}:123456789012:user:u{user}");
            let document = json!({"username": format!("u{user}"), "user_arn": arn, "password": PASSWORD});
            let version = format!("00000000-0000-4000-8000-{number:012}");
            let secret = json!({
                "Name": format!("bench/u{user}"),
                "SecretString": document.to_string(),
                "ClientRequestToken": version,
            });
            let headers = [
                ("authorization", &*signature(&region)),
                ("x-amz-target", "secretsmanager.CreateSecret"),
            ];
            let reply = connection.ask(Method::POST, "/", &headers, secret.to_string()).await?;
            let reply: serde_json::Value = serde_json::from_str(&reply).map_err(|error| error.to_string())?;
            let arn = reply["ARN"].as_str().ok_or("CreateSecret shows no ARN")?.to_owned();
            made.push(Made { arn, version });
        }
    }

    async fn make_cache(self, connection: &mut Connection, group: usize) -> Outcome<()> {
        let first = group * USERS_OF_GROUP;
        let users = first..self.secrets_of_place.min(first + USERS_OF_GROUP);
        let members = users
            .enumerate()
            .map(|(n, user)| format!("&UserIds.member.{}=u{user}", n + 1));
        let members: String = members.collect();
        let form = format!("Action=CreateUserGroup&UserGroupId=g{group}&Engine=valkey{members}");
        elasticache(connection, &region(0), form).await?;
        let form = format!(
            "Action=CreateReplicationGroup&ReplicationGroupId=c{group}&ReplicationGroupDescription=bench\
             &Engine=valkey&NumCacheClusters=1&TransitEncryptionEnabled=true&UserGroupIds.member.1=g{group}"
        );
        elasticache(connection, &region(0), form).await
    }
}

async fn caches_available(connection: &mut Connection) -> Outcome<()> {
    for _ in 0..600 {
        let headers = [("authorization", &*signature(&region(0)))];
        let form = "Action=DescribeReplicationGroups".to_owned();
        let shown = connection.ask(Method::POST, "/", &headers, form).await?;
        if !shown.contains("<Status>creating</Status>") {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Err("the caches do not come up".to_owned())
}

async fn elasticache(connection: &mut Connection, region: &str, form: String) -> Outcome<()> {
    let headers = [("authorization", &*signature(region))];
    connection.ask(Method::POST, "/", &headers, form).await.map(drop)
}

/// The region of a place: the sandbox keeps each apart, as AWS does.
pub(crate) fn region(place: usize) -> String {
    format!("us-east-{}", place + 1)
}

fn signature(region: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential=OPERATOR/20260101/{region}/any/aws4_request, SignedHeaders=host, Signature=0")
}
