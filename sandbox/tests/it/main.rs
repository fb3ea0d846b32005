//! The sandbox from outside: real HTTP, real redis-server, and the Rust door.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod caches;
mod changing_nodes;
mod cluster_mode;
mod faults;
mod guide;
mod kinds;
mod process;
mod secrets;
mod serverless;
mod simulation;
mod support;
mod users;
