//! Secrets and users that rekeyd must leave alone: each refusal says why, changes nothing in AWS
//! and is no hot loop.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_elasticache::types::{AuthenticationMode, InputAuthenticationType};
use aws_sdk_secretsmanager::primitives::Blob;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::UnprovenReason;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::rotation::version::version_id;
use rekeyd_sandbox::{GlobalSeed, Seed};

use crate::support::world::{ACCOUNT, GROUP, Labels, REGION, document, document_with, secret_name, user_arn};
use crate::support::{Daemon, Policy, World, eventually};

pub(crate) const OLD: &str = "the-first-password-1";
pub(crate) const OTHER: &str = "somebody-elses-password-2";

/// The calls that one daemon made, by what `wanted` says of operation and whether it writes.
pub(crate) fn calls_of(world: &World, daemon: &str, wanted: impl Fn(&str) -> bool) -> usize {
    let key = daemon.to_uppercase();
    let log = world.sandbox.sandbox().log();
    log.iter()
        .filter(|call| call.access_key == key && wanted(&call.operation))
        .count()
}

pub(crate) fn is_read(operation: &str) -> bool {
    ["Describe", "Get", "List", "BatchGet"]
        .iter()
        .any(|prefix| operation.starts_with(prefix))
}

/// Asserts that a daemon has sent nothing but reads.
pub(crate) fn assert_only_reads(world: &World, daemon: &str) {
    let key = daemon.to_uppercase();
    let log = world.sandbox.sandbox().log();
    let writes: Vec<_> = log
        .iter()
        .filter(|call| call.access_key == key && (call.mutated || !is_read(&call.operation)))
        .collect();
    assert!(writes.is_empty(), "{daemon} wrote to AWS: {writes:#?}");
    assert!(calls_of(world, daemon, is_read) > 0, "{daemon} has not even looked");
}

/// Waits until a daemon makes no call for half a second, and asserts that it then makes none for
/// three times as long.
pub(crate) async fn assert_comes_to_rest(world: &World, daemon: &str) {
    let quiet_for = Duration::from_millis(500);
    let mut last = (calls_of(world, daemon, |_| true), tokio::time::Instant::now());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while last.1.elapsed() < quiet_for {
        assert!(tokio::time::Instant::now() < deadline, "{daemon} never comes to rest");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let calls = calls_of(world, daemon, |_| true);
        if calls != last.0 {
            last = (calls, tokio::time::Instant::now());
        }
    }
    tokio::time::sleep(3 * quiet_for).await;
    let log = world.sandbox.sandbox().log();
    let key = daemon.to_uppercase();
    let late: Vec<_> = log.iter().filter(|call| call.access_key == key).skip(last.0).collect();
    assert!(late.is_empty(), "{daemon} is in a loop: {late:#?}");
}

/// Everything about a secret and its user that a refusal must leave as it was.
#[derive(PartialEq, Eq, Debug)]
struct Sight {
    labels: Labels,
    user: Option<(Option<String>, Option<i32>, Option<String>)>,
    /// Whether OLD and OTHER log in on a primary; the number of passwords and that nothing was
    /// written speak for the other nodes.
    logins: Option<[bool; 2]>,
}

/// One secret that is refused.
struct Case {
    /// Names the case, its user and its secret.
    name: &'static str,
    secret: String,
    reason: &'static str,
    /// Where it stands while no rotation is due, if that is no halt.
    at_rest: Option<Proof>,
    /// Words that the detail must hold.
    says: String,
}

/// The cases of a test, and their world.
struct Cases<'a> {
    world: &'a World,
    all: Vec<Case>,
}

impl Cases<'_> {
    fn add(&mut self, name: &'static str, reason: &'static str) -> &mut Case {
        self.all.push(Case {
            name,
            secret: secret_name(name),
            reason,
            at_rest: None,
            says: String::new(),
        });
        self.all.last_mut().expect("just pushed")
    }

    /// A case that differs from a good one only in its document.
    async fn with_document(&mut self, name: &'static str, reason: &'static str, document: &str) {
        self.world.create_secret(&secret_name(name), document).await;
        self.add(name, reason);
    }

    /// A good secret. Gives its ARN and its version.
    async fn good_secret(&self, name: &str) -> (String, String) {
        let secret = secret_name(name);
        let arn = self.world.create_secret(&secret, &document_with(name, OLD)).await;
        let first = self.world.holder(&secret, "AWSCURRENT").await.expect("a version");
        (arn, first)
    }

    async fn put(&self, name: &str, version: &str, document: &str, label: &str) {
        put(self.world, &secret_name(name), version, document, label).await;
    }

    async fn sight(&self, case: &Case) -> Sight {
        let described = self.world.elasticache.describe_users().user_id(case.name).send().await;
        let user = described.ok().and_then(|described| described.users?.pop()).map(|user| {
            let count = user.authentication.as_ref().and_then(|a| a.password_count());
            (user.status, count, user.access_string)
        });
        let logins = match &user {
            Some(_) => {
                let (host, port) = self.world.addresses().remove(0);
                let login = |password| self.world.try_login(&host, port, case.name, password);
                let (old, other) = tokio::join!(login(OLD), login(OTHER));
                Some([old.expect("an answer"), other.expect("an answer")])
            }
            None => None,
        };
        Sight {
            labels: self.world.labels(&case.secret).await,
            user,
            logins,
        }
    }

    async fn sights(&self) -> BTreeMap<String, Sight> {
        let mut sights = BTreeMap::new();
        for case in &self.all {
            sights.insert(case.secret.clone(), self.sight(case).await);
        }
        sights
    }
}

pub(crate) async fn put(world: &World, secret: &str, version: &str, document: &str, label: &str) {
    world
        .secrets
        .put_secret_value()
        .secret_id(secret)
        .client_request_token(version)
        .secret_string(document)
        .version_stages(label)
        .send()
        .await
        .expect("put");
}

pub(crate) async fn move_current(world: &World, secret: &str, from: &str, to: &str) {
    world
        .secrets
        .update_secret_version_stage()
        .secret_id(secret)
        .version_stage("AWSCURRENT")
        .remove_from_version_id(from)
        .move_to_version_id(to)
        .send()
        .await
        .expect("AWSCURRENT moved");
}

/// Sets a user's passwords, as anybody with the permission can; none makes it passwordless.
pub(crate) async fn set_passwords(world: &World, user: &str, passwords: &[&str]) {
    let request = world.elasticache.modify_user().user_id(user);
    let request = if passwords.is_empty() {
        request.no_password_required(true)
    } else {
        request.set_passwords(Some(passwords.iter().map(|&password| password.to_owned()).collect()))
    };
    request.send().await.expect("modify-user");
    world.settled(user).await;
}

pub(crate) async fn user_with(world: &World, id: &str, name: &str, access: &str, passwords: &[&str]) {
    let request = world.elasticache.create_user().user_id(id).user_name(name);
    let request = request.engine("redis").access_string(access);
    let request = if passwords.is_empty() {
        request.no_password_required(true)
    } else {
        request.set_passwords(Some(passwords.iter().map(|&password| password.to_owned()).collect()))
    };
    request.send().await.expect("user");
}

pub(crate) const ON: &str = "on ~keys* -@all +get";
const OFF: &str = "off ~keys* -@all +get";

/// The users that are in the cache's group, by access string and passwords.
const USERS: &[(&str, &str, &[&str])] = &[
    ("deleted", ON, &[OLD]),
    ("rotation-on", ON, &[OLD]),
    ("rotation-begun", ON, &[OLD]),
    ("owned", ON, &[OLD]),
    ("replicated", ON, &[OLD]),
    ("replica", ON, &[OLD]),
    ("no-current", ON, &[OLD]),
    ("binary", ON, &[OLD]),
    ("not-json", ON, &[OLD]),
    ("not-an-object", ON, &[OLD]),
    ("duplicate-key", ON, &[OLD]),
    ("no-arn", ON, &[OLD]),
    ("bad-arn", ON, &[OLD]),
    ("other-region", ON, &[OLD]),
    ("other-account", ON, &[OLD]),
    ("no-username", ON, &[OLD]),
    ("number-password", ON, &[OLD]),
    ("empty-password", ON, &[OLD]),
    ("not-allowed", ON, &[OLD]),
    ("wrong-name", ON, &[OLD]),
    ("no-password-now", ON, &[]),
    ("nopass-without", ON, &[]),
    ("on-without", ON, &[OLD]),
    ("off-without", OFF, &[OLD]),
    ("two-passwords", ON, &[OLD, OTHER]),
    ("two-while-off", OFF, &[OLD, OTHER]),
    ("drifted", ON, &[OTHER]),
    ("foreign-pending", ON, &[OLD]),
    ("stale-pending", ON, &[OLD]),
    ("pending-moved", ON, &[OLD]),
    ("pending-renamed", ON, &[OLD]),
    ("pending-no-json", ON, &[OLD]),
    ("pending-no-word", ON, &[OLD]),
    ("rolled-back", ON, &[OLD]),
    ("twin", ON, &[OLD]),
    ("paused-twin", ON, &[OLD]),
    ("global", ON, &[OLD]),
];

/// Makes every user and secret, and says what is to come of each.
async fn every_refusal(world: &World) -> Cases<'_> {
    for (user, access, passwords) in USERS {
        user_with(world, user, user, access, passwords).await;
    }
    let mut users: Vec<&str> = USERS.iter().map(|(user, _, _)| *user).collect();
    users.retain(|user| *user != "global");
    world.create_cache(&users).await;
    let mut cases = Cases { world, all: Vec::new() };
    secrets_in_other_hands(&mut cases).await;
    documents(&mut cases).await;
    users_unfit(&mut cases).await;
    versions(&mut cases).await;
    global_datastore(&mut cases).await;
    cases
}

async fn global_datastore(cases: &mut Cases<'_>) {
    cases.world.create_cache_named("group2", "cache2", &["global"], 1).await;
    let member = |region: &str, role: &str| GlobalSeed {
        replication_group: "cache2".to_owned(),
        region: region.to_owned(),
        role: role.to_owned(),
    };
    let seed = Seed {
        global_replication_group: Some("global1".to_owned()),
        members: Some(vec![member(REGION, "PRIMARY"), member("eu-west-1", "SECONDARY")]),
        ..Seed::default()
    };
    cases.world.sandbox.sandbox().seed(seed).expect("seeded");
    cases.good_secret("global").await;
    cases.add("global", "global_datastore").says = "cache2".to_owned();
}

async fn secrets_in_other_hands(cases: &mut Cases<'_>) {
    let world = cases.world;
    for name in [
        "deleted",
        "rotation-on",
        "rotation-begun",
        "owned",
        "replicated",
        "replica",
    ] {
        cases.good_secret(name).await;
    }
    let lambda = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotator");
    let delete = world.secrets.delete_secret().secret_id(secret_name("deleted"));
    delete.recovery_window_in_days(7).send().await.expect("deleted");
    for (name, at_once) in [("rotation-on", false), ("rotation-begun", true)] {
        let rotate = world.secrets.rotate_secret().secret_id(secret_name(name));
        let rotate = rotate.rotation_lambda_arn(&lambda).rotate_immediately(at_once);
        rotate.send().await.expect("rotation enabled");
    }
    let seed = |name: &str| Seed {
        secret: Some(secret_name(name)),
        ..Seed::default()
    };
    let seeds = [
        Seed {
            owning_service: Some("rds".to_owned()),
            ..seed("owned")
        },
        Seed {
            replicated_to: Some(vec!["eu-west-1".to_owned()]),
            ..seed("replicated")
        },
        Seed {
            primary_region: Some("eu-west-1".to_owned()),
            ..seed("replica")
        },
    ];
    for seed in seeds {
        world.sandbox.sandbox().seed(seed).expect("seeded");
    }
    cases.add("deleted", "secret_deleted");
    cases.add("rotation-on", "rotation_enabled");
    cases.add("rotation-begun", "rotation_enabled");
    cases.add("owned", "owned_by_service").says = "rds".to_owned();
    cases.add("replicated", "secret_replicated");
    cases.add("replica", "secret_replicated");

    let empty = world.secrets.create_secret().name(secret_name("no-current"));
    empty.send().await.expect("a secret without a value");
    cases.add("no-current", "no_current_version");
    let binary = world.secrets.create_secret().name(secret_name("binary"));
    let blob = Blob::new(document_with("binary", OLD));
    binary.secret_binary(blob).send().await.expect("secret");
    cases.add("binary", "secret_binary");
}

async fn documents(cases: &mut Cases<'_>) {
    let with_arn = |name: &str, arn: &str| document_with(name, OLD).replace(&user_arn(name), arn);
    cases
        .with_document("not-json", "secret_not_json", "user1:the-first-password-1")
        .await;
    cases
        .with_document("not-an-object", "secret_not_json", "[\"the-first-password-1\"]")
        .await;
    let twice = document_with("duplicate-key", OLD).replacen('{', &format!("{{\"password\":\"{OTHER}\","), 1);
    cases.with_document("duplicate-key", "secret_not_json", &twice).await;
    let no_arn = r#"{"username":"no-arn","password":"the-first-password-1"}"#;
    cases.with_document("no-arn", "user_arn_missing", no_arn).await;
    let bad_arn = with_arn("bad-arn", "arn:aws:iam::123456789012:user/bad-arn");
    cases.with_document("bad-arn", "user_arn_invalid", &bad_arn).await;
    let region = user_arn("other-region").replace(REGION, "eu-west-1");
    let document = with_arn("other-region", &region);
    cases
        .with_document("other-region", "user_arn_other_region", &document)
        .await;
    let account = user_arn("other-account").replace(ACCOUNT, "999999999999");
    let document = with_arn("other-account", &account);
    cases
        .with_document("other-account", "user_arn_other_account", &document)
        .await;
    let no_username = document_with("no-username", OLD).replace("\"username\"", "\"login\"");
    cases
        .with_document("no-username", "username_missing", &no_username)
        .await;
    let quoted = format!("\"{OLD}\"");
    let number = document_with("number-password", OLD).replace(&quoted, "1234567890123456");
    cases
        .with_document("number-password", "password_invalid", &number)
        .await;
    let empty = document_with("empty-password", OLD).replace(&quoted, "\"\"");
    cases.with_document("empty-password", "password_invalid", &empty).await;
}

async fn users_unfit(cases: &mut Cases<'_>) {
    let world = cases.world;
    cases
        .with_document("not-allowed", "user_not_allowed", &document_with("not-allowed", OLD))
        .await;
    let renamed = document_with("wrong-name", OLD).replace("\"username\":\"wrong-name\"", "\"username\":\"twin\"");
    cases.with_document("wrong-name", "username_mismatch", &renamed).await;
    for (name, secret) in [
        ("iam-user", document_with("iam-user", OLD)),
        ("iam-without", document("iam-without")),
    ] {
        let iam = AuthenticationMode::builder().r#type(InputAuthenticationType::Iam);
        let user = world.elasticache.create_user().user_id(name).user_name(name);
        let user = user.engine("redis").access_string(ON);
        user.authentication_mode(iam.build()).send().await.expect("user");
        cases.with_document(name, "user_is_iam", &secret).await;
    }
    for (id, secret) in [
        ("own-default", document_with("own-default", OLD)),
        ("empty-default", document("empty-default")),
    ] {
        let secret = secret.replace(&format!("\"username\":\"{id}\""), "\"username\":\"default\"");
        user_with(
            world,
            id,
            "default",
            if id == "own-default" { ON } else { OFF },
            if id == "own-default" { &[OLD] } else { &[] },
        )
        .await;
        cases.with_document(id, "user_is_default", &secret).await;
    }
    let nopass = document_with("no-password-now", OLD);
    cases
        .with_document("no-password-now", "user_passwordless", &nopass)
        .await;
    for name in ["nopass-without", "on-without", "off-without"] {
        cases
            .with_document(name, "first_password_live_user", &document(name))
            .await;
    }
    // A second password does no harm until a rotation would drop it.
    for (name, at_rest) in [
        ("two-passwords", Proof::Proven),
        ("two-while-off", Proof::Unproven(UnprovenReason::UserOff)),
    ] {
        cases
            .with_document(name, "unknown_password", &document_with(name, OLD))
            .await;
        cases.all.last_mut().unwrap().at_rest = Some(at_rest);
    }
    cases
        .with_document("drifted", "current_password_refused", &document_with("drifted", OLD))
        .await;
    let nodes: Vec<String> = world
        .addresses()
        .iter()
        .map(|(host, port)| format!("{host}:{port}"))
        .collect();
    cases.all.last_mut().unwrap().says = format!("refused by {}", sorted(nodes).join(", "));

    for (first, second, user) in [("twin-a", "twin-b", "twin"), ("twin-c", "paused-d", "paused-twin")] {
        for (name, rival) in [(first, second), (second, first)] {
            cases
                .with_document(name, "user_claimed_twice", &document_with(user, OLD))
                .await;
            cases.all.last_mut().unwrap().says = secret_name(rival);
        }
    }
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

async fn versions(cases: &mut Cases<'_>) {
    let world = cases.world;
    let foreign = "11111111-2222-4333-8444-555555555555";
    cases.good_secret("foreign-pending").await;
    let pending = document_with("foreign-pending", OTHER);
    cases.put("foreign-pending", foreign, &pending, "AWSPENDING").await;
    cases.add("foreign-pending", "foreign_pending").says = foreign.to_owned();

    // One that rekeyd made, but from a version that a person has since replaced.
    let (arn, first) = cases.good_secret("stale-pending").await;
    let stale = version_id(&arn, &first, 0);
    let pending = document_with("stale-pending", OTHER);
    cases.put("stale-pending", &stale, &pending, "AWSPENDING").await;
    let edited = document_with("stale-pending", OLD).replacen('{', "{\"host\":\"a\",", 1);
    cases.put("stale-pending", foreign, &edited, "AWSCURRENT").await;
    cases.add("stale-pending", "foreign_pending").says = stale;

    let pending = [
        ("pending-moved", "pending_user_changed", document_with("twin", OTHER)),
        (
            "pending-renamed",
            "pending_user_changed",
            document_with("pending-renamed", OTHER)
                .replace("\"username\":\"pending-renamed\"", "\"username\":\"somebody\""),
        ),
        ("pending-no-json", "pending_unreadable", "not a document".to_owned()),
        ("pending-no-word", "pending_unreadable", document("pending-no-word")),
    ];
    for (name, reason, document) in pending {
        let (arn, first) = cases.good_secret(name).await;
        let version = version_id(&arn, &first, 0);
        cases.put(name, &version, &document, "AWSPENDING").await;
        cases.add(name, reason).says = version;
    }

    let (arn, first) = cases.good_secret("rolled-back").await;
    let second = version_id(&arn, &first, 0);
    let document = document_with("rolled-back", OTHER);
    cases.put("rolled-back", &second, &document, "AWSPENDING").await;
    let secret = secret_name("rolled-back");
    move_current(world, &secret, &first, &second).await;
    move_current(world, &secret, &second, &first).await;
    cases.add("rolled-back", "rolled_back").says = second;
}

/// Two policies over all cases, one of them paused.
fn policies(cases: &Cases<'_>, schedule: &str) -> [Policy; 2] {
    let users: Vec<&str> = USERS
        .iter()
        .map(|(user, _, _)| *user)
        .chain(["iam-user", "iam-without", "own-default", "empty-default"])
        .filter(|user| *user != "not-allowed")
        .collect();
    let [paused, open]: [Vec<&str>; 2] = [true, false].map(|paused| {
        let of = cases
            .all
            .iter()
            .filter(|case| case.name.starts_with("paused-") == paused);
        of.map(|case| case.secret.as_str()).collect()
    });
    let policy = |name: &str, secrets: &[&str]| {
        Policy::new(name, &users)
            .with("secrets", &format!("{secrets:?}"))
            .with("schedule", schedule)
    };
    [policy("open", &open), policy("shut", &paused).with("paused", "true")]
}

/// Waits until every case is refused with its reason, and names those that are not.
async fn all_refused(daemon: &Daemon, cases: &Cases<'_>, wanted: impl Fn(&Case, &SecretStatus) -> Result<(), String>) {
    eventually("every case is refused for its reason", || async {
        let statuses = daemon.statuses().await?;
        let wrong: Vec<String> = cases
            .all
            .iter()
            .filter_map(|case| {
                let Some(status) = statuses.iter().find(|status| status.secret == case.secret) else {
                    return Some(format!("case {}: not listed", case.name));
                };
                let problem = wanted(case, status).err()?;
                Some(format!(
                    "case {}: {problem}: {:?} {:?} {:?}",
                    case.name, status.phase, status.reason, status.detail
                ))
            })
            .collect();
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(format!("\n{}", wrong.join("\n")))
        }
    })
    .await;
}

fn refused(case: &Case, status: &SecretStatus) -> Result<(), String> {
    if (status.phase, status.reason.as_deref()) != (Phase::Halted, Some(case.reason)) {
        return Err(format!("wants a halt for {}", case.reason));
    }
    let detail = status.detail.as_deref().unwrap_or_default();
    if !detail.contains(&case.says) {
        return Err(format!("does not say {:?}", case.says));
    }
    if detail.contains(OLD) || detail.contains(OTHER) {
        return Err("shows a password".to_owned());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_own_reason_changes_nothing_and_comes_to_rest() {
    let world = World::start().await;
    let cases = every_refusal(&world).await;
    let before = cases.sights().await;
    let live = before.values().filter(|sight| sight.logins.is_some_and(|[old, _]| old));
    assert!(live.count() > 20, "most users log in with the password of their secret");

    // Nothing is due.
    let [open, shut] = policies(&cases, "\"1000d\"");
    let resting = world.daemon("resting").policy(open).policy(shut);
    let resting = resting.default_key("retry", "{ initial = \"100ms\", max = \"1h\", jitter = 0.2 }");
    let daemon = resting.run().await;
    all_refused(&daemon, &cases, |case, status| match case.at_rest {
        Some(proof) if (status.phase, status.proof) == (Phase::Idle, Some(proof)) => Ok(()),
        Some(proof) => Err(format!("wants to be idle and {proof:?}")),
        None => refused(case, status),
    })
    .await;
    assert_comes_to_rest(&world, "resting").await;
    assert_eq!(daemon.end("-TERM").await, Some(0));
    assert_only_reads(&world, "resting");

    // Everything is due, all the time.
    let [open, shut] = policies(&cases, "\"1s\"");
    let due = world.daemon("due").policy(open).policy(shut);
    let due = due.default_key("retry", "{ initial = \"100ms\", max = \"1h\", jitter = 0.2 }");
    let daemon = due.run().await;
    all_refused(&daemon, &cases, refused).await;
    assert_comes_to_rest(&world, "due").await;

    // Asked for, it is refused all the same, and status says that it was asked for.
    let looked = calls_of(&world, "due", |operation| operation == "DescribeSecret");
    let answer = daemon.post("/api/v1/rotate", &serde_json::json!({"all": true})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    eventually("every secret is looked at again", || async {
        let again = calls_of(&world, "due", |operation| operation == "DescribeSecret") - looked;
        if again >= cases.all.len() {
            Ok(())
        } else {
            Err(format!("{again} of {}", cases.all.len()))
        }
    })
    .await;
    assert_comes_to_rest(&world, "due").await;
    all_refused(&daemon, &cases, |case, status| {
        refused(case, status)?;
        if status.requested {
            Ok(())
        } else {
            Err("does not say that it was requested".to_owned())
        }
    })
    .await;
    // So does resuming, but for the rollback, which is for another test.
    for case in cases.all.iter().filter(|case| case.reason != "rolled_back") {
        let answer = daemon
            .post("/api/v1/resume", &serde_json::json!({"secrets": [case.secret]}))
            .await;
        assert_eq!(answer.status, 200, "case {}: {}", case.name, answer.body);
    }
    assert_comes_to_rest(&world, "due").await;
    all_refused(&daemon, &cases, refused).await;
    assert_only_reads(&world, "due");

    let after = cases.sights().await;
    for case in &cases.all {
        assert_eq!(
            after[&case.secret], before[&case.secret],
            "case {} was changed",
            case.name
        );
    }
    let metrics = daemon.get("/metrics").await.body;
    for case in &cases.all {
        let line = format!("reason=\"{}\"", case.reason);
        let shown = metrics
            .lines()
            .any(|text| text.starts_with("rekeyd_policy_halted{") && text.contains(&line) && !text.ends_with(" 0"));
        assert!(shown, "case {}: {line} is not in the metrics", case.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_named_default_is_rotated_where_the_policy_allows_it() {
    let world = World::start().await;
    user_with(&world, "own-default", "default", ON, &[OLD]).await;
    let group = world.elasticache.create_user_group().user_group_id(GROUP);
    group
        .engine("redis")
        .user_ids("own-default")
        .send()
        .await
        .expect("group");
    let secret = secret_name("own-default");
    let value = document_with("own-default", OLD).replace("\"username\":\"own-default\"", "\"username\":\"default\"");
    let arn = world.create_secret(&secret, &value).await;
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let policy = || Policy::new("orders", &["own-default"]);
    let daemon = world.daemon("rekeyd").policy(policy()).run().await;
    daemon.rotate(&secret).await;
    daemon.wait_reason(&secret, Phase::Halted, "user_is_default").await;
    daemon.kill().await;
    assert_only_reads(&world, "rekeyd");

    let policy = policy().with("allow_default_user", "true");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    let second = version_id(&arn, &first, 0);
    // The request was stored, so it need not be made again.
    daemon
        .wait(&secret, "rotated", |status| {
            status.current_version.as_ref() == Some(&second)
                && status.proof == Some(Proof::Unproven(UnprovenReason::NoEndpoints))
                && status.reason.is_none()
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_is_looked_at_again_at_every_discovery_and_no_sooner() {
    let world = World::start().await;
    world.create_user("user1", OLD).await;
    let secret = secret_name("user1");
    world.create_secret(&secret, "not a document").await;
    let setup = world.daemon("rekeyd").policy(Policy::new("orders", &["user1"]));
    let setup = setup.daemon_key("discovery_interval", "\"1s\"");
    let daemon = setup.run().await;
    daemon.wait_reason(&secret, Phase::Halted, "secret_not_json").await;
    let looks = || calls_of(&world, "rekeyd", |operation| operation == "GetSecretValue");
    let (before, since) = (looks(), tokio::time::Instant::now());
    tokio::time::sleep(Duration::from_secs(4)).await;
    let again = looks() - before;
    let at_most = usize::try_from(since.elapsed().as_secs()).unwrap() + 1;
    assert!((2..=at_most).contains(&again), "{again} looks in {:?}", since.elapsed());
    let halts = daemon.log_text().matches("secret_not_json").count();
    assert_eq!(halts, 1, "a halt that stands is logged once");
    assert_only_reads(&world, "rekeyd");
}

/// A daemon that sees what others do within a second or two.
async fn watchful(world: &World, policy: Policy) -> Daemon {
    let setup = world.daemon("rekeyd").policy(policy);
    let setup = setup.daemon_key("discovery_interval", "\"1s\"");
    setup.daemon_key("drift_check_interval", "\"1s\"").run().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_do_to_a_secret_while_rekeyd_runs_is_refused_and_clears_itself() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let policy = Policy::new("orders", &["user1"]).with("select", "{ name_prefix = \"production/ec/\" }");
    let daemon = watchful(&world, policy).await;
    let healthy = |status: &SecretStatus| status.phase == Phase::Idle && status.proof == Some(Proof::Proven);
    daemon.wait(&secret, "checked", healthy).await;

    let delete = world.secrets.delete_secret().secret_id(&secret);
    delete.recovery_window_in_days(7).send().await.unwrap();
    daemon.wait_reason(&secret, Phase::Halted, "secret_deleted").await;
    world.secrets.restore_secret().secret_id(&secret).send().await.unwrap();
    daemon.wait(&secret, "restored", healthy).await;

    let lambda = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotator");
    let rotate = world.secrets.rotate_secret().secret_id(&secret);
    let rotate = rotate.rotation_lambda_arn(lambda).rotate_immediately(false);
    rotate.send().await.unwrap();
    daemon.wait_reason(&secret, Phase::Halted, "rotation_enabled").await;
    world
        .secrets
        .cancel_rotate_secret()
        .secret_id(&secret)
        .send()
        .await
        .unwrap();
    daemon.wait(&secret, "its rotation cancelled", healthy).await;

    let rival = secret_name("rival");
    world.create_secret(&rival, &document_with("user1", OLD)).await;
    for name in [&secret, &rival] {
        daemon.wait_reason(name, Phase::Halted, "user_claimed_twice").await;
    }
    let delete = world.secrets.delete_secret().secret_id(&rival);
    delete.force_delete_without_recovery(true).send().await.unwrap();
    daemon.wait(&secret, "alone again", healthy).await;

    // Drift: somebody else sets another password.
    set_passwords(&world, "user1", &[OTHER]).await;
    let status = daemon
        .wait_reason(&secret, Phase::Halted, "current_password_refused")
        .await;
    for (host, port) in world.addresses() {
        assert!(
            status.detail.as_ref().unwrap().contains(&format!("{host}:{port}")),
            "{status:?}"
        );
    }
    daemon.rotate(&secret).await;
    daemon
        .wait(&secret, "still refused, though requested", |status| {
            status.requested && status.reason.as_deref() == Some("current_password_refused")
        })
        .await;
    assert_only_reads(&world, "rekeyd");
    assert_eq!(world.logins("user1", OTHER).await, (3, 3));
    set_passwords(&world, "user1", &[OLD]).await;
    // Repaired by hand, it clears itself, and what was asked for is done.
    daemon
        .wait(&secret, "rotated", |status| status.retired_proof == Some(Proof::Proven))
        .await;
    world.assert_current_logs_in(&secret, "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_secret_for_a_user_stops_the_first_at_once() {
    // Without drift checks, nothing but the newcomer makes the first secret look again.
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let policy = Policy::new("orders", &["user1"])
        .with("secrets", "[]")
        .with("select", "{ name_prefix = \"production/ec/\" }");
    let setup = world.daemon("rekeyd").policy(policy);
    let setup = setup.daemon_key("discovery_interval", "\"1s\"");
    let daemon = setup.daemon_key("drift_check_interval", "\"none\"").run().await;
    daemon
        .wait(&secret, "checked", |status| status.proof == Some(Proof::Proven))
        .await;
    let rival = secret_name("rival");
    world.create_secret(&rival, &document_with("user1", OLD)).await;
    for name in [&secret, &rival] {
        daemon.wait_reason(name, Phase::Halted, "user_claimed_twice").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_by_hand_halts_until_resumed_and_then_goes_on_as_generation_1() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let policy = Policy::new("orders", &["user1"]).with("overlap", "\"until-next-rotation\"");
    let daemon = watchful(&world, policy).await;
    daemon.rotate(&secret).await;
    let second = version_id(&arn, &first, 0);
    daemon
        .wait(&secret, "in the overlap", |status| {
            status.current_version.as_ref() == Some(&second) && status.phase == Phase::Overlap
        })
        .await;
    let replaced = world.password(&secret, "AWSCURRENT").await.unwrap();

    move_current(&world, &secret, &second, &first).await;
    let status = daemon.wait_reason(&secret, Phase::Halted, "rolled_back").await;
    assert!(status.detail.unwrap().contains(&second));
    let writes = |world: &World| calls_of(world, "rekeyd", |operation| !is_read(operation));
    let before = writes(&world);
    let looks = || calls_of(&world, "rekeyd", |operation| operation == "GetSecretValue");
    daemon.rotate(&secret).await;
    let looked = looks();
    eventually("it was looked at again, twice", || async {
        if looks() > looked + 1 {
            Ok(())
        } else {
            Err("no".to_owned())
        }
    })
    .await;
    let status = daemon.wait_reason(&secret, Phase::Halted, "rolled_back").await;
    assert!(status.requested, "{status:?}");
    assert_eq!(
        writes(&world),
        before,
        "a rollback is not undone before it is acknowledged"
    );
    assert_eq!(world.logins("user1", OLD).await, (3, 3));
    assert_eq!(world.logins("user1", &replaced).await, (3, 3));

    let answer = daemon
        .post("/api/v1/resume", &serde_json::json!({"secrets": [secret]}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let third = version_id(&arn, &first, 1);
    daemon
        .wait(&secret, "rotated on from the first version", |status| {
            status.current_version.as_ref() == Some(&third)
                && status.phase == Phase::Overlap
                && status.proof == Some(Proof::Proven)
        })
        .await;
    world.assert_current_logs_in(&secret, "user1").await;
    assert_eq!(
        world.logins("user1", &replaced).await,
        (0, 3),
        "what was rolled back is gone"
    );
    assert_eq!(world.labels(&secret).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_run_does_not_wait_for_a_rotation_that_halts_or_is_paused_in_its_middle() {
    let world = World::start().await;
    world.create_user("user1", OLD).await;
    let secret = secret_name("user1");
    let arn = world.create_secret(&secret, &document_with("user1", OLD)).await;
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let version = version_id(&arn, &first, 0);
    put(&world, &secret, &version, "not a document", "AWSPENDING").await;
    for (paused, exit) in [("false", 1), ("true", 0)] {
        let policy = Policy::new("orders", &["user1"]).with("propagation_timeout", "\"10m\"");
        let setup = world.daemon("rekeyd").policy(policy.with("paused", paused));
        let once = setup.command(&["run", "--once"]).output();
        let output = tokio::time::timeout(Duration::from_secs(30), once).await;
        let output = output.expect("it ends long before propagation_timeout").unwrap();
        assert_eq!(output.status.code(), Some(exit), "paused = {paused}: {output:?}");
    }
    assert_only_reads(&world, "rekeyd");
}
