//! What rekeyd does in a place, as statements: the daemon, and the commands that do no more with a secret than look at it
//! and take it over. What making users and secrets needs is in `onboarding`.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Account, Arn, Condition, Document, Resource, Statement};
use super::given::KmsKey;
use super::purpose::Purpose;
use crate::policy::{Place, Policy, UserPattern, Verify};

/// What the daemon does with a secret, once it knows it.
const ROTATE: [&str; 5] = [
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListSecretVersionIds",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
];

/// What a plan does with one.
const READ: [&str; 3] = [
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListSecretVersionIds",
];

/// What a takeover does with one.
const TAKE_OVER: [&str; 5] = [
    "secretsmanager:CancelRotateSecret",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:ListSecretVersionIds",
    "secretsmanager:UpdateSecretVersionStage",
];

/// What the daemon does with the table that records are kept in, what commands do with it, and what a plan does.
const KEEP_RECORDS: [&str; 4] = [
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
];
const GIVE_COMMANDS: [&str; 3] = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"];
const READ_RECORDS: [&str; 2] = ["dynamodb:GetItem", "dynamodb:Query"];

/// What makes that table.
const MAKE_TABLE: [&str; 6] = [
    "dynamodb:CreateTable",
    "dynamodb:DescribeContinuousBackups",
    "dynamodb:DescribeTable",
    "dynamodb:DescribeTimeToLive",
    "dynamodb:UpdateContinuousBackups",
    "dynamodb:UpdateTimeToLive",
];

/// What reading a value under a customer key needs of it, and what writing one does.
const DECRYPT: [&str; 1] = ["kms:Decrypt"];
const ENCRYPT_AND_DECRYPT: [&str; 2] = ["kms:Decrypt", "kms:GenerateDataKey"];

/// Where nodes are looked up: each action with the kind of ARN that it is checked on. A listing, which serves all who
/// ask at the same time, asks for all of a kind, and which groups and caches a user has AWS alone knows.
const NODE_LOOK_UPS: [(&str, &str); 4] = [
    ("elasticache:DescribeUserGroups", "usergroup"),
    ("elasticache:DescribeReplicationGroups", "replicationgroup"),
    ("elasticache:DescribeCacheClusters", "cluster"),
    ("elasticache:DescribeServerlessCaches", "serverlesscache"),
];

/// Stands for the six random characters at the end of a secret's ARN.
pub(super) const SUFFIX: &str = "-??????";

/// A place with what is known about it.
pub(super) struct Site<'a> {
    pub(super) place: &'a Place,
    pub(super) policies: Vec<&'a Policy>,
    /// The event buses that are told of what happens, by name or ARN.
    pub(super) buses: BTreeSet<&'a str>,
    /// The table that records are kept in, if it is reached there.
    pub(super) table: Option<&'a str>,
    pub(super) account: Account,
    pub(super) kms_keys: Vec<&'a KmsKey>,
    pub(super) purpose: Purpose,
}

impl Site<'_> {
    /// What its policies need there, and what the table does.
    pub(super) fn permissions(&self) -> Document {
        let mut statements = match self.policies.is_empty() {
            true => Vec::new(),
            false => self.of_policies(),
        };
        statements.extend(self.notifications());
        statements.extend(self.records());
        Document { statements }
    }

    fn of_policies(&self) -> Vec<Statement> {
        match self.purpose {
            Purpose::Daemon => {
                let mut statements = self.secrets("Rotate", &ROTATE);
                statements.extend(self.listing());
                statements.push(self.passwords());
                statements.push(self.look_ups());
                statements.extend(self.keys(&ENCRYPT_AND_DECRYPT));
                statements
            }
            Purpose::Plan => {
                let mut statements = self.secrets("Read", &READ);
                statements.extend(self.listing());
                statements.push(self.look_ups());
                statements.extend(self.keys(&DECRYPT));
                statements
            }
            Purpose::Takeover => {
                let mut statements = self.secrets("TakeOver", &TAKE_OVER);
                statements.push(self.look_ups());
                statements.extend(self.keys(&DECRYPT));
                statements
            }
            Purpose::Onboard => {
                let mut statements = self.onboarding();
                statements.push(self.look_ups());
                statements.extend(self.keys(&ENCRYPT_AND_DECRYPT));
                statements
            }
            Purpose::Commands | Purpose::InitTable => Vec::new(),
        }
    }

    pub(super) fn arn(&self, service: &'static str, rest: impl Into<String>) -> Resource {
        Resource::Arn(Arn {
            partition: self.place.partition().to_owned(),
            service,
            region: self.place.region.clone(),
            account: self.account.clone(),
            rest: rest.into(),
        })
    }

    /// These actions on every secret that a policy has, in statements whose names begin with a verb.
    fn secrets(&self, verb: &str, actions: &[&'static str]) -> Vec<Statement> {
        let mut statements = Vec::new();
        let plain = self.untagged(&[SUFFIX]);
        if !plain.is_empty() {
            statements.push(Statement::new(format!("{verb}Secrets"), actions, plain));
        }
        for (number, (tags, resources)) in (1..).zip(self.tagged()) {
            statements.push(Statement {
                conditions: tag_conditions("aws:ResourceTag", tags),
                ..Statement::new(format!("{verb}TaggedSecrets{number}"), actions, resources)
            });
        }
        statements
    }

    /// The secrets that are a policy's by name or prefix, whatever their tags. Each of `endings` stands behind a name in
    /// a resource of its own.
    pub(super) fn untagged(&self, endings: &[&str]) -> Vec<Resource> {
        let prefixes = self.prefixes();
        let patterns = prefixes.iter().map(|prefix| format!("secret:{prefix}*"));
        let mut resources: BTreeSet<Resource> = patterns.map(|pattern| self.arn("secretsmanager", pattern)).collect();
        let named = self.policies.iter().flat_map(|policy| &policy.selection.secrets);
        resources.extend(named.flat_map(|secret| self.named(secret, &prefixes, endings)));
        resources.into_iter().collect()
    }

    /// The prefixes that select whatever the tags, none of which another one covers.
    fn prefixes(&self) -> BTreeSet<String> {
        let selections = self.policies.iter().map(|policy| &policy.selection);
        let untagged = selections.filter(|selection| selection.tags.is_empty());
        let prefixes: BTreeSet<String> = untagged.filter_map(|selection| selection.name_prefix.clone()).collect();
        widest(&prefixes)
    }

    /// Tags, each set with the secrets among which policies select by it.
    pub(super) fn tagged(&self) -> Vec<(BTreeMap<String, String>, Vec<Resource>)> {
        let untagged = self.prefixes();
        let mut tagged: BTreeMap<BTreeMap<String, String>, BTreeSet<String>> = BTreeMap::new();
        for selection in self.policies.iter().map(|policy| &policy.selection) {
            let prefix = selection.name_prefix.clone().unwrap_or_default();
            if !selection.tags.is_empty() && !is_covered(&prefix, &untagged) {
                tagged.entry(selection.tags.clone()).or_default().insert(prefix);
            }
        }
        let resources = |prefixes: &BTreeSet<String>| {
            let patterns = widest(prefixes).into_iter().map(|prefix| format!("secret:{prefix}*"));
            patterns.map(|pattern| self.arn("secretsmanager", pattern)).collect()
        };
        tagged
            .into_iter()
            .map(|(tags, prefixes)| (tags, resources(&prefixes)))
            .collect()
    }

    /// A secret that is named, by name or ARN, unless a prefix covers it.
    fn named(&self, secret: &str, prefixes: &BTreeSet<String>, endings: &[&str]) -> Vec<Resource> {
        let Some(parts) = secret.strip_prefix("arn:") else {
            let endings = endings.iter().filter(|_| !is_covered(secret, prefixes));
            return endings
                .map(|ending| self.arn("secretsmanager", format!("secret:{secret}{ending}")))
                .collect();
        };
        let parts: Vec<&str> = parts.splitn(6, ':').collect();
        let [partition, _, _, account, _, name] = parts[..] else {
            return Vec::new();
        };
        let endings = if ends_in_suffix(name) { &[""] } else { endings };
        let resource = |ending: &&str| {
            Resource::Arn(Arn {
                partition: partition.to_owned(),
                service: "secretsmanager",
                region: self.place.region.clone(),
                account: Account::Known(account.to_owned()),
                rest: format!("secret:{name}{ending}"),
            })
        };
        let endings = endings.iter().filter(|_| !is_covered(name, prefixes));
        endings.map(resource).collect()
    }

    fn listing(&self) -> Option<Statement> {
        let selects = self.policies.iter().any(|policy| policy.selection.selects());
        selects.then(|| Statement::new("ListSecrets", &["secretsmanager:ListSecrets"], vec![Resource::All]))
    }

    /// Events on exactly the buses that are configured.
    fn notifications(&self) -> Option<Statement> {
        let bus = |bus: &&str| match bus.splitn(6, ':').collect::<Vec<_>>()[..] {
            ["arn", partition, _, region, account, name] => Resource::Arn(Arn {
                partition: partition.to_owned(),
                service: "events",
                region: region.to_owned(),
                account: Account::Known(account.to_owned()),
                rest: name.to_owned(),
            }),
            _ => self.arn("events", format!("event-bus/{bus}")),
        };
        let buses: BTreeSet<Resource> = self.buses.iter().map(bus).collect();
        (!buses.is_empty()).then(|| Statement::new("Notify", &["events:PutEvents"], buses.into_iter().collect()))
    }

    /// What is done with the table that records are kept in.
    fn records(&self) -> Option<Statement> {
        let table = self.arn("dynamodb", format!("table/{}", self.table?));
        let (sid, actions): (&str, &[&'static str]) = match self.purpose {
            Purpose::Daemon => ("KeepRecords", &KEEP_RECORDS),
            Purpose::Plan => ("ReadRecords", &READ_RECORDS),
            Purpose::Onboard | Purpose::Takeover | Purpose::Commands => ("GiveCommands", &GIVE_COMMANDS),
            Purpose::InitTable => ("MakeTable", &MAKE_TABLE),
        };
        Some(Statement::new(sid, actions, vec![table]))
    }

    fn passwords(&self) -> Statement {
        Statement::new("SetPasswords", &["elasticache:ModifyUser"], self.users())
    }

    /// The users that policies allow.
    pub(super) fn users(&self) -> Vec<Resource> {
        let patterns = self.policies.iter().flat_map(|policy| &policy.allow_users);
        // In ARNs ElastiCache's names are in lower case.
        let patterns: BTreeSet<String> = patterns.map(|pattern| pattern.0.to_ascii_lowercase()).collect();
        let covered = |pattern: &String| {
            let mut others = patterns.iter().filter(|other| *other != pattern);
            others.any(|other| UserPattern(other.clone()).matches(pattern))
        };
        let users = patterns.iter().filter(|pattern| !covered(pattern));
        users
            .map(|pattern| self.arn("elasticache", format!("user:{pattern}")))
            .collect()
    }

    fn look_ups(&self) -> Statement {
        let mut actions = vec!["elasticache:DescribeUsers"];
        let mut resources = vec![self.arn("elasticache", "user:*")];
        let looks_up_nodes = self.policies.iter().any(|policy| self.looks_up_nodes(policy));
        for (action, kind) in NODE_LOOK_UPS {
            let looks_up = looks_up_nodes || self.purpose == Purpose::Onboard && kind == "usergroup";
            if looks_up {
                actions.push(action);
                resources.push(self.arn("elasticache", format!("{kind}:*")));
            }
        }
        Statement::new("LookUpUsersAndNodes", &actions, resources)
    }

    /// A policy that names its nodes does not look them up; nor does a command that has nobody to log in on them.
    fn looks_up_nodes(&self, policy: &Policy) -> bool {
        policy.endpoints.is_empty() && !(self.purpose.exceeds_daemon() && policy.verify == Verify::ApiOnly)
    }

    /// Secrets Manager uses a key in the name of its caller, and only so may it be used.
    fn keys(&self, actions: &[&'static str]) -> Option<Statement> {
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
            ..Statement::new("UseKeys", actions, keys.into_iter().collect())
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

/// Conditions that tags have these values, by the key that the tags' own follow.
pub(super) fn tag_conditions(key: &str, tags: BTreeMap<String, String>) -> Vec<Condition> {
    let equals = |(tag, value): (String, String)| Condition::equals(format!("{key}/{tag}"), [value]);
    tags.into_iter().map(equals).collect()
}

/// Whether a name, or all that begin with it, begins with one of these.
fn is_covered(name: &str, prefixes: &BTreeSet<String>) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
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
