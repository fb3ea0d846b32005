//! Exit codes. They are public; whatever is not named here is a failure too.

/// How the process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Done in part.
    Partly = 3,
    /// `plan --exit-code` found work.
    WorkFound = 10,
    /// Another process holds the store.
    Held = 11,
    /// The daemon cannot be reached.
    Unreachable = 12,
    /// Refused.
    Refused = 13,
    /// The configuration or the environment is wrong; systemd must not start it again.
    Configuration = 78,
}

impl Exit {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Partly,
        Self::WorkFound,
        Self::Held,
        Self::Unreachable,
        Self::Refused,
        Self::Configuration,
    ];
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
