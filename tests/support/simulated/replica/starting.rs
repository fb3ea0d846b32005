//! The start of a process: the engine put together on simulated ports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rekeyd::audit::Trail;
use rekeyd::aws::{PlacePorts, Share};
use rekeyd::clock::SharedClock;
use rekeyd::config::Config;
use rekeyd::engine::{Adapters, Engine};
use rekeyd::metrics::Metrics;
use rekeyd::store::ownership::{Ownership, Sole};
use rekeyd::store::shared::leases::{Identity, Leases};
use rekeyd::store::shared::presence::Presence;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{LEASE, Machine, Replica, expectations};
use crate::support::simulated::chance::{Chance, randomness};
use crate::support::simulated::login::NodeLogin;
use crate::support::simulated::process::{Fate, Process};
use crate::support::simulated::store::{OpenStore, Reached};
use crate::support::simulated::world::{Wire, World};
use crate::support::world::REGION;

impl Machine {
    /// Starts rekeyd here.
    pub async fn start(mut self) -> Replica {
        self.lives += 1;
        let config = self.config();
        let (process, metrics) = self.process(&config);
        let world = self.simulation.world.clone();
        let wire = Wire {
            world: world.clone(),
            process: process.clone(),
            clock: self.clock.clone(),
            metrics: metrics.clone(),
            access_key: self.name.to_uppercase(),
            region: REGION.to_owned(),
        };
        let life = format!("{} {}", self.name, self.lives);
        let presence = Arc::new(Presence::new());
        let chance = Chance::new(world.seed, &format!("table of {life}"));
        let reached = Reached {
            table: Arc::new(self.disk.reached(process.clone(), chance)),
            presence,
            clock: self.clock.clone(),
        };
        let leases = self.lease_secrets(&reached, &process, &metrics);
        let store = OpenStore::new(&self.disk, reached, process.clone(), world.clone(), &life);
        let store = Arc::new(store.unwrap_or_else(|error| panic!("{error}")));
        let login = Arc::new(NodeLogin::new(wire.clone(), self.simulation.refused.clone()));
        let ownership: Arc<dyn Ownership> = match &leases {
            Some(leases) => leases.clone(),
            None => Arc::new(Sole),
        };
        let places = self.reach_places(&config, &wire, &ownership);
        let adapters = || Adapters {
            places: places.clone(),
            login: login.clone(),
            store: store.clone(),
            ownership: ownership.clone(),
            clock: self.clock.clone(),
            randomness: randomness(world.seed, &life),
            audit: Arc::new(Trail::to_log(self.clock.clone(), metrics.clone())),
            metrics: metrics.clone(),
        };
        let engine = loop {
            match Engine::new(config.clone(), adapters()).await {
                Ok(engine) => break engine,
                // Its service manager starts it again.
                Err(_) if self.disk.table().is_some() => tokio::time::sleep(Duration::from_secs(5)).await,
                Err(error) => panic!("{error}"),
            }
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let (running, life) = (engine.clone(), process.clone());
        let run = tokio::spawn(async move {
            life.gate(running.run(async { drop(stopped.await) })).await;
        });
        let (ticked, life, every) = (engine.clone(), process.clone(), self.simulation.tick);
        let ticks = tokio::spawn(async move { life.gate(tick(ticked, every)).await });
        Replica {
            machine: self,
            engine,
            metrics,
            process,
            login,
            wire,
            store,
            leases,
            stop: Some(stop),
            run,
            ticks,
        }
    }

    /// A process with the fate that is meant for it. The auditor hears what it is to do.
    fn process(&mut self, config: &Config) -> (Arc<Process>, Arc<Metrics>) {
        let world = &self.simulation.world;
        let key = self.name.to_uppercase();
        world.auditor().register(&key, expectations(config));
        world.auditor().register_clock(&key, self.clock.clone());
        let fate = Fate {
            stall: past_signatures(world),
            ..std::mem::take(&mut self.fate)
        };
        let policies: Vec<String> = config.policies.keys().cloned().collect();
        (Arc::new(Process::new(fate)), Arc::new(Metrics::new(&policies)))
    }

    /// Has a process ask for leases, where replicas of its table do.
    fn lease_secrets(&self, reached: &Reached, process: &Arc<Process>, metrics: &Arc<Metrics>) -> Option<Arc<Leases>> {
        self.disk.table().filter(|table| table.leases)?;
        let life = format!("leases of {} {}", self.name, self.lives);
        let leases = Arc::new(Leases::new(
            reached.table.clone(),
            reached.presence.clone(),
            self.clock.clone(),
            randomness(self.simulation.world.seed, &life),
            LEASE,
            identity(&self.name),
            metrics.clone(),
        ));
        let (keeping, life) = (leases.clone(), process.clone());
        tokio::spawn(async move { life.gate(keeping.run(CancellationToken::new())).await });
        Some(leases)
    }

    /// Each place's ports, within budgets that all replicas share.
    fn reach_places(
        &self,
        config: &Config,
        wire: &Wire,
        ownership: &Arc<dyn Ownership>,
    ) -> BTreeMap<String, PlacePorts> {
        let clock: SharedClock = self.clock.clone();
        let of_all = ownership.clone();
        let share: Share = Arc::new(move || of_all.part());
        let governed = |place: &rekeyd::policy::Place| {
            let ports = ports(wire, &place.region);
            rekeyd::aws::governed(ports, &place.name, &place.budgets, &clock, &wire.metrics, &share)
        };
        let places = config.places.values();
        places.map(|place| (place.name.clone(), governed(place))).collect()
    }
}

/// The ports of a process to a place in this region.
pub(super) fn ports(wire: &Wire, region: &str) -> PlacePorts {
    let region = region.to_owned();
    let ports = Arc::new(Wire { region, ..wire.clone() });
    PlacePorts {
        secrets: ports.clone(),
        secrets_writer: ports.clone(),
        users: ports.clone(),
        users_writer: ports,
    }
}

/// How long a process stalls: longer than AWS takes a signature for fresh.
fn past_signatures(world: &World) -> Duration {
    Duration::from_secs(world.sandbox.settings().signature_window_s + 60)
}

/// The scheduler's tick, without the scheduler.
async fn tick(engine: Arc<Engine>, every: Duration) {
    loop {
        engine.tick();
        tokio::time::sleep(every).await;
    }
}

fn identity(name: &str) -> Identity {
    Identity {
        host: name.to_owned(),
        pid: 1,
        release: "simulated".to_owned(),
    }
}
