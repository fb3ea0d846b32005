//! What the log of the real daemon holds: events with names and fields that a query can rely on, and no chatter.

mod chatter;
mod inventory;
mod journal;
mod level;
mod rotation;
mod table;
