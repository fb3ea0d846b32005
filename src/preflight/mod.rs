//! What the daemon would do, and what would keep it from doing it, by looking only: `rekeyd plan`.
//!
//! ```text
//!   discover ─► observe all ─► rehearse each ─► decide about all ─► judge ─► Outlook
//!               whom each      a rotation at     as the daemon       pure
//!               names          once, in thought
//! ```
//!
//! Nothing here knows the rules of a rotation. Each secret's next decision is the engine's own ([`Foresight`]), and what
//! a rotation would be refused for is found by asking [`crate::rotation::plan`] for one at once (`rehearsal`), over and
//! over, each time as if the refusal before were mended. `looking` reads what that asks for, `judgement` turns it into
//! checks, `advice` and `failed_call` say what to do, `outlook` is what is shown.
//!
//! It holds readers only: [`PlaceReaders`] has no way to change anything.

mod advice;
mod check;
mod failed_call;
mod judgement;
mod looking;
mod nodes;
mod outlook;
mod rehearsal;
mod steps;
#[cfg(test)]
mod testing;
mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::aws::{AwsError, PlaceReaders};
use crate::clock::{SharedClock, Timestamp};
use crate::config::Config;
use crate::engine::{Candidate, Foresight};
use crate::inventory::Discovery;
use crate::login::{Login, Reach};
use crate::metrics::Metrics;
use crate::rotation::observation::Observation;
use crate::rotation::plan::{Claims, Decision, dues};
use crate::rotation::state::Record;
use crate::store::StoreError;

pub use check::{Check, Checked, Outcome};
pub use outlook::{Due, DueFor, Moment, Outlook, SecretOutlook, Totals, Verdict};
pub use steps::PlannedStep;

use looking::Looker;
use trouble::{Sight, Trouble};

/// How many secrets are looked at at the same time. How many calls a second that may cost is the places' to say.
const AT_ONCE: usize = 64;

/// Everything outside that a preflight works with. None of it can change anything in AWS.
pub struct Adapters {
    /// The readers of each place, by its name.
    pub readers: BTreeMap<String, PlaceReaders>,
    /// Logins, as proofs make them.
    pub login: Arc<dyn Login>,
    /// The way to nodes that nobody logs in on.
    pub reach: Arc<dyn Reach>,
    /// The clock.
    pub clock: SharedClock,
    /// The metrics, which nobody reads.
    pub metrics: Arc<Metrics>,
}

/// Which secrets are asked about.
#[derive(Clone, Default, Debug)]
pub struct Wanted {
    /// Names or ARNs; all if there are none.
    pub secrets: Vec<String>,
    /// Those of this policy only.
    pub policy: Option<String>,
}

impl Wanted {
    fn wants(&self, name: &str, arn: &str, policies: &[&str]) -> bool {
        let named = self.secrets.is_empty() || self.secrets.iter().any(|wanted| wanted == name || wanted == arn);
        let of_policy = self.policy.as_deref().is_none_or(|wanted| policies.contains(&wanted));
        named && of_policy
    }
}

/// Told how many of how many secrets have been looked at.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Send + Sync);

/// Looks at every secret of every policy, and judges those that are asked about.
///
/// All of them are read, because which users the others name decides about each.
///
/// # Errors
/// None that a store in memory can have.
pub async fn look(
    config: &Config,
    records: Vec<Record>,
    adapters: Adapters,
    wanted: &Wanted,
    progress: Progress<'_>,
) -> Result<Outlook, StoreError> {
    let Adapters {
        readers,
        login,
        reach,
        clock,
        metrics,
    } = adapters;
    let at = clock.now();
    let foresight = Foresight::new(config.clone(), records, login, clock.clone(), metrics).await?;
    let looker = Arc::new(Looker {
        foresight,
        reach,
        clock,
        recheck: config.daemon.discovery_interval,
        readers,
        turns: Semaphore::new(AT_ONCE),
    });
    let lost = discover(config, &looker).await;
    let candidates = looker.foresight.candidates();
    let mut looked: Vec<Looked> = observe(&looker, candidates).await;
    for one in &mut looked {
        let policies: Vec<&str> = one.policies().collect();
        let secret = &one.candidate.secret;
        one.wanted = wanted.wants(&secret.name, &secret.arn, &policies);
    }
    rehearse(config, &looker, &mut looked, progress).await;
    decide(&looker, &mut looked, at).await;
    let claims = looker.foresight.claims();
    let mut outlook = Outlook::new(at);
    let at = looker.clock.now();
    for one in looked.iter().filter(|one| one.wanted) {
        outlook.secrets.push(one.judged(config, &looker, &claims, at));
    }
    // What a policy selects and could not be listed may hold any secret that is asked about.
    let lost = lost.into_iter().filter(|(policy, name, _)| match name.as_str() {
        Discovery::SELECTION => wanted.policy.as_ref().is_none_or(|wanted| wanted == policy),
        name => wanted.wants(name, name, &[policy]),
    });
    for (policy, name, error) in lost {
        outlook.add_lost(config, &policy, &name, error);
    }
    outlook.finish();
    Ok(outlook)
}

/// One secret, and what has been found out about it.
struct Looked {
    candidate: Candidate,
    sight: Sight,
    decision: Option<Decision>,
    wanted: bool,
}

impl Looked {
    fn policies(&self) -> impl Iterator<Item = &str> {
        let others = self.candidate.other_policies.iter().map(String::as_str);
        others.chain([self.candidate.policy.name.as_str()])
    }

    /// Asks for the decision about it. One that could not be read is tried again by the daemon.
    async fn decide(&mut self, looker: &Looker) {
        let failure = self.sight.failure().cloned();
        let readers = looker.readers.get(&self.candidate.policy.place);
        let readers = readers.filter(|_| self.wanted && failure.is_none());
        let decided = match &mut self.sight.observation {
            Some(observation) => Some(looker.foresight.decide(&self.candidate, readers, observation).await),
            None => None,
        };
        self.decision = match decided {
            Some(Ok(decision)) if failure.is_none() || !matches!(decision, Decision::Look(_)) => Some(decision),
            Some(Err(error)) => {
                self.sight.add(Trouble::Aws(error));
                None
            }
            Some(Ok(_)) | None => None,
        };
        if let (None, Some(error)) = (&self.decision, failure) {
            looker.foresight.failed(&self.candidate, &error).await;
        }
    }

    fn judged(&self, config: &Config, looker: &Looker, claims: &Claims, at: Timestamp) -> SecretOutlook {
        let record = looker.foresight.record(&self.candidate.secret.arn);
        outlook::SecretView {
            candidate: &self.candidate,
            place: config.places.get(&self.candidate.policy.place),
            paused: config.daemon.paused,
            recheck: config.daemon.discovery_interval,
            sight: &self.sight,
            decision: self.decision.as_ref(),
            record: record.as_deref(),
            claims,
            at,
        }
        .outlook()
    }
}

/// Asks for the secrets of all policies at the same time. Gives what could not be looked up: the policy, the name or
/// [`Discovery::SELECTION`], and why.
async fn discover(config: &Config, looker: &Arc<Looker>) -> Vec<(String, String, AwsError)> {
    let mut asking = JoinSet::new();
    for policy in config.policies.values().cloned() {
        let Some(readers) = looker.readers.get(&policy.place).cloned() else {
            continue;
        };
        asking.spawn(async move {
            let discovery = looking::discover(readers.secrets.as_ref(), &policy.selection).await;
            (policy.name, discovery)
        });
    }
    let mut found: Vec<(String, Discovery)> = asking.join_all().await;
    // A secret that several policies have is the first one's.
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut lost = Vec::new();
    for (policy, discovery) in found {
        let failed = discovery.failed.into_iter();
        lost.extend(failed.map(|(name, error)| (policy.clone(), name, error)));
        looker.foresight.found(&policy, discovery.found).await;
    }
    lost
}

/// Reads every secret, and notes which user each names.
async fn observe(looker: &Arc<Looker>, candidates: Vec<Candidate>) -> Vec<Looked> {
    let mut reading = JoinSet::new();
    for candidate in candidates {
        let looker = looker.clone();
        reading.spawn(async move {
            let sight = looker.observe(&candidate).await;
            (candidate, sight)
        });
    }
    let mut looked = Vec::new();
    for (candidate, sight) in reading.join_all().await {
        if let Some(observation) = &sight.observation {
            looker.foresight.note_user(observation);
        }
        looked.push(Looked {
            candidate,
            sight,
            decision: None,
            wanted: true,
        });
    }
    looked
}

/// Rehearses a rotation of each secret that is asked about.
async fn rehearse(config: &Config, looker: &Arc<Looker>, looked: &mut [Looked], progress: Progress<'_>) {
    let claims = Arc::new(looker.foresight.claims());
    let mut rehearsing = JoinSet::new();
    for (index, one) in looked.iter_mut().enumerate().filter(|(_, one)| one.wanted) {
        let unfinished = AwsError::internal("a rehearsal", "it ended early: please report this");
        let sight = std::mem::replace(&mut one.sight, Sight::failed(Trouble::Aws(unfinished)));
        let (looker, claims, candidate) = (looker.clone(), claims.clone(), one.candidate.clone());
        let place = config.places.get(&candidate.policy.place);
        let region = place.map(|place| place.region.clone()).unwrap_or_default();
        rehearsing.spawn(async move { (index, looker.rehearse(&candidate, &region, &claims, sight).await) });
    }
    let all = rehearsing.len();
    let mut done = 0;
    while let Some(ended) = rehearsing.join_next().await {
        if let Ok((index, sight)) = ended
            && let Some(one) = looked.get_mut(index)
        {
            one.sight = sight;
        }
        done += 1;
        progress(done, all);
    }
}

/// Asks for the decision about every secret, who may begin first being asked first. Twice, because a policy with too
/// many secrets in trouble begins nothing, and which are in trouble the first round finds out.
async fn decide(looker: &Looker, looked: &mut [Looked], at: Timestamp) {
    let begins = |one: &Looked| {
        let record = looker.foresight.record(&one.candidate.secret.arn)?;
        let dues = dues(one.sight.observation.as_ref()?, &record, &one.candidate.policy, at)?;
        dues.begins_at
    };
    looked.sort_by_cached_key(|one| {
        (
            begins(one).unwrap_or(Timestamp::MAX_UTC),
            one.candidate.secret.arn.clone(),
        )
    });
    for _ in 0..2 {
        let candidates: Vec<Candidate> = looked.iter().map(|one| one.candidate.clone()).collect();
        looker.foresight.begin_anew(&candidates);
        for one in looked.iter_mut() {
            one.decide(looker).await;
        }
    }
    for one in looked.iter_mut() {
        if let Some(trouble) = one.decision.as_ref().and_then(Trouble::of) {
            one.sight.add(trouble);
        }
    }
    looked.sort_by(|a, b| {
        let key = |one: &Looked| (one.candidate.policy.name.clone(), one.candidate.secret.name.clone());
        key(a).cmp(&key(b))
    });
}

/// The document under AWSCURRENT, if it was read and can be worked with.
fn document(observation: &Observation) -> Option<&crate::secret::SecretDocument> {
    let current = observation.secret.holder(crate::rotation::observation::AWSCURRENT)?;
    observation.values.get(current)?.as_ref().ok()
}
