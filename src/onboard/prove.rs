//! Whether what was onboarded works: the password under AWSCURRENT logs in on every node.

use std::collections::BTreeSet;

use crate::aws::AwsResult;
use crate::aws::provisioning::Eyes;
use crate::login::Login;
use crate::policy::{Policy, Verify};
use crate::rotation::observation::{NodeKind, User};
use crate::rotation::reason::UnprovenReason;
use crate::secret::Password;

use super::observe;

/// What logins showed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Shown {
    /// Every node accepted the password.
    Proven {
        /// How many.
        nodes: usize,
        /// Whether some are endpoints of serverless caches, which hide their nodes.
        endpoints: bool,
    },
    /// Nothing, for this reason.
    Unproven(UnprovenReason),
    /// Not every node accepted it; in words.
    NotEverywhere(String),
}

impl Shown {
    /// The name of the proof, as status has it.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Proven { endpoints: false, .. } => "proven",
            Self::Proven { endpoints: true, .. } => "endpoint_proven",
            Self::Unproven(_) => "unproven",
            Self::NotEverywhere(_) => "not_everywhere",
        }
    }
}

/// Logs in on every node with the current password, and with one that nobody has.
///
/// # Errors
/// The nodes cannot be listed.
pub async fn prove(
    eyes: &Eyes,
    login: &dyn Login,
    policy: &Policy,
    user: &User,
    current: &Password,
    nobodys: Option<&Password>,
) -> AwsResult<Shown> {
    if policy.verify == Verify::ApiOnly {
        return Ok(Shown::Unproven(UnprovenReason::ApiOnly));
    }
    if !user.on {
        return Ok(Shown::Unproven(UnprovenReason::UserOff));
    }
    let nodes = observe::nodes(eyes, policy, user).await?;
    if nodes.is_empty() {
        return Ok(Shown::Unproven(UnprovenReason::NoEndpoints));
    }
    let endpoints = nodes.iter().any(|node| node.kind == NodeKind::ServerlessEndpoint);
    let evidence = observe::logins(eyes, login, policy, user, current).await?;
    if !evidence.everywhere() {
        return Ok(Shown::NotEverywhere(evidence.doubts()));
    }
    if let Some(nobodys) = nobodys {
        let random = observe::logins(eyes, login, policy, user, nobodys).await?;
        let open: BTreeSet<&str> = random.accepted().into_iter().collect();
        if !open.is_empty() {
            let open: Vec<&str> = open.into_iter().collect();
            return Ok(Shown::NotEverywhere(format!(
                "any password is accepted by {}",
                open.join(", ")
            )));
        }
    }
    Ok(Shown::Proven {
        nodes: evidence.answers.len(),
        endpoints,
    })
}
