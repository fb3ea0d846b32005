//! Secrets Manager's ports over the sandbox's Rust door. Replies become the SDK's types, and the
//! daemon's own translation reads them; the calls are those of `src/aws/secrets_manager.rs`.

use async_trait::async_trait;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::primitives::DateTime;
use aws_sdk_secretsmanager::types::{ReplicationStatusType, SecretListEntry, SecretVersionsListEntry, Tag};
use rekeyd::aws::translation::{agree, agreed, filters, listed_secret, selects, state};
use rekeyd::aws::{AwsResult, KnownVersions, ListedSecret, SecretReading, SecretsReader, SecretsWriter};
use rekeyd::clock::Timestamp;
use rekeyd::policy::Selection;
use rekeyd::rotation::observation::{SecretState, VersionValue};
use rekeyd::secret::{DocumentError, SecretDocument};
use rekeyd_sandbox::secretsmanager as sm;
use secrecy::{ExposeSecret, SecretString};

use super::world::Wire;

/// The largest page, as the daemon asks for it.
const PAGE: i64 = 100;

impl Wire {
    async fn reading(&self, secret: &str) -> AwsResult<(DescribeSecretOutput, Vec<SecretVersionsListEntry>)> {
        let described = self.described(secret).await?;
        self.with_listing(secret, described).await
    }

    async fn described(&self, secret: &str) -> AwsResult<DescribeSecretOutput> {
        let secret_id = secret.to_owned();
        let described = self.read(secret, sm::DescribeSecret { secret_id }).await?;
        Ok(describe_secret_output(described))
    }

    async fn with_listing(
        &self,
        secret: &str,
        described: DescribeSecretOutput,
    ) -> AwsResult<(DescribeSecretOutput, Vec<SecretVersionsListEntry>)> {
        let listed = match described.deleted_date {
            Some(_) => Vec::new(),
            None => self.versions(secret).await?,
        };
        Ok((described, listed))
    }

    async fn versions(&self, secret: &str) -> AwsResult<Vec<SecretVersionsListEntry>> {
        let (mut versions, mut page) = (Vec::new(), None);
        loop {
            let request = sm::ListSecretVersionIds {
                secret_id: secret.to_owned(),
                include_deprecated: Some(true),
                max_results: Some(PAGE),
                next_token: page,
            };
            let reply = self.read(secret, request).await?;
            versions.extend(reply.versions.into_iter().map(versions_list_entry));
            page = reply.next_token;
            if page.is_none() {
                return Ok(versions);
            }
        }
    }

    async fn change_stage(&self, change: sm::UpdateSecretVersionStage, signed_at: Timestamp) -> AwsResult<()> {
        let secret = change.secret_id.clone();
        self.send(&secret, change, signed_at).await.map(drop)
    }
}

#[async_trait]
impl SecretsReader for Wire {
    async fn secret(&self, secret: &str) -> AwsResult<SecretState> {
        let (described, listed) = agreed(|| self.reading(secret)).await?;
        state(secret, described, listed)
    }

    async fn secret_knowing(&self, secret: &str, known: &KnownVersions) -> AwsResult<SecretReading> {
        let described = self.described(secret).await?;
        if let Some(listed) = known.listing_beside(&described) {
            let state = state(secret, described, listed)?;
            let listed = !known.labels_may_move;
            return Ok(SecretReading { state, listed });
        }
        let (described, listed) = self.with_listing(secret, described).await?;
        let state = match agree(&described, &listed) {
            true => state(secret, described, listed)?,
            false => self.secret(secret).await?,
        };
        Ok(SecretReading { state, listed: true })
    }

    async fn value(&self, secret_arn: &str, version_id: &str) -> AwsResult<VersionValue> {
        let request = sm::GetSecretValue {
            secret_id: secret_arn.to_owned(),
            version_id: Some(version_id.to_owned()),
            version_stage: None,
        };
        let reply = self.read(secret_arn, request).await?;
        Ok(match reply.secret_string {
            Some(text) => SecretDocument::parse(text.expose()),
            None => Err(DocumentError::Binary),
        })
    }

    async fn select(&self, selection: &Selection) -> AwsResult<Vec<ListedSecret>> {
        let resource = selection.name_prefix.as_deref().unwrap_or("*");
        let filter = |filter: aws_sdk_secretsmanager::types::Filter| sm::SecretFilter {
            key: filter.key().map(|key| key.as_str().to_owned()).unwrap_or_default(),
            values: filter.values().to_vec(),
        };
        let filters: Vec<_> = filters(selection).into_iter().map(filter).collect();
        let (mut selected, mut page) = (Vec::new(), None);
        loop {
            let request = sm::ListSecrets {
                filters: (!filters.is_empty()).then(|| filters.clone()),
                max_results: Some(PAGE),
                next_token: page,
                ..sm::ListSecrets::default()
            };
            let reply = self.read(resource, request).await?;
            for entry in reply.secret_list.into_iter().map(secret_list_entry) {
                if selects(selection, &entry) {
                    selected.push(listed_secret(resource, entry)?);
                }
            }
            page = reply.next_token;
            if page.is_none() {
                return Ok(selected);
            }
        }
    }
}

#[async_trait]
impl SecretsWriter for Wire {
    async fn put_pending(
        &self,
        secret_arn: &str,
        version_id: &str,
        document: &SecretString,
        signed_at: Timestamp,
    ) -> AwsResult<()> {
        let request = sm::PutSecretValue {
            secret_id: secret_arn.to_owned(),
            client_request_token: Some(version_id.to_owned()),
            secret_string: Some(document.expose_secret().into()),
            secret_binary: None,
            version_stages: Some(vec!["AWSPENDING".to_owned()]),
        };
        self.send(secret_arn, request, signed_at).await.map(drop)
    }

    async fn move_current(&self, secret_arn: &str, from: &str, to: &str, signed_at: Timestamp) -> AwsResult<()> {
        let change = sm::UpdateSecretVersionStage {
            secret_id: secret_arn.to_owned(),
            version_stage: "AWSCURRENT".to_owned(),
            remove_from_version_id: Some(from.to_owned()),
            move_to_version_id: Some(to.to_owned()),
        };
        self.change_stage(change, signed_at).await
    }

    async fn remove_pending(&self, secret_arn: &str, version_id: &str, signed_at: Timestamp) -> AwsResult<()> {
        let change = sm::UpdateSecretVersionStage {
            secret_id: secret_arn.to_owned(),
            version_stage: "AWSPENDING".to_owned(),
            remove_from_version_id: Some(version_id.to_owned()),
            move_to_version_id: None,
        };
        self.change_stage(change, signed_at).await
    }
}

/// A date as it arrives: in milliseconds.
fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.timestamp_millis())
}

fn describe_secret_output(secret: sm::SecretOutput) -> DescribeSecretOutput {
    let replica = |replica: &sm::ReplicationStatus| ReplicationStatusType::builder().region(&replica.region).build();
    let replicas: Vec<_> = secret.replication_status.iter().map(replica).collect();
    DescribeSecretOutput::builder()
        .arn(secret.arn)
        .name(secret.name)
        .set_rotation_enabled(secret.rotation_enabled)
        .last_changed_date(date(secret.last_changed_date))
        .set_deleted_date(secret.deleted_date.map(date))
        .set_version_ids_to_stages(Some(secret.version_ids_to_stages.into_iter().collect()))
        .set_owning_service(secret.owning_service)
        .set_primary_region(secret.primary_region)
        .set_replication_status(Some(replicas))
        .set_tags(Some(secret.tags.into_iter().map(tag).collect()))
        .build()
}

fn versions_list_entry(version: sm::VersionOutput) -> SecretVersionsListEntry {
    SecretVersionsListEntry::builder()
        .version_id(version.version_id)
        .set_version_stages(Some(version.version_stages))
        .created_date(date(version.created_date))
        .build()
}

fn tag(tag: sm::SecretTag) -> Tag {
    Tag::builder().key(tag.key).value(tag.value).build()
}

fn secret_list_entry(entry: sm::SecretListEntry) -> SecretListEntry {
    SecretListEntry::builder()
        .arn(entry.secret.arn)
        .name(entry.secret.name)
        .set_tags(Some(entry.secret.tags.into_iter().map(tag).collect()))
        .set_deleted_date(entry.secret.deleted_date.map(date))
        .build()
}
