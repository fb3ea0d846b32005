//! Text for people: tables, times, colour.

use std::time::Duration;

use crate::clock::{Timestamp, between};
use crate::rotation::observation::Proof;
use crate::rotation::status::Phase;

/// A cell of a table.
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

/// How a cell looks, where there is colour.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Busy,
    Bad,
}

impl Cell {
    pub(super) fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self {
            text: clean(text.as_ref()),
            tone,
        }
    }

    pub(super) fn phase(phase: Phase) -> Self {
        let tone = match phase {
            Phase::Halted | Phase::NeedsAttention => Tone::Bad,
            Phase::Due | Phase::Rotating | Phase::Retiring | Phase::Paused => Tone::Busy,
            Phase::Starting | Phase::Idle | Phase::Overlap => Tone::Plain,
        };
        Self::toned(phase.label(), tone)
    }

    pub(super) fn proof(proof: Option<Proof>) -> Self {
        let tone = match proof {
            Some(Proof::Proven | Proof::EndpointProven) => Tone::Good,
            Some(Proof::Unproven(_)) => Tone::Busy,
            None => Tone::Plain,
        };
        Self::toned(self::proof(proof), tone)
    }

    fn paint(&self, width: usize, colour: bool) -> String {
        let padded = format!("{:width$}", self.text);
        let code = match self.tone {
            Tone::Good => "32",
            Tone::Busy => "33",
            Tone::Bad => "31",
            Tone::Plain => return padded,
        };
        if colour {
            format!("\u{1b}[{code}m{padded}\u{1b}[0m")
        } else {
            padded
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// A table; the last column is as wide as it likes.
pub(super) fn table<const N: usize>(header: [&str; N], rows: &[[Cell; N]], colour: bool) -> String {
    let header = header.map(Cell::from);
    let all = || std::iter::once(&header).chain(rows);
    let mut widths: [usize; N] = std::array::from_fn(|column| {
        all()
            .map(|row| row[column].text.chars().count())
            .max()
            .unwrap_or_default()
    });
    if let Some(last) = widths.last_mut() {
        *last = 0;
    }
    let mut text = String::new();
    for row in all() {
        let cells: Vec<_> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| cell.paint(width, colour))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// What was proved, and if nothing was, why.
pub(super) fn proof(proof: Option<Proof>) -> String {
    match proof {
        Some(Proof::Unproven(reason)) => format!("unproven ({reason})"),
        Some(proof) => proof.label().to_owned(),
        None => "-".to_owned(),
    }
}

/// A time; seconds matter to nobody who reads a table.
pub(super) fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.format("%Y-%m-%d %H:%MZ").to_string())
}

/// A time, and how far away it is.
pub(super) fn time_and_distance(at: Timestamp, now: Timestamp) -> String {
    let distance = match at <= now {
        true => format!("{} ago", span(between(at, now))),
        false => format!("in {}", span(between(now, at))),
    };
    format!("{} ({distance})", at.format("%Y-%m-%d %H:%M:%SZ"))
}

fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// Text without control characters: what AWS or an operator worded must not steer the terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}
