//! Which secrets a policy has, and which nodes a user can log in on.
//!
//! Neither answer is ever shortened: what cannot be found out is an error, because an empty list
//! of nodes would pass for a proof, and a missing secret for one that was dropped.

mod discovery;
#[cfg(test)]
mod fakes;
pub(crate) mod together;
mod topology;

pub use discovery::{Discovery, discover};
pub use topology::{CONFIGURED, topology};
