//! Secrets Manager through the SDK.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::{Builder, Config};
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput;
use aws_sdk_secretsmanager::types::SecretVersionsListEntry;
use aws_smithy_async::time::StaticTimeSource;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::body_limit::BodyLimit;
use super::call::{Calls, Operation};
use super::reply::{Pages, answers, incomplete, is_about_secret, lists_versions_of};
use super::secret_translation::{Reading, agree, agreed, filters, listed_secret, selects, state};
use super::{AwsResult, KnownVersions, ListedSecret, SecretReading, SecretsReader, SecretsWriter, system_time};
use crate::clock::Timestamp;
use crate::policy::Selection;
use crate::rotation::observation::{AWSCURRENT, AWSPENDING, SecretState, VersionValue};
use crate::secret::{DocumentError, SecretDocument};

pub(super) const DESCRIBE: Operation = operation("DescribeSecret");
const LIST_VERSIONS: Operation = operation("ListSecretVersionIds");
pub(super) const LIST: Operation = operation("ListSecrets");
pub(super) const GET: Operation = operation("GetSecretValue");
const PUT: Operation = operation("PutSecretValue");
const UPDATE_STAGE: Operation = operation("UpdateSecretVersionStage");

/// All that is asked of Secrets Manager for rotations.
pub(super) const OPERATIONS: [Operation; 6] = [DESCRIBE, LIST_VERSIONS, LIST, GET, PUT, UPDATE_STAGE];

pub(super) const fn operation(name: &'static str) -> Operation {
    Operation {
        service: "secretsmanager",
        name,
    }
}

/// The largest page that ListSecrets and ListSecretVersionIds give (`MaxResultsType` of the
/// service model).
const PAGE: i32 = 100;

/// How many pages of versions a secret has at most. AWS keeps about a hundred versions, and older
/// ones for a day.
const PAGES_OF_VERSIONS: u32 = 100;

/// How many pages of secrets there are at most: AWS's quota is 500,000 secrets in a region, and
/// pages may be shorter than asked for.
const PAGES_OF_SECRETS: u32 = 10_000;

/// The SDK's client at `endpoint`, or where the SDK looks for the service.
pub(super) fn client(config: &SdkConfig, endpoint: Option<&str>) -> Client {
    let mut builder = Builder::from(config).interceptor(BodyLimit);
    if let Some(url) = endpoint {
        builder = builder.endpoint_url(url);
    }
    Client::from_conf(builder.build())
}

/// DescribeSecret; an answer about another secret is none.
pub(super) async fn describe(client: &Client, calls: &Calls, secret: &str) -> AwsResult<DescribeSecretOutput> {
    let call = client.describe_secret().secret_id(secret).send();
    let described = calls.run(DESCRIBE, secret, call).await?;
    let about_it = is_about_secret(secret, described.arn(), described.name());
    answers(DESCRIBE, secret, about_it)?;
    Ok(described)
}

/// GetSecretValue of a version; an answer about another one is none.
pub(super) async fn get(
    client: &Client,
    calls: &Calls,
    secret_arn: &str,
    version_id: &str,
) -> AwsResult<GetSecretValueOutput> {
    let call = client.get_secret_value().secret_id(secret_arn).version_id(version_id);
    let reply = calls.run(GET, secret_arn, call.send()).await?;
    let about_it = is_about_secret(secret_arn, reply.arn(), reply.name()) && reply.version_id() == Some(version_id);
    answers(GET, secret_arn, about_it)?;
    Ok(reply)
}

/// Reads and changes Secrets Manager.
pub(super) struct SecretsManager {
    client: Client,
    calls: Calls,
}

impl SecretsManager {
    pub(super) fn new(config: &SdkConfig, endpoint: Option<&str>, calls: Calls) -> Self {
        let client = client(config, endpoint);
        Self { client, calls }
    }

    async fn describe(&self, secret: &str) -> AwsResult<DescribeSecretOutput> {
        describe(&self.client, &self.calls, secret).await
    }

    async fn list_versions(&self, secret: &str) -> AwsResult<Vec<SecretVersionsListEntry>> {
        let mut versions = Vec::new();
        let mut pages = Pages::new(LIST_VERSIONS, secret, PAGES_OF_VERSIONS);
        loop {
            let call = self
                .client
                .list_secret_version_ids()
                .secret_id(secret)
                .include_deprecated(true)
                .max_results(PAGE)
                .set_next_token(pages.marker());
            let reply = self.calls.run(LIST_VERSIONS, secret, call.send()).await?;
            answers(
                LIST_VERSIONS,
                secret,
                lists_versions_of(secret, reply.arn.as_deref(), reply.name.as_deref()),
            )?;
            let page = reply
                .versions
                .ok_or_else(|| incomplete(LIST_VERSIONS, secret, "the answer lists nothing"))?;
            versions.extend(page);
            if !pages.turn(reply.next_token)? {
                return Ok(versions);
            }
        }
    }

    /// One reading: what DescribeSecret shows, and the listing's versions.
    async fn read(&self, secret: &str) -> AwsResult<Reading> {
        let described = self.describe(secret).await?;
        self.with_listing(secret, described).await
    }

    async fn with_listing(&self, secret: &str, described: DescribeSecretOutput) -> AwsResult<Reading> {
        // Only DescribeSecret works on a secret that is marked for deletion.
        let listed = if described.deleted_date.is_some() {
            Vec::new()
        } else {
            self.list_versions(secret).await?
        };
        Ok((described, listed))
    }

    async fn change(&self, secret: &str, change: StageChange<'_>, signed_at: Timestamp) -> AwsResult<()> {
        let call = self
            .client
            .update_secret_version_stage()
            .secret_id(secret)
            .version_stage(change.stage)
            .remove_from_version_id(change.from)
            .set_move_to_version_id(change.to.map(str::to_owned))
            .customize()
            .config_override(dated(signed_at));
        let reply = self.calls.run(UPDATE_STAGE, secret, call.send()).await?;
        answers(UPDATE_STAGE, secret, is_about_secret(secret, reply.arn(), reply.name()))
    }
}

/// A staging label that leaves one version, for another or for none. Naming the version that it
/// leaves makes the change fail where the label is not there.
struct StageChange<'a> {
    stage: &'static str,
    from: &'a str,
    to: Option<&'a str>,
}

/// A request that is dated `signed_at`, and sent once. Neither the SDK's retries nor its
/// correction of clock skew may move that date, because AWS refusing it later is what keeps a
/// stalled write from landing.
pub(super) fn dated(signed_at: Timestamp) -> Builder {
    Config::builder()
        .time_source(StaticTimeSource::new(system_time(signed_at)))
        .disable_clock_skew_correction(true)
        .retry_config(RetryConfig::disabled())
}

#[async_trait]
impl SecretsReader for SecretsManager {
    async fn secret(&self, secret: &str) -> AwsResult<SecretState> {
        let (described, listed) = agreed(|| self.read(secret)).await?;
        state(secret, described, listed)
    }

    async fn secret_knowing(&self, secret: &str, known: &KnownVersions) -> AwsResult<SecretReading> {
        let described = self.describe(secret).await?;
        if let Some(listed) = known.listing_beside(&described) {
            let state = state(secret, described, listed)?;
            return Ok(SecretReading {
                state,
                listed: !known.labels_may_move,
            });
        }
        let (described, listed) = self.with_listing(secret, described).await?;
        let state = match agree(&described, &listed) {
            true => state(secret, described, listed)?,
            false => self.secret(secret).await?,
        };
        Ok(SecretReading { state, listed: true })
    }

    async fn value(&self, secret_arn: &str, version_id: &str) -> AwsResult<VersionValue> {
        let reply = get(&self.client, &self.calls, secret_arn, version_id).await?;
        match (reply.secret_string, reply.secret_binary) {
            (Some(text), _) => Ok(SecretDocument::parse(&Zeroizing::new(text))),
            (None, Some(binary)) => {
                drop(Zeroizing::new(binary.into_inner()));
                Ok(Err(DocumentError::Binary))
            }
            (None, None) => Err(incomplete(GET, secret_arn, "the answer holds no value")),
        }
    }

    async fn select(&self, selection: &Selection) -> AwsResult<Vec<ListedSecret>> {
        let resource = selection.name_prefix.as_deref().unwrap_or("*");
        let filters = filters(selection);
        let mut selected = Vec::new();
        let mut pages = Pages::new(LIST, resource, PAGES_OF_SECRETS);
        loop {
            let call = self
                .client
                .list_secrets()
                .set_filters((!filters.is_empty()).then(|| filters.clone()))
                .max_results(PAGE)
                .set_next_token(pages.marker());
            let reply = self.calls.run(LIST, resource, call.send()).await?;
            let page = reply
                .secret_list
                .ok_or_else(|| incomplete(LIST, resource, "the answer lists nothing"))?;
            for entry in page {
                if selects(selection, &entry) {
                    selected.push(listed_secret(resource, entry)?);
                }
            }
            if !pages.turn(reply.next_token)? {
                return Ok(selected);
            }
        }
    }
}

#[async_trait]
impl SecretsWriter for SecretsManager {
    async fn put_pending(
        &self,
        secret_arn: &str,
        version_id: &str,
        document: &SecretString,
        signed_at: Timestamp,
    ) -> AwsResult<()> {
        let call = self
            .client
            .put_secret_value()
            .secret_id(secret_arn)
            .client_request_token(version_id)
            .secret_string(document.expose_secret())
            .version_stages(AWSPENDING)
            .customize()
            .config_override(dated(signed_at));
        let reply = self.calls.run(PUT, secret_arn, call.send()).await?;
        let about_it = is_about_secret(secret_arn, reply.arn(), reply.name()) && reply.version_id() == Some(version_id);
        answers(PUT, secret_arn, about_it)
    }

    async fn move_current(&self, secret_arn: &str, from: &str, to: &str, signed_at: Timestamp) -> AwsResult<()> {
        let change = StageChange {
            stage: AWSCURRENT,
            from,
            to: Some(to),
        };
        self.change(secret_arn, change, signed_at).await
    }

    async fn remove_pending(&self, secret_arn: &str, version_id: &str, signed_at: Timestamp) -> AwsResult<()> {
        let change = StageChange {
            stage: AWSPENDING,
            from: version_id,
            to: None,
        };
        self.change(secret_arn, change, signed_at).await
    }
}

#[cfg(test)]
#[path = "secrets_manager_tests.rs"]
mod tests;
