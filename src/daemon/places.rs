//! The connections to places.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::aws::{PlacePorts, Share};
use crate::clock::SharedClock;
use crate::metrics::Metrics;
use crate::policy::Place;
use crate::store::ownership::Ownership;

/// The part of the budgets of calls to AWS that is this process's: replicas of a table share them.
pub(super) fn share_of(ownership: &Arc<dyn Ownership>) -> Share {
    let ownership = ownership.clone();
    Arc::new(move || ownership.part())
}

/// The ports to each place, by its name. Asks AWS for nothing; files and the environment of each
/// place are read at the same time.
pub(super) async fn connect_all(
    places: Vec<Place>,
    clock: &SharedClock,
    metrics: &Arc<Metrics>,
    share: &Share,
) -> BTreeMap<String, PlacePorts> {
    let http = crate::aws::http_client();
    let mut connecting = tokio::task::JoinSet::new();
    for place in places {
        let (http, clock, metrics) = (http.clone(), clock.clone(), metrics.clone());
        let share = share.clone();
        connecting.spawn(async move {
            let ports = crate::aws::connect_through(&http, &place, clock, metrics, &share).await;
            (place.name, ports)
        });
    }
    connecting.join_all().await.into_iter().collect()
}
