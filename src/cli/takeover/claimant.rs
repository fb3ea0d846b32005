//! Whether another secret names the same user already: rekeyd would rotate neither.

use std::collections::BTreeSet;

use crate::aws::provisioning::Eyes;
use crate::cli::client::Client;
use crate::config::Config;
use crate::policy::Place;
use crate::rotation::observation::{AWSCURRENT, SecretState};
use crate::rotation::reason::HaltReason;
use crate::secret::secret_arn_name;

/// How many of the secrets that policies name are read. A daemon that answers knows of all.
const MOST_READ: usize = 100;

/// What is wrong if one is found among the secrets that the daemon knows or that policies of this place name.
///
/// A secret that cannot be read, and a daemon that does not answer, show nothing.
pub(super) async fn of(
    config: &Config,
    place: &Place,
    eyes: &Eyes,
    daemon: &Client,
    secret: &SecretState,
    user_id: &str,
) -> Option<String> {
    if user_id.is_empty() {
        return None;
    }
    let by_daemon = known(daemon, place, secret, user_id).await;
    let other = match by_daemon {
        Some(other) => Some(other),
        None => named(config, place, eyes, secret, user_id).await,
    };
    other.map(|other| {
        format!(
            "names user {user_id}, and so does secret {other}: rekeyd rotates neither while both are in policies ({}). Keep \
             one secret for each user",
            HaltReason::UserClaimedTwice.label()
        )
    })
}

async fn known(daemon: &Client, place: &Place, secret: &SecretState, user_id: &str) -> Option<String> {
    let secrets = daemon.status(None).await.ok()?.secrets;
    let other = secrets.into_iter().find(|other| {
        let same_user = other.place == place.name && other.user_id.as_deref() == Some(user_id);
        same_user && other.arn.as_ref().is_some_and(|arn| *arn != secret.arn)
    });
    other.map(|other| other.secret)
}

async fn named(config: &Config, place: &Place, eyes: &Eyes, secret: &SecretState, user_id: &str) -> Option<String> {
    let policies = config.policies.values().filter(|policy| policy.place == place.name);
    let names: BTreeSet<&String> = policies.flat_map(|policy| &policy.selection.secrets).collect();
    let itself = |name: &str| name == secret.name || secret_arn_name(name) == Some(&secret.name);
    for name in names.into_iter().filter(|name| !itself(name)).take(MOST_READ) {
        let Ok(other) = eyes.secrets.secret(name).await else {
            continue;
        };
        let Some(current) = other.holder(AWSCURRENT).filter(|_| other.deleted.is_none()) else {
            continue;
        };
        let Ok(Ok(document)) = eyes.secrets.value(&other.arn, current).await else {
            continue;
        };
        if document.user_arn().user_id() == user_id {
            return Some(other.name);
        }
    }
    None
}
