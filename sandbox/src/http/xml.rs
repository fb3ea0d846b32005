//! Writing awsQuery replies.

use serde_json::Value;

use crate::error::ApiError;

/// ElastiCache's.
pub(crate) const NAMESPACE: &str = "http://elasticache.amazonaws.com/doc/2015-02-02/";

pub(crate) fn success(namespace: &str, action: &str, value: &Value, request_id: &str) -> String {
    let mut out = format!("<{action}Response xmlns=\"{namespace}\"><{action}Result>");
    content(&mut out, value);
    out.push_str(&format!(
        "</{action}Result><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    ));
    out
}

pub(crate) fn failure(error: &ApiError, request_id: &str) -> String {
    let kind = if error.status >= 500 { "Receiver" } else { "Sender" };
    let (mut code, mut message) = (String::new(), String::new());
    escape(&mut code, &error.code);
    escape(&mut message, &error.message);
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>{kind}</Type><Code>{code}</Code>\
         <Message>{message}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
}

fn content(out: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::String(text) => escape(out, text),
        Value::Object(map) => {
            for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
                element(out, key, value);
            }
        }
        other => out.push_str(&other.to_string()),
    }
}

fn element(out: &mut String, key: &str, value: &Value) {
    out.push_str(&format!("<{key}>"));
    match value {
        Value::Array(items) => {
            for item in items {
                let name = item_name(key, item);
                out.push_str(&format!("<{name}>"));
                content(out, item);
                out.push_str(&format!("</{name}>"));
            }
        }
        other => content(out, other),
    }
    out.push_str(&format!("</{key}>"));
}

/// What a list's items are called. Lists of names are `member` but for one; lists of things of the
/// older operations have a name of their own (botocore model, `locationName`).
fn item_name(list: &str, item: &Value) -> &'static str {
    match (list, item.is_object()) {
        ("MemberClusters", false) => "ClusterId",
        ("ReplicationGroups", true) => "ReplicationGroup",
        ("NodeGroups", true) => "NodeGroup",
        ("NodeGroupMembers", true) => "NodeGroupMember",
        ("CacheClusters", true) => "CacheCluster",
        ("CacheNodes", true) => "CacheNode",
        ("TagList", true) => "Tag",
        ("Events", true) => "Event",
        ("GlobalReplicationGroups", true) => "GlobalReplicationGroup",
        ("Members", true) => "GlobalReplicationGroupMember",
        _ => "member",
    }
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // What XML 1.0 has no way to write.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_have_the_item_names_of_the_model() {
        let mut out = String::new();
        content(
            &mut out,
            &json!({"UserGroups": [{"ReplicationGroups": ["a&b"], "Marker": null}]}),
        );
        assert_eq!(
            out,
            "<UserGroups><member><ReplicationGroups><member>a&amp;b</member></ReplicationGroups></member></UserGroups>"
        );
    }
}
