//! `rekeyd completions`: each script is one that its shell takes, and it completes what there is.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::support::cli::{Ended, ended};

async fn script(shell: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeyd"));
    command.args(["completions", shell]).env_clear().stdin(Stdio::null());
    let printed = ended(command).await.with(0);
    assert_eq!(printed.stderr, "");
    printed.stdout
}

/// A shell without the files of the user who runs the tests. One that is missing is a failure.
async fn run(shell: &str, args: &[&str], home: &Path) -> Ended {
    let found = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&found).any(|folder| folder.join(shell).exists());
    assert!(found, "{shell} is missing: run `make tools`");
    let mut command = Command::new(shell);
    command
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("TERM", "dumb")
        .current_dir(home)
        .stdin(Stdio::null());
    ended(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bash_completes_commands_flags_and_shells() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("rekeyd.bash"), script("bash").await).unwrap();
    let complete = |words: &str, index: usize| {
        format!(
            "set -e; source ./rekeyd.bash; COMP_WORDS=({words}); COMP_CWORD={index}; \
             _rekeyd rekeyd \"${{COMP_WORDS[{index}]}}\" \"${{COMP_WORDS[{}]}}\"; echo \"${{COMPREPLY[@]}}\"",
            index - 1
        )
    };
    for (words, index, wanted) in [
        ("rekeyd ro", 1, "rotate rollback"),
        ("rekeyd rotate --re", 2, "--revoke-previous"),
        ("rekeyd check --eff", 2, "--effective"),
        ("rekeyd completions z", 2, "zsh"),
    ] {
        let done = run("bash", &["--norc", "-c", &complete(words, index)], home.path())
            .await
            .with(0);
        assert_eq!((done.stdout.trim(), done.stderr.as_str()), (wanted, ""), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn zsh_takes_its_script_as_a_completion_function() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("_rekeyd"), script("zsh").await).unwrap();
    run("zsh", &["-f", "-n", "_rekeyd"], home.path()).await.with(0);
    let load = "fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -d ./dump; print -r -- $_comps[rekeyd]";
    let loaded = run("zsh", &["-f", "-c", load], home.path()).await.with(0);
    assert_eq!((loaded.stdout.trim(), loaded.stderr.as_str()), ("_rekeyd", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn fish_completes_commands_and_flags() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("rekeyd.fish"), script("fish").await).unwrap();
    for (line, wanted) in [
        ("rekeyd ro", "rollback"),
        ("rekeyd ro", "rotate"),
        ("rekeyd rotate --re", "--revoke-previous"),
    ] {
        let complete = format!("source ./rekeyd.fish; complete --do-complete '{line}'");
        let done = run("fish", &["--no-config", "-c", &complete], home.path())
            .await
            .with(0);
        let words = done
            .stdout
            .lines()
            .map(|line| line.split('\t').next().unwrap_or_default());
        assert!(
            words.into_iter().any(|word| word == wanted),
            "{line}: {}{}",
            done.stdout,
            done.stderr
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_is_not_known_is_told_which_are() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeyd"));
    command.args(["completions", "csh"]).env_clear().stdin(Stdio::null());
    let refused = ended(command).await.with(2);
    assert!(
        refused.stderr.contains("bash, elvish, fish, powershell, zsh"),
        "{}",
        refused.stderr
    );
}
