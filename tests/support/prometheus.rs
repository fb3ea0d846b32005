//! Debian's `prometheus`, which scrapes on loopback, and its `promtool`.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};

use serde_json::Value;
use tokio::process::{Child, Command};

use super::{eventually, http, python};

/// A program of the package, from `.tools` or the path. Without it there is no test, and that is a failure.
pub fn program(name: &str) -> PathBuf {
    let tools = python::workspace().join(".tools/usr/bin").join(name);
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let candidates = std::iter::once(tools).chain(std::env::split_paths(&on_path).map(|folder| folder.join(name)));
    let found = candidates.into_iter().find(|path| {
        path.metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    });
    found.unwrap_or_else(|| panic!("{name} is missing: run `make tools`, which puts it into .tools/"))
}

/// What `promtool` says of files, and whether it is content.
pub async fn promtool(args: &[&str], files: &[&Path]) -> (bool, String) {
    let output = Command::new(program("promtool"))
        .args(args)
        .args(files)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("promtool starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// A port of loopback that nobody listens on, below those that the kernel hands out by itself: it stays free while the
/// process that has it is started again. No two calls give the same.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).expect("small");
    let candidates = std::iter::repeat_with(|| 20_000 + (first + GIVEN.fetch_add(1, Ordering::Relaxed)) % 10_000);
    let mut free = candidates
        .take(1_000)
        .filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("a free port")
}

/// A running Prometheus. Dropping it kills it.
pub struct Prometheus {
    address: String,
    log: PathBuf,
    /// Held for the sake of `kill_on_drop`.
    _child: Child,
}

impl Prometheus {
    /// Starts it in a folder, with the `prometheus.yml` that is there, and waits until it is ready.
    pub async fn start(folder: &Path) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let log = folder.join("prometheus.log");
        let file = std::fs::File::create(&log).expect("a log");
        let child = Command::new(program("prometheus"))
            .current_dir(folder)
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::from(file.try_clone().expect("a log")))
            .stderr(Stdio::from(file))
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus starts");
        let started = Self {
            address,
            log,
            _child: child,
        };
        eventually("Prometheus is ready", || async {
            match http::tcp(&started.address, "GET", "/-/ready", None).await {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(answer.body),
                Err(error) => Err(format!("{error}\n{}", started.log())),
            }
        })
        .await;
        started
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What its API has at a path.
    pub async fn api(&self, path: &str) -> Value {
        let answer = http::tcp(&self.address, "GET", &format!("/api/v1/{path}"), None).await;
        let mut json = answer.expect("an answer of Prometheus").json();
        assert_eq!(json["status"], "success", "{path}: {json}");
        json["data"].take()
    }

    /// The values of the series that a query gives now.
    pub async fn query(&self, expression: &str) -> Vec<f64> {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let data = self.api(&format!("query?query={encoded}")).await;
        let series = data["result"].as_array().expect("a vector").iter();
        let values = series.map(|series| series["value"][1].as_str().and_then(|text| text.parse().ok()));
        values.map(|value| value.expect("a number")).collect()
    }

    /// Waits until a query gives one series with this value.
    pub async fn wait_value(&self, expression: &str, wanted: f64) {
        self.wait(
            expression,
            &format!("is {wanted}"),
            |found| matches!(found, [one] if (one - wanted).abs() < 1e-6),
        )
        .await;
    }

    /// Waits until a query gives what is wanted.
    async fn wait(&self, expression: &str, what: &str, wanted: impl Fn(&[f64]) -> bool) {
        eventually(&format!("{expression} {what} in Prometheus"), || async {
            let found = self.query(expression).await;
            match wanted(&found) {
                true => Ok(()),
                false => Err(format!("{found:?}")),
            }
        })
        .await;
    }

    /// Waits until an alert fires, and gives it as the API has it.
    pub async fn fires(&self, alert: &str) -> Value {
        eventually(&format!("{alert} fires"), || async {
            let alerts = self.api("alerts").await;
            let firing = alerts["alerts"].as_array().into_iter().flatten();
            let mut firing = firing.filter(|found| found["labels"]["alertname"] == alert && found["state"] == "firing");
            firing.next().cloned().ok_or_else(|| alerts.to_string())
        })
        .await
    }

    /// Waits until no alert whose name fits a regular expression fires or is about to.
    pub async fn is_silent(&self, alerts: &str) {
        self.wait(
            &format!("ALERTS{{alertname=~{alerts:?}}}"),
            "is silent",
            <[f64]>::is_empty,
        )
        .await;
    }
}
