//! A sandbox in a test of one's own: `rekeyd-sandbox` as a dev-dependency. Run: `cargo run --example dev_dependency`.
//!
//! The code under test would be given `server.url()` as its endpoint. Here the test makes the calls itself, through the
//! Rust door, which faults meet as they meet HTTP.

use rekeyd_sandbox::elasticache::{CreateReplicationGroup, CreateUser, CreateUserGroup, ModifyUser};
use rekeyd_sandbox::{
    Caches, CallContext, CallError, Fault, FaultKind, LoginAnswer, SandboxServer, ServerConfig, Settings,
};

/// What goes wrong: an error of AWS, or of the start.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Starts a sandbox and ends it.
#[tokio::main]
pub async fn main() -> Result<()> {
    let settings = Settings {
        // No processes: nodes live in the model, and `node_accepts` asks them. `Caches::Redis` runs redis-server.
        caches: Caches::Virtual,
        propagation_ms: 0.into(),
        ..Settings::default()
    };
    let config = ServerConfig {
        settings,
        ..ServerConfig::default()
    };
    let server = SandboxServer::start(config).await?;
    println!("{} is the endpoint for any AWS client", server.url());
    a_reply_that_is_lost_was_applied(&server).await?;
    server.shutdown().await;
    Ok(())
}

/// Makes a cache that knows a user, and changes the user's password by a call whose reply never comes.
async fn a_reply_that_is_lost_was_applied(server: &SandboxServer) -> Result<()> {
    let (sandbox, me) = (server.sandbox(), CallContext::default());
    let user = CreateUser {
        user_id: "u".into(),
        user_name: "u".into(),
        engine: "redis".into(),
        access_string: "on ~* +@all".into(),
        passwords: Some(vec!["the-first-password".into()]),
        ..CreateUser::default()
    };
    sandbox.create_user(&me, user).await?;
    let group = CreateUserGroup {
        user_group_id: "g".into(),
        engine: "redis".into(),
        user_ids: Some(vec!["default".into(), "u".into()]),
        ..CreateUserGroup::default()
    };
    sandbox.create_user_group(&me, group).await?;
    let cache = CreateReplicationGroup {
        replication_group_id: "orders".into(),
        replication_group_description: "for the test".into(),
        transit_encryption_enabled: Some(true),
        user_group_ids: Some(vec!["g".into()]),
        ..CreateReplicationGroup::default()
    };
    sandbox.create_replication_group(&me, cache).await?;

    sandbox.set_faults(vec![Fault::next("ModifyUser", FaultKind::ReplyLost)]);
    let change = ModifyUser {
        user_id: "u".into(),
        passwords: Some(vec!["the-second-password".into()]),
        ..ModifyUser::default()
    };
    let answer = sandbox.modify_user(&me, change).await;
    assert!(matches!(answer, Err(CallError::ReplyLost)), "{answer:?}");
    let accepts = |password| sandbox.node_accepts("orders-001", "u", password);
    assert_eq!(accepts("the-second-password"), LoginAnswer::Ok);
    assert_eq!(accepts("the-first-password"), LoginAnswer::WrongPass);
    println!("nobody answered, and the password is another");
    Ok(())
}
