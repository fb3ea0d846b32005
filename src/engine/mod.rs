//! Effects: the due-queue, the looks and steps that [`crate::rotation::plan`] asks for, and what
//! surfaces may ask of it all.

pub mod control;
