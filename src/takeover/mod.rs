//! A secret that a rotation function rotated, and rekeyd is to (`rekeyd takeover`).
//!
//! `translate` turns the rotation's rules into a policy; `plan` decides, from what `observe` saw, what becomes of
//! the rotation and of what it left under AWSPENDING; `execute` does the first step that is left, and looks again.

mod execute;
mod observe;
mod plan;
mod translate;

pub use execute::{Failure, Taker};
pub use observe::observe;
pub use plan::{Action, Pending, Refusal, Sight, plan, steps};
pub use translate::{back, policy_lines, policy_name, schedule_of};
