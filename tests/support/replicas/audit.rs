//! The judge of the promises, for a fleet whose every user is to be rotated exactly once.

use std::sync::Arc;
use std::time::Duration;

use rekeyd::rotation::version::generation_of;
use rekeyd_sandbox::{LoginAnswer, Sandbox, SecretView, VersionView};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Fleet, User};
use crate::support::killing::{Application, LabelHistory, Logins};

/// How often it is asked of every user whether the password under AWSCURRENT would log in.
const EVERY: Duration = Duration::from_millis(200);
/// How many logins are under way at once at the end.
const AT_ONCE: usize = 8;

/// Applications that log in all the while as some of the users, and a look at all of them.
pub struct Watch {
    history: Arc<LabelHistory>,
    logins: Arc<Logins>,
    tasks: Vec<JoinHandle<()>>,
}

impl Watch {
    /// One application for each `every`th user.
    pub fn start(fleet: &Fleet, every: usize, seed: u64) -> Self {
        let sandbox = fleet.world.sandbox.sandbox();
        let history = Arc::new(LabelHistory::new(sandbox.clone()));
        let logins = Arc::<Logins>::default();
        let mut tasks = Vec::new();
        let watched = history.clone();
        tasks.push(tokio::spawn(async move { watched.watch_every(EVERY / 2).await }));
        tasks.push(tokio::spawn(all_current_log_in(
            sandbox.clone(),
            fleet.users.clone(),
            logins.clone(),
        )));
        for (user, seed) in fleet.users.iter().step_by(every).zip(seed..) {
            let mut application = application(fleet, user, &history, &logins);
            application.rests_ms = 300..900;
            tasks.push(tokio::spawn(application.run(seed)));
        }
        Self { history, logins, tasks }
    }

    /// How many logins were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.logins.accepted()
    }

    /// Panics if a login failed that must not have.
    pub fn nobody_was_locked_out(&self) {
        let forbidden = self.logins.forbidden();
        assert!(forbidden.is_empty(), "{}", forbidden.join("\n"));
    }

    /// How many times AWSCURRENT has moved.
    pub fn promotions(&self) -> usize {
        self.history.promotions()
    }

    /// Ends the applications. Every user was rotated exactly once: one version was made from the first, its password is the
    /// only one that logs in, and nobody was ever refused.
    pub async fn ends_with_each_rotated_once(self, fleet: &Fleet) {
        for task in self.tasks {
            task.abort();
            let ended = task.await.expect_err("it looks and logs in for ever");
            assert!(ended.is_cancelled(), "an application failed: {ended}");
        }
        let forbidden = self.logins.forbidden();
        assert!(forbidden.is_empty(), "{}", forbidden.join("\n"));
        let secrets = fleet.world.sandbox.sandbox().secrets();
        let mut asking = tokio::task::JoinSet::new();
        for user in &fleet.users {
            let secret = secrets
                .iter()
                .find(|secret| secret.arn == user.secret_arn)
                .expect("a secret");
            let labelled = secret.holder("AWSCURRENT").expect("a version").id.clone();
            let ids: Vec<&str> = secret.versions.iter().map(|version| version.id.as_str()).collect();
            let told = || format!("{}: {ids:?}\n{}", user.name, self.history.story(&user.secret_arn));
            assert_eq!(ids.len(), 2, "{}", told());
            assert!(
                ids.contains(&user.first.as_str()) && labelled != user.first,
                "{}",
                told()
            );
            assert_eq!(
                generation_of(&user.secret_arn, &user.first, &labelled),
                Some(0),
                "{}",
                told()
            );
            assert_eq!(
                self.history.chain(&user.secret_arn),
                [user.first.clone(), labelled.clone()],
                "{}",
                told()
            );
            let passwords = fleet
                .world
                .sandbox
                .sandbox()
                .user(&user.name)
                .expect("a user")
                .passwords;
            assert_eq!(passwords.len(), 1, "{}", told());
            let application = application(fleet, user, &self.history, &self.logins);
            let versions: Vec<(String, bool)> = secret
                .versions
                .iter()
                .map(|version| (password_of(version), version.id == labelled))
                .collect();
            while asking.len() >= AT_ONCE {
                asking.join_next().await.expect("a login").expect("a judgement");
            }
            asking.spawn(async move {
                for (password, current) in versions {
                    assert_eq!(
                        application.works_anywhere(&password).await,
                        current,
                        "{}",
                        application.user
                    );
                }
            });
        }
        asking.join_all().await;
    }
}

fn application(fleet: &Fleet, user: &User, history: &Arc<LabelHistory>, logins: &Arc<Logins>) -> Application {
    let (history, logins) = (history.clone(), logins.clone());
    Application::new(
        &fleet.world,
        &user.name,
        &user.secret_arn,
        fleet.overlap,
        history,
        logins,
    )
    .on(&user.nodes)
}

fn current_version<'a>(secrets: &'a [SecretView], user: &User) -> Option<&'a VersionView> {
    let secret = secrets.iter().find(|secret| secret.arn == user.secret_arn)?;
    secret.holder("AWSCURRENT")
}

fn password_of(version: &VersionView) -> String {
    let text = version.text.as_ref().expect("a text").expose();
    let document: serde_json::Value = serde_json::from_str(text).expect("a document");
    document["password"].as_str().expect("a password").to_owned()
}

/// Asks for ever what every node would say to each user with the password under AWSCURRENT, of all users at once. Not a
/// login, and no load: the sandbox is asked what its nodes believe.
async fn all_current_log_in(sandbox: Sandbox, users: Vec<User>, logins: Arc<Logins>) {
    loop {
        let secrets = sandbox.secrets();
        for user in &users {
            let current = current_version(&secrets, user).expect("a current version");
            let password = password_of(current);
            // It may have moved since, and the overlap be over, when this machine is very late.
            let answers = sandbox.answers(&user.name, &user.name, &[&password]);
            let refused = answers
                .iter()
                .filter(|node| node.serves)
                .find(|node| node.answers.contains(&LoginAnswer::WrongPass));
            if let Some(node) = refused
                && current_version(&sandbox.secrets(), user) == Some(current)
            {
                logins.accuse(format!(
                    "{}: AWSCURRENT ({}) is refused on {}",
                    user.name, current.id, node.node
                ));
            }
        }
        sleep(EVERY).await;
    }
}
