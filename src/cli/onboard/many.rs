//! Doing all requests, many at once: each waits for minutes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::audit::command::CommandTrail;
use crate::audit::{self, Change, Subject};
use crate::cli::rotator::ByDaemon;
use crate::cli::{Session, denied};
use crate::iam::Purpose;
use crate::onboard::execute::{Failure, FirstRotation, Onboarder, Rotator};
use crate::onboard::{Shown, words};

use super::report::{Item, Outcome};
use super::{Around, Task};

/// How many go on at once: enough to hide their waits, few enough for the budgets of calls.
const AT_ONCE: usize = 64;

/// What it takes to do any of them.
pub(super) struct Common {
    pub(super) around: Arc<Around>,
    pub(super) audit: CommandTrail,
    pub(super) rotator: Option<ByDaemon>,
    pub(super) told: Session,
    pub(super) patience: Duration,
}

/// The results, in the order of the requests.
pub(super) async fn all(common: Arc<Common>, tasks: Vec<Task>) -> Vec<Item> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    let mut items: Vec<Item> = tasks.iter().map(Item::planned).collect();
    for (at, task) in tasks.into_iter().enumerate() {
        let (common, turns) = (common.clone(), turns.clone());
        running.spawn(async move {
            // The semaphore is never closed, so there is always a turn.
            let _turn = turns.acquire().await;
            (at, common.announced(&task).await)
        });
    }
    while let Some(ended) = running.join_next().await {
        if let Ok((at, item)) = ended
            && let Some(place) = items.get_mut(at)
        {
            *place = item;
        }
    }
    items
}

impl Common {
    /// Does one, between two lines of the audit log if anything is to be changed.
    async fn announced(&self, task: &Task) -> Item {
        let request = &task.request;
        if !task.planned.as_ref().is_ok_and(|actions| !actions.is_empty()) {
            return self.one(task).await;
        }
        let policy = self.around.config.policies.get(&request.policy);
        let about = Subject {
            policy: Some(request.policy.clone()),
            place: policy.map(|policy| policy.place.clone()),
            secret: Some(request.secret.clone()),
            request: Some(request.told()),
            ..Subject::default()
        };
        let begun = match self.audit.begin(Change::Onboard, about).await {
            Ok(begun) => begun,
            Err(error) => return Item::planned(task).failed(error.to_string()),
        };
        let item = self.one(task).await;
        let outcome = item.result.audited();
        let error = item.detail.clone().filter(|_| outcome != audit::Outcome::Done);
        self.audit.end(&begun, outcome, error).await;
        item
    }

    async fn one(&self, task: &Task) -> Item {
        let (around, request) = (&self.around, &task.request);
        let item = Item::planned(task);
        let policy = around.config.policies.get(&request.policy);
        let place = policy.and_then(|policy| around.config.places.get(&policy.place));
        let ports = around.eyes(&request.policy).zip(around.hands(&request.policy));
        let (Some(policy), Some(place), Some((eyes, hands)), Ok(_)) = (policy, place, ports, &task.planned) else {
            return item;
        };
        let tell = |line: &str| self.told.tell(&format!("{}: {line}", request.user_id));
        let nobody = Nobody;
        let onboarder = Onboarder {
            eyes,
            hands,
            login: &around.login,
            clock: around.clock.clone(),
            place,
            policy,
            audit: &self.audit,
            rotator: self.rotator.as_ref().map_or(&nobody, |rotator| rotator as &dyn Rotator),
            tell: &tell,
            patience: self.patience,
        };
        let mut done = Vec::new();
        let shown = onboarder.onboard(request, &mut done).await;
        let steps = done.iter().map(|action| words(action, request)).collect();
        came_of_it(Item { steps, ..item }, shown)
    }
}

fn came_of_it(mut item: Item, shown: Result<Shown, Failure>) -> Item {
    item.result = match (&shown, item.steps.is_empty()) {
        (Ok(_), true) => Outcome::AlreadyDone,
        (Ok(_), false) => Outcome::Done,
        (Err(Failure::Refused(_)), true) => Outcome::Refused,
        (Err(_), _) => Outcome::Failed,
    };
    match shown {
        Ok(Shown::Proven { nodes, endpoints }) => {
            item.proof = Some(Shown::Proven { nodes, endpoints }.label());
            item.nodes = Some(nodes);
        }
        Ok(shown) => {
            item.proof = Some(shown.label());
            item.detail = match shown {
                Shown::Unproven(reason) => Some(reason.to_string()),
                _ => None,
            };
        }
        Err(Failure::Aws(error)) => item.detail = Some(denied::told(&error, Purpose::Onboard)),
        Err(failure) => item.detail = Some(failure.to_string()),
    }
    item
}

/// Who rotates where a first look found nothing to rotate.
struct Nobody;

#[async_trait]
impl Rotator for Nobody {
    async fn rotate(&self, _: &FirstRotation) -> Result<(), String> {
        Err("the secret was changed since the first look; run this again".to_owned())
    }
}
