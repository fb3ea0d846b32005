//! The rules of one rotation, without any I/O: what was observed goes in, what to do next comes
//! out.
//!
//! [`observation`] is the input, [`plan`] the decision, [`event`] what came of it, [`state`] what
//! is remembered, and [`transition`] how the one changes the other. [`drift`] is what becomes of a current
//! password that somebody else changed; [`revocation`] and [`rollback`] are what operators may set in train
//! beside a rotation. [`cause`] is what wakes one, [`remembered`] where a record alone says that a secret stands.
//! [`version`] derives version ids, [`retry`] the pauses, [`reason`] names every way to stand still.

pub mod cause;
pub mod drift;
pub mod event;
pub mod notice;
pub mod observation;
pub mod plan;
pub mod reason;
pub mod remembered;
pub mod retry;
pub mod revocation;
pub mod rollback;
pub mod state;
pub mod status;
pub mod step;
pub mod transition;
pub mod version;
