//! The store in a table that several replicas share.

pub mod layout;
pub mod presence;
