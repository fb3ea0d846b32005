//! The sandbox from outside: real HTTP, real redis-server, and the Rust door.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod caches;
mod edges;
mod faults;
mod guide;
mod model;
mod process;
mod secrets;
mod simulation;
mod support;
mod users;
