//! `[policy.NAME]`.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::{self, Settings, Sources};
use super::{values, when};
use crate::config::raw::{RawConfig, RawPolicy, RawSelect, Table};
use crate::config::source::{Findings, KeyPath};
use crate::config::wording;
use crate::policy::{Place, Policy, Schedule, Selection, UserPattern};
use crate::secret::secret_arn_place;

pub(super) fn check_all(
    raw: &RawConfig,
    places: &BTreeMap<String, Place>,
    findings: &mut Findings,
) -> BTreeMap<String, Policy> {
    let mut policies = BTreeMap::new();
    for (name, Table(own)) in &raw.policy {
        let path = KeyPath::of(&["policy", name]);
        super::check_name("policy", name, &path, findings);
        if let Some(meant) = misspelt(name, own, raw) {
            let message = format!(
                "`policy.{name}` is no whole policy: it says neither which secrets nor which users it is about; did you \
                 mean `policy.{meant}`?"
            );
            findings.error(&path, message);
            continue;
        }
        let from = Sources::new(own, path.clone(), &raw.defaults.0);
        let settings = settings::check(&from, findings);
        settings::check_repair(&from, &settings, findings);
        let place = place(&from, &path, places, findings);
        let schedule = when::check(&from, &path, &settings, findings);
        let selection = selection(own, &path, place, findings);
        let allow_users = allow_users(own, &path, findings);
        // One that lacks something is reported by now; the configuration is not used.
        if let (Some(place), Some(schedule), Some(password)) = (place, schedule, settings.password.clone()) {
            let parts = Parts {
                name,
                place,
                schedule,
                selection,
                allow_users,
            };
            policies.insert(name.clone(), parts.into_policy(password, settings));
        }
    }
    policies
}

/// The policy whose name a table of a few keys, in a drop-in as a rule, was meant to bear.
fn misspelt<'a>(name: &str, own: &RawPolicy, raw: &'a RawConfig) -> Option<&'a str> {
    let bare = own.secrets.is_none() && own.select.is_none() && own.allow_users.is_none();
    let others = raw
        .policy
        .iter()
        .filter(|(_, Table(other))| other.allow_users.is_some());
    bare.then(|| wording::nearest(name, others.map(|(other, _)| other.as_str())))
        .flatten()
}

/// What is a policy's own.
struct Parts<'a> {
    name: &'a str,
    place: &'a Place,
    schedule: Schedule,
    selection: Selection,
    allow_users: Vec<UserPattern>,
}

impl Parts<'_> {
    fn into_policy(self, password: crate::policy::PasswordSpec, settings: Settings) -> Policy {
        Policy {
            name: self.name.to_owned(),
            place: self.place.name.clone(),
            schedule: self.schedule,
            window: settings.timing.window(settings.overlap, settings.fence),
            blackout: settings.timing.blackout,
            together: settings.timing.together,
            max_versions_per_day: settings.timing.max_versions_per_day,
            selection: self.selection,
            allow_users: self.allow_users,
            password,
            overlap: settings.overlap,
            verify: settings.verify,
            first_password: settings.first_password,
            allow_default_user: settings.allow_default_user,
            on_drift: settings.on_drift,
            propagation_timeout: settings.propagation_timeout,
            pending_max_age: settings.pending_max_age,
            max_attempts: settings.max_attempts,
            retry: settings.retry,
            fence: settings.fence,
            settle: settings.settle,
            write_deadline: settings.write_deadline,
            endpoints: settings.endpoints,
            tls: settings.tls,
            canary: settings.canary,
            max_attention: settings.max_attention,
            paused: settings.paused,
        }
    }
}

fn place<'a>(
    from: &Sources<'_>,
    path: &KeyPath,
    places: &'a BTreeMap<String, Place>,
    findings: &mut Findings,
) -> Option<&'a Place> {
    let Some((name, spot)) = from.given(&["aws"], |raw| raw.aws.clone()) else {
        super::missing(
            path,
            "aws",
            "the place to work in, by the name of its [aws.NAME] table",
            findings,
        );
        return None;
    };
    let place = places.get(&name);
    if place.is_none() && !findings.was_dropped(&KeyPath::of(&["aws", &name])) {
        let known: Vec<&str> = places.keys().map(String::as_str).collect();
        let advice = match wording::nearest(&name, known.iter().copied()) {
            Some(meant) => format!("; did you mean `{meant}`?"),
            None if known.is_empty() => format!(": write [aws.{name}] with its `region`"),
            None => format!(
                ": write [aws.{name}], or name one of those that there are: {}",
                known.join(", ")
            ),
        };
        findings.error(&spot, format!("no place is named `{name}`{advice}"));
    }
    place
}

fn selection(raw: &RawPolicy, path: &KeyPath, place: Option<&Place>, findings: &mut Findings) -> Selection {
    let secrets = raw.secrets.clone().unwrap_or_default();
    let spot = path.join("secrets");
    let mut listed = BTreeSet::new();
    for (index, secret) in secrets.iter().enumerate() {
        if let Err(message) = check_secret(secret, place) {
            findings.error(&spot.item(index), message);
        } else if !listed.insert(secret) {
            findings.error(&spot.item(index), format!("`{secret}` is listed twice"));
        }
    }
    let select = raw.select.as_ref().map(|Table(select)| select);
    let dropped = findings.was_dropped(&spot) || findings.was_dropped(&path.join("select"));
    if secrets.is_empty() && select.is_none() && !dropped {
        let at = if raw.secrets.is_some() { &spot } else { path };
        let message = format!("`{path}` is about no secret: give `secrets`, `select` or both");
        findings.error(at, message);
    }
    let select = select.cloned().unwrap_or_default();
    if raw.select.is_some() {
        check_select(&select, &path.join("select"), findings);
    }
    Selection {
        secrets,
        name_prefix: select.name_prefix,
        tags: select.tags.unwrap_or_default(),
    }
}

fn check_select(select: &RawSelect, path: &KeyPath, findings: &mut Findings) {
    let no_tags = select.tags.as_ref().is_none_or(BTreeMap::is_empty);
    if select.name_prefix.is_none() && no_tags && !findings.was_dropped(path) {
        let message = "would take every secret of the account: give `name_prefix`, `tags` or both";
        findings.error(path, message);
    }
    match select.name_prefix.as_deref() {
        Some("") => findings.error(
            &path.join("name_prefix"),
            "an empty prefix would take every secret of the account",
        ),
        Some(prefix) => {
            if let Err(message) = values::secret_name(prefix) {
                findings.error(&path.join("name_prefix"), message);
            }
        }
        None => {}
    }
    if select.tags.as_ref().is_some_and(|tags| tags.contains_key("")) {
        findings.error(&path.join("tags"), "a tag without a name");
    }
}

/// A secret's name, or an ARN within the place: rekeyd never works outside it.
fn check_secret(secret: &str, place: Option<&Place>) -> Result<(), String> {
    if !secret.starts_with("arn:") {
        return values::secret_name(secret);
    }
    let example = "arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX";
    let partition = secret.split(':').nth(1).unwrap_or_default();
    let (region, account) = secret_arn_place(secret).ok_or_else(|| format!("no ARN of a secret: write {example}"))?;
    if !values::is_account(account) {
        return Err(format!(
            "no ARN of a secret, `{account}` is no account: write {example}"
        ));
    }
    values::secret_name(secret.splitn(7, ':').last().unwrap_or_default())?;
    let Some(place) = place else { return Ok(()) };
    if !place.region.is_empty() && region != place.region {
        return Err(format!(
            "lies in {region}, but the policy works in {} (place `{}`)",
            place.region, place.name
        ));
    }
    if !place.region.is_empty() && partition != place.partition() {
        return Err(format!(
            "lies in partition {partition}, but {} lies in {} (place `{}`)",
            place.region,
            place.partition(),
            place.name
        ));
    }
    let works_in = place.role.as_ref().and_then(|role| role.arn.split(':').nth(4));
    match works_in {
        Some(works_in) if works_in != account => Err(format!(
            "lies in account {account}, but the policy works in {works_in} (place `{}`)",
            place.name
        )),
        _ => Ok(()),
    }
}

fn allow_users(raw: &RawPolicy, path: &KeyPath, findings: &mut Findings) -> Vec<UserPattern> {
    let spot = path.join("allow_users");
    let Some(texts) = &raw.allow_users else {
        super::missing(
            path,
            "allow_users",
            "the ids of the users that its secrets may name, like [\"orders-*\"]",
            findings,
        );
        return Vec::new();
    };
    if texts.is_empty() {
        findings.error(
            &spot,
            "empty: name the ids of the users that the policy's secrets may name",
        );
    }
    let mut patterns = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match values::user_pattern(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(message) => findings.error(&spot.item(index), message),
        }
        if !text.is_empty() && text.bytes().all(|b| b == b'*') {
            let message = "any user at all: whoever can write one of the secrets chooses whose password changes";
            findings.warn(&spot.item(index), message);
        }
    }
    patterns
}
