//! Doing all requests, many at once: each waits for minutes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cli::rotator::ByDaemon;
use crate::cli::{Session, denied};
use crate::iam::Purpose;
use crate::onboard::execute::{Failure, FirstRotation, Onboarder, Rotator};
use crate::onboard::{Shown, words};

use super::report::{Item, Outcome};
use super::{Around, Task};

/// How many go on at once: enough to hide their waits, few enough for the budgets of calls.
const AT_ONCE: usize = 64;

/// The results, in the order of the requests.
pub(super) async fn all(
    around: Arc<Around>,
    tasks: Vec<Task>,
    rotator: Option<Arc<ByDaemon>>,
    told: Arc<Session>,
    patience: Duration,
) -> Vec<Item> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    let mut items: Vec<Item> = tasks.iter().map(Item::planned).collect();
    for (at, task) in tasks.into_iter().enumerate() {
        let (around, rotator, told, turns) = (around.clone(), rotator.clone(), told.clone(), turns.clone());
        running.spawn(async move {
            // The semaphore is never closed, so there is always a turn.
            let _turn = turns.acquire().await;
            (at, one(&around, &task, rotator.as_deref(), &told, patience).await)
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

async fn one(around: &Around, task: &Task, rotator: Option<&ByDaemon>, told: &Session, patience: Duration) -> Item {
    let mut item = Item::planned(task);
    let request = &task.request;
    let policy = around.config.policies.get(&request.policy);
    let place = policy.and_then(|policy| around.config.places.get(&policy.place));
    let ports = around.eyes(&request.policy).zip(around.hands(&request.policy));
    let (Some(policy), Some(place), Some((eyes, hands)), Ok(_)) = (policy, place, ports, &task.planned) else {
        return item;
    };
    let tell = |line: &str| told.tell(&format!("{}: {line}", request.user_id));
    let nobody = Nobody;
    let onboarder = Onboarder {
        eyes,
        hands,
        login: &around.login,
        clock: around.clock.clone(),
        place,
        policy,
        rotator: rotator.map_or(&nobody as &dyn Rotator, |rotator| rotator),
        tell: &tell,
        patience,
    };
    let mut done = Vec::new();
    let shown = onboarder.onboard(request, &mut done).await;
    item.steps = done.iter().map(|action| words(action, request)).collect();
    item.result = match (&shown, done.is_empty()) {
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
