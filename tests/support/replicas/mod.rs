//! Several real daemons that share a table, each behind a line of its own to it, and what an outsider sees of them.

pub mod audit;
pub mod ledger;

use std::time::Duration;

use rekeyd::rotation::status::SecretStatus;
use rekeyd_sandbox::elasticache as ec;
use rekeyd_sandbox::secretsmanager as sm;
use rekeyd_sandbox::{CallContext, Operation, Range, Settings};

use super::cutting_proxy::{CuttingProxy, Line};
use tokio::time::{Instant, sleep};

use super::daemon::{Daemon, Setup};
use super::dynamo::{StandIn, create_table};
use super::policy::Policy;
use super::world::{REGION, document_with, secret_name};
use super::{OLD, World, eventually};

pub use audit::Watch;
pub use ledger::Ledger;

/// How often a replica of many secrets is asked for all of them.
const RARELY: Duration = Duration::from_secs(1);
/// The table that all replicas share.
const TABLE: &str = "rekeyd";
/// How many users a group may have, `default` included.
const USERS_OF_GROUP: usize = 99;

/// How far off a signature's date may be here, in seconds: a test does not wait for a quarter of an hour.
pub const SIGNATURE_WINDOW_S: u64 = 5;
/// Longer than [`SIGNATURE_WINDOW_S`], as it must be.
pub const FENCE: Duration = Duration::from_secs(6);

/// A user in use, its secret, and the nodes that know it.
#[derive(Clone)]
pub struct User {
    pub name: String,
    pub secret_arn: String,
    /// The version of its secret that rekeyd found.
    pub first: String,
    pub nodes: Vec<(String, u16)>,
}

/// One of the daemons.
pub struct Replica {
    pub name: String,
    pub line: CuttingProxy,
    env: Vec<(String, String)>,
    daemon: Option<Daemon>,
}

impl Replica {
    /// The daemon, which runs.
    pub fn daemon(&self) -> &Daemon {
        let daemon = self.daemon.as_ref();
        daemon.unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    /// Takes the daemon away, to end it.
    pub fn take(&mut self) -> Daemon {
        self.daemon.take().expect("a running replica")
    }

    /// Has it be another daemon that runs.
    pub fn put(&mut self, daemon: Daemon) {
        self.daemon = Some(daemon);
    }

    pub fn runs(&self) -> bool {
        self.daemon.is_some()
    }
}

/// Users, replicas, and the table between them.
pub struct Fleet {
    pub world: World,
    pub ledger: Ledger,
    pub users: Vec<User>,
    pub replicas: Vec<Replica>,
    pub lease: Duration,
    pub overlap: Duration,
    more: String,
    policy: Policy,
    stand_in: StandIn,
}

/// The settings of a sandbox for fleets.
pub fn settings() -> Settings {
    Settings {
        propagation_ms: Range { min: 10, max: 80 },
        detached_modifying_ms: 50,
        signature_window_s: SIGNATURE_WINDOW_S,
        log_limit: 10_000_000,
        ..Settings::default()
    }
}

impl Fleet {
    /// So many users in a sandbox with these settings, and replicas of these names, none of which runs yet.
    pub async fn new(stand_in: StandIn, settings: Settings, users: usize, replicas: &[&str]) -> Self {
        let world = World::with(settings).await;
        let users = make_users(&world, users).await;
        create_table(stand_in.url(), TABLE, &["pk", "sk"]).await;
        let policy = Policy {
            name: "orders".to_owned(),
            keys: "select = { name_prefix = \"production/ec/\" }\nallow_users = [\"user*\"]\n".to_owned(),
        };
        let mut fleet = Self {
            ledger: Ledger::new(stand_in.url(), TABLE),
            world,
            users,
            replicas: Vec::new(),
            lease: Duration::from_secs(4),
            overlap: Duration::from_secs(1),
            more: String::new(),
            policy: policy.with("canary", "0").with("max_attention", "\"100%\""),
            stand_in,
        };
        for name in replicas {
            fleet.add(name, &[]).await;
        }
        fleet
    }

    /// Adds a replica that does not run yet, with these variables in its environment.
    pub async fn add(&mut self, name: &str, env: &[(&str, &str)]) {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        self.replicas.push(Replica {
            name: name.to_owned(),
            line: CuttingProxy::start(self.stand_in.url()).await,
            env: env.iter().map(owned).collect(),
            daemon: None,
        });
    }

    /// Further tables of every configuration, as TOML.
    pub fn more(&mut self, tables: &str) {
        self.more += tables;
    }

    /// How a daemon of another name is started that has a store of its own, for the same users.
    pub fn setup_on_file(&self, name: &str) -> Setup<'_> {
        let overlap = match self.overlap {
            Duration::ZERO => "\"none\"".to_owned(),
            overlap => quoted(overlap),
        };
        let setup = self.world.daemon(name).default_key("fence", &quoted(FENCE));
        setup
            .default_key("write_deadline", "\"4s\"")
            .default_key("overlap", &overlap)
            .policy(self.policy.clone())
            .more(&self.more)
    }

    /// How a replica is started.
    pub fn setup(&self, replica: usize) -> Setup<'_> {
        let replica = &self.replicas[replica];
        let setup = self
            .setup_on_file(&replica.name)
            .state(&format!("dynamodb:{TABLE}"))
            .place_key("dynamodb_endpoint_url", &format!("{:?}", replica.line.url))
            .daemon_key("lease", &quoted(self.lease))
            // All at once would show what a server in a test can bear, and nothing of the replicas.
            .daemon_key("max_in_flight", "60")
            .env("RUST_LOG", "info");
        let env = replica.env.iter();
        env.fold(setup, |setup, (key, value)| setup.env(key, value))
    }

    /// Starts a replica without waiting for it.
    pub fn start(&mut self, replica: usize) {
        let daemon = self.setup(replica).start();
        self.replicas[replica].daemon = Some(daemon);
    }

    /// Starts all replicas, and waits until every secret was proved and has a living holder.
    pub async fn start_all(&mut self) {
        (0..self.replicas.len()).for_each(|replica| self.start(replica));
        for replica in 0..self.replicas.len() {
            self.ready(replica).await;
        }
        for replica in &self.replicas {
            self.wait_statuses(replica, "proved", super::status::idle_and_proven)
                .await;
        }
        self.shared_out().await;
    }

    /// Waits until a replica that runs is ready.
    pub async fn ready(&mut self, replica: usize) {
        let daemon = self.replicas[replica].daemon.as_mut();
        daemon.expect("it runs").ready().await;
    }

    /// Waits until every secret is as wanted, as this replica shows it. It shows a lot: it is asked rarely.
    pub async fn wait_statuses(&self, replica: &Replica, what: &str, wanted: impl Fn(&SecretStatus) -> bool) {
        let count = self.users.len();
        let deadline = Instant::now() + super::PATIENCE * 4;
        loop {
            let statuses = replica.daemon().statuses().await.unwrap_or_default();
            let so = statuses.iter().filter(|status| wanted(status)).count();
            if so == count && statuses.len() == count {
                return;
            }
            let other = statuses.iter().find(|status| !wanted(status));
            assert!(
                Instant::now() < deadline,
                "{} shows {so} of {} secrets {what}, such as not {other:#?}\n{}",
                replica.name,
                statuses.len(),
                self.log_ends()
            );
            sleep(if count > 50 { RARELY } else { RARELY / 5 }).await;
        }
    }

    /// Waits until running replicas hold everything, each of them something where there is enough for chance to see to that.
    pub async fn shared_out(&self) {
        eventually("the secrets are shared out", || async { self.is_shared_out().await }).await;
    }

    /// Whether running replicas hold everything, each of them something where there is enough for chance to see to that.
    pub async fn is_shared_out(&self) -> Result<(), String> {
        let pids = self.pids();
        let found = self.ledger.held_by(&pids).await?;
        let least = usize::from(self.users.len() > 20);
        let all: usize = found.iter().sum();
        match all == self.users.len() && found.iter().all(|held| *held >= least) {
            true => Ok(()),
            false => Err(format!("{found:?} of {}", self.users.len())),
        }
    }

    /// The processes of the replicas that run.
    pub fn pids(&self) -> Vec<u64> {
        let running = self.replicas.iter().filter(|replica| replica.runs());
        running.map(|replica| u64::from(replica.daemon().pid())).collect()
    }

    /// Asks for a rotation of all, through one replica: some at a time, as slow as this machine may be.
    pub async fn rotate_all(&self, replica: usize) {
        for some in self.users.chunks(50) {
            let names: Vec<String> = some.iter().map(|user| secret_name(&user.name)).collect();
            let body = serde_json::json!({ "secrets": names });
            let answer = self.replicas[replica].daemon().post("/api/v1/rotate", &body).await;
            assert_eq!(answer.status, 200, "{}\n{}", answer.body, self.log_ends());
            let accepted = answer.json()["accepted"].as_array().map(Vec::len);
            assert_eq!(accepted, Some(names.len()), "{}", answer.body);
        }
    }

    /// How many users have another version under AWSCURRENT than at first.
    pub fn promoted(&self) -> usize {
        let secrets = self.world.sandbox.sandbox().secrets();
        let promoted = self.users.iter().filter(|user| {
            let secret = secrets.iter().find(|secret| secret.arn == user.secret_arn);
            let current = secret.and_then(|secret| secret.holder("AWSCURRENT"));
            current.is_some_and(|current| current.id != user.first)
        });
        promoted.count()
    }

    /// How the logs of all replicas end.
    pub fn log_ends(&self) -> String {
        let end = |replica: &Replica| {
            let text = std::fs::read(self.world.path(&format!("{}.log", replica.name))).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            format!(
                "{}'s log ends:\n{}\n",
                replica.name,
                lines[lines.len().saturating_sub(15)..].join("\n")
            )
        };
        self.replicas.iter().map(end).collect()
    }

    /// Ends every replica that runs in good order.
    pub async fn end(&mut self) {
        for replica in &mut self.replicas {
            replica.line.set(Line::Whole);
            if let Some(daemon) = replica.daemon.take() {
                assert_eq!(daemon.end("-TERM").await, Some(0), "{}", replica.name);
            }
        }
    }
}

fn quoted(span: Duration) -> String {
    format!("\"{}ms\"", span.as_millis())
}

/// Users in use, in groups of a hundred with a cache of one node each, through the sandbox's own door: nobody waits for HTTP.
async fn make_users(world: &World, count: usize) -> Vec<User> {
    let names: Vec<String> = (0..count).map(|number| format!("user{number:03}")).collect();
    let mut users = Vec::new();
    for (number, members) in names.chunks(USERS_OF_GROUP).enumerate() {
        for name in members {
            call(
                world,
                ec::CreateUser {
                    user_id: name.clone(),
                    user_name: name.clone(),
                    engine: "redis".to_owned(),
                    access_string: "on ~keys* -@all +get +ping".to_owned(),
                    passwords: Some(vec![OLD.into()]),
                    ..ec::CreateUser::default()
                },
            )
            .await;
        }
        let cache = format!("cache{number}");
        let known: Vec<&str> = members.iter().map(String::as_str).collect();
        world
            .create_cache_named(&format!("group{number}"), &cache, &known, 1)
            .await;
        let nodes = world.sandbox.sandbox().nodes().into_iter();
        let nodes = nodes.filter(|node| node.replication_group.as_deref() == Some(&*cache));
        let nodes: Vec<_> = nodes.map(|node| (node.host, node.port)).collect();
        for name in members {
            let secret = sm::CreateSecret {
                name: secret_name(name),
                secret_string: Some(document_with(name, OLD).into()),
                client_request_token: Some(format!("first-version-of-{name:->36}")),
                ..sm::CreateSecret::default()
            };
            let made = call(world, secret).await;
            users.push(User {
                name: name.clone(),
                secret_arn: made.arn,
                first: made.version_id.expect("a version"),
                nodes: nodes.clone(),
            });
        }
    }
    users
}

async fn call<O: Operation>(world: &World, input: O) -> O::Output {
    let context = CallContext::new("OPERATOR", REGION);
    let result = world.sandbox.sandbox().call(&context, input).await;
    result.unwrap_or_else(|error| panic!("{}: {error:?}", O::NAME))
}
