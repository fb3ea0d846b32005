//! What perturbations are called where they are counted.

use super::super::{CallFaultKind, SaveFaultKind};
use super::script::{CallTrouble, Meddling, Perturbation, Store};

/// Names of kinds that come in one form.
const PLAIN_KINDS: [&str; 35] = [
    "kill, store kept",
    "kill, store lost",
    "end, store kept",
    "end, store lost",
    "stall",
    "suspend",
    "clock step",
    "disk trouble",
    "store lost while running",
    "throttle",
    "server error",
    "hang",
    "lost reply",
    "refused as invalid",
    "delay",
    "node down",
    "node rebooted",
    "node replaced",
    "node deaf",
    "node added",
    "node removed",
    "slow modifying",
    "user tagged",
    "request",
    "request --now",
    "request --revoke-previous",
    "pause",
    "resume",
    "rollback",
    "edit before a finish",
    "world with stores in files",
    "in answer, repaired",
    "in answer, revoked",
    "in answer, rolled back",
    "died at a call or a write",
];

impl Perturbation {
    /// Its name in a count.
    pub fn kind(&self) -> String {
        match self {
            Self::CallTrip { fault, .. } => format!("at a call: {:?}", fault.kind),
            Self::SaveTrip { fault, .. } => format!("at a write: {:?}", fault.kind),
            Self::Stranger { act, .. } => format!("stranger: {act:?}"),
            other => other.plain_kind().to_owned(),
        }
    }

    /// All names that counts can have.
    pub fn kinds() -> Vec<String> {
        let calls = CallFaultKind::ALL.map(|kind| format!("at a call: {kind:?}"));
        let saves = SaveFaultKind::ALL.map(|kind| format!("at a write: {kind:?}"));
        let strangers = Meddling::ALL.map(|act| format!("stranger: {act:?}"));
        let plain = PLAIN_KINDS.map(str::to_owned);
        calls.into_iter().chain(saves).chain(strangers).chain(plain).collect()
    }

    fn plain_kind(&self) -> &'static str {
        match self {
            Self::Kill { store: Store::Kept, .. } => "kill, store kept",
            Self::Kill { store: Store::Lost, .. } => "kill, store lost",
            Self::End { store: Store::Kept, .. } => "end, store kept",
            Self::End { store: Store::Lost, .. } => "end, store lost",
            Self::CallTrip { .. } | Self::SaveTrip { .. } | Self::Stranger { .. } => "a kind of many",
            Self::Stall { .. } => "stall",
            Self::Suspend { .. } => "suspend",
            Self::StepClock { .. } => "clock step",
            Self::DiskTrouble { .. } => "disk trouble",
            Self::LoseStore { .. } => "store lost while running",
            Self::Fault { kind, .. } => kind.label(),
            Self::NodeDown { .. } => "node down",
            Self::NodeRebooted { .. } => "node rebooted",
            Self::NodeReplaced { .. } => "node replaced",
            Self::NodeDeaf { .. } => "node deaf",
            Self::NodeAdded { .. } => "node added",
            Self::NodeRemoved { .. } => "node removed",
            Self::SlowModifying { .. } => "slow modifying",
            Self::TagUser { .. } => "user tagged",
            Self::Request { now: true, .. } => "request --now",
            Self::Request {
                revoke_previous: true, ..
            } => "request --revoke-previous",
            Self::Request { .. } => "request",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Rollback { .. } => "rollback",
            Self::EditBeforeFinish { .. } => "edit before a finish",
        }
    }
}

impl CallTrouble {
    fn label(self) -> &'static str {
        match self {
            Self::Throttled => "throttle",
            Self::ServerError => "server error",
            Self::Hangs => "hang",
            Self::ReplyLost => "lost reply",
            Self::Refused => "refused as invalid",
            Self::Delayed { .. } => "delay",
        }
    }
}
