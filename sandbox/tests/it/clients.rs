//! Clients that nobody here wrote: boto3, the `aws` command line, redis-py and `redis-cli`; and moto,
//! a stand-in for AWS that nobody here wrote. The programs are in `sandbox/tests/clients`.

use rekeyd_sandbox::{SandboxServer, ServerConfig, Settings};
use tokio::process::Command;

use crate::python::{self, Moto};

/// Runs a program of `sandbox/tests/clients` against a sandbox of its own, and shows what it says if it fails.
async fn check(program: &str, arguments: &[&str]) {
    let settings = Settings {
        propagation_ms: rekeyd_sandbox::Range { min: 10, max: 80 },
        detached_modifying_ms: 200,
        ..Settings::default()
    };
    let server = SandboxServer::start(ServerConfig {
        settings,
        ..ServerConfig::default()
    })
    .await
    .unwrap();
    let output = Command::new(python::bin().join("python"))
        // No byte code: the tree of sources stays as it is.
        .arg("-B")
        .arg(python::workspace().join("sandbox/tests/clients").join(program))
        .args(arguments)
        .env("PATH", python::search_path())
        .env("SANDBOX_URL", server.url())
        .env("SANDBOX_CA_FILE", server.ca_file())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{program} {arguments:?}\n{}",
        String::from_utf8_lossy(&said)
    );
    server.shutdown().await;
}

#[tokio::test]
async fn the_checker_of_replies_passes_good_ones_and_names_what_is_wrong_with_bad_ones() {
    check("check_strict.py", &[]).await;
}

#[tokio::test]
async fn boto3_makes_every_call_and_no_reply_strays_from_the_service_models() {
    check("check_sdk.py", &[]).await;
}

#[tokio::test]
async fn sessions_of_different_accounts_and_regions_see_nothing_of_each_other() {
    check("check_apart.py", &[]).await;
}

#[tokio::test]
async fn the_aws_command_line_gets_the_json_that_aws_documents() {
    check("check_command_line.py", &[]).await;
}

#[tokio::test]
async fn a_rotation_function_in_four_steps_runs_unchanged_and_outlives_a_crash_at_each_of_its_calls() {
    check("check_four_steps.py", &[]).await;
}

#[tokio::test]
async fn redis_py_and_redis_cli_log_in_with_what_a_secret_holds() {
    check("check_logins.py", &[]).await;
}

#[tokio::test]
async fn moto_and_the_sandbox_differ_where_the_table_says_and_nowhere_else() {
    let moto = Moto::start().await;
    let page = python::workspace().join("docs/SANDBOX.md");
    check("check_differences.py", &[&moto.url, page.to_str().unwrap()]).await;
}
