//! AUTH tokens of replication groups: the passwords of `default` where there are no user groups.
//!
//! Sources: ElastiCache guide, "Authenticating with the AUTH command" and "Migrating from RBAC to AUTH"; botocore's
//! model, `AuthTokenUpdateStrategy`. A first token that comes by ROTATE works beside connections without any, until
//! the next ROTATE or SET.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::errors::{invalid_combination, invalid_value};
use super::model::{AclRule, Owner, ReplicationGroup};
use super::modify_cache::ModifyReplicationGroup;
use super::propagation::{Confirm, Subject};
use crate::core::account::Event;
use crate::core::operation::Env;
use crate::error::ApiError;
use crate::sensitive::Sensitive;
use crate::settings::{SetAuthToken, Settings};

/// What is not a letter or a digit and may still be in a token (the guide).
const SPECIAL: &str = "!&#$^<>-";

/// The tokens of one replication group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct AuthTokens {
    /// Those that log in, the oldest first; at most two.
    pub(crate) tokens: Vec<Sensitive>,
    /// Whether connections without any are let in as well.
    pub(crate) open: bool,
    pub(crate) modified: Option<DateTime<Utc>>,
    /// What was asked for without ApplyImmediately. No maintenance window ever comes.
    pub(crate) wanted: Option<TokenChange>,
    /// What is on its way to the nodes.
    #[serde(skip)]
    pub(crate) change: Option<TokensOnTheWay>,
    /// Counts changes, so that late news of an earlier one are told apart.
    pub(crate) revision: u64,
}

/// What the tokens are to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TokenChange {
    pub(crate) strategy: Strategy,
    tokens: Vec<Sensitive>,
    open: bool,
}

/// A change of tokens that nodes have yet to hear of.
#[derive(Debug, Clone)]
pub(crate) struct TokensOnTheWay {
    pub(crate) strategy: Strategy,
    pub(crate) waiting: BTreeSet<String>,
}

/// `AuthTokenUpdateStrategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Strategy {
    /// One more token; the one before goes on working.
    Rotate,
    /// This token only.
    Set,
    /// None; user groups take over.
    Delete,
}

impl Strategy {
    fn read(text: &str) -> Result<Self, ApiError> {
        match text {
            "ROTATE" => Ok(Self::Rotate),
            "SET" => Ok(Self::Set),
            "DELETE" => Ok(Self::Delete),
            _ => Err(invalid_value(
                "AuthTokenUpdateStrategy must be one of SET, ROTATE, DELETE.",
            )),
        }
    }

    /// `AuthTokenStatus`; the model has no word for a token that is on its way out.
    fn status(self) -> Option<&'static str> {
        match self {
            Self::Rotate => Some("ROTATING"),
            Self::Set => Some("SETTING"),
            Self::Delete => None,
        }
    }
}

impl AuthTokens {
    /// The tokens of a new group.
    pub(crate) fn first(token: Option<Sensitive>, now: DateTime<Utc>) -> Self {
        Self {
            modified: token.is_some().then_some(now),
            tokens: token.into_iter().collect(),
            ..Self::default()
        }
    }

    pub(crate) fn enabled(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Whether it has a token, or is to have one.
    fn concerned(&self) -> bool {
        self.enabled() || self.wanted.is_some()
    }

    /// What `default` is where there are no user groups.
    pub(crate) fn rule(&self) -> AclRule {
        AclRule {
            nopass: self.open || !self.enabled(),
            passwords: self.tokens.clone(),
            ..AclRule::open_default()
        }
    }

    /// `AuthTokenStatus` of the group.
    pub(crate) fn status(&self) -> Option<&'static str> {
        let on_the_way = self.change.as_ref().map(|change| change.strategy);
        let strategy = on_the_way.or_else(|| self.wanted.as_ref().map(|wanted| wanted.strategy));
        strategy.and_then(Strategy::status)
    }

    /// `AuthTokenStatus` of one of its nodes.
    pub(crate) fn status_of(&self, node: &str) -> Option<&'static str> {
        match &self.change {
            Some(change) if !change.waiting.contains(node) => None,
            _ => self.status(),
        }
    }

    fn rotated(&self, token: &Sensitive) -> TokenChange {
        let again = self.tokens.last() == Some(token);
        let mut tokens = if again { self.tokens.clone() } else { Vec::new() };
        if !again {
            // Two at most, of which connecting without any counts as one.
            tokens.extend(self.tokens.last().cloned());
            tokens.push(token.clone());
        }
        TokenChange {
            strategy: Strategy::Rotate,
            open: if again { self.open } else { self.tokens.is_empty() },
            tokens,
        }
    }
}

/// Refuses a token that a new group cannot have.
pub(crate) fn check_first(
    settings: &Settings,
    token: Option<&Sensitive>,
    tls: bool,
    user_groups: &[String],
) -> Result<(), ApiError> {
    let Some(token) = token else {
        return Ok(());
    };
    check_place(tls, user_groups)?;
    check_token(token, settings)
}

/// 16 to 128 characters, letters, digits and a few others. Text known from AWS.
fn check_token(token: &Sensitive, settings: &Settings) -> Result<(), ApiError> {
    let text = token.expose();
    let allowed = |c: char| {
        if settings.enforce_password_characters {
            c.is_ascii_alphanumeric() || SPECIAL.contains(c)
        } else {
            // The constraints of the botocore model.
            c.is_ascii_graphic() && !['/', '"', '@', '%'].contains(&c)
        }
    };
    if (16..=128).contains(&text.chars().count()) && text.chars().all(allowed) {
        Ok(())
    } else {
        Err(invalid_value("Invalid AuthToken provided."))
    }
}

/// Whether a group may have a token: with encryption in transit, and without user groups.
fn check_place(tls: bool, user_groups: &[String]) -> Result<(), ApiError> {
    if !tls {
        return Err(invalid_combination(
            "AuthToken can only be specified with TransitEncryptionEnabled.",
        ));
    }
    if !user_groups.is_empty() {
        return Err(invalid_combination(
            "AuthToken can't be specified together with user groups.",
        ));
    }
    Ok(())
}

/// What a request asks for; nothing if it does not speak of tokens. `user_groups` are those that the group is to have.
pub(crate) fn wish(
    settings: &Settings,
    group: &ReplicationGroup,
    input: &ModifyReplicationGroup,
    user_groups: &[String],
) -> Result<Option<TokenChange>, ApiError> {
    let strategy = input
        .auth_token_update_strategy
        .as_deref()
        .map(Strategy::read)
        .transpose()?;
    let now = &group.auth;
    match (&input.auth_token, strategy) {
        // Text from terraform-provider-aws#39546.
        (None, None) if now.concerned() && !user_groups.is_empty() => Err(invalid_combination(
            "User group can't be associated with auth token enabled. Pass AuthStrategy delete to proceed.",
        )),
        (None, None) => Ok(None),
        (None, Some(Strategy::Delete)) => {
            if !now.concerned() || user_groups.is_empty() {
                // Text from crossplane's provider-upjet-aws#1370.
                return Err(invalid_value(
                    "Auth token update strategy delete is not supported currently",
                ));
            }
            Ok(Some(TokenChange {
                strategy: Strategy::Delete,
                tokens: Vec::new(),
                open: false,
            }))
        }
        (Some(_), Some(Strategy::Delete)) => Err(invalid_combination(
            "AuthToken can't be specified with the AuthTokenUpdateStrategy DELETE.",
        )),
        (None, Some(_)) => Err(invalid_combination(
            "AuthTokenUpdateStrategy must be specified with AuthToken.",
        )),
        (Some(token), strategy) => {
            check_place(group.tls, user_groups)?;
            check_token(token, settings)?;
            if strategy == Some(Strategy::Set) {
                set(settings.doubts.set_auth_token, group, token).map(Some)
            } else {
                Ok(Some(now.rotated(token)))
            }
        }
    }
}

/// One token and no other, if SET may bring it. A group that leaves its user groups has none that it could have
/// rotated.
fn set(rule: SetAuthToken, group: &ReplicationGroup, token: &Sensitive) -> Result<TokenChange, ApiError> {
    let rotated = group.auth.tokens.last() == Some(token);
    if rule == SetAuthToken::RotatedOnly && !rotated && group.user_group_ids.is_empty() {
        return Err(invalid_value(
            "AuthTokenUpdateStrategy SET is only allowed for the token of the last ROTATE.",
        ));
    }
    Ok(TokenChange {
        strategy: Strategy::Set,
        tokens: vec![token.clone()],
        open: false,
    })
}

impl Env<'_> {
    /// Has a group's tokens change: what `default` is from now on is on its way to each node. Its user groups are
    /// those that it is to have already.
    pub(crate) fn change_tokens(&mut self, id: &str, wanted: TokenChange) {
        let owner = Owner::ReplicationGroup(id.to_owned());
        let now = self.now;
        let Some(group) = self.account.cache.caches.get_mut(id) else {
            return;
        };
        let strategy = wanted.strategy;
        group.auth = AuthTokens {
            modified: (!wanted.tokens.is_empty()).then_some(now),
            tokens: wanted.tokens,
            open: wanted.open,
            wanted: None,
            change: None,
            revision: group.auth.revision + 1,
        };
        group.status = "modifying";
        let revision = group.auth.revision;
        let rule = self.account.cache.view_of(&owner).remove("default");
        let mut waiting = BTreeSet::new();
        for node in self.account.cache.nodes_in(&owner) {
            let confirm = Confirm {
                subject: Subject::Tokens(id.to_owned()),
                revision,
            };
            if self.post(&node, "default", confirm, rule.clone()) || self.settings.stuck_nodes_hold_modifying {
                waiting.insert(node);
            }
        }
        let ends = match waiting.is_empty() {
            true => self.after(self.settings.settle_extra_ms),
            false => self.after(self.settings.modifying_max_ms),
        };
        if let Some(group) = self.account.cache.caches.get_mut(id) {
            group.auth.change = Some(TokensOnTheWay { strategy, waiting });
        }
        let group = id.to_owned();
        self.account.plan(ends, Event::TokensSettle { group, revision });
    }

    /// Whether `default` is on its way to a cache's nodes as a change of tokens.
    pub(crate) fn tokens_travel(&self, owner: &Owner) -> bool {
        self.group_of(owner).is_some_and(|group| group.auth.change.is_some())
    }

    /// A node has the tokens. After the last one, the group settles.
    pub(crate) fn confirm_tokens(&mut self, node_id: &str, group_id: &str, revision: u64) {
        let group = self.account.cache.caches.get_mut(group_id);
        let Some(group) = group.filter(|group| group.auth.revision == revision) else {
            return;
        };
        let Some(change) = group.auth.change.as_mut() else {
            return;
        };
        if !change.waiting.remove(node_id) || !change.waiting.is_empty() {
            return;
        }
        let ends = self.after(self.settings.settle_extra_ms);
        let group = group_id.to_owned();
        self.account.plan(ends, Event::TokensSettle { group, revision });
    }

    /// The change of tokens is over.
    pub(crate) fn settle_tokens(&mut self, group_id: &str, revision: u64) {
        let group = self.account.cache.caches.get_mut(group_id);
        let Some(group) = group.filter(|group| group.auth.revision == revision) else {
            return;
        };
        if group.auth.change.take().is_some() {
            self.settle_cache(&Owner::ReplicationGroup(group_id.to_owned()));
        }
    }
}
