//! Golden files: what was said once, and reviewed, is said again.

use std::path::Path;

/// Compares a text with the file that has it. With `UPDATE_GOLDEN=1` the file is written anew, for its changes to be read.
pub fn compare(file: &Path, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let frozen = std::fs::read_to_string(file).unwrap_or_default();
    assert!(
        frozen == text,
        "{} differs; if that is meant, run this test with UPDATE_GOLDEN=1 and read what has changed.\n{}",
        file.display(),
        difference(&frozen, text)
    );
}

/// The lines that only one of two texts has.
fn difference(was: &str, is: &str) -> String {
    let only = |sign: char, these: &str, those: &str| -> String {
        let lines = these.lines().filter(|line| !those.lines().any(|other| other == *line));
        lines.map(|line| format!("{sign} {line}\n")).collect()
    };
    only('-', was, is) + &only('+', is, was)
}
