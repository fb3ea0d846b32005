//! Single faults: all of them, or every so-many-th.

use std::collections::{BTreeMap, BTreeSet};

use super::point::{Fault, Point, Rotation, Setting, faults_at};
use super::run::{Ran, run};
use super::{STRIDE, complaint, pool, replayed};
use crate::support::environment::number;
use crate::support::report::report;
use crate::support::simulated::{CallFaultKind, Deed, SaveFaultKind};

/// What a rotation cannot be without: a recording that lacks one of these has been cut short.
const OPERATIONS: [&str; 10] = [
    "DescribeSecret",
    "ListSecretVersionIds",
    "GetSecretValue",
    "PutSecretValue",
    "UpdateSecretVersionStage",
    "DescribeUsers",
    "DescribeUserGroups",
    "DescribeReplicationGroups",
    "DescribeCacheClusters",
    "ModifyUser",
];

/// The same for what it writes into its store: intents and outcomes of every step.
const STEPS: [&str; 6] = [
    "rotation_started",
    "password_created",
    "write_started",
    "password_set",
    "finish_started",
    "promoted",
];

/// And where there is a previous password to retire.
const RETIREMENT: [&str; 3] = ["retirement_started", "previous_removed", "retired"];

/// What the replica does when nothing strikes.
fn recorded(setting: Setting) -> Vec<Deed> {
    let strikes = Vec::new();
    let point = Point { setting, strikes };
    let ran = run(&point);
    assert!(ran.wrong.is_empty(), "{}", complaint(&point, &ran));
    assert_eq!((ran.lives.len(), ran.given_up), (1, 0), "without faults");
    let deeds = ran.lives.into_iter().next().unwrap_or_default();
    let calls = OPERATIONS.iter().map(|operation| Deed::Call(operation));
    let retirement = RETIREMENT.iter().filter(|_| setting.rotation != Rotation::First);
    // Beside another replica, whoever is first does a step, so that one alone need not do all.
    let saves = STEPS.iter().chain(retirement).map(|step| Deed::Save(step));
    for needed in calls.chain(saves).filter(|_| !setting.two_replicas) {
        assert!(
            deeds.contains(&needed),
            "{setting:?} does without {needed:?}: {deeds:?}"
        );
    }
    deeds
}

/// Every point of a rotation with one fault, setting by setting, and what was left out and why.
pub fn all(rotation: Rotation) -> (Vec<Point>, usize) {
    let (mut points, mut alike) = (Vec::new(), 0);
    for setting in Setting::all(rotation) {
        for (deed, strike) in faults_at(1, &recorded(setting)) {
            if same_as_another(deed, strike.fault) {
                alike += 1;
                continue;
            }
            let strikes = vec![strike];
            points.push(Point { setting, strikes });
        }
    }
    (points, alike)
}

/// A read changes nothing at AWS. So whether it was carried out before the silence is no difference.
pub fn same_as_another(deed: Deed, fault: Fault) -> bool {
    let reads = matches!(deed, Deed::Call(operation) if ["Describe", "Get", "List"].iter().any(|verb| operation.starts_with(verb)));
    reads && matches!(fault, Fault::Call(fault) if fault.kind == CallFaultKind::TimeoutAfter)
}

/// Runs every `stride`-th point of a rotation, or all of them if the environment says so.
pub fn check(rotation: Rotation, stride: usize) {
    if replayed(rotation, false) {
        return;
    }
    let (all, alike) = all(rotation);
    let stride = number(STRIDE).unwrap_or(stride);
    let points: Vec<Point> = all.iter().step_by(stride).cloned().collect();
    let runs = pool::all(&points, run);
    tell(rotation, &all, (&points, &runs), alike);
    for (point, ran) in points.iter().zip(&runs).filter(|(_, ran)| ran.wrong.is_empty()) {
        assert_eq!(ran.struck, 1, "{point} struck nothing");
    }
    judge(&points, &runs);
}

/// Fails if anything is wrong with any run: names all, and tells the story of the first.
pub fn judge(points: &[Point], runs: &[Ran]) {
    let wrong: Vec<_> = points
        .iter()
        .zip(runs)
        .filter(|(_, ran)| !ran.wrong.is_empty())
        .collect();
    for (point, ran) in &wrong {
        let told: Vec<&str> = ran.wrong.iter().filter_map(|told| told.lines().next()).collect();
        println!("wrong: {point}: {}", told.join("; "));
    }
    if let Some((point, ran)) = wrong.first() {
        panic!("{} runs went wrong; the first: {}", wrong.len(), complaint(point, ran));
    }
}

fn tell(rotation: Rotation, all: &[Point], (points, runs): (&[Point], &[Ran]), alike: usize) {
    let numbers = |pick: fn(Fault) -> Option<u64>| {
        let numbers = all
            .iter()
            .flat_map(|point| &point.strikes)
            .filter_map(|strike| pick(strike.fault));
        numbers.collect::<BTreeSet<u64>>().len()
    };
    let calls = numbers(|fault| match fault {
        Fault::Call(fault) => Some(fault.call),
        Fault::Save(_) => None,
    });
    let saves = numbers(|fault| match fault {
        Fault::Save(fault) => Some(fault.save),
        Fault::Call(_) => None,
    });
    report(&format!(
        "crash points of a {rotation:?} rotation: {} runs of {}, {} violations: {calls} calls x {} kinds and {saves} writes x {} \
         kinds at most, with the store kept and lost, with one replica and two; left out: {alike} time-outs of reads after \
         they were carried out, which are the same as before; the others are for {STRIDE}=1 to run; {}",
        runs.len(),
        all.len(),
        runs.iter().filter(|ran| !ran.wrong.is_empty()).count(),
        CallFaultKind::ALL.len(),
        SaveFaultKind::ALL.len(),
        given_up(points, runs),
    ));
}

/// Which kinds of faults cost passwords that were given up, and how many runs.
pub fn given_up(points: &[Point], runs: &[Ran]) -> String {
    let mut costs: BTreeMap<String, usize> = BTreeMap::new();
    for (point, _) in points.iter().zip(runs).filter(|(_, ran)| ran.given_up > 0) {
        for strike in &point.strikes {
            let kind = match strike.fault {
                Fault::Call(fault) => format!("{:?}", fault.kind),
                Fault::Save(fault) => format!("{:?} of a write", fault.kind),
            };
            *costs.entry(kind).or_default() += 1;
        }
    }
    if costs.is_empty() {
        "no password was given up".to_owned()
    } else {
        format!("passwords given up, by kind of fault: {costs:?}")
    }
}
