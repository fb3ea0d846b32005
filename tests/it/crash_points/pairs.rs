//! Pairs of faults: the second strikes anywhere in what the run becomes after the first.

use std::time::Duration;

use rekeyd::clock::{Clock, SystemClock};

use super::point::{Point, Rotation, faults_at};
use super::points::{self, given_up, judge, same_as_another};
use super::run::{Ran, run};
use super::{pool, replayed};
use crate::support::environment::number;
use crate::support::report::report;

/// For how many seconds pairs are run, beyond the sample.
const SECONDS: &str = "REKEYD_PAIRS_SECONDS";

/// The first fault to begin with, by its place in the order in which they are run. After the last comes the first.
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

/// What became of pairs.
#[derive(Default)]
struct Tally {
    runs: usize,
    /// Runs that went well without their second fault: nothing was tried then.
    missed: Vec<String>,
    wrong: Vec<(Point, Ran)>,
}

impl Tally {
    fn add(&mut self, pair: Point, ran: Ran) {
        self.runs += 1;
        if !ran.wrong.is_empty() {
            self.wrong.push((pair, ran));
        } else if ran.struck != 2 {
            self.missed.push(format!("{pair}: {} struck", ran.struck));
        }
    }

    fn told(&self) -> String {
        let (missed, wrong) = (self.missed.len(), self.wrong.len());
        let missing = if missed == 0 {
            String::new()
        } else {
            format!(", {missed} without their second fault")
        };
        format!("{} runs, {wrong} violations{missing}", self.runs)
    }

    /// Fails if nothing was run, if a fault was missed, or if anything went wrong.
    fn judge(self) {
        let (points, runs): (Vec<Point>, Vec<Ran>) = self.wrong.into_iter().unzip();
        judge(&points, &runs);
        assert!(self.runs > 0, "no pair was run");
        assert!(self.missed.is_empty(), "{:#?}", self.missed);
    }
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
    let given_up = given_up(&pairs, &runs);
    let mut tally = Tally::default();
    for (pair, ran) in pairs.into_iter().zip(runs) {
        tally.add(pair, ran);
    }
    let all_seconds: usize = possible.iter().map(Vec::len).sum();
    report(&format!(
        "pairs of faults in a Requested rotation, about {} in all: {}; one second fault of {STRIDE_OF_SECONDS} after one of \
         {STRIDE_OF_FIRSTS} of {} first ones; the others are for {SECONDS} to run; {given_up}",
        all_seconds / chosen.len().max(1) * firsts.len(),
        tally.told(),
        firsts.len(),
    ));
    assert!(tally.runs > 60, "only {} pairs", tally.runs);
    tally.judge();
}

/// Runs all pairs of one first fault after the other until the time is over, something goes wrong, or all are done.
fn soak(firsts: &[Point], span: Duration, from: u64) {
    assert!(
        !firsts.len().is_multiple_of(STEP),
        "steps of {STEP} do not reach all {} first faults",
        firsts.len()
    );
    let clock = SystemClock::new();
    let begin = usize::try_from(from % firsts.len() as u64).unwrap_or_default();
    let (mut tally, mut whole) = (Tally::default(), 0);
    while whole < firsts.len() && clock.monotonic() < span && tally.wrong.is_empty() {
        let first = &firsts[(begin + whole) % firsts.len() * STEP % firsts.len()];
        let pairs = seconds(first, &run(first));
        let runs = pool::all(&pairs, |pair| (clock.monotonic() < span).then(|| run(pair)));
        whole += usize::from(runs.iter().all(Option::is_some));
        for (pair, ran) in pairs.into_iter().zip(runs) {
            if let Some(ran) = ran {
                tally.add(pair, ran);
            }
        }
    }
    report(&format!(
        "pairs of faults in a Requested rotation: {} in {} s; from first fault {begin} on, {whole} of {} have had all their \
         second ones; go on with {FROM}={}",
        tally.told(),
        clock.monotonic().as_secs(),
        firsts.len(),
        (begin + whole) % firsts.len(),
    ));
    tally.judge();
}
