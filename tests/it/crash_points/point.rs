//! Where a run is struck, and by what. Every run has a name that tells it all, and that replays it.

use std::fmt;
use std::str::FromStr;

use crate::support::simulated::{CallFault, CallFaultKind, Deed, SaveFault, SaveFaultKind};

/// What is rotated, and why.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rotation {
    /// A user in use, because an operator asks for it.
    Requested,
    /// A user in use, because it is due.
    Scheduled,
    /// A user as the AWS guide makes it, off and without password, because its secret has none.
    First,
}

/// What a rotation happens in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Setting {
    pub rotation: Rotation,
    /// Whether the store is lost with the first fault.
    pub store_lost: bool,
    /// Whether another replica runs beside the one that is struck.
    pub two_replicas: bool,
}

impl Setting {
    /// Every setting of a rotation.
    pub fn all(rotation: Rotation) -> impl Iterator<Item = Self> {
        let flags = [(false, false), (true, false), (false, true), (true, true)];
        flags.into_iter().map(move |(store_lost, two_replicas)| Self {
            rotation,
            store_lost,
            two_replicas,
        })
    }
}

/// What strikes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fault {
    Call(CallFault),
    Save(SaveFault),
}

/// A fault and the process that it strikes: the replica's first is 1, the one after its first death 2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Strike {
    pub life: u64,
    pub fault: Fault,
}

impl Strike {
    /// Whether another strikes the same call or write.
    pub fn is_beside(self, other: Self) -> bool {
        let place = |strike: Self| match strike.fault {
            Fault::Call(fault) => (true, fault.call),
            Fault::Save(fault) => (false, fault.save),
        };
        (self.life, place(self)) == (other.life, place(other))
    }
}

/// A setting and what strikes in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Point {
    pub setting: Setting,
    pub strikes: Vec<Strike>,
}

/// Every fault that can strike a process at each of these deeds, which it did in this order.
pub fn faults_at(life: u64, deeds: &[Deed]) -> Vec<(Deed, Strike)> {
    let (mut calls, mut saves, mut strikes) = (0, 0, Vec::new());
    for deed in deeds {
        let faults: Vec<Fault> = match deed {
            Deed::Call(_) => {
                calls += 1;
                let fault = |kind| Fault::Call(CallFault { call: calls, kind });
                CallFaultKind::ALL.into_iter().map(fault).collect()
            }
            Deed::Save(_) => {
                saves += 1;
                let fault = |kind| Fault::Save(SaveFault { save: saves, kind });
                SaveFaultKind::ALL.into_iter().map(fault).collect()
            }
        };
        strikes.extend(faults.into_iter().map(|fault| (*deed, Strike { life, fault })));
    }
    strikes
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Fault::Call(CallFault { call, kind }) => write!(f, "{}.call{call}.{kind:?}", self.life),
            Fault::Save(SaveFault { save, kind }) => write!(f, "{}.save{save}.{kind:?}", self.life),
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting {
            rotation,
            store_lost,
            two_replicas,
        } = self.setting;
        let store = if store_lost { "lost" } else { "kept" };
        let replicas = if two_replicas { "two" } else { "one" };
        let strikes: Vec<String> = self.strikes.iter().map(ToString::to_string).collect();
        write!(f, "{rotation:?}/{store}/{replicas}/{}", strikes.join("+"))
    }
}

impl FromStr for Strike {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (life, rest) = text.split_once('.')?;
            let (place, kind) = rest.split_once('.')?;
            let fault = match (place.strip_prefix("call"), place.strip_prefix("save")) {
                (Some(call), _) => {
                    let mut kinds = CallFaultKind::ALL.into_iter();
                    let kind = kinds.find(|known| format!("{known:?}") == kind)?;
                    let call = call.parse().ok()?;
                    Fault::Call(CallFault { call, kind })
                }
                (_, Some(save)) => {
                    let mut kinds = SaveFaultKind::ALL.into_iter();
                    let kind = kinds.find(|known| format!("{known:?}") == kind)?;
                    let save = save.parse().ok()?;
                    Fault::Save(SaveFault { save, kind })
                }
                _ => return None,
            };
            let life = life.parse().ok()?;
            Some(Self { life, fault })
        };
        parse().ok_or_else(|| format!("{text}: not like 1.call17.ReplyLost or 2.save3.Full"))
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let [rotation, store, replicas, strikes] = parts[..] else {
            return Err(format!("{text}: not like Requested/kept/one/1.call17.ReplyLost"));
        };
        let mut rotations = [Rotation::Requested, Rotation::Scheduled, Rotation::First].into_iter();
        let setting = Setting {
            rotation: rotations
                .find(|known| format!("{known:?}") == rotation)
                .ok_or_else(|| format!("{rotation}: not Requested, Scheduled or First"))?,
            store_lost: one_of(store, ["kept", "lost"])?,
            two_replicas: one_of(replicas, ["one", "two"])?,
        };
        let strikes = strikes.split('+').filter(|strike| !strike.is_empty());
        Ok(Self {
            setting,
            strikes: strikes.map(str::parse).collect::<Result<_, _>>()?,
        })
    }
}

/// Whether a word is the second of two.
fn one_of(word: &str, [no, yes]: [&str; 2]) -> Result<bool, String> {
    if word == yes || word == no {
        Ok(word == yes)
    } else {
        Err(format!("{word}: neither {no} nor {yes}"))
    }
}
