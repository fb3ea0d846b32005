//! Programs of the virtual environment that `make tools` makes, and moto, which is one of them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The folder with the workspace's lock file.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|dir| dir.join("Cargo.lock").exists())
        .expect("a workspace around this package")
}

/// The folder of the environment's programs.
pub fn bin() -> PathBuf {
    let dir = workspace().join(".tools/python/bin");
    assert!(
        dir.join("python").exists(),
        "{} is missing; run `make tools`",
        dir.display()
    );
    dir
}

/// The search path, with the environment's programs first.
pub fn search_path() -> String {
    let rest = std::env::var("PATH").unwrap_or_default();
    format!("{}:{rest}", bin().display())
}

/// moto as a server on a port of its own. Dropping it ends it.
pub struct Moto {
    /// Where it listens.
    pub url: String,
    /// Held for the sake of `kill_on_drop`.
    _child: Child,
}

impl Moto {
    /// Starts it and waits until it listens.
    pub async fn start() -> Self {
        let mut child = Command::new(bin().join("moto_server"))
            .args(["--host", "127.0.0.1", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("moto_server starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let mut said = String::new();
        let url = loop {
            let line = lines.next_line().await.expect("text");
            let line = line.unwrap_or_else(|| panic!("moto_server ended: {said}"));
            if let Some((_, url)) = line.split_once("Running on ") {
                break url.trim().to_owned();
            }
            said.push_str(&line);
        };
        // It logs every request, and would wait for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { url, _child: child }
    }
}
