//! The level of the log while the process runs: what was typed, what is configured, and what somebody asks for, for a
//! while.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::LogLevel;

/// Who says what the log holds. The later ones hold before those above them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LevelSource {
    /// Nobody: what a command logs unless told otherwise.
    Default,
    /// `daemon.log_level` in the configuration.
    Configuration,
    /// `RUST_LOG`.
    Environment,
    /// `--log-level`.
    CommandLine,
    /// `rekeyd log-level`, for a while.
    Command,
}

impl LevelSource {
    /// Its name.
    pub fn label(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Configuration => "daemon.log_level",
            Self::Environment => "RUST_LOG",
            Self::CommandLine => "--log-level",
            Self::Command => "rekeyd log-level",
        }
    }
}

impl fmt::Display for LevelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A level, and who says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Said {
    /// The level.
    pub level: LogLevel,
    /// Who says so.
    pub by: LevelSource,
}

/// The level that is in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InForce {
    /// The level, and who says so.
    pub said: Said,
    /// After which time another one takes its place by itself.
    pub ends_in: Option<Duration>,
}

/// Makes the log go by a filter.
type Apply = Box<dyn Fn(&LogLevel) + Send + Sync>;

/// The level of a log, and the way to change it.
pub struct LogControl {
    apply: Apply,
    levels: Mutex<Levels>,
}

struct Levels {
    /// What a command logs unless told otherwise.
    usual: LogLevel,
    /// What was typed, or stood in the environment.
    given: Option<Said>,
    configured: Option<LogLevel>,
    asked_for: Option<AskedFor>,
    /// How often a level was asked for, so that the end of one is not taken for that of the next.
    asked: u64,
}

struct AskedFor {
    level: LogLevel,
    ends: Instant,
}

impl Levels {
    /// What holds but for what was asked for.
    fn lasting(&self) -> Said {
        let configured = || {
            let level = self.configured.clone()?;
            let by = LevelSource::Configuration;
            Some(Said { level, by })
        };
        let given = self.given.clone();
        given.or_else(configured).unwrap_or_else(|| Said {
            level: self.usual.clone(),
            by: LevelSource::Default,
        })
    }

    fn in_force(&self) -> InForce {
        match &self.asked_for {
            Some(asked) => InForce {
                said: Said {
                    level: asked.level.clone(),
                    by: LevelSource::Command,
                },
                ends_in: Some(asked.ends.saturating_duration_since(Instant::now())),
            },
            None => InForce {
                said: self.lasting(),
                ends_in: None,
            },
        }
    }
}

impl LogControl {
    pub(super) fn new(usual: LogLevel, given: Option<Said>, apply: Apply) -> Self {
        Self {
            apply,
            levels: Mutex::new(Levels {
                usual,
                given,
                configured: None,
                asked_for: None,
                asked: 0,
            }),
        }
    }

    /// One that changes no log: for a daemon within a command, whose log is the command's.
    pub fn of_no_log() -> Self {
        Self::new(LogLevel::default(), None, Box::new(|_| {}))
    }

    /// What is in force.
    pub fn in_force(&self) -> InForce {
        self.levels().in_force()
    }

    /// Goes by the configuration, as far as nothing holds before it. Gives what does, if that is another level.
    pub fn configure(&self, configured: Option<LogLevel>) -> Option<String> {
        self.change(|levels| levels.configured.clone_from(&configured));
        let configured = configured?;
        let given = self.levels().given.clone();
        given.filter(|given| given.level != configured).map(|given| {
            format!(
                "daemon.log_level {:?} is not in force: {} says {:?}",
                configured.as_str(),
                given.by,
                given.level.as_str()
            )
        })
    }

    /// Goes by a level for so long, whatever was typed or is configured. Takes the place of one that was asked for before.
    pub fn ask_for(self: &Arc<Self>, level: LogLevel, span: Duration) -> InForce {
        let ends = Instant::now() + span;
        let number = self.change(|levels| {
            levels.asked_for = Some(AskedFor { level, ends });
            levels.asked += 1;
            levels.asked
        });
        let control = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep_until(ends).await;
            end(&control, number);
        });
        self.in_force()
    }

    /// Ends what was asked for.
    pub fn end_asked(&self) -> InForce {
        self.change(|levels| levels.asked_for = None);
        self.in_force()
    }

    /// Changes what is said, makes the log go by what follows, and tells so at any level.
    fn change<T>(&self, change: impl FnOnce(&mut Levels) -> T) -> T {
        let mut levels = self.levels();
        let before = levels.in_force().said;
        let changed = change(&mut levels);
        let after = levels.in_force().said;
        if before != after {
            (self.apply)(&after.level);
            tracing::info!(
                event = "log_level_changed",
                now = after.level.as_str(),
                by = after.by.label(),
                before = before.level.as_str(),
                "another log level is in force"
            );
        }
        changed
    }

    fn levels(&self) -> MutexGuard<'_, Levels> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end(control: &Weak<LogControl>, number: u64) {
    if let Some(control) = control.upgrade() {
        control.change(|levels| {
            if levels.asked == number {
                levels.asked_for = None;
            }
        });
    }
}
