//! What the SDK's answers about secrets mean in our words.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::primitives::DateTime;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry, SecretVersionsListEntry, Tag};

use super::reply::incomplete;
use super::secrets_manager::{DESCRIBE, LIST};
use super::{AwsResult, ListedSecret};
use crate::clock::Timestamp;
use crate::policy::Selection;
use crate::rotation::observation::{AWSCURRENT, AWSPENDING, AWSPREVIOUS, SecretState, Version};

/// How often a secret is read again while its two readings contradict each other.
const REREADS: usize = 2;

/// What DescribeSecret shows of a secret, and its versions as the listing shows them.
pub(super) type Reading = (DescribeSecretOutput, Vec<SecretVersionsListEntry>);

/// Reads a secret, and reads it again while its two readings contradict each other, a few times.
///
/// # Errors
/// Those of `read`.
pub async fn agreed<F: Future<Output = AwsResult<Reading>>>(read: impl Fn() -> F) -> AwsResult<Reading> {
    let mut reading = read().await?;
    for _ in 0..REREADS {
        if agree(&reading.0, &reading.1) {
            break;
        }
        reading = read().await?;
    }
    Ok(reading)
}

/// Whether both readings have the labels that matter on the same versions. Both are eventually
/// consistent. A version that only DescribeSecret shows is no contradiction in itself
/// (RotateSecret leaves such, without a value), but it is what a lagging listing looks like too.
pub fn agree(described: &DescribeSecretOutput, listed: &[SecretVersionsListEntry]) -> bool {
    if described.deleted_date.is_some() {
        return true;
    }
    let labels = described.version_ids_to_stages.as_ref();
    [AWSCURRENT, AWSPENDING, AWSPREVIOUS].into_iter().all(|stage| {
        let carries = |stages: &[String]| stages.iter().any(|label| label == stage);
        let described = labels
            .into_iter()
            .flatten()
            .find(|(_, stages)| carries(stages))
            .map(|(id, _)| id.as_str());
        let listed = listed
            .iter()
            .find(|entry| carries(entry.version_stages()))
            .and_then(|entry| entry.version_id());
        described == listed
    })
}

/// The secret that was asked for as `secret`: labels of the one reading, dates of the other.
///
/// # Errors
/// The answer lacks its ARN or name, or shows no labels of a secret that has versions: one without a
/// current version would not look otherwise.
pub fn state(
    secret: &str,
    described: DescribeSecretOutput,
    listed: Vec<SecretVersionsListEntry>,
) -> AwsResult<SecretState> {
    let missing = |what: &str| incomplete(DESCRIBE, secret, what);
    if let Some(stage) = carried_twice(described.version_ids_to_stages.as_ref()) {
        return Err(missing(&format!("two versions carry {stage}")));
    }
    if described.version_ids_to_stages.is_none() && !listed.is_empty() {
        return Err(missing("the answer shows no labels, and the secret has versions"));
    }
    Ok(SecretState {
        arn: described.arn.ok_or_else(|| missing("the answer names no ARN"))?,
        name: described.name.ok_or_else(|| missing("the answer names no name"))?,
        deleted: described
            .deleted_date
            .map(|at| timestamp(at).unwrap_or(Timestamp::MAX_UTC)),
        rotation_enabled: described.rotation_enabled.unwrap_or(false),
        owning_service: described.owning_service.filter(|service| !service.is_empty()),
        // PrimaryRegion and ReplicationStatus are absent from a secret that was never replicated.
        replicated: described.primary_region.is_some()
            || described
                .replication_status
                .is_some_and(|replicas| !replicas.is_empty()),
        tags: tags(described.tags.unwrap_or_default()),
        last_changed: described.last_changed_date.and_then(timestamp),
        versions: versions(described.version_ids_to_stages.unwrap_or_default(), listed),
    })
}

fn tags(tags: Vec<Tag>) -> BTreeMap<String, String> {
    let pair = |tag: Tag| Some((tag.key?, tag.value.unwrap_or_default()));
    tags.into_iter().filter_map(pair).collect()
}

/// A label that a rotation rests on and that two versions carry. AWS moves a label, so that one at
/// most has it.
fn carried_twice(labels: Option<&HashMap<String, Vec<String>>>) -> Option<&'static str> {
    let carry = |stage: &str| {
        let versions = labels.into_iter().flat_map(HashMap::values);
        versions
            .filter(|stages| stages.iter().any(|label| label == stage))
            .count()
    };
    [AWSCURRENT, AWSPENDING, AWSPREVIOUS]
        .into_iter()
        .find(|stage| carry(stage) > 1)
}

fn versions(labels: HashMap<String, Vec<String>>, listed: Vec<SecretVersionsListEntry>) -> BTreeMap<String, Version> {
    let mut versions: BTreeMap<String, Version> = labels
        .into_iter()
        .map(|(id, stages)| {
            let version = Version {
                created: None,
                stages: stages.into_iter().collect::<BTreeSet<_>>(),
            };
            (id, version)
        })
        .collect();
    for entry in listed {
        if let Some(id) = entry.version_id {
            versions.entry(id).or_default().created = entry.created_date.and_then(timestamp);
        }
    }
    versions
}

/// Whether a filter may hold this text (`FilterValueStringType` of the service model; a leading
/// `!` would turn the filter round).
fn filterable(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('!')
        && text.len() <= 512
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b" :_@/+=.-!".contains(&b))
}

/// What AWS may leave out of the listing for us. Its filters match prefixes, of any tag for tags,
/// so [`selects`] decides.
pub fn filters(selection: &Selection) -> Vec<Filter> {
    let filter = |key: FilterNameStringType, text: &str| {
        filterable(text).then(|| Filter::builder().key(key).values(text).build())
    };
    let name = selection
        .name_prefix
        .as_deref()
        .and_then(|prefix| filter(FilterNameStringType::Name, prefix));
    let tag = selection
        .tags
        .keys()
        .next()
        .and_then(|key| filter(FilterNameStringType::TagKey, key));
    name.into_iter().chain(tag).collect()
}

/// Whether a listed secret is one that `name_prefix` and `tags` select.
pub fn selects(selection: &Selection, entry: &SecretListEntry) -> bool {
    let named = selection
        .name_prefix
        .as_deref()
        .is_none_or(|prefix| entry.name().is_some_and(|name| name.starts_with(prefix)));
    let tagged = selection.tags.iter().all(|(key, value)| {
        entry
            .tags()
            .iter()
            .any(|tag| tag.key() == Some(key) && tag.value() == Some(value))
    });
    named && tagged && entry.deleted_date.is_none()
}

/// A listed secret; `resource` names the listing in the error.
///
/// # Errors
/// The entry lacks ARN or name.
pub fn listed_secret(resource: &str, entry: SecretListEntry) -> AwsResult<ListedSecret> {
    match (entry.arn, entry.name) {
        (Some(arn), Some(name)) => Ok(ListedSecret { arn, name }),
        _ => Err(incomplete(LIST, resource, "an entry without ARN or name")),
    }
}

fn timestamp(at: DateTime) -> Option<Timestamp> {
    Timestamp::from_timestamp(at.secs(), at.subsec_nanos())
}
