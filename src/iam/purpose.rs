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
    /// The commands that reach the replicas through the table that they share.
    Commands,
    /// `rekeyd state init-table`.
    InitTable,
}

impl Purpose {
    /// Every one of them.
    pub const ALL: [Self; 6] = [
        Self::Daemon,
        Self::Plan,
        Self::Onboard,
        Self::Takeover,
        Self::Commands,
        Self::InitTable,
    ];

    /// Its name on the command line.
    pub fn label(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Plan => "plan",
            Self::Onboard => "onboard",
            Self::Takeover => "takeover",
            Self::Commands => "commands",
            Self::InitTable => "init-table",
        }
    }

    /// Whoever runs it, in words, where no role or profile of the configuration says more.
    pub(super) fn holder(self) -> String {
        match self {
            Self::Daemon => "the role that rekeyd runs as".to_owned(),
            Self::Commands => "whoever gives commands through the table".to_owned(),
            command => format!("whoever runs `rekeyd {}`", command.typed()),
        }
    }

    /// What is typed after `rekeyd`.
    pub(super) fn typed(self) -> &'static str {
        match self {
            Self::Daemon => "run",
            Self::InitTable => "state init-table",
            command => command.label(),
        }
    }

    /// Whether it is about the table alone.
    pub(super) fn needs_only_table(self) -> bool {
        matches!(self, Self::Commands | Self::InitTable)
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
        matches!(self, Self::Onboard | Self::Takeover | Self::InitTable)
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
