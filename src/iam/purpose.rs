//! Who is to have a policy, which decides what is in it.

use std::fmt;
use std::str::FromStr;

/// What somebody runs. Each needs other rights.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Purpose {
    /// `rekeyd run`.
    #[default]
    Daemon,
    /// `rekeyd plan`.
    Plan,
    /// `rekeyd onboard`.
    Onboard,
    /// `rekeyd takeover`.
    Takeover,
}

impl Purpose {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Daemon, Self::Plan, Self::Onboard, Self::Takeover];

    /// Its name on the command line.
    pub fn label(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Plan => "plan",
            Self::Onboard => "onboard",
            Self::Takeover => "takeover",
        }
    }

    /// Whoever runs it, in words, where no role or profile of the configuration says more.
    pub(super) fn holder(self) -> String {
        match self {
            Self::Daemon => "the role that rekeyd runs as".to_owned(),
            command => format!("whoever runs `rekeyd {command}`"),
        }
    }

    /// What the names of its policies begin with.
    pub(super) fn prefix(self) -> String {
        match self {
            Self::Daemon => "rekeyd".to_owned(),
            command => format!("rekeyd-{command}"),
        }
    }

    /// Whether it may do what the daemon may not.
    pub(super) fn exceeds_daemon(self) -> bool {
        matches!(self, Self::Onboard | Self::Takeover)
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

impl FromStr for Purpose {
    type Err = String;

    fn from_str(label: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|purpose| purpose.label() == label);
        known.ok_or_else(|| format!("write one of {}", Self::ALL.map(Self::label).join(", ")))
    }
}
