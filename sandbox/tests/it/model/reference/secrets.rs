//! Secrets: a map from version to value, and a map from label to version.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Broken, Expected, Reference, Refused, secret_name};
use crate::model::call::{Call, Version};

const NOT_FOUND: &str = "ResourceNotFoundException";
const EXISTS: &str = "ResourceExistsException";
const PARAMETER: &str = "InvalidParameterException";
const REQUEST: &str = "InvalidRequestException";
const LIMIT: &str = "LimitExceededException";

/// Labels of one secret ("Secrets Manager quotas").
const LABELS: usize = 20;

#[derive(Default)]
pub struct Secret {
    /// As the first reply that showed it had it.
    pub arn: Option<String>,
    pub description: Option<String>,
    /// Value and time of making by version id.
    pub versions: BTreeMap<String, (String, DateTime<Utc>)>,
    /// A label is on at most one version (botocore: `PutSecretValueRequest$VersionStages`).
    pub labels: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    /// When it goes, if it is marked for deletion.
    pub goes: Option<DateTime<Utc>>,
}

impl Secret {
    /// A version's labels; AWS gives them in alphabetical order (localstack's AWS-validated snapshots).
    pub fn labels_of(&self, version: &str) -> Vec<&String> {
        self.labels
            .iter()
            .filter(|(_, holder)| *holder == version)
            .map(|(label, _)| label)
            .collect()
    }

    /// Moves a label. AWSPREVIOUS follows AWSCURRENT to the version that loses it.
    fn move_label(labels: &mut BTreeMap<String, String>, label: &str, to: &str) {
        let from = labels.insert(label.to_owned(), to.to_owned());
        if let (true, Some(from)) = (label == "AWSCURRENT", from.filter(|from| from != to)) {
            labels.insert("AWSPREVIOUS".to_owned(), from);
        }
    }

    /// The labels after a version has been put. Without stages AWSCURRENT moves, and a version that had
    /// AWSPENDING too is left with AWSPREVIOUS (localstack: `update_secret_version_stages_current_pending`).
    /// With stages just these move, but the first version is AWSCURRENT whatever it is given (botocore).
    fn labels_after_put(&self, version: &str, stages: Option<&[String]>) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        match stages {
            None => {
                let current = labels.get("AWSCURRENT").cloned();
                if current.is_some() && labels.get("AWSPENDING") == current.as_ref() {
                    labels.remove("AWSPENDING");
                }
                Self::move_label(&mut labels, "AWSCURRENT", version);
            }
            Some(stages) => stages
                .iter()
                .for_each(|label| Self::move_label(&mut labels, label, version)),
        }
        if self.versions.is_empty() {
            Self::move_label(&mut labels, "AWSCURRENT", version);
        }
        labels
    }

    /// Makes a version, or finds it made: a token with the value that it was first used with does nothing, with
    /// another value it is refused (moto's AWS-verified tests, for Create, Put and Update alike).
    fn put(
        &mut self,
        now: DateTime<Utc>,
        token: &str,
        value: &str,
        stages: Option<&[String]>,
        mut broken: Broken,
    ) -> Result<(), Refused> {
        let made = self.versions.get(token).map(|(value, _)| value.clone());
        broken.when(made.as_ref().is_some_and(|made| made != value), EXISTS);
        let labels = if made.is_none() {
            self.labels_after_put(token, stages)
        } else {
            self.labels.clone()
        };
        broken.when(labels.len() > LABELS, LIMIT);
        broken.check()?;
        self.labels = labels;
        self.versions.entry(token.to_owned()).or_insert((value.to_owned(), now));
        Ok(())
    }
}

/// A version needs a token (raw HTTP without one fails: localstack) of 32 to 64 characters (botocore).
fn token_rules(token: Option<&str>, broken: &mut Broken) {
    broken.when(token.is_none(), REQUEST);
    broken.when(token.is_some_and(|token| !(32..=64).contains(&token.len())), PARAMETER);
}

fn epoch(time: DateTime<Utc>) -> f64 {
    time.timestamp_micros() as f64 / 1e6
}

impl Reference {
    pub(super) fn call_secrets(&mut self, call: &Call) -> Expected {
        match call {
            Call::CreateSecret { name, token, value } => self.create(name, token.as_deref(), value.as_deref()),
            Call::PutSecretValue {
                secret,
                token,
                value,
                stages,
            } => self.put(secret, token.as_deref(), value, stages.as_deref()),
            Call::UpdateSecret {
                secret,
                token,
                value,
                description,
            } => self.update(secret, token.as_deref(), value.as_deref(), description.as_deref()),
            Call::UpdateSecretVersionStage {
                secret,
                stage,
                remove_from,
                move_to,
            } => {
                let id = |version: &Option<Version>| version.as_ref().map(|v| self.version_id(secret, v));
                let (from, to) = (id(remove_from), id(move_to));
                self.stage(secret, stage, from.as_deref(), to.as_deref())
            }
            Call::GetSecretValue { secret, version, stage } => {
                let version = version.as_ref().map(|version| self.version_id(secret, version));
                self.get(secret, version.as_deref(), stage.as_deref())
            }
            Call::DescribeSecret { secret } => self.describe(secret),
            Call::ListSecretVersionIds {
                secret,
                include_deprecated,
            } => self.list_versions(secret, *include_deprecated),
            Call::DeleteSecret {
                secret,
                recovery_days,
                force,
            } => self.delete(secret, *recovery_days, *force),
            Call::RestoreSecret { secret } => {
                self.found(secret, Broken::default())?.goes = None;
                Ok(json!({"Name": secret_name(secret)}))
            }
            Call::TagResource { secret, key, value } => {
                self.live(secret, Broken::default())?
                    .tags
                    .insert(key.clone(), value.clone());
                Ok(json!({}))
            }
            Call::UntagResource { secret, key } => {
                self.live(secret, Broken::default())?.tags.remove(key);
                Ok(json!({}))
            }
            other => unreachable!("{} is not about secrets", other.operation()),
        }
    }

    /// A secret that is there, perhaps marked for deletion.
    fn found(&mut self, secret: &str, broken: Broken) -> Result<&mut Secret, Refused> {
        match self.secrets.get_mut(secret_name(secret)) {
            None => Err(broken.and(NOT_FOUND)),
            Some(secret) => broken.check().map(|()| secret),
        }
    }

    /// A secret that is not marked for deletion. One that is refuses all but Describe, ListSecretVersionIds,
    /// Delete and Restore, the operations for which botocore lists no InvalidRequestException for that reason.
    fn live(&mut self, secret: &str, mut broken: Broken) -> Result<&mut Secret, Refused> {
        let marked = self
            .secrets
            .get(secret_name(secret))
            .is_some_and(|secret| secret.goes.is_some());
        broken.when(marked, REQUEST);
        self.found(secret, broken)
    }

    fn create(&mut self, name: &str, token: Option<&str>, value: Option<&str>) -> Expected {
        let mut broken = Broken::default();
        if value.is_some() {
            token_rules(token, &mut broken);
        }
        let version = token.filter(|_| value.is_some());
        if let Some(secret) = self.secrets.get(name) {
            let made = version.and_then(|version| secret.versions.get(version));
            let same = made.is_some_and(|(made, _)| Some(made.as_str()) == value);
            // "You can't create this secret because a secret with this name is already scheduled for deletion."
            broken.when(secret.goes.is_some(), REQUEST);
            broken.when(!same, EXISTS);
            broken.check()?;
            return Ok(json!({"Name": name, "VersionId": version}));
        }
        broken.check()?;
        let mut secret = Secret::default();
        if let (Some(token), Some(value)) = (version, value) {
            secret.put(self.now, token, value, None, Broken::default())?;
        }
        self.secrets.insert(name.to_owned(), secret);
        Ok(json!({"Name": name, "VersionId": version}))
    }

    fn put(&mut self, secret: &str, token: Option<&str>, value: &str, stages: Option<&[String]>) -> Expected {
        let (now, name) = (self.now, secret_name(secret));
        let mut broken = Broken::default();
        token_rules(token, &mut broken);
        let secret = self.live(secret, broken)?;
        let token = token.unwrap_or_default();
        secret.put(now, token, value, stages, Broken::default())?;
        Ok(json!({"Name": name, "VersionId": token, "VersionStages": secret.labels_of(token)}))
    }

    /// A value makes a version as PutSecretValue without stages does; without one there is no version.
    fn update(
        &mut self,
        secret: &str,
        token: Option<&str>,
        value: Option<&str>,
        description: Option<&str>,
    ) -> Expected {
        let (now, name) = (self.now, secret_name(secret));
        let mut broken = Broken::default();
        if value.is_some() {
            token_rules(token, &mut broken);
        }
        let secret = self.live(secret, broken)?;
        let version = token.filter(|_| value.is_some());
        if let (Some(token), Some(value)) = (version, value) {
            secret.put(now, token, value, None, Broken::default())?;
        }
        if let Some(description) = description {
            secret.description = Some(description.to_owned());
        }
        Ok(json!({"Name": name, "VersionId": version}))
    }

    /// A label that another version holds moves only if RemoveFromVersionId names that version: moto's AWS-verified
    /// test for the missing parameter, botocore's text for a wrong one. AWSCURRENT cannot be taken off.
    fn stage(&mut self, secret: &str, label: &str, from: Option<&str>, to: Option<&str>) -> Expected {
        let name = secret_name(secret);
        let wrong = match self.world.wrong_remove_from_code.as_str() {
            REQUEST => REQUEST,
            _ => PARAMETER,
        };
        let secret = self.live(secret, Broken::default())?;
        let holder = secret.labels.get(label).map(String::as_str);
        let mut broken = Broken::default();
        for version in [from, to].into_iter().flatten() {
            broken.when(!secret.versions.contains_key(version), NOT_FOUND);
        }
        broken.when(from.is_some() && from != holder, wrong);
        broken.when(from.is_none() && holder.is_some() && holder != to, PARAMETER);
        broken.when(to.is_none() && (from.is_none() || label == "AWSCURRENT"), PARAMETER);
        let mut labels = secret.labels.clone();
        match to {
            Some(to) => Secret::move_label(&mut labels, label, to),
            None => drop(labels.remove(label)),
        }
        broken.when(labels.len() > LABELS, LIMIT);
        broken.check()?;
        secret.labels = labels;
        Ok(json!({"Name": name}))
    }

    fn get(&mut self, secret: &str, version: Option<&str>, stage: Option<&str>) -> Expected {
        let name = secret_name(secret);
        let secret = self.live(secret, Broken::default())?;
        let mut broken = Broken::default();
        let holder = secret.labels.get(stage.unwrap_or("AWSCURRENT")).cloned();
        let id = match version {
            // "You provided a VersionStage that is not associated to the provided VersionId."
            Some(id) if stage.is_some() && secret.versions.contains_key(id) => {
                broken.when(holder.as_deref() != Some(id), REQUEST);
                Some(id.to_owned())
            }
            Some(id) => Some(id.to_owned()),
            None => holder,
        };
        let found = id.and_then(|id| secret.versions.get_key_value(&id));
        let Some((id, (value, made))) = found else {
            return Err(broken.and(NOT_FOUND));
        };
        broken.check()?;
        Ok(json!({
            "Name": name, "VersionId": id, "SecretString": value, "CreatedDate": epoch(*made),
            "VersionStages": secret.labels_of(id),
        }))
    }

    fn describe(&mut self, secret: &str) -> Expected {
        let name = secret_name(secret);
        let secret = self.found(secret, Broken::default())?;
        let mut stages: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (label, version) in &secret.labels {
            stages.entry(version).or_default().push(label);
        }
        let tags: Vec<Value> = secret
            .tags
            .iter()
            .map(|(key, value)| json!({"Key": key, "Value": value}))
            .collect();
        Ok(json!({
            "Name": name, "Description": secret.description, "VersionIdsToStages": stages, "Tags": tags,
            "DeletedDate": secret.goes.map(epoch),
        }))
    }

    /// Versions without a label are deprecated and shown on request only, without the key (localstack).
    fn list_versions(&mut self, secret: &str, include_deprecated: bool) -> Expected {
        let name = secret_name(secret);
        let secret = self.found(secret, Broken::default())?;
        let mut versions = Vec::new();
        for (id, (_, made)) in &secret.versions {
            let labels = secret.labels_of(id);
            if include_deprecated || !labels.is_empty() {
                versions.push(json!({"VersionId": id, "VersionStages": labels, "CreatedDate": epoch(*made)}));
            }
        }
        Ok(json!({"Name": name, "Versions": versions}))
    }

    /// 7 to 30 days, 30 if not said, or at once, which also "works" on a secret that is not there (botocore:
    /// DeleteSecret). A secret that is marked already can only be forced.
    fn delete(&mut self, secret: &str, days: Option<i64>, force: bool) -> Expected {
        let (now, name) = (self.now, secret_name(secret));
        let mut broken = Broken::default();
        broken.when(days.is_some_and(|days| !(7..=30).contains(&days)), PARAMETER);
        broken.when(days.is_some() && force, PARAMETER);
        if force {
            broken.check()?;
            self.secrets.remove(name);
            return Ok(json!({"Name": name, "DeletionDate": epoch(now)}));
        }
        let goes = now + TimeDelta::days(days.unwrap_or(30));
        self.live(secret, broken)?.goes = Some(goes);
        Ok(json!({"Name": name, "DeletionDate": epoch(goes)}))
    }
}
