//! docs/WALKTHROUGH.md, run as it stands: the real `aws`, `redis-cli`, `rekeyd` and `rekeyd-sandbox`.
//! The page's last section says by which rules.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::python;

/// How long all commands together may take.
const PATIENCE: Duration = Duration::from_secs(240);
/// The addresses of the page that are replaced by free ones.
const ADDRESSES: [&str; 2] = ["127.0.0.1:4566", "127.0.0.1:9848"];

/// A command of the page, and what the page says that it prints.
struct Step {
    command: String,
    prints: Vec<String>,
}

fn page() -> String {
    let path = python::workspace().join("docs/WALKTHROUGH.md");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The contents of the page's blocks in a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// Whether a shell would ask for another line.
fn goes_on(command: &str) -> bool {
    let check = Command::new("bash").args(["-n", "-c", command]).output().expect("bash");
    command.ends_with('\\') || !check.status.success() || !check.stderr.is_empty()
}

fn steps(block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step {
                command: command.to_owned(),
                prints: Vec::new(),
            }),
            (None, Some(step)) if step.prints.is_empty() && goes_on(&step.command) => {
                step.command = format!("{}\n{line}", step.command);
            }
            (None, Some(step)) => step.prints.push(line.to_owned()),
            (None, None) => panic!("a block begins with what is no command: {line}"),
        }
    }
    steps
}

/// Whether a line is as the page has it: `…` stands for anything, and white space for any white space.
fn line_fits(pattern: &str, line: &str) -> bool {
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (pattern, line) = (squeeze(pattern), squeeze(line));
    let Some((first, others)) = pattern.split_once('…') else {
        return pattern == line;
    };
    let Some(mut rest) = line.strip_prefix(first.trim_end()) else {
        return false;
    };
    let mut parts: Vec<&str> = others.split('…').map(str::trim).collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The same for all that a command prints: `…` alone on a line stands for any lines.
fn fits(pattern: &[String], lines: &[&str]) -> bool {
    match (pattern, lines) {
        ([], lines) => lines.is_empty(),
        ([any, rest @ ..], lines) if any.trim() == "…" => (0..=lines.len()).any(|skip| fits(rest, &lines[skip..])),
        ([first, rest @ ..], [line, lines @ ..]) => line_fits(first, line) && fits(rest, lines),
        (_, []) => false,
    }
}

/// The folder with both programs. `cargo test` of this package alone builds but one of them; the
/// same packages are named as in a build of all, so that nothing else is built anew.
fn programs() -> PathBuf {
    let dir = Path::new(env!("CARGO_BIN_EXE_rekeyd")).parent().unwrap();
    let mut build = Command::new(env!("CARGO"));
    build
        .args(["build", "--workspace", "--bins", "--locked", "--offline", "--quiet"])
        .arg("--target-dir")
        .arg(dir.parent().unwrap())
        .current_dir(python::workspace());
    if dir.ends_with("release") {
        build.arg("--release");
    }
    let output = build.output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    dir.to_owned()
}

/// Free addresses, one for each of the page's. Held together, so that they differ.
fn with_free_addresses(text: &str) -> String {
    let listeners = ADDRESSES.map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
    let free = listeners.map(|listener| listener.local_addr().expect("an address").to_string());
    ADDRESSES
        .iter()
        .zip(free)
        .fold(text.to_owned(), |text, (old, new)| text.replace(old, &new))
}

/// A shell and everything that it started, by their process group. Dropping it kills what is left of them.
struct Group(u32);

impl Drop for Group {
    fn drop(&mut self) {
        let group = format!("-{}", self.0);
        let _ = Command::new("kill")
            .args(["-KILL", "--", &group])
            .stderr(Stdio::null())
            .status();
    }
}

/// Runs the steps in one bash, each with its output in a file; ends at the first that fails.
async fn run(steps: &[Step], dir: &Path) {
    let mut script = String::new();
    for (number, step) in steps.iter().enumerate() {
        let command = &step.command;
        script.push_str(&format!(
            "{{ {command}\n}} >step.{number} 2>&1\ncode=$?\necho $code >code.{number}\n[ $code = 0 ] || exit 1\n"
        ));
    }
    std::fs::write(dir.join("script"), script).expect("a script");
    let path = format!("{}:{}", programs().display(), python::search_path());
    let log = std::fs::File::create(dir.join("bash.log")).expect("a log");
    let mut shell = tokio::process::Command::new("bash")
        .arg("script")
        .current_dir(dir)
        .env_clear()
        .env("PATH", path)
        .env("HOME", dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .process_group(0)
        .spawn()
        .expect("bash");
    let _group = Group(shell.id().expect("a running shell"));
    // How far it came is seen in the files that are there.
    let _ = tokio::time::timeout(PATIENCE, shell.wait()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_walkthrough_works_and_prints_what_the_page_says() {
    let page = with_free_addresses(&page());
    let dir = tempfile::tempdir().expect("folder");
    let files = blocks(&page, "toml");
    assert_eq!(files.len(), 1);
    for file in files {
        let name = file.lines().next().unwrap().trim_start_matches("# ").to_owned();
        std::fs::write(dir.path().join(name), file).expect("a file");
    }
    let steps: Vec<Step> = blocks(&page, "console").iter().flat_map(|block| steps(block)).collect();
    assert!(steps.len() > 20, "only {} commands were found", steps.len());
    run(&steps, dir.path()).await;
    let read = |name: String| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
    for (number, step) in steps.iter().enumerate() {
        let (code, printed) = (read(format!("code.{number}")), read(format!("step.{number}")));
        let code = code.trim();
        let logs = || read("rekeyd.log".to_owned()) + &read("bash.log".to_owned());
        assert_eq!(code, "0", "$ {}\n{printed}\n{}", step.command, logs());
        assert!(
            fits(&step.prints, &printed.lines().collect::<Vec<_>>()),
            "$ {}\nprinted:\n{printed}\nand the page says:\n{}",
            step.command,
            step.prints.join("\n")
        );
    }
}

#[test]
fn the_walkthroughs_table_of_actions_is_what_its_log_of_calls_shows() {
    let page = page();
    let cells = |row: &str| {
        row.split('|')
            .map(|cell| cell.trim().trim_matches('`').to_owned())
            .collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> = page.lines().filter(|line| line.starts_with("| `")).map(cells).collect();
    let table: BTreeSet<&str> = rows
        .iter()
        .filter(|row| row[3] == "yes")
        .map(|row| row[1].as_str())
        .collect();
    let all = blocks(&page, "console");
    let log = all
        .iter()
        .flat_map(|block| steps(block))
        .find(|step| step.command.contains("_sandbox/log"));
    let shown = log.expect("a command that reads the log").prints;
    assert_eq!(table, shown.iter().map(String::as_str).collect());
    for row in rows.iter().filter(|row| row[2] == "no" || row[3] == "no") {
        assert!(
            !row[4].is_empty(),
            "{} differs from the guide and does not say why",
            row[1]
        );
    }
}

#[test]
fn an_ellipsis_stands_for_anything_and_nothing_else_does() {
    let lines = |text: &[&str]| text.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert!(fits(&lines(&["a  …c…", "…", "z"]), &["a b c d", "x", "y", "z"]));
    assert!(fits(&lines(&["…"]), &[]));
    assert!(!fits(&lines(&["a …c"]), &["a b c d"]));
    assert!(!fits(&lines(&["a"]), &["a", "b"]));
    assert!(!fits(&lines(&["a", "b"]), &["a"]));
    assert!(!fits(&[], &["a"]));
}

#[test]
fn a_command_of_the_page_ends_where_a_shell_would_ask_for_no_more() {
    let found = steps("$ one \\\n  two\nprinted\n$ f() {\n  three\n}\n$ cat <<'END'\nfour\nEND\nfour\n");
    let found: Vec<(&str, usize)> = found
        .iter()
        .map(|step| (step.command.as_str(), step.prints.len()))
        .collect();
    assert_eq!(
        found,
        [
            ("one \\\n  two", 1),
            ("f() {\n  three\n}", 0),
            ("cat <<'END'\nfour\nEND", 1)
        ]
    );
}
