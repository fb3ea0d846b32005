//! Real caches: a `redis-server` process behind each node, made to follow the node's view.

pub(crate) mod certs;
pub(crate) mod node;
pub(crate) mod plane;
pub(crate) mod process;
pub(crate) mod resp;
