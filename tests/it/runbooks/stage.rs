//! A user in use, its secret, a daemon as a service of a machine, and a page to follow there.

use std::fmt::Write as _;
use std::path::PathBuf;

use rekeyd::rotation::status::{Phase, SecretStatus};

use crate::support::pages::{self, Shell};
use crate::support::world::{document_with, secret_name};
use crate::support::{Fault, OLD, World, eventually, http, python};

pub(super) const USER: &str = "user1";

/// The headings of every page, in their order. What one reads first and last has nothing to run.
pub(super) const HEADINGS: [&str; 5] = [
    "What you see",
    "What is in danger",
    "What to do",
    "How to see that it is over",
    "So that it does not come back",
];

/// Metrics that complain, each by its beginning.
const COMPLAINTS: [&str; 4] = [
    "rekeyd_policy_halted{",
    "rekeyd_policy_needs_attention{",
    "rekeyd_policy_drifted{",
    "rekeyd_policy_held{",
];

/// Everything that the machine's shell starts has the clock that the file says.
const FAKED_CLOCK: &str = "export LD_PRELOAD=$(echo /usr/lib/*/faketime/libfaketime.so.1) \
                           FAKETIME_TIMESTAMP_FILE=$STAGE/clock FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1\n";

/// Where a page is followed.
pub(super) struct Stage {
    pub(super) world: World,
    pub(super) secret: String,
    page: String,
    shell: Shell,
}

impl Stage {
    /// For a page, with further keys of the policy. The daemon has proved the current password.
    pub(super) async fn of(page: &str, keys: &[(&str, &str)]) -> Self {
        let mut stage = Self::with_clock(page, keys, None).await;
        stage.serve().await;
        stage
    }

    /// One whose machine has a clock that is so many seconds off, if any, and whose daemon is not started yet.
    pub(super) async fn with_clock(page: &str, keys: &[(&str, &str)], offset: Option<&str>) -> Self {
        let world = World::of(&[USER]).await;
        let secret = secret_name(USER);
        world.create_secret(&secret, &document_with(USER, OLD)).await;
        let dir = world.dir.path().to_owned();
        for folder in [
            "etc/rekeyd/rekeyd.d",
            "var/lib/rekeyd",
            "var/log/rekeyd",
            "run/rekeyd",
            "aws",
        ] {
            std::fs::create_dir_all(dir.join(folder)).expect("a folder");
        }
        std::fs::copy(world.ca_file(), dir.join("etc/rekeyd/ca.pem")).expect("the root");
        let text = pages::page(page) + &configuration(keys, &world.sandbox.url());
        let text = pages::with_free_addresses(&text, ["127.0.0.1:9848", "127.0.0.1:9849"]);
        let text = ["/etc/rekeyd/", "/var/lib/rekeyd/", "/var/log/rekeyd/", "/run/rekeyd/"]
            .iter()
            .fold(text, |text, path| {
                text.replace(path, &format!("{}{path}", dir.display()))
            })
            .replace("https://sts.us-east-1.amazonaws.com", &world.sandbox.url())
            .replace(
                "https://www.amazontrust.com/repository/AmazonRootCA1.pem",
                &format!("{}/_sandbox/ca.pem", world.sandbox.url()),
            );
        let (page, configuration) = text.split_once(CONFIGURATION).expect("both");
        std::fs::write(dir.join("etc/rekeyd/rekeyd.toml"), configuration).expect("a configuration");
        let search_path = format!("{}:{}", pages::programs().display(), python::search_path());
        let mut shell = Shell::start(&dir, &search_path);
        let mut machine = format!("STAGE={} SANDBOX={}\n", dir.display(), world.sandbox.url());
        if let Some(offset) = offset {
            std::fs::write(dir.join("clock"), offset).expect("a clock");
            machine += FAKED_CLOCK;
        }
        machine += include_str!("machine.sh");
        assert_eq!(shell.run(&machine).await, (Some(0), String::new()));
        Self {
            page: page.to_owned(),
            world,
            secret,
            shell,
        }
    }

    /// Starts the daemon, and waits until it has proved the password.
    pub(super) async fn serve(&mut self) {
        self.shell("systemctl start rekeyd").await;
        self.until("checked", |status| status.proof.is_some()).await;
    }

    /// Runs a command that no page has. Gives what it printed.
    pub(super) async fn shell(&mut self, command: &str) -> String {
        let (code, printed) = self.shell.run(command).await;
        assert_eq!(code, Some(0), "$ {command}\n{printed}\n{}", self.journal());
        printed
    }

    /// What a command of `aws` does, of a service that the sandbox lacks.
    pub(super) fn aws_does(&self, command: &str, script: &str) {
        let script = format!(
            "set -eo pipefail\nsandbox={0}\nsettings='curl -fsS -o /dev/null -X PUT --data @- {0}/_sandbox/settings'\n{script}\n",
            self.world.sandbox.url()
        );
        std::fs::write(self.path(&format!("aws/{command}")), script).expect("a script");
    }

    /// What stands between two texts of the page.
    pub(super) fn between(&self, before: &str, after: &str) -> &str {
        let (_, rest) = self.page.split_once(before).expect("the first text");
        rest.split_once(after).expect("the second text").0
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.world.path(file)
    }

    /// This fault strikes for ever, and somebody asks for a rotation.
    pub(super) async fn rotate_into(&mut self, mut fault: Fault) {
        fault.times = 0;
        self.world.faults(vec![fault]);
        self.rotate().await;
    }

    pub(super) async fn rotate(&mut self) {
        let rotate = format!("rekeyd rotate {}", self.secret);
        self.shell(&rotate).await;
    }

    /// Follows what stands under a heading of the page.
    pub(super) async fn follow(&mut self, heading: &str) {
        let section = pages::section(&self.page, heading).unwrap_or_else(|| panic!("no section {heading:?}"));
        let journal = self.path("journal");
        let log = async || {
            let text = std::fs::read_to_string(&journal).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(20)..].join("\n")
        };
        let steps = pages::commands(section);
        assert!(!steps.is_empty(), "{heading:?} has no commands");
        for step in &steps {
            self.shell.follow(step, &log).await;
        }
    }

    /// Waits until one sees what the page says, and follows it from there to its end. Then all has to be well.
    pub(super) async fn follow_all(&mut self, reason: &str) {
        self.stands_for(reason).await;
        self.follow("What you see").await;
        self.follow("What to do").await;
        self.follow("How to see that it is over").await;
        self.assert_well().await;
    }

    /// Waits until the secret halts or needs attention for this reason.
    pub(super) async fn stands_for(&self, reason: &str) {
        let phases = [Phase::Halted, Phase::NeedsAttention];
        let wanted = |status: &SecretStatus| phases.contains(&status.phase) && status.reason.as_deref() == Some(reason);
        self.until(reason, wanted).await;
    }

    pub(super) async fn status(&self) -> Result<SecretStatus, String> {
        let mut reply = self.get("/api/v1/secrets").await?;
        let secrets: Vec<SecretStatus> =
            serde_json::from_value(reply["secrets"].take()).map_err(|error| error.to_string())?;
        secrets.into_iter().next().ok_or_else(|| "not listed".to_owned())
    }

    /// Adds to the configuration.
    pub(super) fn drop_in(&self, file: &str, text: &str) {
        let root = self.world.dir.path().display();
        let text = text.replace("/var/log/rekeyd/", &format!("{root}/var/log/rekeyd/"));
        std::fs::write(self.path(&format!("etc/rekeyd/rekeyd.d/{file}")), text).expect("a drop-in");
    }

    async fn get(&self, path: &str) -> Result<serde_json::Value, String> {
        let answer = http::unix(&self.path("run/rekeyd/admin.sock"), "GET", path, None).await;
        Ok(answer.map_err(|error| error.to_string())?.json())
    }

    pub(super) async fn until(&self, what: &str, wanted: impl Fn(&SecretStatus) -> bool) {
        eventually(&format!("the secret is {what}"), || async {
            let status = self.status().await?;
            match wanted(&status) {
                true => Ok(()),
                false => Err(format!("{status:#?}\n{}", self.journal())),
            }
        })
        .await;
    }

    fn journal(&self) -> String {
        std::fs::read_to_string(self.path("journal")).unwrap_or_default()
    }

    /// Asserts that no metric complains, that the secret is idle and proven, and that its password logs in on every node.
    pub(super) async fn assert_well(&self) {
        self.until("idle and proven, for no reason", |status| {
            status.phase == Phase::Idle
                && crate::support::status::proven(status)
                && status.reason.is_none()
                && status.drift.is_none()
        })
        .await;
        let metrics = http::unix(&self.path("run/rekeyd/admin.sock"), "GET", "/metrics", None).await;
        let metrics = metrics.expect("metrics").body;
        let complaints = metrics
            .lines()
            .filter(|line| COMPLAINTS.iter().any(|complaint| line.starts_with(complaint)) && !line.ends_with(" 0"));
        assert_eq!(complaints.collect::<Vec<_>>(), Vec::<&str>::new());
        self.world.assert_current_logs_in(&self.secret, USER).await;
    }
}

/// Where the configuration begins in what is written for a stage.
const CONFIGURATION: &str = "\n# The configuration of the page's machine.\n";

/// A configuration in which everything that takes minutes elsewhere takes seconds.
fn configuration(keys: &[(&str, &str)], endpoint: &str) -> String {
    let mut text = format!(
        r#"{CONFIGURATION}
[daemon]
listen = "127.0.0.1:9848"
admin_socket = "/run/rekeyd/admin.sock"
state = "sqlite:/var/lib/rekeyd/state.db"
discovery_interval = "2s"
drift_check_interval = "2s"

[aws.main]
region = "us-east-1"
endpoint_url = "{endpoint}"

[defaults]
tls = {{ ca_file = "/etc/rekeyd/ca.pem" }}
overlap = "none"
fence = "1s"
settle = "300ms"
retry = {{ initial = "100ms", max = "1s", jitter = 0.2 }}
propagation_timeout = "2s"
max_versions_per_day = 90

[policy.orders]
aws = "main"
schedule = "1000d"
allow_users = ["{USER}"]
"#
    );
    if !keys.iter().any(|(key, _)| *key == "select") {
        let _ = writeln!(text, "secrets = [{:?}]", secret_name(USER));
    }
    for (key, value) in keys {
        let _ = writeln!(text, "{key} = {value}");
    }
    text
}
