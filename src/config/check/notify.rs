//! `[notify.NAME]`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::values;
use crate::config::raw::{RawConfig, RawNotify, Table};
use crate::config::source::{Findings, KeyPath};
use crate::config::wording;
use crate::config::{Channel, KeptIn, NotifyTarget, UrlFrom, duration};
use crate::policy::Place;
use crate::rotation::notice::NoticeKind;

/// How long an answer is waited for unless said otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long it may be waited for at most: nothing else is told to a target meanwhile.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn check_all(
    raw: &RawConfig,
    places: &BTreeMap<String, Place>,
    findings: &mut Findings,
) -> BTreeMap<String, NotifyTarget> {
    let mut targets = BTreeMap::new();
    for (name, Table(own)) in &raw.notify {
        let path = KeyPath::of(&["notify", name]);
        super::check_name("target of notifications", name, &path, findings);
        let kinds = kinds(own, &path, findings);
        let policies = policies(own, raw, &path, findings);
        let timeout = own.timeout.clone().map(|text| (text, path.join("timeout")));
        let timeout = super::read(timeout, TIMEOUT, answer_within, findings);
        // One without a channel is reported by now; the configuration is not used.
        if let Some(channel) = channel(own, places, &path, findings) {
            let target = NotifyTarget {
                name: name.clone(),
                channel,
                kinds,
                policies,
                timeout,
            };
            targets.insert(name.clone(), target);
        }
    }
    targets
}

#[derive(Clone, Copy)]
enum Kind {
    Webhook,
    Slack,
    EventBridge,
}

const KINDS: &[(&str, Kind)] = &[
    ("webhook", Kind::Webhook),
    ("slack", Kind::Slack),
    ("eventbridge", Kind::EventBridge),
];

fn channel(
    own: &RawNotify,
    places: &BTreeMap<String, Place>,
    path: &KeyPath,
    findings: &mut Findings,
) -> Option<Channel> {
    let Some(word) = own.channel.clone() else {
        let what = "how it is reached: \"webhook\", \"slack\" or \"eventbridge\"";
        super::missing(path, "type", what, findings);
        return None;
    };
    let kind = super::read_optional(Some((word.clone(), path.join("type"))), values::word(KINDS), findings)?;
    refuse_others(own, (kind, &word), path, findings);
    match kind {
        Kind::Webhook => webhook(own, path, findings),
        Kind::Slack => slack(own, path, findings),
        Kind::EventBridge => event_bridge(own, places, path, findings),
    }
}

/// Reports the keys that mean nothing to this type. A URL of Slack is not shown: it is a secret.
fn refuse_others(own: &RawNotify, (kind, word): (Kind, &str), path: &KeyPath, findings: &mut Findings) {
    let (http, bus) = (!matches!(kind, Kind::EventBridge), matches!(kind, Kind::EventBridge));
    let webhook = matches!(kind, Kind::Webhook);
    if own.url.is_some() && matches!(kind, Kind::Slack) {
        let message = "a URL of Slack is a secret, and `url` is shown: put it into a file of its own, and name that \
                       in `url_file`";
        // Where the type stands, because what stands at the URL is printed with the message.
        findings.error(&path.join("type"), message);
    }
    for (key, given, fits) in [
        ("url", own.url.is_some(), http),
        ("url_file", own.url_file.is_some(), http),
        ("secret_file", own.secret_file.is_some(), webhook),
        ("ca_file", own.ca_file.is_some(), http),
        ("aws", own.aws.is_some(), bus),
        ("event_bus", own.event_bus.is_some(), bus),
    ] {
        if given && !fits {
            let message = format!("`{key}` means nothing to a target of type \"{word}\": remove it");
            findings.error(&path.join(key), message);
        }
    }
}

fn webhook(own: &RawNotify, path: &KeyPath, findings: &mut Findings) -> Option<Channel> {
    let keys = kept(own.secret_file.as_ref(), path, "secret_file", findings);
    if own.secret_file.is_none() {
        let what = "the file with the key that signs its messages; `openssl rand -base64 32` draws one";
        super::missing(path, "secret_file", what, findings);
    }
    let url = match (&own.url, &own.url_file) {
        (Some(_), Some(_)) => {
            findings.error(&path.join("url_file"), "beside `url`: remove one of the two");
            None
        }
        (Some(url), None) => {
            let given = Some((url.clone(), path.join("url")));
            super::read_optional(given, webhook_url, findings).map(UrlFrom::Written)
        }
        (None, Some(_)) => kept(own.url_file.as_ref(), path, "url_file", findings).map(UrlFrom::Kept),
        (None, None) => {
            if !findings.was_dropped(&path.join("url_file")) {
                super::missing(
                    path,
                    "url",
                    "where it answers; or `url_file`, if that is a secret",
                    findings,
                );
            }
            None
        }
    };
    Some(Channel::Webhook {
        url: url?,
        keys: keys?,
        roots: kept(own.ca_file.as_ref(), path, "ca_file", findings),
    })
}

fn slack(own: &RawNotify, path: &KeyPath, findings: &mut Findings) -> Option<Channel> {
    if own.url_file.is_none() && own.url.is_none() {
        let what = "the file with the URL of Slack's incoming webhook";
        super::missing(path, "url_file", what, findings);
    }
    Some(Channel::Slack {
        url: kept(own.url_file.as_ref(), path, "url_file", findings)?,
        roots: kept(own.ca_file.as_ref(), path, "ca_file", findings),
    })
}

fn event_bridge(
    own: &RawNotify,
    places: &BTreeMap<String, Place>,
    path: &KeyPath,
    findings: &mut Findings,
) -> Option<Channel> {
    let Some(name) = &own.aws else {
        let what = "the place whose credentials and region reach the bus, by the name of its [aws.NAME] table";
        super::missing(path, "aws", what, findings);
        return None;
    };
    let Some(place) = places.get(name) else {
        let known: Vec<&str> = places.keys().map(String::as_str).collect();
        let message = format!("there is no place `{name}`; known: {}", known.join(", "));
        findings.error(&path.join("aws"), message);
        return None;
    };
    let bus = own.event_bus.clone().map(|bus| (bus, path.join("event_bus")));
    let bus = super::read(bus, "default".to_owned(), |bus| event_bus(bus, place), findings);
    Some(Channel::EventBridge {
        place: name.clone(),
        bus,
    })
}

/// The name or the ARN of a bus (`EventBusNameOrArn` of the EventBridge service model). PutEvents reaches buses of other
/// accounts, and of its own region only.
fn event_bus(bus: String, place: &Place) -> Result<String, String> {
    let of_name = |name: &str| {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
        !name.is_empty() && name.len() <= 256 && name.bytes().all(fits)
    };
    let parts: Vec<&str> = bus.splitn(6, ':').collect();
    match parts[..] {
        [name] if of_name(name) => Ok(bus),
        ["arn", _, "events", region, account, rest]
            if account.len() == 12 && rest.strip_prefix("event-bus/").is_some_and(of_name) =>
        {
            match region == place.region {
                true => Ok(bus),
                false => Err(format!(
                    "a bus in {region}, and the place `{}` is in {}: events reach buses of their own region only; name \
                     a place there",
                    place.name, place.region
                )),
            }
        }
        _ => Err(format!(
            "`{bus}` is no event bus: write its name, or an ARN like \
             \"arn:aws:events:us-east-1:123456789012:event-bus/security\""
        )),
    }
}

fn kinds(own: &RawNotify, path: &KeyPath, findings: &mut Findings) -> BTreeSet<NoticeKind> {
    let Some(words) = &own.events else {
        return NoticeKind::DEFAULT.into();
    };
    let path = path.join("events");
    if words.is_empty() {
        findings.error(&path, "an empty list tells nothing: name an event, or remove the table");
    }
    let mut kinds = BTreeSet::new();
    for (index, word) in words.iter().enumerate() {
        match NoticeKind::ALL.iter().find(|kind| kind.label() == word) {
            Some(kind) => drop(kinds.insert(*kind)),
            None => findings.error(&path.item(index), unknown_kind(word)),
        }
    }
    kinds
}

fn unknown_kind(word: &str) -> String {
    match wording::nearest(word, NoticeKind::LABELS.iter().copied()) {
        Some(meant) => format!("`{word}` is no event; did you mean \"{meant}\"?"),
        None => format!("`{word}` is no event; known: {}", NoticeKind::LABELS.join(", ")),
    }
}

fn policies(own: &RawNotify, raw: &RawConfig, path: &KeyPath, findings: &mut Findings) -> Option<BTreeSet<String>> {
    let names = own.policies.as_ref()?;
    let path = path.join("policies");
    if names.is_empty() {
        findings.error(&path, "an empty list tells of no policy: remove it to be told of all");
    }
    for (index, name) in names.iter().enumerate() {
        // A layer that could not be read might have had it.
        if !raw.policy.contains_key(name) && !findings.is_incomplete() {
            let known: Vec<&str> = raw.policy.keys().map(String::as_str).collect();
            let message = format!("there is no policy `{name}`; known: {}", known.join(", "));
            findings.error(&path.item(index), message);
        }
    }
    Some(names.iter().cloned().collect())
}

fn answer_within(text: String) -> Result<Duration, String> {
    let span = values::at_least(Duration::from_secs(1))(text)?;
    match span <= LONGEST_TIMEOUT {
        true => Ok(span),
        false => Err(format!("too long: at most {}", duration::format(LONGEST_TIMEOUT))),
    }
}

/// A file beside the configuration. Whether it is there is asked when it comes into force.
fn kept(file: Option<&String>, path: &KeyPath, key: &str, findings: &mut Findings) -> Option<KeptIn> {
    let path = path.join(key);
    let file = super::read_optional(file.map(|file| (file.clone(), path.clone())), full_path, findings)?;
    let location = findings.set_by(&path).map(|(_, location)| location);
    Some(KeptIn {
        path: file,
        key: path.to_string(),
        location: location.unwrap_or_default(),
    })
}

fn full_path(text: String) -> Result<PathBuf, String> {
    match text.starts_with('/') {
        true => Ok(PathBuf::from(text)),
        false => Err("write the full path of a file".to_owned()),
    }
}

/// The URL of a webhook: https anywhere, plain http on this machine.
///
/// # Errors
/// What is wrong with it, without the URL itself: it may be a secret.
pub fn webhook_url(text: String) -> Result<String, String> {
    values::url(&text)?;
    Ok(text)
}
