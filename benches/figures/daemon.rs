//! A real `rekeyd run` process.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use hyper::Method;
use serde_json::json;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::fleet::{Fleet, region};
use crate::http::Connection;
use crate::process::{Watched, binary};
use crate::rotating::count;
use crate::sandbox::{MODIFY_USERS_A_SECOND, Sandbox};

/// How long looking at every secret may take.
const FIRST_LOOKS: Duration = Duration::from_secs(900);

/// What a configuration says besides the fleet; everything else is rekeyd's default.
#[derive(Clone)]
pub(crate) struct Configuration {
    /// `drift_check_interval`.
    pub(crate) drift_check: &'static str,
    /// `discovery_interval`.
    pub(crate) discovery: &'static str,
    /// `budget.modify_user`: changes of users a second that rekeyd asks for in a place.
    pub(crate) modify_users: u32,
    /// Where DynamoDB answers that keeps the state; a file of its own if there is none.
    pub(crate) table: Option<String>,
}

impl Configuration {
    /// For [`Pace::AllAtOnce`](crate::sandbox::Pace::AllAtOnce).
    pub(crate) fn all_at_once() -> Self {
        Self {
            modify_users: 50,
            ..Self::default()
        }
    }
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            drift_check: "none",
            discovery: "15m",
            modify_users: MODIFY_USERS_A_SECOND,
            table: None,
        }
    }
}

/// The process and its files.
pub(crate) struct Daemon {
    child: Child,
    files: PathBuf,
    pub(crate) process: Watched,
}

impl Daemon {
    /// Writes a configuration: one policy a place, which selects all secrets there.
    pub(crate) fn configure(files: &Path, sandbox: &Sandbox, fleet: Fleet, keys: &Configuration) -> Outcome<()> {
        let folder = files.display();
        let (state, more) = match &keys.table {
            None => (format!("sqlite:{folder}/state.db"), String::new()),
            Some(url) => (
                "dynamodb:rekeyd\"\nstate_aws = \"p0".to_owned(),
                format!("dynamodb_endpoint_url = {url:?}\n"),
            ),
        };
        let mut text = format!(
            "[daemon]\nlisten = \"127.0.0.1:0\"\nadmin_socket = \"{folder}/admin.sock\"\n\
             state = \"{state}\"\ndrift_check_interval = {:?}\ndiscovery_interval = {:?}\n\
             [defaults]\noverlap = \"none\"\ncanary = 0\ntls = {{ ca_file = {:?} }}\n",
            keys.drift_check, keys.discovery, sandbox.ca_file
        );
        for place in 0..fleet.places {
            let _ = write!(
                text,
                "[aws.p{place}]\nregion = {:?}\nendpoint_url = {:?}\nbudget = {{ modify_user = {} }}\n{}\
                 [policy.p{place}]\naws = \"p{place}\"\nschedule = \"1000d\"\nallow_users = [\"u*\"]\n\
                 select = {{ name_prefix = \"bench/\" }}\n",
                region(place),
                sandbox.url(),
                keys.modify_users,
                if place == 0 { more.as_str() } else { "" },
            );
        }
        std::fs::write(files.join("rekeyd.toml"), text).map_err(|error| error.to_string())
    }

    /// Starts it on what was configured, and does not wait.
    pub(crate) fn start(files: &Path) -> Outcome<Self> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(files.join("rekeyd.log"));
        let child = Command::new(binary("rekeyd"))
            .arg("--config")
            .arg(files.join("rekeyd.toml"))
            .args(["--log-format", "json", "run"])
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", "REKEYD")
            .env("AWS_SECRET_ACCESS_KEY", "bench")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(std::env::vars_os().filter(|(name, _)| name == "MALLOC_ARENA_MAX" || name == "RUST_LOG"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.map_err(|error| error.to_string())?)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("rekeyd: {error}"))?;
        Ok(Self {
            process: Watched(child.id().ok_or("rekeyd ended at once")?),
            child,
            files: files.to_owned(),
        })
    }

    /// Starts it and waits until it has looked at every secret once.
    pub(crate) async fn start_and_look(files: &Path, secrets: usize) -> Outcome<Self> {
        let daemon = Self::start(files)?;
        daemon.looked(secrets).await?;
        Ok(daemon)
    }

    /// Waits until so many secrets are known, and none is left that was not looked at.
    pub(crate) async fn looked(&self, secrets: usize) -> Outcome<()> {
        let deadline = Instant::now() + FIRST_LOOKS;
        loop {
            let begin = Instant::now();
            let (all, starting) = self.known().await.unwrap_or((0.0, 0.0));
            if all >= count(secrets) && starting == 0.0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!(
                    "after {FIRST_LOOKS:?} {all} secrets are known, {starting} not looked at"
                ));
            }
            // Rarely enough to cost next to nothing.
            sleep(begin.elapsed().mul_f64(20.0).max(Duration::from_millis(100))).await;
        }
    }

    /// How many secrets it knows, and how many of them it has not looked at.
    pub(crate) async fn known(&self) -> Outcome<(f64, f64)> {
        let all = self.metric("rekeyd_secrets{", "phase").await?;
        let starting = self.metric("rekeyd_secrets{", "phase=\"starting\"").await?;
        Ok((all, starting))
    }

    /// Whether `/readyz` says so.
    pub(crate) async fn ready(&self) -> bool {
        self.get("/readyz").await.is_ok()
    }

    pub(crate) async fn get(&self, path: &str) -> Outcome<String> {
        let mut connection = Connection::unix(&self.files.join("admin.sock")).await?;
        connection.ask(Method::GET, path, &[], String::new()).await
    }

    /// The sum of all series of a metric whose labels contain `labels`.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> Outcome<f64> {
        let text = self.get("/metrics").await?;
        let series = text
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(labels));
        Ok(series
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    /// Asks for a rotation of every secret of the first place.
    pub(crate) async fn rotate_first_place(&self) -> Outcome<()> {
        let mut connection = Connection::unix(&self.files.join("admin.sock")).await?;
        let headers = [("content-type", "application/json")];
        let body = json!({"policy": "p0"}).to_string();
        connection
            .ask(Method::POST, "/api/v1/rotate", &headers, body)
            .await
            .map(drop)
    }

    /// What it uses of a core while nothing happens, measured for so many seconds.
    pub(crate) async fn idle(&self, seconds: u32) -> Outcome<f64> {
        let before = self.process.cpu()?;
        sleep(Duration::from_secs(u64::from(seconds))).await;
        Ok((self.process.cpu()? - before).as_secs_f64() / f64::from(seconds))
    }

    /// Lets it read its configuration again: SIGHUP.
    pub(crate) fn reload(&self) -> Outcome<()> {
        let told = std::process::Command::new("kill")
            .args(["-HUP", &self.process.0.to_string()])
            .status();
        match told {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("kill -HUP: {other:?}")),
        }
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) {
        let _ = self.child.kill().await;
    }
}
