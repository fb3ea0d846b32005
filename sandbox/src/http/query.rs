//! awsQuery: ElastiCache, and one operation of STS. A form comes in, XML goes out.

use std::collections::BTreeMap;

use hyper::StatusCode;
use serde_json::{Map, Value};

use super::{NoReply, Reply, identify, identity, reply, status, xml};
use crate::core::CallContext;
use crate::core::operation::Service;
use crate::dispatch;
use crate::error::{ApiError, CallError};
use crate::sandbox::Sandbox;

const CONTENT: &str = "text/xml";

/// How many parts a parameter's name may have: about twice as many as the deepest of the model has.
const MAX_DEPTH: usize = 16;

pub(crate) async fn answer(sandbox: &Sandbox, ctx: &CallContext, body: &[u8]) -> Result<Reply, NoReply> {
    let mut form = match parse(body) {
        Ok(form) => form,
        Err(error) => return Ok(failure(ctx, &error)),
    };
    let action = form.remove("Action").and_then(|v| v.as_str().map(ToOwned::to_owned));
    // From before the call, so that no release is missed.
    let mut released = sandbox.releases();
    let mut namespace = xml::NAMESPACE;
    let result = match &action {
        Some(action) if action == identity::ACTION => {
            namespace = identity::NAMESPACE;
            Ok(identity::of(ctx))
        }
        Some(action) => dispatch::elasticache(action, sandbox, ctx, Value::Object(form)).await,
        None => {
            let error = ApiError::bad_request("MissingAction", "The request must contain the parameter Action.");
            Err(sandbox.refused(ctx, Service::ElastiCache, "", error))
        }
    };
    match result {
        Ok(value) => {
            let id = ctx.request_id.as_deref().unwrap_or_default();
            let body = xml::success(namespace, action.as_deref().unwrap_or_default(), &value, id);
            let mut reply = reply(StatusCode::OK, CONTENT, body);
            identify(&mut reply, ctx);
            Ok(reply)
        }
        Err(CallError::Api(error)) => Ok(failure(ctx, &error)),
        Err(CallError::ReplyLost) => Err(NoReply),
        Err(CallError::Hang) => {
            released.wait().await;
            Err(NoReply)
        }
    }
}

/// An error as this service writes it.
pub(super) fn failure(ctx: &CallContext, error: &ApiError) -> Reply {
    let id = ctx.request_id.as_deref().unwrap_or_default();
    let mut reply = reply(status(error.status), CONTENT, xml::failure(error, id));
    identify(&mut reply, ctx);
    reply
}

/// A form's keys as a tree: `A.member.1.B=x` becomes `{"A": [{"B": "x"}]}`. A key that goes deeper than any of the
/// model's is refused, since the tree is walked by recursion.
fn parse(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let mut tree = Tree::default();
    for (key, value) in form_urlencoded::parse(body) {
        if key.split('.').count() > MAX_DEPTH {
            return Err(ApiError::bad_request(
                "MalformedInput",
                "A parameter's name has too many parts.",
            ));
        }
        tree.put(&mut key.split('.'), value.into_owned());
    }
    match tree.value() {
        Value::Object(map) => Ok(map),
        _ => Ok(Map::new()),
    }
}

#[derive(Default)]
struct Tree {
    text: Option<String>,
    children: BTreeMap<String, Tree>,
}

impl Tree {
    fn put<'a>(&mut self, path: &mut impl Iterator<Item = &'a str>, text: String) {
        match path.next() {
            Some(part) => self.children.entry(part.to_owned()).or_default().put(path, text),
            None => self.text = Some(text),
        }
    }

    fn value(self) -> Value {
        if self.children.is_empty() {
            return self.text.map_or(Value::Null, Value::String);
        }
        // A list's items have numbers, under one name (`member`, or `Tag` for tags).
        if self.children.len() == 1 && self.children.values().all(Tree::is_numbered) {
            let inner = self.children.into_values().next().unwrap_or_default();
            return Value::Array(inner.items());
        }
        let members = self.children.into_iter().map(|(key, tree)| (key, tree.value()));
        Value::Object(members.collect())
    }

    fn is_numbered(&self) -> bool {
        !self.children.is_empty() && self.children.keys().all(|key| key.parse::<u32>().is_ok())
    }

    fn items(self) -> Vec<Value> {
        let mut items: Vec<(u32, Value)> = self
            .children
            .into_iter()
            .filter_map(|(key, tree)| Some((key.parse().ok()?, tree.value())))
            .collect();
        items.sort_by_key(|(number, _)| *number);
        items.into_iter().map(|(_, value)| value).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_form_becomes_a_tree() {
        let form = b"UserId=u&Passwords.member.2=b&Passwords.member.10=c&Passwords.member.1=a&Tags.Tag.1.Key=k\
            &AuthenticationMode.Type=iam&Filters.member.1.Name=n&Filters.member.1.Values.member.1=v&Empty=";
        assert_eq!(
            Value::Object(parse(form).unwrap()),
            json!({
                "UserId": "u", "Passwords": ["a", "b", "c"], "Tags": [{"Key": "k"}], "Empty": "",
                "AuthenticationMode": {"Type": "iam"}, "Filters": [{"Name": "n", "Values": ["v"]}],
            })
        );
    }
}
