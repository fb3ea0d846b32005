//! `rekeyd onboard` and `rekeyd takeover` by an operator who has what `iam-policy --for` prints and nothing more, beside a
//! daemon that rotates; and without each action.

use aws_sdk_elasticache::types::Tag as UserTag;
use aws_sdk_secretsmanager::types::Tag as SecretTag;
use serde_json::Value;

use crate::support::cli::Ended;
use crate::support::daemon::Setup;
use crate::support::iam::{actions, actions_of, calls, enforce, without};
use crate::support::world::{ACCOUNT, GROUP, OFF, ON, document_with, secret_name};
use crate::support::{OLD, OTHER, Policy, World};

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
/// The access key of the operator; the daemon's is another.
const OPERATOR: &str = "OPERATOR";
const RIGHTS: &str = "on ~app:* +@read";

/// What the sandbox asks for without a call of that name: tags at creation, and what Secrets Manager needs of keys.
const BY_THE_WAY: [&str; 3] = ["elasticache:AddTagsToResource", "kms:Decrypt", "kms:GenerateDataKey"];

/// A set-up of the daemon's name, for a command of the operator.
fn operators(setup: Setup<'_>) -> Setup<'_> {
    setup.env("AWS_ACCESS_KEY_ID", OPERATOR)
}

async fn printed(setup: &Setup<'_>, purpose: &str) -> Vec<Value> {
    let args = ["iam-policy", "--for", purpose, "--account", ACCOUNT, "--kms-key", KEY];
    vec![setup.cli(&args).await.with(0).json()]
}

/// Asserts that the operator was denied nothing, and that it called everything that it may.
fn assert_exact(world: &World, documents: &[Value]) {
    let (called, refused) = actions_of(&calls(world.sandbox.sandbox(), OPERATOR));
    assert_eq!(refused, Vec::<String>::new());
    let allowed = actions(documents);
    let unused: Vec<&str> = allowed.difference(&called).map(String::as_str).collect();
    let unused: Vec<&str> = unused
        .into_iter()
        .filter(|action| !BY_THE_WAY.contains(action))
        .collect();
    assert_eq!(unused, Vec::<&str>::new());
}

/// Asserts that a command failed for want of this action, and says so and what to do.
fn assert_lacks(ended: &Ended, action: &str, purpose: &str) {
    let told = format!("{}{}", ended.stdout, ended.stderr);
    let named = match action.starts_with("kms:") {
        true => told.contains("Access to KMS is not allowed"),
        false => told.contains(&format!("not authorized to perform: {action}")),
    };
    let advised = told.contains(&format!("`rekeyd iam-policy --for {purpose}`"));
    assert!(
        named && advised && ended.code != Some(0),
        "{action}: {:?}: {told}",
        ended.code
    );
}

/// A cache behind a group, a serverless one, and nobody on them.
async fn empty() -> World {
    let world = World::start().await;
    world.create_cache(&[]).await;
    world.create_serverless_cache("serverless1", GROUP, "redis").await;
    world
}

/// Secrets by their names, and by a prefix with tags.
fn orders(world: &World) -> Setup<'_> {
    let policy = Policy::new("orders", &["new", "half"]).with("allow_users", "[\"new\", \"half\", \"tagged\"]");
    world
        .daemon("rekeyd")
        .policy(policy.with("select", "{ name_prefix = \"live/\", tags = { team = \"orders\" } }"))
}

/// A user in use whose secret lacks the bond.
async fn half_onboarded(world: &World, user: &str) {
    world.create_user(user, OLD).await;
    let text = format!(r#"{{"username":"{user}","password":"{OLD}"}}"#);
    let secret = world
        .secrets
        .create_secret()
        .name(secret_name(user))
        .secret_string(text);
    secret.kms_key_id(KEY).send().await.expect("a secret");
}

/// A user that is off and has a tag.
async fn tagged(world: &World, user: &str) {
    let tag = UserTag::builder().key("team").value("orders").build();
    let made = world
        .elasticache
        .create_user()
        .user_id(user)
        .user_name(user)
        .engine("redis");
    let made = made.access_string(OFF).no_password_required(true).tags(tag);
    made.send().await.expect("a user");
    world.settled(user).await;
}

/// The arguments of an onboarding from nothing.
fn from_nothing<'a>(user: &'a str, secret: &'a str) -> Vec<&'a str> {
    let line = ["onboard", "--policy", "orders", "--user-id", user, "--secret", secret];
    let more = ["--access-string", RIGHTS, "--group", GROUP, "--tag", "team=orders"];
    [&line[..], &more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_daemon_every_way_to_onboard_needs_exactly_what_is_printed_for_it() {
    let world = empty().await;
    let setup = || operators(orders(&world));
    half_onboarded(&world, "half").await;
    tagged(&world, "tagged").await;
    let _daemon = orders(&world).run().await;
    let documents = printed(&setup(), "onboard").await;
    enforce(world.sandbox.sandbox(), OPERATOR, &documents);

    setup().cli(&from_nothing("new", &secret_name("new"))).await.with(0);
    let half = secret_name("half");
    let line = ["onboard", "--policy", "orders", "--user-id", "half", "--secret", &half];
    let more = ["--write-bond", "--tag", "team=orders"];
    setup().cli(&[&line[..], &more].concat()).await.with(0);
    let line = ["onboard", "--policy", "orders", "--by-tag", "team=orders"];
    // Only what the policy selects by its tags is found by them: `new` and `half` are named.
    let done = setup()
        .cli(&[&line[..], &["--secret", "live/{user_id}"]].concat())
        .await;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert!(world.password("live/tagged", "AWSCURRENT").await.is_some());
    assert_exact(&world, &documents);
}

/// Makes an onboarding that comes to that call.
async fn onboarding_that_needs(world: &World, setup: &Setup<'_>, action: &str, user: &str) -> Ended {
    let secret = secret_name(user);
    let line = ["onboard", "--policy", "orders", "--user-id", user, "--secret", &secret];
    match action {
        "kms:Decrypt"
        | "kms:GenerateDataKey"
        | "secretsmanager:PutSecretValue"
        | "secretsmanager:UpdateSecretVersionStage" => {
            half_onboarded(world, user).await;
            setup.cli(&[&line[..], &["--write-bond"]].concat()).await
        }
        "secretsmanager:ListSecrets" | "elasticache:ListTagsForResource" => {
            tagged(world, user).await;
            let line = ["onboard", "--policy", "orders", "--by-tag", "team=orders"];
            setup
                .cli(&[&line[..], &["--secret", "production/ec/{user_id}"]].concat())
                .await
        }
        "elasticache:DescribeUserGroups"
        | "elasticache:DescribeReplicationGroups"
        | "elasticache:DescribeCacheClusters"
        | "elasticache:DescribeServerlessCaches" => {
            world.create_user_with(user, user, ON, &[OLD]).await;
            let group = world.elasticache.modify_user_group().user_group_id(GROUP);
            group.user_ids_to_add(user).send().await.expect("a member");
            world.settled(user).await;
            let file = world.path("password");
            std::fs::write(&file, OLD).expect("a file");
            let file = file.display().to_string();
            setup.cli(&[&line[..], &["--password-file", &file]].concat()).await
        }
        _ => setup.cli(&from_nothing(user, &secret)).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_action_an_onboarding_fails_and_names_it() {
    let world = empty().await;
    let policy = Policy::new("orders", &[]).with("allow_users", "[\"*\"]");
    let policy = policy.with("select", "{ name_prefix = \"production/ec/\" }");
    let daemon = || world.daemon("rekeyd").policy(policy.clone());
    let running = daemon().run().await;
    let setup = operators(daemon());
    let documents = printed(&setup, "onboard").await;
    let all = actions(&documents);
    assert_eq!(all.len(), 20, "{all:#?}");
    for (number, action) in all.iter().enumerate() {
        enforce(world.sandbox.sandbox(), OPERATOR, &without(&documents, action));
        let ended = onboarding_that_needs(&world, &setup, action, &format!("user{number}")).await;
        assert_lacks(&ended, action, "onboard");
    }
    drop(running);
}

/// A secret that a function rotates, which left a password that it never set.
async fn rotated_by_a_function() -> World {
    let world = World::of(&["user1"]).await;
    world.create_serverless_cache("serverless1", GROUP, "redis").await;
    let secret = secret_name("user1");
    let made = world.secrets.create_secret().name(&secret).kms_key_id(KEY);
    let tag = SecretTag::builder().key("team").value("orders").build();
    let made = made.secret_string(document_with("user1", OLD)).tags(tag);
    made.send().await.expect("a secret");
    let function = format!("arn:aws:lambda:us-east-1:{ACCOUNT}:function:rotate");
    let rotate = world
        .secrets
        .rotate_secret()
        .secret_id(&secret)
        .rotation_lambda_arn(function);
    rotate.rotate_immediately(false).send().await.expect("rotation");
    let version = "00000000-0000-4000-8000-000000000007";
    let pending = document_with("user1", OTHER);
    world.put_version(&secret, version, &pending, &["AWSPENDING"]).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_needs_exactly_what_is_printed_for_it_and_names_each_action_that_is_missing() {
    let world = rotated_by_a_function().await;
    let policy = Policy::new("orders", &[])
        .with("allow_users", "[\"user1\"]")
        .with("secrets", "[]");
    let policy = policy.with(
        "select",
        "{ name_prefix = \"production/\", tags = { team = \"orders\" } }",
    );
    let setup = operators(world.daemon("rekeyd").policy(policy));
    let documents = printed(&setup, "takeover").await;
    let secret = secret_name("user1");
    let take = ["takeover", &secret, "--now"];
    let mut all: Vec<String> = actions(&documents).into_iter().collect();
    // What changes something, last, and in its order.
    let order = [
        "secretsmanager:CancelRotateSecret",
        "secretsmanager:UpdateSecretVersionStage",
    ];
    all.sort_by_key(|action| order.iter().position(|last| last == action).map_or(0, |at| at + 1));
    for action in &all {
        enforce(world.sandbox.sandbox(), OPERATOR, &without(&documents, action));
        assert_lacks(&setup.cli(&take).await, action, "takeover");
    }
    let before = calls(world.sandbox.sandbox(), OPERATOR).len();
    enforce(world.sandbox.sandbox(), OPERATOR, &documents);
    setup.cli(&take).await.with(0);
    assert_eq!(world.password(&secret, "AWSPENDING").await, None);
    let (_, refused) = actions_of(&calls(world.sandbox.sandbox(), OPERATOR)[before..]);
    assert_eq!(refused, Vec::<String>::new());
}
