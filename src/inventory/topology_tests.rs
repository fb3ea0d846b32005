use super::super::fakes::{Caches, address, user};
use super::*;

fn shown(topology: &Topology) -> Vec<(&str, &str, bool)> {
    let nodes = topology.nodes.iter();
    nodes
        .map(|node| (node.endpoint.host.as_str(), node.cache.as_str(), node.available))
        .collect()
}

async fn incomplete(caches: &Caches) -> String {
    let error = topology(caches, &user(&["g"]), &[]).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Changing);
    error.to_string()
}

#[tokio::test]
async fn every_node_of_every_cache_behind_every_group_is_listed_once() {
    let caches = Caches::default()
        .group("g1", &["off", "on"], &[])
        .group("g2", &["on"], &[])
        .cache("off", false, &[("off-1", true), ("off-2", false)])
        .cache("on", true, &[("on-1", true), ("on-2", true)]);
    let topology = topology(&caches, &user(&["g1", "g2"]), &[]).await.unwrap();
    assert_eq!(
        shown(&topology),
        [
            ("off-1", "off", true),
            ("off-2", "off", false),
            ("on-1", "on", true),
            ("on-2", "on", true)
        ]
    );
    assert!(topology.refusal.is_none() && topology.nodes.iter().all(|node| node.kind == NodeKind::Node));
    // Each thing is asked for once, although two groups guard one cache.
    assert_eq!(caches.reads.lock().unwrap().len(), 8);
}

#[tokio::test]
async fn a_serverless_cache_shows_its_endpoints() {
    let mut caches = Caches::default().group("g", &[], &["s"]);
    let cache = ServerlessCache {
        name: "s".to_owned(),
        endpoints: vec![address("s"), address("s-reader")],
        available: true,
    };
    caches.serverless.insert("s".to_owned(), cache);
    let topology = topology(&caches, &user(&["g"]), &[]).await.unwrap();
    assert_eq!(shown(&topology), [("s", "s", true), ("s-reader", "s", true)]);
    assert!(
        topology
            .nodes
            .iter()
            .all(|node| node.kind == NodeKind::ServerlessEndpoint)
    );
    caches.serverless.get_mut("s").unwrap().endpoints.clear();
    assert!(incomplete(&caches).await.contains("shows no endpoint"));
}

#[tokio::test]
async fn endpoints_of_the_policy_replace_discovery() {
    let caches = Caches::default();
    let topology = topology(&caches, &user(&["g"]), &[address("b"), address("a")])
        .await
        .unwrap();
    assert_eq!(shown(&topology), [("a", CONFIGURED, true), ("b", CONFIGURED, true)]);
    assert!(caches.reads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_user_without_groups_or_caches_has_no_nodes() {
    let caches = Caches::default().group("g", &[], &[]);
    for groups in [&[][..], &["g"]] {
        assert_eq!(
            topology(&caches, &user(groups), &[]).await.unwrap(),
            Topology::default()
        );
    }
}

#[tokio::test]
async fn a_cache_without_encryption_or_in_a_global_datastore_refuses() {
    let mut caches = Caches::default()
        .group("g", &["rg"], &[])
        .cache("rg", false, &[("rg-1", true)]);
    let found = caches.replicated.get_mut("rg").unwrap();
    found.transit_encryption = false;
    let refused = topology(&caches, &user(&["g"]), &[]).await.unwrap();
    assert_eq!(
        refused.refusal,
        Some((HaltReason::NoTransitEncryption, "rg".to_owned()))
    );
    let found = caches.replicated.get_mut("rg").unwrap();
    found.transit_encryption = true;
    found.global_datastore = Some("global".to_owned());
    let refused = topology(&caches, &user(&["g"]), &[]).await.unwrap();
    assert_eq!(refused.refusal, Some((HaltReason::GlobalDatastore, "rg".to_owned())));
}

#[tokio::test]
async fn a_read_that_fails_half_way_is_an_error_at_every_stage() {
    let whole = || {
        Caches::default()
            .group("g", &["a", "b"], &[])
            .cache("a", false, &[("a-1", true)])
            .cache("b", true, &[("b-1", true)])
    };
    let mut caches = whole();
    caches.groups.clear();
    assert!(topology(&caches, &user(&["g"]), &[]).await.is_err());
    let mut caches = whole();
    caches.replicated.remove("b");
    assert!(topology(&caches, &user(&["g"]), &[]).await.is_err());
    let mut caches = whole();
    caches.clusters.remove("b-1");
    assert!(topology(&caches, &user(&["g"]), &[]).await.is_err());
    let caches = whole().group("g", &["a"], &["gone"]);
    assert!(topology(&caches, &user(&["g"]), &[]).await.is_err());
    assert_eq!(topology(&whole(), &user(&["g"]), &[]).await.unwrap().nodes.len(), 2);
}

#[tokio::test]
async fn a_part_that_is_missing_is_named_and_never_left_out() {
    let whole = || {
        Caches::default()
            .group("g", &["rg"], &[])
            .cache("rg", false, &[("rg-1", true), ("rg-2", true)])
    };
    let group = |change: fn(&mut ReplicationGroup)| {
        let mut caches = whole();
        change(caches.replicated.get_mut("rg").unwrap());
        caches
    };
    let caches = group(|group| drop(group.read_endpoints.pop()));
    assert!(incomplete(&caches).await.contains("rg-2 shows no read endpoint"));
    let caches = group(|group| drop(group.members.pop()));
    assert!(incomplete(&caches).await.contains("rg-2 is no member"));
    let caches = group(|group| group.members.clear());
    assert!(incomplete(&caches).await.contains("no member"));
    let mut caches = whole();
    caches.clusters.get_mut("rg-2").unwrap().nodes.clear();
    assert!(incomplete(&caches).await.contains("rg-2 shows no node"));
}

/// What was asked for last, before the answer was that it is not there.
async fn asked_in_vain(caches: Caches) -> String {
    incomplete(&caches).await;
    let reads = caches.reads.lock().unwrap();
    reads.last().cloned().unwrap_or_default()
}

#[tokio::test]
async fn what_is_listed_and_not_found_is_waited_for() {
    let whole = || {
        Caches::default()
            .group("g", &["rg"], &["s"])
            .cache("rg", true, &[("rg-1", true)])
    };
    assert_eq!(asked_in_vain(Caches::default()).await, "g");
    assert_eq!(asked_in_vain(whole()).await, "s");
    let mut caches = whole().group("g", &["rg"], &[]);
    caches.replicated.clear();
    assert_eq!(asked_in_vain(caches).await, "rg");
    let mut caches = whole().group("g", &["rg"], &[]);
    caches.clusters.clear();
    assert_eq!(asked_in_vain(caches).await, "rg-1");
}
