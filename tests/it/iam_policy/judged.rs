//! The command as it is typed: what it prints is what IAM, Terraform and CloudFormation take, by judges from outside,
//! and what the real daemon needs.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::cli::{Ended, ended};
use crate::support::iam::{actions, actions_of, calls, enforce};
use crate::support::status::rotated_to;
use crate::support::world::{ACCOUNT, CACHE, GROUP, document, secret_name};
use crate::support::{Policy, World, eventually, python};

/// Runs `rekeyd iam-policy` on a file.
async fn iam_policy(config: &Path, args: &[&str]) -> Ended {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rekeyd"));
    command.arg("--config").arg(config).arg("iam-policy").args(args);
    ended(command).await
}

/// A configuration of every kind: two places here, one with a role elsewhere, tags, endpoints, an ARN.
const MANY: &str = r#"
[daemon]
admin_socket = "/nowhere/admin.sock"
state = "sqlite:/nowhere/state.db"
[aws.main]
region = "us-east-1"
[aws.main_eu]
region = "eu-central-1"
[aws.other]
region = "eu-central-1"
role_arn = "arn:aws:iam::210987654321:role/path/rekeyd"
external_id = "rekeyd-7c1f"
[defaults]
schedule = "30d"
[aws.china]
region = "cn-north-1"
[aws.gov]
region = "us-gov-west-1"
[policy.china]
aws = "china"
secrets = ["a"]
allow_users = ["a"]
[policy.gov]
aws = "gov"
select = { tags = { team = "gov" } }
allow_users = ["a"]
[policy.names]
aws = "main"
secrets = ["production/ec/user1", "a+b=c@d"]
allow_users = ["user1", "orders-*"]
[policy.tags]
aws = "main"
select = { name_prefix = "live/", tags = { team = "or \"ders\"", env = "${live}" } }
allow_users = ["*-live"]
[policy.nodes]
aws = "main_eu"
select = { name_prefix = "live/" }
allow_users = ["user1"]
endpoints = ["orders.example:6379"]
[policy.elsewhere]
aws = "other"
secrets = ["arn:aws:secretsmanager:eu-central-1:210987654321:secret:production/ec/user9-AbCdEf"]
allow_users = ["user9"]
"#;

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file");
}

/// Statements of a document as the judge has them.
fn as_judged(document: &Value) -> Value {
    let sorted = |list: &Value| {
        let mut texts: Vec<String> = list
            .as_array()
            .into_iter()
            .flatten()
            .map(|text| text.to_string())
            .collect();
        texts.sort();
        let texts = texts.iter().map(|text| serde_json::from_str(text).expect("a string"));
        Value::Array(texts.collect())
    };
    let statement = |statement: &Value| {
        let conditions = statement.get("Condition").cloned().unwrap_or_else(|| json!({}));
        json!([
            statement["Sid"],
            sorted(&statement["Action"]),
            sorted(&statement["Resource"]),
            conditions
        ])
    };
    document["Statement"]
        .as_array()
        .expect("statements")
        .iter()
        .map(statement)
        .collect()
}

async fn judge(folder: &Path) -> Value {
    let script = python::workspace().join("tests/it/iam_policy/judge.py");
    let mut command = tokio::process::Command::new(python::bin().join("python"));
    command.arg(script).arg(folder);
    ended(command).await.with(0).json()
}

/// The three forms of the policies, for the same account or none, judged.
async fn judged(folder: &Path, config: &Path, args: &[&str]) -> (Value, Value) {
    let with = |form: &'static str| [&[form], args].concat();
    let whole = iam_policy(config, &with("--json")).await.with(0);
    write(folder, "policies.json", &whole.stdout);
    write(
        folder,
        "policies.tf",
        &iam_policy(config, &with("--terraform")).await.with(0).stdout,
    );
    write(
        folder,
        "policies.yaml",
        &iam_policy(config, &with("--cloudformation")).await.with(0).stdout,
    );
    (whole.json(), judge(folder).await)
}

#[tokio::test]
async fn terraform_and_cloudformation_say_what_the_json_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("rekeyd.toml");
    write(folder.path(), "rekeyd.toml", MANY);
    let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let principal = "arn:aws:iam::123456789012:role/host";
    let given = ["--principal", principal, "--kms-key", key];
    let (known, verdict) = judged(folder.path(), &config, &given).await;
    assert_eq!(verdict["findings"], json!([]));
    let policies = known["policies"].as_array().expect("policies");
    let names: Vec<&str> = policies
        .iter()
        .map(|policy| policy["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(
        names,
        [
            "rekeyd-china",
            "rekeyd-gov",
            "rekeyd-main",
            "rekeyd-main_eu",
            "rekeyd-other",
            "rekeyd-assume-roles",
            "rekeyd-other-trust"
        ]
    );
    for policy in policies.iter().filter(|policy| policy["kind"] != "trust") {
        let name = policy["name"].as_str().expect("a name");
        let wanted = as_judged(&policy["document"]);
        assert_eq!(verdict["terraform"][name], wanted, "{name}");
        assert_eq!(verdict["cloudformation"][name], wanted, "{name}");
    }
    assert_eq!(known["warnings"], json!([]));

    for purpose in ["plan", "onboard", "takeover"] {
        let (known, verdict) = judged(folder.path(), &config, &[&given[..], &["--for", purpose]].concat()).await;
        assert_eq!(verdict["findings"], json!([]), "{purpose}");
        let warnings = known["warnings"].to_string();
        let of_a_shared_role = warnings.contains("REKEYD__AWS__OTHER__ROLE_ARN");
        assert_eq!(of_a_shared_role, purpose != "plan", "{purpose}: {warnings}");
        let name = format!("rekeyd-{purpose}-main");
        let policies = known["policies"].as_array().expect("policies").iter();
        let main = policies.into_iter().find(|policy| policy["name"] == *name);
        let wanted = as_judged(&main.expect("a policy")["document"]);
        assert_eq!(verdict["terraform"][&name], wanted);
        assert_eq!(verdict["cloudformation"][&name], wanted);
    }

    let (open, verdict) = judged(folder.path(), &config, &[]).await;
    assert_eq!(verdict["findings"], json!([]));
    let policies = open["policies"].as_array().expect("policies").iter();
    let main = policies.into_iter().find(|policy| policy["name"] == "rekeyd-main");
    let main = main.expect("a policy");
    assert_eq!(main["account"], Value::Null);
    // The account stands alone between colons, as nothing else does.
    let wanted = as_judged(&main["document"]).to_string().replace(":*:", ":OWN:");
    assert_eq!(verdict["terraform"]["rekeyd-main"].to_string(), wanted);
    assert_eq!(verdict["cloudformation"]["rekeyd-main"].to_string(), wanted);
    let warnings = open["warnings"].to_string();
    assert!(
        warnings.contains("--account") && warnings.contains("--principal"),
        "{warnings}"
    );
}

#[tokio::test]
async fn one_document_is_printed_bare_and_of_several_one_can_be_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("rekeyd.toml");
    write(folder.path(), "rekeyd.toml", MANY);
    let one = iam_policy(&config, &["--place", "main", "--account", ACCOUNT])
        .await
        .with(0);
    assert_eq!(one.json()["Version"], "2012-10-17");
    assert_eq!(one.stderr, "", "quiet where there is nothing to say");
    let all = iam_policy(&config, &["--account", ACCOUNT]).await.with(0);
    assert!(
        all.stderr
            .contains("rekeyd-other-trust: for role arn:aws:iam::210987654321"),
        "{}",
        all.stderr
    );
    let trust = ["--account", ACCOUNT, "--document", "rekeyd-other-trust"];
    let trust = iam_policy(&config, &trust).await.with(0).json();
    assert_eq!(
        trust["Statement"][0]["Principal"]["AWS"],
        format!("arn:aws:iam::{ACCOUNT}:root")
    );
    assert_eq!(
        trust["Statement"][0]["Condition"],
        json!({"StringEquals": {"sts:ExternalId": ["rekeyd-7c1f"]}})
    );
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_what_would() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("rekeyd.toml");
    write(folder.path(), "rekeyd.toml", MANY);
    for (args, told) in [
        (&["--place", "nowhere"][..], "china, gov, main, main_eu, other"),
        (&["--document", "nothing"][..], "rekeyd-main, rekeyd-main_eu"),
        (
            &["--for", "nobody"][..],
            "daemon, plan, onboard, takeover, commands, init-table",
        ),
        (&["--account", "12"][..], "twelve digits"),
        (&["--kms-key", "alias/x"][..], "arn:aws:kms:REGION:ACCOUNT:key/ID"),
        (
            &["--kms-key", "arn:aws:kms:sa-east-1:123456789012:key/x"][..],
            "no place works in sa-east-1",
        ),
        (&["--terraform", "--json"][..], "cannot be used with"),
    ] {
        let refused = iam_policy(&config, args).await.with(2);
        assert!(refused.stderr.contains(told), "{args:?}: {}", refused.stderr);
        assert_eq!(refused.stdout, "", "{args:?}");
    }
    write(folder.path(), "rekeyd.toml", "[daemon]\nnonsense = 1\n");
    iam_policy(&config, &[]).await.with(78);
}

#[tokio::test]
async fn the_policy_that_the_documents_print_is_that_of_the_sample_configuration() {
    let sample = python::workspace().join("config/rekeyd.toml");
    let printed = iam_policy(&sample, &["--account", ACCOUNT]).await.with(0).json();
    let page = std::fs::read_to_string(python::workspace().join("docs/SECURITY.md")).expect("the page");
    let (_, after) = page.split_once("## The least IAM policy").expect("its section");
    let (_, after) = after.split_once("```json\n").expect("a document");
    let (document, _) = after.split_once("```").expect("its end");
    let documented: Value = serde_json::from_str(document).expect("JSON");
    assert_eq!(documented, printed);
}

/// The real daemon with what the real command printed for its configuration: names, a prefix and tags at once, nodes
/// and a serverless cache.
#[tokio::test(flavor = "multi_thread")]
async fn the_real_daemon_needs_exactly_the_policy_that_its_configuration_prints() {
    let world = World::start().await;
    let user = "user1";
    world.create_inactive_user(user).await;
    world.create_cache(&[user]).await;
    world.create_serverless_cache("serverless1", GROUP, "redis").await;
    let secret = secret_name(user);
    let arn = world.create_secret(&secret, &document(user)).await;
    let first = world.holder(&secret, "AWSCURRENT").await.expect("a version");
    let policy =
        Policy::new("orders", &[user]).with("select", "{ name_prefix = \"orders/\", tags = { team = \"orders\" } }");
    let setup = world.daemon("rekeyd").policy(policy);
    let printed = setup.cli(&["iam-policy", "--account", ACCOUNT]).await.with(0).json();
    let sandbox = world.sandbox.sandbox();
    enforce(sandbox, "REKEYD", std::slice::from_ref(&printed));
    let daemon = setup.run().await;
    let version = rekeyd::rotation::version::version_id(&arn, &first, 0);
    daemon
        .wait(&secret, "given its first password", rotated_or_first(&version))
        .await;
    world.switch(user, true).await;
    daemon.rotate(&secret).await;
    let version = rekeyd::rotation::version::version_id(&arn, &version, 0);
    daemon.wait(&secret, "rotated", rotated_to(&version)).await;
    eventually("nothing is left to call", || async {
        let (called, refused) = actions_of(&calls(sandbox, "REKEYD"));
        assert_eq!(refused, Vec::<String>::new());
        let unused: Vec<String> = actions(std::slice::from_ref(&printed))
            .difference(&called)
            .cloned()
            .collect();
        if unused.is_empty() {
            Ok(())
        } else {
            Err(format!("{unused:?} of {CACHE}"))
        }
    })
    .await;
}

/// The version is current, and nothing is under way: a first password replaces none.
fn rotated_or_first(version: &str) -> impl Fn(&rekeyd::rotation::status::SecretStatus) -> bool + '_ {
    move |status| {
        status.current_version.as_deref() == Some(version) && status.phase == rekeyd::rotation::status::Phase::Idle
    }
}
