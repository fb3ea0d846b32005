//! How long rotations at once must take, whoever makes them: what quotas and propagation set.
//!
//! Each user takes two ModifyUsers, `[pending, current]` and `[current]`, of which AWS takes `r` a
//! second (and a second's worth at once); each is followed by its propagation, and the second one
//! begins no sooner than the first has arrived. The floor is a schedule that never lets the quota
//! lie idle while somebody could use it, and takes no time for anything else. For many users it
//! comes to `2 n / r` and the last propagation; for few to two propagations.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::sandbox::{MODIFY_USERS_A_SECOND, PROPAGATION};

const DRAWS: u32 = 200;

/// The mean floor over draws of the propagation, in seconds.
pub(crate) fn seconds(users: usize) -> f64 {
    let mut chance = StdRng::seed_from_u64(1);
    let all: f64 = (0..DRAWS).map(|_| schedule(users, &mut chance)).sum();
    all / f64::from(DRAWS)
}

/// When the last change of one schedule has arrived, in seconds. Times are in milliseconds.
fn schedule(users: usize, chance: &mut StdRng) -> f64 {
    // When each user's next ModifyUser can be sent, and whether it is the first.
    let mut can_be_sent: BinaryHeap<Reverse<(u32, bool)>> = (0..users).map(|_| Reverse((0, true))).collect();
    let spacing = 1_000 / MODIFY_USERS_A_SECOND;
    // When the bucket is full again, as the sandbox counts.
    let mut full_at = 0_u32;
    let mut end = 0;
    while let Some(Reverse((ready, first))) = can_be_sent.pop() {
        let sent = ready.max((full_at + spacing).saturating_sub(1_000));
        full_at = full_at.max(sent) + spacing;
        let arrived = sent + chance.random_range(PROPAGATION.0 * 1_000..=PROPAGATION.1 * 1_000);
        if first {
            can_be_sent.push(Reverse((arrived, false)));
        } else {
            end = end.max(arrived);
        }
    }
    f64::from(end) / 1_000.0
}
