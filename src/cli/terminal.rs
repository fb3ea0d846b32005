//! The terminal: how wide it is, and what it can do.

use rustix::termios::tcgetwinsize;

/// As wide as terminals were, and as narrow as they get.
const USUAL_COLUMNS: usize = 80;

/// In how many columns text should fit: as COLUMNS says, or the terminal, or 80.
pub(super) fn columns() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let seen = || {
        let size = tcgetwinsize(std::io::stdout()).ok()?;
        Some(usize::from(size.ws_col))
    };
    let columns = told.or_else(seen).filter(|columns| *columns > 0);
    columns.unwrap_or(USUAL_COLUMNS)
}

/// Whether it takes colours, and redraws a line.
pub(super) fn redraws() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
