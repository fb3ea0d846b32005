//! Replicas of secrets in other regions: ReplicateSecretToRegions, RemoveRegionsFromReplication and
//! StopReplicationToReplica. A replica lies in the sandbox's account of the other region and follows its primary at once.

use serde::{Deserialize, Serialize};

use super::errors::{invalid_parameter, invalid_request, marked_for_deletion};
use super::limits;
use super::model::Secret;
use crate::core::State;
use crate::core::operation::Env;
use crate::error::ApiError;

/// How far a replica has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Progress {
    Begun,
    InSync,
    Failed,
}

impl Progress {
    fn name(self) -> &'static str {
        match self {
            Self::Begun => "InProgress",
            Self::InSync => "InSync",
            Self::Failed => "Failed",
        }
    }
}

/// What a primary knows of a replica.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Replica {
    pub(crate) region: String,
    pub(crate) kms_key_id: Option<String>,
    pub(crate) progress: Progress,
    /// Whether it takes the place of another secret of the same name.
    pub(crate) overwrites: bool,
    /// Whether it is only described, because it was seeded.
    pub(crate) described_only: bool,
}

impl Replica {
    /// One that is described and is nowhere.
    pub(crate) fn described(region: String) -> Self {
        Self {
            region,
            kms_key_id: None,
            progress: Progress::InSync,
            overwrites: false,
            described_only: true,
        }
    }
}

/// What a region has to do about a secret of another.
#[derive(Debug, Clone)]
pub(crate) enum ReplicaNews {
    /// A secret of this region has changed.
    Changed { name: String },
    /// The replica of this secret in that region goes.
    Removed { name: String, region: String },
    /// The replica of this secret became a secret of its own; its primary is in that region.
    Promoted { name: String, region: String },
}

/// A region to replicate to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ReplicaRegion {
    /// Which region.
    pub region: String,
    /// The key that encrypts the replica.
    pub kms_key_id: Option<String>,
}

/// A replica as replies show it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReplicationStatus {
    /// Which region.
    pub region: String,
    /// The key that encrypts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// `InProgress`, `InSync` or `Failed`.
    pub status: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
}

/// A primary and its replicas.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReplicationOutput {
    /// The primary's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// Its replicas.
    pub replication_status: Vec<ReplicationStatus>,
}

/// Makes replicas of a secret.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ReplicateSecretToRegions {
    /// Which secret.
    pub secret_id: String,
    /// Where.
    pub add_replica_regions: Vec<ReplicaRegion>,
    /// Whether a secret of the same name there is overwritten.
    pub force_overwrite_replica_secret: Option<bool>,
}

/// Deletes replicas of a secret.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RemoveRegionsFromReplication {
    /// Which secret.
    pub secret_id: String,
    /// Where.
    pub remove_replica_regions: Vec<String>,
}

/// Makes a replica a secret of its own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct StopReplicationToReplica {
    /// Which replica.
    pub secret_id: String,
}

/// The secret that was a replica.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct StopReplicationOutput {
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
}

super::secretsmanager!(ReplicateSecretToRegions => ReplicationOutput, "ReplicateSecretToRegions", mutates: true,
    |r| Some(&r.secret_id), replicate);
super::secretsmanager!(RemoveRegionsFromReplication => ReplicationOutput, "RemoveRegionsFromReplication", mutates: true,
    |r| Some(&r.secret_id), remove);
super::secretsmanager!(StopReplicationToReplica => StopReplicationOutput, "StopReplicationToReplica", mutates: true,
    |s| Some(&s.secret_id), stop);

fn replicate(env: &mut Env<'_>, input: ReplicateSecretToRegions) -> Result<ReplicationOutput, ApiError> {
    let home = env.account.region.clone();
    limits::items("AddReplicaRegions", &input.add_replica_regions, 1..=usize::MAX)?;
    check(&input.add_replica_regions, &home)?;
    let now = env.now;
    let secret = env.account.writable_secret(&input.secret_id)?;
    let overwrites = input.force_overwrite_replica_secret == Some(true);
    secret.replicate_to(input.add_replica_regions, overwrites, &home);
    secret.changed = now;
    let output = secret.replication();
    env.account.touch();
    Ok(output)
}

/// Refuses regions that are none, and the secret's own (text reported by users of Terraform and CloudFormation).
pub(crate) fn check(regions: &[ReplicaRegion], home: &str) -> Result<(), ApiError> {
    for replica in regions {
        limits::region(&replica.region)?;
        limits::kms_key(replica.kms_key_id.as_ref())?;
        if replica.region == home {
            return Err(invalid_parameter("Invalid replica region."));
        }
    }
    Ok(())
}

fn remove(env: &mut Env<'_>, input: RemoveRegionsFromReplication) -> Result<ReplicationOutput, ApiError> {
    limits::items("RemoveReplicaRegions", &input.remove_replica_regions, 1..=usize::MAX)?;
    let now = env.now;
    let secret = env.account.writable_secret(&input.secret_id)?;
    let known = |region: &String| secret.replicas.iter().any(|replica| replica.region == *region);
    if !input.remove_replica_regions.iter().all(known) {
        return Err(invalid_parameter("Invalid replica region."));
    }
    let (gone, left) = std::mem::take(&mut secret.replicas)
        .into_iter()
        .partition::<Vec<_>, _>(|replica| input.remove_replica_regions.contains(&replica.region));
    secret.replicas = left;
    secret.changed = now;
    if secret.replicas.is_empty() {
        secret.primary_region = None;
    }
    let (output, name) = (secret.replication(), secret.name.clone());
    // One that failed is not there: what is, is somebody else's.
    let gone = gone.into_iter().filter(|replica| replica.progress == Progress::InSync);
    let news = gone.map(|replica| ReplicaNews::Removed {
        name: name.clone(),
        region: replica.region,
    });
    env.account.replication.extend(news);
    env.account.touch();
    Ok(output)
}

/// Code and text for a secret that is no replica are not known.
fn stop(env: &mut Env<'_>, input: StopReplicationToReplica) -> Result<StopReplicationOutput, ApiError> {
    let (now, here) = (env.now, env.account.region.clone());
    let secret = env.account.secret_mut(&input.secret_id)?;
    if secret.deleted.is_some() {
        return Err(marked_for_deletion());
    }
    let Some(primary) = secret.primary_region.take_if(|region| *region != here) else {
        return Err(invalid_request("The secret is not a replica of another."));
    };
    secret.changed = now;
    let (name, arn) = (secret.name.clone(), secret.arn.clone());
    let news = ReplicaNews::Promoted { name, region: primary };
    env.account.replication.push(news);
    env.account.touch();
    Ok(StopReplicationOutput { arn })
}

impl Secret {
    /// Notes replicas to be made. One that is there already stays; one that failed is tried again.
    pub(crate) fn replicate_to(&mut self, regions: Vec<ReplicaRegion>, overwrites: bool, home: &str) {
        for ReplicaRegion { region, kms_key_id } in regions {
            let there = |replica: &Replica| replica.region == region && replica.progress != Progress::Failed;
            if self.replicas.iter().any(there) {
                continue;
            }
            self.replicas.retain(|replica| replica.region != region);
            self.replicas.push(Replica {
                region,
                kms_key_id,
                progress: Progress::Begun,
                overwrites,
                described_only: false,
            });
        }
        if !self.replicas.is_empty() {
            self.primary_region = Some(home.to_owned());
        }
    }

    /// Its replicas as replies show them.
    pub(crate) fn replication_status(&self) -> Vec<ReplicationStatus> {
        let shown = |replica: &Replica| ReplicationStatus {
            region: replica.region.clone(),
            kms_key_id: replica.kms_key_id.clone(),
            status: replica.progress.name().to_owned(),
            // The model's own example of a message.
            status_message: (replica.progress == Progress::Failed)
                .then(|| "Secret with this name already exists in this region".to_owned()),
        };
        self.replicas.iter().map(shown).collect()
    }

    fn replication(&self) -> ReplicationOutput {
        ReplicationOutput {
            arn: self.arn.clone(),
            replication_status: self.replication_status(),
        }
    }

    /// Whether others have to learn of its changes.
    pub(crate) fn has_followers(&self) -> bool {
        self.replicas.iter().any(|replica| !replica.described_only)
    }

    /// What a replica of it holds: everything but when it was read there and the key that it has there.
    fn copy_for(&self, replica: &Replica, old: Option<&Self>, arn: String) -> Self {
        let mut copy = self.clone();
        copy.arn = arn;
        copy.accessed = old.and_then(|old| old.accessed);
        copy.kms_key_id.clone_from(&replica.kms_key_id);
        copy.replicas = Vec::new();
        for (id, version) in &mut copy.versions {
            version.accessed = old.and_then(|old| old.versions.get(id)).and_then(|old| old.accessed);
            version.kms_key_id.clone_from(&replica.kms_key_id);
        }
        copy
    }
}

impl State {
    /// Carries the news of one region's secrets to the others.
    pub(crate) fn spread(&mut self, account: &str, region: &str) {
        let home = (account.to_owned(), region.to_owned());
        let news = self
            .accounts
            .get_mut(&home)
            .map(|account| std::mem::take(&mut account.replication));
        for news in news.unwrap_or_default() {
            match news {
                ReplicaNews::Changed { name } => self.copy_out(&home, &name),
                ReplicaNews::Removed { name, region: there } => {
                    let there = self.accounts.get_mut(&(account.to_owned(), there));
                    if let Some(there) = there.filter(|a| follows(a.secrets.get(&name), region)) {
                        there.secrets.remove(&name);
                        there.touch();
                    }
                }
                ReplicaNews::Promoted { name, region: primary } => {
                    let primary = self.accounts.get_mut(&(account.to_owned(), primary));
                    if let Some(secret) = primary.and_then(|account| account.secrets.get_mut(&name)) {
                        secret.replicas.retain(|replica| replica.region != region);
                        if secret.replicas.is_empty() {
                            secret.primary_region = None;
                        }
                    }
                }
            }
        }
    }

    fn copy_out(&mut self, home: &(String, String), name: &str) {
        let (account, region) = home;
        let Some(secret) = self.accounts.get(home).and_then(|a| a.secrets.get(name)).cloned() else {
            return;
        };
        let mut replicas = secret.replicas.clone();
        // One that failed is tried again on request only.
        let live = |replica: &&mut Replica| !replica.described_only && replica.progress != Progress::Failed;
        for replica in replicas.iter_mut().filter(live) {
            // The account is made if it is the first thing there; nothing that depends on the time happens.
            let there = self.env(secret.changed, account, &replica.region).account;
            let old = there.secrets.get(name);
            let suffix = secret.arn.rsplit(':').next().unwrap_or(name);
            let overwritten = replica.progress == Progress::Begun && replica.overwrites;
            if old.is_some() && !follows(old, region) && !overwritten {
                replica.progress = Progress::Failed;
                continue;
            }
            let arn = there.arn("secretsmanager", "secret", suffix);
            let copy = secret.copy_for(replica, old.filter(|_| follows(old, region)), arn);
            there.secrets.insert(name.to_owned(), copy);
            there.touch();
            replica.progress = Progress::InSync;
        }
        let secret = self.accounts.get_mut(home).and_then(|a| a.secrets.get_mut(name));
        if let Some(secret) = secret {
            secret.replicas = replicas;
        }
    }
}

/// Whether a secret is the replica of one in another region.
fn follows(secret: Option<&Secret>, primary: &str) -> bool {
    let region = secret.and_then(|secret| secret.primary_region.as_deref());
    region == Some(primary)
}
