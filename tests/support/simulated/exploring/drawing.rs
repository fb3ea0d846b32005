//! A script from a seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rekeyd_sandbox::switches;

use super::super::{CallFault, CallFaultKind, DiskTrouble, SaveFault, SaveFaultKind};
use super::script::{
    CachePlan, CallTrouble, Happening, Meddling, OverlapPlan, Perturbation, PolicyPlan, ReplicaPlan, Script, Side,
    Store, UserKind, UserPlan,
};

/// Nothing happens later than this; then the world has time to come to rest.
const HORIZON_S: (u64, u64) = (1_800, 10_800);

/// By how much nodes lag at most where changes of many users wait for each other.
const SLOWEST_BEHIND_EACH_OTHER_S: u64 = 120;

const OPERATIONS: [&str; 9] = [
    "*",
    "mutations",
    "PutSecretValue",
    "ModifyUser",
    "ModifyUser",
    "UpdateSecretVersionStage",
    "UpdateSecretVersionStage",
    "DescribeSecret",
    "DescribeUsers",
];

impl Script {
    /// The script of a seed.
    pub fn of(seed: u64) -> Self {
        let mut hand = Hand(StdRng::seed_from_u64(seed));
        let mut caches: Vec<_> = (0..hand.weighted(&[70, 30])).map(|_| hand.cache()).collect();
        let users: Vec<_> = (0..hand.weighted(&[55, 27, 9, 4, 3, 2]))
            .map(|number| hand.user(number, caches.len()))
            .collect();
        let replicas: Vec<_> = (0..hand.weighted(&[60, 32, 8]))
            .map(|number| hand.replica(number))
            .collect();
        let policy = hand.policy(&users);
        let propagation_s = *hand.one(&[(20, 60), (5, 10), (1, 120)]);
        let sides = hand.sides();
        if sides.iter().any(|side| side.name == "doubts.group_collisions") && users.len() > 2 {
            // One change at a time in a group: slow ones of many users would not fit into the time between two rotations.
            let slow = caches.iter_mut().filter_map(|cache| cache.lag_s.as_mut());
            slow.for_each(|lag| *lag = SLOWEST_BEHIND_EACH_OTHER_S.min(*lag));
        }
        let horizon = hand.0.random_range(HORIZON_S.0..=HORIZON_S.1);
        let mut script = Self {
            seed,
            caches,
            users,
            policy,
            bystanders: false,
            files: false,
            sharing: None,
            replicas,
            propagation_s,
            sides,
            happenings: Vec::new(),
        };
        script.happenings = hand.happenings(&script, horizon);
        script.embellish();
        script
    }
}

pub(super) struct Hand(pub(super) StdRng);

impl Hand {
    pub(super) fn percent(&mut self, percent: u32) -> bool {
        self.0.random_range(0..100) < percent
    }

    pub(super) fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        of.choose(&mut self.0).expect("a choice")
    }

    /// 1 with the first weight, 2 with the second, and so on.
    pub(super) fn weighted(&mut self, percents: &[u32]) -> usize {
        let mut drawn = self.0.random_range(0..percents.iter().sum());
        for (index, percent) in percents.iter().enumerate() {
            if drawn < *percent {
                return index + 1;
            }
            drawn -= percent;
        }
        percents.len()
    }

    pub(super) fn seconds(&mut self, from: u64, to: u64) -> u64 {
        self.0.random_range(from..=to)
    }

    fn cache(&mut self) -> CachePlan {
        CachePlan {
            nodes: self.weighted(&[30, 30, 40]) as u64,
            lag_s: self.percent(20).then(|| self.seconds(60, 600)),
        }
    }

    fn user(&mut self, number: usize, caches: usize) -> UserPlan {
        let kind = match self.0.random_range(0..100) {
            0..80 => UserKind::Live,
            80..87 => UserKind::Inactive,
            87..93 => UserKind::Passwordless,
            _ => UserKind::Off,
        };
        let mut all: Vec<usize> = (0..caches).collect();
        all.shuffle(&mut self.0);
        let most = if self.percent(20) { caches } else { 1 };
        all.truncate(if self.percent(5) { 0 } else { most });
        UserPlan {
            number,
            kind,
            caches: all,
        }
    }

    fn replica(&mut self, number: usize) -> ReplicaPlan {
        let clock_s = match self.0.random_range(0..100) {
            0..50 => 0,
            50..90 => self.0.random_range(-200..=200),
            _ => self.0.random_range(-500..=500),
        };
        ReplicaPlan { number, clock_s }
    }

    fn policy(&mut self, users: &[UserPlan]) -> PolicyPlan {
        let passwordless = users.iter().any(|user| user.kind == UserKind::Passwordless);
        PolicyPlan {
            overlap: *self.one(&[
                OverlapPlan::HalfAnHour,
                OverlapPlan::None,
                OverlapPlan::UntilNextRotation,
            ]),
            every_min: *self.one(&[75, 120, 180, 1_440]),
            // Logins alone show whether a user still takes any password.
            api_only: !passwordless && self.percent(8),
            by_prefix: self.percent(15),
            repairs: false,
            canary: 0,
            bears_trouble: false,
        }
    }

    fn sides(&mut self) -> Vec<Side> {
        let all = switches();
        let chance = *self.one(&[0, 0, 8, 20, 40]);
        let mut sides = Vec::new();
        for (index, switch) in all.iter().enumerate() {
            if self.percent(chance) {
                let number = sides.len();
                sides.push(Side {
                    number,
                    switch: index,
                    name: switch.name,
                });
            }
        }
        sides
    }

    fn happenings(&mut self, script: &Script, horizon: u64) -> Vec<Happening> {
        let count = self.weighted(&[12, 22, 24, 18, 12, 8, 4]);
        let strange = self.percent(15);
        let mut drawn: Vec<(u64, Perturbation)> = Vec::new();
        for _ in 0..count {
            let at = self.seconds(0, horizon);
            let what = self.perturbation(script, strange);
            if let Perturbation::CallTrip { replica, .. } | Perturbation::SaveTrip { replica, .. } = &what {
                // Half of them meet the first process, the others one that begins again.
                if self.percent(50) {
                    let again = Perturbation::Kill {
                        replica: *replica,
                        store: self.store(),
                        down_s: 10,
                    };
                    drawn.push((at + 1, again));
                    drawn.push((at, what));
                } else {
                    drawn.push((0, what));
                }
            } else {
                drawn.push((at, what));
            }
        }
        careful(script, &mut drawn);
        numbered(drawn)
    }

    fn store(&mut self) -> Store {
        if self.percent(30) { Store::Lost } else { Store::Kept }
    }

    fn perturbation(&mut self, script: &Script, strange: bool) -> Perturbation {
        let (replica, user) = (
            self.0.random_range(0..script.replicas.len()),
            self.0.random_range(0..script.users.len()),
        );
        if strange && self.percent(40) {
            return Perturbation::Stranger {
                user,
                act: *self.one(&Meddling::ALL),
            };
        }
        match self.0.random_range(0..100) {
            0..26 => self.of_operators(replica, user),
            26..58 => self.of_processes(replica),
            58..78 => self.of_calls(),
            78..82 => Perturbation::TagUser { user },
            _ => self.of_nodes(script),
        }
    }

    fn of_operators(&mut self, replica: usize, user: usize) -> Perturbation {
        match self.0.random_range(0..100) {
            0..78 => Perturbation::Request {
                replica,
                user,
                now: self.percent(30),
                revoke_previous: self.percent(30),
            },
            78..92 => {
                let span_s = self.percent(70).then(|| self.seconds(60, 3_600));
                Perturbation::Pause { replica, user, span_s }
            }
            _ => Perturbation::Resume { replica, user },
        }
    }

    fn of_processes(&mut self, replica: usize) -> Perturbation {
        match self.0.random_range(0..100) {
            0..18 => Perturbation::Kill {
                replica,
                store: self.store(),
                down_s: self.seconds(1, 1_800),
            },
            18..28 => Perturbation::End {
                replica,
                store: self.store(),
                down_s: self.seconds(1, 600),
            },
            28..52 => {
                let (call, kind) = (self.seconds(1, 60), *self.one(&CallFaultKind::ALL));
                Perturbation::CallTrip {
                    replica,
                    fault: CallFault { call, kind },
                }
            }
            52..66 => {
                let (save, kind) = (self.seconds(1, 14), *self.one(&SaveFaultKind::ALL));
                Perturbation::SaveTrip {
                    replica,
                    fault: SaveFault { save, kind },
                }
            }
            66..76 => Perturbation::Stall {
                replica,
                span_s: self.seconds(5, 1_500),
            },
            76..81 => Perturbation::Suspend {
                replica,
                span_s: self.seconds(5, 3_600),
            },
            81..89 => Perturbation::StepClock {
                replica,
                by_s: self.0.random_range(-420..=420),
            },
            89..96 => {
                let percent = *self.one(&[20, 50, 80]);
                let all = [
                    DiskTrouble::Broken,
                    DiskTrouble::Full,
                    DiskTrouble::ReadOnly,
                    DiskTrouble::Flaky { percent },
                ];
                Perturbation::DiskTrouble {
                    replica,
                    trouble: *self.one(&all),
                    span_s: self.seconds(30, 1_800),
                }
            }
            _ => Perturbation::LoseStore { replica },
        }
    }

    fn of_calls(&mut self) -> Perturbation {
        let delayed = CallTrouble::Delayed {
            s: self.seconds(1, 280),
        };
        let kinds = [
            CallTrouble::Throttled,
            CallTrouble::ServerError,
            CallTrouble::Hangs,
            CallTrouble::ReplyLost,
            CallTrouble::ReplyLost,
            delayed,
        ];
        let operation = *self.one(&OPERATIONS);
        Perturbation::Fault {
            operation,
            kind: *self.one(&kinds),
            call: self.seconds(1, 6),
            times: *self.one(&[1, 1, 1, 2, 5, 40]),
        }
    }

    fn of_nodes(&mut self, script: &Script) -> Perturbation {
        let cache = self.0.random_range(0..script.caches.len());
        let node = self.0.random_range(0..3);
        match self.0.random_range(0..8) {
            0 => Perturbation::NodeDown {
                cache,
                node,
                span_s: self.seconds(10, 3_600),
            },
            1 => Perturbation::NodeRebooted {
                cache,
                node,
                span_s: self.seconds(5, 120),
            },
            2 => Perturbation::NodeReplaced { cache, node },
            3 => Perturbation::NodeDeaf {
                cache,
                node,
                span_s: self.seconds(60, 3_600),
            },
            4 => Perturbation::NodeAdded { cache },
            5 => Perturbation::NodeRemoved { cache },
            _ => Perturbation::SlowModifying {
                span_s: self.seconds(60, 3_600),
            },
        }
    }
}

/// In the order of their times.
pub(super) fn numbered(mut drawn: Vec<(u64, Perturbation)>) -> Vec<Happening> {
    drawn.sort_by_key(|(at, _)| *at);
    let number = |(number, (at, what))| Happening {
        number,
        at: Duration::from_secs(at),
        what,
    };
    drawn.into_iter().enumerate().map(number).collect()
}

/// Operators of these worlds keep to the contract. `--now` passes the fence over, so nobody says it
/// while a request may arrive late or another replica is at work. Replicas with stores of their own
/// know nothing of each other's writes, so nobody asks for rotations where one of them stalls. That
/// another password was set on a user shows in logins only, so strangers do so where logins are made and users are on.
pub(super) fn careful(script: &Script, drawn: &mut [(u64, Perturbation)]) {
    let late = drawn.iter().any(|(_, what)| what.delays_requests());
    let several = script.replicas.len() > 1;
    let switches_off = |what: &Perturbation| {
        let act = Meddling::SwitchesOff;
        matches!(what, Perturbation::Stranger { act: done, .. } if *done == act)
    };
    let hidden = script.policy.api_only
        || script
            .users
            .iter()
            .any(|user| user.kind != UserKind::Live || user.caches.is_empty())
        || drawn.iter().any(|(_, what)| switches_off(what));
    for (_, what) in drawn {
        if let Perturbation::Stranger { act, .. } = what
            && *act == Meddling::ResetsPassword
            && hidden
        {
            *act = Meddling::StripsPending;
        }
        if let Perturbation::Request { now, replica, user, .. } = what {
            if several && late {
                *what = Perturbation::Resume {
                    replica: *replica,
                    user: *user,
                };
            } else {
                *now &= !late && !several;
            }
        }
    }
}
