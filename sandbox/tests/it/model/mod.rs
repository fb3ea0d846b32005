//! The sandbox against a reference: generated sequences of calls, through both doors, with and without faults.
//!
//! ```text
//!   generator ──► Case ──► runner ──┬──► Door: Rust or HTTP ──► the sandbox
//!                 (data)            └──► Reference: maps and sets
//!                                   compares every answer, and every few steps everything
//! ```
//!
//! A failure is shrunk, printed as data and saved; the message says how to run it again.
//! `REKEYD_MODEL_SEED` draws other sequences, `REKEYD_MODEL_TIMES` draws so many times as many.

mod call;
mod compare;
mod coverage;
mod doors;
mod generator;
mod reference;
mod runner;
mod tally;
mod wire;

use std::cell::RefCell;
use std::path::Path;
use std::str::FromStr;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use self::call::Case;
use self::doors::Door;
use self::tally::Tally;

/// The file with a case to run instead of generated ones.
const REPLAY: &str = "REKEYD_MODEL_REPLAY";
const LONGEST: usize = 100;
/// Each door sees at least so many calls.
const CALLS: u64 = 10_000;

#[test]
fn every_sequence_through_the_rust_door_agrees_with_the_reference() {
    let runtime = runtime();
    agree("rust", &runtime, Door::rust(), 400);
}

#[test]
fn every_sequence_through_the_http_door_agrees_with_the_reference() {
    let runtime = runtime();
    let door = runtime.block_on(Door::http());
    agree("http", &runtime, door, 200);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn setting<T: FromStr>(name: &str, default: T) -> T {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}"))
    })
}

/// Runs `cases` sequences without faults and as many with faults, or the one that was saved.
fn agree(name: &str, runtime: &Runtime, door: Door, cases: u32) {
    let (door, tally) = (RefCell::new(door), RefCell::new(Tally::default()));
    let run = |case: &Case| {
        let (mut door, mut tally) = (door.borrow_mut(), tally.borrow_mut());
        runtime.block_on(runner::run(&mut door, case, &mut tally))
    };
    if let Ok(file) = std::env::var(REPLAY) {
        let case = read(Path::new(&file));
        return run(&case).unwrap_or_else(|why| panic!("{why}"));
    }
    for faults in [false, true] {
        let config = Config {
            cases: cases * setting("REKEYD_MODEL_TIMES", 1),
            max_shrink_iters: 20_000,
            failure_persistence: None,
            ..Config::default()
        };
        // Many times cheaper without optimisation than the default one, and all that is asked of it is variety.
        let mut seed = [1 + u8::from(faults); 16];
        seed[..8].copy_from_slice(&setting("REKEYD_MODEL_SEED", 0_u64).to_le_bytes());
        // So that each door sees sequences of its own.
        for (byte, letter) in seed[9..].iter_mut().zip(name.bytes()) {
            *byte = letter;
        }
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::XorShift, &seed));
        let strategy = generator::case(LONGEST, faults);
        let result = runner.run(&strategy, |case| run(&case).map_err(TestCaseError::fail));
        match result {
            Ok(()) => {}
            Err(TestError::Fail(_, case)) => {
                let (case, why) = without_idle_steps(case, run);
                fail(name, &why, &case, &tally.borrow())
            }
            Err(TestError::Abort(why)) => panic!("no sequences could be made: {why}"),
        }
    }
    let tally = tally.into_inner();
    println!("through the {name} door: {tally}");
    assert!(tally.calls >= CALLS, "only {} calls", tally.calls);
    coverage::check(&tally);
}

/// Proptest takes steps out before it makes them simple; of those that are simple now some are not needed.
fn without_idle_steps(mut case: Case, run: impl Fn(&Case) -> Result<(), String>) -> (Case, String) {
    let mut at = case.steps.len();
    while at > 0 {
        at -= 1;
        let mut shorter = case.clone();
        shorter.steps.remove(at);
        if run(&shorter).is_err() {
            case = shorter;
            at = case.steps.len();
        }
    }
    let why = run(&case).err();
    (
        case,
        why.unwrap_or_else(|| "it agreed when it was run once more".to_owned()),
    )
}

/// Prints and saves the shortest sequence that was found: a line for the world, then one for each step.
fn fail(name: &str, why: &str, case: &Case, tally: &Tally) -> ! {
    let mut lines = json!(case.world).to_string();
    for step in &case.steps {
        lines.push_str(&format!("\n{}", json!(step)));
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("model-{name}.jsonl"));
    std::fs::write(&file, &lines).unwrap();
    panic!(
        "after {} sequences that agree ({} calls), one does not; the shortest like it:\n{lines}\n{why}\n\
         again: {REPLAY}={} cargo test -p rekeyd-sandbox --test it model::every_sequence_through_the_{name}",
        tally.agreed,
        tally.agreed_calls,
        file.display()
    );
}

fn read(file: &Path) -> Case {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut lines = text.lines();
    let world = serde_json::from_str(lines.next().expect("a line for the world")).unwrap();
    let steps = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    Case { world, steps }
}
