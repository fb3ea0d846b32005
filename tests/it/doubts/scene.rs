//! What the scenarios have in common.

use std::time::Duration;

use rekeyd::engine::control::RotateOptions;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::rotation::version::version_id;

use crate::support::simulated::{Policy, Replica, Simulation};
use crate::support::world::secret_name;

pub const USER: &str = "user1";
pub const OLD: &str = "the-first-password-1";
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);

/// Longer than any rotation of these scenarios takes.
pub const PATIENCE: Duration = Duration::from_secs(12 * 3_600);

/// A policy for these users whose previous passwords live for half an hour; nothing falls due by itself.
pub fn policy(users: &[&str]) -> Policy {
    Policy::new("orders", users).with("overlap", "\"30m\"")
}

/// A user in use, its secret, and a replica that has just checked it.
pub struct Scene<'a> {
    pub sim: &'a Simulation,
    pub secret: String,
    pub arn: String,
    pub first: String,
    pub replica: Replica,
}

impl<'a> Scene<'a> {
    pub async fn new(sim: &'a Simulation) -> Self {
        Self::with(sim, policy(&[USER])).await
    }

    pub async fn with(sim: &'a Simulation, policy: Policy) -> Self {
        let arn = sim.live_user(USER, OLD).await;
        Self::around(sim, arn, sim.replica("rekeyd", policy).await).await
    }

    /// A scene whose replica is given, once that has checked the current password.
    pub async fn around(sim: &'a Simulation, arn: String, replica: Replica) -> Self {
        let secret = secret_name(USER);
        let checked = |status: &SecretStatus| status.proof == Some(Proof::Proven);
        replica.until(&secret, "checked", PATIENCE, checked).await;
        let first = sim.holder(&secret, "AWSCURRENT").expect("a current version");
        Self {
            sim,
            secret,
            arn,
            first,
            replica,
        }
    }

    /// The version that follows on `version`.
    pub fn after(&self, version: &str) -> String {
        version_id(&self.arn, version, 0)
    }

    pub async fn request(&self) {
        self.replica.rotate(&self.secret, RotateOptions::default()).await;
    }

    pub async fn until(&self, what: &str, wanted: impl Fn(&SecretStatus) -> bool) -> SecretStatus {
        self.replica.until(&self.secret, what, PATIENCE, wanted).await
    }

    pub async fn until_current(&self, version: &str) {
        self.until("promoted", |status| status.current_version.as_deref() == Some(version))
            .await;
    }

    /// Waits until `version` is current and the password before it dead, as rekeyd says it.
    pub async fn until_done(&self, version: &str) -> SecretStatus {
        self.until("rotated and retired", |status| is_done(status, version))
            .await
    }

    /// Asserts that the secret was rotated along this chain and is at rest: whatever rekeyd says,
    /// the world must show it.
    pub fn assert_rotated(&self, chain: &[&str], dead: &[&str]) {
        assert_rotated(self.sim, USER, chain, dead);
    }
}

/// Whether a status says that `version` is current, proved, and the password before it dead.
pub fn is_done(status: &SecretStatus, version: &str) -> bool {
    status.current_version.as_deref() == Some(version)
        && status.phase == Phase::Idle
        && status.proof == Some(Proof::Proven)
        && status.retired_proof == Some(Proof::Proven)
        && !status.requested
        && status.retired_at >= status.last_rotation_at
}

/// Asserts that a user's secret has exactly the versions of this chain, the last one current, that
/// its password logs in everywhere, and that these passwords do so nowhere.
pub fn assert_rotated(sim: &Simulation, user: &str, chain: &[&str], dead: &[&str]) {
    let name = secret_name(user);
    let secret = sim.secret(&name);
    let mut versions: Vec<&str> = secret.versions.iter().map(|version| version.id.as_str()).collect();
    let mut expected = chain.to_vec();
    versions.sort_unstable();
    expected.sort_unstable();
    assert_eq!(versions, expected, "{user}: versions\n{}", sim.story());
    assert_eq!(sim.holder(&name, "AWSCURRENT").as_deref(), chain.last().copied());
    let password = sim.password(&name, "AWSCURRENT").expect("a password");
    assert_eq!(sim.logins(user, &password), (3, 3), "{user}: the current password");
    for old in dead {
        assert_eq!(sim.logins(user, old), (0, 3), "{user}: an old password lives");
    }
}
