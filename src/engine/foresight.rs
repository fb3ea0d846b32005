//! What the daemon would decide, by an engine that has no way to AWS: others read for it, and it decides upon that with
//! the very rules of a drive. Its records are a copy in memory, so that nothing it notes lasts.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::TryRngCore;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use crate::audit::Trail;
use crate::aws::{AwsError, AwsResult, ListedSecret, PlaceReaders};
use crate::clock::SharedClock;
use crate::config::{Config, StateLocation};
use crate::inventory;
use crate::login::Login;
use crate::metrics::Metrics;
use crate::policy::Policy;
use crate::rotation::observation::{AWSCURRENT, Node, Observation, UserSight};
use crate::rotation::plan::{Decision, Look};
use crate::rotation::state::Record;
use crate::rotation::step::Step;
use crate::store::memory::MemoryStore;
use crate::store::ownership::Sole;
use crate::store::{Store, StoreError};

use super::ending::Ending;
use super::{Adapters, Engine};

/// How many decisions may rest on one observation. Far more than any plan needs: it bounds a defect.
const DECISIONS: u32 = 64;

/// An engine that can only think.
pub struct Foresight {
    engine: Arc<Engine>,
}

/// A secret that a policy has.
#[derive(Clone)]
pub struct Candidate {
    /// Its ARN and name.
    pub secret: ListedSecret,
    /// Its policy.
    pub policy: Arc<Policy>,
    /// The policies that have it, too.
    pub other_policies: Vec<String>,
}

impl Foresight {
    /// One that knows these records, and no secret yet.
    ///
    /// # Errors
    /// None that a store in memory can have.
    pub async fn new(
        config: Config,
        records: Vec<Record>,
        login: Arc<dyn Login>,
        clock: SharedClock,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StoreError> {
        let shared = matches!(config.daemon.state, StateLocation::DynamoDb { .. });
        let store = MemoryStore::standing_for_shared(shared);
        for record in records {
            store.save(&record, &[]).await?;
        }
        let adapters = Adapters {
            places: BTreeMap::new(),
            login,
            store: Arc::new(store),
            ownership: Arc::new(Sole),
            audit: Arc::new(Trail::to_log(clock.clone(), metrics.clone())),
            clock,
            randomness: Box::new(rand::rngs::OsRng.unwrap_err()),
            metrics,
        };
        let engine = Engine::new(config, adapters).await?;
        Ok(Self { engine })
    }

    /// A policy has these secrets.
    pub async fn found(&self, policy: &str, secrets: impl IntoIterator<Item = ListedSecret>) {
        let Some(policy) = self.engine.policy(policy) else {
            return;
        };
        for secret in secrets {
            let adopted = self.engine.adopt(&policy, &secret);
            adopted.with_subscriber(NoSubscriber::default()).await;
        }
        self.engine.state().to_discover.remove(&policy.name);
    }

    /// Every policy has been asked for its secrets. Gives them all.
    pub fn candidates(&self) -> Vec<Candidate> {
        let mut state = self.engine.state();
        let running = self.engine.running();
        for place in running.places.keys() {
            self.engine.survey(&mut state, place, false);
        }
        let found = state.entries.values();
        let found = found.filter(|entry| !entry.is_only_remembered() && !entry.is_leaving());
        let candidate = |entry: &super::entry::Entry| {
            Some(Candidate {
                secret: ListedSecret {
                    arn: entry.secret.arn.to_string(),
                    name: entry.secret.name.clone(),
                },
                policy: running.policy(&entry.policy)?.clone(),
                other_policies: entry.other_policies(),
            })
        };
        found.filter_map(candidate).collect()
    }

    /// Begins an observation: labels and versions.
    ///
    /// # Errors
    /// The first read that failed.
    pub async fn observe(&self, readers: &PlaceReaders, secret_arn: &str) -> AwsResult<Observation> {
        let taken = self.engine.taken();
        Ok(Observation::new(taken, readers.secrets.secret(secret_arn).await?))
    }

    /// Notes which user a secret names, as the first look at it does.
    pub fn note_user(&self, observation: &Observation) {
        let arn = &observation.secret.arn;
        let value = observation
            .secret
            .holder(AWSCURRENT)
            .and_then(|current| observation.values.get(current));
        let mut state = self.engine.state();
        if let Some(Ok(document)) = value {
            state.claims.claim(arn.as_str(), &document.user_arn().to_string());
        }
        self.engine.looked(&mut state, arn, true);
    }

    /// The secrets that name which user, as far as was read.
    pub fn claims(&self) -> crate::rotation::plan::Claims {
        self.engine.state().claims.clone()
    }

    /// Adds one look to an observation, as a drive does.
    ///
    /// # Errors
    /// The read that failed.
    pub async fn look(
        &self,
        readers: &PlaceReaders,
        policy: Option<&Policy>,
        observation: &mut Observation,
        look: Look,
    ) -> AwsResult<()> {
        let without = || AwsError::internal("a look", "it needs the secret's policy");
        match look {
            Look::Value(version) => {
                let value = readers.secrets.value(&observation.secret.arn, &version).await?;
                observation.values.insert(version, value);
            }
            Look::User(user_id) => observation.user = UserSight::Seen(readers.users.user(&user_id).await?),
            Look::Topology => {
                let topology = topology(readers, policy.ok_or_else(without)?, observation).await?;
                observation.topology = Some(topology);
            }
            Look::Logins { username, credentials } => {
                let policy = policy.ok_or_else(without)?;
                let before = observation.topology.clone().unwrap_or_default();
                let nodes: Vec<&Node> = before.nodes.iter().filter(|node| node.available).collect();
                let round = self
                    .engine
                    .login_round(policy, observation, &username, credentials, &nodes);
                let logins = round.await?;
                let after = topology(readers, policy, observation).await?;
                observation.nodes_changed = after != before;
                observation.topology = Some(after);
                observation.logins.extend(logins);
            }
        }
        Ok(())
    }

    /// What the daemon would decide about a secret, with all that is known of the others. A secret that would begin
    /// has its place from then on, as one that has begun.
    ///
    /// Without readers, the look that it would take before it begins counts as its decision.
    ///
    /// # Errors
    /// The read that failed.
    pub async fn decide(
        &self,
        candidate: &Candidate,
        readers: Option<&PlaceReaders>,
        observation: &mut Observation,
    ) -> AwsResult<Decision> {
        let key = candidate.secret.arn.as_str();
        self.engine.state().drive_begins(key, self.engine.clock.now());
        let decided = self.deliberate(candidate, readers, observation);
        let decided = decided.with_subscriber(NoSubscriber::default()).await;
        let ending = match &decided {
            Ok(Decision::Act(_) | Decision::Look(_)) => return decided,
            Ok(still) => Ending::Decision(still.clone()),
            Err(error) => Ending::Failed(Step::Observe, error.clone()),
        };
        self.conclude(candidate, ending).await;
        decided
    }

    /// Notes that a secret cannot be looked at.
    pub async fn failed(&self, candidate: &Candidate, error: &AwsError) {
        self.conclude(candidate, Ending::Failed(Step::Observe, error.clone()))
            .await;
    }

    /// Takes their places back from all that have begun, so that all can be decided about again.
    pub fn begin_anew(&self, candidates: &[Candidate]) {
        let mut state = self.engine.state();
        for candidate in candidates {
            state.drive_ends(&candidate.secret.arn, false);
        }
    }

    /// What is remembered of a secret by now.
    pub fn record(&self, secret_arn: &str) -> Option<Arc<Record>> {
        self.engine.record_of(secret_arn)
    }

    async fn deliberate(
        &self,
        candidate: &Candidate,
        readers: Option<&PlaceReaders>,
        observation: &mut Observation,
    ) -> AwsResult<Decision> {
        let (key, policy) = (candidate.secret.arn.as_str(), &candidate.policy);
        for _ in 0..DECISIONS {
            let record = self.engine.record_of(key);
            let decision = record.and_then(|record| self.engine.decide(key, policy, observation, &record));
            match (decision, readers) {
                (Some(Decision::Look(look)), Some(readers)) => {
                    self.look(readers, Some(policy), observation, look).await?;
                }
                (Some(Decision::Note(event)), _) => {
                    let noted = self.engine.record(key, event).await;
                    noted.map_err(|error| AwsError::internal("a decision", &error.to_string()))?;
                }
                (Some(decision), _) => return Ok(decision),
                (None, _) => return Err(AwsError::internal("a decision", "the secret is not known")),
            }
        }
        Err(AwsError::internal("a decision", "there is none after many looks"))
    }

    async fn conclude(&self, candidate: &Candidate, ending: Ending) {
        let (key, policy) = (&candidate.secret.arn, &candidate.policy);
        let concluded = self.engine.conclude(key, policy, ending);
        // A store in memory does not fail; if it did, what others need of this secret would only be older.
        let _ = concluded.with_subscriber(NoSubscriber::default()).await;
        let mut state = self.engine.state();
        state.drive_ends(key, false);
        self.engine.member_changed(&mut state, key);
    }
}

async fn topology(
    readers: &PlaceReaders,
    policy: &Policy,
    observation: &Observation,
) -> AwsResult<crate::rotation::observation::Topology> {
    match &observation.user {
        UserSight::Seen(user) => inventory::topology(readers.users.as_ref(), user, &policy.endpoints).await,
        UserSight::Unseen => Err(AwsError::internal("DescribeUsers", "the user was not looked at")),
    }
}
