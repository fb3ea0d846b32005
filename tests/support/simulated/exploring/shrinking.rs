//! A script that fails loses one part after the other, as long as it goes on failing.

/// The fewest parts that still fail: first halves are left out, then quarters, at last single parts.
/// Stops when nothing more can be left out, or after so many attempts.
pub fn shrink<P: Clone>(parts: &[P], attempts: usize, fails: impl Fn(&[P]) -> bool) -> Vec<P> {
    let (mut kept, mut left) = (parts.to_vec(), attempts);
    let mut size = kept.len().div_ceil(2).max(1);
    loop {
        let (mut left_out, mut from) = (false, 0);
        while from < kept.len() {
            if left == 0 {
                return kept;
            }
            left -= 1;
            let until = kept.len().min(from + size);
            let rest: Vec<P> = kept[..from].iter().chain(&kept[until..]).cloned().collect();
            if fails(&rest) {
                kept = rest;
                left_out = true;
            } else {
                from = until;
            }
        }
        match (size, left_out) {
            (1, false) => return kept,
            (_, false) => size = size.div_ceil(2),
            (_, true) => {}
        }
    }
}
