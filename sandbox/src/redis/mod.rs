//! Real caches: a server process behind each node, made to follow the node's view.

pub(crate) mod arranger;
pub(crate) mod binaries;
pub(crate) mod certs;
pub(crate) mod cluster;
pub(crate) mod endpoint;
pub(crate) mod member;
pub(crate) mod node;
pub(crate) mod plane;
pub(crate) mod process;
pub(crate) mod resp;
