//! Defects that can be planted in rekeyd, to show that its simulation would catch them: each is a
//! mistake that somebody could make at the place where it is planted.
//!
//! They exist with the feature `planted-bugs` only, which this package's own tests switch on and no
//! build that ships has. Without it, `planted` is the constant `false`. With it, a defect is there
//! on the thread that called `plant`, for as long as that guard lives: a simulation is one thread.

/// A defect.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PlantedBug {
    /// AWSCURRENT moves as soon as ElastiCache shows the pending password, before any node accepted
    /// it.
    PromoteBeforeProof,
    /// setSecret gives the user the pending password alone.
    DropCurrentPassword,
    /// The finish names whatever version carries AWSCURRENT when it is sent, not the one that the
    /// proof rests on.
    ForgetCompareAndSwap,
    /// A write that AWS never answered counts as made.
    IgnoreLostReply,
    /// The overlap is counted from the beginning of the rotation, not from the promotion.
    RetireInsideOverlap,
    /// A version id is unused once its version has no label any more.
    ReuseTokenAfterAbandoning,
    /// A version that a person rolled back, and that still carries AWSPENDING, is promoted again.
    RederiveRolledBackVersion,
    /// A rotation begins while an earlier write may still arrive.
    SkipFence,
    /// Where the user was passwordless, its nodes need not refuse a made-up password.
    NopassAsProof,
    /// A user whose caches cannot be read has none.
    FailedDiscoveryAsNoNodes,
    /// Of a secret that was rotated, the schedule counts from the last promotion that the store knows
    /// of.
    RotateBecauseStoreLost,
    /// A user that is shown as `active` is taken for settled at once.
    StaleActiveForSettled,
}

impl PlantedBug {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::PromoteBeforeProof,
        Self::DropCurrentPassword,
        Self::ForgetCompareAndSwap,
        Self::IgnoreLostReply,
        Self::RetireInsideOverlap,
        Self::ReuseTokenAfterAbandoning,
        Self::RederiveRolledBackVersion,
        Self::SkipFence,
        Self::NopassAsProof,
        Self::FailedDiscoveryAsNoNodes,
        Self::RotateBecauseStoreLost,
        Self::StaleActiveForSettled,
    ];

    /// What the documents call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::PromoteBeforeProof => "promote before proof",
            Self::DropCurrentPassword => "drop the current password",
            Self::ForgetCompareAndSwap => "forget the compare-and-swap",
            Self::IgnoreLostReply => "ignore a lost reply",
            Self::RetireInsideOverlap => "retire inside the overlap",
            Self::ReuseTokenAfterAbandoning => "reuse a token after abandoning",
            Self::RederiveRolledBackVersion => "re-derive a rolled-back version",
            Self::SkipFence => "skip the fence",
            Self::NopassAsProof => "treat nopass as proof",
            Self::FailedDiscoveryAsNoNodes => "treat failed discovery as no nodes",
            Self::RotateBecauseStoreLost => "rotate because the store was lost",
            Self::StaleActiveForSettled => "take a stale active for settled",
        }
    }
}

/// Whether this defect is planted here.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) const fn planted(_: PlantedBug) -> bool {
    false
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use std::cell::Cell;

    use super::PlantedBug;

    thread_local! {
        static PLANTED: Cell<Option<PlantedBug>> = const { Cell::new(None) };
    }

    /// Whether this defect is planted here.
    pub(crate) fn planted(bug: PlantedBug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// Plants a defect on this thread, until the guard is dropped.
    pub fn plant(bug: PlantedBug) -> Planted {
        Planted {
            before: PLANTED.replace(Some(bug)),
        }
    }

    /// Keeps a defect planted.
    #[must_use = "the defect is gone as soon as this is dropped"]
    #[derive(Debug)]
    pub struct Planted {
        before: Option<PlantedBug>,
    }

    impl Drop for Planted {
        fn drop(&mut self) {
            PLANTED.set(self.before);
        }
    }
}

#[cfg(feature = "planted-bugs")]
pub(crate) use switch::planted;
#[cfg(feature = "planted-bugs")]
pub use switch::{Planted, plant};

#[cfg(all(test, feature = "planted-bugs"))]
mod tests {
    use super::*;

    #[test]
    fn a_defect_is_there_on_one_thread_and_until_its_guard_is_dropped() {
        let here = || PlantedBug::ALL.map(planted).iter().filter(|there| **there).count();
        assert_eq!(here(), 0);
        let outer = plant(PlantedBug::SkipFence);
        {
            let _inner = plant(PlantedBug::NopassAsProof);
            assert!(planted(PlantedBug::NopassAsProof) && here() == 1);
        }
        assert!(planted(PlantedBug::SkipFence) && here() == 1);
        let elsewhere = std::thread::spawn(|| planted(PlantedBug::SkipFence));
        assert!(!elsewhere.join().unwrap());
        drop(outer);
        assert_eq!(here(), 0);
    }
}
