//! Policy documents as IAM takes them, as far as this evaluator goes.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Question;
use super::condition::Condition;
use super::defect::PolicyDefect;
use super::glob::Glob;

/// The one version of the policy language that has variables, and that IAM advises.
const VERSION: &str = "2012-10-17";

/// How long a managed policy may be without its white space (IAM user guide, "IAM and AWS STS quotas").
const LONGEST: usize = 6_144;

/// All policies of one caller: a document, or an array of some.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Policies(Vec<PolicyDocument>);

impl Policies {
    /// The key of the policies that hold for every caller that has none of its own.
    pub const OF_OTHERS: &str = "default";

    pub(super) fn documents(&self) -> impl Iterator<Item = &PolicyDocument> {
        self.0.iter()
    }
}

impl TryFrom<Value> for Policies {
    type Error = PolicyDefect;

    fn try_from(value: Value) -> Result<Self, PolicyDefect> {
        let documents = match value {
            Value::Array(documents) => documents,
            one => vec![one],
        };
        let documents = documents.into_iter().map(PolicyDocument::try_from);
        documents.collect::<Result<_, _>>().map(Self)
    }
}

impl From<Policies> for Value {
    fn from(policies: Policies) -> Self {
        let mut documents: Vec<Self> = policies.0.into_iter().map(Self::from).collect();
        match documents.len() {
            1 => documents.remove(0),
            _ => Self::Array(documents),
        }
    }
}

/// A policy document that can be evaluated whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct PolicyDocument {
    source: Value,
    statements: Vec<Statement>,
}

impl PolicyDocument {
    pub(super) fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

impl From<PolicyDocument> for Value {
    fn from(document: PolicyDocument) -> Self {
        document.source
    }
}

impl TryFrom<Value> for PolicyDocument {
    type Error = PolicyDefect;

    fn try_from(source: Value) -> Result<Self, PolicyDefect> {
        let table = object("the document", &source)?;
        only("the document", table, &["Version", "Id", "Statement"])?;
        if table.get("Version").and_then(Value::as_str) != Some(VERSION) {
            return Err(PolicyDefect::new("Version", format!("write \"{VERSION}\"")));
        }
        let length = source.to_string().chars().filter(|c| !c.is_whitespace()).count();
        if length > LONGEST {
            let what = format!("{length} characters without white space; IAM takes {LONGEST} in a managed policy");
            return Err(PolicyDefect::new("the document", what));
        }
        let statements = match table.get("Statement") {
            Some(Value::Array(statements)) => statements.iter().collect(),
            Some(one) => vec![one],
            None => return Err(PolicyDefect::new("Statement", "is missing")),
        };
        let read = |(index, statement): (usize, &Value)| Statement::read(&format!("Statement[{index}]"), statement);
        let statements = statements.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self { source, statements })
    }
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Statement {
    effect: Effect,
    actions: Scope,
    resources: Scope,
    conditions: Vec<Condition>,
}

impl Statement {
    pub(super) fn effect(&self) -> Effect {
        self.effect
    }

    /// Whether the statement is about what is asked.
    pub(super) fn applies(&self, question: &Question<'_>) -> bool {
        self.actions.covers(&question.action.to_ascii_lowercase())
            && self.resources.covers(question.resource)
            && self.conditions.iter().all(|condition| condition.holds(question.keys))
    }

    fn read(at: &str, value: &Value) -> Result<Self, PolicyDefect> {
        const ELEMENTS: [&str; 7] = [
            "Sid",
            "Effect",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ];
        let table = object(at, value)?;
        only(at, table, &ELEMENTS)?;
        let effect = match table.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err(PolicyDefect::new(format!("{at}.Effect"), "write \"Allow\" or \"Deny\"")),
        };
        Ok(Self {
            effect,
            actions: Scope::read(at, table, ("Action", "NotAction"), action)?,
            resources: Scope::read(at, table, ("Resource", "NotResource"), resource)?,
            conditions: Condition::read_all(&format!("{at}.Condition"), table.get("Condition"))?,
        })
    }
}

/// What an element and its opposite cover.
#[derive(Debug, Clone, PartialEq)]
enum Scope {
    Any(Vec<Glob>),
    AllBut(Vec<Glob>),
}

impl Scope {
    fn covers(&self, text: &str) -> bool {
        match self {
            Self::Any(patterns) => patterns.iter().any(|pattern| pattern.matches(text)),
            Self::AllBut(patterns) => !patterns.iter().any(|pattern| pattern.matches(text)),
        }
    }

    fn read(
        at: &str,
        table: &Map<String, Value>,
        (element, opposite): (&str, &str),
        read: impl Fn(&str) -> Result<Glob, String>,
    ) -> Result<Self, PolicyDefect> {
        let patterns = |name: &str, value: &Value| {
            let at = format!("{at}.{name}");
            let texts = texts(&at, value)?;
            let patterns = texts
                .into_iter()
                .map(|text| read(text).map_err(|what| PolicyDefect::new(&at, what)));
            patterns.collect::<Result<Vec<_>, _>>()
        };
        match (table.get(element), table.get(opposite)) {
            (Some(value), None) => Ok(Self::Any(patterns(element, value)?)),
            (None, Some(value)) => Ok(Self::AllBut(patterns(opposite, value)?)),
            _ => Err(PolicyDefect::new(at, format!("write either {element} or {opposite}"))),
        }
    }
}

/// Actions are compared without case (IAM user guide, "Action").
fn action(text: &str) -> Result<Glob, String> {
    let service = text.split_once(':').map(|(service, _)| service);
    match service {
        Some("") => Err(format!("{text:?} names no service")),
        None if text != "*" => Err(format!("{text:?} names no service")),
        _ => Glob::pattern(text).map(Glob::without_case),
    }
}

fn resource(text: &str) -> Result<Glob, String> {
    if text != "*" && (!text.starts_with("arn:") || text.split(':').count() < 6) {
        return Err(format!("{text:?} is neither an ARN nor \"*\""));
    }
    Glob::pattern(text)
}

fn object<'a>(at: &str, value: &'a Value) -> Result<&'a Map<String, Value>, PolicyDefect> {
    value.as_object().ok_or_else(|| PolicyDefect::new(at, "is no object"))
}

fn only(at: &str, table: &Map<String, Value>, known: &[&str]) -> Result<(), PolicyDefect> {
    let strange = table.keys().find(|key| !known.contains(&key.as_str()));
    strange.map_or(Ok(()), |key| {
        Err(PolicyDefect::new(at, format!("the sandbox does not evaluate {key}")))
    })
}

/// One text, or an array of at least one.
pub(super) fn texts<'a>(at: &str, value: &'a Value) -> Result<Vec<&'a str>, PolicyDefect> {
    let texts: Option<Vec<&str>> = match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(texts) => texts.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let texts = texts.filter(|texts| !texts.is_empty());
    texts.ok_or_else(|| PolicyDefect::new(at, "is neither a string nor an array of some"))
}
