//! A user, its secret and the first rotation: from nothing, or around what exists (`rekeyd onboard`).
//!
//! `observe` looks, [`plan()`] decides which calls are left, `execute` makes the first of them and looks again. So a
//! run that was killed anywhere is finished by the next, and one more does nothing. What is somebody else's is refused
//! by name before anything is changed.

mod access;
mod bond;
pub mod coverage;
pub mod csv;
pub mod execute;
mod names;
pub mod observe;
mod perform;
mod plan;
mod prove;
mod refusal;
mod request;
mod sight;
mod steps;
#[cfg(test)]
mod tests;
mod user_checks;

pub use plan::{Action, FirstPassword, plan};
pub use prove::{Shown, prove};
pub use refusal::Refusal;
pub use request::{Request, UserEngine};
pub use sight::{CurrentVersion, Evidence, SecretSight, Sight};
pub use steps::{Step, words};
