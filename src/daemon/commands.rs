//! Commands that come to a replica through the table that it shares with others.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::state::{Member, host};
use crate::server::Surface;
use crate::server::relay::Relay;
use crate::server::relay::reload::FleetConfiguration;

/// The commands of a replica, as long as it takes any.
pub(super) struct Commands {
    relay: Arc<Relay>,
    taking: JoinHandle<()>,
}

impl Commands {
    /// Takes commands for a replica whose surface this is when it is alone. Gives the surface that it has among others: a reload
    /// is the fleet's there.
    pub(super) fn begin(member: Member, alone: Surface) -> (Surface, Self) {
        let Member {
            table,
            presence,
            leases,
            broken: _,
        } = member;
        let own = alone.configuration.clone();
        let clock = alone.clock.clone();
        let surface = Surface {
            configuration: FleetConfiguration::new(own.clone(), table.clone(), leases.clone(), clock),
            fleet: Some(leases.clone()),
            ..alone
        };
        let relay = Relay::new(table, surface.clone(), own, host());
        let taking = tokio::spawn(relay.clone().run(leases.fleet_items(), presence));
        (surface, Self { relay, taking })
    }

    /// Takes no more, and lets those under way end, for a short grace.
    pub(super) async fn stop(self) {
        self.taking.abort();
        self.relay.stop().await;
    }
}
