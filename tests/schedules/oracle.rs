//! The judges of oracle.py.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use rekeyd::schedule::{self, openings_between};

/// The openings of an expression in `(after, until]`, `most` of them at most.
#[derive(Clone, Debug)]
pub struct Case {
    pub expression: String,
    pub zone: Tz,
    pub after: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub most: usize,
}

impl Case {
    /// By rekeyd.
    pub fn openings(&self) -> Vec<i64> {
        let schedule =
            schedule::parse(&self.expression, self.zone).unwrap_or_else(|error| panic!("{}: {error}", self.expression));
        let openings = openings_between(&schedule, self.after, self.until);
        openings.take(self.most).map(|opening| opening.timestamp()).collect()
    }

    fn json(&self) -> serde_json::Value {
        let [after, until] = [self.after, self.until].map(|at| at.timestamp());
        serde_json::json!([self.expression, self.zone.name(), after, until, self.most])
    }
}

/// What the judges say, case by case.
#[derive(serde::Deserialize)]
pub struct Answers {
    pub crontab: Vec<Vec<i64>>,
    pub walk: Vec<Vec<i64>>,
    database: String,
}

/// Asks cronsim about the first, and whoever walks along the clock about the second.
pub fn ask(crontab: &[Case], walk: &[Case]) -> Answers {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join(".tools/python/bin/python");
    assert!(python.exists(), "{} is missing; run `make tools`", python.display());
    let mut child = Command::new(python)
        .arg(root.join("tests/schedules/oracle.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let [crontab, walk] = [crontab, walk].map(|cases| cases.iter().map(Case::json).collect::<Vec<_>>());
    let question = serde_json::json!({ "crontab": crontab, "walk": walk });
    child
        .stdin
        .take()
        .unwrap()
        .write_all(question.to_string().as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let answers: Answers = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        answers.database,
        schedule::zone::DATABASE,
        "pin tzdata in scripts/requirements.txt to the release that chrono-tz has"
    );
    answers
}

/// Panics with the cases on which rekeyd and a judge differ.
pub fn assert_agreed(cases: &[Case], answers: &[Vec<i64>]) {
    assert_eq!(cases.len(), answers.len());
    let readable = |openings: &[i64], zone: Tz| -> Vec<String> {
        let shown = |at: &i64| {
            DateTime::from_timestamp(*at, 0)
                .unwrap()
                .with_timezone(&zone)
                .to_rfc3339()
        };
        openings.iter().map(shown).collect()
    };
    let mut differences = Vec::new();
    for (case, answer) in cases.iter().zip(answers) {
        let openings = case.openings();
        if openings != *answer {
            let [ours, theirs] = [&openings, answer].map(|openings| readable(openings, case.zone));
            differences.push(format!("{case:?}\n  rekeyd {ours:?}\n  judge  {theirs:?}"));
        }
    }
    let shown = differences.len().min(5);
    assert!(
        differences.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        cases.len(),
        differences[..shown].join("\n")
    );
}
