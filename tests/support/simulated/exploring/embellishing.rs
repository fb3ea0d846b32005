//! What scripts get beside the rest, from a chance of its own: rarer settings, and what has to come together.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::drawing::{Hand, careful, numbered};
use super::script::{CallTrouble, Meddling, Perturbation, Script};

/// Keeps this chance apart from that of the rest.
const APART: u64 = 0x0dd5_eed5;

impl Script {
    /// Adds what no other draw gives.
    pub(super) fn embellish(&mut self) {
        let mut hand = Hand(StdRng::seed_from_u64(self.seed ^ APART));
        self.policy.repairs = !self.policy.api_only && hand.percent(25);
        self.policy.canary = *hand.one(&[0, 0, 1, 1, 2]);
        self.bystanders = hand.percent(20);
        self.files = hand.percent(2);
        if hand.percent(30) {
            let mut drawn: Vec<_> = self
                .happenings
                .drain(..)
                .map(|happening| (happening.at.as_secs(), happening.what))
                .collect();
            let more = hand.more(self);
            drawn.extend(more);
            careful(self, &mut drawn);
            self.happenings = numbered(drawn);
        }
        if self.has_strangers() {
            // Whom a stranger stops holds nobody else back.
            self.policy.canary = 0;
            self.policy.bears_trouble = true;
        }
    }
}

impl Hand {
    /// Things that matter together.
    fn more(&mut self, script: &Script) -> Vec<(u64, Perturbation)> {
        let user = self.0.random_range(0..script.users.len());
        let replica = self.0.random_range(0..script.replicas.len());
        let cache = self.0.random_range(0..script.caches.len());
        let at = self.seconds(0, 7_200);
        let request = |at, revoke_previous| {
            let now = false;
            let what = Perturbation::Request {
                replica,
                user,
                now,
                revoke_previous,
            };
            (at, what)
        };
        let fault = |at, operation, kind, call, times| {
            (
                at,
                Perturbation::Fault {
                    operation,
                    kind,
                    call,
                    times,
                },
            )
        };
        let alone = script.replicas.len() == 1;
        match self.0.random_range(0..100) {
            0..40 if alone => vec![(at, Perturbation::Rollback { replica, user })],
            40..60 => {
                let call = self.seconds(1, 4);
                vec![
                    request(at, false),
                    fault(at, "ModifyUser", CallTrouble::Refused, call, 1),
                ]
            }
            60..75 => {
                let deaf = Perturbation::NodeDeaf {
                    cache,
                    node: 2,
                    span_s: 1_200,
                };
                let unreadable = self.seconds(20, 120);
                let groups = "DescribeReplicationGroups";
                let unread = fault(at + 2 + unreadable, groups, CallTrouble::Throttled, 1, 40);
                vec![(at, deaf), request(at + 1, false), unread]
            }
            75..85 if alone => {
                let late = CallTrouble::Delayed {
                    s: self.seconds(120, 280),
                };
                let again = at + self.seconds(60, 600);
                vec![
                    fault(at, "ModifyUser", late, 2, 1),
                    request(at, true),
                    request(again, false),
                ]
            }
            85..93 => {
                let act = Meddling::MovesCurrentBack;
                let back = at + self.seconds(300, 1_500);
                let resumed = back + self.seconds(60, 3_600);
                vec![
                    request(at, false),
                    (back, Perturbation::Stranger { user, act }),
                    (resumed, Perturbation::Resume { replica, user }),
                    request(resumed + 5, false),
                ]
            }
            93..100 => vec![(at, Perturbation::EditBeforeFinish { user })],
            _ => Vec::new(),
        }
    }
}
