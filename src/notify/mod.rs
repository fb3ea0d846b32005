//! Notifications: what happened to a secret, told to whoever is not looking.
//!
//! ```text
//!   engine: event ─► outgoing (pure) ─► store, with record and history, in one transaction
//!                                         │ outbox of each target
//!   a task for each target ◄──────────────┘ oldest first ─► channel ─► told: removed from the outbox
//! ```
//!
//! What is stored is delivered at least once: a process that dies after a receiver answered and before that is stored
//! delivers it again, under the same id. Nothing here is waited for by a rotation. `docs/NOTIFICATIONS.md` has the contract
//! for receivers.

mod channel;
mod deliveries;
mod delivery;
mod event_bridge;
mod keys;
mod message;
mod post;
mod signing;
mod slack;
mod summary;
mod target;
mod trial;
mod webhook;

pub use deliveries::{Bounds, Deliveries};
pub use message::{Told, outgoing};
pub use target::{Targets, open};
pub use trial::{Trial, try_target};
