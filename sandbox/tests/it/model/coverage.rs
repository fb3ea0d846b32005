//! What has to come up, so that a generator that only ever meets errors, or never does, is caught.

use super::call::OPERATIONS;
use super::tally::Tally;

/// Errors that each operation has to have given.
const ERRORS: [(&str, &[&str]); 0] = [];

pub fn check(tally: &Tally) {
    for operation in OPERATIONS {
        assert!(tally.of(operation, "ok") > 0, "{operation} never worked");
    }
    for (operation, codes) in ERRORS {
        for code in codes {
            assert!(tally.of(operation, code) > 0, "{operation} never failed with {code}");
        }
    }
}
