//! What README.md shows and `sandbox/examples` holds, done as it stands there.

use std::path::PathBuf;
use std::process::Stdio;

use rekeyd_sandbox::SandboxServer;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::python;
use crate::support::*;

#[path = "../../examples/dev_dependency.rs"]
mod dev_dependency;

fn sandbox_dir() -> PathBuf {
    python::workspace().join("sandbox")
}

fn readme() -> String {
    std::fs::read_to_string(sandbox_dir().join("README.md")).unwrap()
}

/// The blocks of a language in a text.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let open = format!("```{language}\n");
    let starts = text.split(open.as_str()).skip(1);
    starts.map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Runs a program with the environment's programs at hand and the sandbox as AWS; gives what it says.
async fn run(program: &mut Command, url: &str) -> String {
    let output = program
        .env("PATH", python::search_path())
        .env("SANDBOX", url)
        .env("AWS_ENDPOINT_URL", url)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

async fn with_cache() -> (SandboxServer, Client) {
    let (server, client) = virtual_server().await;
    let secret = json!({"Name": "s", "SecretString": "{\"password\": \"x\"}", "ClientRequestToken": TOKEN_1});
    client.sm_ok("CreateSecret", secret).await;
    let form = "ReplicationGroupId=orders&ReplicationGroupDescription=d&TransitEncryptionEnabled=true";
    client.ec_ok("CreateReplicationGroup", form).await;
    (server, client)
}

#[tokio::test]
async fn the_readme_has_an_example_of_every_control_path_and_all_of_them_work() {
    let (server, client) = with_cache().await;
    let readme = readme();
    let control = readme
        .split("## Control")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let script = blocks(control, "sh").concat();
    for path in client.control("GET", "", Value::Null).await["paths"]
        .as_array()
        .unwrap()
    {
        let (method, path) = (path["method"].as_str().unwrap(), path["path"].as_str().unwrap());
        let method = if method == "GET" {
            String::new()
        } else {
            format!("-X {method} ")
        };
        let call = format!("curl -fsS {method}$SANDBOX{}", path.replace("{id}", "orders-001"));
        assert!(
            script
                .lines()
                .any(|line| format!("{line} ").starts_with(&format!("{call} "))),
            "{call}"
        );
    }
    let said = run(
        Command::new("bash").args(["-euo", "pipefail", "-c", &script]),
        &server.url(),
    )
    .await;
    for part in [
        "DescribeCacheClusters",
        "\"reply_lost\"",
        "\"max\":5000",
        "BEGIN CERTIFICATE",
        "orders-001",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(client.sm_ok("ListSecrets", json!({})).await["SecretList"], json!([]));
}

#[tokio::test]
async fn the_readmes_python_and_the_python_example_run() {
    let (server, client) = virtual_server().await;
    let python = python::bin().join("python");
    let readme = readme();
    let snippet = blocks(&readme, "python")
        .concat()
        .replace("http://127.0.0.1:4566", &server.url());
    assert_eq!(
        run(Command::new(&python).args(["-c", &snippet]), &server.url())
            .await
            .trim(),
        "hello"
    );
    let example = sandbox_dir().join("examples/rotate.py");
    let said = run(Command::new(&python).arg(example), &server.url()).await;
    assert_eq!(
        said.trim(),
        "rotated arn:aws:elasticache:us-east-1:123456789012:user:alice"
    );
    let versions = client.sm_ok("DescribeSecret", json!({"SecretId": "app/alice"})).await;
    assert_eq!(versions["VersionIdsToStages"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn the_example_of_the_command_line_runs() {
    let (server, client) = virtual_server().await;
    let said = run(
        Command::new("sh").arg(sandbox_dir().join("examples/aws.sh")),
        &server.url(),
    )
    .await;
    assert_eq!(said, "123456789012\napp/bob\n");
    assert_eq!(client.user_status("bob").await, "active");
}

#[tokio::test]
async fn the_way_into_ci_waits_until_it_is_ready() {
    let dir = tempfile::tempdir().unwrap();
    let readme = readme();
    let script = blocks(readme.split("In CI,").nth(1).unwrap(), "sh")[0];
    let program = env!("CARGO_BIN_EXE_rekeyd-sandbox");
    let script = script.replace("rekeyd-sandbox --listen", &format!("'{program}' --listen"));
    let script = format!("{script}curl -fsS $AWS_ENDPOINT_URL/_sandbox/calls\n");
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script]).current_dir(dir.path());
    assert_eq!(run(&mut bash, "").await, "{}");
}

#[tokio::test]
async fn the_example_of_a_dev_dependency_runs() {
    let done = tokio::task::spawn_blocking(|| dev_dependency::main().map_err(|error| error.to_string()));
    done.await.unwrap().unwrap();
}

#[tokio::test]
async fn terraforms_example_is_hcl_and_has_the_provider_of_the_readme() {
    let file = sandbox_dir().join("examples/main.tf");
    let text = std::fs::read_to_string(&file).unwrap();
    let readme = readme();
    assert!(text.contains(blocks(&readme, "terraform")[0]));
    let mut parse = Command::new(python::bin().join("python"));
    let program = "import hcl2, json, sys; json.dump(hcl2.load(open(sys.argv[1])), sys.stdout)";
    let said = run(parse.args(["-c", program]).arg(&file), "").await;
    let parsed: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(parsed["resource"].as_array().unwrap().len(), 4);
}
