//! How each perturbation is brought about.

use std::time::Duration;

use rekeyd::engine::control::{Control, RollbackOptions, RotateOptions, Selector};
use rekeyd::rotation::status::Phase;
use rekeyd_sandbox::elasticache as ec;
use rekeyd_sandbox::{Delay, Fault, FaultKind, NodeChange};

use super::super::Replica;
use super::script::{CallTrouble, Perturbation, Store};
use super::stage::{Cue, Stage, State, cache_id};
use crate::support::world::user_arn;

/// How long a process that is asked to end may take.
const DRAIN: Duration = Duration::from_secs(30);

/// How often it is looked whether there is something to roll back, and after how many seconds again.
const ROLLBACK_LOOKS: u32 = 90;
const ROLLBACK_LOOK_S: u64 = 60;

/// By how much longer users stay `modifying` while AWS is slow with it.
const SLOWLY_MS: u64 = 1_200_000;

impl Stage<'_> {
    /// Lets it happen.
    pub(super) async fn act(&mut self, cue: Cue) {
        match cue {
            Cue::Perturb(what) => {
                let kind = what.kind();
                if self.perturb(what).await {
                    self.tally.count(&kind);
                }
            }
            Cue::Start(number) => self.start(number).await,
            Cue::NodeRuns(node) => {
                let running = Some(true);
                self.change(
                    &node,
                    &NodeChange {
                        running,
                        ..NodeChange::default()
                    },
                );
            }
            Cue::NodeHears(node) => {
                let propagation_ms = Some(None);
                self.change(
                    &node,
                    &NodeChange {
                        propagation_ms,
                        ..NodeChange::default()
                    },
                );
            }
            Cue::ModifyingIsQuick => self.set_modifying_extra(0),
            Cue::RollBack(replica, user, looks) => drop(self.roll_back(replica, user, looks)),
        }
    }

    /// Says whether it could happen.
    async fn perturb(&mut self, what: Perturbation) -> bool {
        match what {
            Perturbation::Kill { replica, store, down_s } => self.stop(replica, store, down_s, false).await,
            Perturbation::End { replica, store, down_s } => self.stop(replica, store, down_s, true).await,
            Perturbation::CallTrip { replica, fault } => {
                let actor = self.cast.iter_mut().find(|actor| actor.number == replica);
                actor.map(|actor| actor.calls.push(fault)).is_some()
            }
            Perturbation::SaveTrip { replica, fault } => {
                let actor = self.cast.iter_mut().find(|actor| actor.number == replica);
                actor.map(|actor| actor.saves.push(fault)).is_some()
            }
            Perturbation::Stall { replica, span_s } => {
                self.on(replica, |replica| replica.stall(Duration::from_secs(span_s)))
            }
            Perturbation::Suspend { replica, span_s } => {
                self.on(replica, |replica| replica.suspend(Duration::from_secs(span_s)))
            }
            Perturbation::StepClock { replica, by_s } => self.on(replica, |replica| {
                replica.clock().step(chrono::TimeDelta::seconds(by_s));
            }),
            Perturbation::DiskTrouble {
                replica,
                trouble,
                span_s,
            } => self.on(replica, |replica| {
                replica.disk().trouble(trouble, Some(Duration::from_secs(span_s)));
            }),
            Perturbation::LoseStore { .. } if self.script.sharing.is_some() => false,
            Perturbation::LoseStore { replica } => {
                let lost = self.on(replica, Replica::lose_store);
                if lost {
                    self.storeless.insert(replica);
                }
                lost
            }
            Perturbation::Fault {
                operation,
                kind,
                call,
                times,
            } => {
                self.arm(fault(operation, kind).at_call(call).times(times));
                true
            }
            Perturbation::SlowModifying { span_s } => {
                self.set_modifying_extra(SLOWLY_MS);
                self.cue_in(span_s, Cue::ModifyingIsQuick);
                true
            }
            Perturbation::TagUser { user } => self.tag(user).await,
            Perturbation::Stranger { user, act } => self.meddle(user, act),
            Perturbation::EditBeforeFinish { user } => self.edit_before_finish(user),
            Perturbation::Rollback { replica, user } => self.roll_back(replica, user, ROLLBACK_LOOKS),
            what @ (Perturbation::Request { .. } | Perturbation::Pause { .. } | Perturbation::Resume { .. }) => {
                self.command(what)
            }
            what => self.change_nodes(what).await,
        }
    }

    pub(super) async fn stop(&mut self, number: usize, store: Store, down_s: u64, gently: bool) -> bool {
        let Some(actor) = self.cast.iter_mut().find(|actor| actor.number == number) else {
            return false;
        };
        let machine = match std::mem::replace(&mut actor.state, State::Between) {
            State::Up(replica) if gently => {
                let machine = replica.machine();
                // One that is stalled does not hear of it, and is killed in the end.
                match tokio::time::timeout(DRAIN, replica.end()).await {
                    Ok(machine) => machine,
                    Err(_) => machine,
                }
            }
            State::Up(replica) => replica.crash(),
            other => {
                actor.state = other;
                return false;
            }
        };
        let lost = store == Store::Lost && self.script.sharing.is_none();
        actor.state = State::Down(if lost { machine.empty_disk() } else { machine });
        self.cue_in(down_s, Cue::Start(number));
        true
    }

    fn on(&self, replica: usize, act: impl FnOnce(&Replica)) -> bool {
        self.replica(replica).map(act).is_some()
    }

    /// Adds a fault; the others stay as they are.
    fn arm(&mut self, fault: Fault) {
        let armed = self.sim.world.sandbox.faults();
        self.tally
            .add("calls hit by faults", armed.iter().map(|armed| armed.fired).sum());
        let still = armed
            .into_iter()
            .filter(|armed| armed.remaining != Some(0))
            .map(|armed| {
                let call = armed.fault.call.saturating_sub(armed.seen).max(1);
                let times = armed.remaining.unwrap_or(0);
                armed.fault.at_call(call).times(times)
            });
        let faults = still.chain([fault]).collect();
        self.sim.faults(faults);
    }

    fn set_modifying_extra(&self, ms: u64) {
        let mut settings = self.sim.world.sandbox.settings();
        settings.settle_extra_ms = ms;
        self.sim.world.sandbox.set_settings(settings);
    }

    async fn tag(&mut self, user: usize) -> bool {
        let Some(user) = self.user(user) else { return false };
        let tag = ec::Tag {
            key: "team".to_owned(),
            value: Some("orders".to_owned()),
        };
        self.ask(ec::AddTagsToResource {
            resource_name: user_arn(&user.id()),
            tags: Some(vec![tag]),
        })
        .await
    }

    /// An operator speaks to a process, which may not answer.
    fn command(&mut self, what: Perturbation) -> bool {
        let (Perturbation::Request { replica, user, .. }
        | Perturbation::Pause { replica, user, .. }
        | Perturbation::Resume { replica, user }) = &what
        else {
            return false;
        };
        let (number, user_number) = (*replica, *user);
        let (Some(replica), Some(user)) = (self.replica(number), self.user(user_number)) else {
            return false;
        };
        let engine = replica.engine.clone();
        let selector = Selector {
            secrets: vec![user.secret()],
            ..Selector::default()
        };
        if let Perturbation::Pause { span_s: None, .. } = &what {
            self.paused.insert((number, user_number));
        }
        let (world, secret) = (self.sim.world.clone(), user.secret());
        // A request that has not begun is in the store alone.
        let forgets = self.storeless.contains(&number);
        tokio::spawn(async move {
            // It may refuse, and then has said so.
            match what {
                Perturbation::Request {
                    now, revoke_previous, ..
                } => {
                    world.auditor().requested(world.sandbox.now(), &secret, revoke_previous);
                    let answer = engine.rotate(&selector, RotateOptions { now, revoke_previous }).await;
                    if answer.is_ok() && !forgets {
                        world.auditor().acknowledged(&format!("REPLICA{number}"), &secret);
                    }
                }
                Perturbation::Pause { span_s, .. } => {
                    drop(engine.pause(&selector, span_s.map(Duration::from_secs), None).await);
                }
                _ => drop(engine.resume(&selector).await),
            }
        });
        true
    }

    /// An operator asks for a rollback as soon as there is something to go back to.
    fn roll_back(&mut self, number: usize, user: usize, looks: u32) -> bool {
        let (replica, plan) = (self.replica(number), self.user(user));
        let Some(plan) = plan else { return false };
        let secret = plan.secret();
        let status = replica.and_then(|replica| replica.status(&secret));
        match replica.filter(|_| status.is_some_and(|status| status.phase == Phase::Overlap)) {
            Some(replica) => {
                let engine = replica.engine.clone();
                self.sim.world.auditor().allow_rollback(&secret);
                tokio::spawn(async move { drop(engine.rollback(&secret, RollbackOptions::default()).await) });
            }
            None if looks > 0 => self.cue_in(ROLLBACK_LOOK_S, Cue::RollBack(number, user, looks - 1)),
            None => {}
        }
        true
    }

    async fn change_nodes(&mut self, what: Perturbation) -> bool {
        let of = NodeChange::default;
        match what {
            Perturbation::NodeDown { cache, node, span_s } | Perturbation::NodeRebooted { cache, node, span_s } => {
                let rebooted = matches!(what, Perturbation::NodeRebooted { .. });
                let status = rebooted.then(|| "rebooting cache cluster nodes".to_owned());
                let running = Some(false);
                self.change_one(
                    cache,
                    node,
                    &NodeChange {
                        running,
                        status,
                        ..of()
                    },
                    |node| Some((span_s, Cue::NodeRuns(node))),
                )
            }
            Perturbation::NodeReplaced { cache, node } => {
                self.change_one(cache, node, &NodeChange { replace: true, ..of() }, |_| None)
            }
            Perturbation::NodeDeaf { cache, node, span_s } => {
                let propagation_ms = Some(Some(Delay::NEVER));
                self.change_one(cache, node, &NodeChange { propagation_ms, ..of() }, |node| {
                    Some((span_s, Cue::NodeHears(node)))
                })
            }
            Perturbation::NodeAdded { cache } => {
                let replicas = self.nodes_of(cache).len();
                self.ask(ec::IncreaseReplicaCount {
                    replication_group_id: cache_id(cache),
                    new_replica_count: i64::try_from(replicas).ok(),
                    apply_immediately: Some(true),
                    ..ec::IncreaseReplicaCount::default()
                })
                .await
            }
            Perturbation::NodeRemoved { cache } => {
                let replicas = self.nodes_of(cache).len();
                self.ask(ec::DecreaseReplicaCount {
                    replication_group_id: cache_id(cache),
                    new_replica_count: i64::try_from(replicas).ok().map(|replicas| replicas - 2),
                    apply_immediately: Some(true),
                    ..ec::DecreaseReplicaCount::default()
                })
                .await
            }
            _ => false,
        }
    }

    /// Changes a node of a cache, and cues what takes it back.
    fn change_one(
        &mut self,
        cache: usize,
        node: usize,
        change: &NodeChange,
        back: impl FnOnce(String) -> Option<(u64, Cue)>,
    ) -> bool {
        let nodes = self.nodes_of(cache);
        let Some(node) = nodes.get(node % nodes.len().max(1)) else {
            return false;
        };
        if let Some((after_s, cue)) = back(node.clone()) {
            self.cue_in(after_s, cue);
        }
        self.change(node, change)
    }

    pub(super) fn change(&self, node: &str, change: &NodeChange) -> bool {
        let world = &self.sim.world;
        world.catch_up();
        let status = change.running.map(|_| "available".to_owned());
        let change = NodeChange {
            status: change.status.clone().or(status),
            ..change.clone()
        };
        let changed = world.sandbox.change_node(node, &change);
        world.changed();
        changed
    }

    fn nodes_of(&self, cache: usize) -> Vec<String> {
        let group = Some(cache_id(cache));
        let nodes = self.sim.world.sandbox.nodes().into_iter();
        nodes
            .filter(|node| node.replication_group == group)
            .map(|node| node.id)
            .collect()
    }
}

fn fault(operation: &str, kind: CallTrouble) -> Fault {
    let next = |kind| Fault::next(operation, kind);
    match kind {
        CallTrouble::Throttled => next(FaultKind::Throttle),
        CallTrouble::ServerError => next(FaultKind::Error),
        CallTrouble::Hangs => next(FaultKind::Hang),
        CallTrouble::ReplyLost => next(FaultKind::ReplyLost),
        CallTrouble::Refused => Fault {
            code: Some("InvalidParameterValue".to_owned()),
            ..next(FaultKind::Code)
        },
        CallTrouble::Delayed { s } => Fault {
            ms: Some(s * 1_000),
            ..next(FaultKind::Delay)
        },
    }
}
