//! `[daemon]`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::values;
use crate::config::raw::RawDaemon;
use crate::config::source::{Findings, KeyPath};
use crate::config::{Daemon, StateLocation};
use crate::policy::Place;

/// More at once than any account's quotas let through; what is beyond is a typing error.
const MOST_IN_FLIGHT: i64 = 100_000;

/// A lease must outlive an attempt of a request to the table, and a replica that died is not to be missed for longer than
/// the most.
const LEASE: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(5 * 60)];

pub(super) fn check(raw: &RawDaemon, findings: &mut Findings) -> Daemon {
    let path = KeyPath::of(&["daemon"]);
    let text = |key: &str, value: &Option<String>| value.clone().map(|value| (value, path.join(key)));
    let second = Duration::from_secs(1);
    let daemon = Daemon {
        listen: super::read(text("listen", &raw.listen), default_listen(), values::listen, findings),
        expose_status: raw.expose_status.unwrap_or(false),
        admin_socket: super::read(
            text("admin_socket", &raw.admin_socket),
            PathBuf::from("/run/rekeyd/admin.sock"),
            values::socket_path,
            findings,
        ),
        admin_group: super::read(
            text("admin_group", &raw.admin_group),
            None,
            values::named_group,
            findings,
        ),
        audit_log: super::read(text("audit_log", &raw.audit_log), None, values::log_file, findings),
        log_level: super::read(text("log_level", &raw.log_level), None, values::log_level, findings),
        state: super::read(text("state", &raw.state), default_state(), values::state, findings),
        state_aws: raw.state_aws.clone(),
        lease: super::read(
            text("lease", &raw.lease),
            Duration::from_secs(15),
            values::between(LEASE),
            findings,
        ),
        max_in_flight: super::read(
            raw.max_in_flight.map(|number| (number, path.join("max_in_flight"))),
            1000,
            values::within(1, MOST_IN_FLIGHT),
            findings,
        ),
        drain_timeout: super::read(
            text("drain_timeout", &raw.drain_timeout),
            Duration::from_secs(25),
            values::at_least(Duration::ZERO),
            findings,
        ),
        discovery_interval: super::read(
            text("discovery_interval", &raw.discovery_interval),
            Duration::from_secs(15 * 60),
            values::at_least(second),
            findings,
        ),
        drift_check_interval: super::read(
            text("drift_check_interval", &raw.drift_check_interval),
            Some(Duration::from_secs(6 * 3600)),
            values::optional_duration,
            findings,
        ),
        paused: raw.paused.unwrap_or(false),
    };
    check_together(&daemon, &path, findings);
    daemon
}

/// What reaches the table that records are kept in: the place that is named, or the only one.
pub(super) fn check_table(
    daemon: &mut Daemon,
    raw: &RawDaemon,
    places: &BTreeMap<String, Place>,
    findings: &mut Findings,
) {
    let path = KeyPath::of(&["daemon"]);
    let names = || places.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    match (&daemon.state, &daemon.state_aws) {
        (StateLocation::Sqlite(_), _) => {
            for (key, given) in [("state_aws", raw.state_aws.is_some()), ("lease", raw.lease.is_some())] {
                if given && !findings.was_dropped(&path.join("state")) {
                    let message = format!("`{key}` means nothing unless `state` is \"dynamodb:TABLE\": remove it");
                    findings.warn(&path.join(key), message);
                }
            }
        }
        (StateLocation::DynamoDb { .. }, Some(name)) if !places.contains_key(name) => {
            let message = format!(
                "there is no place `{name}`: write the name of one of [aws.NAME]: {}",
                names()
            );
            findings.error(&path.join("state_aws"), message);
        }
        (StateLocation::DynamoDb { .. }, Some(_)) => {}
        (StateLocation::DynamoDb { .. }, None) if places.len() == 1 => daemon.state_aws = places.keys().next().cloned(),
        (StateLocation::DynamoDb { .. }, None) => {
            let what = format!("the place that reaches the table of `state`, one of {}", names());
            super::missing(&path, "state_aws", &what, findings);
        }
    }
}

fn check_together(daemon: &Daemon, path: &KeyPath, findings: &mut Findings) {
    let state = match &daemon.state {
        StateLocation::Sqlite(file) => Some(file),
        StateLocation::DynamoDb { .. } => None,
    };
    if state == Some(&daemon.admin_socket) {
        findings.error(&path.join("state"), "the store and the admin socket cannot be one file");
    }
    if let Some(log) = daemon.audit_log.as_ref()
        && (Some(log) == state || *log == daemon.admin_socket)
    {
        let message = "the audit log needs a file of its own";
        findings.error(&path.join("audit_log"), message);
    }
    if daemon.expose_status && !daemon.listen.ip().is_loopback() {
        let message = "status, with the names of secrets and users, is readable for all who reach `listen`";
        findings.warn(&path.join("expose_status"), message);
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 9848))
}

fn default_state() -> StateLocation {
    StateLocation::Sqlite(PathBuf::from("/var/lib/rekeyd/state.db"))
}
