//! What no table shows alone: policies, places and the daemon beside each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use crate::config::raw::{RawConfig, RawPolicy, Table};
use crate::config::source::{Findings, KeyPath};
use crate::config::{Config, duration};
use crate::policy::{OnDrift, Place};

pub(super) fn check(config: &Config, raw: &RawConfig, findings: &mut Findings) {
    let same = SamePlaces::among(&config.places);
    same.warn(findings);
    check_secrets(raw, &same, findings);
    check_selections(raw, findings);
    for place in config.places.values() {
        check_listen(config.daemon.listen, place, findings);
    }
    let used: BTreeSet<&str> = raw
        .policy
        .values()
        .filter_map(|Table(policy)| place_of(raw, policy))
        .chain(raw.notify.values().filter_map(|Table(target)| target.aws.as_deref()))
        .chain(config.table().map(|(_, place)| place.name.as_str()))
        .collect();
    for name in config.places.keys().filter(|name| !used.contains(name.as_str())) {
        findings.warn(&KeyPath::of(&["aws", name]), format!("no policy works in `{name}`"));
    }
    check_repairs(config, findings);
    check_together(config, findings);
    if raw.policy.is_empty() {
        findings.warn(
            &KeyPath::of(&["policy"]),
            "there is no policy: nothing will be rotated; write [policy.NAME]",
        );
    }
}

/// Of two secrets that are kept apart, neither may be nearer to the other than the other to it.
fn check_together(config: &Config, findings: &mut Findings) {
    let mut spans: BTreeMap<&str, (&str, Duration)> = BTreeMap::new();
    for policy in config.policies.values() {
        let Some(together) = &policy.together else { continue };
        let (first, span) = *spans
            .entry(&together.name)
            .or_insert((&policy.name, together.never_within));
        if span != together.never_within {
            let own = |key| KeyPath::of(&["policy", &policy.name, key]);
            let spot = if findings.is_set(&own("never_within")) {
                own("never_within")
            } else {
                own("together")
            };
            let message = format!(
                "impossible combination: `{}` is together with policy `{first}`, whose `never_within` is {}, not {}",
                together.name,
                duration::format(span),
                duration::format(together.never_within),
            );
            findings.error(&spot, message);
        }
    }
}

/// Without checks, drift is noticed by a rotation that it stops.
fn check_repairs(config: &Config, findings: &mut Findings) {
    if config.daemon.drift_check_interval.is_some() {
        return;
    }
    for policy in config
        .policies
        .values()
        .filter(|policy| policy.on_drift == OnDrift::Repair)
    {
        let own = KeyPath::of(&["policy", &policy.name, "on_drift"]);
        let spot = match findings.is_set(&own) {
            true => own,
            false => KeyPath::of(&["defaults", "on_drift"]),
        };
        let message = "passwords are checked at rotations only (drift_check_interval = \"none\"): drift is repaired \
                       no sooner than the next one is due";
        findings.warn(&spot, message);
    }
}

fn place_of<'a>(raw: &'a RawConfig, policy: &'a RawPolicy) -> Option<&'a str> {
    policy.aws.as_deref().or(raw.defaults.0.aws.as_deref())
}

/// Which places are one account and region under several names, as far as the configuration shows.
struct SamePlaces<'a>(Vec<(&'a Place, &'a Place)>);

impl<'a> SamePlaces<'a> {
    /// Each place with the first one that it may be.
    fn among(places: &'a BTreeMap<String, Place>) -> Self {
        let first = |place: &'a Place| places.values().find(|other| other.may_be(place)).unwrap_or(place);
        Self(places.values().map(|place| (place, first(place))).collect())
    }

    fn warn(&self, findings: &mut Findings) {
        for (place, first) in self.0.iter().filter(|(place, first)| place.name != first.name) {
            let message = format!(
                "`{}` and `{}` are the same account and region: one place will do, for any number of policies",
                place.name, first.name
            );
            findings.warn(&KeyPath::of(&["aws", &place.name]), message);
        }
    }

    /// The name under which a place is compared with others.
    fn name_of(&self, place: Option<&'a str>) -> Option<&'a str> {
        let same = self.0.iter().find(|(known, _)| Some(known.name.as_str()) == place);
        same.map(|(_, first)| first.name.as_str()).or(place)
    }
}

/// Two policies would rotate one secret by two sets of rules.
fn check_secrets<'a>(raw: &'a RawConfig, same: &SamePlaces<'a>, findings: &mut Findings) {
    let mut taken: BTreeMap<(Option<&str>, &str), (&str, &str)> = BTreeMap::new();
    for (policy, Table(own)) in &raw.policy {
        let place = same.name_of(place_of(raw, own));
        for (index, secret) in own.secrets.iter().flatten().enumerate() {
            let spot = KeyPath::of(&["policy", policy, "secrets"]).item(index);
            let (other, twin) = *taken.entry((place, plain_name(secret))).or_insert((policy, secret));
            if other == policy && twin != secret {
                findings.warn(&spot, format!("is the same secret as `{twin}`, which is listed, too"));
            } else if other != policy && twin == secret {
                findings.error(
                    &spot,
                    format!("`{secret}` is already in policy `{other}`: a secret has one policy; remove it from one of the two"),
                );
            } else if other != policy {
                findings.error(
                    &spot,
                    format!("is the same secret as `{twin}` of policy `{other}`: a secret has one policy; remove it from one of the two"),
                );
            }
        }
    }
}

/// A secret's name without what an ARN has around it: six random characters come last there. AWS takes the
/// end of any ARN for them that is a hyphen and six characters, so that one without them would not be found.
fn plain_name(secret: &str) -> &str {
    let Some(name) = secret.strip_prefix("arn:").and_then(|rest| rest.splitn(6, ':').last()) else {
        return secret;
    };
    match name.rsplit_once('-') {
        Some((name, suffix)) if suffix.len() == 6 => name,
        _ => name,
    }
}

/// A policy whose prefix covers what another one names or selects. Tags may still tell them apart.
fn check_selections(raw: &RawConfig, findings: &mut Findings) {
    for (policy, Table(own)) in &raw.policy {
        let Some(Table(select)) = own.select.as_ref().filter(|Table(select)| select.tags.is_none()) else {
            continue;
        };
        let Some(prefix) = select.name_prefix.as_deref().filter(|prefix| !prefix.is_empty()) else {
            continue;
        };
        let others = raw.policy.iter().filter(|(name, _)| *name != policy);
        for (other, Table(theirs)) in others.filter(|(_, Table(theirs))| place_of(raw, theirs) == place_of(raw, own)) {
            let their_prefix = theirs
                .select
                .as_ref()
                .and_then(|Table(select)| select.name_prefix.as_deref());
            let names = theirs.secrets.iter().flatten().map(|secret| plain_name(secret));
            if let Some(covered) = names.chain(their_prefix).find(|name| name.starts_with(prefix)) {
                let spot = KeyPath::of(&["policy", policy, "select", "name_prefix"]);
                findings.warn(
                    &spot,
                    format!("also covers `{covered}` of policy `{other}`: a secret has one policy; remove it from one of the two"),
                );
            }
        }
    }
}

/// The daemon cannot listen where AWS is said to answer.
fn check_listen(listen: SocketAddr, place: &Place, findings: &mut Findings) {
    let ours: [String; 2] = [format!("://{listen}"), format!("://localhost:{}", listen.port())];
    for (key, url) in [
        ("secrets_manager_endpoint_url", &place.secrets_manager_endpoint),
        ("elasticache_endpoint_url", &place.elasticache_endpoint),
    ] {
        let url = url.as_deref().unwrap_or_default().trim_end_matches('/');
        let own = KeyPath::of(&["aws", &place.name, key]);
        if ours.iter().any(|ours| url.ends_with(ours.as_str())) {
            let spot = if findings.is_set(&own) {
                own
            } else {
                KeyPath::of(&["aws", &place.name, "endpoint_url"])
            };
            findings.error(&spot, format!("is the daemon's own `listen` ({listen})"));
        }
    }
}
