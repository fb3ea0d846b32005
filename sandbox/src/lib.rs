//! A local AWS that behaves: Secrets Manager and ElastiCache, with real `redis-server` processes as caches.
//!
//! As a dev-dependency it gives each test an AWS of its own, on a free port and gone when it is dropped, for whatever client the
//! code under test has. The test itself needs none: every operation is a method of [`Sandbox`], and what AWS would not
//! tell (which node lets whom in) is there to be asked.
//!
//! ```
//! use rekeyd_sandbox::secretsmanager::{CreateSecret, GetSecretValue};
//! use rekeyd_sandbox::{CallContext, Caches, Fault, FaultKind, SandboxServer, ServerConfig, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings { caches: Caches::Virtual, ..Settings::default() }; // no redis-server needed
//! let server = SandboxServer::start(ServerConfig { settings, ..ServerConfig::default() }).await?;
//! let endpoint = server.url(); // for the client of the code under test
//! assert!(endpoint.starts_with("http://127.0.0.1:"));
//!
//! let (sandbox, me) = (server.sandbox(), CallContext::new("test", "eu-west-1"));
//! let secret = CreateSecret {
//!     name: "greeting".into(),
//!     secret_string: Some("hello".into()),
//!     client_request_token: Some("00000000-0000-0000-0000-000000000001".into()),
//!     ..CreateSecret::default()
//! };
//! let made = sandbox.create_secret(&me, secret).await?;
//! assert!(made.arn.starts_with("arn:aws:secretsmanager:eu-west-1:123456789012:secret:greeting-"));
//!
//! // The next read fails, and the one after that does not.
//! sandbox.set_faults(vec![Fault::next("GetSecretValue", FaultKind::Throttle)]);
//! let read = GetSecretValue { secret_id: "greeting".into(), ..GetSecretValue::default() };
//! let refused = sandbox.get_secret_value(&me, read.clone()).await;
//! assert_eq!(refused.map(drop).map_err(|e| e.code().map(str::to_owned)), Err(Some("ThrottlingException".into())));
//! let value = sandbox.get_secret_value(&me, read).await?;
//! assert_eq!(value.secret_string.as_ref().map(|text| text.expose()), Some("hello"));
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! README.md has the settings, faults and control paths; the program `rekeyd-sandbox` is the same for everybody else.
//!
//! # Inside
//!
//! ```text
//!   HTTP (awsJson 1.1, awsQuery)  ─┐                      ┌─ redis: one process a node, told over a socket
//!                                  ├─► Sandbox ─► core ──►│
//!   Rust: `Sandbox::call`         ─┘   (lock,     (pure)  └─ driver: sleeps until the next event
//!                                       faults' waits)
//! ```
//!
//! `core` holds all state and all rules and does no I/O: time is an argument, randomness is seeded.
//! [`Sandbox`] puts a lock around it and carries out what faults ask for: waiting, losing replies.
//! Two doors lead to it, HTTP and Rust, and nothing but the doors differs between them.
//! Nodes have views of their own of who may log in; a change reaches them one by one, and a process
//! behind a node is made to follow the node's view. What nodes of a cache do together, such as forming
//! a Redis Cluster or changing roles, `core` asks for as an arrangement and `redis` carries out.

mod attached;
mod call;
mod clock;
mod core;
mod dispatch;
mod error;
mod http;
mod inspect;
mod keeper;
mod redis;
mod sandbox;
mod sensitive;
mod server;
mod settings;
mod state_file;
mod typed;

/// What README.md shows of Rust is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use crate::clock::{Clock, ManualClock, SystemClock};
pub use crate::core::account::NodeKey;
pub use crate::core::authorization::{KmsKeyState, Policies, PolicyDefect, PolicyDocument};
pub use crate::core::faults::{ArmedFault, Fault, FaultKind};
pub use crate::core::log::LogEntry;
pub use crate::core::nodes::{LoginAnswer, NodeChange, NodeUserView, NodeView};
pub use crate::core::operation::{Env, Operation, Service};
pub use crate::core::seed::{GlobalSeed, Seed};
pub use crate::core::stranger::{STRANGER, StrangerAct, When};
pub use crate::core::trail::{Change, Happening, Trail};
pub use crate::core::{CallContext, DEFAULT_ACCOUNT};
pub use crate::error::{ApiError, CallError};
pub use crate::inspect::{NodeAnswers, SecretView, UserView, VersionView};
pub use crate::redis::member::NodeError;
pub use crate::sandbox::Sandbox;
pub use crate::sensitive::Sensitive;
pub use crate::server::{SandboxServer, ServerConfig, ServerError};
pub use crate::settings::{
    Caches, Delay, Doubts, EqualPasswords, GroupCollisions, Never, NoPasswordSpelling, Quotas, Range, SetAuthToken,
    Settings, SettingsError, Switch, WrongRemoveFromCode, switches,
};
pub use crate::state_file::StateFileError;

/// Inputs and outputs of the ElastiCache operations.
pub mod elasticache {
    pub use crate::core::cache::cache_clusters::*;
    pub use crate::core::cache::clusters::*;
    pub use crate::core::cache::create_user::CreateUser;
    pub use crate::core::cache::delete_user::DeleteUser;
    pub use crate::core::cache::describe_events::*;
    pub use crate::core::cache::describe_users::*;
    pub use crate::core::cache::failover::TestFailover;
    pub use crate::core::cache::globals::*;
    pub use crate::core::cache::groups::*;
    pub use crate::core::cache::looks::*;
    pub use crate::core::cache::model::Tag;
    pub use crate::core::cache::modify_cache::ModifyReplicationGroup;
    pub use crate::core::cache::modify_group::ModifyUserGroup;
    pub use crate::core::cache::modify_user::ModifyUser;
    pub use crate::core::cache::passwords::AuthenticationMode;
    pub use crate::core::cache::replication::{CreateReplicationGroup, DeleteReplicationGroup, OneReplicationGroup};
    pub use crate::core::cache::scaling::{ConfigureShard, DecreaseReplicaCount, IncreaseReplicaCount};
    pub use crate::core::cache::serverless::*;
    pub use crate::core::cache::show_serverless::*;
    pub use crate::core::cache::tags::*;
}

/// Inputs and outputs of the Secrets Manager operations.
pub mod secretsmanager {
    pub use crate::core::secrets::batch::*;
    pub use crate::core::secrets::create::{CreateSecret, CreateSecretOutput};
    pub use crate::core::secrets::delete::*;
    pub use crate::core::secrets::describe::*;
    pub use crate::core::secrets::filters::SecretFilter;
    pub use crate::core::secrets::get::{GetSecretValue, GetSecretValueOutput};
    pub use crate::core::secrets::list::{ListSecrets, ListSecretsOutput, SecretListEntry};
    pub use crate::core::secrets::model::SecretTag;
    pub use crate::core::secrets::password::*;
    pub use crate::core::secrets::policies::*;
    pub use crate::core::secrets::policy_document::PolicyFinding;
    pub use crate::core::secrets::put::*;
    pub use crate::core::secrets::replicas::{
        RemoveRegionsFromReplication, ReplicaRegion, ReplicateSecretToRegions, ReplicationOutput, ReplicationStatus,
        StopReplicationOutput, StopReplicationToReplica,
    };
    pub use crate::core::secrets::rotate::*;
    pub use crate::core::secrets::stages::*;
    pub use crate::core::secrets::tags::*;
    pub use crate::core::secrets::versions::*;
}
