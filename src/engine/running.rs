//! What the engine works by: a configuration, and the ports to its places. It is read as a whole
//! and replaced as a whole, so that nobody sees half of a new one.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::aws::PlacePorts;
use crate::config::{Config, Daemon};
use crate::policy::{Place, Policy};

/// A configuration and the ports to its places.
pub(super) struct Running {
    /// The daemon's own settings.
    pub(super) daemon: Daemon,
    /// The places, by name.
    pub(super) places: BTreeMap<String, Place>,
    /// The ports to each place, by its name.
    pub(super) ports: BTreeMap<String, PlacePorts>,
    /// The policies, by name.
    pub(super) policies: BTreeMap<String, Arc<Policy>>,
}

impl Running {
    pub(super) fn new(config: Config, ports: BTreeMap<String, PlacePorts>) -> Self {
        let policies = config.policies.into_iter();
        Self {
            daemon: config.daemon,
            places: config.places,
            ports,
            policies: policies.map(|(name, policy)| (name, Arc::new(policy))).collect(),
        }
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
