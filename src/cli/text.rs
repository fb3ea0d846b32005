//! Text for people: tables, times, colour.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::clock::{Timestamp, between};
use crate::rotation::observation::Proof;
use crate::rotation::status::Phase;

/// A secret's name takes no fewer columns than this, however narrow the terminal is.
pub(super) const NARROWEST_NAME: usize = 12;

/// A cell of a table.
#[derive(Clone)]
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

    /// The same in so many columns at most.
    pub(super) fn within(&self, columns: usize) -> Self {
        Self {
            text: shortened(&self.text, columns),
            tone: self.tone,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn width(&self) -> usize {
        self.text.width()
    }

    fn paint(&self, width: usize, colour: bool) -> String {
        let padding = width.saturating_sub(self.width());
        let padded = format!("{}{}", self.text, " ".repeat(padding));
        if colour { painted(&padded, self.tone) } else { padded }
    }
}

/// Text in the colour of a tone.
pub(super) fn painted(text: &str, tone: Tone) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Busy => "33",
        Tone::Bad => "31",
        Tone::Plain => return text.to_owned(),
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// How wide each column of a table is, the last as wide as it likes.
pub(super) fn widths<const N: usize>(rows: &[[Cell; N]]) -> [usize; N] {
    std::array::from_fn(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or_default())
}

/// A table; the last column is as wide as it likes.
pub(super) fn table<const N: usize>(header: [&str; N], rows: &[[Cell; N]], colour: bool) -> String {
    let header = header.map(Cell::from);
    let all: Vec<[Cell; N]> = std::iter::once(header).chain(rows.iter().cloned()).collect();
    let widths = widths(&all);
    let lines = all.iter().map(|row| line(row, &widths, colour) + "\n");
    lines.collect()
}

/// A line of a table.
pub(super) fn line(row: &[Cell], widths: &[usize], colour: bool) -> String {
    let last = row.len().saturating_sub(1);
    let cells = row.iter().zip(widths).enumerate();
    let cells = cells.map(|(column, (cell, width))| cell.paint(if column == last { 0 } else { *width }, colour));
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
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

/// A time to the second.
pub(super) fn moment(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A time, and how far away it is.
pub(super) fn time_and_distance(at: Timestamp, now: Timestamp) -> String {
    let distance = match at <= now {
        true => format!("{} ago", span(between(at, now))),
        false => format!("in {}", span(between(now, at))),
    };
    format!("{} ({distance})", moment(at))
}

/// A span, roughly.
pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// A span, to the tenth of a second where that tells something.
pub(super) fn exact_span(seconds: f64) -> String {
    match seconds {
        short if short < 120.0 => format!("{short:.1} s"),
        long => span(Duration::from_secs_f64(long)),
    }
}

/// Text without control characters, and without those that change the direction of what follows: what AWS or an operator
/// worded must not steer the terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|character| if steers(character) { ' ' } else { character })
        .collect()
}

fn steers(character: char) -> bool {
    // The embeddings, overrides and isolates of UAX #9, and the separators of lines and paragraphs.
    let is_direction = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || is_direction || matches!(character, '\u{2028}' | '\u{2029}')
}

/// Text in so many columns at most. Its middle goes: names differ at their ends, and begin with what they belong to.
pub(super) fn shortened(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let kept = columns.saturating_sub(1);
    let back = fitting(text.chars().rev(), kept / 2);
    let front = fitting(
        text.chars(),
        kept - back.iter().filter_map(|c| c.width()).sum::<usize>(),
    );
    let front: String = front.into_iter().collect();
    let back: String = back.into_iter().rev().collect();
    if columns == 0 {
        String::new()
    } else {
        format!("{front}…{back}")
    }
}

/// As many of these characters as so many columns hold.
fn fitting(characters: impl Iterator<Item = char>, columns: usize) -> Vec<char> {
    let mut left = columns;
    characters
        .take_while(|character| {
            let width = character.width().unwrap_or_default();
            let fits = width <= left;
            left = left.saturating_sub(width);
            fits
        })
        .collect()
}

/// Text over as many lines as it takes, each behind `indent` and in so many columns. Words stay whole; one that takes more
/// than a line, such as an ARN, goes on in the next.
pub(super) fn wrapped(text: &str, indent: usize, columns: Option<usize>) -> String {
    let margin = " ".repeat(indent);
    let room = columns.map_or(usize::MAX, |columns| columns.saturating_sub(indent).max(20));
    let mut lines = String::new();
    let mut filled: usize = 0;
    let text = clean(text);
    for word in text.split_whitespace().flat_map(|word| pieces(word, room)) {
        let wide = word.width();
        if filled > 0 && filled.saturating_add(wide + 1) > room {
            lines.push('\n');
            filled = 0;
        }
        match filled {
            0 => lines.push_str(&margin),
            _ => lines.push(' '),
        }
        lines.push_str(&word);
        filled += wide + usize::from(filled > 0);
    }
    lines.push('\n');
    lines
}

/// A word in pieces of so many columns at most; where it can be, each ends as a part of a name does.
fn pieces(word: &str, room: usize) -> Vec<String> {
    let mut left = word.to_owned();
    let mut pieces = Vec::new();
    while left.width() > room {
        let mut piece: String = fitting(left.chars(), room).into_iter().collect();
        if let Some(end) = piece.rfind([':', '/', '-', '.', ',']) {
            piece.truncate(end + 1);
        }
        if piece.is_empty() {
            break;
        }
        left = left.split_off(piece.len());
        pieces.push(piece);
    }
    pieces.push(left);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shortened_by_what_it_takes_on_the_screen_and_keeps_both_its_ends() {
        for (text, columns, shown) in [
            ("production/ec/user1", 19, "production/ec/user1"),
            ("production/ec/user1", 12, "produc…user1"),
            ("数据库/用户一号", 9, "数据…一号"),
            ("数据库/用户一号", 8, "数据…号"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(shortened(text, columns), shown);
            assert!(shown.width() <= columns);
        }
    }

    #[test]
    fn nobodys_words_steer_the_terminal() {
        let told = "gone\u{1b}[2J\nnew line\u{202e}desrever\u{2028}and 漢字";
        assert_eq!(clean(told), "gone [2J new line desrever and 漢字");
    }

    #[test]
    fn no_line_is_wider_than_the_screen_and_words_that_fit_stay_whole() {
        let text = "waits for the fence, lest\nan earlier-write-which-is-very-long arrives";
        assert_eq!(
            wrapped(text, 2, Some(22)),
            "  waits for the fence,\n  lest an\n  earlier-write-which-\n  is-very-long arrives\n"
        );
        let digits = "0".repeat(41);
        assert_eq!(wrapped(&digits, 0, Some(20)), format!("{0}\n{0}\n0\n", "0".repeat(20)));
        assert_eq!(wrapped(text, 2, None).lines().count(), 1);
    }
}
