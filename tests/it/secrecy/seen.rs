//! Everything that can be seen of a daemon from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::forms::found;
use crate::support::daemon::Setup;
use crate::support::http;
use crate::support::world::secret_name;

/// Everything that was seen of a daemon, by where.
#[derive(Default)]
pub(super) struct Seen(pub(super) BTreeMap<String, Vec<u8>>);

impl Seen {
    pub(super) fn add(&mut self, place: impl Into<String>, bytes: impl AsRef<[u8]>) {
        self.0
            .entry(place.into())
            .or_default()
            .extend_from_slice(bytes.as_ref());
    }

    pub(super) fn file(&mut self, place: impl Into<String>, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.add(place, bytes);
    }

    /// All replies that can be had, errors among them.
    pub(super) async fn replies(&mut self, socket: &Path, address: &str) {
        let secret = secret_name("user1");
        for path in [
            "/",
            &format!("/secret?name={secret}"),
            "/livez",
            "/readyz",
            "/metrics",
            "/api/v1/secrets",
            &format!("/api/v1/secrets/{secret}"),
            &format!("/api/v1/secrets?secret={secret}"),
            "/api/v1/secrets/none",
            "/api/v1/policies",
            "/api/v1/rotations?limit=10000",
            "/api/v1/rotations?limit=x",
        ] {
            let answer = http::tcp(address, "GET", path, None).await.unwrap();
            self.add(format!("TCP {path}"), answer.head + &answer.body);
            let answer = http::unix(socket, "GET", path, None).await.unwrap();
            self.add(format!("socket {path}"), answer.head + &answer.body);
        }
        for (path, body) in [
            ("/api/v1/rotate", "{\"secrets\": [\"none\"]}"),
            ("/api/v1/rotate", "{"),
            ("/api/v1/resume", "{\"all\": true}"),
        ] {
            let answer = http::unix(socket, "POST", path, Some(body)).await.unwrap();
            self.add(format!("socket POST {path}"), answer.head + &answer.body);
        }
    }

    /// What the operating system shows of a process.
    pub(super) fn process(&mut self, pid: u32) {
        for file in ["cmdline", "environ"] {
            self.file(format!("/proc/PID/{file}"), format!("/proc/{pid}/{file}"));
        }
    }

    /// Every file beside the configuration.
    pub(super) fn files(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                self.file(format!("file {name}"), path);
            }
        }
    }

    pub(super) async fn command(&mut self, setup: &Setup<'_>, args: &[&str]) {
        let ended = setup.cli(args).await;
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!said.is_empty(), "{args:?}");
        self.add(format!("rekeyd {}", args.join(" ")), said);
    }

    /// Asserts that none of the passwords is anywhere, and that every place was looked at in
    /// earnest: each holds what is no secret.
    pub(super) fn assert_none_of(&self, passwords: &BTreeSet<String>, controls: &[(&str, &str)]) {
        for (place, control) in controls {
            let seen = self.0.get(*place).unwrap_or_else(|| panic!("nothing seen of {place}"));
            assert!(
                String::from_utf8_lossy(seen).contains(control),
                "{place} does not hold {control:?}, so this looks at the wrong thing: {}",
                String::from_utf8_lossy(&seen[..seen.len().min(3_000)])
            );
        }
        let leaks: Vec<String> = self
            .0
            .iter()
            .flat_map(|(place, seen)| {
                found(passwords, seen)
                    .into_iter()
                    .map(move |form| format!("{place}: a password, {form}"))
            })
            .collect();
        assert!(leaks.is_empty(), "{leaks:#?}");
    }
}
