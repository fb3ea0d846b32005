//! What logins on the user's nodes amount to.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::Endpoint;
use crate::rotation::observation::{Credential, LoginAnswer, NodeKind, Observation, Proof, Topology};
use crate::rotation::reason::{HaltReason, UnprovenReason, WaitReason};
use crate::rotation::step::Step;

use super::{Decision, Deliberation, Look, user};

/// The answers to one credential, sorted. An endpoint whose hidden nodes disagree is under both.
#[derive(Default, Debug)]
pub(super) struct Tally {
    /// Nodes that accepted it.
    pub(super) accepted: BTreeSet<Endpoint>,
    /// Nodes that refused it.
    pub(super) refused: BTreeSet<Endpoint>,
    /// Nodes that should have answered, and did not; with the cause.
    pub(super) unreachable: Vec<(Endpoint, String)>,
    /// Those of them with which no TLS connection came about.
    pub(super) without_tls: BTreeSet<Endpoint>,
}

/// One round of logins with several credentials.
pub(super) struct Round<'a> {
    observation: &'a Observation,
    /// The nodes that were not to be asked, by credential.
    excepted: BTreeMap<Credential, BTreeSet<Endpoint>>,
    topology: &'a Topology,
    step: Step,
}

/// Looks at the answers to these credentials, or asks for the logins first. Nodes listed beside a
/// credential are not asked.
pub(super) fn round<'a>(
    observation: &'a Observation,
    username: &str,
    credentials: Vec<(Credential, BTreeSet<Endpoint>)>,
    step: Step,
) -> Deliberation<Round<'a>> {
    let topology = user::topology(observation)?;
    if observation.nodes_changed {
        let detail = "the list of nodes changed while logins were made".to_owned();
        return Err(Decision::Wait {
            reason: WaitReason::NodesChanging,
            detail,
            step,
        });
    }
    if credentials
        .iter()
        .any(|(credential, _)| !observation.logins.contains_key(credential))
    {
        return Err(Decision::Look(Look::Logins {
            username: username.to_owned(),
            credentials,
        }));
    }
    Ok(Round {
        observation,
        excepted: credentials.into_iter().collect(),
        topology,
        step,
    })
}

impl Round<'_> {
    /// The answers to one credential. A node that was to be asked and has no answer counts as
    /// unreachable: what was not asked proves nothing.
    pub(super) fn tally(&self, credential: &Credential) -> Tally {
        let mut tally = Tally::default();
        let answers = self.observation.logins.get(credential);
        let excepted = self.excepted.get(credential);
        for node in self.topology.nodes.iter().filter(|node| node.available) {
            let endpoint = &node.endpoint;
            let answers = answers
                .and_then(|answers| answers.get(endpoint))
                .map_or(&[][..], Vec::as_slice);
            for answer in answers {
                match answer {
                    LoginAnswer::Accepted => drop(tally.accepted.insert(endpoint.clone())),
                    LoginAnswer::Refused => drop(tally.refused.insert(endpoint.clone())),
                    LoginAnswer::Unreachable(cause) => tally.unreachable.push((endpoint.clone(), cause.clone())),
                    LoginAnswer::TlsFailed(cause) => {
                        tally.unreachable.push((endpoint.clone(), cause.clone()));
                        tally.without_tls.insert(endpoint.clone());
                    }
                }
            }
            if answers.is_empty() && !excepted.is_some_and(|nodes| nodes.contains(endpoint)) {
                tally.unreachable.push((endpoint.clone(), "was not asked".to_owned()));
            }
        }
        tally
    }

    /// The nodes that ElastiCache calls not available, and that were not asked.
    pub(super) fn unavailable(&self) -> BTreeSet<Endpoint> {
        self.topology
            .nodes
            .iter()
            .filter(|node| !node.available)
            .map(|node| node.endpoint.clone())
            .collect()
    }

    /// How many nodes there are to ask.
    pub(super) fn available(&self) -> usize {
        self.topology.nodes.iter().filter(|node| node.available).count()
    }

    /// What it proves that every available node accepted a password.
    pub(super) fn proof(&self) -> Proof {
        if !self.unavailable().is_empty() {
            Proof::Unproven(UnprovenReason::NodeUnavailable)
        } else if self
            .topology
            .nodes
            .iter()
            .any(|node| node.kind == NodeKind::ServerlessEndpoint)
        {
            Proof::EndpointProven
        } else {
            Proof::Proven
        }
    }

    /// Every available node must accept the password of the version under AWSCURRENT. One that
    /// refuses it is drift.
    pub(super) fn current_accepted(&self, current: &str) -> Deliberation<Tally> {
        let tally = self.tally(&Credential::Version(current.to_owned()));
        if !tally.refused.is_empty() {
            return Err(Decision::Halt {
                reason: HaltReason::CurrentPasswordRefused,
                detail: format!("refused by {}", list(&tally.refused)),
                subject: current.to_owned(),
            });
        }
        self.all_reachable(&tally)?;
        Ok(tally)
    }

    /// Waits while any node that should have answered did not.
    pub(super) fn all_reachable(&self, tally: &Tally) -> Deliberation<()> {
        let Some((node, cause)) = tally.unreachable.first() else {
            return Ok(());
        };
        let others = match tally.unreachable.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        let reason = match tally.without_tls.contains(node) {
            true => WaitReason::TlsFailed,
            false => WaitReason::NodeUnreachable,
        };
        Err(self.wait(reason, format!("{node}: {cause}{others}")))
    }

    /// Waits while ElastiCache calls a node not available.
    pub(super) fn all_available(&self) -> Deliberation<()> {
        let unavailable = self.unavailable();
        if unavailable.is_empty() {
            return Ok(());
        }
        Err(self.wait(WaitReason::NodeUnavailable, list(&unavailable)))
    }

    pub(super) fn wait(&self, reason: WaitReason, detail: String) -> Decision {
        Decision::Wait {
            reason,
            detail,
            step: self.step,
        }
    }
}

/// Addresses in words.
pub(super) fn list(nodes: &BTreeSet<Endpoint>) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
