//! rekeyd rotates the passwords of Amazon ElastiCache users whose credentials live in AWS Secrets
//! Manager.

pub mod aws;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod engine;
pub mod inventory;
pub mod login;
pub mod metrics;
pub mod planted;
pub mod policy;
pub mod process;
pub mod rotation;
pub mod schedule;
pub mod secret;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod tick;
