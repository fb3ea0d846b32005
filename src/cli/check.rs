//! `rekeyd check`: what a configuration means, in plain words or as JSON.

mod effective;
mod json;
mod notify;
#[cfg(test)]
mod tests;
mod timing;

use std::fmt::Write as _;
use std::path::Path;

use chrono_tz::Tz;

use crate::cli::exit::Exit;
use crate::cli::run::variables;
use crate::cli::show::pretty;
use crate::cli::{CliError, Reply, Session};
use crate::clock::Timestamp;
use crate::config::{self, Config, Daemon, Loaded, LogLevel, StateLocation, duration};
use crate::policy::{FirstPassword, MaxAttention, OnDrift, Overlap, Place, Policy, Schedule, Verify};
use crate::rotation::drift::REPAIRS_A_DAY;
use crate::schedule;
use timing::{blackout_in_words, explain_timing};

pub use json::explain_json;

/// How many dates are shown of each policy.
const DATES: usize = 5;

/// Carries it out. As JSON, what is wrong is told on standard output as well as what is right.
pub(super) fn check(file: &Path, effective: bool, json: bool, session: &Session) -> Result<Reply, CliError> {
    let (loaded, settings) = match config::explain(file, variables()) {
        Ok(found) => found,
        Err(errors) if json => return Ok(Reply::new(Exit::Configuration, pretty(&json::problems_json(&errors))?)),
        Err(errors) => return Err(CliError::Configuration(errors.to_string())),
    };
    let now = session.clock.now();
    let mut loaded = loaded;
    // The daemon would not start; whoever runs this may stand elsewhere, or not be let at the files.
    let unread = notify::doubts(&loaded.config, now);
    loaded.warnings.extend(unread);
    let text = match (effective, json) {
        (false, false) => explain(&loaded, now),
        (false, true) => pretty(&explain_json(&loaded, now))?,
        (true, false) => effective::effective(&loaded, &settings),
        (true, true) => pretty(&effective::effective_json(&loaded, &settings))?,
    };
    Ok(Reply::new(Exit::Done, text))
}

/// What the configuration means, for people. Dates are those of a secret rotated at `now`.
pub fn explain(loaded: &Loaded, now: Timestamp) -> String {
    let config = &loaded.config;
    let mut text = String::new();
    let files: Vec<String> = loaded.sources.iter().map(|path| path.display().to_string()).collect();
    line(&mut text, 0, "configuration", &files.join(", "));
    explain_daemon(&mut text, &config.daemon);
    if !config.metrics.per_secret {
        line(&mut text, 2, "metrics", "of policies, none of single secrets");
    }
    for place in config.places.values() {
        explain_place(&mut text, place);
    }
    for policy in config.policies.values() {
        explain_policy(&mut text, policy, config, now);
    }
    for target in config.notify.values() {
        notify::explain(&mut text, target);
    }
    if !loaded.warnings.is_empty() {
        text.push_str("\nwarnings\n");
        for warning in &loaded.warnings {
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(text, "  {warning}");
        }
    }
    text
}

fn line(text: &mut String, indent: usize, what: &str, value: &str) {
    // A tag may hold anything; a terminal must not obey it.
    let value = value.replace(char::is_control, " ");
    let _ = writeln!(
        text,
        "{:indent$}{what:width$}  {value}",
        "",
        width = 20_usize.saturating_sub(indent)
    );
}

fn explain_daemon(text: &mut String, daemon: &Daemon) {
    text.push_str("\ndaemon\n");
    let status = if shows_status(daemon) {
        "health, metrics and status"
    } else {
        "health and metrics"
    };
    line(text, 2, "listens on", &format!("{} ({status})", daemon.listen));
    line(text, 2, "admin socket", &daemon.admin_socket.display().to_string());
    let group = daemon.admin_group.as_deref().unwrap_or("rekeyd's own group");
    line(
        text,
        2,
        "for",
        &format!("root, rekeyd's own user, and members of {group}"),
    );
    let log = daemon.audit_log.as_ref().map(|path| path.display().to_string());
    line(
        text,
        2,
        "audit log",
        log.as_deref().unwrap_or("in the log, as rekeyd::audit"),
    );
    let level = daemon.log_level.as_ref().map_or("info", LogLevel::as_str);
    line(
        text,
        2,
        "log level",
        &format!("{level}, unless --log-level or RUST_LOG says so"),
    );
    line(text, 2, "state", &state_in_words(daemon));
    line(
        text,
        2,
        "in flight",
        &format!("at most {} at once", daemon.max_in_flight),
    );
    line(
        text,
        2,
        "shutdown",
        &format!("waits {} for steps under way", duration::format(daemon.drain_timeout)),
    );
    line(
        text,
        2,
        "looks for secrets",
        &format!("every {}", duration::format(daemon.discovery_interval)),
    );
    let drift = daemon.drift_check_interval.map_or_else(
        || "never".to_owned(),
        |every| format!("every {}", duration::format(every)),
    );
    line(text, 2, "checks for drift", &drift);
    if daemon.paused {
        line(text, 2, "PAUSED", "nothing is changed anywhere");
    }
}

fn explain_place(text: &mut String, place: &Place) {
    let _ = writeln!(text, "\nplace {}", place.name);
    line(text, 2, "region", &place.region);
    let credentials = match (&place.profile, &place.role) {
        (None, None) => "the default chain".to_owned(),
        (Some(profile), None) => format!("profile {profile}"),
        (None, Some(role)) => format!("role {}", role.arn),
        (Some(profile), Some(role)) => format!("role {}, assumed with profile {profile}", role.arn),
    };
    line(text, 2, "credentials", &credentials);
    if let Some(role) = &place.role {
        let span = role.session_duration.map_or_else(|| "1h".to_owned(), duration::format);
        line(
            text,
            2,
            "sessions",
            &format!("named {}, {span} each", role.session_name),
        );
        if let Some(id) = &role.external_id {
            line(text, 2, "external id", id);
        }
    }
    let mut endpoints = Vec::new();
    for (setting, what) in [(place.use_fips, "FIPS"), (place.use_dualstack, "dual-stack")] {
        match setting {
            Some(true) => endpoints.push(what.to_owned()),
            Some(false) => endpoints.push(format!("never {what}")),
            None => {}
        }
    }
    if !endpoints.is_empty() {
        line(text, 2, "endpoints", &endpoints.join(", "));
    }
    let budgets = place.budgets;
    let words = format!(
        "{} ModifyUser, {} reads of ElastiCache, {} writes and {} reads of Secrets Manager a second",
        budgets.modify_user, budgets.elasticache_reads, budgets.secrets_manager_writes, budgets.secrets_manager_reads
    );
    line(text, 2, "calls", &format!("at most {words}"));
    for (service, url) in [
        ("Secrets Manager at", &place.secrets_manager_endpoint),
        ("ElastiCache at", &place.elasticache_endpoint),
        ("EventBridge at", &place.event_bridge_endpoint),
        ("DynamoDB at", &place.dynamodb_endpoint),
        ("STS at", &place.sts_endpoint),
    ] {
        if let Some(url) = url {
            line(text, 2, service, url);
        }
    }
}

fn explain_policy(text: &mut String, policy: &Policy, config: &Config, now: Timestamp) {
    let paused = if policy.paused || config.daemon.paused {
        " (PAUSED)"
    } else {
        ""
    };
    let _ = writeln!(text, "\npolicy {}{paused}", policy.name);
    line(text, 2, "works in", &policy.place);
    line(text, 2, "rotates", &schedule_in_words(&policy.schedule));
    explain_timing(text, policy);
    explain_selection(text, policy);
    let users: Vec<&str> = policy.allow_users.iter().map(|pattern| pattern.0.as_str()).collect();
    line(text, 2, "users", &format!("only {}", users.join(", ")));
    if policy.allow_default_user {
        line(text, 2, "", "and one named `default`");
    }
    explain_rotation(text, policy);
    let dates = schedule::upcoming(&policy.schedule, now, DATES);
    for (index, date) in dates.into_iter().enumerate() {
        let what = if index == 0 { "if rotated now" } else { "" };
        let words = date_in_words(date, schedule::zone_of(&policy.schedule));
        let held = blackout_in_words(policy, date).map_or_else(String::new, |held| format!(" ({held})"));
        line(text, 2, what, &format!("{words}{held}"));
    }
}

fn explain_rotation(text: &mut String, policy: &Policy) {
    line(text, 2, "old password", &overlap_in_words(policy.overlap));
    line(text, 2, "proof", &proof_in_words(policy));
    line(
        text,
        2,
        "first password",
        first_password_in_words(policy.first_password),
    );
    line(
        text,
        2,
        "new passwords",
        &format!("{} characters", policy.password.length),
    );
    let [patience, age] = [policy.propagation_timeout, policy.pending_max_age].map(duration::format);
    let [settle, deadline] = [policy.settle, policy.write_deadline].map(duration::format);
    line(
        text,
        2,
        "without proof",
        &format!("a change must look settled for {settle}; no write rests on a look older than {deadline}"),
    );
    let attempts = policy.max_attempts;
    let trouble = format!("attention after {patience}; a new password after {age}; a halt after {attempts} of them");
    line(text, 2, "trouble", &trouble);
    let [initial, max] = [policy.retry.initial, policy.retry.max].map(duration::format);
    line(text, 2, "retries", &format!("after {initial} at first, {max} at most"));
    let fence = duration::format(policy.fence);
    line(
        text,
        2,
        "fence",
        &format!("{fence} between a change and the next scheduled rotation"),
    );
    line(text, 2, "drift", &drift_in_words(policy));
    let canary = match policy.canary {
        0 => "no canary: all due secrets go at once".to_owned(),
        canary => format!("canary: {canary} of the due secrets first, the others after its proof"),
    };
    let most = most_in_trouble(policy.max_attention);
    line(
        text,
        2,
        "blast radius",
        &format!("{canary}; nothing new beyond {most} in trouble"),
    );
}

fn drift_in_words(policy: &Policy) -> String {
    match policy.on_drift {
        OnDrift::Halt => "halts the secret: nobody's passwords are changed".to_owned(),
        OnDrift::Repair => format!(
            "is repaired after {}, {REPAIRS_A_DAY} times a day: passwords that others gave the user are lost",
            duration::format(policy.fence)
        ),
    }
}

fn most_in_trouble(most: MaxAttention) -> String {
    match most {
        MaxAttention::Percent(percent) => format!("{percent}%"),
        MaxAttention::Secrets(number) => number.to_string(),
    }
}

fn explain_selection(text: &mut String, policy: &Policy) {
    let selection = &policy.selection;
    for (index, secret) in selection.secrets.iter().enumerate() {
        line(text, 2, if index == 0 { "secrets" } else { "" }, secret);
    }
    let prefix = selection.name_prefix.iter().map(|prefix| format!("named {prefix}…"));
    let tags = selection
        .tags
        .iter()
        .map(|(key, value)| format!("tagged {key}={value}"));
    let conditions: Vec<String> = prefix.chain(tags).collect();
    if !conditions.is_empty() {
        let what = if selection.secrets.is_empty() { "secrets" } else { "and" };
        line(text, 2, what, &format!("all that are {}", conditions.join(" and ")));
    }
}

fn schedule_in_words(when: &Schedule) -> String {
    match when {
        Schedule::Every(every) => format!("{} after the last rotation", duration::format(*every)),
        Schedule::RateHours(_) => format!("{}, on the hour", schedule::describe(when)),
        Schedule::RateDays(_) => format!("{}, at midnight UTC", schedule::describe(when)),
        Schedule::Cron(cron) => format!("{}, by the clock of {}", schedule::describe(when), cron.zone),
    }
}

/// In UTC, and before that as the clock of its zone shows it.
fn date_in_words(date: Timestamp, zone: Option<Tz>) -> String {
    let utc = date.format("%a %Y-%m-%d %H:%M:%S UTC");
    match zone.filter(|zone| *zone != Tz::UTC) {
        Some(zone) => format!(
            "{} = {utc}",
            date.with_timezone(&zone).format("%a %Y-%m-%d %H:%M:%S %Z")
        ),
        None => utc.to_string(),
    }
}

fn overlap_in_words(overlap: Overlap) -> String {
    match overlap {
        Overlap::For(span) if span.is_zero() => "is removed at once".to_owned(),
        Overlap::For(span) => format!("stays valid for {}", duration::format(span)),
        Overlap::UntilNextRotation => "stays valid until the next rotation is due".to_owned(),
    }
}

fn proof_in_words(policy: &Policy) -> String {
    let roots = policy
        .tls
        .ca_file
        .as_ref()
        .map(|file| format!(", with the roots of {}", file.display()));
    let roots = roots.unwrap_or_default();
    match policy.verify {
        Verify::ApiOnly => {
            format!(
                "none: believes ElastiCache's API after {} (unproven)",
                duration::format(policy.settle)
            )
        }
        Verify::Login if policy.endpoints.is_empty() => format!("a login on every node{roots}"),
        Verify::Login => {
            let endpoints: Vec<String> = policy.endpoints.iter().map(ToString::to_string).collect();
            format!("a login on {}{roots}", endpoints.join(", "))
        }
    }
}

fn first_password_in_words(first: FirstPassword) -> &'static str {
    match first {
        FirstPassword::InactiveOnly => "only for users that are off and have none",
        FirstPassword::Any => "for any user, even if that cuts off its clients",
    }
}

fn shows_status(daemon: &Daemon) -> bool {
    daemon.expose_status || daemon.listen.ip().is_loopback()
}

/// Where records are kept, and what reaches them there.
fn state_in_words(daemon: &Daemon) -> String {
    match (&daemon.state, &daemon.state_aws) {
        (state @ StateLocation::DynamoDb { .. }, Some(place)) => format!(
            "{state}, reached as place {place}; a replica that is not heard of keeps its secrets for {}",
            duration::format(daemon.lease)
        ),
        (state, _) => state.to_string(),
    }
}
