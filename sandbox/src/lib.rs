//! A local AWS that behaves: Secrets Manager and ElastiCache, with real `redis-server` processes as caches.
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
    Caches, Delay, Doubts, EqualPasswords, GroupCollisions, Never, NoPasswordSpelling, Quotas, Range, Settings,
    SettingsError, Switch, WrongRemoveFromCode, switches,
};
pub use crate::state_file::StateFileError;

/// Inputs and outputs of the ElastiCache operations.
pub mod elasticache {
    pub use crate::core::cache::clusters::*;
    pub use crate::core::cache::create_user::CreateUser;
    pub use crate::core::cache::delete_user::DeleteUser;
    pub use crate::core::cache::describe_users::*;
    pub use crate::core::cache::failover::TestFailover;
    pub use crate::core::cache::globals::*;
    pub use crate::core::cache::groups::*;
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
    pub use crate::core::secrets::put::*;
    pub use crate::core::secrets::rotate::*;
    pub use crate::core::secrets::stages::*;
    pub use crate::core::secrets::tags::*;
    pub use crate::core::secrets::versions::*;
}
