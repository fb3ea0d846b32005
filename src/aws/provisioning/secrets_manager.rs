//! Secrets, to be created, tagged and taken from their rotation function.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::types::Tag;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::super::AwsResult;
use super::super::call::{Calls, Operation};
use super::super::error::AwsError;
use super::super::reply::{answers, is_about_secret};
use super::super::secrets_manager::{client, dated, describe, get, operation};
use super::{ManagedRotation, NewSecret};
use crate::clock::Timestamp;

const CREATE: Operation = operation("CreateSecret");
const TAG: Operation = operation("TagResource");
const CANCEL: Operation = operation("CancelRotateSecret");

/// Secrets Manager.
pub(super) struct Secrets {
    client: Client,
    calls: Calls,
}

impl Secrets {
    pub(super) fn new(config: &SdkConfig, endpoint: Option<&str>, calls: Calls) -> Self {
        let client = client(config, endpoint);
        Self { client, calls }
    }

    pub(super) async fn managed_rotation(&self, secret: &str) -> AwsResult<ManagedRotation> {
        let described = describe(&self.client, &self.calls, secret).await?;
        let rules = described.rotation_rules();
        Ok(ManagedRotation {
            enabled: described.rotation_enabled().unwrap_or(false),
            lambda_arn: described.rotation_lambda_arn().map(str::to_owned),
            after_days: rules.and_then(|rules| rules.automatically_after_days()),
            schedule: rules.and_then(|rules| rules.schedule_expression()).map(str::to_owned),
            duration: rules.and_then(|rules| rules.duration()).map(str::to_owned),
        })
    }

    pub(super) async fn text(&self, secret_arn: &str, version_id: &str) -> AwsResult<Option<SecretString>> {
        let reply = get(&self.client, &self.calls, secret_arn, version_id).await?;
        if let Some(binary) = reply.secret_binary {
            drop(Zeroizing::new(binary.into_inner()));
        }
        Ok(reply.secret_string.map(SecretString::from))
    }

    pub(super) async fn create(&self, new: &NewSecret, signed_at: Timestamp) -> AwsResult<()> {
        let call = self
            .client
            .create_secret()
            .name(&new.name)
            .client_request_token(&new.version_id)
            .secret_string(new.document.expose_secret())
            .set_kms_key_id(new.kms_key_id.clone())
            .set_tags((!new.tags.is_empty()).then(|| tags(&new.tags)))
            .customize()
            .config_override(dated(signed_at));
        let reply = self.calls.run(CREATE, &new.name, call.send()).await?;
        answers(CREATE, &new.name, reply.name() == Some(new.name.as_str()))
    }

    pub(super) async fn tag(
        &self,
        secret: &str,
        wanted: &BTreeMap<String, String>,
        signed_at: Timestamp,
    ) -> AwsResult<()> {
        let call = self
            .client
            .tag_resource()
            .secret_id(secret)
            .set_tags(Some(tags(wanted)));
        let call = call.customize().config_override(dated(signed_at));
        self.calls.run(TAG, secret, call.send()).await.map(drop)
    }

    pub(super) async fn cancel_rotation(&self, secret: &str, signed_at: Timestamp) -> Result<(), AwsError> {
        let call = self.client.cancel_rotate_secret().secret_id(secret);
        let call = call.customize().config_override(dated(signed_at));
        let reply = self.calls.run(CANCEL, secret, call.send()).await?;
        answers(CANCEL, secret, is_about_secret(secret, reply.arn(), reply.name()))
    }
}

fn tags(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    tags.iter().map(tag).collect()
}
