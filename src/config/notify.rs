//! Who is notified, as far as the configuration says it: what is kept in files beside it is read when it comes into force.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::error::Location;
use crate::rotation::notice::NoticeKind;

pub use super::check::webhook_url;

/// Somebody to notify.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotifyTarget {
    /// The name of its `[notify.NAME]` table.
    pub name: String,
    /// How it is reached.
    pub channel: Channel,
    /// What it is told.
    pub kinds: BTreeSet<NoticeKind>,
    /// The policies of whose secrets it is told; `None` of all.
    pub policies: Option<BTreeSet<String>>,
    /// How long an answer is waited for.
    pub timeout: Duration,
}

impl NotifyTarget {
    /// Whether it is told of this.
    pub fn wants(&self, kind: NoticeKind, policy: &str) -> bool {
        let policies = self.policies.as_ref();
        self.kinds.contains(&kind) && policies.is_none_or(|policies| policies.contains(policy))
    }
}

/// How somebody is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Channel {
    /// Signed JSON to a URL.
    Webhook {
        /// Where.
        url: UrlFrom,
        /// The keys that sign.
        keys: KeptIn,
        /// The roots that signed its certificate, instead of the system's.
        roots: Option<KeptIn>,
    },
    /// An incoming webhook of Slack.
    Slack {
        /// Its URL, which is a secret.
        url: KeptIn,
        /// The roots that signed its certificate, instead of the system's.
        roots: Option<KeptIn>,
    },
    /// Events on a bus of EventBridge.
    EventBridge {
        /// The name of the place.
        place: String,
        /// The bus, by name or ARN.
        bus: String,
    },
}

/// Where a URL is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UrlFrom {
    /// In the configuration, for everybody to see.
    Written(String),
    /// In a file.
    Kept(KeptIn),
}

/// A file beside the configuration, and where that names it. Two are the same wherever they are named.
#[derive(Clone, Eq, Debug)]
pub struct KeptIn {
    /// Its path.
    pub path: PathBuf,
    /// The key that names it, such as `notify.oncall.secret_file`.
    pub key: String,
    /// Where that stands.
    pub location: Location,
}

impl PartialEq for KeptIn {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.key) == (&other.path, &other.key)
    }
}
