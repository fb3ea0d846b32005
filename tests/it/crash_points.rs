//! Every fault at every call and at every write of the store, in simulated time.
//!
//! A rotation with retirement is recorded once without faults. Then it is run again for every call that
//! it made and every write of its store, with every fault that can strike there, with the store kept
//! and lost, alone and beside another replica. After each run the world has to be as if nothing had
//! happened; the auditor has looked after every event.
//!
//! - `REKEYD_POINT=Requested/kept/one/1.call17.ReplyLost cargo test --test it crash_points -- --nocapture`
//!   runs one point alone, and tells its story. A failing run prints its name.
//! - `REKEYD_STRIDE=1` runs every point of every rotation, where `make test` takes a sample of some.
//! - `REKEYD_PAIRS_SECONDS=600` runs pairs of faults for so long, `REKEYD_PAIRS_FROM=N` from the N-th
//!   first fault on; where it stopped is printed.

mod pairs;
pub mod point;
pub mod points;
pub mod pool;
pub mod run;

use point::{Point, Rotation};
use run::{Ran, run};

/// Names a point to be run alone.
const REPLAY: &str = "REKEYD_POINT";

/// Runs every so-many-th point; 1 leaves none out.
const STRIDE: &str = "REKEYD_STRIDE";

/// What is wrong with a run of a point: how to run it again, and what happened.
fn complaint(point: &Point, ran: &Ran) -> String {
    format!(
        "{point}\n  {}\nagain: {REPLAY}={point} cargo test --package rekeyd --test it crash_points -- --nocapture\n{}",
        ran.wrong.join("\n  "),
        ran.story
    )
}

/// Runs the one point that the environment names, if it names one; says whether it does.
fn replayed(rotation: Rotation, pairs: bool) -> bool {
    let Ok(name) = std::env::var(REPLAY) else {
        return false;
    };
    let point: Point = name.parse().unwrap_or_else(|error| panic!("{REPLAY}: {error}"));
    if point.setting.rotation == rotation && (point.strikes.len() > 1) == pairs {
        let ran = run(&point);
        println!(
            "{point}: {} of {} faults struck\n{}",
            ran.struck,
            point.strikes.len(),
            ran.story
        );
        assert!(ran.wrong.is_empty(), "{}", complaint(&point, &ran));
    }
    true
}

#[test]
fn no_single_fault_at_any_call_or_write_of_a_requested_rotation_does_harm() {
    points::check(Rotation::Requested, 1);
}

#[test]
fn no_single_fault_at_a_call_or_write_of_a_scheduled_rotation_does_harm() {
    points::check(Rotation::Scheduled, 29);
}

#[test]
fn no_single_fault_at_a_call_or_write_of_a_first_rotation_does_harm() {
    points::check(Rotation::First, 47);
}

#[test]
fn no_pair_of_faults_does_harm() {
    pairs::check();
}

#[test]
fn the_name_of_a_point_leads_back_to_it() {
    for name in [
        "Requested/kept/one/",
        "Scheduled/lost/two/1.call17.ReplyLost",
        "First/kept/two/1.save3.FailsAfter+2.call1.StallBefore",
    ] {
        assert_eq!(name.parse::<Point>().unwrap().to_string(), name);
    }
    for wrong in [
        "Requested/kept/one",
        "Requested/kept/one/1.call17.Lost",
        "Often/kept/one/",
        "First/kept/three/",
    ] {
        assert!(wrong.parse::<Point>().is_err(), "{wrong}");
    }
}
