//! The sandbox from outside: real HTTP, real redis-server, and the Rust door.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod auth_tokens;
mod authorization;
mod caches;
mod changing_nodes;
mod clients;
mod cluster_mode;
mod doubts;
mod edges;
mod events;
mod examples;
mod faults;
mod fuzz;
mod guide;
mod hostile_input;
mod in_process;
mod kept;
mod kinds;
mod manners;
mod model;
mod process;
mod python;
mod quotas;
mod rules;
mod secrets;
mod serverless;
mod simulation;
mod still;
mod stranger;
mod support;
mod users;
