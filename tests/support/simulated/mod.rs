//! The real engine on simulated time: no HTTP, no processes, no waiting.
//!
//! ```text
//!   Replica: Engine ─► Wire ─► World ─► Sandbox      one thread, one paused clock,
//!            (ports)   (travel,  (audits every        all chance from one seed
//!                       crashes)  change)
//! ```
//!
//! The same seed gives the same run, to the millisecond and the password. Several replicas may share
//! a world; each may die, stall or be refused at any call, any write of its store, or any moment.

mod auditor;
mod chance;
mod clock;
mod errors;
pub mod exploring;
mod faults;
mod fleet;
mod footprint;
mod login;
mod operator;
mod process;
mod replica;
mod secrets;
mod store;
mod table;
mod users;
mod world;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};

pub use super::policy::Policy;
use super::world::REGION;
pub use auditor::Expectations;
pub use clock::MachineClock;
pub use faults::{CallFault, CallFaultKind, CrashPoint, DiskTrouble, SaveFault, SaveFaultKind};
pub use fleet::FLEET_PASSWORD;
pub use footprint::Footprint;
pub use login::Refusals;
pub use process::Deed;
pub use replica::{Machine, Replica};
pub use store::Disk;
pub use table::{SharedTable, TableTrouble};
pub use world::{Outage, World};

/// Settings that resemble AWS: a change takes most of a minute to reach the nodes.
pub fn lifelike() -> rekeyd_sandbox::Settings {
    rekeyd_sandbox::Settings {
        propagation_ms: rekeyd_sandbox::Range {
            min: 20_000,
            max: 60_000,
        },
        detached_modifying_ms: 40_000,
        caches: rekeyd_sandbox::Caches::Virtual,
        ..rekeyd_sandbox::Settings::default()
    }
}

/// A simulation. Clones are the same one.
#[derive(Clone)]
pub struct Simulation {
    pub world: Arc<World>,
    refused: Arc<Mutex<Refusals>>,
    tick: Duration,
    /// Where operators work.
    region: String,
}

/// One thread, and time that passes only while nothing else happens.
pub fn paused_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

/// Runs a scenario in a simulation of its own, and asserts that the auditor found nothing.
pub fn simulate<T>(seed: u64, settings: rekeyd_sandbox::Settings, scenario: impl AsyncFnOnce(Simulation) -> T) -> T {
    paused_runtime().block_on(async {
        let simulation = Simulation::new(seed, settings);
        let result = scenario(simulation.clone()).await;
        simulation.world.catch_up();
        simulation.assert_nothing_found();
        result
    })
}

impl Simulation {
    /// A simulation. Needs a runtime with one thread and paused time around it.
    pub fn new(seed: u64, settings: rekeyd_sandbox::Settings) -> Self {
        Self {
            world: World::new(seed, settings),
            refused: Arc::default(),
            tick: Duration::from_secs(10),
            region: REGION.to_owned(),
        }
    }

    /// The same with a scheduler that ticks so often, which bounds how late what is due by date begins.
    pub fn ticking(mut self, every: Duration) -> Self {
        self.tick = every;
        self
    }

    /// The same simulation, with operators at work in another region.
    pub fn in_region(&self, region: &str) -> Self {
        Self {
            region: region.to_owned(),
            ..self.clone()
        }
    }

    /// A machine for a replica of that name.
    pub fn machine(&self, name: &str) -> Machine {
        Machine::new(self, name)
    }

    /// Starts a replica with one policy.
    pub async fn replica(&self, name: &str, policy: Policy) -> Replica {
        self.machine(name).policy(policy).start().await
    }

    /// Lets time pass.
    pub async fn run_for(&self, span: Duration) {
        tokio::time::sleep(span).await;
        self.world.catch_up();
    }

    /// Lets time pass until then, which is written as RFC 3339 has it.
    pub async fn run_until(&self, moment: &str) {
        let moment: DateTime<Utc> = moment.parse().expect("a moment");
        let span = moment - self.world.sandbox.now();
        self.run_for(span.to_std().expect("a moment to come")).await;
    }

    /// Waits until `probe` gives something, or panics with what `describe` says.
    pub async fn until<T>(
        &self,
        what: &str,
        at_most: Duration,
        mut probe: impl FnMut() -> Option<T>,
        describe: impl Fn() -> String,
    ) -> T {
        let began = self.world.time.elapsed();
        loop {
            if let Some(found) = probe() {
                return found;
            }
            let waited = self.world.time.elapsed().saturating_sub(began);
            if waited > at_most {
                let (state, story) = (describe(), self.story());
                panic!("waited {waited:?} in vain until {what}; last seen: {state}\n{story}");
            }
            let pause = (waited / 60).clamp(Duration::from_secs(1), Duration::from_secs(30));
            self.run_for(pause).await;
        }
    }

    /// Lets the auditor look for what is left undone, in all secrets but those of these names. Whatever was due
    /// less than `allowance` ago may still be on its way.
    pub fn audit_end(&self, exempt: &[&str], allowance: Duration) {
        self.world.catch_up();
        let allowance = chrono::TimeDelta::from_std(allowance).expect("a span");
        self.world.auditor().at_end(&self.world.sandbox, exempt, allowance);
    }

    /// Asserts that the auditor found nothing.
    pub fn assert_nothing_found(&self) {
        let violations = self.world.auditor().violations().to_vec();
        assert!(violations.is_empty(), "{violations:#?}\n{}", self.story());
    }

    /// How often each user's login was refused on each node.
    pub fn refused(&self) -> Refusals {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
