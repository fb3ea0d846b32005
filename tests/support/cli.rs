//! Commands of the real binary that end by themselves, and what they said.

use std::process::Stdio;
use std::time::Duration;

use super::daemon::Setup;
use super::world::World;
use super::{PATIENCE, Policy};

/// What a command said, and how it ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ended {
    /// Asserts the exit code, and gives itself back.
    pub fn with(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Waits for a command that was given pipes.
pub async fn ended(command: tokio::process::Command) -> Ended {
    ended_within(command, PATIENCE).await
}

/// The same for one that may take longer.
pub async fn ended_within(mut command: tokio::process::Command, patience: Duration) -> Ended {
    let began = tokio::time::Instant::now();
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let output = tokio::time::timeout(patience, child.wait_with_output())
        .await
        .expect("the command ends")
        .expect("its output");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: began.elapsed(),
    }
}

impl Setup<'_> {
    /// Runs a command of the real binary to its end.
    pub async fn cli(&self, args: &[&str]) -> Ended {
        ended(self.command(args)).await
    }
}

/// A daemon's set-up with a policy `orders` for these users.
pub fn orders<'a>(world: &'a World, users: &[&str]) -> Setup<'a> {
    world.daemon("rekeyd").policy(Policy::new("orders", users))
}
