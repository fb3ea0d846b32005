//! A sandbox of its own for the Rust door, with a clock that is moved by hand.

use chrono::{DateTime, TimeDelta};
use rekeyd_sandbox::elasticache::{CreateReplicationGroup, CreateUser, CreateUserGroup};
use rekeyd_sandbox::{CallContext, ManualClock, Sandbox, Settings};

use crate::support::OLD;

/// An empty sandbox with these settings.
pub fn sandbox(patch: &serde_json::Value) -> (Sandbox, ManualClock, CallContext) {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH + TimeDelta::days(20_000));
    let settings = Settings::default().patched(patch).unwrap();
    (Sandbox::new(clock.clone(), 7, settings), clock, CallContext::default())
}

/// The user `u`, who is called `name`, in the group `g`.
pub async fn with_group(
    patch: &serde_json::Value,
    name: &str,
    engine: &str,
    members: &[&str],
) -> (Sandbox, ManualClock, CallContext) {
    let (sandbox, clock, ctx) = sandbox(patch);
    let user = CreateUser {
        user_id: "u".into(),
        user_name: name.into(),
        engine: engine.into(),
        access_string: "on ~* +@all".into(),
        passwords: Some(vec![OLD.into()]),
        ..CreateUser::default()
    };
    sandbox.create_user(&ctx, user).await.unwrap();
    let group = CreateUserGroup {
        user_group_id: "g".into(),
        engine: engine.into(),
        user_ids: Some(members.iter().map(|&id| id.into()).collect()),
        ..CreateUserGroup::default()
    };
    sandbox.create_user_group(&ctx, group).await.unwrap();
    (sandbox, clock, ctx)
}

/// The same with the replication group `rg` of one shard with so many nodes.
pub async fn with_cache(patch: &serde_json::Value, name: &str, nodes: i64) -> (Sandbox, ManualClock, CallContext) {
    let (sandbox, clock, ctx) = with_group(patch, name, "redis", &["default", "u"]).await;
    let cache = CreateReplicationGroup {
        replication_group_id: "rg".into(),
        replication_group_description: "d".into(),
        num_cache_clusters: Some(nodes),
        transit_encryption_enabled: Some(true),
        user_group_ids: Some(vec!["g".into()]),
        ..CreateReplicationGroup::default()
    };
    sandbox.create_replication_group(&ctx, cache).await.unwrap();
    (sandbox, clock, ctx)
}
