//! Configurations with the mistakes that operators make, and what `rekeyd check` says of each: frozen in
//! `tests/fixtures/broken`, each beside what is said of it. Whoever changes a message runs
//! `UPDATE_GOLDEN=1 cargo test -p rekeyd --test it broken_configurations`, and reads what it says now: what is wrong, on
//! what, and what to do.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::support::cli::{Ended, ended};
use crate::support::golden;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/broken")
}

/// The configurations, by their names.
fn cases() -> Vec<String> {
    let listing = std::fs::read_dir(folder()).unwrap();
    let names = listing.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".toml")).collect();
    names.sort();
    names
}

/// The variables that a configuration asks for in its first lines.
fn variables(file: &Path) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
    let lines = text.lines().filter_map(|line| line.strip_prefix("# env: "));
    lines
        .map(|line| line.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn check(folder: &Path, file: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeyd"));
    command
        .args(["check", "--config", file])
        .args(args)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::null());
    command
}

/// What somebody is told: the errors, or the warnings that end an explanation; and the exit code.
fn told(ended: &Ended) -> String {
    let warnings = ended
        .stdout
        .split_once("\nwarnings\n")
        .map_or("", |(_, warnings)| warnings);
    format!("{}{warnings}exit {}\n", ended.stderr, ended.code.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_configuration_is_told_what_is_wrong_where_and_what_to_do() {
    let folder = folder();
    let cases = cases();
    assert!(cases.len() >= 20, "{cases:?}");
    for case in cases {
        let file = folder.join(&case);
        let run = |args: &[&str]| {
            let mut command = check(&folder, &case, args);
            command.envs(variables(&file));
            ended(command)
        };
        let text = run(&[]).await;
        golden::compare(&file.with_extension("txt"), &told(&text));

        // The same for programs, also of what is wrong.
        let json = run(&["--json"]).await;
        assert_eq!((json.code, json.stderr.as_str()), (text.code, ""), "{case}");
        let json = json.json();
        assert_eq!(json["valid"], text.code == Some(0), "{case}");
        for problem in json["problems"].as_array().unwrap() {
            let [place, message] = ["place", "message"].map(|key| problem[key].as_str().unwrap());
            assert!(
                text.stderr.contains(&format!("{place}: {message}")),
                "{case}: {problem}"
            );
            let parts = match problem["variable"].as_str() {
                Some(variable) => variable.to_owned(),
                None => ["file", "line", "column"]
                    .map(|key| problem[key].to_string().replace('"', ""))
                    .join(":"),
            };
            assert_eq!(parts, place, "{case}");
            let excerpt = problem["excerpt"].as_str();
            assert_eq!(excerpt.is_some(), problem["line"].is_u64(), "{case}: {problem}");
            assert!(
                excerpt.is_none_or(|excerpt| excerpt.ends_with('^') && text.stderr.contains(excerpt)),
                "{case}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_read_is_told_why_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("folder.toml")).unwrap();
    std::fs::write(path.join("unreadable.toml"), "").unwrap();
    std::fs::set_permissions(path.join("unreadable.toml"), PermissionsExt::from_mode(0o000)).unwrap();
    std::fs::write(path.join("unreadable-drop-in.toml"), "").unwrap();
    std::fs::create_dir(path.join("unreadable-drop-in.d")).unwrap();
    std::fs::set_permissions(path.join("unreadable-drop-in.d"), PermissionsExt::from_mode(0o000)).unwrap();
    for name in ["no-such-file", "folder", "unreadable", "unreadable-drop-in"] {
        let file = format!("{name}.toml");
        // Root reads everything, unless it gives that up.
        let mut command = Command::new("setpriv");
        if rustix::process::geteuid().is_root() {
            command.args(["--bounding-set", "-dac_override,-dac_read_search", "--"]);
        }
        command
            .arg(env!("CARGO_BIN_EXE_rekeyd"))
            .args(["check", "--config", &file])
            .current_dir(path)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null());
        let text = ended(command).await;
        golden::compare(
            &self::folder().join("unreadable").join(format!("{name}.txt")),
            &told(&text),
        );
    }
    std::fs::set_permissions(path.join("unreadable-drop-in.d"), PermissionsExt::from_mode(0o700)).unwrap();
}
