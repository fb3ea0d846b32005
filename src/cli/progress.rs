//! How far work on many secrets has come: a bar on a terminal that redraws, lines on any other, nothing in a pipe.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::Session;
use crate::cli::text::shortened;

/// From so many secrets on a bar tells more than lines alone.
const BULK: usize = 2;

/// So many secrets are told of one by one. Of more of them the bar tells what goes well, and lines what does not: those of
/// a thousand secrets would be all that the terminal remembers.
const TOLD_SINGLY: usize = 5;

/// The progress of a command.
pub(super) struct Progress<'a> {
    session: &'a Session,
    bar: Option<ProgressBar>,
    brief: bool,
}

impl<'a> Progress<'a> {
    /// The progress on so many secrets.
    pub(super) fn of(secrets: usize, session: &'a Session) -> Self {
        let bar = (session.redraws && session.progress.is_some() && secrets >= BULK).then(|| bar(secrets));
        let brief = bar.is_some() && secrets > TOLD_SINGLY;
        Self { session, bar, brief }
    }

    /// Whether what goes well is told by the bar alone.
    #[cfg(test)]
    pub(super) fn is_brief(&self) -> bool {
        self.brief
    }

    /// Tells something that is as it should be, unless the bar tells as much.
    pub(super) fn mention(&self, line: &str) {
        match (self.brief, self.session.width.filter(|_| self.bar.is_some())) {
            (true, _) => {}
            (false, Some(columns)) => self.tell(&shortened(line, columns)),
            (false, None) => self.tell(line),
        }
    }

    /// Tells something that happened.
    pub(super) fn tell(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => self.session.tell(line),
        }
    }

    /// So many are over; of them, so many have failed.
    pub(super) fn over(&self, over: usize, failed: usize) {
        if let Some(bar) = &self.bar {
            bar.set_position(u64::try_from(over).unwrap_or(u64::MAX));
            if failed > 0 {
                bar.set_message(format!("{failed} failed"));
            }
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(secrets: usize) -> ProgressBar {
    let length = u64::try_from(secrets).unwrap_or(u64::MAX);
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    // Without colour, so that NO_COLOR needs no second form.
    let style = ProgressStyle::with_template("[{bar:30}] {pos} of {len} {msg} {elapsed}");
    bar.with_style(style.map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("=> ")))
}
