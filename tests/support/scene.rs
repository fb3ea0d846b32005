//! One user in use, its secret, and a daemon that has just proved its password.

use std::time::Duration;

use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::rotation::version::version_id;

use super::calls::is_read;
use super::status::{proven, proven_retired, rotated_to};
use super::world::{document_with, late_replica, secret_name};
use super::{Daemon, Delay, Fault, FaultKind, OLD, Policy, World, eventually};

/// The daemon's name, over restarts too.
const REKEYD: &str = "rekeyd";

/// Keys of a configuration and their values, as TOML.
pub type Keys = [(&'static str, &'static str)];

/// The keys under which a daemon looks at its secrets every second.
pub const WATCHFUL: &Keys = &[("discovery_interval", "\"1s\""), ("drift_check_interval", "\"1s\"")];

/// A world of one user.
pub struct Scene {
    pub daemon: Daemon,
    pub world: World,
    pub user: String,
    pub secret: String,
    pub arn: String,
    /// The version that is current when the test begins.
    pub first: String,
    policy: Policy,
    daemon_keys: &'static Keys,
}

impl Scene {
    /// `user1`, under a policy `orders` with these keys.
    pub async fn start(keys: &Keys) -> Self {
        Self::new("user1", keys, &[]).await
    }

    /// One whose daemon looks every second, and writes nothing upon what it saw more than a second ago.
    pub async fn hasty(user: &str, keys: &Keys) -> Self {
        let hasty = [("write_deadline", "\"1s\""), ("propagation_timeout", "\"2s\"")];
        Self::new(user, &[&hasty, keys].concat(), WATCHFUL).await
    }

    pub async fn new(user: &str, keys: &Keys, daemon_keys: &'static Keys) -> Self {
        let scene = Self::of_world(World::of(&[user]).await, user, keys, daemon_keys).await;
        scene.daemon.checked(&scene.secret).await;
        scene
    }

    /// One in which the user has the password `OLD`, and whatever caches the test has made. The
    /// daemon has looked at its password, and proved it or found that it cannot.
    pub async fn of_world(world: World, user: &str, keys: &Keys, daemon_keys: &'static Keys) -> Self {
        let secret = secret_name(user);
        let arn = world.create_secret(&secret, &document_with(user, OLD)).await;
        let first = world.holder(&secret, "AWSCURRENT").await.expect("a version");
        let policy = keys
            .iter()
            .fold(Policy::new("orders", &[user]), |policy, (key, value)| {
                policy.with(key, value)
            });
        let daemon = run(&world, &policy, daemon_keys).await;
        daemon.wait(&secret, "looked at", |status| status.proof.is_some()).await;
        Self {
            daemon,
            world,
            user: user.to_owned(),
            secret,
            arn,
            first,
            policy,
            daemon_keys,
        }
    }

    /// The world, the daemon and the secret's name.
    pub fn parts(&self) -> (&World, &Daemon, &str) {
        (&self.world, &self.daemon, &self.secret)
    }

    /// Kills the daemon, and starts it again as it was started.
    pub async fn start_again(mut self) -> Self {
        self.daemon.kill().await;
        self.daemon = run(&self.world, &self.policy, self.daemon_keys).await;
        self
    }

    /// The version that this generation of a rotation away from the first one makes.
    pub fn successor(&self, generation: u32) -> String {
        version_id(&self.arn, &self.first, generation)
    }

    pub async fn current(&self) -> String {
        self.world.holder(&self.secret, "AWSCURRENT").await.expect("a version")
    }

    pub fn writes(&self) -> usize {
        self.world.count_by(REKEYD, |operation| !is_read(operation))
    }

    /// Waits until the daemon has looked at the secret twice more.
    pub async fn looked_at_again(&self) {
        let before = self.world.looks_by(REKEYD);
        eventually("the secret was looked at twice more", || async {
            match self.world.looks_by(REKEYD) - before {
                0 | 1 => Err("no".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
    }

    /// Asks for a rotation, and waits until its new password was written and the reply is held.
    pub async fn rotate_until_created(&self) {
        let held = Fault::next("PutSecretValue", FaultKind::HoldReply).on(&self.secret);
        self.world.faults(vec![held]);
        self.daemon.rotate(&self.secret).await;
        self.world.fault_fired().await;
        self.world.faults(Vec::new());
    }

    /// Lets the daemon have its reply when `write_deadline` is over. Nothing but time tells that.
    pub async fn release_late(&self) {
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        self.world.end_faults();
    }

    /// Asks for a rotation, and waits until the user has both passwords and one node knows but the
    /// old one.
    pub async fn rotate_until_set(&self) {
        self.world.set_settings(late_replica(Delay::NEVER));
        self.daemon.rotate(&self.secret).await;
        self.daemon
            .wait(&self.secret, "set, and held back by a node", |status| {
                status.reason.as_deref() == Some("node_lagging")
            })
            .await;
    }

    pub async fn halted(&self, reason: &str) -> SecretStatus {
        self.daemon.wait_reason(&self.secret, Phase::Halted, reason).await
    }

    /// Asserts that the daemon writes nothing over several looks at a halted secret.
    pub async fn assert_left_alone(&self, reason: &str) {
        let writes = self.writes();
        self.looked_at_again().await;
        self.halted(reason).await;
        assert_eq!(self.writes(), writes, "{}: a halted secret was written to", self.user);
    }

    /// Waits until a version is current, proved on every node, and the previous password dead on each.
    pub async fn rotated_to(&self, version: &str) -> SecretStatus {
        let done = |status: &SecretStatus| rotated_to(version)(status) && proven(status) && proven_retired(status);
        self.daemon.wait(&self.secret, "rotated", done).await
    }
}

async fn run(world: &World, policy: &Policy, daemon_keys: &Keys) -> Daemon {
    let setup = world.daemon(REKEYD).policy(policy.clone());
    let setup = daemon_keys
        .iter()
        .fold(setup, |setup, (key, value)| setup.daemon_key(key, value));
    setup.run().await
}
