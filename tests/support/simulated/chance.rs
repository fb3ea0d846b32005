//! All chance of a simulation comes from its seed. Every part draws from a stream of its own, so
//! that a draw more in one place changes nothing in another.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

/// A stream of chance.
pub struct Chance(Mutex<StdRng>);

impl Chance {
    /// The stream that this part of the simulation draws from.
    pub fn new(seed: u64, part: &str) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(mixed(seed, part))))
    }

    /// A duration out of a span, both ends included, in whole milliseconds.
    pub fn duration(&self, span: (Duration, Duration)) -> Duration {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let (from, to) = (ms(span.0), ms(span.1));
        Duration::from_millis(self.draw(|random| random.random_range(from..=to.max(from))))
    }

    /// Whether something happens that does so in this many of a hundred cases.
    pub fn percent(&self, percent: u32) -> bool {
        self.draw(|random| random.random_range(0..100) < percent)
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Randomness as the engine takes it.
pub fn randomness(seed: u64, part: &str) -> Box<dyn RngCore + Send> {
    Box::new(StdRng::seed_from_u64(mixed(seed, part)))
}

/// FNV-1a over the part's name, begun with the seed: the same on every machine and release.
fn mixed(seed: u64, part: &str) -> u64 {
    let begin = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    part.bytes().fold(begin, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
