//! The same for programs. Fields are only ever added.

use chrono::SecondsFormat;
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::notify::notify_json;
use super::timing::not_before;
use super::{DATES, most_in_trouble};
use crate::clock::Timestamp;
use crate::config::{ConfigErrors, Daemon, Loaded, LogLevel, StateLocation, duration};
use crate::policy::{FirstPassword, OnDrift, Overlap, Place, Policy, Verify};
use crate::schedule;

/// What the configuration means, for programs.
pub fn explain_json(loaded: &Loaded, now: Timestamp) -> Value {
    let config = &loaded.config;
    let places: serde_json::Map<String, Value> = config
        .places
        .iter()
        .map(|(name, place)| (name.clone(), place_json(place)))
        .collect();
    let policies: serde_json::Map<String, Value> = config
        .policies
        .iter()
        .map(|(name, policy)| (name.clone(), policy_json(policy, now)))
        .collect();
    let notify: serde_json::Map<String, Value> = config
        .notify
        .iter()
        .map(|(name, target)| (name.clone(), notify_json(target)))
        .collect();
    json!({
        "valid": true,
        "sources": sources(loaded),
        "warnings": loaded.warnings,
        "problems": [],
        "daemon": daemon_json(&config.daemon),
        "metrics": { "per_secret": config.metrics.per_secret },
        "aws": places,
        "policy": policies,
        "notify": notify,
    })
}

/// What is wrong, for programs.
pub(super) fn problems_json(errors: &ConfigErrors) -> Value {
    json!({ "valid": false, "problems": errors.problems() })
}

pub(super) fn sources(loaded: &Loaded) -> Vec<String> {
    loaded.sources.iter().map(|path| path.display().to_string()).collect()
}

fn daemon_json(daemon: &Daemon) -> Value {
    json!({
        "listen": daemon.listen.to_string(),
        "expose_status": daemon.expose_status,
        "admin_socket": daemon.admin_socket.display().to_string(),
        "admin_group": daemon.admin_group,
        "audit_log": daemon.audit_log,
        "log_level": daemon.log_level.as_ref().map_or("info", LogLevel::as_str),
        "state": daemon.state.to_string(),
        "state_aws": daemon.state_aws,
        "lease": matches!(daemon.state, StateLocation::DynamoDb { .. }).then(|| duration::format(daemon.lease)),
        "max_in_flight": daemon.max_in_flight,
        "drain_timeout": duration::format(daemon.drain_timeout),
        "discovery_interval": duration::format(daemon.discovery_interval),
        "drift_check_interval": daemon.drift_check_interval.map_or_else(|| "none".to_owned(), duration::format),
        "paused": daemon.paused,
    })
}

fn place_json(place: &Place) -> Value {
    json!({
        "region": place.region,
        "profile": place.profile,
        "role_arn": place.role.as_ref().map(|role| role.arn.as_str()),
        "external_id": place.role.as_ref().and_then(|role| role.external_id.as_deref()),
        "secrets_manager_endpoint_url": place.secrets_manager_endpoint,
        "elasticache_endpoint_url": place.elasticache_endpoint,
        "eventbridge_endpoint_url": place.event_bridge_endpoint,
        "dynamodb_endpoint_url": place.dynamodb_endpoint,
        "sts_endpoint_url": place.sts_endpoint,
        "role_session_name": place.role.as_ref().map(|role| role.session_name.as_str()),
        "role_session_duration": place.role.as_ref().and_then(|role| role.session_duration).map(duration::format),
        "use_fips": place.use_fips,
        "use_dualstack": place.use_dualstack,
        "budget": {
            "modify_user": place.budgets.modify_user,
            "elasticache_reads": place.budgets.elasticache_reads,
            "secrets_manager_writes": place.budgets.secrets_manager_writes,
            "secrets_manager_reads": place.budgets.secrets_manager_reads,
        },
    })
}

fn policy_json(policy: &Policy, now: Timestamp) -> Value {
    let users: Vec<&str> = policy.allow_users.iter().map(|pattern| pattern.0.as_str()).collect();
    let endpoints: Vec<String> = policy.endpoints.iter().map(ToString::to_string).collect();
    let zone = schedule::zone_of(&policy.schedule).unwrap_or(Tz::UTC);
    let dates = schedule::upcoming(&policy.schedule, now, DATES);
    let dates_in = |zone: Tz| -> Vec<String> {
        let written = |date: &Timestamp| date.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, true);
        dates.iter().map(written).collect()
    };
    let mut json = json!({
        "aws": policy.place,
        "schedule": schedule::describe(&policy.schedule),
        "timezone": schedule::zone_of(&policy.schedule).map(|zone| zone.name()),
        "secrets": policy.selection.secrets,
        "select": { "name_prefix": policy.selection.name_prefix, "tags": policy.selection.tags },
        "allow_users": users,
        "password": { "length": policy.password.length },
        "overlap": match policy.overlap {
            Overlap::For(span) if span.is_zero() => "none".to_owned(),
            Overlap::For(span) => duration::format(span),
            Overlap::UntilNextRotation => "until-next-rotation".to_owned(),
        },
        "verify": match policy.verify { Verify::Login => "login", Verify::ApiOnly => "api-only" },
        "first_password": match policy.first_password {
            FirstPassword::InactiveOnly => "inactive-only",
            FirstPassword::Any => "any",
        },
        "allow_default_user": policy.allow_default_user,
        "on_drift": match policy.on_drift { OnDrift::Halt => "halt", OnDrift::Repair => "repair" },
        "propagation_timeout": duration::format(policy.propagation_timeout),
        "pending_max_age": duration::format(policy.pending_max_age),
        "max_attempts": policy.max_attempts,
        "retry": {
            "initial": duration::format(policy.retry.initial),
            "max": duration::format(policy.retry.max),
            "jitter": policy.retry.jitter,
        },
        "fence": duration::format(policy.fence),
        "settle": duration::format(policy.settle),
        "write_deadline": duration::format(policy.write_deadline),
        "endpoints": endpoints,
        "tls": { "ca_file": policy.tls.ca_file.as_ref().map(|file| file.display().to_string()) },
        "canary": policy.canary,
        "max_attention": most_in_trouble(policy.max_attention),
        "paused": policy.paused,
        "if_rotated_now": dates_in(Tz::UTC),
        "if_rotated_now_local": dates_in(zone),
    });
    for (key, value) in timing_json(policy, &dates) {
        json[key] = value;
    }
    json
}

/// When due rotations may begin; a date of which nothing begins in its window has `null`.
fn timing_json(policy: &Policy, dates: &[Timestamp]) -> [(&'static str, Value); 6] {
    let blackout: Vec<String> = policy.blackout.spans.iter().map(ToString::to_string).collect();
    let not_before: Vec<Option<String>> = dates
        .iter()
        .map(|date| Some(not_before(policy, *date)?.to_rfc3339_opts(SecondsFormat::Secs, true)))
        .collect();
    let together = policy.together.as_ref();
    [
        (
            "window",
            json!(policy.window.map(|window| duration::format(window.length))),
        ),
        (
            "blackout",
            json!({ "timezone": policy.blackout.timezone.name(), "spans": blackout }),
        ),
        ("together", json!(together.map(|together| together.name.as_str()))),
        (
            "never_within",
            json!(together.map(|together| duration::format(together.never_within))),
        ),
        ("max_versions_per_day", json!(policy.max_versions_per_day)),
        ("if_rotated_now_not_before", json!(not_before)),
    ]
}
