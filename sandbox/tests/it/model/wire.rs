//! Calls as requests: one JSON document a call, which the Rust door reads as its input, Secrets Manager
//! takes as its body, and ElastiCache takes as a form.

use serde_json::{Map, Value, json};

use super::call::{Auth, Call, Version};
use super::reference::Reference;

/// The input of a call, with the names that `reference` knows put in for what the call refers to.
pub fn input(call: &Call, reference: &Reference) -> Value {
    let id = |secret: &str| reference.secret_id(secret);
    let version = |secret: &str, version: &Option<Version>| version.as_ref().map(|v| reference.version_id(secret, v));
    let input = match call {
        Call::CreateSecret { name, token, value } => {
            json!({"Name": name, "ClientRequestToken": token, "SecretString": value})
        }
        Call::PutSecretValue {
            secret,
            token,
            value,
            stages,
        } => json!({
            "SecretId": id(secret), "ClientRequestToken": token, "SecretString": value, "VersionStages": stages,
        }),
        Call::UpdateSecret {
            secret,
            token,
            value,
            description,
        } => json!({
            "SecretId": id(secret), "ClientRequestToken": token, "SecretString": value, "Description": description,
        }),
        Call::UpdateSecretVersionStage {
            secret,
            stage,
            remove_from,
            move_to,
        } => json!({
            "SecretId": id(secret), "VersionStage": stage,
            "RemoveFromVersionId": version(secret, remove_from), "MoveToVersionId": version(secret, move_to),
        }),
        Call::GetSecretValue {
            secret,
            version: wanted,
            stage,
        } => {
            json!({"SecretId": id(secret), "VersionId": version(secret, wanted), "VersionStage": stage})
        }
        Call::DescribeSecret { secret } | Call::RestoreSecret { secret } => json!({"SecretId": id(secret)}),
        Call::ListSecretVersionIds {
            secret,
            include_deprecated,
        } => {
            json!({"SecretId": id(secret), "IncludeDeprecated": include_deprecated})
        }
        Call::DeleteSecret {
            secret,
            recovery_days,
            force,
        } => json!({
            "SecretId": id(secret), "RecoveryWindowInDays": recovery_days,
            "ForceDeleteWithoutRecovery": force.then_some(true),
        }),
        Call::TagResource { secret, key, value } => {
            json!({"SecretId": id(secret), "Tags": [{"Key": key, "Value": value}]})
        }
        Call::UntagResource { secret, key } => json!({"SecretId": id(secret), "TagKeys": [key]}),
        Call::CreateUser {
            user,
            name,
            access,
            auth,
        } => with_auth(
            json!({"UserId": user, "UserName": name, "Engine": "redis", "AccessString": access}),
            auth,
        ),
        Call::ModifyUser {
            user,
            access,
            append,
            auth,
        } => {
            let input = json!({"UserId": user, "AccessString": access, "AppendAccessString": append});
            match auth {
                Some(auth) => with_auth(input, auth),
                None => input,
            }
        }
        Call::DescribeUsers { user } => json!({"UserId": user}),
        Call::DeleteUser { user } => json!({"UserId": user}),
        Call::CreateUserGroup { group, users } => {
            json!({"UserGroupId": group, "Engine": "redis", "UserIds": some(users)})
        }
        Call::ModifyUserGroup { group, add, remove } => {
            json!({"UserGroupId": group, "UserIdsToAdd": some(add), "UserIdsToRemove": some(remove)})
        }
        Call::DescribeUserGroups { group } => json!({"UserGroupId": group}),
        Call::DeleteUserGroup { group } => json!({"UserGroupId": group}),
    };
    without_nulls(input)
}

/// A list, unless it is empty: a form cannot say that.
fn some(list: &[String]) -> Option<&[String]> {
    (!list.is_empty()).then_some(list)
}

fn with_auth(mut input: Value, auth: &Auth) -> Value {
    let passwords = some(&auth.passwords);
    if auth.by_mode {
        let kind = if auth.no_password {
            "no-password-required"
        } else {
            "password"
        };
        input["AuthenticationMode"] = without_nulls(json!({"Type": kind, "Passwords": passwords}));
    } else {
        input["Passwords"] = json!(passwords);
        input["NoPasswordRequired"] = json!(auth.no_password.then_some(true));
    }
    input
}

fn without_nulls(input: Value) -> Value {
    let Value::Object(map) = input else { return input };
    Value::Object(map.into_iter().filter(|(_, value)| !value.is_null()).collect())
}

/// An input as the form that awsQuery takes.
pub fn form(action: &str, input: &Value) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action).append_pair("Version", "2015-02-02");
    let mut pairs = Vec::new();
    flatten("", input, &mut pairs);
    form.extend_pairs(pairs).finish()
}

fn flatten(path: &str, value: &Value, pairs: &mut Vec<(String, String)>) {
    let at = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(&at(key), value, pairs)),
        Value::Array(list) => {
            for (n, item) in list.iter().enumerate() {
                flatten(&at(&format!("member.{}", n + 1)), item, pairs);
            }
        }
        Value::String(text) => pairs.push((path.to_owned(), text.clone())),
        other => pairs.push((path.to_owned(), other.to_string())),
    }
}

/// What is inside `<ActionResult>` as JSON: `<member>`s are a list, other elements an object, text is text.
pub fn result(action: &str, xml: &str) -> Value {
    let document = roxmltree::Document::parse(xml).expect("well-formed XML");
    let name = format!("{action}Result");
    let result = document.descendants().find(|node| node.has_tag_name(name.as_str()));
    result.map_or(Value::Null, element)
}

/// The code of an awsQuery error.
pub fn error_code(xml: &str) -> String {
    let document = roxmltree::Document::parse(xml).expect("well-formed XML");
    let code = document.descendants().find(|node| node.has_tag_name("Code"));
    code.and_then(|node| node.text()).unwrap_or_default().to_owned()
}

fn element(node: roxmltree::Node<'_, '_>) -> Value {
    let children: Vec<_> = node.children().filter(roxmltree::Node::is_element).collect();
    match children.first() {
        None => json!(node.text().unwrap_or_default()),
        Some(first) if first.has_tag_name("member") => children.into_iter().map(element).collect(),
        Some(_) => {
            let named = |child: roxmltree::Node<'_, '_>| (child.tag_name().name().to_owned(), element(child));
            Value::Object(children.into_iter().map(named).collect::<Map<_, _>>())
        }
    }
}
