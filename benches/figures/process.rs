//! Processes that are measured: what ships, and what the kernel says of them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::Outcome;
use crate::table::progress;

/// The variable that names a `rekeyd` to measure instead of the one that is built.
const OTHER_BINARY: &str = "REKEYD_BINARY";

/// Builds both binaries as they ship: the ones that cargo built for this bench have the switches
/// of the tests.
pub(crate) fn build_what_ships() {
    if std::env::var_os(OTHER_BINARY).is_some() {
        progress("nothing is built: another rekeyd is measured, with the sandbox that is there");
        return;
    }
    progress("building release binaries");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--bins"])
        .args(["--package", "rekeyd", "--package", "rekeyd-sandbox"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(status.is_ok_and(|status| status.success()), "cargo build failed");
}

/// Where a binary that ships lies; this program is `TARGET/PROFILE/deps/figures-…`. A profiler
/// wants one with symbols: [`OTHER_BINARY`] names it.
pub(crate) fn binary(name: &str) -> PathBuf {
    if let Some(other) = std::env::var_os(OTHER_BINARY).filter(|_| name == "rekeyd") {
        return other.into();
    }
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(3).unwrap().join("release").join(name)
}

/// A process, as `/proc` shows it.
#[derive(Clone, Copy)]
pub(crate) struct Watched(pub(crate) u32);

impl Watched {
    /// Processor time of all its threads, those that have ended too, user and system, since it
    /// started. Not from `/proc/PID/stat`, whose hundredths of a second are all that a daemon at rest takes in ten.
    pub(crate) fn cpu(self) -> Outcome<Duration> {
        let unreadable = |error: nix::Error| format!("the processor time of process {}: {error}", self.0);
        let pid = i32::try_from(self.0).map_err(|error| error.to_string())?;
        let clock = clock_getcpuclockid(Pid::from_raw(pid)).map_err(unreadable)?;
        Ok(clock_gettime(clock).map_err(unreadable)?.into())
    }

    /// Resident memory now, in bytes.
    pub(crate) fn resident(self) -> Outcome<f64> {
        self.status("VmRSS:")
    }

    /// The most resident memory there ever was, in bytes.
    pub(crate) fn peak(self) -> Outcome<f64> {
        self.status("VmHWM:")
    }

    fn status(self, field: &str) -> Outcome<f64> {
        let status = self.read("status")?;
        let value = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes = value.and_then(|value| value.trim().trim_end_matches(" kB").parse::<f64>().ok());
        Ok(kibibytes.ok_or_else(|| format!("no {field} in /proc/{}/status", self.0))? * 1024.0)
    }

    fn read(self, file: &str) -> Outcome<String> {
        let path = format!("/proc/{}/{file}", self.0);
        std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}; did the process end?"))
    }
}

/// Mebibytes, for people.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn mebibytes(bytes: f64) -> (f64, &'static str) {
    (bytes / f64::from(1 << 20), "MiB")
}
