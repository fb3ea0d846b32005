//! Every fault at every call and at every write of the store, in simulated time.
//!
//! A rotation with retirement is recorded once without faults. Then it is run again for every call that
//! it made and every write of its store, with every fault that can strike there, with the store kept
//! and lost, alone and beside another replica. After each run the world has to be as if nothing had
//! happened; the auditor has looked after every event.
//!
//! `REKEYD_POINT=Requested/kept/one/1.call17.ReplyLost cargo test --test it crash_points:: -- --nocapture`
//! runs one point alone, and tells its story.

mod point;
mod pool;
mod run;

use std::collections::BTreeSet;
use std::time::Instant;

use crate::support::simulated::{CallFaultKind, Deed, SaveFaultKind};
use point::{Point, Rotation, Setting, faults_at};
use run::{Ran, run};

/// Names a point to be run alone.
const REPLAY: &str = "REKEYD_POINT";

/// What the replica does when nothing strikes.
fn recorded(setting: Setting) -> Vec<Deed> {
    let strikes = Vec::new();
    let ran = run(&Point { setting, strikes });
    assert!(ran.wrong.is_empty(), "without faults: {:?}\n{}", ran.wrong, ran.story);
    assert_eq!((ran.lives.len(), ran.given_up), (1, 0), "without faults");
    ran.lives.into_iter().next().unwrap()
}

/// What is wrong with a run of a point: how to run it again, and what happened.
fn complaint(point: &Point, ran: &Ran) -> String {
    let what = ran.wrong.join("\n  ");
    format!(
        "{point}\n  {what}\n  again: {REPLAY}={point} cargo test --package rekeyd --test it crash_points:: -- --nocapture\n{}",
        ran.story
    )
}

/// The point that is to be run alone, if one is.
fn replayed() -> Option<Point> {
    let name = std::env::var(REPLAY).ok()?;
    Some(name.parse().unwrap_or_else(|error| panic!("{REPLAY}: {error}")))
}

/// Runs every point of a rotation.
fn exhaust(rotation: Rotation) {
    if let Some(point) = replayed() {
        if point.setting.rotation == rotation {
            let ran = run(&point);
            println!(
                "{point}: {} of {} faults struck\n{}",
                ran.struck,
                point.strikes.len(),
                ran.story
            );
            assert!(ran.wrong.is_empty(), "{}", complaint(&point, &ran));
        }
        return;
    }
    let began = Instant::now();
    let mut points = Vec::new();
    for setting in Setting::all(rotation) {
        for (_, strike) in faults_at(1, &recorded(setting)) {
            let strikes = vec![strike];
            points.push(Point { setting, strikes });
        }
    }
    let runs = pool::all(&points, run);
    let mut wrong = Vec::new();
    let mut given_up: BTreeSet<String> = BTreeSet::new();
    for (point, ran) in points.iter().zip(&runs) {
        if !ran.wrong.is_empty() {
            wrong.push((point, ran));
        }
        if ran.given_up > 0 {
            given_up.insert(format!("{point}"));
        }
        assert_eq!(ran.struck, 1, "{point}");
    }
    println!(
        "{rotation:?}: {} runs, {} wrong, {:?}; given up: {given_up:#?}",
        runs.len(),
        wrong.len(),
        began.elapsed()
    );
    for (point, ran) in wrong.iter().take(400) {
        println!(
            "WRONG {point}: {}",
            ran.wrong
                .iter()
                .map(|w| w.chars().take(200).collect::<String>())
                .collect::<Vec<_>>()
                .join(" | ")
        );
    }
    assert!(wrong.is_empty(), "{}", complaint(wrong[0].0, wrong[0].1));
}

#[test]
fn a_requested_rotation() {
    exhaust(Rotation::Requested);
}

#[test]
fn a_scheduled_rotation() {
    exhaust(Rotation::Scheduled);
}

#[test]
fn a_first_rotation() {
    exhaust(Rotation::First);
}

#[test]
fn record() {
    for rotation in [Rotation::Requested, Rotation::Scheduled, Rotation::First] {
        for setting in Setting::all(rotation) {
            let began = Instant::now();
            let strikes = Vec::new();
            let ran = run(&Point { setting, strikes });
            println!(
                "{setting:?} {:?} {} {:?} {:?}",
                began.elapsed(),
                ran.lives[0].len(),
                ran.took,
                ran.wrong
            );
        }
    }
}
