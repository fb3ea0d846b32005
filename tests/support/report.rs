//! Figures that a run of the tests has measured, for people to read.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Names a file that each figure is appended to: what a test that passes prints is not shown.
const REPORT: &str = "REKEYD_REPORT";

/// Tells a figure, in one line.
pub fn report(line: &str) {
    println!("{line}");
    if let Some(file) = std::env::var_os(REPORT).filter(|file| !file.is_empty()) {
        let opened = OpenOptions::new().create(true).append(true).open(&file);
        // In one write, so that tests at the same time do not mix their lines.
        let written = opened.and_then(|mut opened| opened.write_all(format!("{line}\n").as_bytes()));
        written.unwrap_or_else(|error| panic!("{REPORT}: {}: {error}", file.display()));
    }
}
