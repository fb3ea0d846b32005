//! Pairs of faults: the second strikes anywhere in what the run becomes after the first.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::point::{Point, Rotation, faults_at};
use super::points::{self, given_up, judge, same_as_another};
use super::run::{Ran, run};
use super::{number, pool, replayed};

/// For how many seconds pairs are run, beyond the sample.
const SECONDS: &str = "REKEYD_PAIRS_SECONDS";

/// The first fault to begin with, by its place in the order in which they are run.
const FROM: &str = "REKEYD_PAIRS_FROM";

/// The sample takes every so-many-th first fault, and every so-many-th second one of each.
const STRIDE_OF_FIRSTS: usize = 463;
const STRIDE_OF_SECONDS: usize = 41;

/// First faults are run in steps of this prime, so that a short time sees faults of all sorts.
const STEP: usize = 7_919;

/// Pairs of faults in a requested rotation: the sample, or as many as the time allows.
pub fn check() {
    if replayed(Rotation::Requested, true) {
        return;
    }
    let (firsts, _) = points::all(Rotation::Requested);
    match number(SECONDS) {
        None => sample(&firsts),
        Some(seconds) => soak(&firsts, Duration::from_secs(seconds), number(FROM).unwrap_or(0)),
    }
}

/// Every fault that can follow on the first, in the run that it led to.
fn seconds(first: &Point, ran: &Ran) -> Vec<Point> {
    let (mut after, mut points) = (false, Vec::new());
    for (life, deeds) in (1..).zip(&ran.lives) {
        for (deed, strike) in faults_at(life, deeds) {
            if first.strikes.iter().any(|first| first.is_beside(strike)) {
                after = true;
            } else if after && !same_as_another(deed, strike.fault) {
                let strikes = first.strikes.iter().copied().chain([strike]).collect();
                let setting = first.setting;
                points.push(Point { setting, strikes });
            }
        }
    }
    points
}

fn sample(firsts: &[Point]) {
    let chosen: Vec<Point> = firsts.iter().step_by(STRIDE_OF_FIRSTS).cloned().collect();
    let runs = pool::all(&chosen, run);
    let possible: Vec<Vec<Point>> = chosen
        .iter()
        .zip(&runs)
        .map(|(first, ran)| seconds(first, ran))
        .collect();
    let some = |(place, seconds): (usize, &Vec<Point>)| -> Vec<Point> {
        seconds
            .iter()
            .skip(place % STRIDE_OF_SECONDS)
            .step_by(STRIDE_OF_SECONDS)
            .cloned()
            .collect()
    };
    let pairs: Vec<Point> = possible.iter().enumerate().flat_map(some).collect();
    let runs = pool::all(&pairs, run);
    let all_seconds: usize = possible.iter().map(Vec::len).sum();
    println!(
        "pairs of faults: every {STRIDE_OF_SECONDS}th of {all_seconds} second faults after every {STRIDE_OF_FIRSTS}th of {} first \
         ones = {} runs, {} violations; left out: the others, about {} in all, which {SECONDS} runs; {}",
        firsts.len(),
        runs.len(),
        runs.iter().filter(|ran| !ran.wrong.is_empty()).count(),
        all_seconds / chosen.len().max(1) * firsts.len(),
        given_up(&pairs, &runs),
    );
    assert!(pairs.len() > 100, "only {} pairs", pairs.len());
    judge(&pairs, &runs);
}

/// Runs all pairs of one first fault after the other until the time is over.
fn soak(firsts: &[Point], span: Duration, from: u64) {
    assert!(
        firsts.len() % STEP != 0,
        "steps of {STEP} do not reach all {} first faults",
        firsts.len()
    );
    let (began, ran) = (Instant::now(), AtomicUsize::new(0));
    let mut next = usize::try_from(from).unwrap_or(usize::MAX);
    while next < firsts.len() && began.elapsed() < span {
        let first = &firsts[next % firsts.len() * STEP % firsts.len()];
        let pairs = seconds(first, &run(first));
        let runs = pool::all(&pairs, |pair| {
            if began.elapsed() >= span {
                return None;
            }
            ran.fetch_add(1, Ordering::Relaxed);
            Some(run(pair))
        });
        let whole = runs.iter().all(Option::is_some);
        let (done, runs): (Vec<Point>, Vec<Ran>) = pairs
            .into_iter()
            .zip(runs)
            .filter_map(|(pair, ran)| Some((pair, ran?)))
            .unzip();
        judge(&done, &runs);
        if !whole {
            break;
        }
        next += 1;
    }
    println!(
        "pairs of faults: {} runs, 0 violations; first faults {from} to {next} of {} are done, go on with {FROM}={next}",
        ran.into_inner(),
        firsts.len(),
    );
}
