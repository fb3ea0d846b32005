//! Slack's incoming webhooks: `text` for notifications, `blocks` for the channel. What waits of one kind goes out as one
//! message, so that a thousand halts are no flood.
//!
//! Sources: Slack's pages "Sending messages using incoming webhooks" (one message a second, the words of errors),
//! "Formatting text" (`&`, `<` and `>` are escaped, and nothing else), "Blocks" (150 characters in a header, 3,000 in a
//! section).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::channel::{Attempt, Channel, Failure};
use super::message::Message;
use super::post::Poster;
use crate::store::outbox::Outgoing;

/// How many of a group are named.
const NAMED: usize = 10;

/// How long a text may be, in characters.
const LONGEST_TEXT: usize = 2_900;

/// How long the line of one of many may be.
const LONGEST_LINE: usize = 250;

/// How often Slack takes a message.
const PACE: Duration = Duration::from_secs(1);

/// A channel of Slack.
pub(super) struct Slack {
    poster: Poster,
}

impl Slack {
    pub(super) fn new(poster: Poster) -> Self {
        Self { poster }
    }
}

#[async_trait]
impl Channel for Slack {
    fn batch(&self) -> usize {
        1_000
    }

    fn group(&self, waiting: &[Outgoing]) -> Vec<Outgoing> {
        of_one_kind(waiting)
    }

    async fn deliver(&self, group: &[Outgoing]) -> Attempt {
        let messages: Option<Vec<Message>> = group.iter().map(read).collect();
        match messages.as_deref().and_then(shape) {
            Some(body) => self.poster.post(&[], body.to_string(), group).await,
            None => Attempt::failed(Failure {
                words: "this release cannot read what is stored of it".to_owned(),
                of_message: true,
                ..Failure::default()
            }),
        }
    }

    fn pace(&self) -> Duration {
        PACE
    }
}

fn read(outgoing: &Outgoing) -> Option<Message> {
    serde_json::from_str(&outgoing.message).ok()
}

/// The oldest, and whatever is of its kind. None overtakes another one about the same secret.
fn of_one_kind(waiting: &[Outgoing]) -> Vec<Outgoing> {
    let Some(first) = waiting.first() else {
        return Vec::new();
    };
    let Some(kind) = read(first).map(|message| message.message_type) else {
        return vec![first.clone()];
    };
    let mut left_behind = BTreeSet::new();
    let mut group = Vec::new();
    for outgoing in waiting {
        let message = read(outgoing);
        let secret = message.as_ref().and_then(|message| message.data.secret_arn.clone());
        let fits = message.is_some_and(|message| message.message_type == kind);
        match fits && !left_behind.contains(&secret) {
            true => group.push(outgoing.clone()),
            false => drop(left_behind.insert(secret)),
        }
    }
    group
}

/// What Slack is sent.
fn shape(messages: &[Message]) -> Option<Value> {
    let first = messages.first()?;
    let (title, text) = match messages.len() {
        1 => (first.title().to_owned(), escaped(&first.data.summary, LONGEST_TEXT)),
        many => (format!("{}: {many} times", first.title()), list(messages)),
    };
    let from = format!(
        "rekeyd {} on {}, {}",
        first.data.rekeyd,
        escaped(&first.data.host, LONGEST_LINE),
        first.timestamp.format("%Y-%m-%d %H:%M:%S UTC")
    );
    Some(json!({
        "text": format!("{title}: {text}"),
        "blocks": [
            { "type": "header", "text": { "type": "plain_text", "text": title } },
            { "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } },
            { "type": "context", "elements": [{ "type": "mrkdwn", "text": from, "verbatim": true }] },
        ],
    }))
}

/// The first of many, and how many more there are.
fn list(messages: &[Message]) -> String {
    let mut text = String::new();
    for message in messages.iter().take(NAMED) {
        let data = &message.data;
        let (secret, policy) = (data.secret.as_deref(), data.policy.as_deref());
        let reason = data.reason.as_deref().map(|reason| format!(": {reason}"));
        let line = format!(
            "{} (policy {}){}",
            secret.unwrap_or_default(),
            policy.unwrap_or_default(),
            reason.unwrap_or_default()
        );
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(text, "• {}", escaped(&line, LONGEST_LINE));
    }
    match messages.len().saturating_sub(NAMED) {
        0 => {}
        more => drop(writeln!(text, "and {more} more; `rekeyd status --attention` lists all")),
    }
    text
}

/// A text in which nothing is a link, a mention or a channel, and which is no longer than that.
fn escaped(text: &str, longest: usize) -> String {
    let mut escaped = String::new();
    let mut length = 0;
    for character in text.chars() {
        let next = match character {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            other => other.to_string(),
        };
        length += next.chars().count();
        if length > longest {
            escaped.push('…');
            break;
        }
        escaped += &next;
    }
    escaped
}

#[cfg(test)]
#[path = "slack_tests.rs"]
mod tests;
