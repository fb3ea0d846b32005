//! The real binary, killed with -9 at random moments hundreds of times while it rotates users on real nodes
//! and applications log in with AWSCURRENT all the while.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::rotation::version::generation_of;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::support::daemon::Setup;
use crate::support::environment::number;
use crate::support::killing::{Application, Blows, Killer, LabelHistory, Logins};
use crate::support::report::report;
use crate::support::world::{document_with, quick, secret_name};
use crate::support::{OLD, Policy, Settings, World};

/// How many kills there are unless `REKEYD_KILLS` says otherwise.
const KILLS: u32 = 200;

/// The daemons that are at work at once, each with a store of its own.
const DAEMONS: [&str; 4] = ["rekeyd", "second", "third", "fourth"];

/// Under which terms some users are rotated. The fence is longer than [`SIGNATURE_WINDOW`], as it must be.
struct Terms {
    policy: &'static str,
    users: &'static [&'static str],
    overlap: &'static str,
    overlap_ms: u64,
    every: &'static str,
    every_ms: i64,
}

const SIGNATURE_WINDOW: u64 = 3;
const FENCE: &str = "\"4s\"";

const TERMS: [Terms; 3] = [
    Terms {
        policy: "orders",
        users: &["user1", "user2", "user3"],
        overlap: "\"1s\"",
        overlap_ms: 1_000,
        every: "\"5s\"",
        every_ms: 5_000,
    },
    Terms {
        policy: "stock",
        users: &["user4"],
        overlap: "\"2s\"",
        overlap_ms: 2_000,
        every: "\"6s\"",
        every_ms: 6_000,
    },
    Terms {
        policy: "sessions",
        users: &["user5", "user6"],
        overlap: "\"none\"",
        overlap_ms: 0,
        every: "\"4s\"",
        every_ms: 4_000,
    },
];

/// A user, its secret, and its terms.
struct User {
    name: &'static str,
    secret_arn: String,
    terms: &'static Terms,
}

/// Everything that goes on in a run.
struct Run {
    world: World,
    users: Vec<User>,
    history: Arc<LabelHistory>,
    logins: Arc<Logins>,
    blows: Blows,
    seed: u64,
}

impl Run {
    async fn new(seed: u64) -> Self {
        let world = World::with(Settings {
            propagation_ms: rekeyd_sandbox::Range { min: 50, max: 400 },
            signature_window_s: SIGNATURE_WINDOW,
            log_limit: 10_000_000,
            ..quick()
        })
        .await;
        let names: Vec<&str> = TERMS.iter().flat_map(|terms| terms.users).copied().collect();
        for name in &names {
            let access = "on ~keys* -@all +get +ping";
            world.create_user_with(name, name, access, &[OLD]).await;
        }
        world.create_cache(&names).await;
        let mut users = Vec::new();
        for terms in &TERMS {
            for name in terms.users {
                let secret_arn = world.create_secret(&secret_name(name), &document_with(name, OLD)).await;
                users.push(User {
                    name,
                    secret_arn,
                    terms,
                });
            }
        }
        Self {
            history: Arc::new(LabelHistory::new(world.sandbox.sandbox().clone())),
            logins: Arc::default(),
            blows: Blows::default(),
            world,
            users,
            seed,
        }
    }

    fn application(&self, user: &User) -> Application {
        let overlap = Duration::from_millis(user.terms.overlap_ms);
        let (history, logins) = (self.history.clone(), self.logins.clone());
        Application::new(&self.world, user.name, &user.secret_arn, overlap, history, logins)
    }

    /// Lets the applications log in until the handles are aborted.
    fn open_shop(&self) -> Vec<JoinHandle<()>> {
        let history = self.history.clone();
        let mut tasks = vec![tokio::spawn(async move { history.watch().await })];
        for (user, seed) in self.users.iter().zip(self.seed + 100..) {
            tasks.push(tokio::spawn(self.application(user).run(seed)));
        }
        tasks
    }

    fn setup(&self, daemon: &str, resting: bool) -> Setup<'_> {
        let mut setup = self
            .world
            .daemon(daemon)
            .default_key("fence", FENCE)
            .default_key("write_deadline", "\"2s\"")
            // One user stands for itself here: they are to be killed at work, all of them.
            .default_key("canary", "0");
        // Two work on the same users: more of them repeat each other's retirements faster than those settle.
        let mine = match (resting, DAEMONS[..2].contains(&daemon)) {
            (true, _) => &TERMS[..],
            (false, true) => &TERMS[..1],
            (false, false) => &TERMS[1..],
        };
        for terms in mine {
            let every = if resting { "\"1000d\"" } else { terms.every };
            let policy = Policy::new(terms.policy, terms.users);
            setup = setup.policy(policy.with("schedule", every).with("overlap", terms.overlap));
        }
        setup
    }

    /// Kills one daemon of this name after the other until there was enough of it.
    async fn kill_daemons(&self, daemon: &str, seed: u64, pauses: bool, enough: impl Fn() -> bool) {
        let mut killer = Killer::new(seed, &self.blows);
        while !enough() {
            killer
                .life(self.setup(daemon, false), || self.history.promotions())
                .await;
            if pauses {
                killer.pause().await;
            }
        }
    }

    /// Panics if a login failed that must not.
    fn nobody_was_locked_out(&self) {
        let forbidden = self.logins.forbidden();
        assert!(forbidden.is_empty(), "{}\n{}", forbidden.join("\n"), self.told());
    }

    fn told(&self) -> String {
        let log = |daemon: &str| {
            let log = std::fs::read_to_string(self.world.path(&format!("{daemon}.log"))).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(60)..].join("\n")
        };
        let logs = DAEMONS.map(|daemon| format!("{daemon}'s log ends:\n{}", log(daemon)));
        format!("{}\n{}\n{}", self.summary(), logs.join("\n"), self.seed_told())
    }

    fn seed_told(&self) -> String {
        format!("again with REKEYD_SEED={}", self.seed)
    }

    fn summary(&self) -> String {
        let blows = &self.blows;
        format!(
            "{} kills ({} before ready), {} stalls, {} starts, {} stores deleted, {} promotions, {} logins, {} refused \
             to passwords whose overlap was over, {} forbidden failures",
            blows.kills.get(),
            blows.early.get(),
            blows.stalls.get(),
            blows.starts.get(),
            blows.stores_deleted.get(),
            self.history.promotions(),
            self.logins.accepted(),
            self.logins.outdated(),
            self.logins.forbidden().len(),
        )
    }

    /// Each version was derived from the one before it, and none was made before it was due.
    fn each_version_descends_from_the_one_before_it_and_was_due(&self) {
        let secrets = self.world.sandbox.sandbox().secrets();
        for user in &self.users {
            let secret = secrets.iter().find(|secret| secret.arn == user.secret_arn).unwrap();
            let created = |id: &str| secret.versions.iter().find(|version| version.id == id).unwrap().created;
            let chain = self.history.chain(&user.secret_arn);
            for pair in chain.windows(2) {
                let [parent, child] = pair else { unreachable!() };
                let what = format!("{}: {child} after {parent}\n{}", user.name, self.told());
                assert!(generation_of(&user.secret_arn, parent, child).is_some(), "{what}");
                let age = created(child) - created(parent);
                assert!(age >= TimeDelta::milliseconds(user.terms.every_ms), "{age}: {what}");
            }
            assert_eq!(
                chain.len(),
                secret.versions.len(),
                "a fork: {}\n{}",
                user.name,
                self.told()
            );
        }
    }

    /// Faults are over: every secret comes to rest, and no password works but the one under AWSCURRENT.
    async fn comes_to_rest(&self) {
        let daemon = self.setup("rekeyd", true).run().await;
        let rests = |status: &SecretStatus| {
            status.phase == Phase::Idle && status.reason.is_none() && status.proof == Some(Proof::Proven)
        };
        for user in &self.users {
            daemon.wait(&secret_name(user.name), "at rest", rests).await;
            let seen = self.world.user(user.name).await.authentication.unwrap();
            assert_eq!(seen.password_count, Some(1), "{}", user.name);
            let application = self.application(user);
            for (version, labels) in self.world.labels(&user.secret_arn).await {
                let current = labels.iter().any(|label| label == "AWSCURRENT");
                let password = self.world.version_password(&user.secret_arn, &version).await;
                assert_eq!(
                    application.works_anywhere(&password).await,
                    current,
                    "{} {version}",
                    user.name
                );
            }
            self.world.assert_current_logs_in(&user.secret_arn, user.name).await;
        }
        assert_eq!(daemon.end("-TERM").await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn daemons_killed_at_random_moments_hundreds_of_times_lock_no_application_out() {
    let kills = number("REKEYD_KILLS").unwrap_or(KILLS);
    let seed = number("REKEYD_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    let run = Run::new(seed).await;
    println!("{}", run.seed_told());
    let shop = run.open_shop();

    let began = Instant::now();
    let deadline = began + Duration::from_secs(240) + Duration::from_secs(2) * kills;
    let promotions = usize::try_from(kills / 8).unwrap();
    let enough = || {
        run.nobody_was_locked_out();
        assert!(Instant::now() < deadline, "it takes too long\n{}", run.told());
        let blows = &run.blows;
        blows.kills.get() >= kills && blows.stalls.get() >= 3 && run.history.promotions() >= promotions
    };
    tokio::join!(
        run.kill_daemons(DAEMONS[0], seed + 1, false, enough),
        run.kill_daemons(DAEMONS[1], seed + 2, true, enough),
        run.kill_daemons(DAEMONS[2], seed + 3, true, enough),
        run.kill_daemons(DAEMONS[3], seed + 4, true, enough),
    );
    println!("{} in {:?}; now to rest", run.summary(), began.elapsed());
    run.comes_to_rest().await;
    for task in shop {
        task.abort();
        let ended = task.await.expect_err("it looks and logs in for ever");
        assert!(ended.is_cancelled(), "an application failed: {ended}");
    }
    run.nobody_was_locked_out();
    run.each_version_descends_from_the_one_before_it_and_was_due();
    let logins = run.logins.accepted();
    assert!(logins >= 5 * u64::from(kills), "few logins: {}", run.told());
    report(&format!("killed: {} in {} s", run.summary(), began.elapsed().as_secs()));
}
