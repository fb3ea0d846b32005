//! The dependency rule of the source: arrows point one way.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Modules from the ground up. Each may use those of the rows above its own, and its own row's
/// neighbours only where `BESIDE` says so.
const LAYERS: [&[&str]; 7] = [
    &["policy", "secret", "clock", "planted"],
    &["rotation", "schedule", "certificates"],
    &["audit", "aws", "login", "store", "metrics", "config", "words"],
    &["inventory", "iam", "history", "notify"],
    &["engine", "onboard", "takeover"],
    &["tick", "telemetry", "process", "server", "preflight", "service_manager"],
    &["daemon", "cli"],
];

/// Uses within a row: (who, whom).
const BESIDE: [(&str, &str); 13] = [
    ("policy", "secret"),
    ("rotation", "schedule"),
    ("audit", "aws"),
    ("audit", "metrics"),
    ("aws", "metrics"),
    ("login", "metrics"),
    ("aws", "config"),
    ("cli", "daemon"),
    ("store", "config"),
    // The table in DynamoDB is reached as AWS's other services are.
    ("store", "aws"),
    ("store", "metrics"),
    ("server", "telemetry"),
    ("takeover", "onboard"),
];

/// Modules that must do no I/O, and what that forbids them to name.
const PURE: [&str; 6] = ["policy", "secret", "rotation", "schedule", "certificates", "iam"];
const IMPURE: [&str; 7] = [
    "tokio",
    "aws_sdk",
    "aws_config",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
];

/// The Rust files of a folder, at any depth.
pub(crate) fn source_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Every source file with the top-level module that it belongs to.
fn modules() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    files.sort();
    let of_file = |path: PathBuf| {
        let first = path.strip_prefix(&root).unwrap().components().next().unwrap();
        let module = Path::new(first.as_os_str())
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        (module, path, text)
    };
    files
        .into_iter()
        .map(of_file)
        .filter(|(module, ..)| module != "lib" && module != "main")
        .collect()
}

/// The modules of this crate that a source text names.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut names = BTreeSet::new();
    for line in code {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let name: String = rest
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            names.insert(name);
        }
    }
    names.remove("");
    names
}

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|row| row.contains(&module))
        .unwrap_or_else(|| panic!("{module} has no layer: add it to LAYERS"))
}

#[test]
fn every_module_uses_only_what_lies_below_it() {
    let mut wrong = Vec::new();
    for (module, path, text) in modules() {
        for used in named(&text).iter().filter(|used| **used != module) {
            let beside = BESIDE.contains(&(module.as_str(), used.as_str()));
            if layer(used) >= layer(&module) && !beside {
                wrong.push(format!("{}: {module} uses {used}", path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn only_an_operators_commands_can_create_users_and_secrets() {
    let who: BTreeSet<String> = modules()
        .into_iter()
        .filter(|(_, _, text)| text.contains("provisioning") || text.contains("connect_operator"))
        .map(|(module, ..)| module)
        .collect();
    assert_eq!(who, ["aws", "cli", "onboard", "takeover"].map(str::to_owned).into());
}

#[test]
fn only_an_operators_commands_can_create_a_table() {
    let who: BTreeSet<String> = modules()
        .into_iter()
        .filter(|(_, _, text)| text.contains("dynamodb::creation") || text.contains("TableCreator"))
        .map(|(module, ..)| module)
        .collect();
    assert_eq!(who, ["cli", "store"].map(str::to_owned).into());
}

#[test]
fn modules_of_rules_and_values_do_no_io() {
    let mut wrong = Vec::new();
    for (module, path, text) in modules()
        .into_iter()
        .filter(|(module, ..)| PURE.contains(&module.as_str()))
    {
        for name in IMPURE.iter().filter(|name| text.contains(&format!("{name}::"))) {
            wrong.push(format!("{}: {module} names {name}", path.display()));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_two_packages_know_nothing_of_each_other() {
    assert!(modules().iter().all(|(_, _, text)| !text.contains("rekeyd_sandbox")));
    let mut files = Vec::new();
    source_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sandbox/src"), &mut files);
    assert!(files.len() > 10);
    assert!(
        files
            .iter()
            .all(|file| !std::fs::read_to_string(file).unwrap().contains("rekeyd::"))
    );
}

/// What can change something in AWS, or gives it.
const WRITERS: [&str; 6] = [
    "SecretsWriter",
    "UsersWriter",
    "PlacePorts",
    "aws::connect;",
    "aws::connect(",
    "aws_sdk",
];

#[test]
fn whoever_plans_holds_nothing_that_could_change_aws() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let plans = ["preflight/", "cli/plan", "engine/foresight.rs"];
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for (_, path, text) in modules() {
        let file = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let Some(plan) = plans.iter().find(|plan| file.starts_with(**plan)) else {
            continue;
        };
        seen.insert(*plan);
        wrong.extend(
            WRITERS
                .iter()
                .filter(|writer| text.contains(**writer))
                .map(|writer| format!("{file} names {writer}")),
        );
    }
    assert_eq!(seen.len(), plans.len());
    assert_eq!(wrong, Vec::<String>::new());
}
