//! A secret that is refused, and all that the refusal must leave as it was.

use std::collections::BTreeMap;

use rekeyd::rotation::observation::Proof;

use crate::support::versions::Labels;
use crate::support::world::{document_with, secret_name};
use crate::support::{OLD, OTHER, World};

/// Everything about a secret and its user that a refusal must leave as it was.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Sight {
    pub(super) labels: Labels,
    pub(super) user: Option<(Option<String>, Option<i32>, Option<String>)>,
    /// Whether OLD and OTHER log in on a primary; the number of passwords and that nothing was
    /// written speak for the other nodes.
    pub(super) logins: Option<[bool; 2]>,
}

/// One secret that is refused.
pub(super) struct Case {
    /// Names the case, its user and its secret.
    pub(super) name: &'static str,
    pub(super) secret: String,
    pub(super) reason: &'static str,
    /// Where it stands while no rotation is due, if that is no halt.
    pub(super) at_rest: Option<Proof>,
    /// Words that the detail must hold.
    pub(super) says: String,
}

/// The cases of a test, and their world.
pub(super) struct Cases<'a> {
    pub(super) world: &'a World,
    pub(super) all: Vec<Case>,
}

impl Cases<'_> {
    pub(super) fn add(&mut self, name: &'static str, reason: &'static str) -> &mut Case {
        self.all.push(Case {
            name,
            secret: secret_name(name),
            reason,
            at_rest: None,
            says: String::new(),
        });
        self.all.last_mut().expect("just pushed")
    }

    /// A case that differs from a good one only in its document.
    pub(super) async fn with_document(&mut self, name: &'static str, reason: &'static str, document: &str) {
        self.world.create_secret(&secret_name(name), document).await;
        self.add(name, reason);
    }

    /// A good secret. Gives its ARN and its version.
    pub(super) async fn good_secret(&self, name: &str) -> (String, String) {
        let secret = secret_name(name);
        let arn = self.world.create_secret(&secret, &document_with(name, OLD)).await;
        let first = self.world.holder(&secret, "AWSCURRENT").await.expect("a version");
        (arn, first)
    }

    pub(super) async fn put(&self, name: &str, version: &str, document: &str, label: &str) {
        let secret = secret_name(name);
        self.world.put_version(&secret, version, document, &[label]).await;
    }

    pub(super) async fn sight(&self, case: &Case) -> Sight {
        let described = self.world.elasticache.describe_users().user_id(case.name).send().await;
        let user = described.ok().and_then(|described| described.users?.pop()).map(|user| {
            let count = user.authentication.as_ref().and_then(|a| a.password_count());
            (user.status, count, user.access_string)
        });
        let logins = match &user {
            Some(_) => {
                let (host, port) = self.world.addresses().remove(0);
                let login = |password| self.world.try_login(&host, port, case.name, password);
                let (old, other) = tokio::join!(login(OLD), login(OTHER));
                Some([old.expect("an answer"), other.expect("an answer")])
            }
            None => None,
        };
        Sight {
            labels: self.world.labels(&case.secret).await,
            user,
            logins,
        }
    }

    pub(super) async fn sights(&self) -> BTreeMap<String, Sight> {
        let mut sights = BTreeMap::new();
        for case in &self.all {
            sights.insert(case.secret.clone(), self.sight(case).await);
        }
        sights
    }
}
