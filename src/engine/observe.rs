//! Looks: reading what [`crate::rotation::plan`] asks for into the observation.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use crate::aws::{AwsError, AwsResult, PlacePorts};
use crate::inventory;
use crate::planted::{PlantedBug, planted};
use crate::policy::{Endpoint, Policy, Verify};
use crate::rotation::observation::{AWSCURRENT, Credential, Node, Observation, Taken, Topology, User, UserSight};
use crate::rotation::plan::Look;
use crate::secret::Password;

use super::Engine;
use super::polls::SeenUser;

/// For how long a list of nodes serves as the one before logins.
const TOPOLOGY_SERVES: Duration = Duration::from_secs(60);

/// What an observation begins with.
pub(super) enum Beginning {
    /// The labels, and a listing of the versions.
    Listing,
    /// The labels, and a listing if one is needed.
    Labels,
    /// The user, who was asked for a moment ago; then the labels.
    User(SeenUser),
}

impl Engine {
    /// Begins an observation. Its date is taken before the first read is sent. Labels are read each time;
    /// the listing of versions and their values are left out where what is remembered makes them
    /// unnecessary.
    pub(super) async fn observe(
        &self,
        key: &str,
        ports: &PlacePorts,
        secret_arn: &str,
        with: Beginning,
    ) -> AwsResult<Observation> {
        let (with_listing, seen) = match with {
            Beginning::Listing => (true, None),
            Beginning::Labels => (false, None),
            Beginning::User(seen) => (false, Some(seen)),
        };
        let taken = seen.as_ref().map_or_else(|| self.taken(), |seen| seen.taken);
        let known = self.known_versions(key).filter(|_| !with_listing);
        let (secret, listed) = match known {
            Some(known) => {
                let reading = ports.secrets.secret_knowing(secret_arn, &known).await?;
                (reading.state, reading.listed)
            }
            None => (ports.secrets.secret(secret_arn).await?, true),
        };
        let mut observation = Observation::new(taken, secret);
        observation.listed = listed;
        if let Some(seen) = seen {
            observation.user = UserSight::Seen(seen.user);
        }
        self.recall(key, &mut observation);
        self.note_claim(&observation);
        Ok(observation)
    }

    /// The moment at which an observation begins.
    pub(super) fn taken(&self) -> Taken {
        Taken {
            wall: self.clock.now(),
            monotonic: self.clock.monotonic(),
        }
    }

    /// Adds one look to an observation.
    pub(super) async fn look(
        &self,
        key: &str,
        ports: &PlacePorts,
        policy: &Policy,
        observation: &mut Observation,
        look: Look,
    ) -> AwsResult<()> {
        match look {
            Look::Value(version) => {
                let value = ports.secrets.value(&observation.secret.arn, &version).await?;
                observation.values.insert(version, value);
                self.note_claim(observation);
            }
            Look::User(user_id) => {
                let user = ports.users.user(&user_id).await?;
                if let Some(entry) = self.state().entries.get_mut(key) {
                    entry.user = Some((user.id.clone(), user.groups.clone()));
                }
                observation.user = UserSight::Seen(user);
            }
            Look::Topology => {
                let user = seen(observation)?;
                let topology = match self.topology_seen_lately(policy, user) {
                    Some(topology) => topology,
                    None => self.topology(ports, policy, user).await?,
                };
                observation.topology = Some(topology);
            }
            Look::Logins { username, credentials } => {
                self.log_in(ports, policy, observation, &username, credentials).await?;
            }
        }
        Ok(())
    }

    /// Remembers which user the secret names, so that no second secret rotates the same one. A new
    /// claim wakes the others that name that user, or the one before, which rest and would not see it for long.
    fn note_claim(&self, observation: &Observation) {
        let document = observation
            .secret
            .holder(AWSCURRENT)
            .and_then(|current| observation.values.get(current));
        let rivals = match document {
            Some(Ok(document)) => {
                let mut state = self.state();
                let arn = state.entries.key(&observation.secret.arn);
                state.claims.claim(arn, &document.user_arn().to_string())
            }
            Some(Err(_)) => self.state().claims.release(&observation.secret.arn),
            None => Vec::new(),
        };
        for rival in rivals {
            self.wake_secret(&rival);
        }
    }

    async fn topology(&self, ports: &PlacePorts, policy: &Policy, user: &User) -> AwsResult<Topology> {
        match inventory::topology(ports.users.as_ref(), user, &policy.endpoints).await {
            Err(_) if planted(PlantedBug::FailedDiscoveryAsNoNodes) => Ok(Topology::default()),
            Ok(topology) => {
                // Nodes that a policy names are its own: other policies have users in the same groups.
                if policy.endpoints.is_empty() {
                    let seen = (self.clock.monotonic(), topology.clone());
                    self.state().topologies.insert(groups_of(policy, user), seen);
                }
                Ok(topology)
            }
            Err(error) => Err(error),
        }
    }

    /// The nodes of these groups as they were a moment ago, where logins will be made on them: the list
    /// is read anew after those, and must be the same. Whatever rests on the list alone reads it.
    fn topology_seen_lately(&self, policy: &Policy, user: &User) -> Option<Topology> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        state
            .topologies
            .retain(|_, (seen_at, _)| now.saturating_sub(*seen_at) < TOPOLOGY_SERVES);
        let (_, topology) = state.topologies.get(&groups_of(policy, user))?;
        let asked = policy.verify == Verify::Login && user.on && policy.endpoints.is_empty();
        let usable = topology.refusal.is_none() && topology.nodes.iter().any(|node| node.available);
        (asked && usable).then(|| topology.clone())
    }

    /// One round of logins on every available node, and a look whether the nodes are still the
    /// same afterwards.
    async fn log_in(
        &self,
        ports: &PlacePorts,
        policy: &Policy,
        observation: &mut Observation,
        username: &str,
        credentials: Vec<(Credential, BTreeSet<Endpoint>)>,
    ) -> AwsResult<()> {
        let before = observation.topology.clone().unwrap_or_default();
        let nodes: Vec<&Node> = before.nodes.iter().filter(|node| node.available).collect();
        let logins = self
            .login_round(policy, observation, username, credentials, &nodes)
            .await?;
        let after = self.topology(ports, policy, seen(observation)?).await?;
        observation.nodes_changed = after != before;
        observation.topology = Some(after);
        // What this observation has been told before stands: only other passwords are asked about later.
        observation.logins.extend(logins);
        Ok(())
    }

    pub(super) fn password(
        &self,
        policy: &Policy,
        observation: &Observation,
        credential: &Credential,
    ) -> Option<Password> {
        match credential {
            Credential::Version(version) => observation.values.get(version)?.as_ref().ok()?.password().cloned(),
            Credential::Random => Some(self.new_password(policy)),
        }
    }

    pub(super) fn new_password(&self, policy: &Policy) -> Password {
        let mut randomness = self.randomness.lock().unwrap_or_else(PoisonError::into_inner);
        Password::generate(&policy.password.alphabet, policy.password.length, randomness.as_mut())
    }
}

fn seen(observation: &Observation) -> AwsResult<&User> {
    match &observation.user {
        UserSight::Seen(user) => Ok(user),
        UserSight::Unseen => Err(AwsError::internal("DescribeUsers", "the user was not looked at")),
    }
}

/// The place and the groups whose nodes are a user's.
fn groups_of(policy: &Policy, user: &User) -> (String, BTreeSet<String>) {
    (policy.place.clone(), user.groups.clone())
}
