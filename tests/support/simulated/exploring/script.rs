//! What happens in a random world, as plain data: to read, to shrink, to play again.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::super::{CallFault, DiskTrouble, SaveFault};

/// A world and all that befalls it. The seed decides the rest: travel times, passwords, jitter.
#[derive(Clone, PartialEq, Debug)]
pub struct Script {
    pub seed: u64,
    pub caches: Vec<CachePlan>,
    pub users: Vec<UserPlan>,
    pub policy: PolicyPlan,
    /// Beside them stand a secret that no policy selects, and one whose user is not allowed.
    pub bystanders: bool,
    /// The stores are files, and not in memory.
    pub files: bool,
    /// Or one table, which all replicas share: with leases, or without. Never drawn.
    pub sharing: Option<bool>,
    pub replicas: Vec<ReplicaPlan>,
    /// How long a change takes to reach a node: from and to, in seconds.
    pub propagation_s: (u64, u64),
    /// Switches of the sandbox that are on another side than usual.
    pub sides: Vec<Side>,
    pub happenings: Vec<Happening>,
}

/// A replication group, with a user group of its own.
#[derive(Clone, PartialEq, Debug)]
pub struct CachePlan {
    pub nodes: u64,
    /// Its last node's own delay, in seconds, if it has one.
    pub lag_s: Option<u64>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct UserPlan {
    pub number: usize,
    pub kind: UserKind,
    /// In the groups of these caches.
    pub caches: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UserKind {
    /// On, with the password that its secret holds.
    Live,
    /// Off and without password, as is its secret.
    Inactive,
    /// On and without password, as is its secret, under a policy that takes any such user.
    Passwordless,
    /// Off, with the password that its secret holds.
    Off,
}

#[derive(Clone, PartialEq, Debug)]
pub struct PolicyPlan {
    pub overlap: OverlapPlan,
    pub every_min: u64,
    pub api_only: bool,
    /// Finds its secrets by their prefix, not by name.
    pub by_prefix: bool,
    /// Gives users back what somebody took, instead of halting.
    pub repairs: bool,
    pub canary: u8,
    /// Any number of secrets may be in trouble.
    pub bears_trouble: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OverlapPlan {
    HalfAnHour,
    None,
    UntilNextRotation,
}

#[derive(Clone, PartialEq, Debug)]
pub struct ReplicaPlan {
    pub number: usize,
    /// By how many seconds its wall clock is ahead.
    pub clock_s: i64,
}

/// A switch, by its place in `rekeyd_sandbox::switches()`.
#[derive(Clone, PartialEq, Debug)]
pub struct Side {
    pub number: usize,
    pub switch: usize,
    pub name: &'static str,
}

/// Something happens, so long after the beginning.
#[derive(Clone, PartialEq, Debug)]
pub struct Happening {
    pub number: usize,
    pub at: Duration,
    pub what: Perturbation,
}

/// What can happen. Users and replicas are meant by number; one that is not there is passed over.
#[derive(Clone, PartialEq, Debug)]
pub enum Perturbation {
    Kill {
        replica: usize,
        store: Store,
        down_s: u64,
    },
    End {
        replica: usize,
        store: Store,
        down_s: u64,
    },
    /// Befalls the replica's next process.
    CallTrip {
        replica: usize,
        fault: CallFault,
    },
    /// Befalls the replica's next process.
    SaveTrip {
        replica: usize,
        fault: SaveFault,
    },
    Stall {
        replica: usize,
        span_s: u64,
    },
    Suspend {
        replica: usize,
        span_s: u64,
    },
    StepClock {
        replica: usize,
        by_s: i64,
    },
    DiskTrouble {
        replica: usize,
        trouble: DiskTrouble,
        span_s: u64,
    },
    LoseStore {
        replica: usize,
    },
    /// Of the calls of everybody to this operation, the n-th from now meets this.
    Fault {
        operation: &'static str,
        kind: CallTrouble,
        call: u64,
        times: u64,
    },
    NodeDown {
        cache: usize,
        node: usize,
        span_s: u64,
    },
    NodeRebooted {
        cache: usize,
        node: usize,
        span_s: u64,
    },
    NodeReplaced {
        cache: usize,
        node: usize,
    },
    /// News does not reach the node.
    NodeDeaf {
        cache: usize,
        node: usize,
        span_s: u64,
    },
    NodeAdded {
        cache: usize,
    },
    NodeRemoved {
        cache: usize,
    },
    /// Users that are changed stay `modifying` for twenty minutes longer.
    SlowModifying {
        span_s: u64,
    },
    TagUser {
        user: usize,
    },
    Request {
        replica: usize,
        user: usize,
        now: bool,
        revoke_previous: bool,
    },
    Pause {
        replica: usize,
        user: usize,
        span_s: Option<u64>,
    },
    Resume {
        replica: usize,
        user: usize,
    },
    Stranger {
        user: usize,
        act: Meddling,
    },
    /// A person edits the secret as soon as a replica has written down that it is about to move AWSCURRENT.
    EditBeforeFinish {
        user: usize,
    },
    /// An operator asks for it in the user's next overlap.
    Rollback {
        replica: usize,
        user: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Store {
    Kept,
    Lost,
}

/// What goes wrong at a call, whoever makes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallTrouble {
    Throttled,
    ServerError,
    Hangs,
    ReplyLost,
    /// Invalid, says AWS.
    Refused,
    /// On its way for so long.
    Delayed {
        s: u64,
    },
}

/// What others do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meddling {
    /// As AWS's rotation Lambda does.
    Rotates,
    /// A person puts another value.
    EditsSecret,
    /// As a deployment tool does that knows another password.
    ResetsPassword,
    MovesCurrentBack,
    StripsPending,
    StartsRotation,
    SwitchesOff,
    SwitchesOn,
}

impl Perturbation {
    /// Whether somebody does it who is neither rekeyd nor its operator.
    pub fn is_a_strangers(&self) -> bool {
        matches!(self, Self::Stranger { .. } | Self::EditBeforeFinish { .. })
    }

    /// Whether a request may arrive long after it was sent because of this.
    pub fn delays_requests(&self) -> bool {
        matches!(self, Self::Stall { .. } | Self::Suspend { .. } | Self::CallTrip { .. })
            || matches!(
                self,
                Self::Fault {
                    kind: CallTrouble::Delayed { .. },
                    ..
                }
            )
    }
}

impl Meddling {
    /// Whether a person has to look, which is a halt.
    pub fn needs_a_person(self, repairs: bool) -> bool {
        match self {
            Self::Rotates | Self::EditsSecret | Self::MovesCurrentBack | Self::StartsRotation => true,
            Self::ResetsPassword => !repairs,
            Self::StripsPending | Self::SwitchesOff | Self::SwitchesOn => false,
        }
    }

    pub const ALL: [Self; 8] = [
        Self::Rotates,
        Self::EditsSecret,
        Self::ResetsPassword,
        Self::MovesCurrentBack,
        Self::StripsPending,
        Self::StartsRotation,
        Self::SwitchesOff,
        Self::SwitchesOn,
    ];
}

/// What a script can do without.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    User(usize),
    Replica(usize),
    Side(usize),
    Happening(usize),
}

impl Script {
    /// All that it can do without.
    pub fn parts(&self) -> Vec<Part> {
        let happenings = self
            .happenings
            .iter()
            .map(|happening| Part::Happening(happening.number));
        let sides = self.sides.iter().map(|side| Part::Side(side.number));
        let users = self.users.iter().map(|user| Part::User(user.number));
        let replicas = self.replicas.iter().map(|replica| Part::Replica(replica.number));
        happenings.chain(sides).chain(users).chain(replicas).collect()
    }

    /// With these parts only; nothing without a user and a replica.
    pub fn keeping(&self, parts: &[Part]) -> Option<Self> {
        let mut script = self.clone();
        script
            .happenings
            .retain(|one| parts.contains(&Part::Happening(one.number)));
        script.sides.retain(|one| parts.contains(&Part::Side(one.number)));
        script.users.retain(|one| parts.contains(&Part::User(one.number)));
        script.replicas.retain(|one| parts.contains(&Part::Replica(one.number)));
        (!script.users.is_empty() && !script.replicas.is_empty()).then_some(script)
    }

    /// The same with one table for all replicas, which ask for leases or do not. The table is never lost.
    pub fn sharing(self, leases: bool) -> Self {
        Self {
            files: false,
            sharing: Some(leases),
            ..self
        }
    }

    /// Whether others than rekeyd and its operators change anything.
    pub fn has_strangers(&self) -> bool {
        let strange = |one: &Happening| one.what.is_a_strangers();
        self.happenings.iter().any(strange)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(number) => write!(f, "u{number}"),
            Self::Replica(number) => write!(f, "r{number}"),
            Self::Side(number) => write!(f, "s{number}"),
            Self::Happening(number) => write!(f, "{number}"),
        }
    }
}

impl FromStr for Part {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        Ok(match text.split_at_checked(1) {
            Some(("u", number)) => Self::User(number.parse()?),
            Some(("r", number)) => Self::Replica(number.parse()?),
            Some(("s", number)) => Self::Side(number.parse()?),
            _ => Self::Happening(text.parse()?),
        })
    }
}
