//! Names and numbers drawn from the seeded source.

use rand::Rng;
use rand::rngs::StdRng;

use crate::settings::Range;

const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The six characters that Secrets Manager puts behind a name to make an ARN.
pub(crate) fn arn_suffix(rng: &mut StdRng) -> String {
    text(rng, 6)
}

/// `length` letters and digits.
pub(crate) fn text(rng: &mut StdRng, length: usize) -> String {
    (0..length).map(|_| pick(rng, ALPHANUMERIC)).collect()
}

/// A password that is not drawn from a seed, for what is not part of the model.
pub(crate) fn secret() -> String {
    let mut rng = rand::rng();
    let letters = rand::distr::Alphanumeric;
    (0..40).map(|_| char::from(rng.sample(letters))).collect()
}

/// One of `from`; a space if there are none.
pub(crate) fn pick(rng: &mut StdRng, from: &[u8]) -> char {
    if from.is_empty() {
        return ' ';
    }
    from.get(rng.random_range(0..from.len()))
        .map_or(' ', |byte| char::from(*byte))
}

/// A number of milliseconds out of a span, whichever way round its ends are.
pub(crate) fn ms(rng: &mut StdRng, range: Range) -> u64 {
    rng.random_range(range.min.min(range.max)..=range.max.max(range.min))
}
