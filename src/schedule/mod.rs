//! When rotations are due: pure.
