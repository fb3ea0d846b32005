//! What a daemon is given where it is deployed: the paths of its packages instead of a test's folder.

use super::cli::orders;
use super::world::World;

/// Where a deployed configuration has the certificates of the nodes.
pub const CA_FILE: &str = "/etc/rekeyd/ca.pem";

/// A configuration for `user1` of this world, with these keys of `[daemon]`, store and socket being where they are by default.
pub fn configuration(world: &World, daemon_keys: &str) -> String {
    let written = orders(world, &["user1"]).write_config();
    let text = std::fs::read_to_string(written).expect("configuration");
    let (_, places_and_policies) = text.split_once("[aws.main]").expect("a place");
    let ca_file = world.ca_file().to_str().expect("text");
    let places_and_policies = places_and_policies.replace(ca_file, CA_FILE);
    format!("[daemon]\n{daemon_keys}\n[aws.main]{places_and_policies}")
}
