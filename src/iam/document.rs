//! A policy document as data, before it is written as JSON or as somebody's template.

use serde_json::{Map, Value, json};

/// The version of the policy language.
pub(super) const VERSION: &str = "2012-10-17";

/// What stands in a JSON document where an account is not known. It matches every account, which gives the policy's
/// holder nothing in others unless they let it in themselves.
const ANY_ACCOUNT: &str = "*";

/// Takes as much room as any account.
const SOME_ACCOUNT: &str = "000000000000";

/// A policy document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// Its statements.
    pub statements: Vec<Statement>,
}

/// A statement that allows something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// What it is called: letters and digits, and nothing else in its document is called so.
    pub sid: String,
    /// Whom it allows it, in a role's trust policy; in others whoever has the policy.
    pub principal: Option<String>,
    /// The actions.
    pub actions: Vec<&'static str>,
    /// On what; nothing in a trust policy, which is about its role.
    pub resources: Vec<Resource>,
    /// Under which conditions, all of them.
    pub conditions: Vec<Condition>,
}

/// A condition: the key's value is one of these.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Condition {
    /// The condition key.
    pub key: String,
    /// The values, as policies write them.
    pub values: Vec<String>,
}

impl Condition {
    /// The one operator that is used.
    pub const OPERATOR: &'static str = "StringEquals";

    /// The condition that the key has one of these values, none of which is meant as a policy variable.
    pub fn equals(key: impl Into<String>, values: impl IntoIterator<Item = String>) -> Self {
        let literal = |value: String| value.replace("${", "${$}{");
        Self {
            key: key.into(),
            values: values.into_iter().map(literal).collect(),
        }
    }
}

/// What actions are allowed on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Resource {
    /// Everything, for actions that IAM cannot restrict.
    All,
    /// What an ARN or a pattern of ARNs covers.
    Arn(Arn),
}

/// An ARN, with patterns in its last part.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Arn {
    /// The partition.
    pub partition: String,
    /// The service.
    pub service: &'static str,
    /// The region; empty for services without.
    pub region: String,
    /// The account.
    pub account: Account,
    /// The rest: kind and name.
    pub rest: String,
}

/// An account.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Account {
    /// This one.
    Known(String),
    /// The one in which the policy is.
    Own,
}

impl Account {
    /// Its id, if it is known.
    pub fn known(&self) -> Option<&str> {
        match self {
            Self::Known(id) => Some(id),
            Self::Own => None,
        }
    }
}

impl Arn {
    /// The ARN, with `own` for an account that is not known.
    pub fn with_own_account(&self, own: &str) -> String {
        let account = self.account.known().unwrap_or(own);
        let (partition, service, region) = (&self.partition, self.service, &self.region);
        format!("arn:{partition}:{service}:{region}:{account}:{}", self.rest)
    }
}

impl Resource {
    fn with_own_account(&self, own: &str) -> String {
        match self {
            Self::All => "*".to_owned(),
            Self::Arn(arn) => arn.with_own_account(own),
        }
    }
}

impl Statement {
    /// A statement without conditions.
    pub fn new(sid: impl Into<String>, actions: &[&'static str], resources: Vec<Resource>) -> Self {
        Self {
            sid: sid.into(),
            principal: None,
            actions: actions.to_vec(),
            resources,
            conditions: Vec::new(),
        }
    }

    fn json(&self, own_account: &str) -> Value {
        let mut json = Map::new();
        json.insert("Sid".to_owned(), json!(self.sid));
        json.insert("Effect".to_owned(), json!("Allow"));
        if let Some(principal) = &self.principal {
            json.insert("Principal".to_owned(), json!({ "AWS": principal }));
        }
        json.insert("Action".to_owned(), json!(self.actions));
        if !self.resources.is_empty() {
            let resources = self
                .resources
                .iter()
                .map(|resource| resource.with_own_account(own_account));
            json.insert("Resource".to_owned(), resources.collect());
        }
        if !self.conditions.is_empty() {
            let keys = self.conditions.iter();
            let keys = keys.map(|condition| (condition.key.clone(), json!(condition.values)));
            let keys = Value::Object(keys.collect());
            json.insert("Condition".to_owned(), json!({ Condition::OPERATOR: keys }));
        }
        Value::Object(json)
    }
}

impl Document {
    /// The document as IAM takes it. An account that is not known is any.
    pub fn json(&self) -> Value {
        self.with_own_account(ANY_ACCOUNT)
    }

    /// How long it is as IAM counts: without white space, and with every account filled in.
    pub fn characters(&self) -> usize {
        let text = self.with_own_account(SOME_ACCOUNT).to_string();
        text.chars().filter(|character| !character.is_whitespace()).count()
    }

    /// Whether an ARN leaves its account open.
    pub fn leaves_account_open(&self) -> bool {
        let mut resources = self.statements.iter().flat_map(|statement| &statement.resources);
        resources.any(|resource| matches!(resource, Resource::Arn(arn) if arn.account == Account::Own))
    }

    fn with_own_account(&self, own: &str) -> Value {
        let statements = self.statements.iter().map(|statement| statement.json(own));
        json!({ "Version": VERSION, "Statement": statements.collect::<Vec<_>>() })
    }
}
