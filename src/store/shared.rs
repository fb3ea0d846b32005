//! The store in a table that several replicas share.

pub mod asking;
pub mod command;
pub mod layout;
pub mod leases;
pub mod presence;
pub mod replying;
#[cfg(test)]
pub(crate) mod testing;
