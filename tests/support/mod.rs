//! What the integration tests stand on: a sandbox with real `redis-server` processes, the real
//! AWS SDK as the operator's hand, and the real `rekeyd` binary.

pub mod aws;
pub mod caches;
pub mod calls;
pub mod cli;
pub mod clocks;
pub mod cutting_proxy;
pub mod daemon;
pub mod deployed;
pub mod dynamo;
pub mod environment;
pub mod exposition;
pub mod faults;
pub mod gate;
pub mod golden;
pub mod http;
pub mod iam;
pub mod killing;
pub mod machine;
pub mod mangles;
pub mod mangling_proxy;
pub mod nodes;
pub mod pages;
pub mod policy;
pub mod prometheus;
#[path = "../../sandbox/tests/it/python.rs"]
pub mod python;
pub mod receiver;
pub mod replicas;
pub mod report;
pub mod scene;
pub mod shape;
pub mod simulated;
pub mod status;
pub mod versions;
pub mod world;

use std::time::Duration;

pub use daemon::Daemon;
pub use policy::Policy;
pub use rekeyd_sandbox::{Delay, Fault, FaultKind, Settings};
pub use scene::Scene;
pub use world::World;

/// The first password of a test's user.
pub const OLD: &str = "the-first-password-1";
/// A password that rekeyd did not make.
pub const OTHER: &str = "somebody-elses-password-2";

/// How long a test waits for something that should come within seconds. Machines are slow and
/// busy at times; nothing is gained by a tight deadline.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `probe` gives something, or panics with what `describe` says.
pub async fn eventually<T, P, F>(what: &str, mut probe: P) -> T
where
    P: FnMut() -> F,
    F: Future<Output = Result<T, String>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(state) if tokio::time::Instant::now() > deadline => {
                panic!("waited in vain until {what}; last seen: {state}")
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(25)).await,
        }
    }
}
