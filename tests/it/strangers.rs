//! Other writers, in the middle of a rotation.
