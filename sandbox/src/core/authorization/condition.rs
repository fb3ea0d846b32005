//! Conditions, and what they can ask about.

use std::collections::BTreeMap;

use serde_json::Value;

use super::defect::PolicyDefect;
use super::document::texts;
use super::glob::Glob;

/// The keys that requests have, in lower case; those that end in `/` are followed by a tag's key.
///
/// Sources: Service Authorization Reference, "AWS Secrets Manager", "Amazon ElastiCache" and "AWS KMS"; IAM user guide,
/// "AWS global condition context keys".
const KEYS: [&str; 7] = [
    "aws:requestedregion",
    "aws:requesttag/",
    "aws:resourcetag/",
    "secretsmanager:resourcetag/",
    "secretsmanager:secretid",
    "kms:viaservice",
    "kms:encryptioncontext:secretarn",
];

/// What a request brings: values by key, in lower case, since neither keys nor the tags in them have one
/// (IAM user guide, "Condition").
#[derive(Debug, Clone, Default)]
pub(super) struct RequestKeys(BTreeMap<String, String>);

impl RequestKeys {
    /// The same with one more.
    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.0.insert(key.to_ascii_lowercase(), value.to_owned());
        self
    }
}

/// One operator with one key and what it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// Whether the key is absent.
    Null(bool),
    Compare {
        values: Vec<Glob>,
        comparison: Comparison,
        when_absent: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Comparison {
    patterns: bool,
    case: bool,
    negated: bool,
}

impl Comparison {
    /// An operator by name (IAM user guide, "String condition operators").
    fn named(name: &str) -> Option<Self> {
        let (patterns, case, negated) = match name {
            "StringEquals" => (false, true, false),
            "StringNotEquals" => (false, true, true),
            "StringEqualsIgnoreCase" => (false, false, false),
            "StringNotEqualsIgnoreCase" => (false, false, true),
            "StringLike" | "ArnLike" | "ArnEquals" => (true, true, false),
            "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (true, true, true),
            _ => return None,
        };
        Some(Self {
            patterns,
            case,
            negated,
        })
    }

    fn read(self, text: &str) -> Result<Glob, String> {
        let read = if self.patterns { Glob::pattern } else { Glob::text };
        let glob = read(text)?;
        Ok(if self.case { glob } else { glob.without_case() })
    }

    fn holds(self, values: &[Glob], found: &str) -> bool {
        let found = if self.case {
            found.to_owned()
        } else {
            found.to_ascii_lowercase()
        };
        values.iter().any(|value| value.matches(&found)) != self.negated
    }
}

impl Condition {
    /// Reads the `Condition` of a statement; every one of them has to hold.
    pub(super) fn read_all(at: &str, value: Option<&Value>) -> Result<Vec<Self>, PolicyDefect> {
        let Some(value) = value else { return Ok(Vec::new()) };
        let operators = value.as_object().ok_or_else(|| PolicyDefect::new(at, "is no object"))?;
        let mut conditions = Vec::new();
        for (operator, keys) in operators {
            let at = format!("{at}.{operator}");
            let keys = keys.as_object().ok_or_else(|| PolicyDefect::new(&at, "is no object"))?;
            for (key, values) in keys {
                conditions.push(Self::read(&at, operator, key, values)?);
            }
        }
        Ok(conditions)
    }

    fn read(at: &str, operator: &str, key: &str, values: &Value) -> Result<Self, PolicyDefect> {
        let lower = key.to_ascii_lowercase();
        let known = KEYS.iter().any(|known| match known.strip_suffix('/') {
            Some(_) => lower.strip_prefix(known).is_some_and(|tag| !tag.is_empty()),
            None => lower == *known,
        });
        let at = format!("{at}.{key}");
        if !known {
            return Err(PolicyDefect::new(at, "the sandbox does not evaluate this key"));
        }
        let test = Test::read(&at, operator, values)?;
        Ok(Self { key: lower, test })
    }

    /// Whether it holds for a request.
    pub(super) fn holds(&self, keys: &RequestKeys) -> bool {
        let found = keys.0.get(&self.key);
        match (&self.test, found) {
            (Test::Null(absent), found) => found.is_none() == *absent,
            (Test::Compare { values, comparison, .. }, Some(found)) => comparison.holds(values, found),
            (Test::Compare { when_absent, .. }, None) => *when_absent,
        }
    }
}

impl Test {
    /// The keys that requests have here hold one value each. So `ForAnyValue` and `ForAllValues` differ only where
    /// the key is absent: the one is false then, the other true (IAM user guide, "Set operators").
    fn read(at: &str, operator: &str, values: &Value) -> Result<Self, PolicyDefect> {
        let texts = texts(at, values)?;
        if operator == "Null" {
            return match texts[..] {
                ["true"] => Ok(Self::Null(true)),
                ["false"] => Ok(Self::Null(false)),
                _ => Err(PolicyDefect::new(at, "write \"true\" or \"false\"")),
            };
        }
        let (set, name) = operator
            .split_once(':')
            .map_or((None, operator), |(set, name)| (Some(set), name));
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        let comparison = Comparison::named(name).filter(|_| matches!(set, None | Some("ForAnyValue" | "ForAllValues")));
        let comparison =
            comparison.ok_or_else(|| PolicyDefect::new(at, format!("the sandbox does not evaluate {operator}")))?;
        let when_absent = match set {
            Some("ForAllValues") => true,
            Some(_) => if_exists,
            None => if_exists || comparison.negated,
        };
        let values = texts.into_iter().map(|text| comparison.read(text));
        let values = values
            .collect::<Result<_, _>>()
            .map_err(|what| PolicyDefect::new(at, what))?;
        Ok(Self::Compare {
            values,
            comparison,
            when_absent,
        })
    }
}
