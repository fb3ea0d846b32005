//! The store in a table that several replicas share.

pub mod layout;
pub mod leases;
pub mod presence;
