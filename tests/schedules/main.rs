//! Dates of schedules, compared with those that others name: tables of documented ones, and judges in another language
//! (oracle.py). Uses nothing of rekeyd but `rekeyd::schedule`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod clock_changes;
mod generated;
mod oracle;
mod properties;
mod table;
