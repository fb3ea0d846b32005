//! From what is written to what is meant. Nothing here stops at the first problem: a value of no
//! use is reported and its default stands in for it until the end.

mod daemon;
mod fleet;
mod notify;
mod place;
mod policy;
mod settings;
mod timing;
mod values;
mod when;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::ErrorKind;
use std::path::Path;

use super::raw::RawConfig;
use super::source::{Findings, KeyPath};
use super::{Config, Metrics};
use crate::certificates;
use crate::clock::{Clock, SystemClock};

pub use notify::webhook_url;

/// A value with the key that gave it.
type Given<T> = Option<(T, KeyPath)>;

/// Checks a merged document. The result is only of use when `findings` holds no problem.
pub(super) fn check(raw: &RawConfig, findings: &mut Findings) -> Config {
    let mut daemon = daemon::check(&raw.daemon.0, findings);
    let places = place::check_all(&raw.aws, findings);
    daemon::check_table(&mut daemon, &raw.daemon.0, &places, findings);
    settings::check_defaults(&raw.defaults.0, findings);
    let policies = policy::check_all(raw, &places, findings);
    let notify = notify::check_all(raw, &places, findings);
    let config = Config {
        daemon,
        metrics: Metrics {
            per_secret: raw.metrics.0.per_secret.unwrap_or(true),
        },
        places,
        policies,
        notify,
    };
    // A layer that could not be read might have changed any of it.
    if !findings.is_incomplete() {
        fleet::check(&config, raw, findings);
    }
    config
}

/// Tells what is wrong with a file of roots, and what to do about it.
pub(super) type LookAtRoots = fn(&Path) -> Option<String>;

/// Reads a file of roots, and judges it as of now.
pub(super) fn look_at_roots(file: &Path) -> Option<String> {
    let name = file.display();
    // A pipe or a device might be read for ever.
    match std::fs::metadata(file).and_then(|metadata| metadata.is_file().then(|| std::fs::read(file)).transpose()) {
        Ok(None) => Some(format!("{name} is no file: every login would fail; correct the path")),
        Ok(Some(pem)) => {
            let doubt = certificates::doubt(&pem, SystemClock::new().now())?;
            Some(format!("{name} {doubt}: {}", doubt.advice()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Some(format!(
            "{name} is not there: every login would fail; put it there or correct the path"
        )),
        Err(error) => Some(format!(
            "{name} cannot be read ({}): every login would fail if the daemon cannot, either; let it read the file",
            error.kind()
        )),
    }
}

/// Looks at the files that the configuration names. What is wrong with one may still be mended, and `rekeyd check` may run
/// elsewhere, so that this is no error.
pub(super) fn check_files(config: &Config, roots: LookAtRoots, findings: &mut Findings) {
    let mut problems: BTreeMap<&Path, Option<String>> = BTreeMap::new();
    for policy in config.policies.values() {
        let Some(file) = policy.tls.ca_file.as_deref() else {
            continue;
        };
        let Some(problem) = problems.entry(file).or_insert_with(|| roots(file)) else {
            continue;
        };
        let own = KeyPath::of(&["policy", &policy.name, "tls", "ca_file"]);
        let spot = if findings.is_set(&own) {
            own
        } else {
            KeyPath::of(&["defaults", "tls", "ca_file"])
        };
        findings.warn(&spot, problem.as_str());
    }
}

/// Reads a given value; reports one that is wrong, and takes `default` for it or for none.
fn read<T, U, E: Display>(
    given: Given<T>,
    default: U,
    parse: impl FnOnce(T) -> Result<U, E>,
    findings: &mut Findings,
) -> U {
    read_optional(given, parse, findings).unwrap_or(default)
}

/// Reads a given value, or nothing; reports one that is wrong.
fn read_optional<T, U, E: Display>(
    given: Given<T>,
    parse: impl FnOnce(T) -> Result<U, E>,
    findings: &mut Findings,
) -> Option<U> {
    let (value, path) = given?;
    match parse(value) {
        Ok(value) => Some(value),
        Err(error) => {
            findings.error(&path, error.to_string());
            None
        }
    }
}

/// Reports a required key that is absent, unless it is only absent because its value was refused.
fn missing(path: &KeyPath, key: &str, what: &str, findings: &mut Findings) {
    if !findings.was_dropped(&path.join(key)) {
        findings.error(path, format!("`{path}` has no `{key}`: {what}"));
    }
}

/// Whether a name can be a table's: what `REKEYD__…` variables can spell, too.
fn check_name(kind: &str, name: &str, path: &KeyPath, findings: &mut Findings) {
    let first = name.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !first || !name.chars().all(rest) {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let better = name.to_ascii_lowercase().replace(|c: char| !allowed(c), "_");
        let better = match better.starts_with(|c: char| c.is_ascii_lowercase()) {
            true => format!("; `{better}` can"),
            false => String::new(),
        };
        let message =
            format!("`{name}` cannot name a {kind}: a lower-case letter, then those, digits and underscores{better}");
        findings.error(path, message);
    }
}
