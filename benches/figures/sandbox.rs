//! A real `rekeyd-sandbox` process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use hyper::Method;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Outcome;
use crate::http::Connection;
use crate::process::{Watched, binary};

/// ModifyUsers a second for an account and region. AWS publishes no figure.
pub(crate) const MODIFY_USERS_A_SECOND: u32 = 10;
/// How long a change takes to reach a node, in seconds.
pub(crate) const PROPAGATION: (u32, u32) = (20, 60);

/// The same where all are to be in flight at the same time: as many as Secrets Manager takes writes.
const MODIFY_USERS_AT_ONCE: u32 = 50;
const SLOW_PROPAGATION: (u32, u32) = (60, 90);

/// How the sandbox behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Quotas on, ModifyUser limited, changes take 20 to 60 seconds.
    LikeAws,
    /// Quotas on, and changes are taken faster than they arrive: so that 1,000 are in flight at the same time. At
    /// AWS's pace the first are over before the last begin.
    AllAtOnce,
    /// No quotas, changes take at most a second: for what is not about them.
    Quick,
}

/// The process.
pub(crate) struct Sandbox {
    child: Child,
    address: String,
    pub(crate) ca_file: PathBuf,
    pub(crate) process: Watched,
}

impl Sandbox {
    pub(crate) async fn start(files: &std::path::Path, pace: Pace) -> Outcome<Self> {
        let settings = match pace {
            Pace::LikeAws => limited(MODIFY_USERS_A_SECOND, PROPAGATION),
            Pace::AllAtOnce => limited(MODIFY_USERS_AT_ONCE, SLOW_PROPAGATION),
            Pace::Quick => "log_limit = 1\n".to_owned(),
        };
        let (settings_file, ca_file) = (files.join("sandbox.toml"), files.join("ca.pem"));
        std::fs::write(&settings_file, settings).map_err(|error| error.to_string())?;
        let mut child = Command::new(binary("rekeyd-sandbox"))
            .args(["--listen", "127.0.0.1:0", "--log", "warn", "--settings"])
            .arg(&settings_file)
            .arg("--ca-file")
            .arg(&ca_file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("rekeyd-sandbox: {error}"))?;
        let process = Watched(child.id().ok_or("the sandbox ended at once")?);
        let out = child.stdout.take().ok_or("no output of the sandbox")?;
        let ready = BufReader::new(out).lines().next_line().await;
        let ready = ready.ok().flatten().ok_or("the sandbox ended at once")?;
        let address = ready.split("http://").nth(1).and_then(|rest| rest.split(' ').next());
        Ok(Self {
            address: address.ok_or("the sandbox says no address")?.to_owned(),
            child,
            ca_file,
            process,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) async fn connect(&self) -> Outcome<Connection> {
        Connection::tcp(&self.address).await
    }

    /// How often each operation was called.
    pub(crate) async fn calls(&self) -> Outcome<BTreeMap<String, u64>> {
        let mut connection = self.connect().await?;
        let calls = connection
            .ask(Method::GET, "/_sandbox/calls", &[], String::new())
            .await?;
        serde_json::from_str(&calls).map_err(|error| error.to_string())
    }

    /// Ends it with its servers.
    pub(crate) async fn end(mut self) {
        let told = std::process::Command::new("kill")
            .arg(self.process.0.to_string())
            .status();
        if told.is_ok() {
            let _ = tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await;
        }
    }
}

fn limited(modify_users_a_second: u32, propagation: (u32, u32)) -> String {
    format!(
        "propagation_ms = {{ min = {}, max = {} }}\nlog_limit = 1\n\
         [quotas]\nenabled = true\nmodify_user = {modify_users_a_second}\n",
        propagation.0 * 1_000,
        propagation.1 * 1_000
    )
}
