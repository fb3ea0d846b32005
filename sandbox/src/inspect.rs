//! Secrets, users and nodes as they are, whatever replies show of them at the moment: for the judge of a simulation,
//! whose looks must not count as calls.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::core::account::Account;
use crate::core::cache::model::{AclRule, Node, Owner, User};
use crate::core::nodes::LoginAnswer;
use crate::core::operation::later;
use crate::core::secrets::model::{Secret, SecretValue};
use crate::core::trail::Trail;
use crate::sandbox::Sandbox;
use crate::sensitive::Sensitive;

/// A secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretView {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it goes, if it is marked for deletion.
    pub deleted: Option<DateTime<Utc>>,
    /// Its versions, those without labels too, in the order of their ids.
    pub versions: Vec<VersionView>,
}

/// A version of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionView {
    /// Its id.
    pub id: String,
    /// Its labels.
    pub labels: BTreeSet<String>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Its value; none if it is bytes or a placeholder.
    pub text: Option<Sensitive>,
}

impl SecretView {
    /// The version that carries a label.
    #[must_use]
    pub fn holder(&self, label: &str) -> Option<&VersionView> {
        self.versions.iter().find(|version| version.labels.contains(label))
    }

    pub(crate) fn of(account: &Account, secret: &Secret) -> Self {
        let versions = secret.versions.iter().map(|(id, version)| VersionView {
            id: id.clone(),
            labels: version.labels.clone(),
            created: version.created,
            text: match &version.value {
                Some(SecretValue::Text(text)) => Some(text.clone()),
                Some(SecretValue::Binary(_)) | None => None,
            },
        });
        Self {
            account: account.id.clone(),
            region: account.region.clone(),
            name: secret.name.clone(),
            arn: secret.arn.clone(),
            tags: secret
                .tags
                .iter()
                .map(|tag| (tag.key.clone(), tag.value.clone()))
                .collect(),
            deleted: secret.deleted,
            versions: versions.collect(),
        }
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    /// Its id.
    pub id: String,
    /// The name that it logs in with.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Counts its changes.
    pub revision: u64,
    /// Whether it may log in.
    pub on: bool,
    /// Whether any password will do.
    pub nopass: bool,
    /// The passwords that will do.
    pub passwords: Vec<Sensitive>,
    /// Since when DescribeUsers has shown it as anything but `active`; nothing while it shows that.
    pub busy_since: Option<DateTime<Utc>>,
}

impl UserView {
    pub(crate) fn of(user: &User, now: DateTime<Utc>, modifying_lag_ms: u64) -> Self {
        let stale = user.stale.as_ref().is_some_and(|stale| now < stale.until);
        let change = user.change.as_ref().filter(|_| !stale);
        let shown_from = change.map(|change| later(change.started, modifying_lag_ms));
        let rule = user.rule();
        Self {
            id: user.id.clone(),
            name: user.name.clone(),
            arn: user.arn.clone(),
            revision: user.revision,
            on: rule.is_on(),
            nopass: rule.nopass,
            passwords: rule.passwords,
            busy_since: shown_from.filter(|from| *from <= now),
        }
    }

    /// Whether a node that knows it as it is lets it in with this password.
    #[must_use]
    pub fn accepts(&self, password: &str) -> bool {
        self.on && (self.nopass || self.passwords.iter().any(|known| known.expose() == password))
    }
}

/// What one node says to a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAnswers {
    /// The node.
    pub node: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The serverless cache behind whose endpoint it is hidden.
    pub serverless_cache: Option<String>,
    /// Whether ElastiCache calls it available, or the serverless cache that it is hidden in.
    pub available: bool,
    /// Whether one of the user's groups is given to its cache.
    pub serves: bool,
    /// Whether it believes that the user is on.
    pub on: bool,
    /// Its answers, in the order of the passwords.
    pub answers: Vec<LoginAnswer>,
}

impl Sandbox {
    /// Begins to write down what happens, for [`trail`](Self::trail).
    pub fn follow(&self) {
        self.with(|state, _| {
            state.trail.get_or_insert_default();
        });
    }

    /// What has happened since the last call of this, or since somebody [follows](Self::follow).
    #[must_use]
    pub fn trail(&self) -> Trail {
        self.with(|state, _| state.trail.as_mut().map(std::mem::take).unwrap_or_default())
    }

    /// A user as it is.
    #[must_use]
    pub fn user(&self, id: &str) -> Option<UserView> {
        self.with(|state, now| {
            let lag = state.settings.modifying_lag_ms;
            let user = state.accounts().find_map(|account| account.cache.users.get(id))?;
            Some(UserView::of(user, now, lag))
        })
    }

    /// What every node says to a user with each of these passwords. Not a login: nobody hears of it.
    #[must_use]
    pub fn answers(&self, user_id: &str, user_name: &str, passwords: &[&str]) -> Vec<NodeAnswers> {
        self.with(|state, _| {
            let answers = state.accounts().flat_map(|account| {
                let serving = account.cache.nodes_of(user_id);
                let nodes = account.cache.nodes.values();
                nodes.map(move |node| node_answers(account, node, serving.contains(&node.id), (user_name, passwords)))
            });
            answers.collect()
        })
    }

    /// All secrets of all accounts as they are. Not a call: no fault hits it and no log shows it.
    #[must_use]
    pub fn secrets(&self) -> Vec<SecretView> {
        self.with(|state, _| {
            let views = state.accounts().flat_map(|account| {
                let secrets = account.secrets.values();
                secrets.map(|secret| SecretView::of(account, secret))
            });
            views.collect()
        })
    }
}

fn node_answers(account: &Account, node: &Node, serves: bool, (user, passwords): (&str, &[&str])) -> NodeAnswers {
    let serverless_cache = match &node.owner {
        Owner::Serverless(name) => Some(name.clone()),
        Owner::ReplicationGroup(_) => None,
    };
    let hidden_in = serverless_cache
        .as_ref()
        .and_then(|name| account.cache.serverless.get(name));
    NodeAnswers {
        node: node.id.clone(),
        host: node.host.clone(),
        port: node.port,
        available: hidden_in.map_or(node.status.as_str(), |cache| cache.status) == "available",
        serverless_cache,
        serves,
        on: node.view.get(user).is_some_and(AclRule::is_on),
        answers: passwords.iter().map(|password| node.login(user, password)).collect(),
    }
}
