//! What ships cannot have a bug planted: the feature is in the tests' build and in no other.

use std::path::Path;
use std::process::Command;

const FEATURE: &str = "planted-bugs";

/// The packages of the workspace, each with its features, built with these kinds of dependencies.
fn features(edges: &str) -> String {
    let args = [
        "--workspace",
        "--locked",
        "--offline",
        "--depth",
        "0",
        "--format",
        "{p} {f}",
    ];
    let tree = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--edges", edges])
        .args(args)
        .output()
        .expect("cargo");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    String::from_utf8(tree.stdout).expect("text")
}

#[test]
fn only_the_build_of_the_tests_has_the_switches() {
    let (shipped, tested) = (features("no-dev"), features("all"));
    assert!(shipped.contains("rekeyd v") && !shipped.contains(FEATURE), "{shipped}");
    assert!(tested.contains(FEATURE), "{tested}");
}

/// The build of an example or a test has the features of the tests, and so have programs that the same command builds.
#[test]
fn no_command_that_builds_the_program_builds_anything_of_the_tests_beside_it() {
    let mut builds = 0;
    for file in ["Makefile", "Dockerfile"] {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).expect(file);
        for line in text
            .lines()
            .filter(|line| line.contains("--package rekeyd --bin rekeyd"))
        {
            builds += 1;
            for with in [
                "--example",
                "--test",
                "--bench",
                "--all-targets",
                "--features",
                "--all-features",
            ] {
                assert!(!line.contains(with), "{file}: {line}");
            }
        }
    }
    assert_eq!(builds, 3, "make demo, make package, and the image");
}
