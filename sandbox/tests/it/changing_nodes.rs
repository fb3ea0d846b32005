//! Nodes that come, go and change.
