//! What rekeyd does in a place, as statements.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Account, Arn, Condition, Document, Resource, Statement};
use super::given::KmsKey;
use crate::policy::{Place, Policy, UserPattern};

/// What rekeyd does with a secret, once it knows it.
const SECRET_ACTIONS: [&str; 5] = [
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListSecretVersionIds",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
];

/// Where nodes are looked up: each action with the kind of ARN that it is checked on. A listing, which serves all who
/// ask at the same time, asks for all of a kind, and which groups and caches a user has AWS alone knows.
const NODE_LOOK_UPS: [(&str, &str); 4] = [
    ("elasticache:DescribeUserGroups", "usergroup"),
    ("elasticache:DescribeReplicationGroups", "replicationgroup"),
    ("elasticache:DescribeCacheClusters", "cluster"),
    ("elasticache:DescribeServerlessCaches", "serverlesscache"),
];

/// Stands for the six random characters at the end of a secret's ARN.
const SUFFIX: &str = "-??????";

/// A place with what is known about it.
pub(super) struct Site<'a> {
    pub(super) place: &'a Place,
    pub(super) policies: Vec<&'a Policy>,
    pub(super) account: Account,
    pub(super) kms_keys: Vec<&'a KmsKey>,
}

impl Site<'_> {
    /// What its policies need there.
    pub(super) fn permissions(&self) -> Document {
        let mut statements = self.secrets();
        statements.extend(self.listing());
        statements.push(self.passwords());
        statements.push(self.look_ups());
        statements.extend(self.keys());
        Document { statements }
    }

    fn arn(&self, service: &'static str, rest: impl Into<String>) -> Resource {
        Resource::Arn(Arn {
            partition: self.place.partition().to_owned(),
            service,
            region: self.place.region.clone(),
            account: self.account.clone(),
            rest: rest.into(),
        })
    }

    fn secrets(&self) -> Vec<Statement> {
        let prefixes = self.prefixes();
        let covered = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()));
        let mut plain: BTreeSet<Resource> = prefixes
            .iter()
            .map(|prefix| self.arn("secretsmanager", format!("secret:{prefix}*")))
            .collect();
        let named = self.policies.iter().flat_map(|policy| &policy.selection.secrets);
        plain.extend(named.filter_map(|secret| self.named(secret, covered)));
        let mut statements = Vec::new();
        if !plain.is_empty() {
            statements.push(Statement::new(
                "RotateSecrets",
                &SECRET_ACTIONS,
                plain.into_iter().collect(),
            ));
        }
        for (number, (tags, prefixes)) in (1..).zip(self.tagged(covered)) {
            let patterns = prefixes.into_iter().map(|prefix| format!("secret:{prefix}*"));
            let resources = patterns.map(|pattern| self.arn("secretsmanager", pattern)).collect();
            let equals = |(key, value): (String, String)| Condition::equals(format!("aws:ResourceTag/{key}"), [value]);
            statements.push(Statement {
                conditions: tags.into_iter().map(equals).collect(),
                ..Statement::new(format!("RotateTaggedSecrets{number}"), &SECRET_ACTIONS, resources)
            });
        }
        statements
    }

    /// The prefixes that select whatever the tags, none of which another one covers.
    fn prefixes(&self) -> BTreeSet<String> {
        let selections = self.policies.iter().map(|policy| &policy.selection);
        let untagged = selections.filter(|selection| selection.tags.is_empty());
        let prefixes: BTreeSet<String> = untagged.filter_map(|selection| selection.name_prefix.clone()).collect();
        widest(&prefixes)
    }

    /// Tags with the prefixes of names beside them, if any.
    fn tagged(&self, covered: impl Fn(&str) -> bool) -> BTreeMap<BTreeMap<String, String>, BTreeSet<String>> {
        let mut tagged: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for selection in self.policies.iter().map(|policy| &policy.selection) {
            let prefix = selection.name_prefix.clone().unwrap_or_default();
            if !selection.tags.is_empty() && !covered(&prefix) {
                tagged.entry(selection.tags.clone()).or_default().insert(prefix);
            }
        }
        tagged
            .into_iter()
            .map(|(tags, prefixes)| (tags, widest(&prefixes)))
            .collect()
    }

    /// A secret that is named, by name or ARN, unless a prefix covers it.
    fn named(&self, secret: &str, covered: impl Fn(&str) -> bool) -> Option<Resource> {
        let Some(parts) = secret.strip_prefix("arn:") else {
            return (!covered(secret)).then(|| self.arn("secretsmanager", format!("secret:{secret}{SUFFIX}")));
        };
        let mut parts = parts.splitn(6, ':');
        let (partition, account) = (parts.next()?, parts.nth(2)?);
        let name = parts.nth(1)?;
        let suffix = if ends_in_suffix(name) { "" } else { SUFFIX };
        (!covered(name)).then(|| {
            Resource::Arn(Arn {
                partition: partition.to_owned(),
                service: "secretsmanager",
                region: self.place.region.clone(),
                account: Account::Known(account.to_owned()),
                rest: format!("secret:{name}{suffix}"),
            })
        })
    }

    fn listing(&self) -> Option<Statement> {
        let selects = self.policies.iter().any(|policy| policy.selection.selects());
        selects.then(|| Statement::new("ListSecrets", &["secretsmanager:ListSecrets"], vec![Resource::All]))
    }

    fn passwords(&self) -> Statement {
        let patterns = self.policies.iter().flat_map(|policy| &policy.allow_users);
        // In ARNs ElastiCache's names are in lower case.
        let patterns: BTreeSet<String> = patterns.map(|pattern| pattern.0.to_ascii_lowercase()).collect();
        let covered = |pattern: &String| {
            let mut others = patterns.iter().filter(|other| *other != pattern);
            others.any(|other| UserPattern(other.clone()).matches(pattern))
        };
        let users = patterns.iter().filter(|pattern| !covered(pattern));
        let users = users
            .map(|pattern| self.arn("elasticache", format!("user:{pattern}")))
            .collect();
        Statement::new("SetPasswords", &["elasticache:ModifyUser"], users)
    }

    fn look_ups(&self) -> Statement {
        let mut actions = vec!["elasticache:DescribeUsers"];
        let mut resources = vec![self.arn("elasticache", "user:*")];
        // A policy that names its nodes does not look them up.
        if self.policies.iter().any(|policy| policy.endpoints.is_empty()) {
            for (action, kind) in NODE_LOOK_UPS {
                actions.push(action);
                resources.push(self.arn("elasticache", format!("{kind}:*")));
            }
        }
        Statement::new("LookUpUsersAndNodes", &actions, resources)
    }

    /// Secrets Manager uses a key in the name of its caller, and only so may it be used.
    fn keys(&self) -> Option<Statement> {
        let key = |key: &&KmsKey| {
            Resource::Arn(Arn {
                partition: key.partition.clone(),
                service: "kms",
                region: key.region.clone(),
                account: Account::Known(key.account.clone()),
                rest: key.name.clone(),
            })
        };
        let keys: BTreeSet<Resource> = self.kms_keys.iter().map(key).collect();
        (!keys.is_empty()).then(|| Statement {
            conditions: vec![Condition::equals("kms:ViaService", via_secrets_manager(self.place))],
            ..Statement::new(
                "UseKeys",
                &["kms:Decrypt", "kms:GenerateDataKey"],
                keys.into_iter().collect(),
            )
        })
    }
}

/// What KMS calls Secrets Manager when it acts for a caller (KMS developer guide, `kms:ViaService`). Whether it ends
/// as everywhere or as endpoints do in China, no page says: there both are allowed.
fn via_secrets_manager(place: &Place) -> Vec<String> {
    let service = format!("secretsmanager.{}.amazonaws.com", place.region);
    match place.partition() {
        "aws-cn" => vec![format!("{service}.cn"), service],
        _ => vec![service],
    }
}

/// The prefixes that no other one covers.
fn widest(prefixes: &BTreeSet<String>) -> BTreeSet<String> {
    let covered = |prefix: &&String| {
        let mut others = prefixes.iter().filter(|other| other != prefix);
        others.any(|other| prefix.starts_with(other.as_str()))
    };
    prefixes.iter().filter(|prefix| !covered(prefix)).cloned().collect()
}

/// AWS takes a hyphen and six characters at the end of any ARN for its own (DescribeSecret, `SecretId`).
fn ends_in_suffix(name: &str) -> bool {
    let tail = name.rsplit_once('-').map(|(_, tail)| tail);
    tail.is_some_and(|tail| tail.len() == 6 && tail.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}
