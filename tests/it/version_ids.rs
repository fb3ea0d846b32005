//! Version ids are derived alike by every release, and by an implementation that shares nothing with rekeyd's.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rekeyd::rotation::version::{GENERATIONS, generation_of, version_id};

/// A secret's ARN, the version under AWSCURRENT, a generation.
type Case = (String, String, u32);

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// What Python makes of them, with nothing but its standard library.
fn in_python(cases: &[Case]) -> Vec<String> {
    let mut python = Command::new("python3")
        .arg(fixture("version_ids.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let given = serde_json::to_vec(cases).unwrap();
    python.stdin.take().unwrap().write_all(&given).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn here(cases: &[Case]) -> Vec<String> {
    cases
        .iter()
        .map(|(arn, parent, generation)| version_id(arn, parent, *generation))
        .collect()
}

#[test]
fn frozen_version_ids_are_what_this_release_and_another_implementation_derive() {
    let text = std::fs::read_to_string(fixture("version_ids.json")).unwrap();
    let frozen: Vec<(Case, String)> = serde_json::from_str(&text).unwrap();
    let (cases, ids): (Vec<Case>, Vec<String>) = frozen.into_iter().unzip();
    assert!(cases.iter().any(|(_, _, generation)| *generation > 255));
    assert!(cases.iter().any(|(arn, _, _)| !arn.is_ascii()) && cases.iter().any(|(arn, _, _)| arn.len() > 512));
    assert_eq!(here(&cases), ids, "a release that derives other ids forks the chain");
    assert_eq!(in_python(&cases), ids);
}

#[test]
fn both_implementations_agree_on_a_thousand_others() {
    let mut chance = StdRng::seed_from_u64(7);
    let cases: Vec<Case> = (0..1_000)
        .map(|number: u32| {
            let mut text = |most: usize| -> String {
                let length = chance.random_range(0..most);
                (0..length).map(|_| chance.random::<char>()).collect()
            };
            (
                text(300),
                text(80),
                if number.is_multiple_of(2) {
                    number % GENERATIONS
                } else {
                    chance.random()
                },
            )
        })
        .collect();
    let ids = here(&cases);
    assert_eq!(in_python(&cases), ids);
    for ((arn, parent, generation), id) in cases.iter().zip(&ids) {
        let found = (*generation < GENERATIONS).then_some(*generation);
        assert_eq!(generation_of(arn, parent, id), found);
    }
}
