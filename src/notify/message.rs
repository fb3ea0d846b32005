//! What a notification says: made once, when it is stored, and delivered as it stands there.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::summary::summary;
use crate::clock::{Timestamp, between};
use crate::config::NotifyTarget;
use crate::rotation::event::Event;
use crate::rotation::notice::{NoticeKind, notices};
use crate::rotation::observation::Proof;
use crate::rotation::state::Record;
use crate::store::outbox::Outgoing;

/// The `type` of a message that `rekeyd notify test` sends.
const TEST: &str = "rekeyd.test";

/// No text of a message is longer, in characters: ten messages fit into a call of EventBridge, which takes 256 KB.
const LONGEST_TEXT: usize = 2_500;

/// A message. The order of its fields is that of its JSON.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Message {
    /// What it is.
    #[serde(rename = "type")]
    pub(super) message_type: String,
    /// When that came about.
    pub(super) timestamp: Timestamp,
    /// About what.
    pub(super) data: Data,
}

/// What a message is about. A field that means nothing to its kind is null.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(super) struct Data {
    /// All of it in a sentence, for people.
    pub(super) summary: String,
    /// The kind, as the configuration names it; `test` for a test.
    pub(super) event: String,
    /// The policy.
    pub(super) policy: Option<String>,
    /// The secret's name.
    pub(super) secret: Option<String>,
    /// Its ARN.
    pub(super) secret_arn: Option<String>,
    /// The id of its user, if that was seen since the start.
    pub(super) user_id: Option<String>,
    /// The version that it is about: under AWSCURRENT now, or on its way there.
    pub(super) version: Option<String>,
    /// The version whose password went, or that AWSCURRENT left.
    pub(super) previous_version: Option<String>,
    /// What was proved: `proven`, `endpoint_proven` or `unproven`.
    pub(super) proof: Option<String>,
    /// On how many nodes.
    pub(super) nodes: Option<usize>,
    /// Why, from the closed sets of docs/SEMANTICS.md.
    pub(super) reason: Option<String>,
    /// What that means and what to do.
    pub(super) meaning: Option<String>,
    /// What was seen, in words.
    pub(super) detail: Option<String>,
    /// Since when it was so, for what is over.
    pub(super) since: Option<Timestamp>,
    /// How long it took: the rotation until its promotion, the revocation until the last password was dead.
    pub(super) seconds: Option<f64>,
    /// The machine that tells it.
    pub(super) host: String,
    /// The release of rekeyd.
    pub(super) rekeyd: String,
}

/// An event and what is known around it.
pub struct Told<'a> {
    /// The policy.
    pub policy: &'a str,
    /// The secret's name.
    pub secret: &'a str,
    /// The id of its user, if known.
    pub user_id: Option<&'a str>,
    /// The record before the event.
    pub before: &'a Record,
    /// The event.
    pub event: &'a Event,
    /// The record that it made.
    pub after: &'a Record,
    /// When.
    pub at: Timestamp,
}

/// What is to be told of an event, to each target that wants it. Nothing is computed where there is none.
pub fn outgoing(targets: &BTreeMap<String, NotifyTarget>, told: &Told<'_>) -> Vec<Outgoing> {
    if targets.is_empty() {
        return Vec::new();
    }
    let mut outgoing = Vec::new();
    for kind in notices(told.before, told.event, told.after) {
        let wanting = targets.values().filter(|target| target.wants(kind, told.policy));
        let wanting: Vec<&NotifyTarget> = wanting.collect();
        if wanting.is_empty() {
            continue;
        }
        let message = Message::of(kind, told);
        // Plain data, whose keys are strings: nothing in it can fail to be JSON.
        let Ok(text) = serde_json::to_string(&message) else {
            tracing::error!(
                event = "notification_not_written",
                kind = kind.label(),
                "a notification could not be written: please report this"
            );
            continue;
        };
        let id = id_of(kind, told);
        outgoing.extend(wanting.into_iter().map(|target| Outgoing {
            target: target.name.clone(),
            id: id.clone(),
            at: told.at,
            message: text.clone(),
        }));
    }
    outgoing
}

/// The same for the same event, and for no other: nothing is drawn for it.
fn id_of(kind: NoticeKind, told: &Told<'_>) -> String {
    let mut digest = Sha256::new();
    for part in [
        told.after.secret_arn.as_str(),
        kind.label(),
        &told.at.to_rfc3339(),
        told.event.label(),
    ] {
        digest.update(part.as_bytes());
        digest.update([0]);
    }
    let digest = digest.finalize();
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("msg_{hex}")
}

impl Message {
    fn of(kind: NoticeKind, told: &Told<'_>) -> Self {
        let mut data = Data {
            event: kind.label().to_owned(),
            policy: Some(told.policy.to_owned()),
            secret: Some(told.secret.to_owned()),
            secret_arn: Some(told.after.secret_arn.clone()),
            user_id: told.user_id.map(str::to_owned),
            ..Data::new()
        };
        match kind {
            NoticeKind::Succeeded => data.succeeded(told),
            NoticeKind::Retired => data.retired(told),
            NoticeKind::RolledBack => data.rolled_back(told),
            NoticeKind::Revoked => data.revoked(told),
            NoticeKind::NeedsAttention => data.attention(told.after),
            NoticeKind::AttentionEnded => data.attention(told.before),
            NoticeKind::Halted => data.halt(told.after),
            NoticeKind::HaltEnded => data.halt(told.before),
            NoticeKind::Drift => data.drift(told.after),
            NoticeKind::DriftEnded => data.drift(told.before),
        }
        if matches!(
            kind,
            NoticeKind::NeedsAttention | NoticeKind::Halted | NoticeKind::Drift
        ) {
            data.since = None;
        }
        data.detail = data.detail.map(|detail| cut(&detail));
        data.summary = cut(&summary(kind, &data));
        Self {
            message_type: kind.message_type().to_owned(),
            timestamp: told.at,
            data,
        }
    }

    /// A message that says no more than that messages arrive.
    pub(super) fn test(target: &str, at: Timestamp) -> Self {
        Self {
            message_type: TEST.to_owned(),
            timestamp: at,
            data: Data {
                event: "test".to_owned(),
                summary: format!("A test of the notifications to `{target}`. Nothing happened."),
                ..Data::new()
            },
        }
    }

    /// Its title in words.
    pub(super) fn title(&self) -> &'static str {
        self.kind().map_or("Test", NoticeKind::title)
    }

    /// Its kind, but for a test's.
    pub(super) fn kind(&self) -> Option<NoticeKind> {
        let mut kinds = NoticeKind::ALL.iter().copied();
        kinds.find(|kind| kind.message_type() == self.message_type)
    }
}

impl Data {
    fn new() -> Self {
        static HOST: LazyLock<String> =
            LazyLock::new(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
        Self {
            host: HOST.clone(),
            rekeyd: env!("CARGO_PKG_VERSION").to_owned(),
            ..Self::default()
        }
    }

    fn proof(&mut self, proof: Option<Proof>, nodes: usize) {
        self.proof = proof.map(|proof| proof.label().to_owned());
        self.nodes = proof.is_some().then_some(nodes);
        if let Some(Proof::Unproven(reason)) = proof {
            self.reason = Some(reason.label().to_owned());
            self.meaning = Some(reason.meaning().to_owned());
        }
    }

    fn succeeded(&mut self, told: &Told<'_>) {
        if let Event::Promoted {
            version,
            previous,
            proof,
            nodes,
        } = told.event
        {
            self.version = Some(version.clone());
            self.previous_version = Some(previous.clone());
            self.proof(*proof, *nodes);
            let rotation = told.before.rotation.as_ref();
            let own = rotation.filter(|rotation| rotation.version == *version && !rotation.found);
            self.seconds = own.map(|rotation| {
                let began = rotation.first_started_at.unwrap_or(rotation.started_at);
                between(began, told.at).as_secs_f64()
            });
        }
    }

    fn retired(&mut self, told: &Told<'_>) {
        if let Event::Retired {
            version,
            previous,
            proof,
            nodes,
        } = told.event
        {
            self.version = Some(version.clone());
            self.previous_version = Some(previous.clone());
            self.proof(Some(*proof), *nodes);
        }
    }

    fn rolled_back(&mut self, told: &Told<'_>) {
        if let Event::RolledBack { version, previous } = told.event {
            self.version = Some(previous.clone());
            self.previous_version = Some(version.clone());
        }
    }

    fn revoked(&mut self, told: &Told<'_>) {
        if let Event::RevocationEnded {
            asked_at,
            seconds,
            dead,
        } = told.event
        {
            self.since = Some(*asked_at);
            self.seconds = Some(*seconds);
            let versions: Vec<&str> = dead.iter().map(|dead| dead.version.as_str()).collect();
            self.detail = Some(format!("versions whose passwords are gone: {}", versions.join(", ")));
        }
    }

    fn attention(&mut self, record: &Record) {
        self.version = under_way(record);
        if let Some(attention) = &record.attention {
            self.because(attention.reason.label(), attention.reason.meaning(), &attention.detail);
            self.since = Some(attention.since);
        }
    }

    fn halt(&mut self, record: &Record) {
        self.version = under_way(record);
        if let Some(halt) = &record.halt {
            self.because(halt.reason.label(), halt.reason.meaning(), &halt.detail);
            self.since = Some(halt.since);
        }
    }

    fn drift(&mut self, record: &Record) {
        if let Some(drift) = &record.drift {
            self.version = Some(drift.version.clone());
            self.because(drift.cause.label(), drift.cause.meaning(), &drift.detail);
            self.since = Some(drift.since);
        }
    }

    fn because(&mut self, reason: &str, meaning: &str, detail: &str) {
        self.reason = Some(reason.to_owned());
        self.meaning = Some(meaning.to_owned());
        self.detail = Some(detail.to_owned());
    }
}

fn under_way(record: &Record) -> Option<String> {
    record.rotation.as_ref().map(|rotation| rotation.version.clone())
}

/// A text without what a terminal would obey, and no longer than a message's may be.
fn cut(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    match text.chars().count() > LONGEST_TEXT {
        true => text.chars().take(LONGEST_TEXT).map(plain).chain(['…']).collect(),
        false => text.chars().map(plain).collect(),
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
