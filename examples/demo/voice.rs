//! What a person reads: plain lines, coloured only on a terminal.

use std::io::{IsTerminal, Write};

use rekeyd::clock::{Clock, SystemClock, Timestamp};

/// Where the user's name and the happening stand in a line.
const WHO: usize = 9;
const WHAT: usize = 14;

/// Speaks to whoever watches.
pub(crate) struct Voice {
    clock: SystemClock,
    colour: bool,
}

impl Voice {
    pub(crate) fn of_terminal() -> Self {
        Self {
            clock: SystemClock::new(),
            colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A line as it is. Who has closed the terminal misses nothing.
    pub(crate) fn say(&self, text: &str) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    pub(crate) fn chapter(&self, title: &str) {
        self.say("");
        self.say(&self.paint("1", &format!("== {title}")));
    }

    /// Something that happened, now.
    pub(crate) fn now(&self, who: &str, what: &str, text: &str) {
        self.at(self.clock.now(), who, what, text);
    }

    /// Something that happened, then.
    pub(crate) fn at(&self, at: Timestamp, who: &str, what: &str, text: &str) {
        let (time, who) = (at.format("%H:%M:%S").to_string(), format!("{who:WHO$}"));
        let colour = match who.trim_end() {
            "operator" => "33",
            "user1" => "36",
            "user2" => "35",
            _ => "0",
        };
        self.say(&format!(
            "{} {} {what:WHAT$} {text}",
            self.paint("2", &time),
            self.paint(colour, &who)
        ));
    }

    pub(crate) fn good(&self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn bad(&self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(crate) fn problem(&self, text: &str) {
        self.say(&self.bad(&format!("demo: {text}")));
    }
}
