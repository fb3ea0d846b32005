//! The life of one rekeyd process, as far as the world can tell.
//!
//! An engine acts through its ports only. So a process is killed by letting no call of its ports
//! return any more: whatever its tasks still compute reaches nobody, as with `kill -9`. A request
//! that has left the machine goes on without it. A process is stopped in the same way, for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::faults::{CallFault, CallFaultKind, CrashPoint, SaveFault, SaveFaultKind};

/// What is to befall a process.
#[derive(Clone, Default)]
pub struct Fate {
    pub crash: Option<CrashPoint>,
    pub calls: Vec<CallFault>,
    pub saves: Vec<SaveFault>,
    /// How long stalls of it last.
    pub stall: Duration,
}

/// What a process did to the outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Deed {
    /// A call of this operation.
    Call(&'static str),
    /// A write of its store, with this event.
    Save(&'static str),
}

/// A call that a process has begun.
#[derive(Clone, Copy)]
pub struct Begun<Kind> {
    /// Counted from 1 among its like.
    pub number: u64,
    /// What goes wrong with it.
    pub fault: Option<Kind>,
    /// Counted from 1 among the calls that change something, if it is one.
    change: Option<u64>,
}

/// One process.
pub struct Process {
    life: Mutex<Life>,
    /// It has done something more.
    has_done: Notify,
}

struct Life {
    dead: bool,
    stopped_until: Option<Instant>,
    fate: Fate,
    calls: u64,
    changes: u64,
    saves: u64,
    struck: u64,
    deeds: Vec<Deed>,
}

impl Process {
    /// A process that all of this will befall.
    pub fn new(fate: Fate) -> Self {
        Self {
            life: Mutex::new(Life {
                dead: false,
                stopped_until: None,
                fate,
                calls: 0,
                changes: 0,
                saves: 0,
                struck: 0,
                deeds: Vec::new(),
            }),
            has_done: Notify::new(),
        }
    }

    /// Kills it.
    pub fn kill(&self) {
        self.life().dead = true;
    }

    /// Stops it for so long, as SIGSTOP does: it computes, sends and hears nothing.
    pub fn stop(&self, span: Duration) {
        self.life().stop(span);
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        self.life().dead
    }

    /// Whether it is stopped just now.
    pub fn is_stopped(&self) -> bool {
        self.life().stopped().is_some()
    }

    /// How many of the faults that were meant for it have struck.
    pub fn struck(&self) -> u64 {
        self.life().struck
    }

    /// What it has done so far, in order.
    pub fn deeds(&self) -> Vec<Deed> {
        self.life().deeds.clone()
    }

    /// Waits until it has done so much.
    pub async fn has_done(&self, deeds: usize) {
        loop {
            let mut more = std::pin::pin!(self.has_done.notified());
            more.as_mut().enable();
            if self.life().deeds.len() >= deeds {
                return;
            }
            more.await;
        }
    }

    /// Goes on if it lives and runs, later if it is stopped, never if it is dead.
    pub async fn running(&self) {
        loop {
            let until = {
                let life = self.life();
                if life.dead { None } else { Some(life.stopped()) }
            };
            match until {
                None => std::future::pending().await,
                Some(None) => return,
                Some(Some(until)) => sleep_until(until).await,
            }
        }
    }

    /// Computes only while the process runs.
    pub async fn gate<T>(&self, computation: impl Future<Output = T>) -> T {
        tokio::pin!(computation);
        loop {
            self.running().await;
            let step = std::future::poll_fn(|context| {
                let can_run = self.life().can_run();
                match can_run {
                    true => computation.as_mut().poll(context).map(Some),
                    false => Poll::Ready(None),
                }
            });
            if let Some(result) = step.await {
                return result;
            }
        }
    }

    /// It is about to make a call.
    pub fn calls(&self, operation: &'static str, changes: bool) -> Begun<CallFaultKind> {
        self.has_done.notify_waiters();
        let mut life = self.life();
        life.deeds.push(Deed::Call(operation));
        life.calls += 1;
        life.changes += u64::from(changes);
        let begun = Begun {
            number: life.calls,
            fault: life
                .fate
                .calls
                .iter()
                .find(|fault| fault.call == life.calls)
                .map(|fault| fault.kind),
            change: changes.then_some(life.changes),
        };
        life.struck += u64::from(begun.fault.is_some());
        if let Some(change) = begun.change {
            life.reach(CrashPoint::BeforeRequest(change));
        }
        match begun.fault {
            Some(CallFaultKind::CrashBefore) => life.dead = true,
            Some(CallFaultKind::StallBefore) => life.stall(),
            _ => {}
        }
        begun
    }

    /// That call has been carried out.
    pub fn carried_out(&self, call: &Begun<CallFaultKind>) {
        let mut life = self.life();
        if let Some(change) = call.change {
            life.reach(CrashPoint::AfterRequest(change));
        }
        life.dead |= call.fault == Some(CallFaultKind::CrashAfter);
    }

    /// Its answer has arrived.
    pub fn answered(&self, call: &Begun<CallFaultKind>) {
        if call.fault == Some(CallFaultKind::StallAfter) {
            self.life().stall();
        }
    }

    /// It is about to write its store.
    pub fn saves(&self, event: &'static str) -> Begun<SaveFaultKind> {
        self.has_done.notify_waiters();
        let mut life = self.life();
        life.deeds.push(Deed::Save(event));
        life.saves += 1;
        let begun = Begun {
            number: life.saves,
            fault: life
                .fate
                .saves
                .iter()
                .find(|fault| fault.save == life.saves)
                .map(|fault| fault.kind),
            change: None,
        };
        life.struck += u64::from(begun.fault.is_some());
        life.reach(CrashPoint::BeforeSave(begun.number));
        life.dead |= begun.fault == Some(SaveFaultKind::CrashBefore);
        begun
    }

    /// That write is on disk.
    pub fn saved(&self, save: &Begun<SaveFaultKind>) {
        let mut life = self.life();
        life.reach(CrashPoint::AfterSave(save.number));
        life.dead |= save.fault == Some(SaveFaultKind::CrashAfter);
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Life {
    fn reach(&mut self, point: CrashPoint) {
        self.dead |= self.fate.crash == Some(point);
    }

    fn stop(&mut self, span: Duration) {
        let until = Instant::now() + span;
        self.stopped_until = Some(self.stopped_until.map_or(until, |before| before.max(until)));
    }

    fn stall(&mut self) {
        self.stop(self.fate.stall);
    }

    /// Until when it is stopped, if it is.
    fn stopped(&self) -> Option<Instant> {
        self.stopped_until.filter(|until| *until > Instant::now())
    }

    fn can_run(&self) -> bool {
        !self.dead && self.stopped().is_none()
    }
}
