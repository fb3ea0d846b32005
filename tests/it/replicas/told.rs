//! Notifications of replicas that are killed.

use std::collections::{BTreeMap, BTreeSet};

use super::three;
use crate::support::eventually;
use crate::support::receiver::{Receiver, Reply};
use crate::support::status::idle_and_retired;
use crate::support::world::secret_name;

/// The ids of the messages of a type, by the secret that they are about.
fn ids(receiver: &Receiver, kind: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut ids = BTreeMap::<String, BTreeSet<String>>::new();
    for request in receiver.requests().iter().filter(|request| request.kind() == kind) {
        let secret = request.json()["data"]["secret"].as_str().unwrap().to_owned();
        ids.entry(secret).or_default().insert(request.id().to_owned());
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_told_under_one_id_although_the_replicas_that_wrote_it_are_killed() {
    let mut fleet = three(12).await;
    let receiver = Receiver::start();
    // Nobody takes anything while they rotate: whoever is killed leaves all of its messages to others.
    receiver.replies(Reply::status(503));
    let table = fleet
        .world
        .webhook("oncall", &receiver.url(), &["succeeded", "retired"]);
    fleet.more(&table);
    fleet.start_all().await;
    fleet.rotate_all(0).await;
    eventually("some are promoted", || async {
        let promoted = fleet.promoted();
        if promoted >= 3 {
            Ok(())
        } else {
            Err(promoted.to_string())
        }
    })
    .await;
    for replica in [0, 1] {
        fleet.replicas[replica].take().kill().await;
    }
    fleet.start(0);
    fleet.ready(0).await;
    for replica in [0, 2] {
        let replica = &fleet.replicas[replica];
        fleet.wait_statuses(replica, "rotated", idle_and_retired).await;
    }
    receiver.replies(Reply::status(204));
    let expected: BTreeSet<String> = fleet.users.iter().map(|user| secret_name(&user.name)).collect();
    for kind in ["rotation.succeeded", "password.retired"] {
        eventually(&format!("every {kind} arrives"), || async {
            let told: BTreeSet<String> = ids(&receiver, kind).into_keys().collect();
            if told == expected {
                Ok(())
            } else {
                Err(format!("{told:?}"))
            }
        })
        .await;
    }
    eventually("nothing waits any more", || async {
        let metrics = fleet.replicas[2].daemon().get("/metrics").await.body;
        let nothing = "rekeyd_notifications_pending{notify=\"oncall\"} 0";
        if metrics.contains(nothing) {
            Ok(())
        } else {
            Err(metrics)
        }
    })
    .await;
    for kind in ["rotation.succeeded", "password.retired"] {
        let told = ids(&receiver, kind);
        assert!(
            told.values().all(|ids| ids.len() == 1),
            "{kind} under several ids: {told:#?}"
        );
    }
    fleet.end().await;
}
