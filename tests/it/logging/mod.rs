//! What the log of the real daemon holds: events with names and fields that a query can rely on, and no chatter.

mod inventory;
mod table;
