//! A script that fails loses one part after the other, as long as it goes on failing.

use std::time::{Duration, Instant};

/// The fewest parts that still fail: first halves are left out, then quarters, at last single parts.
/// Stops when nothing more can be left out, or when the time is over.
pub fn shrink<P: Clone>(parts: &[P], at_most: Duration, fails: impl Fn(&[P]) -> bool) -> Vec<P> {
    let ends = Instant::now() + at_most;
    let mut kept = parts.to_vec();
    let mut size = kept.len().div_ceil(2).max(1);
    while Instant::now() < ends {
        let mut left_out = false;
        let mut from = 0;
        while from < kept.len() && Instant::now() < ends {
            let until = kept.len().min(from + size);
            let rest: Vec<P> = kept[..from].iter().chain(&kept[until..]).cloned().collect();
            if fails(&rest) {
                kept = rest;
                left_out = true;
            } else {
                from = until;
            }
        }
        if size == 1 && !left_out {
            break;
        }
        if !left_out {
            size = size.div_ceil(2);
        }
    }
    kept
}
