//! Resource policies of secrets: what PutResourcePolicy takes and ValidateResourcePolicy reports. Grammar: IAM user guide,
//! "Grammar of the IAM JSON policy language". Texts: Secrets Manager user guide, "Managing a resource-based policy for a
//! secret". What AWS finds by reasoning is found here by rules: the policy itself is kept, and nobody is asked by it.

use serde::Serialize;
use serde_json::{Map, Value};

/// What a policy fails at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PolicyFinding {
    /// The check. (AWS's names of its checks are not known.)
    pub check_name: String,
    /// The text.
    pub error_message: String,
}

/// What is wrong with a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PolicyProblem {
    #[error("This resource policy contains a syntax error.")]
    Syntax,
    #[error("This resource policy contains an unsupported principal.")]
    Principal,
    #[error("This resource policy contains an invalid service principal.")]
    ServicePrincipal,
    #[error(
        "This resource policy grants broad access to your secret. Secrets Manager does not allow creating and applying such policies in the console."
    )]
    BroadAccess,
    #[error("Your requested changes will not allow you to manage this secret in the future.")]
    Lockout,
}

impl PolicyProblem {
    /// Whether the policy is no policy, as opposed to one that somebody may not want.
    pub(crate) fn is_malformed(self) -> bool {
        self != Self::BroadAccess
    }

    pub(crate) fn finding(self) -> PolicyFinding {
        let check = match self {
            Self::Syntax => "SYNTAX",
            Self::Principal | Self::ServicePrincipal => "PRINCIPAL",
            Self::BroadAccess => "PUBLIC_ACCESS",
            Self::Lockout => "LOCKOUT",
        };
        PolicyFinding {
            check_name: check.to_owned(),
            error_message: self.to_string(),
        }
    }
}

/// Everything that is wrong with a policy, each thing once; with a syntax error nothing else is looked for.
pub(crate) fn problems(text: &str) -> Vec<PolicyProblem> {
    let document = serde_json::from_str::<Map<String, Value>>(text).ok();
    let Some(statements) = document.as_ref().and_then(statements) else {
        return vec![PolicyProblem::Syntax];
    };
    let mut found = Vec::new();
    for statement in statements {
        found.extend(principals(statement).filter_map(|(kind, id)| unsupported(kind, id)));
        if is_broad(statement) {
            found.push(PolicyProblem::BroadAccess);
        }
        if locks_out(statement) {
            found.push(PolicyProblem::Lockout);
        }
    }
    let mut once = Vec::new();
    for problem in found {
        if !once.contains(&problem) {
            once.push(problem);
        }
    }
    once
}

/// The statements of a document; nothing if it is none.
fn statements(document: &Map<String, Value>) -> Option<Vec<&Map<String, Value>>> {
    only(document, &["Version", "Id", "Statement"])?;
    let version = document.get("Version").map_or(Some("2008-10-17"), Value::as_str)?;
    let known = ["2012-10-17", "2008-10-17"].contains(&version);
    let id = document.get("Id").is_none_or(Value::is_string);
    let statements = match document.get("Statement")? {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    let statements: Option<Vec<_>> = statements.into_iter().map(statement).collect();
    statements.filter(|list| known && id && !list.is_empty())
}

fn statement(value: &Value) -> Option<&Map<String, Value>> {
    let statement = value.as_object()?;
    only(
        statement,
        &[
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ],
    )?;
    let sid = statement.get("Sid").is_none_or(Value::is_string);
    let effect = matches!(statement.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny"));
    let principal = is_principal(either(statement, "Principal", "NotPrincipal")?);
    let actions = texts(either(statement, "Action", "NotAction")?)?;
    let action = |text: &&str| {
        *text == "*"
            || text
                .split_once(':')
                .is_some_and(|(of, name)| !of.is_empty() && !name.is_empty())
    };
    let resources = texts(either(statement, "Resource", "NotResource")?)?;
    let resource = |text: &&str| *text == "*" || text.starts_with("arn:");
    let conditions = statement.get("Condition").is_none_or(is_condition);
    let good = sid && effect && principal && actions.iter().all(action) && resources.iter().all(resource) && conditions;
    good.then_some(statement)
}

fn only(map: &Map<String, Value>, known: &[&str]) -> Option<()> {
    map.keys().all(|key| known.contains(&key.as_str())).then_some(())
}

/// The one of two elements that is there.
fn either<'a>(statement: &'a Map<String, Value>, this: &str, that: &str) -> Option<&'a Value> {
    match (statement.get(this), statement.get(that)) {
        (Some(value), None) | (None, Some(value)) => Some(value),
        _ => None,
    }
}

/// A text, or a list of at least one.
fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) if !list.is_empty() => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn is_principal(value: &Value) -> bool {
    let kinds = ["AWS", "Service", "Federated", "CanonicalUser"];
    match value {
        Value::String(text) => text == "*",
        Value::Object(map) => {
            !map.is_empty()
                && map
                    .iter()
                    .all(|(kind, ids)| kinds.contains(&kind.as_str()) && texts(ids).is_some())
        }
        _ => false,
    }
}

/// Operators with keys with values.
fn is_condition(value: &Value) -> bool {
    let values = |value: &Value| match value {
        Value::Array(list) => list.iter().all(|one| !one.is_array() && !one.is_object()),
        one => !one.is_object() && !one.is_null(),
    };
    let keys = |value: &Value| value.as_object().is_some_and(|keys| keys.values().all(values));
    value.as_object().is_some_and(|operators| operators.values().all(keys))
}

/// The principals of a statement with their kinds, those that it leaves out too.
fn principals(statement: &Map<String, Value>) -> impl Iterator<Item = (&str, &str)> {
    let named = either(statement, "Principal", "NotPrincipal").and_then(Value::as_object);
    let kinds = named.into_iter().flatten();
    kinds.flat_map(|(kind, ids)| {
        let ids = texts(ids).unwrap_or_default().into_iter();
        ids.map(move |id| (kind.as_str(), id))
    })
}

/// Whether a principal has a form that there is. Whether it exists is not known here: there is no IAM.
fn unsupported(kind: &str, id: &str) -> Option<PolicyProblem> {
    match kind {
        "AWS" => {
            let account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
            let arn: Vec<&str> = id.splitn(6, ':').collect();
            let by_arn = match arn.as_slice() {
                ["arn", _, "iam", "", of, what] => {
                    let kinds = ["user/", "role/"];
                    let named = |kind: &&str| what.len() > kind.len() && what.starts_with(kind);
                    account(of) && (*what == "root" || kinds.iter().any(named))
                }
                ["arn", _, "sts", "", of, what] => {
                    account(of) && (what.starts_with("assumed-role/") || what.starts_with("federated-user/"))
                }
                _ => false,
            };
            (id != "*" && !account(id) && !by_arn).then_some(PolicyProblem::Principal)
        }
        "Service" => {
            let service = id.strip_suffix(".cn").unwrap_or(id).strip_suffix(".amazonaws.com");
            let good = service.is_some_and(|name| !name.is_empty());
            (!good).then_some(PolicyProblem::ServicePrincipal)
        }
        _ => None,
    }
}

/// Whether everybody is meant.
fn is_everybody(statement: &Map<String, Value>) -> bool {
    statement.get("Principal").and_then(Value::as_str) == Some("*")
        || statement.contains_key("NotPrincipal")
        || principals(statement).any(|(kind, id)| kind == "AWS" && id == "*")
}

/// Conditions that say who or from where, in so many words (Amazon S3 user guide, "The meaning of public", to which the
/// guide of Secrets Manager refers).
const NARROWING: [&str; 12] = [
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalservicename",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceowner",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "aws:sourceip",
];

/// Whether a statement lets everybody in.
fn is_broad(statement: &Map<String, Value>) -> bool {
    let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
    allows && is_everybody(statement) && !is_narrowed(statement)
}

fn is_narrowed(statement: &Map<String, Value>) -> bool {
    let operators = statement
        .get("Condition")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let mut narrowing = operators.flat_map(|(operator, keys)| {
        let compares = !operator.contains("Not") && !operator.contains("IfExists");
        keys.as_object().into_iter().flatten().filter(move |_| compares)
    });
    narrowing.any(|(key, values)| {
        let known = NARROWING.iter().any(|known| known.eq_ignore_ascii_case(key));
        let fixed = |values: Vec<&str>| {
            values
                .iter()
                .all(|value| !value.starts_with('*') && !value.ends_with("/0"))
        };
        known && texts(values).is_some_and(fixed)
    })
}

/// Whether a statement denies everybody to change the policy again.
fn locks_out(statement: &Map<String, Value>) -> bool {
    let denies = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
    let everybody = is_everybody(statement) && !statement.contains_key("NotPrincipal");
    let management = |action: &str| {
        let action = action.to_ascii_lowercase();
        [
            "*",
            "secretsmanager:*",
            "secretsmanager:put*",
            "secretsmanager:putresourcepolicy",
        ]
        .contains(&action.as_str())
    };
    let actions = statement.get("Action").and_then(texts).unwrap_or_default();
    denies && everybody && !statement.contains_key("Condition") && actions.into_iter().any(management)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn of(statement: Value) -> Vec<PolicyProblem> {
        problems(&json!({"Version": "2012-10-17", "Statement": [statement]}).to_string())
    }

    fn to(principal: Value) -> Vec<PolicyProblem> {
        of(
            json!({"Effect": "Allow", "Principal": principal, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}),
        )
    }

    #[test]
    fn principals_are_accounts_users_roles_and_services() {
        for good in [
            json!({"AWS": "123456789012"}),
            json!({"AWS": ["arn:aws:iam::123456789012:root", "arn:aws:iam::123456789012:role/a/b"]}),
            json!({"AWS": "arn:aws:sts::123456789012:assumed-role/r/s"}),
            json!({"Service": "lambda.amazonaws.com"}),
        ] {
            assert_eq!(to(good.clone()), [], "{good}");
        }
        assert_eq!(to(json!({"AWS": "somebody"})), [PolicyProblem::Principal]);
        assert_eq!(to(json!({"AWS": "arn:aws:iam::12:root"})), [PolicyProblem::Principal]);
        assert_eq!(to(json!({"Service": "lambda"})), [PolicyProblem::ServicePrincipal]);
        assert_eq!(to(json!({"Nobody": "x"})), [PolicyProblem::Syntax]);
    }

    #[test]
    fn everybody_is_broad_unless_a_condition_says_who() {
        let with = |condition: Value| {
            of(json!({
                "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "secretsmanager:*", "Resource": "*",
                "Condition": condition,
            }))
        };
        assert_eq!(to(json!("*")), [PolicyProblem::BroadAccess]);
        assert_eq!(with(json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}})), []);
        for narrow in [
            json!({"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}}),
            json!({"StringLike": {"aws:SourceArn": "*"}}),
            json!({"Bool": {"aws:SecureTransport": "true"}}),
        ] {
            assert_eq!(with(narrow.clone()), [PolicyProblem::BroadAccess], "{narrow}");
        }
    }

    #[test]
    fn what_is_no_policy_is_a_syntax_error() {
        let good = json!({"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:Get*", "Resource": "*"});
        assert_eq!(of(good.clone()), []);
        for (key, value) in [
            ("Effect", json!("AllowSomething")),
            ("Principal", json!("somebody")),
            ("Action", json!([])),
            ("Action", json!("GetSecretValue")),
            ("Resource", json!("secret")),
            ("NotAction", json!("*")),
            ("Condition", json!({"StringEquals": "x"})),
            ("Other", json!(1)),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            assert_eq!(of(bad.clone()), [PolicyProblem::Syntax], "{bad}");
        }
        for text in [
            "",
            "[]",
            "{}",
            "{\"Statement\": []}",
            "{\"Version\": \"2019-10-19\", \"Statement\": []}",
        ] {
            assert_eq!(problems(text), [PolicyProblem::Syntax], "{text}");
        }
        assert_eq!(problems(&"[".repeat(5_000)), [PolicyProblem::Syntax]);
    }

    #[test]
    fn nobody_locks_everybody_out() {
        let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:*", "Resource": "*"});
        assert_eq!(of(deny), [PolicyProblem::Lockout]);
    }
}
