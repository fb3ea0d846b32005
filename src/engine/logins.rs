//! One round of logins on a user's nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::Instrument;

use crate::aws::{AwsError, AwsResult};
use crate::clock::SharedClock;
use crate::login::Login;
use crate::policy::{Endpoint, Policy, Tls};
use crate::rotation::observation::{
    AWSCURRENT, AWSPENDING, Answers, Credential, LoginAnswer, Node, NodeKind, Observation,
};
use crate::secret::Password;

use super::Engine;

/// How many fresh connections try a password at a serverless endpoint, each of which may lead to
/// another of the nodes that it hides. If half of them refuse, one round on an endpoint and its
/// reader endpoint misses that once in 65,000; a quarter of them, once in a hundred.
const ENDPOINT_LOGINS: usize = 8;

/// After so many refusals and no acceptance an endpoint is not asked again: people alarm on them.
const ENDPOINT_REFUSALS: usize = 3;

/// The part of the write deadline in which a trial begins logins: one in this many. Two passwords at
/// a slow endpoint then leave half of the deadline to the write that rests on them.
const TRIALS_IN_A_DEADLINE: u32 = 4;

/// One login to be made, or several at one address.
#[derive(Clone)]
struct Trial {
    credential: Credential,
    password: Password,
    /// How many logins at most.
    logins: usize,
    /// How long after its beginning it begins further logins. The first is always made.
    budget: Duration,
}

/// An answer, with what it answers.
type Answered = (Credential, Endpoint, LoginAnswer);

impl Engine {
    /// Logs in on these nodes, each password on all but those listed beside it.
    pub(super) async fn login_round(
        &self,
        policy: &Policy,
        observation: &Observation,
        username: &str,
        credentials: Vec<(Credential, BTreeSet<Endpoint>)>,
        nodes: &[&Node],
    ) -> AwsResult<BTreeMap<Credential, Answers>> {
        let mut logins: BTreeMap<Credential, Answers> = BTreeMap::new();
        let mut tasks = JoinSet::new();
        let mut behind_endpoints: BTreeMap<&Endpoint, Vec<Trial>> = BTreeMap::new();
        for (credential, skipped) in credentials {
            logins.insert(credential.clone(), Answers::new());
            let Some(password) = self.password(policy, observation, &credential) else {
                return Err(AwsError::internal(
                    "a login",
                    "the version to log in with was not read, or has no password",
                ));
            };
            for node in nodes.iter().filter(|node| !skipped.contains(&node.endpoint)) {
                let trial = Trial {
                    logins: how_often(node.kind, &credential, observation),
                    budget: policy.write_deadline / TRIALS_IN_A_DEADLINE,
                    credential: credential.clone(),
                    password: password.clone(),
                };
                match node.kind {
                    NodeKind::Node => {
                        let trials = self.trials(&node.endpoint, &policy.tls, username, vec![trial]);
                        tasks.spawn(trials.in_current_span());
                    }
                    NodeKind::ServerlessEndpoint => behind_endpoints.entry(&node.endpoint).or_default().push(trial),
                }
            }
        }
        // One after the other, so that an endpoint that leads to its nodes in turn does not give
        // each password a node of its own.
        for (endpoint, trials) in behind_endpoints {
            tasks.spawn(self.trials(endpoint, &policy.tls, username, trials).in_current_span());
        }
        while let Some(ended) = tasks.join_next().await {
            let answers = ended.map_err(|_| AwsError::internal("a login", "ended without an answer"))?;
            for (credential, node, answer) in answers {
                Self::log_answer(&credential, &node, &answer);
                logins
                    .entry(credential)
                    .or_default()
                    .entry(node)
                    .or_default()
                    .push(answer);
            }
        }
        Ok(logins)
    }

    fn trials(
        &self,
        node: &Endpoint,
        tls: &Tls,
        username: &str,
        trials: Vec<Trial>,
    ) -> impl Future<Output = Vec<Answered>> + Send + use<> {
        let (login, clock) = (self.login.clone(), self.clock.clone());
        let (node, tls, username) = (node.clone(), tls.clone(), username.to_owned());
        async move {
            let mut answered = Vec::new();
            for trial in trials {
                let answers = try_password(&login, &clock, &node, &tls, &username, &trial).await;
                let of_trial = |answer| (trial.credential.clone(), node.clone(), answer);
                answered.extend(answers.into_iter().map(of_trial));
            }
            answered
        }
    }

    fn log_answer(credential: &Credential, node: &Endpoint, answer: &LoginAnswer) {
        // Not `version`: that is the rotation's, and this may be the password before it.
        let password_of = match credential {
            Credential::Version(version) => version.as_str(),
            Credential::Random => "made up",
        };
        match answer {
            LoginAnswer::Accepted => tracing::debug!(event = "login_accepted", password_of, %node, "login accepted"),
            LoginAnswer::Refused => tracing::debug!(event = "login_refused", password_of, %node, "login refused"),
            LoginAnswer::Unreachable(cause) | LoginAnswer::TlsFailed(cause) => {
                tracing::debug!(event = "no_login", password_of, %node, cause, "no login")
            }
        }
    }
}

/// A password that clients read, or are about to, must work on every node that an endpoint hides.
/// Of any other one answer is enough: it is expected to be refused.
fn how_often(kind: NodeKind, credential: &Credential, observation: &Observation) -> usize {
    let must_work = |version: &String| {
        [AWSCURRENT, AWSPENDING]
            .iter()
            .any(|stage| observation.secret.holder(stage) == Some(version))
    };
    match (kind, credential) {
        (NodeKind::ServerlessEndpoint, Credential::Version(version)) if must_work(version) => ENDPOINT_LOGINS,
        _ => 1,
    }
}

/// Tries a password until enough is known: nodes disagree, none answers, or all answered alike. On a
/// slow path its budget ends it before: with all logins made, what was observed would be too old for a
/// write at every look anew.
async fn try_password(
    login: &Arc<dyn Login>,
    clock: &SharedClock,
    node: &Endpoint,
    tls: &Tls,
    username: &str,
    trial: &Trial,
) -> Vec<LoginAnswer> {
    let mut answers = Vec::new();
    let (mut accepted, mut refused) = (0, 0);
    let began = clock.monotonic();
    while answers.len() < trial.logins && refused < ENDPOINT_REFUSALS && (accepted == 0 || refused == 0) {
        let answer = login.login(node, tls, username, &trial.password).await;
        let unreachable = match &answer {
            LoginAnswer::Accepted => {
                accepted += 1;
                false
            }
            LoginAnswer::Refused => {
                refused += 1;
                false
            }
            LoginAnswer::Unreachable(_) | LoginAnswer::TlsFailed(_) => true,
        };
        answers.push(answer);
        if unreachable || clock.monotonic().saturating_sub(began) >= trial.budget {
            break;
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::clock::{Clock, Timestamp};

    /// A clock that only logins move, in milliseconds.
    #[derive(Default)]
    struct Stopwatch(AtomicU64);

    impl Clock for Stopwatch {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    /// Nodes in turn behind one endpoint; `None` does not answer.
    struct Nodes {
        answers: Vec<Option<bool>>,
        turn: Mutex<usize>,
        clock: Arc<Stopwatch>,
        /// How long a login takes, in milliseconds.
        takes: u64,
    }

    #[async_trait]
    impl Login for Nodes {
        async fn login(&self, _: &Endpoint, _: &Tls, _: &str, _: &Password) -> LoginAnswer {
            self.clock.0.fetch_add(self.takes, Ordering::Relaxed);
            let mut turn = self.turn.lock().unwrap();
            *turn += 1;
            match self.answers[(*turn - 1) % self.answers.len()] {
                Some(true) => LoginAnswer::Accepted,
                Some(false) => LoginAnswer::Refused,
                None => LoginAnswer::Unreachable("down".to_owned()),
            }
        }
    }

    async fn answers(nodes: &[Option<bool>], logins: usize) -> (usize, usize, usize) {
        timed_answers(nodes, logins, 1).await
    }

    async fn timed_answers(nodes: &[Option<bool>], logins: usize, takes: u64) -> (usize, usize, usize) {
        let clock: Arc<Stopwatch> = Arc::default();
        let login: Arc<dyn Login> = Arc::new(Nodes {
            answers: nodes.to_vec(),
            turn: Mutex::new(0),
            clock: clock.clone(),
            takes,
        });
        let clock: SharedClock = clock;
        let endpoint = Endpoint {
            host: "endpoint".to_owned(),
            port: 6379,
        };
        let trial = Trial {
            credential: Credential::Random,
            password: Password::new("sixteen-characters".to_owned()),
            logins,
            budget: Duration::from_secs(10) / TRIALS_IN_A_DEADLINE,
        };
        let answers = try_password(&login, &clock, &endpoint, &Tls::default(), "user", &trial).await;
        let count = |wanted: fn(&LoginAnswer) -> bool| answers.iter().filter(|answer| wanted(answer)).count();
        (
            count(|answer| matches!(answer, LoginAnswer::Accepted)),
            count(|answer| matches!(answer, LoginAnswer::Refused)),
            count(|answer| matches!(answer, LoginAnswer::Unreachable(_))),
        )
    }

    #[tokio::test]
    async fn an_endpoint_is_tried_until_its_nodes_disagree_or_enough_agree() {
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(answers(&[yes], ENDPOINT_LOGINS).await, (ENDPOINT_LOGINS, 0, 0));
        assert_eq!(answers(&[no], ENDPOINT_LOGINS).await, (0, ENDPOINT_REFUSALS, 0));
        assert_eq!(answers(&[yes, yes, yes, no], ENDPOINT_LOGINS).await, (3, 1, 0));
        assert_eq!(answers(&[no, no, yes], ENDPOINT_LOGINS).await, (1, 2, 0));
        assert_eq!(answers(&[yes, None], ENDPOINT_LOGINS).await, (1, 0, 1));
        assert_eq!(answers(&[no, yes], 1).await, (0, 1, 0));
    }

    #[tokio::test]
    async fn a_slow_endpoint_is_tried_for_a_quarter_of_the_write_deadline_and_once_at_least() {
        for (takes, made) in [(300, ENDPOINT_LOGINS), (600, 5), (2_499, 2), (2_500, 1), (20_000, 1)] {
            let answers = timed_answers(&[Some(true)], ENDPOINT_LOGINS, takes).await;
            assert_eq!(answers, (made, 0, 0), "logins of {takes} ms");
        }
    }
}
