//! `[notify.NAME]`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::forms::{DURATION, EVENT_BUS, FULL_PATH, WEBHOOK_URL};
use crate::rotation::notice::NoticeKind;

/// Somebody to notify: a webhook, a Slack channel or an EventBridge bus.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawNotify {
    /// "webhook": signed JSON to a URL. "slack": an incoming webhook of Slack. "eventbridge": events on a bus. Required.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["webhook", "slack", "eventbridge"]))]
    pub(in crate::config) channel: Option<String>,
    /// Where a webhook answers: https, or plain http on this machine. It is shown by `rekeyd check`; one that holds a
    /// token belongs into `url_file`.
    #[schemars(regex(pattern = WEBHOOK_URL), extend("examples" = ["https://hooks.example.com/rekeyd"]))]
    pub(in crate::config) url: Option<String>,
    /// The full path of a file whose only line is the URL: always for "slack", whose URL is a secret. Read at the start
    /// and at a reload.
    #[schemars(regex(pattern = FULL_PATH))]
    pub(in crate::config) url_file: Option<String>,
    /// The full path of a file with the key that signs a webhook's messages, `whsec_` and base64; while the key changes, a
    /// line for each. Read at the start and at a reload.
    #[schemars(regex(pattern = FULL_PATH), extend("examples" = ["/run/credentials/rekeyd.service/oncall"]))]
    pub(in crate::config) secret_file: Option<String>,
    /// The place whose credentials and region an "eventbridge" is reached with, by the name of its `[aws.NAME]` table.
    pub(in crate::config) aws: Option<String>,
    /// The name or ARN of the event bus.
    #[schemars(regex(pattern = EVENT_BUS), extend("default" = "default"))]
    pub(in crate::config) event_bus: Option<String>,
    /// What is told.
    #[schemars(
        length(min = 1),
        extend("items" = json!({ "type": "string", "enum": NoticeKind::LABELS })),
        extend("default" = NoticeKind::DEFAULT.map(NoticeKind::label))
    )]
    pub(in crate::config) events: Option<Vec<String>>,
    /// The policies whose secrets are told of; all unless set.
    #[schemars(length(min = 1))]
    pub(in crate::config) policies: Option<Vec<String>>,
    /// How long an answer is waited for: 1s to 60s.
    #[schemars(regex(pattern = DURATION), extend("default" = "10s"))]
    pub(in crate::config) timeout: Option<String>,
    /// The full path of a PEM file with the roots that signed the receiver's certificate; the system's unless set.
    #[schemars(regex(pattern = FULL_PATH))]
    pub(in crate::config) ca_file: Option<String>,
}
