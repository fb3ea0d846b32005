//! What can be set: JSON at run time, TOML at the start, all with defaults.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod check;
mod delays;
mod doubts;
mod quotas;
mod switches;

pub use self::check::SettingsError;
pub(crate) use self::check::check_delay;
pub use self::delays::{Delay, Never, Range};
pub use self::doubts::{
    Doubts, EqualPasswords, GroupCollisions, NoPasswordSpelling, SetAuthToken, WrongRemoveFromCode,
};
pub use self::quotas::Quotas;
pub use self::switches::{Switch, switches};
use crate::core::authorization::{KmsKeyState, Policies};

/// All settings of a sandbox. `PUT /_sandbox/settings` changes the ones it names and leaves the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long a change to a user takes to reach a node; drawn for each node.
    pub propagation_ms: Range,
    /// Delays by node: a node id (`orders-002`), a role (`primary`, `replica`) or one replica (`replica-2`).
    pub node_propagation_ms: BTreeMap<String, Delay>,
    /// Whether a node that a change never reaches (or that is stopped) keeps the user `modifying`.
    pub stuck_nodes_hold_modifying: bool,
    /// The longest that a user stays `modifying`, whatever its nodes do.
    pub modifying_max_ms: u64,
    /// How long after ModifyUser the status still reads `active` (the other fields are new already).
    pub modifying_lag_ms: u64,
    /// How long after ModifyUser DescribeUsers still shows the user as it was before.
    pub stale_active_ms: u64,
    /// How long a user stays `modifying` after its last node has the change.
    pub settle_extra_ms: u64,
    /// How long a user without caches stays `modifying`.
    pub detached_modifying_ms: u64,
    /// How long a new user group is `creating`.
    pub group_creating_ms: u64,
    /// How long a tag change keeps a user `modifying`. AWS takes about five seconds.
    pub tag_modifying_ms: u64,
    /// How far a signature's date may be from the clock.
    pub signature_window_s: u64,
    /// Whether `, " / @` are refused in ElastiCache passwords.
    pub enforce_password_characters: bool,
    /// What stands behind a cache.
    pub caches: Caches,
    /// How many hidden nodes a new serverless cache has.
    pub serverless_nodes: usize,
    /// How long a node that is added or replaced is listed before it comes up and has an address.
    pub node_creating_ms: u64,
    /// A delay before every reply.
    pub latency_ms: u64,
    /// How many calls the log keeps.
    pub log_limit: usize,
    /// Behaviour that nobody outside AWS knows.
    pub doubts: Doubts,
    /// How many calls a second are taken.
    pub quotas: Quotas,
    /// IAM policies by access key id, or `default` for everybody else. A caller without any may do everything.
    pub policies: BTreeMap<String, Policies>,
    /// Customer keys with which something is wrong, by ARN or as secrets name them.
    pub kms_keys: BTreeMap<String, KmsKeyState>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            propagation_ms: Range { min: 100, max: 1_000 },
            node_propagation_ms: BTreeMap::new(),
            stuck_nodes_hold_modifying: false,
            modifying_max_ms: 600_000,
            modifying_lag_ms: 0,
            stale_active_ms: 0,
            settle_extra_ms: 0,
            detached_modifying_ms: 500,
            group_creating_ms: 0,
            tag_modifying_ms: 0,
            signature_window_s: 300,
            enforce_password_characters: true,
            caches: Caches::Redis,
            serverless_nodes: 2,
            node_creating_ms: 0,
            latency_ms: 0,
            log_limit: 100_000,
            doubts: Doubts::default(),
            quotas: Quotas::default(),
            policies: BTreeMap::new(),
            kms_keys: BTreeMap::new(),
        }
    }
}

/// What stands behind a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Caches {
    /// A process of `redis-server` or `valkey-server` for each node.
    Redis,
    /// Nothing: nodes exist in the model only.
    Virtual,
}

impl Settings {
    /// Takes over the fields that `patch` names (RFC 7386 in spirit: objects merge, `null` takes a key away).
    ///
    /// # Errors
    /// A patch that is no object, a field that does not exist or a value that does not fit; then nothing has changed.
    pub fn patched(&self, patch: &serde_json::Value) -> Result<Self, SettingsError> {
        if !patch.is_object() {
            return Err(SettingsError::NoTable);
        }
        check::check_tables("", patch)?;
        let mut whole = serde_json::to_value(self)?;
        merge_settings(&mut whole, patch);
        let settings = serde_json::from_value(whole)?;
        check::check(&settings)?;
        Ok(settings)
    }

    /// Reads settings in TOML; what they do not name has its default.
    ///
    /// # Errors
    /// As for [`patched`](Self::patched), or text that is not TOML.
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        check::check_tables("", &toml::from_str(text)?)?;
        let settings = toml::from_str(text)?;
        check::check(&settings)?;
        Ok(settings)
    }
}

/// The setting whose values are documents of IAM.
pub(super) const POLICIES: &str = "policies";

/// Merges settings. A caller's policies are taken over whole: parts of two documents do not make a third.
fn merge_settings(into: &mut serde_json::Value, patch: &serde_json::Value) {
    let mut patch = patch.clone();
    let policies = patch.as_object_mut().and_then(|patch| match patch.get(POLICIES) {
        Some(serde_json::Value::Object(_)) => patch.remove(POLICIES),
        _ => None,
    });
    merge(into, &patch);
    let Some(serde_json::Value::Object(policies)) = policies else {
        return;
    };
    for (caller, documents) in policies {
        if documents.is_null() {
            if let Some(callers) = into[POLICIES].as_object_mut() {
                callers.remove(&caller);
            }
        } else {
            into[POLICIES][&caller] = documents;
        }
    }
}

fn merge(into: &mut serde_json::Value, patch: &serde_json::Value) {
    let (serde_json::Value::Object(into), serde_json::Value::Object(patch)) = (&mut *into, patch) else {
        *into = patch.clone();
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            into.remove(key);
        } else {
            merge(into.entry(key.clone()).or_insert(serde_json::Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let settings = Settings::default();
        let patched = settings
            .patched(&json!({"propagation_ms": {"max": 7000}, "node_propagation_ms": {"replica-2": "never"}}))
            .unwrap();
        assert_eq!(patched.propagation_ms, Range { min: 100, max: 7000 });
        assert_eq!(patched.node_propagation_ms["replica-2"], Delay::NEVER);
        let back = patched
            .patched(&json!({"node_propagation_ms": {"replica-2": null}}))
            .unwrap();
        assert!(back.node_propagation_ms.is_empty());
        assert!(settings.patched(&json!({"no_such": 1})).is_err());
    }
}
