//! The judge of the simulation can condemn, and acquits who did right: calls made by hand, with a replica's access key
//! or a stranger's, and no rekeyd anywhere.

mod availability;
mod chain;
mod claims;
mod conduct;
mod proof;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rekeyd::policy::{Overlap, Schedule, UserPattern};
use rekeyd::rotation::event::Event;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::UnprovenReason;
use rekeyd::rotation::version::version_id;
use rekeyd_sandbox::elasticache::{CreateUser, ModifyUser, ModifyUserGroup};
use rekeyd_sandbox::secretsmanager::{CreateSecret, GetSecretValue, PutSecretValue, UpdateSecretVersionStage};
use rekeyd_sandbox::{CallContext, NodeChange, StrangerAct};

use crate::support::simulated::{Expectations, MachineClock, Simulation, lifelike, simulate};
use crate::support::world::{CACHE, GROUP, REGION, document, document_with, secret_name};

const REKEYD: &str = "REKEYD";
const STRANGER: &str = "OPERATOR";
const USER: &str = "user1";
const OLD: &str = "the-first-password-1";
const NEW: &str = "the-second-password-2";
const OTHER: &str = "a-password-of-a-person-3";
const STRANGERS: &str = "11111111-2222-4333-8444-555555555555";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// One user in use, its secret, and a hand that plays the replica.
struct Stage {
    sim: Simulation,
    secret: String,
    arn: String,
    first: String,
    second: String,
}

fn expectations() -> Expectations {
    Expectations {
        region: REGION.to_owned(),
        secrets: vec![secret_name(USER)],
        name_prefix: None,
        tags: [].into(),
        allow_users: vec![UserPattern(USER.to_owned())],
        schedule: Schedule::Every(30 * DAY),
        overlap: Overlap::For(30 * MINUTE),
        api_only: false,
        settle: Duration::from_secs(300),
        takes_any_user: false,
        repairs: false,
        endpoints: Vec::new(),
        paused: false,
    }
}

/// What the auditor finds in this play.
fn found_in(play: impl AsyncFnOnce(&Stage)) -> Vec<String> {
    found_with(expectations(), play)
}

fn found_with(expectations: Expectations, play: impl AsyncFnOnce(&Stage)) -> Vec<String> {
    simulate(1, lifelike(), async |sim| {
        let arn = sim.live_user(USER, OLD).await;
        play(&Stage::new(&sim, arn, expectations).await).await;
        sim.run_for(5 * MINUTE).await;
        sim.world.auditor().take_violations()
    })
}

impl Stage {
    async fn new(sim: &Simulation, arn: String, expectations: Expectations) -> Self {
        // Nobody knows what happens while he looks.
        sim.run_for(MINUTE).await;
        sim.world.auditor().register(REKEYD, vec![expectations]);
        let secret = secret_name(USER);
        let first = sim.holder(&secret, "AWSCURRENT").expect("a current version");
        Self {
            sim: sim.clone(),
            second: version_id(&arn, &first, 0),
            secret,
            arn,
            first,
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.sim.world.sandbox.now()
    }

    fn request(&self, revoke_previous: bool) {
        let mut auditor = self.sim.world.auditor();
        auditor.requested(self.now(), &self.secret, revoke_previous);
        auditor.acknowledged(REKEYD, &self.secret);
    }

    async fn put(&self, key: &str, version: &str, password: &str, label: &str) {
        let request = PutSecretValue {
            secret_id: self.secret.clone(),
            client_request_token: Some(version.to_owned()),
            secret_string: Some(document_with(USER, password).as_str().into()),
            secret_binary: None,
            version_stages: Some(vec![label.to_owned()]),
        };
        self.sim.call_as(key, request).await;
    }

    async fn set(&self, key: &str, passwords: &[&str]) {
        self.set_signed(key, passwords, self.now()).await;
    }

    /// Sets passwords by a call that rests on what was seen at `signed_at`, and waits until all nodes know.
    async fn set_signed(&self, key: &str, passwords: &[&str], signed_at: DateTime<Utc>) {
        let request = ModifyUser {
            user_id: USER.to_owned(),
            passwords: Some(passwords.iter().map(|password| (*password).into()).collect()),
            ..ModifyUser::default()
        };
        let context = CallContext::new(key, REGION).signed_at(signed_at);
        self.sim.world.process(&context, request).await.expect("an active user");
        self.sim.run_for(2 * MINUTE).await;
    }

    /// Logs in on these nodes, as a replica does.
    fn log_in(&self, password: &str, nodes: &[&str]) {
        for node in nodes {
            let node = format!("{CACHE}-{node}");
            let answer = self.sim.world.sandbox.node_accepts(&node, USER, password);
            let mut auditor = self.sim.world.auditor();
            auditor.logged_in(self.now(), USER, &node, password, answer);
        }
    }

    async fn promote(&self, key: &str, from: &str, to: &str) {
        let request = UpdateSecretVersionStage {
            secret_id: self.secret.clone(),
            version_stage: "AWSCURRENT".to_owned(),
            remove_from_version_id: Some(from.to_owned()),
            move_to_version_id: Some(to.to_owned()),
        };
        self.sim.call_as(key, request).await;
    }

    /// A rotation as it should be, up to its promotion.
    async fn rotate(&self) {
        self.request(false);
        self.put(REKEYD, &self.second, NEW, "AWSPENDING").await;
        self.set(REKEYD, &[NEW, OLD]).await;
        self.log_in(NEW, &ALL);
        self.promote(REKEYD, &self.first, &self.second).await;
    }

    fn note(&self, event: &Event) {
        let world = &self.sim.world;
        world.auditor().noted(&world.sandbox, "rekeyd 1", &self.arn, event);
    }

    fn says_promoted(&self, proof: Proof) {
        self.note(&Event::Promoted {
            version: self.second.clone(),
            previous: self.first.clone(),
            proof: Some(proof),
            nodes: 3,
        });
    }

    fn says_retired(&self) {
        self.note(&Event::Retired {
            version: self.second.clone(),
            previous: self.first.clone(),
            proof: Proof::Proven,
            nodes: 3,
        });
    }
}

const ALL: [&str; 3] = ["001", "002", "003"];

/// Asserts that there are so many violations, each with this text.
fn assert_found(found: &[String], count: usize, text: &str) {
    assert!(
        found.len() == count && found.iter().all(|found| found.contains(text)),
        "{count} with {text:?}: {found:#?}"
    );
}

#[test]
fn a_whole_rotation_with_its_retirement_is_right() {
    let found = found_in(async |stage| {
        stage.rotate().await;
        stage.says_promoted(Proof::Proven);
        stage.sim.run_for(30 * MINUTE).await;
        stage.set(REKEYD, &[NEW]).await;
        stage.log_in(OLD, &ALL);
        stage.says_retired();
        stage.sim.audit_end(&[], MINUTE);
    });
    assert_found(&found, 0, "");
}
