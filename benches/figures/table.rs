//! The table that is printed, and the same as JSON.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

/// One measured figure.
#[derive(Clone, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) figure: String,
    /// How many secrets there were.
    pub(crate) secrets: usize,
    /// The measured value.
    pub(crate) value: f64,
    /// In what.
    pub(crate) unit: &'static str,
    /// What it is to stay under, if anything.
    pub(crate) at_most: Option<f64>,
    /// On what it was measured, or what it consists of.
    pub(crate) on: String,
}

/// Everything measured so far.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    failures: Vec<String>,
}

#[derive(Serialize)]
struct Report<'a> {
    figures: &'a [Row],
    failures: &'a [String],
}

impl Table {
    /// Adds a figure, and says so at once.
    pub(crate) fn add(
        &mut self,
        secrets: usize,
        figure: &str,
        (value, unit): (f64, &'static str),
        on: impl Into<String>,
    ) {
        self.push(secrets, figure, (value, unit), None, on.into());
    }

    /// The same for a figure that has a bound.
    pub(crate) fn add_bound(
        &mut self,
        secrets: usize,
        figure: &str,
        (value, unit): (f64, &'static str),
        at_most: f64,
        on: impl Into<String>,
    ) {
        self.push(secrets, figure, (value, unit), Some(at_most), on.into());
    }

    fn push(
        &mut self,
        secrets: usize,
        figure: &str,
        (value, unit): (f64, &'static str),
        at_most: Option<f64>,
        on: String,
    ) {
        let row = Row {
            figure: figure.to_owned(),
            secrets,
            value,
            unit,
            at_most,
            on,
        };
        progress(&line(&row));
        self.rows.push(row);
    }

    /// Notes a section that could not be measured.
    pub(crate) fn failed(&mut self, section: &str, secrets: usize, failure: &str) {
        let failure = format!("{section} at {secrets}: {failure}");
        progress(&failure);
        self.failures.push(failure);
    }

    /// A figure that was measured before at another size.
    pub(crate) fn value(&self, figure: &str, secrets: impl Fn(usize) -> bool) -> Option<(usize, f64)> {
        let row = self
            .rows
            .iter()
            .find(|row| row.figure == figure && secrets(row.secrets));
        row.map(|row| (row.secrets, row.value))
    }

    /// On stdout, sorted by figure, so that growth shows.
    pub(crate) fn print(&self) {
        println!(
            "{:<46} {:>8} {:>12} {:<8} {:>8}  measured on",
            "figure", "secrets", "measured", "", "at most"
        );
        let mut figures: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !figures.contains(&row.figure.as_str()) {
                figures.push(&row.figure);
            }
        }
        for figure in figures {
            let of_figure = self.rows.iter().filter(|row| row.figure == figure);
            of_figure.for_each(|row| println!("{}", line(row)));
        }
        self.failures
            .iter()
            .for_each(|failure| println!("NOT MEASURED: {failure}"));
    }

    /// As JSON.
    pub(crate) fn write(&self, file: &Path) {
        let report = Report {
            figures: &self.rows,
            failures: &self.failures,
        };
        std::fs::write(file, serde_json::to_string_pretty(&report).unwrap()).unwrap();
    }
}

fn line(row: &Row) -> String {
    let mut text = format!(
        "{:<46} {:>8} {:>12} {:<8}",
        row.figure,
        row.secrets,
        digits(row.value),
        row.unit
    );
    match row.at_most {
        Some(at_most) => {
            let mark = if row.value > at_most { '!' } else { ' ' };
            let _ = write!(text, " {:>7}{mark}", digits(at_most));
        }
        None => text.push_str(&" ".repeat(9)),
    }
    let _ = write!(text, "  {}", row.on);
    text
}

/// Three digits that count.
fn digits(value: f64) -> String {
    let places = match value.abs() {
        size if size >= 100.0 || size == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        size if size >= 0.1 => 3,
        _ => 4,
    };
    format!("{value:.places$}")
}

/// A line for whoever waits.
pub(crate) fn progress(text: &str) {
    eprintln!("[{:>6.1} s] {text}", since_start().as_secs_f64());
}

#[allow(clippy::disallowed_methods, reason = "a bench measures by the real clock")]
fn since_start() -> std::time::Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}
