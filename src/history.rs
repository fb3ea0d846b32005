//! What the history of secrets tells: events gathered to rotations, repairs and rollbacks, and all of it in words.

pub mod episode;
mod gathering;
#[cfg(test)]
mod tests;
pub mod words;

pub use gathering::{Told, gather};
