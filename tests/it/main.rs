//! Everything that needs more than one module: real `redis-server` processes, real HTTP, the real
//! `rekeyd` binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

#[path = "../support/mod.rs"]
mod support;

mod command_line;
mod crash;
mod lifecycle;
mod lost_replies;
mod moto;
mod nodes;
mod refusals;
mod rules;
mod secrecy;
mod shutdown;
mod stall;
mod storage;
mod strangers;
mod structure;
mod surfaces;
mod walkthrough;
