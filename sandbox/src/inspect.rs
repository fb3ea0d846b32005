//! Secrets as they are, whatever replies show of them at the moment: for the judge of a simulation,
//! whose looks must not count as calls.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::core::account::Account;
use crate::core::secrets::model::{Secret, SecretValue};
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

    fn of(account: &Account, secret: &Secret) -> Self {
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
            deleted: secret.deleted,
            versions: versions.collect(),
        }
    }
}

impl Sandbox {
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
