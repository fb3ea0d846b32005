//! Who is notified, in words and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::line;
use crate::clock::Timestamp;
use crate::config::{Channel, Config, NotifyTarget, UrlFrom, duration};
use crate::notify;

/// What keeps the daemon from notifying somebody: files that are missing or wrong.
pub(super) fn doubts(config: &Config, now: Timestamp) -> Vec<String> {
    let problems = notify::open(config, now).err();
    let problems = problems.iter().flat_map(|errors| errors.problems());
    problems
        .map(|problem| {
            format!(
                "{}: {} (the daemon does not start, or reload, without it)",
                problem.place, problem.message
            )
        })
        .collect()
}

/// Who is told what, and how.
pub(super) fn explain(text: &mut String, target: &NotifyTarget) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "\nnotify {}", target.name);
    match &target.channel {
        Channel::Webhook { url, keys, .. } => {
            line(text, 2, "posts to", &where_to(url));
            line(text, 2, "signed", &format!("with the key in {}", keys.path.display()));
        }
        Channel::Slack { url, .. } => {
            let url = format!("Slack, at the URL in {}", url.path.display());
            line(text, 2, "posts to", &url);
        }
        Channel::EventBridge { place, bus } => {
            line(text, 2, "puts events on", &format!("{bus}, in {place}"));
        }
    }
    if let Some(roots) = roots(target) {
        line(text, 2, "trusts", &format!("the roots of {roots}"));
    }
    line(text, 2, "of", &kinds(target).join(", "));
    let policies = target.policies.as_ref().map(|names| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        names.join(", ")
    });
    line(text, 2, "policies", policies.as_deref().unwrap_or("all"));
    line(text, 2, "an answer within", &duration::format(target.timeout));
}

pub(super) fn notify_json(target: &NotifyTarget) -> Value {
    let (kind, url, url_file, secret_file, place, bus) = match &target.channel {
        Channel::Webhook { url, keys, .. } => {
            let (url, file) = match url {
                UrlFrom::Written(url) => (Some(url), None),
                UrlFrom::Kept(file) => (None, Some(&file.path)),
            };
            ("webhook", url, file, Some(&keys.path), None, None)
        }
        Channel::Slack { url, .. } => ("slack", None, Some(&url.path), None, None, None),
        Channel::EventBridge { place, bus } => ("eventbridge", None, None, None, Some(place), Some(bus)),
    };
    json!({
        "type": kind,
        "url": url,
        "url_file": url_file,
        "secret_file": secret_file,
        "aws": place,
        "event_bus": bus,
        "events": kinds(target),
        "policies": target.policies,
        "timeout": duration::format(target.timeout),
        "ca_file": roots(target),
    })
}

fn where_to(url: &UrlFrom) -> String {
    match url {
        UrlFrom::Written(url) => url.clone(),
        UrlFrom::Kept(file) => format!("the URL in {}", file.path.display()),
    }
}

fn kinds(target: &NotifyTarget) -> Vec<&'static str> {
    target.kinds.iter().map(|kind| kind.label()).collect()
}

fn roots(target: &NotifyTarget) -> Option<String> {
    match &target.channel {
        Channel::Webhook { roots, .. } | Channel::Slack { roots, .. } => {
            roots.as_ref().map(|roots| roots.path.display().to_string())
        }
        Channel::EventBridge { .. } => None,
    }
}
