//! A secret, its versions and where its staging labels are.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize, Serializer};

use super::errors::{limit, marked_for_deletion, replica_write, secret_not_found};
use super::history::{History, Labels};
use super::limits;
use super::replicas::Replica;
use super::rotate::ExternalRotationItem;
use crate::core::account::Account;
use crate::error::ApiError;
use crate::sensitive::Sensitive;

pub(crate) const CURRENT: &str = "AWSCURRENT";
pub(crate) const PREVIOUS: &str = "AWSPREVIOUS";
pub(crate) const PENDING: &str = "AWSPENDING";

/// Labels of a secret, versions of a secret (Secrets Manager quotas page).
const MAX_LABELS: usize = 20;
const MAX_VERSIONS: usize = 100;

/// Times in this service are seconds since 1970 with fractions.
pub(crate) fn epoch<S: Serializer>(time: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    #[allow(clippy::cast_precision_loss)] // milliseconds since 1970 fit into 53 bits
    to.serialize_f64(time.timestamp_millis() as f64 / 1000.0)
}

/// The same for a time that may be missing.
pub(crate) fn epoch_option<S: Serializer>(time: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => epoch(time, to),
        None => to.serialize_none(),
    }
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretTag {
    /// Its key.
    pub key: String,
    /// Its value.
    #[serde(default)]
    pub value: String,
}

impl SecretTag {
    /// Tags as keys and values.
    pub(crate) fn pairs<'a>(tags: impl IntoIterator<Item = &'a Self>) -> Vec<(&'a str, &'a str)> {
        let pairs = tags.into_iter().map(|tag| (tag.key.as_str(), tag.value.as_str()));
        pairs.collect()
    }
}

/// A value: text or bytes (in base64, as they travel).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SecretValue {
    Text(Sensitive),
    Binary(Sensitive),
}

/// One version.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Version {
    /// Nothing in a placeholder that RotateSecret made.
    pub(crate) value: Option<SecretValue>,
    pub(crate) created: DateTime<Utc>,
    pub(crate) accessed: Option<DateTime<Utc>>,
    pub(crate) labels: BTreeSet<String>,
    /// The key that it was last encrypted with, as the secret named it; nothing for the service's own.
    pub(crate) kms_key_id: Option<String>,
}

impl Version {
    /// A version without labels that nobody has read.
    pub(crate) fn new(value: Option<SecretValue>, created: DateTime<Utc>, kms_key_id: Option<String>) -> Self {
        Self {
            value,
            created,
            accessed: None,
            labels: BTreeSet::new(),
            kms_key_id,
        }
    }
}

/// Rotation as configured on the secret. Nothing here ever rotates.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rotation {
    pub(crate) enabled: bool,
    pub(crate) lambda_arn: Option<String>,
    pub(crate) rules: Option<serde_json::Value>,
    pub(crate) last_rotated: Option<DateTime<Utc>>,
    /// From when the next date counts: the last rotation, or what counts as one.
    pub(crate) counted_from: DateTime<Utc>,
    /// The version of the rotation that RotateSecret began and that is not finished.
    pub(crate) under_way: Option<String>,
    /// For a secret that a partner holds: what the partner wants to know, and the role to rotate with.
    pub(crate) external_metadata: Option<Vec<ExternalRotationItem>>,
    pub(crate) external_role_arn: Option<String>,
}

/// A secret. The state file keeps it as it stands here (`core/keep.rs`).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) description: Option<String>,
    pub(crate) kms_key_id: Option<String>,
    pub(crate) tags: Vec<SecretTag>,
    pub(crate) created: DateTime<Utc>,
    pub(crate) changed: DateTime<Utc>,
    pub(crate) accessed: Option<DateTime<Utc>>,
    /// When it goes, once it is marked for deletion.
    pub(crate) deleted: Option<DateTime<Utc>>,
    pub(crate) versions: BTreeMap<String, Version>,
    #[serde(skip)]
    pub(crate) past_labels: History<Labels>,
    pub(crate) rotation: Option<Rotation>,
    pub(crate) owning_service: Option<String>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) primary_region: Option<String>,
    /// The partner that holds it, if one does.
    pub(crate) kind: Option<String>,
    /// The policy that is attached to it, as it was given.
    pub(crate) policy: Option<String>,
}

impl Secret {
    /// The version that has a label.
    pub(crate) fn holder(&self, label: &str) -> Option<&String> {
        self.versions
            .iter()
            .find(|(_, version)| version.labels.contains(label))
            .map(|(id, _)| id)
    }

    /// Where all labels are.
    pub(crate) fn labels(&self) -> Labels {
        let labelled = self.versions.iter().filter(|(_, version)| !version.labels.is_empty());
        labelled
            .map(|(id, version)| (id.clone(), version.labels.clone()))
            .collect()
    }

    /// Puts a label on a version and takes it off any other. AWSPREVIOUS follows AWSCURRENT to
    /// the version that had it (botocore model, UpdateSecretVersionStage).
    pub(crate) fn attach(&mut self, label: &str, to: &str) {
        let from = self.holder(label).cloned();
        if from.as_deref() == Some(to) {
            return;
        }
        self.detach(label);
        if let Some(version) = self.versions.get_mut(to) {
            version.labels.insert(label.to_owned());
        }
        if let (CURRENT, Some(from)) = (label, from) {
            self.attach(PREVIOUS, &from);
        }
    }

    pub(crate) fn detach(&mut self, label: &str) {
        for version in self.versions.values_mut() {
            version.labels.remove(label);
        }
    }

    /// Refuses more labels than a secret can have, once `moved` are on version `to` and `dropped` is off.
    /// AWSPREVIOUS counts when it follows AWSCURRENT: the quotas page counts labels, however they came about.
    pub(crate) fn check_labels(&self, moved: &[String], to: &str, dropped: Option<&str>) -> Result<(), ApiError> {
        let mut labels: BTreeSet<&str> = self
            .versions
            .values()
            .flat_map(|v| &v.labels)
            .map(String::as_str)
            .collect();
        labels.extend(moved.iter().map(String::as_str));
        if moved.iter().any(|label| label == CURRENT) && self.holder(CURRENT).is_some_and(|holder| holder != to) {
            labels.insert(PREVIOUS);
        }
        if let Some(label) = dropped {
            labels.remove(label);
        }
        if labels.len() > MAX_LABELS {
            return Err(limit(format!(
                "You've exceeded the limit of {MAX_LABELS} staging labels for the secret."
            )));
        }
        Ok(())
    }

    /// Makes room for a version: unlabelled ones older than a day go, oldest first, as far as needed
    /// (botocore model, PutSecretValue: about 100 versions; none younger than 24 hours is removed).
    pub(crate) fn prune(&mut self, now: DateTime<Utc>) -> Result<(), ApiError> {
        while self.versions.len() >= MAX_VERSIONS {
            let old = |v: &Version| v.labels.is_empty() && now.signed_duration_since(v.created) > TimeDelta::hours(24);
            let oldest = self
                .versions
                .iter()
                .filter(|(_, version)| old(version))
                .min_by_key(|(_, version)| version.created)
                .map(|(id, _)| id.clone());
            let Some(id) = oldest else {
                return Err(limit(format!(
                    "You've exceeded the limit of {MAX_VERSIONS} versions for the secret."
                )));
            };
            self.versions.remove(&id);
        }
        Ok(())
    }
}

/// The name in the last part of an ARN that ends as whole ones do, with a hyphen and six characters. One that ends so
/// by its name and lacks the rest is taken for whole, too, and not found (Secrets Manager's API reference, SecretId).
fn whole_arn(rest: &str) -> Option<&str> {
    let (name, suffix) = rest.rsplit_once('-')?;
    (suffix.len() == 6 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(name)
}

impl Account {
    /// Finds a secret by name, by ARN, or by ARN without the six characters at its end.
    pub(crate) fn secret_name(&self, id: &str) -> Result<String, ApiError> {
        if self.secrets.contains_key(id) {
            return Ok(id.to_owned());
        }
        let prefix = self.arn("secretsmanager", "secret", "");
        let found = match id.strip_prefix(prefix.as_str()) {
            Some(rest) => match whole_arn(rest) {
                Some(name) => self.secrets.get(name).filter(|secret| secret.arn == id),
                None => self.secrets.get(rest),
            },
            None => {
                limits::secret_id(id)?;
                None
            }
        };
        found.map(|secret| secret.name.clone()).ok_or_else(secret_not_found)
    }

    /// A secret to look at, even one that is marked for deletion.
    pub(crate) fn secret(&self, id: &str) -> Result<&Secret, ApiError> {
        let name = self.secret_name(id)?;
        self.secrets.get(&name).ok_or_else(secret_not_found)
    }

    /// A secret to work with.
    pub(crate) fn secret_mut(&mut self, id: &str) -> Result<&mut Secret, ApiError> {
        let name = self.secret_name(id)?;
        self.secrets.get_mut(&name).ok_or_else(secret_not_found)
    }

    /// A secret to change: neither marked for deletion nor a replica of one elsewhere.
    pub(crate) fn writable_secret(&mut self, id: &str) -> Result<&mut Secret, ApiError> {
        let region = self.region.clone();
        let secret = self.secret_mut(id)?;
        if secret.deleted.is_some() {
            return Err(marked_for_deletion());
        }
        if secret.primary_region.as_ref().is_some_and(|home| *home != region) {
            return Err(replica_write());
        }
        Ok(secret)
    }
}
