//! Looks: reading what [`crate::rotation::plan`] asks for into the observation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use tokio::task::JoinSet;

use crate::aws::{AwsError, AwsResult, PlacePorts};
use crate::inventory;
use crate::policy::{Endpoint, Policy};
use crate::rotation::observation::{
    AWSCURRENT, Answers, Credential, LoginAnswer, Observation, Taken, Topology, User, UserSight,
};
use crate::rotation::plan::Look;
use crate::secret::Password;

use super::Engine;

impl Engine {
    /// Begins an observation. Its date is taken before the first read is sent.
    pub(super) async fn observe(&self, ports: &PlacePorts, secret_arn: &str) -> AwsResult<Observation> {
        let taken = Taken {
            wall: self.clock.now(),
            monotonic: self.clock.monotonic(),
        };
        Ok(Observation::new(taken, ports.secrets.secret(secret_arn).await?))
    }

    /// Adds one look to an observation.
    pub(super) async fn look(
        &self,
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
            Look::User(user_id) => observation.user = UserSight::Seen(ports.users.user(&user_id).await?),
            Look::Topology => {
                observation.topology = Some(self.topology(ports, policy, seen(observation)?).await?);
            }
            Look::Logins { username, credentials } => {
                self.log_in(ports, policy, observation, &username, credentials).await?;
            }
        }
        Ok(())
    }

    /// Remembers which user the secret names, so that no second secret rotates the same one. A new
    /// claim wakes the others that name that user, which rest and would not see it for long.
    fn note_claim(&self, observation: &Observation) {
        let document = observation
            .secret
            .holder(AWSCURRENT)
            .and_then(|current| observation.values.get(current));
        let rivals = match document {
            Some(Ok(document)) => self
                .state()
                .claims
                .claim(&observation.secret.arn, &document.user_arn().to_string()),
            Some(Err(_)) => {
                self.state().claims.release(&observation.secret.arn);
                Vec::new()
            }
            None => Vec::new(),
        };
        for rival in rivals {
            self.wake_secret(&rival);
        }
    }

    async fn topology(&self, ports: &PlacePorts, policy: &Policy, user: &User) -> AwsResult<Topology> {
        inventory::topology(ports.users.as_ref(), user, &policy.endpoints).await
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
        let nodes: BTreeSet<Endpoint> = before
            .nodes
            .iter()
            .filter(|node| node.available)
            .map(|node| node.endpoint.clone())
            .collect();
        let mut logins: BTreeMap<Credential, Answers> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        for (credential, skipped) in credentials {
            logins.insert(credential.clone(), Answers::new());
            let Some(password) = self.password(policy, observation, &credential) else {
                return Err(AwsError::internal(
                    "a login",
                    "the version to log in with was not read, or has no password",
                ));
            };
            for node in nodes.difference(&skipped).cloned() {
                let (login, tls) = (self.login.clone(), policy.tls.clone());
                let (credential, password, username) = (credential.clone(), password.clone(), username.to_owned());
                tasks.spawn(async move {
                    let answer = login.login(&node, &tls, &username, &password).await;
                    (credential, node, answer)
                });
            }
        }
        while let Some(ended) = tasks.join_next().await {
            let Ok((credential, node, answer)) = ended else {
                return Err(AwsError::internal("a login", "ended without an answer"));
            };
            self.log_answer(observation, &credential, &node, &answer);
            logins.entry(credential).or_default().insert(node, answer);
        }
        let after = self.topology(ports, policy, seen(observation)?).await?;
        observation.nodes_changed = after != before;
        observation.topology = Some(after);
        observation.logins = logins;
        Ok(())
    }

    fn password(&self, policy: &Policy, observation: &Observation, credential: &Credential) -> Option<Password> {
        match credential {
            Credential::Version(version) => observation.values.get(version)?.as_ref().ok()?.password().cloned(),
            Credential::Random => Some(self.new_password(policy)),
        }
    }

    pub(super) fn new_password(&self, policy: &Policy) -> Password {
        let mut randomness = self.randomness.lock().unwrap_or_else(PoisonError::into_inner);
        Password::generate(&policy.password.alphabet, policy.password.length, randomness.as_mut())
    }

    fn log_answer(&self, observation: &Observation, credential: &Credential, node: &Endpoint, answer: &LoginAnswer) {
        let secret = &observation.secret.name;
        let version = match credential {
            Credential::Version(version) => version.as_str(),
            Credential::Random => "made up",
        };
        match answer {
            LoginAnswer::Accepted => tracing::debug!(secret, version, %node, "login accepted"),
            LoginAnswer::Refused => tracing::debug!(secret, version, %node, "login refused"),
            LoginAnswer::Unreachable(cause) => tracing::debug!(secret, version, %node, cause, "no login"),
        }
    }
}

fn seen(observation: &Observation) -> AwsResult<&User> {
    match &observation.user {
        UserSight::Seen(user) => Ok(user),
        UserSight::Unseen => Err(AwsError::internal("DescribeUsers", "the user was not looked at")),
    }
}
