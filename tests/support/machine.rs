//! A small Debian with systemd, booted for a test (`scripts/install-tools.sh machine`), and the package that is installed
//! in it. Takes root, as systemd-nspawn does.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

use super::cli::{Ended, ended};
use super::{PATIENCE, eventually, python};

/// A running machine. Dropping it ends it.
pub struct Machine {
    /// The process id, out here, of its systemd.
    systemd: String,
    /// The machine's /mnt, in which only this side writes.
    shared: tempfile::TempDir,
    /// Holds the machine as long as its standard input is open.
    _holder: Child,
}

impl Machine {
    /// Boots one, and waits until systemd has done so.
    pub async fn boot() -> Self {
        let root = python::workspace().join(".tools/machine");
        assert!(root.exists(), "{} is missing; run `make tools`", root.display());
        let shared = tempfile::tempdir().expect("folder");
        let mut holder = Command::new("bash")
            .arg(python::workspace().join("tests/support/machine.sh"))
            .args([&root, shared.path()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash starts");
        let mut lines = BufReader::new(holder.stdout.take().expect("a pipe")).lines();
        let console = || std::fs::read_to_string(shared.path().join("console")).unwrap_or_default();
        let systemd = tokio::time::timeout(PATIENCE, lines.next_line()).await;
        let systemd = systemd.ok().and_then(|line| line.expect("text"));
        let systemd = systemd.unwrap_or_else(|| panic!("systemd-nspawn (as root) did not start: {}", console()));
        let machine = Self {
            systemd: systemd.trim().to_owned(),
            shared,
            _holder: holder,
        };
        eventually("the machine has booted", || async {
            let state = machine.run("systemctl is-system-running").await;
            match state.stdout.trim() {
                "running" => Ok(()),
                _ => Err(format!("{}{}{}", state.stdout, state.stderr, machine.console())),
            }
        })
        .await;
        machine
    }

    /// A machine on which the package of this build was installed.
    pub async fn with_package() -> Self {
        let machine = Self::boot().await;
        machine.give(&package().await.deb, "rekeyd.deb");
        machine.does("dpkg --install /mnt/rekeyd.deb").await;
        machine
    }

    fn console(&self) -> String {
        std::fs::read_to_string(self.shared.path().join("console")).unwrap_or_default()
    }

    /// Puts a copy of a file into the machine's /mnt.
    pub fn give(&self, file: &Path, name: &str) {
        std::fs::copy(file, self.shared.path().join(name)).expect("copied");
    }

    /// Puts a text into the machine's /mnt.
    pub fn give_text(&self, text: &str, name: &str) {
        std::fs::write(self.shared.path().join(name), text).expect("written");
    }

    /// Runs a script of the shell in the machine, as root.
    pub async fn run(&self, script: &str) -> Ended {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.systemd, "--all", "--", "sh", "-euc", script]);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.stdin(Stdio::null());
        ended(command).await
    }

    /// The same for a script that is to succeed. Gives what it printed.
    pub async fn does(&self, script: &str) -> String {
        let done = self.run(script).await;
        assert_eq!(done.code, Some(0), "{script}\n{}{}", done.stdout, done.stderr);
        done.stdout.trim().to_owned()
    }

    /// A property of the service, as `systemctl show` names it.
    pub async fn service(&self, property: &str) -> String {
        self.does(&format!("systemctl show rekeyd --value --property={property}"))
            .await
    }

    /// What the service has logged.
    pub async fn journal(&self) -> String {
        self.does("journalctl --no-pager --output=cat --unit=rekeyd").await
    }

    /// Waits until the service's property is as wanted.
    pub async fn until(&self, property: &str, wanted: impl Fn(&str) -> bool) -> String {
        eventually(&format!("{property} of the service"), || async {
            let value = self.service(property).await;
            match wanted(&value) {
                true => Ok(value),
                false => Err(format!("{value}\n{}", self.journal().await)),
            }
        })
        .await
    }
}

/// The package, built once for all tests of a run.
pub struct Package {
    pub deb: PathBuf,
    /// The same with a higher version and another configuration file.
    pub newer: PathBuf,
    _folder: tempfile::TempDir,
}

pub async fn package() -> &'static Package {
    static PACKAGE: OnceCell<Package> = OnceCell::const_new();
    PACKAGE.get_or_init(build).await
}

async fn build() -> Package {
    let folder = tempfile::tempdir().expect("folder");
    let (deb, newer) = (folder.path().join("rekeyd.deb"), folder.path().join("newer.deb"));
    let program = Path::new(env!("CARGO_BIN_EXE_rekeyd"));
    let mut package = Command::new(python::workspace().join("scripts/package.sh"));
    package.args(["dev", "--fast", "--output"]).arg(&deb);
    let target = program.ancestors().nth(2).expect("cargo's target folder");
    package.env("CARGO_TARGET_DIR", target);
    let built = ended(package).await;
    assert_eq!(built.code, Some(0), "{}{}", built.stdout, built.stderr);
    let mut repack = Command::new("bash");
    repack.current_dir(folder.path()).args(["-euc", NEWER]);
    let repacked = ended(repack).await;
    assert_eq!(repacked.code, Some(0), "{}{}", repacked.stdout, repacked.stderr);
    Package {
        deb,
        newer,
        _folder: folder,
    }
}

const NEWER: &str = "
dpkg-deb --raw-extract rekeyd.deb newer
sed -i 's/^Version: .*/Version: 99.0.0-1/' newer/DEBIAN/control
echo '# of the newer version' >>newer/etc/rekeyd/rekeyd.toml
dpkg-deb --root-owner-group -Zgzip -z1 --build newer newer.deb
rm -r newer
";
