//! The real `rekeyd` binary, started on a configuration of the test's.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rekeyd::rotation::status::{Phase, SecretStatus};
use tokio::process::{Child, Command};

use super::policy::Policy;
use super::status::proven;
use super::world::{REGION, World};
use super::{eventually, http};

/// How a daemon is started.
pub struct Setup<'a> {
    world: &'a World,
    name: String,
    endpoint: String,
    secrets_endpoint: Option<String>,
    state: Option<String>,
    daemon_keys: String,
    default_keys: String,
    policies: Vec<Policy>,
    place_keys: String,
    more: String,
    env: Vec<(String, String)>,
    without_keys: bool,
}

impl World {
    /// A daemon of that name, which keeps its store over restarts.
    pub fn daemon(&self, name: &str) -> Setup<'_> {
        Setup {
            world: self,
            name: name.to_owned(),
            endpoint: self.sandbox.url(),
            secrets_endpoint: None,
            state: None,
            daemon_keys: String::new(),
            default_keys: String::new(),
            policies: Vec::new(),
            place_keys: String::new(),
            more: String::new(),
            env: Vec::new(),
            without_keys: false,
        }
    }
}

impl Setup<'_> {
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policies.push(policy);
        self
    }

    /// A key of `[daemon]`, as TOML.
    pub fn daemon_key(mut self, key: &str, value: &str) -> Self {
        let _ = writeln!(self.daemon_keys, "{key} = {value}");
        self
    }

    /// A key of `[aws.main]`, as TOML.
    pub fn place_key(mut self, key: &str, value: &str) -> Self {
        let _ = writeln!(self.place_keys, "{key} = {value}");
        self
    }

    /// Further tables, as TOML.
    pub fn more(mut self, tables: &str) -> Self {
        self.more += tables;
        self
    }

    /// Leaves out the access key that is named after the daemon: its credentials come from elsewhere.
    pub fn without_keys(mut self) -> Self {
        self.without_keys = true;
        self
    }

    /// A key of `[defaults]`, as TOML.
    pub fn default_key(mut self, key: &str, value: &str) -> Self {
        let _ = writeln!(self.default_keys, "{key} = {value}");
        self
    }

    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Another way to both services, such as a proxy.
    pub fn endpoint(mut self, url: &str) -> Self {
        self.endpoint = url.to_owned();
        self
    }

    /// Another Secrets Manager than the sandbox's.
    pub fn secrets_endpoint(mut self, url: &str) -> Self {
        self.secrets_endpoint = Some(url.to_owned());
        self
    }

    /// Another store than a file of its own, such as `dynamodb:TABLE`.
    pub fn state(mut self, location: &str) -> Self {
        self.state = Some(location.to_owned());
        self
    }

    pub fn state_file(&self) -> PathBuf {
        self.world.path(&format!("{}.db", self.name))
    }

    fn socket(&self) -> PathBuf {
        self.world.path(&format!("{}.sock", self.name))
    }

    /// Writes the configuration and gives its path.
    pub fn write_config(&self) -> PathBuf {
        let file = || format!("sqlite:{}", self.state_file().display());
        let mut text = format!(
            "[daemon]\nlisten = \"127.0.0.1:0\"\nadmin_socket = {:?}\nstate = {:?}\n{}\n[aws.main]\nregion = {REGION:?}\nendpoint_url = {:?}\n",
            self.socket(),
            self.state.clone().unwrap_or_else(file),
            self.daemon_keys,
            self.endpoint,
        );
        if let Some(url) = &self.secrets_endpoint {
            let _ = writeln!(text, "secrets_manager_endpoint_url = {url:?}");
        }
        text.push_str(&self.place_keys);
        // Everything that takes minutes in production takes seconds here.
        let defaults = [
            ("schedule", "\"1000d\""),
            ("overlap", "\"none\""),
            ("fence", "\"1s\""),
            ("settle", "\"300ms\""),
            ("retry", "{ initial = \"100ms\", max = \"1s\", jitter = 0.2 }"),
            ("propagation_timeout", "\"20s\""),
            ("max_versions_per_day", "90"),
        ];
        let _ = writeln!(text, "[defaults]\ntls = {{ ca_file = {:?} }}", self.world.ca_file());
        let set = |keys: &str, key: &str| keys.lines().any(|line| line.starts_with(&format!("{key} =")));
        for (key, value) in defaults {
            if key != "schedule" && !set(&self.default_keys, key) {
                let _ = writeln!(text, "{key} = {value}");
            }
        }
        text.push_str(&self.default_keys);
        for policy in &self.policies {
            let _ = writeln!(text, "[policy.{}]\naws = \"main\"\n{}", policy.name, policy.keys);
            if !set(&policy.keys, "schedule") {
                let _ = writeln!(text, "schedule = \"1000d\"");
            }
        }
        text.push_str(&self.more);
        let path = self.world.path(&format!("{}.toml", self.name));
        std::fs::write(&path, text).expect("configuration written");
        path
    }

    /// A command of the real binary with this configuration.
    pub fn command(&self, args: &[&str]) -> Command {
        let config = self.write_config();
        let mut command = Command::new(env!("CARGO_BIN_EXE_rekeyd"));
        command
            .arg("--config")
            .arg(config)
            .args(args)
            .env_clear()
            .env("AWS_ACCESS_KEY_ID", self.name.to_uppercase())
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("RUST_LOG", "info,rekeyd=debug")
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if self.without_keys {
            command
                .env_remove("AWS_ACCESS_KEY_ID")
                .env_remove("AWS_SECRET_ACCESS_KEY");
        }
        command
    }

    /// Starts `rekeyd run` without waiting for it.
    pub fn start(self) -> Daemon {
        let log = self.world.path(&format!("{}.log", self.name));
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("log file");
        let begins_at = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
        let child = self
            .command(&["--log-format", "json", "run"])
            .stdout(Stdio::from(file.try_clone().expect("log file")))
            .stderr(Stdio::from(file))
            .spawn()
            .expect("rekeyd starts");
        Daemon {
            child,
            socket: self.socket(),
            state_file: self.state_file(),
            log,
            begins_at,
        }
    }

    /// Starts `rekeyd run` and waits until it is ready.
    pub async fn run(self) -> Daemon {
        let mut daemon = self.start();
        daemon.ready().await;
        daemon
    }
}

/// A running daemon. Dropping it kills it.
pub struct Daemon {
    child: Child,
    pub socket: PathBuf,
    pub state_file: PathBuf,
    pub log: PathBuf,
    begins_at: u64,
}

impl Daemon {
    pub async fn ready(&mut self) {
        eventually("the daemon is ready", || async {
            match http::unix(&self.socket, "GET", "/readyz", None).await {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(format!("{} {}", answer.status, answer.body)),
                Err(error) => Err(format!("{error}; log: {}", self.log_tail())),
            }
        })
        .await;
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("a running process")
    }

    /// What it has logged since it was started.
    pub fn log_text(&self) -> String {
        let whole = std::fs::read(&self.log).unwrap_or_default();
        let since = usize::try_from(self.begins_at).unwrap_or(0).min(whole.len());
        String::from_utf8_lossy(&whole[since..]).into_owned()
    }

    fn log_tail(&self) -> String {
        let text = self.log_text();
        text.lines()
            .rev()
            .take(40)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Where health and metrics are served.
    pub async fn listen_address(&self) -> String {
        eventually("the listen address is logged", || async {
            let text = self.log_text();
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let address = lines.rev().find_map(|line| find_text(&line, "listen"));
            address.ok_or(text)
        })
        .await
    }

    pub async fn get(&self, path: &str) -> http::Answer {
        http::unix(&self.socket, "GET", path, None).await.expect("an answer")
    }

    pub async fn post(&self, path: &str, body: &serde_json::Value) -> http::Answer {
        http::unix(&self.socket, "POST", path, Some(&body.to_string()))
            .await
            .expect("an answer")
    }

    pub async fn statuses(&self) -> Result<Vec<SecretStatus>, String> {
        let answer = http::unix(&self.socket, "GET", "/api/v1/secrets", None)
            .await
            .map_err(|error| error.to_string())?;
        let mut body = answer.json();
        serde_json::from_value(body["secrets"].take()).map_err(|error| format!("{error}: {}", answer.body))
    }

    /// Waits until a secret's status is as wanted.
    pub async fn wait(&self, secret: &str, what: &str, wanted: impl Fn(&SecretStatus) -> bool) -> SecretStatus {
        eventually(&format!("{secret} is {what}"), || async {
            let statuses = self.statuses().await?;
            let status = statuses
                .into_iter()
                .find(|status| status.secret == secret)
                .ok_or("not listed")?;
            if wanted(&status) {
                Ok(status)
            } else {
                Err(format!("{status:#?}\n{}", self.log_tail()))
            }
        })
        .await
    }

    /// Waits until a secret halts or needs attention with this reason.
    pub async fn wait_reason(&self, secret: &str, phase: Phase, reason: &str) -> SecretStatus {
        let wanted = |status: &SecretStatus| status.phase == phase && status.reason.as_deref() == Some(reason);
        self.wait(secret, &format!("{} for {reason}", phase.label()), wanted)
            .await
    }

    /// Waits until the current password was shown to log in on every node.
    pub async fn checked(&self, secret: &str) -> SecretStatus {
        self.wait(secret, "checked", proven).await
    }

    /// Gives a command, such as `resume`, that is to be accepted.
    pub async fn order(&self, command: &str, body: &serde_json::Value) {
        let answer = self.post(&format!("/api/v1/{command}"), body).await;
        assert_eq!(answer.status, 200, "{command}: {}", answer.body);
    }

    /// Waits until the secret was found.
    pub async fn found(&self, secret: &str) {
        self.wait(secret, "found", |status| status.arn.is_some()).await;
    }

    /// Asks for a rotation now, as soon as the secret was found.
    pub async fn rotate(&self, secret: &str) {
        self.found(secret).await;
        self.order("rotate", &serde_json::json!({"secrets": [secret]})).await;
    }

    /// Sends a signal, such as `-TERM`.
    pub fn signal(&self, signal: &str) {
        send_signal(self.pid(), signal);
    }

    /// Stops the process where it is, or lets it go on.
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Kills it without a chance to do anything, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("killed");
    }

    /// Asks it to end, and gives its exit code.
    pub async fn end(mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.exit_code().await
    }

    /// Waits until it ends by itself.
    pub async fn exit_code(&mut self) -> Option<i32> {
        tokio::time::timeout(super::PATIENCE, self.child.wait())
            .await
            .expect("it ends")
            .expect("a status")
            .code()
    }
}

/// Sends a signal, such as `-TERM`, to a process.
pub fn send_signal(pid: u32, signal: &str) {
    let sent = std::process::Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
}

/// Deletes a store with everything that belongs to it.
pub fn delete_store(state_file: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = state_file.as_os_str().to_owned();
        name.push(suffix);
        let _ = std::fs::remove_file(PathBuf::from(name));
    }
}

fn find_text(value: &serde_json::Value, key: &str) -> Option<String> {
    value
        .get(key)
        .or_else(|| value.get("fields")?.get(key))
        .and_then(|found| found.as_str())
        .map(str::to_owned)
}
