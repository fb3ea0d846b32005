//! `rekeyd plan` with the rights of its own policy, and with the daemon's less one action: it names what is missing where
//! a look shows it, and says of the writes that no look does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::daemon::Setup;
use crate::support::iam::{actions, actions_of, calls, enforce, without};
use crate::support::world::{ACCOUNT, GROUP, document_with, secret_name};
use crate::support::{OLD, Policy, World, python};

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const CALLER: &str = "PLANNER";

/// A secret by its name, under a customer key, and one by its tags, on nodes and a serverless cache.
async fn world() -> World {
    let world = World::of(&["named", "tagged"]).await;
    world.create_serverless_cache("serverless1", GROUP, "redis").await;
    let document = |user: &str| document_with(user, OLD);
    let named = world.secrets.create_secret().name(secret_name("named"));
    let named = named.secret_string(document("named")).kms_key_id(KEY);
    named.send().await.expect("a secret");
    let tag = aws_sdk_secretsmanager::types::Tag::builder()
        .key("team")
        .value("orders");
    let tagged = world.secrets.create_secret().name("live/tagged").tags(tag.build());
    tagged.secret_string(document("tagged")).send().await.expect("a secret");
    world
}

fn setup(world: &World) -> Setup<'_> {
    let policy = Policy::new("orders", &["named"]).with("allow_users", "[\"named\", \"tagged\"]");
    world
        .daemon("planner")
        .policy(policy.with("select", "{ name_prefix = \"live/\", tags = { team = \"orders\" } }"))
}

/// The policy that the command prints for that purpose.
async fn printed(setup: &Setup<'_>, purpose: &str) -> Vec<Value> {
    let args = ["iam-policy", "--for", purpose, "--account", ACCOUNT, "--kms-key", KEY];
    vec![setup.cli(&args).await.with(0).json()]
}

/// What a plan says of each secret, and of what a policy selects, whose name is empty.
async fn plan(setup: &Setup<'_>) -> BTreeMap<String, Value> {
    let told = setup.cli(&["plan", "--json"]).await.json();
    let secrets = told["secrets"].as_array().expect("secrets").iter();
    let name = |secret: &Value| secret["secret"].as_str().unwrap_or_default().to_owned();
    secrets.map(|secret| (name(secret), secret.clone())).collect()
}

/// Where a plan names this action as missing: by secret, the advice.
fn named<'a>(told: &'a BTreeMap<String, Value>, action: &str) -> BTreeMap<&'a str, &'a str> {
    let advice = |secret: &'a Value| {
        let mut checks = secret["checks"].as_array().expect("checks").iter();
        let refused = checks.find(|check| {
            let advice = check["advice"].as_str().unwrap_or_default();
            check["outcome"] == "refused" && advice.starts_with(&format!("allow {action}"))
        });
        refused.and_then(|check| check["advice"].as_str())
    };
    told.iter()
        .filter_map(|(name, secret)| Some((name.as_str(), advice(secret)?)))
        .collect()
}

fn is_not_checked(secret: &Value, action: &str) -> bool {
    let listed = secret["not_checked"].as_array().expect("a list").iter();
    let mut listed = listed.filter_map(Value::as_str);
    listed.any(|told| told.starts_with(&format!("{action} on ")) && told.contains("arn:"))
}

/// The actions in the table of docs/SECURITY.md, each with what the row says of a plan.
fn documented() -> BTreeMap<String, String> {
    let page = std::fs::read_to_string(python::workspace().join("docs/SECURITY.md")).expect("the page");
    let (_, after) = page
        .split_once("### Which missing action is noticed when")
        .expect("its section");
    let rows = after.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>());
    cells
        .map(|cells| (cells[0].trim_matches('`').to_owned(), cells[1].to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_every_action_a_plan_names_the_lack_or_says_that_it_cannot_know_as_the_documents_do() {
    let world = world().await;
    let setup = setup(&world);
    let sandbox = world.sandbox.sandbox();
    let daemons = printed(&setup, "daemon").await;
    let all = actions(&daemons);
    let mut found = BTreeMap::new();
    for action in &all {
        enforce(sandbox, CALLER, &without(&daemons, action));
        let told = plan(&setup).await;
        let named = named(&told, action);
        let (by_name, by_tags) = (secret_name("named"), "live/tagged");
        let expected: &[&str] = match action.as_str() {
            "secretsmanager:ListSecrets" => &[""],
            "kms:Decrypt" => &[&by_name],
            _ => &[by_tags, &by_name],
        };
        if named.is_empty() {
            for name in expected {
                assert!(is_not_checked(&told[*name], action), "{action}: {:#}", told[*name]);
                assert_eq!(told[*name]["outcome"], "ok", "{action}: {:#}", told[*name]);
            }
            found.insert(action.clone(), "cannot know");
        } else {
            let secrets: Vec<&str> = named.keys().copied().collect();
            assert_eq!(secrets, expected, "{action}: {told:#?}");
            for advice in named.values() {
                assert!(advice.contains(" on "), "{action}: {advice}");
            }
            found.insert(action.clone(), "names it");
        }
    }
    let found: BTreeMap<String, String> = found
        .into_iter()
        .map(|(action, told)| (action, told.to_owned()))
        .collect();
    assert_eq!(found, documented());
    world.assert_only_reads("planner");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_needs_exactly_what_is_printed_for_it() {
    let world = world().await;
    let setup = setup(&world);
    let sandbox = world.sandbox.sandbox();
    let documents = printed(&setup, "plan").await;
    enforce(sandbox, CALLER, &documents);
    let told = setup.cli(&["plan", "--exit-code"]).await.with(0);
    assert!(told.stdout.contains("2 in order"), "{}", told.stdout);
    let (called, refused) = actions_of(&calls(sandbox, CALLER));
    assert_eq!(refused, Vec::<String>::new());
    let unused: BTreeSet<String> = actions(&documents).difference(&called).cloned().collect();
    // Secrets Manager decrypts; that it is needed shows above.
    assert_eq!(unused, ["kms:Decrypt".to_owned()].into());
}
