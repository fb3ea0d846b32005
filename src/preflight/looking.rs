//! Reading what a preflight asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::aws::{AwsError, AwsResult, PlaceReaders, SecretsReader};
use crate::certificates;
use crate::clock::SharedClock;
use crate::engine::{Candidate, Foresight};
use crate::inventory::{self, Discovery};
use crate::login::Reach;
use crate::policy::{Endpoint, Policy, Selection, Verify};
use crate::rotation::observation::{
    AWSCURRENT, Answers, Authentication, Credential, LoginAnswer, Observation, User, UserSight,
};
use crate::rotation::plan::{Claims, Look};
use crate::rotation::reason::HaltReason;

use super::document;
use super::rehearsal::{LOOKS, Next, Rehearsal, Surroundings};
use super::trouble::{Sight, Trouble};

/// How often a read is tried that may succeed a little later.
const TRIES: u32 = 3;

/// How long after the first failure it is tried again; twice that after the second.
const PAUSE: Duration = Duration::from_millis(500);

/// Who reads.
pub(super) struct Looker {
    pub(super) foresight: Foresight,
    pub(super) reach: Arc<dyn Reach>,
    pub(super) clock: SharedClock,
    pub(super) recheck: Duration,
    pub(super) readers: BTreeMap<String, PlaceReaders>,
    /// How many secrets may be looked at at the same time.
    pub(super) turns: Semaphore,
}

impl Looker {
    /// The secret, its versions and its current document.
    pub(super) async fn observe(&self, candidate: &Candidate) -> Sight {
        // Never closed, so there is always a turn.
        let _turn = self.turns.acquire().await;
        let mut observation = match self.secret(candidate).await {
            Ok(observation) => observation,
            Err(error) => return Sight::failed(Trouble::Aws(error)),
        };
        let current = observation.secret.holder(AWSCURRENT).map(str::to_owned);
        let mut failure = None;
        if let (Some(current), None, Ok(readers)) =
            (current, observation.secret.deleted, self.readers_of(&candidate.policy))
        {
            let look = Look::Value(current);
            failure = self
                .read(readers, &candidate.policy, &mut observation, look)
                .await
                .err();
        }
        let mut sight = Sight::of(observation);
        failure.into_iter().for_each(|error| sight.add(Trouble::Aws(error)));
        sight
    }

    async fn secret(&self, candidate: &Candidate) -> AwsResult<Observation> {
        let readers = self.readers_of(&candidate.policy)?;
        let arn = &candidate.secret.arn;
        for attempt in 1..TRIES {
            match self.foresight.observe(readers, arn).await {
                Err(error) if error.passes_by_itself() => tokio::time::sleep(PAUSE * attempt).await,
                result => return result,
            }
        }
        self.foresight.observe(readers, arn).await
    }

    /// Rehearses a rotation, and then looks at what that left out.
    pub(super) async fn rehearse(
        &self,
        candidate: &Candidate,
        region: &str,
        claims: &Claims,
        mut sight: Sight,
    ) -> Sight {
        if sight.failure().is_some() {
            return sight;
        }
        let _turn = self.turns.acquire().await;
        let (Some(mut observation), Ok(readers)) = (sight.observation.take(), self.readers_of(&candidate.policy))
        else {
            return sight;
        };
        let record = self.foresight.record(&candidate.secret.arn);
        if let Some(record) = record {
            let now = self.clock.now();
            let surroundings = Surroundings {
                policy: &candidate.policy,
                region,
                claims,
                other_policies: &candidate.other_policies,
                recheck: self.recheck,
                now,
            };
            let mut rehearsal = Rehearsal::new(&record, &observation, now);
            for _ in 0..LOOKS {
                match rehearsal.next(&observation, &surroundings) {
                    Next::Look(look) => {
                        if let Err(error) = self.read(readers, &candidate.policy, &mut observation, look).await {
                            sight.add(Trouble::Aws(error));
                            break;
                        }
                    }
                    Next::Noted(trouble) => sight.add(trouble),
                    Next::Over(trouble) => {
                        trouble.into_iter().for_each(|trouble| sight.add(trouble));
                        break;
                    }
                }
            }
        }
        self.complete(readers, &candidate.policy, &mut observation, &mut sight)
            .await;
        self.go_to_nodes(&candidate.policy, &observation, &mut sight).await;
        sight.observation = Some(observation);
        sight
    }

    /// Looks at the user, its nodes and its current password, if the rehearsal ended before it came to them.
    async fn complete(
        &self,
        readers: &PlaceReaders,
        policy: &Policy,
        observation: &mut Observation,
        sight: &mut Sight,
    ) {
        while let Some(look) = what_is_missing(observation, policy, &sight.troubles) {
            if let Err(error) = self.read(readers, policy, observation, look).await {
                sight.add(Trouble::Aws(error));
                return;
            }
        }
    }

    /// Goes to the nodes on which nobody could log in, or nobody tried, at the same time.
    async fn go_to_nodes(&self, policy: &Policy, observation: &Observation, sight: &mut Sight) {
        if policy.verify == Verify::ApiOnly {
            return;
        }
        let mut ways = JoinSet::new();
        for node in unanswered(observation) {
            let (reach, tls) = (self.reach.clone(), policy.tls.clone());
            ways.spawn(async move {
                let way = reach.reach(&node, &tls).await;
                (node, way)
            });
        }
        sight.paths = ways.join_all().await.into_iter().collect();
        if let Some(file) = &policy.tls.ca_file
            && let Ok(pem) = tokio::fs::read(file).await
        {
            sight.roots = certificates::doubt(&pem, self.clock.now());
        }
    }

    async fn read(
        &self,
        readers: &PlaceReaders,
        policy: &Policy,
        observation: &mut Observation,
        look: Look,
    ) -> AwsResult<()> {
        for attempt in 1..TRIES {
            match self
                .foresight
                .look(readers, Some(policy), observation, look.clone())
                .await
            {
                Err(error) if error.passes_by_itself() => tokio::time::sleep(PAUSE * attempt).await,
                result => return result,
            }
        }
        self.foresight.look(readers, Some(policy), observation, look).await
    }

    fn readers_of(&self, policy: &Policy) -> AwsResult<&PlaceReaders> {
        let readers = self.readers.get(&policy.place);
        readers.ok_or_else(|| AwsError::internal("a look", "the policy's place is not connected"))
    }
}

/// The secrets of a policy; asks again for all of them if some could not be looked up and may be a little later.
pub(super) async fn discover(reader: &dyn SecretsReader, selection: &Selection) -> Discovery {
    for attempt in 1..TRIES {
        let discovery = inventory::discover(reader, selection).await;
        if !discovery.failed.iter().any(|(_, error)| error.passes_by_itself()) {
            return discovery;
        }
        tokio::time::sleep(PAUSE * attempt).await;
    }
    inventory::discover(reader, selection).await
}

/// The next look that no rehearsal asked for, if more can be learnt: nothing of a user that the secret must not name.
fn what_is_missing(observation: &Observation, policy: &Policy, troubles: &[Trouble]) -> Option<Look> {
    let not_to_be_looked_at = troubles.iter().any(|trouble| match trouble {
        Trouble::Aws(_) => true,
        Trouble::Wait { .. } => false,
        Trouble::Halt { reason, .. } => matches!(
            reason,
            HaltReason::UserArnOtherPartition
                | HaltReason::UserArnOtherRegion
                | HaltReason::UserArnOtherAccount
                | HaltReason::UserNotAllowed
                | HaltReason::UserArnMismatch
        ),
    });
    let document = document(observation).filter(|_| !not_to_be_looked_at)?;
    let UserSight::Seen(user) = &observation.user else {
        return Some(Look::User(document.user_arn().user_id().to_owned()));
    };
    let Some(topology) = &observation.topology else {
        return Some(Look::Topology);
    };
    let current = Credential::Version(observation.secret.holder(AWSCURRENT)?.to_owned());
    let can_log_in = document.password().is_some()
        && takes_logins(user)
        && user.name == document.username()
        && policy.verify == Verify::Login
        && topology.refusal.is_none()
        && topology.nodes.iter().any(|node| node.available);
    let missing = can_log_in && !observation.logins.contains_key(&current);
    missing.then(|| Look::Logins {
        username: document.username().to_owned(),
        credentials: vec![(current, BTreeSet::new())],
    })
}

/// Whether a login of the user with a password can tell anything.
pub(super) fn takes_logins(user: &User) -> bool {
    user.on && user.authentication == Authentication::Password
}

/// The available nodes from which no answer to any login is known.
fn unanswered(observation: &Observation) -> Vec<Endpoint> {
    let Some(topology) = &observation.topology else {
        return Vec::new();
    };
    let available = topology.nodes.iter().filter(|node| node.available);
    let nodes = available.map(|node| &node.endpoint);
    let silent = |node: &&Endpoint| {
        let all = observation.logins.values();
        !all.flat_map(|answers: &Answers| answers.get(*node).into_iter().flatten())
            .any(|answer| matches!(answer, LoginAnswer::Accepted | LoginAnswer::Refused))
    };
    nodes.filter(silent).cloned().collect()
}
