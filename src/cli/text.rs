//! Text on a terminal: tables, columns, colour. What it says is in [`crate::words`].

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::rotation::observation::Proof;
use crate::rotation::status::Phase;
pub(super) use crate::words::time::{moment, time, time_and_distance};
pub(super) use crate::words::{Tone, clean, proof};

/// A secret's name takes no fewer columns than this, however narrow the terminal is.
pub(super) const NARROWEST_NAME: usize = 12;

/// A cell of a table.
#[derive(Clone)]
pub(super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(super) fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self {
            text: clean(text.as_ref()),
            tone,
        }
    }

    pub(super) fn phase(phase: Phase) -> Self {
        Self::toned(phase.label(), Tone::of_phase(phase))
    }

    pub(super) fn proof(proof: Option<Proof>) -> Self {
        Self::toned(self::proof(proof), Tone::of_proof(proof))
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
