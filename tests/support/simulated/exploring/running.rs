//! Many worlds, on as many threads as the machine has.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Outcome, Part, Script, Tally, play, shrink};

/// How many smaller worlds are tried at most to shrink a failing one.
const SHRINKING: usize = 400;

/// After so many failures nothing new is learned.
const ENOUGH: usize = 5;

/// What came of an exploration.
pub struct Exploration {
    pub tally: Tally,
    /// Scripts that failed, with what was found.
    pub failures: Vec<(Script, Outcome)>,
}

/// Plays the scripts of seeds from `first` on, as long as `goes_on` says so of how many have begun.
pub fn explore(first: u64, goes_on: impl Fn(u64) -> bool + Sync) -> Exploration {
    explore_scripts(first, goes_on, Script::of)
}

/// The same of scripts that are made of seeds in another way.
pub fn explore_scripts(
    first: u64,
    goes_on: impl Fn(u64) -> bool + Sync,
    script: impl Fn(u64) -> Script + Sync,
) -> Exploration {
    let (next, enough) = (AtomicU64::new(0), AtomicBool::new(false));
    let found = Mutex::new(Exploration {
        tally: Tally::default(),
        failures: Vec::new(),
    });
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if enough.load(Ordering::Relaxed) || !goes_on(number) {
                return;
            }
            let seed = first.wrapping_add(number);
            let outcome = play(&script(seed));
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.tally.absorb(&outcome.tally);
            if !outcome.violations.is_empty() {
                eprintln!("seed {}: {}", script(seed).seed, outcome.violations[0]);
                found.failures.push((script(seed), outcome));
                enough.store(found.failures.len() >= ENOUGH, Ordering::Relaxed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Exploration {
    /// Nothing if nothing failed; otherwise each failing seed, shrunk, and how to play it again.
    pub fn report_of_failures(&self) -> Option<String> {
        let mut report = String::new();
        for (script, outcome) in &self.failures {
            let _ = writeln!(report, "{}", tell(script, outcome));
        }
        (!report.is_empty()).then_some(report)
    }
}

/// Which rule a violation breaks.
fn rule(violation: &str) -> &str {
    let word = |word: &&str| word.ends_with(':') && !word.starts_with(|first: char| first.is_ascii_digit());
    violation.split_whitespace().find(word).unwrap_or(violation)
}

fn tell(script: &Script, outcome: &Outcome) -> String {
    let seed = script.seed;
    let broken = rule(&outcome.violations[0]).to_owned();
    let fails = |parts: &[Part]| {
        let played = script.keeping(parts).map(|script| play(&script));
        played.is_some_and(|outcome| outcome.violations.iter().any(|violation| rule(violation) == broken))
    };
    let kept = shrink(&script.parts(), SHRINKING, fails);
    let least = script.keeping(&kept).unwrap_or_else(|| script.clone());
    let outcome = play(&least);
    let sharing = match script.sharing {
        None => "",
        Some(true) => "REKEYD_SHARING=leases ",
        Some(false) => "REKEYD_SHARING=none ",
    };
    let keep: Vec<String> = kept.iter().map(ToString::to_string).collect();
    format!(
        "{least:#?}\n{}{:#?}\nseed {seed}; to see it again:\n  \
         {sharing}REKEYD_SEED={seed} REKEYD_KEEP={} cargo test -p rekeyd --test it exploration::replay -- --nocapture\n",
        outcome.story,
        outcome.violations,
        keep.join(",")
    )
}
