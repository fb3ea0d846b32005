//! Every configuration that README.md and the pages of docs/ print is one that `rekeyd check` takes, without a warning but for
//! what its page says.

use std::path::PathBuf;

use crate::support::cli::{Ended, ended};
use crate::support::python;

/// What makes a configuration of places alone a whole one.
const POLICY: &str = "\n[policy.orders]\naws = \"PLACE\"\nschedule = \"30d\"\nsecrets = [\"production/ec/user1\"]\n\
                      allow_users = [\"user1\"]\n";

/// A configuration, and where it stands.
struct Printed {
    page: String,
    text: String,
}

fn pages() -> Vec<PathBuf> {
    let workspace = python::workspace();
    let docs = std::fs::read_dir(workspace.join("docs")).unwrap();
    let mut pages: Vec<PathBuf> = docs.map(|page| page.unwrap().path()).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.push(workspace.join("README.md"));
    pages.sort();
    pages
}

/// The TOML of a page that names a place. One without a policy is given one.
fn printed(page: &std::path::Path) -> Vec<Printed> {
    let text = std::fs::read_to_string(page).unwrap();
    let blocks = text.split("```toml\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap().to_owned());
    let whole = blocks.filter_map(|block| {
        let (_, after) = block.split_once("[aws.")?;
        let place = after.split_once(']')?.0.to_owned();
        let policy = match block.contains("[policy.") {
            true => String::new(),
            false => POLICY.replace("PLACE", &place),
        };
        Some(block + &policy)
    });
    let name = page.file_name().unwrap().to_string_lossy().into_owned();
    whole
        .map(|text| Printed {
            page: name.clone(),
            text,
        })
        .collect()
}

/// `rekeyd check` on it, in a folder where the certificates are that pages name.
async fn check(text: &str) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("sandbox-ca.pem"), "").unwrap();
    let text = text.replace("/tmp/sandbox-ca.pem", "sandbox-ca.pem");
    std::fs::write(path.join("rekeyd.toml"), text).unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rekeyd"));
    command
        .args(["--config", "rekeyd.toml", "check"])
        .current_dir(path)
        .env_clear()
        .stdin(std::process::Stdio::null());
    ended(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_configuration_that_a_page_prints_is_one_that_check_takes() {
    let all: Vec<Printed> = pages().iter().flat_map(|page| printed(page)).collect();
    let of = |page: &str| all.iter().filter(|printed| printed.page == page).count();
    assert_eq!(of("README.md"), 2);
    assert!(of("OPERATIONS.md") >= 1 && of("SANDBOX.md") >= 1 && of("WALKTHROUGH.md") >= 1);
    for Printed { page, text } in &all {
        let ended = check(text).await;
        assert_eq!(ended.code, Some(0), "{page}: {text}\n{}{}", ended.stdout, ended.stderr);
        // The walkthrough says why its times are short.
        if page != "WALKTHROUGH.md" {
            assert!(!ended.stderr.contains("warning"), "{page}: {text}\n{}", ended.stderr);
        }
    }
}
