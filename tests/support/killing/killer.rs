//! The killer of daemons.

use std::cell::Cell;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::sleep;

use crate::support::daemon::{Setup, delete_store};

/// What befell the daemons.
#[derive(Default)]
pub struct Blows {
    pub starts: Cell<u32>,
    pub kills: Cell<u32>,
    /// How many of the kills came before the daemon was ready.
    pub early: Cell<u32>,
    pub stalls: Cell<u32>,
    pub stores_deleted: Cell<u32>,
}

/// Which daemon of how many is stalled before it is killed.
const STALLED_LIFE: u32 = 20;

/// How long a daemon lives at most in which a promotion is waited for.
const LONG_LIFE: Duration = Duration::from_secs(20);

fn count(cell: &Cell<u32>) {
    cell.set(cell.get() + 1);
}

/// Starts one daemon after the other and kills each.
pub struct Killer<'a> {
    chance: StdRng,
    lives: u32,
    blows: &'a Blows,
}

impl<'a> Killer<'a> {
    pub fn new(seed: u64, blows: &'a Blows) -> Self {
        Self {
            chance: StdRng::seed_from_u64(seed),
            lives: 0,
            blows,
        }
    }

    fn span(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.chance.random_range(least..=most))
    }

    /// One life of a daemon: started, with its store or without, and killed. `promotions` tells how many there were.
    pub async fn life(&mut self, setup: Setup<'_>, promotions: impl Fn() -> usize) {
        if self.chance.random_bool(0.2) {
            delete_store(&setup.state_file());
            count(&self.blows.stores_deleted);
        }
        let mut daemon = setup.start();
        count(&self.blows.starts);
        if self.chance.random_bool(0.2) {
            sleep(self.span(0, 200)).await;
            count(&self.blows.early);
        } else {
            daemon.ready().await;
            // Most die young, at any phase of what they do first; some live to rotate, however slow the machine is.
            match self.chance.random_range(0..20) {
                0..14 => sleep(self.span(20, 300)).await,
                14..16 => sleep(self.span(20, 2_000)).await,
                _ => {
                    let before = promotions();
                    let promoted = async {
                        while promotions() == before {
                            sleep(Duration::from_millis(20)).await;
                        }
                    };
                    // Whether one came is for the test to judge, at its end.
                    drop(tokio::time::timeout(LONG_LIFE, promoted).await);
                    sleep(self.span(20, 600)).await;
                }
            }
            self.lives += 1;
            if self.lives.is_multiple_of(STALLED_LIFE) {
                // Longer than write_deadline, and at times than AWS takes a signature.
                daemon.stop();
                sleep(self.span(2_100, 5_000)).await;
                daemon.go_on();
                count(&self.blows.stalls);
                sleep(self.span(20, 600)).await;
            }
        }
        daemon.kill().await;
        count(&self.blows.kills);
    }

    /// At times nothing runs in a daemon's place.
    pub async fn pause(&mut self) {
        if self.chance.random_bool(0.3) {
            sleep(self.span(100, 1_500)).await;
        }
    }
}
