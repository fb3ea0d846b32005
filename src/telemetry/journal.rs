//! Priorities of lines that the journal reads: `<4>` before a warning (sd-daemon(3)).

use std::ffi::OsStr;

use tracing::Level;

/// The variable in which systemd names the device and the inode of the stream that it reads (systemd.exec(5)).
const JOURNAL_STREAM: &str = "JOURNAL_STREAM";

/// Whether standard error is what the journal reads. The variable alone proves nothing: a process inherits it with its
/// standard error sent elsewhere.
pub(super) fn reads_standard_error() -> bool {
    let stream = std::env::var_os(JOURNAL_STREAM);
    let seen = rustix::fs::fstat(std::io::stderr());
    match (stream, seen) {
        (Some(stream), Ok(seen)) => is_stream(&stream, seen.st_dev, seen.st_ino),
        _ => false,
    }
}

fn is_stream(named: &OsStr, device: u64, inode: u64) -> bool {
    let named = named.to_str().and_then(|text| text.split_once(':'));
    let numbers = named.and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?)));
    numbers == Some((device, inode))
}

/// The prefix of a line: syslog's severity.
pub(super) fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

/// Text that is no event, with the priority of an error before each of its lines if the journal reads it.
pub(super) fn as_error(text: &str, journal: bool) -> String {
    match journal {
        false => text.to_owned(),
        true => {
            let lines = text.lines().map(|line| format!("{}{line}", priority(Level::ERROR)));
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_stream_that_is_named_is_the_journals() {
        let is = |text: &str| is_stream(OsStr::new(text), 8, 1234);
        assert!(is("8:1234"));
        for other in ["8:1235", "9:1234", "8", "8:", ":1234", "8:1234:1", "", "a:b", "-8:1234"] {
            assert!(!is(other), "{other}");
        }
    }

    #[test]
    fn every_line_of_an_error_has_its_priority_in_the_journal_only() {
        assert_eq!(as_error("a\nb", true), "<3>a\n<3>b");
        assert_eq!(as_error("a\nb", false), "a\nb");
    }
}
