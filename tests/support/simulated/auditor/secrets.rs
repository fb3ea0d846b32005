//! Secrets as the auditor remembers them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use rekeyd_sandbox::{SecretView, VersionView};

use super::excuse::Hand;
use super::retirement::Overlap;

/// A secret.
pub struct Tracked {
    /// As it was after its last change.
    pub view: SecretView,
    /// What its versions hold, those included that are gone; nothing for what is no document.
    pub documents: BTreeMap<String, Option<Document>>,
    /// The nodes where the password under AWSCURRENT has logged in.
    pub works: BTreeSet<String>,
    /// Who put AWSCURRENT where it is.
    pub moved_by: Hand,
    /// Where AWSCURRENT has been, the first place not included.
    pub history: Vec<Move>,
    /// The previous password, as long as nobody else has meddled.
    pub overlap: Option<Overlap>,
    /// What was proved of each promoted version when it was promoted.
    pub proved: BTreeMap<String, bool>,
    /// The policy that selected it, by access key and place in the list.
    pub selected_by: BTreeMap<String, usize>,
    /// What operators asked for.
    pub requests: Vec<Asked>,
    /// What replicas have put, in order.
    pub puts: Vec<Put>,
    /// How many rollbacks operators have asked for that have not happened.
    pub rollbacks: usize,
}

/// AWSCURRENT has moved.
pub struct Move {
    pub to: String,
    pub by: Hand,
}

/// A replica has put a version.
pub struct Put {
    pub version: String,
    /// Its access key.
    pub by: String,
    /// The latest true time at which it may have been sent.
    pub sent: DateTime<Utc>,
}

/// A rotation that an operator asked for.
pub struct Asked {
    pub at: DateTime<Utc>,
    /// Whom, by access key; nobody knows if it was not acknowledged.
    pub of: Option<String>,
    /// The version under AWSCURRENT at that time.
    pub over: Option<String>,
    pub revoke_previous: bool,
}

/// What a version holds.
#[derive(Clone, Debug)]
pub struct Document {
    pub username: String,
    pub user_id: String,
    pub password: Option<String>,
}

impl Document {
    fn of(version: &VersionView) -> Option<Self> {
        let document: serde_json::Value = serde_json::from_str(version.text.as_ref()?.expose()).ok()?;
        let username = document["username"].as_str()?;
        let id = document["user_arn"].as_str().and_then(|arn| arn.rsplit(':').next());
        Some(Self {
            username: username.to_owned(),
            user_id: id.unwrap_or(username).to_ascii_lowercase(),
            password: document["password"].as_str().map(str::to_owned),
        })
    }
}

impl Tracked {
    pub fn new(view: &SecretView, hand: &Hand) -> Self {
        Self {
            view: view.clone(),
            documents: BTreeMap::new(),
            works: BTreeSet::new(),
            moved_by: hand.clone(),
            history: Vec::new(),
            overlap: None,
            proved: BTreeMap::new(),
            selected_by: BTreeMap::new(),
            requests: Vec::new(),
            puts: Vec::new(),
            rollbacks: 0,
        }
    }

    /// Takes a change in. Gives the passwords that are new.
    pub fn update(&mut self, view: &SecretView) -> Vec<String> {
        let mut passwords = Vec::new();
        for version in &view.versions {
            if self.document(&version.id).is_none() {
                let document = Document::of(version);
                passwords.extend(document.as_ref().and_then(|document| document.password.clone()));
                self.documents.insert(version.id.clone(), document);
            }
        }
        self.view = view.clone();
        passwords
    }

    pub fn document(&self, version: &str) -> Option<&Document> {
        self.documents.get(version)?.as_ref()
    }

    /// What the version under AWSCURRENT holds.
    pub fn current(&self) -> Option<&Document> {
        self.document(&self.view.holder("AWSCURRENT")?.id)
    }

    /// The name of the user that it is about, as far as any version tells.
    pub fn username(&self) -> Option<&str> {
        let any = || self.documents.values().flatten().next();
        self.current().or_else(any).map(|document| document.username.as_str())
    }

    /// Whether any of its versions names this user.
    pub fn names(&self, user_id: &str) -> bool {
        self.documents
            .values()
            .flatten()
            .any(|document| document.user_id == user_id)
    }

    /// What this replica has put since each revocation that it has said it will see to. What others put meanwhile does not
    /// tell it whether they knew of the leak.
    pub fn put_since_revocations<'a>(&'a self, key: &'a str) -> impl Iterator<Item = Vec<&'a str>> {
        let asked = self.requests.iter();
        let of_it = asked.filter(move |asked| asked.revoke_previous && asked.of.as_deref() == Some(key));
        of_it.map(move |asked| {
            let puts = self.puts.iter().filter(|put| put.by == key && put.sent >= asked.at);
            puts.map(|put| put.version.as_str()).collect()
        })
    }

    /// When a version was made.
    pub fn created(&self, version: &str) -> Option<DateTime<Utc>> {
        let versions = &self.view.versions;
        versions
            .iter()
            .find(|known| known.id == version)
            .map(|known| known.created)
    }
}
