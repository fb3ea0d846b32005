//! `rekeyd man`: a page for each command, without anything that groff or mandoc complains about.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::help::commands;
use crate::support::cli::{Ended, ended};

async fn rekeyd(args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekeyd"));
    command.args(args).env_clear().stdin(Stdio::null());
    ended(command).await
}

/// A program that reads a page. One that is missing is a failure.
async fn read(program: &str, args: &[&str], page: &Path) -> Ended {
    let found = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&found).any(|folder| folder.join(program).exists());
    assert!(found, "{program} is missing: run `make tools`");
    let mut command = Command::new(program);
    command
        .args(args)
        .arg(page)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
    ended(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_has_a_page_that_groff_and_mandoc_read_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    rekeyd(&["man", "--out", out.to_str().unwrap()]).await.with(0);
    let mut pages: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|page| page.unwrap().path())
        .collect();
    pages.sort();
    assert_eq!(pages.len(), commands().len(), "{pages:?}");
    for page in &pages {
        let groff = read("groff", &["-ww", "-man", "-Tutf8", "-z"], page).await.with(0);
        assert_eq!(groff.stderr, "", "{}", page.display());
        let mandoc = read("mandoc", &["-T", "lint", "-W", "warning"], page).await;
        // A page has a release and no date; and the words of a flag are set apart by more than mandoc wants.
        let known = ["missing date", "skipping paragraph macro: br"];
        let new = mandoc
            .stdout
            .lines()
            .filter(|line| !known.iter().any(|known| line.contains(known)));
        assert_eq!(new.collect::<Vec<_>>(), [""; 0], "{}", page.display());
    }
    let shown = read("mandoc", &["-T", "utf8"], &out.join("rekeyd-check.1"))
        .await
        .with(0)
        .stdout;
    for words in [
        "EXIT STATUS",
        "EXAMPLES",
        "--effective",
        "rekeyd check --effective",
        "SEE ALSO",
    ] {
        // Bold is a letter over itself.
        let plain: String = shown
            .split('\u{8}')
            .map(|part| part.strip_suffix(|_| true).unwrap_or(part))
            .collect();
        assert!(plain.contains(words) || shown.contains(words), "{words}: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_page_is_printed_and_names_every_command_and_exit_code() {
    let page = rekeyd(&["man"]).await.with(0).stdout;
    for command in commands().iter().skip(1) {
        let name = format!("rekeyd\\-{}", command.get_name())
            .replace(' ', "-")
            .replace("-", "\\-")
            .replace("\\\\-", "\\-");
        assert!(page.contains(&name), "{name}: {page}");
    }
    for part in [".SH \"EXIT STATUS\"", ".SH ENVIRONMENT", "78  the configuration"] {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let out = folder.path().join("file/man1");
    let refused = rekeyd(&["man", "--out", out.to_str().unwrap()]).await.with(1);
    assert!(
        refused.stderr.contains(&out.display().to_string()),
        "{}",
        refused.stderr
    );
}
