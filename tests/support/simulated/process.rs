//! The life of one rekeyd process, as far as the world can tell.
//!
//! An engine acts through its ports only. So a process is killed by letting no call of its ports
//! return any more: whatever its tasks still compute reaches nobody, as with `kill -9`. A request
//! that has left the machine goes on without it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// At which of its own changes of the world a process dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CrashPoint {
    /// When it is about to send its n-th request that changes something, counted from 1.
    BeforeRequest(u64),
    /// When that request has been carried out, and the answer is on its way.
    AfterRequest(u64),
    /// When it is about to write its store for the n-th time.
    BeforeSave(u64),
    /// When that write is on disk.
    AfterSave(u64),
}

/// One process.
#[derive(Default)]
pub struct Process {
    life: Mutex<Life>,
}

#[derive(Default)]
struct Life {
    dead: bool,
    dies: Option<CrashPoint>,
    requests: u64,
    saves: u64,
}

impl Process {
    /// A process that dies at this point.
    pub fn that_dies(at: Option<CrashPoint>) -> Self {
        let process = Self::default();
        process.life().dies = at;
        process
    }

    /// Kills it.
    pub fn kill(&self) {
        self.life().dead = true;
    }

    /// Whether it is dead.
    pub fn is_dead(&self) -> bool {
        self.life().dead
    }

    /// Goes on if it lives, and never otherwise.
    pub async fn alive(&self) {
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    /// It is about to send a request that changes something. Gives the request's number.
    pub fn sends(&self) -> u64 {
        let mut life = self.life();
        life.requests += 1;
        let number = life.requests;
        life.reach(CrashPoint::BeforeRequest(number));
        number
    }

    /// That request has been carried out.
    pub fn carried_out(&self, number: u64) {
        self.life().reach(CrashPoint::AfterRequest(number));
    }

    /// It is about to write its store. Gives the write's number.
    pub fn saves(&self) -> u64 {
        let mut life = self.life();
        life.saves += 1;
        let number = life.saves;
        life.reach(CrashPoint::BeforeSave(number));
        number
    }

    /// That write is on disk.
    pub fn saved(&self, number: u64) {
        self.life().reach(CrashPoint::AfterSave(number));
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Life {
    fn reach(&mut self, point: CrashPoint) {
        self.dead |= self.dies == Some(point);
    }
}
