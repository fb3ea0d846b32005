//! What the engine works by: a configuration, and the ports to its places. It is read as a whole
//! and replaced as a whole, so that nobody sees half of a new one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest, Sha256};

use crate::aws::PlacePorts;
use crate::config::{Config, Daemon, NotifyTarget};
use crate::policy::{Place, Policy};

/// A configuration and the ports to its places.
pub(super) struct Running {
    /// The daemon's own settings.
    pub(super) daemon: Daemon,
    /// The places, by name.
    pub(super) places: BTreeMap<String, Place>,
    /// The ports to each place, by its name.
    pub(super) ports: BTreeMap<String, PlacePorts>,
    /// Who is notified, by name.
    pub(super) notify: BTreeMap<String, NotifyTarget>,
    /// The policies, by name.
    pub(super) policies: BTreeMap<String, Arc<Policy>>,
    /// The places in which a policy works, each with those among them that may be the same account
    /// and region under another name, itself included.
    neighbours: BTreeMap<String, BTreeSet<String>>,
}

impl Running {
    pub(super) fn new(config: Config, ports: BTreeMap<String, PlacePorts>) -> Self {
        let policies = config.policies.into_iter();
        let policies = policies.map(|(name, policy)| (name, Arc::new(policy))).collect();
        Self::with(policies, config.daemon, config.places, ports).notifying(config.notify)
    }

    /// The same, with somebody to notify.
    pub(super) fn notifying(self, notify: BTreeMap<String, NotifyTarget>) -> Self {
        Self { notify, ..self }
    }

    /// The same of policies that may be in force already.
    pub(super) fn with(
        policies: BTreeMap<String, Arc<Policy>>,
        daemon: Daemon,
        places: BTreeMap<String, Place>,
        ports: BTreeMap<String, PlacePorts>,
    ) -> Self {
        let used: BTreeSet<&String> = policies.values().map(|policy| &policy.place).collect();
        let used = places
            .values()
            .filter(|place| used.contains(&place.name) && ports.contains_key(&place.name));
        let alike = |place: &Place| {
            let others = used.clone().filter(|other| other.may_be(place));
            others.map(|other| other.name.clone()).collect()
        };
        let neighbours = used.clone().map(|place| (place.name.clone(), alike(place))).collect();
        Self {
            daemon,
            places,
            ports,
            notify: BTreeMap::new(),
            policies,
            neighbours,
        }
    }

    /// What it works by, as a few characters: replicas that have the same share the secrets, and who of them delivers to a
    /// target. So all of them know the same targets.
    pub(super) fn fingerprint(&self) -> String {
        let mut digest = Sha256::new();
        for policy in self.policies.values() {
            let region = self.places.get(&policy.place).map(|place| &place.region);
            digest.update(format!("{region:?} {policy:?}"));
        }
        digest.update(format!("{:?}", self.notify.keys().collect::<Vec<_>>()));
        let digest = digest.finalize();
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The places in which a policy works.
    pub(super) fn places_at_work(&self) -> impl Iterator<Item = &String> {
        self.neighbours.keys()
    }

    /// Those of them that may be the same account and region as this one, itself included.
    pub(super) fn neighbours(&self, place: &str) -> impl Iterator<Item = &String> {
        self.neighbours.get(place).into_iter().flatten()
    }

    /// A policy by its name.
    pub(super) fn policy(&self, name: &str) -> Option<&Arc<Policy>> {
        self.policies.get(name)
    }

    /// Whether this very policy is in force: not another one of its name, nor the same one under
    /// other settings of its place.
    pub(super) fn has(&self, policy: &Arc<Policy>) -> bool {
        self.policy(&policy.name)
            .is_some_and(|known| Arc::ptr_eq(known, policy))
    }
}

/// The one in force.
pub(super) struct InForce(RwLock<Arc<Running>>);

impl InForce {
    pub(super) fn new(running: Running) -> Self {
        Self(RwLock::new(Arc::new(running)))
    }

    pub(super) fn get(&self) -> Arc<Running> {
        // Only ever replaced as a whole, so a panic elsewhere leaves nothing half done.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn replace(&self, running: Arc<Running>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = running;
    }
}
