//! The checks of a user's nodes: known, reached, logged in on. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::certificates::RootsDoubt;
use crate::login::ObstacleKind;
use crate::policy::{Endpoint, Verify};
use crate::rotation::observation::{AWSCURRENT, Credential, LoginAnswer, Observation, Topology, User, UserSight};
use crate::rotation::reason::{HaltReason, UnprovenReason, WaitReason};

use super::advice::{self, Names};
use super::check::{Check, Checked, Outcome};
use super::document;
use super::judgement::{cannot_be_proved, refused};
use super::trouble::Sight;

/// Whether the nodes are known, and ElastiCache calls them available.
pub(super) fn known(observation: &Observation, names: &Names<'_>) -> Option<Checked> {
    let topology = observation.topology.as_ref()?;
    let UserSight::Seen(user) = &observation.user else {
        return None;
    };
    if let Some((reason, cache)) = &topology.refusal {
        return Some(refused(Check::Nodes, *reason, &format!("cache {cache}"), cache, names));
    }
    let away: Vec<String> = topology
        .nodes
        .iter()
        .filter(|node| !node.available)
        .map(|node| node.endpoint.to_string())
        .collect();
    if !away.is_empty() {
        let told = format!("ElastiCache does not call available: {}", away.join(", "));
        let warning = Checked::plain(Check::Nodes, Outcome::Warning, told).because(WaitReason::NodeUnavailable.label());
        return Some(warning.advising(
            "wait until it is available, or replace it: till then a new password is promoted unproven and no previous one \
             is retired",
        ));
    }
    if topology.nodes.is_empty() {
        let told = no_node(user);
        return Some(match names.policy.verify {
            Verify::ApiOnly => Checked::ok(Check::Nodes, told),
            Verify::Login => Checked::plain(
                Check::Nodes,
                Outcome::Warning,
                format!("{told}: a new password stays unproven"),
            )
            .because(UnprovenReason::NoEndpoints.label())
            .advising(format!(
                "add the user to the user group of its cache (aws elasticache modify-user-group --user-group-id GROUP \
                 --user-ids-to-add {}), or name the nodes in `endpoints` of [policy.{}]",
                user.id, names.policy.name
            )),
        });
    }
    Some(Checked::ok(Check::Nodes, of_caches(topology)))
}

/// Why a user has no node.
fn no_node(user: &User) -> String {
    match user.groups.is_empty() {
        true => format!("user {} is in no user group", user.id),
        false => format!("no cache is behind the groups of user {}", user.id),
    }
}

/// Why no node was asked.
fn nothing_to_ask(observation: &Observation) -> String {
    let has_nodes = observation
        .topology
        .as_ref()
        .is_some_and(|topology| !topology.nodes.is_empty());
    match &observation.user {
        UserSight::Seen(user) if !has_nodes => no_node(user),
        _ => "ElastiCache calls no node available".to_owned(),
    }
}

fn of_caches(topology: &Topology) -> String {
    let caches: BTreeSet<&str> = topology.nodes.iter().map(|node| node.cache.as_str()).collect();
    let caches: Vec<&str> = caches.into_iter().collect();
    format!("{} of {}", count(topology.nodes.len()), caches.join(", "))
}

fn count(nodes: usize) -> String {
    match nodes {
        1 => "1 node".to_owned(),
        nodes => format!("{nodes} nodes"),
    }
}

/// Whether every available node is reached over TLS.
pub(super) fn network(observation: &Observation, sight: &Sight, names: &Names<'_>) -> Option<Checked> {
    let topology = observation
        .topology
        .as_ref()
        .filter(|topology| topology.refusal.is_none())?;
    if names.policy.verify == Verify::ApiOnly {
        return Some(Checked::ok(
            Check::Network,
            "no way to the nodes is needed (verify = \"api-only\")",
        ));
    }
    if let Some(doubt) = sight.roots.as_ref().filter(|doubt| doubt.stops_logins()) {
        return Some(of_roots(doubt, Outcome::Refused, names));
    }
    let mut blocked: BTreeMap<(ObstacleKind, String), Vec<&Endpoint>> = BTreeMap::new();
    let mut open = 0;
    for node in topology.nodes.iter().filter(|node| node.available) {
        match sight.paths.get(&node.endpoint) {
            Some(Err(obstacle)) => {
                let same = blocked.entry((obstacle.kind, obstacle.cause.clone()));
                same.or_default().push(&node.endpoint);
            }
            // One that is not among the paths has answered a login.
            Some(Ok(())) | None => open += 1,
        }
    }
    let Some(((kind, _), _)) = blocked.first_key_value() else {
        if let Some(doubt) = &sight.roots {
            return Some(of_roots(doubt, Outcome::Warning, names));
        }
        return Some(match open {
            0 => Checked::not_checked(Check::Network, nothing_to_ask(observation)),
            open => Checked::ok(Check::Network, format!("{} reached over TLS", count(open))),
        });
    };
    let told = blocked.iter().map(|((_, cause), nodes)| {
        let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        format!("{}: {cause}", nodes.join(", "))
    });
    let told = told.collect::<Vec<_>>().join("; ");
    let refused = Checked::plain(Check::Network, Outcome::Refused, told).because(kind.label());
    Some(refused.advising(advice::on_obstacle(*kind, &names.policy.tls)))
}

fn of_roots(doubt: &RootsDoubt, outcome: Outcome, names: &Names<'_>) -> Checked {
    let file = names
        .policy
        .tls
        .ca_file
        .as_deref()
        .unwrap_or_else(|| Path::new("tls.ca_file"));
    let checked = Checked::plain(Check::Network, outcome, format!("{} {doubt}", file.display()));
    checked.because(doubt.label()).advising(doubt.advice())
}

/// Whether the current password logs in on every node that can be asked.
pub(super) fn login(observation: &Observation, names: &Names<'_>) -> Option<Checked> {
    let document = document(observation)?;
    if document.password().is_none() {
        return Some(Checked::not_checked(Check::Login, "the secret holds no password yet"));
    }
    if let Some(why) = cannot_be_proved(observation, names) {
        let told = format!("no login can prove a password: {why}");
        return Some(match names.policy.verify {
            Verify::ApiOnly => Checked::ok(Check::Login, told),
            Verify::Login => Checked::plain(Check::Login, Outcome::Warning, told)
                .because(UnprovenReason::UserOff.label())
                .advising("switch the user on, or take it that a new password is promoted unproven"),
        });
    }
    let topology = observation
        .topology
        .as_ref()
        .filter(|topology| topology.refusal.is_none())?;
    if topology.nodes.is_empty() {
        return Some(Checked::not_checked(Check::Login, nothing_to_ask(observation)));
    }
    let current = observation.secret.holder(AWSCURRENT)?;
    let answers = observation.logins.get(&Credential::Version(current.to_owned()))?;
    let nodes_that = |wanted: fn(&LoginAnswer) -> bool| -> Vec<String> {
        let such = answers.iter().filter(|(_, answers)| answers.iter().any(wanted));
        such.map(|(node, _)| node.to_string()).collect()
    };
    let refusing = nodes_that(|answer| matches!(answer, LoginAnswer::Refused));
    if !refusing.is_empty() {
        let reason = HaltReason::CurrentPasswordRefused;
        let told = format!("refused by {}", refusing.join(", "));
        return Some(refused(Check::Login, reason, &told, current, names));
    }
    let silent = nodes_that(|answer| matches!(answer, LoginAnswer::Unreachable(_) | LoginAnswer::TlsFailed(_)));
    if !silent.is_empty() {
        let told = format!("no answer from {}", silent.join(", "));
        return Some(Checked::plain(Check::Login, Outcome::Unknown, told));
    }
    let accepted = nodes_that(|answer| matches!(answer, LoginAnswer::Accepted));
    Some(Checked::ok(
        Check::Login,
        format!("the current password logs in on {}", count(accepted.len())),
    ))
}
