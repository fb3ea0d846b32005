//! Pages of the documentation, run as they stand.
//!
//! A line of a `console` block after `$ ` is a command, together with the lines after it that a shell would ask for; all
//! others are what it prints. Every command has to end with 0 and to print that, give or take white space; `…`
//! stands for anything within a line, and alone on a line for any lines.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin};

use super::python;

/// How long one command may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A command of a page, and what the page says that it prints.
pub struct Step {
    pub command: String,
    pub prints: Vec<String>,
}

/// A file of the workspace.
pub fn page(path: &str) -> String {
    let path = python::workspace().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The contents of a page's blocks in a language.
pub fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

/// The commands of a page, or of a part of one.
pub fn commands(page: &str) -> Vec<Step> {
    blocks(page, "console").iter().flat_map(|block| steps(block)).collect()
}

/// What stands under a heading, up to the next of its kind.
pub fn section<'a>(page: &'a str, heading: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("\n## {heading}\n"))?;
    Some(rest.split("\n## ").next().unwrap_or(rest))
}

/// Whether a shell would ask for another line.
fn goes_on(command: &str) -> bool {
    let check = Command::new("bash").args(["-n", "-c", command]).output().expect("bash");
    command.ends_with('\\') || !check.status.success() || !check.stderr.is_empty()
}

/// The commands of one block.
pub fn steps(block: &str) -> Vec<Step> {
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
pub fn fits(pattern: &[String], lines: &[&str]) -> bool {
    match (pattern, lines) {
        ([], lines) => lines.is_empty(),
        ([any, rest @ ..], lines) if any.trim() == "…" => (0..=lines.len()).any(|skip| fits(rest, &lines[skip..])),
        ([first, rest @ ..], [line, lines @ ..]) => line_fits(first, line) && fits(rest, lines),
        (_, []) => false,
    }
}

/// The folder with both programs. `cargo test` of this package alone builds but one of them; the
/// same packages are named as in a build of all, so that nothing else is built anew.
pub fn programs() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
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
    })
}

/// A text in which these addresses are replaced by free ones. Held together, so that they differ.
pub fn with_free_addresses<const N: usize>(text: &str, addresses: [&str; N]) -> String {
    let listeners = addresses.map(|_| std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
    let free = listeners.map(|listener| listener.local_addr().expect("an address").to_string());
    addresses
        .iter()
        .zip(free)
        .fold(text.to_owned(), |text, (old, new)| text.replace(old, &new))
}

/// One bash that runs commands one after the other. Dropping it kills what is left of it and of everything that it
/// started, by their process group.
pub struct Shell {
    bash: Child,
    input: ChildStdin,
    dir: PathBuf,
    given: usize,
}

impl Shell {
    /// In a folder, with nothing of the test's environment but a search path.
    pub fn start(dir: &Path, search_path: &str) -> Self {
        let log = std::fs::File::create(dir.join("bash.log")).expect("a log");
        let mut bash = tokio::process::Command::new("bash")
            .current_dir(dir)
            .env_clear()
            .env("PATH", search_path)
            .env("HOME", dir)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("bash");
        Self {
            input: bash.stdin.take().expect("a pipe"),
            bash,
            dir: dir.to_owned(),
            given: 0,
        }
    }

    /// Runs a command. Gives how it ended and what it printed.
    pub async fn run(&mut self, command: &str) -> (Option<i32>, String) {
        self.given += 1;
        let number = self.given;
        // Moved into place, so that it is never read half-written.
        let text = format!("{{ {command}\n}} >step.{number} 2>&1 </dev/null\necho $? >code && mv code code.{number}\n");
        self.input.write_all(text.as_bytes()).await.expect("a running bash");
        let code = self.dir.join(format!("code.{number}"));
        let begun = tokio::time::Instant::now();
        while !code.exists() && begun.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let read = |path: &Path| std::fs::read(path).unwrap_or_default();
        let printed = read(&self.dir.join(format!("step.{number}")));
        let code = String::from_utf8_lossy(&read(&code)).trim().parse().ok();
        (code, String::from_utf8_lossy(&printed).into_owned())
    }

    /// Runs a command of a page, which has to do what the page says. `more` tells what else helps to see why it does not.
    pub async fn follow(&mut self, step: &Step, more: impl AsyncFn() -> String) {
        let (code, printed) = self.run(&step.command).await;
        let lines: Vec<&str> = printed.lines().collect();
        if code == Some(0) && fits(&step.prints, &lines) {
            return;
        }
        let bash = std::fs::read_to_string(self.dir.join("bash.log")).unwrap_or_default();
        panic!(
            "$ {}\nended with {code:?} and printed:\n{printed}\nand the page says:\n{}\n{bash}{}",
            step.command,
            step.prints.join("\n"),
            more().await
        );
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let Some(group) = self.bash.id() else { return };
        let _ = Command::new("kill")
            .args(["-KILL", "--", &format!("-{group}")])
            .stderr(Stdio::null())
            .status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_command_of_a_page_ends_where_a_shell_would_ask_for_no_more() {
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

    #[test]
    fn a_section_ends_where_the_next_begins() {
        let page = "# Page\n\n## One\n\nfirst\n\n### Part\n\nof it\n\n## Two\n\nsecond\n";
        assert_eq!(section(page, "One"), Some("\nfirst\n\n### Part\n\nof it\n"));
        assert_eq!(section(page, "Two"), Some("\nsecond\n"));
        assert_eq!(section(page, "Three"), None);
    }

    #[tokio::test]
    async fn a_shell_keeps_what_a_command_has_set_for_the_next() {
        let dir = tempfile::tempdir().expect("folder");
        let mut shell = Shell::start(dir.path(), "/usr/bin:/bin");
        assert_eq!(shell.run("a=b; false").await, (Some(1), String::new()));
        assert_eq!(shell.run("echo $a; cat").await, (Some(0), "b\n".to_owned()));
    }
}
