//! What is told to whoever is not looking, and when: each kind once, however often what it tells is worded anew.

use serde::{Deserialize, Serialize};

use crate::rotation::event::Event;
use crate::rotation::state::Record;

/// Declares the kinds: the variant, its name in the configuration, its `type` in messages, its title in words, and one
/// sentence that says when it is told.
macro_rules! kinds {
    ($($variant:ident = $label:literal, $type:literal, $title:literal: $meaning:literal,)+) => {
        /// Something that may be told.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub enum NoticeKind {
            $(#[doc = $meaning] #[serde(rename = $label)] $variant,)+
        }

        impl NoticeKind {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The names of all of them.
            pub const LABELS: &'static [&'static str] = &[$($label),+];

            /// Its name in the configuration.
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }

            /// The `type` of its messages.
            pub fn message_type(self) -> &'static str {
                match self { $(Self::$variant => $type,)+ }
            }

            /// Its title in words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// When it is told, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

kinds! {
    Succeeded = "succeeded", "rotation.succeeded", "Rotation Succeeded": "AWSCURRENT moved to a new password.",
    Retired = "retired", "password.retired", "Previous Password Retired": "The previous password was taken from the user, and proved dead where logins can prove it.",
    NeedsAttention = "needs_attention", "secret.needs_attention", "Secret Needs Attention": "A person should look, although retries go on; told again when the reason is another one.",
    AttentionEnded = "attention_ended", "secret.attention_ended", "Secret Needs No Attention": "What needed attention is over.",
    Halted = "halted", "secret.halted", "Secret Halted": "Nothing is changed until the observation changes or an operator resumes; told again when the reason is another one.",
    HaltEnded = "halt_ended", "secret.halt_ended", "Secret Goes On": "The halt is over.",
    Drift = "drift", "secret.drift", "Password Drifted": "The current password, which worked, does not work on every node any more; told again when the cause is another one.",
    DriftEnded = "drift_ended", "secret.drift_ended", "Password Works Again": "The current password works again, by a repair or without one, or another one took its place.",
    RolledBack = "rolled_back", "rotation.rolled_back", "Rotation Rolled Back": "AWSCURRENT moved back to the previous password, as an operator asked.",
    Revoked = "revoked", "password.revoked", "Passwords Revoked": "Every password that was valid when an operator asked for its revocation is gone.",
}

impl NoticeKind {
    /// What a target is told that does not say otherwise: what a person has to know of, and that it is over.
    pub const DEFAULT: [Self; 6] = [
        Self::NeedsAttention,
        Self::AttentionEnded,
        Self::Halted,
        Self::HaltEnded,
        Self::Drift,
        Self::DriftEnded,
    ];
}

/// What is to be told of an event that made `after` of `before`. What happened comes before what is over by it.
pub fn notices(before: &Record, event: &Event, after: &Record) -> Vec<NoticeKind> {
    let happened = match event {
        // Another process, or a look after a lost reply, may see a promotion again.
        Event::Promoted { version, .. } => {
            let known = before.promotion.as_ref();
            (known.is_none_or(|known| known.version != *version)).then_some(NoticeKind::Succeeded)
        }
        Event::Retired { .. } => Some(NoticeKind::Retired),
        Event::RolledBack { .. } => Some(NoticeKind::RolledBack),
        Event::RevocationEnded { .. } => Some(NoticeKind::Revoked),
        _ => None,
    };
    let halt = changed(
        before.halt.as_ref().map(|halt| halt.reason),
        after.halt.as_ref().map(|halt| halt.reason),
        (NoticeKind::Halted, NoticeKind::HaltEnded),
    );
    let attention = changed(
        before.attention.as_ref().map(|attention| attention.reason),
        after.attention.as_ref().map(|attention| attention.reason),
        (NoticeKind::NeedsAttention, NoticeKind::AttentionEnded),
    );
    let drift = changed(
        before.drift.as_ref().map(|drift| drift.cause),
        after.drift.as_ref().map(|drift| drift.cause),
        (NoticeKind::Drift, NoticeKind::DriftEnded),
    );
    [happened, halt, attention, drift].into_iter().flatten().collect()
}

/// One kind when a reason comes or is another one, the other when it goes.
fn changed<T: PartialEq>(
    before: Option<T>,
    after: Option<T>,
    (begins, ends): (NoticeKind, NoticeKind),
) -> Option<NoticeKind> {
    match (before, after) {
        (Some(_), None) => Some(ends),
        (before, after @ Some(_)) if before != after => Some(begins),
        _ => None,
    }
}

#[cfg(test)]
#[path = "notice_tests.rs"]
mod tests;
