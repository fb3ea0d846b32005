//! What an earlier look learnt of a secret's versions.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::primitives::DateTime;
use aws_sdk_secretsmanager::types::SecretVersionsListEntry;

use crate::clock::Timestamp;
use crate::rotation::observation::{SecretState, Version};

/// The versions of a secret as an earlier look saw them. A later DescribeSecret that fits them needs no
/// listing beside it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct KnownVersions {
    /// The versions with their dates, those without a label included.
    pub versions: BTreeMap<String, Version>,
    /// When anything about the secret had last changed.
    pub last_changed: Option<Timestamp>,
    /// Whether labels may have moved among these versions since. Otherwise nothing may have changed at
    /// all, which makes what is known as good as a listing.
    pub labels_may_move: bool,
}

/// What a look gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretReading {
    /// The secret.
    pub state: SecretState,
    /// Whether its versions are known as well as a listing would show them.
    pub listed: bool,
}

impl KnownVersions {
    /// The listing that would stand beside this answer of DescribeSecret, as far as it is known; nothing
    /// if it has to be read.
    pub fn listing_beside(&self, described: &DescribeSecretOutput) -> Option<Vec<SecretVersionsListEntry>> {
        let labels = described.version_ids_to_stages.as_ref()?;
        let dated = |id: &String| self.versions.get(id).is_some_and(|version| version.created.is_some());
        if described.deleted_date.is_some() || !labels.keys().all(dated) {
            return None;
        }
        let entry = |(id, version): (&String, &Version)| {
            SecretVersionsListEntry::builder()
                .version_id(id)
                .set_version_stages(labels.get(id).cloned())
                .set_created_date(version.created.map(date))
                .build()
        };
        (self.labels_may_move || self.is_unchanged(described)).then(|| self.versions.iter().map(entry).collect())
    }

    /// Every put and every move of a label moves LastChangedDate.
    fn is_unchanged(&self, described: &DescribeSecretOutput) -> bool {
        let changed = described.last_changed_date.map(|at| (at.secs(), at.subsec_nanos()));
        let known = self
            .last_changed
            .map(|at| (at.timestamp(), at.timestamp_subsec_nanos()));
        let labelled = self.versions.iter().filter(|(_, version)| !version.stages.is_empty());
        let same_labels = |(id, version): (&String, &Version)| {
            let stages = described
                .version_ids_to_stages
                .as_ref()
                .and_then(|labels| labels.get(id));
            stages.is_some_and(|stages| {
                stages.len() == version.stages.len() && stages.iter().all(|stage| version.stages.contains(stage))
            })
        };
        let count = described
            .version_ids_to_stages
            .as_ref()
            .map_or(0, |labels| labels.len());
        known.is_some() && changed == known && labelled.clone().count() == count && labelled.clone().all(same_labels)
    }
}

fn date(at: Timestamp) -> DateTime {
    DateTime::from_secs_and_nanos(at.timestamp(), at.timestamp_subsec_nanos())
}
