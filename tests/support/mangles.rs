//! What may become of a reply on its way.

use std::sync::Arc;

use serde_json::{Value, json};

use super::mangling_proxy::{How, Mangle, Reply};

/// What is read of a reply at most is a small part of this.
const HUGE: usize = 512 << 20;

fn raw(name: &str, bytes: impl Into<Vec<u8>>) -> Mangle {
    Mangle {
        name: name.to_owned(),
        how: How::Raw(bytes.into()),
    }
}

fn edit(name: impl Into<String>, edit: impl Fn(Reply, &Reply) -> Option<Reply> + Send + Sync + 'static) -> Mangle {
    Mangle {
        name: name.into(),
        how: How::Edit(Arc::new(edit)),
    }
}

/// A mangle of the body as text, which must change it.
fn text(name: impl Into<String>, change: impl Fn(&str) -> String + Send + Sync + 'static) -> Mangle {
    edit(name, move |mut reply, _| {
        let before = reply.text();
        let after = change(&before);
        reply.body = after.clone().into_bytes();
        (after != before).then_some(reply)
    })
}

/// A mangle of a JSON body, which must change it.
fn in_json(name: impl Into<String>, change: impl Fn(&mut Value) + Send + Sync + 'static) -> Mangle {
    text(name, move |body| {
        let Ok(before) = serde_json::from_str::<Value>(body) else {
            return body.to_owned();
        };
        let mut after = before.clone();
        change(&mut after);
        if after == before {
            body.to_owned()
        } else {
            after.to_string()
        }
    })
}

fn page(status: u16) -> Mangle {
    edit(format!("HTML page with {status}"), move |mut reply, _| {
        reply.status = status;
        reply.set_header("Content-Type", "text/html");
        reply.body =
            b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Welcome<br></body></html>".to_vec();
        Some(reply)
    })
}

fn with(name: &'static str, change: impl Fn(&mut Reply) + Send + Sync + 'static) -> Mangle {
    edit(name, move |mut reply, _| {
        change(&mut reply);
        Some(reply)
    })
}

/// What can be done to any reply.
pub fn to_any_reply() -> Vec<Mangle> {
    let how = |name: &str, how| Mangle {
        name: name.to_owned(),
        how,
    };
    vec![
        how("body cut short", How::CutShort),
        how("head cut short", How::CutHead),
        how("huge body", How::Huge(HUGE)),
        raw("closed without a reply", []),
        raw("no HTTP", "\u{0}\u{1}SSH-2.0-OpenSSH_9.2\r\n"),
        raw(
            "endless header",
            ["HTTP/1.1 200 OK\r\nX: ".as_bytes(), &[b'x'; 1 << 20]].concat(),
        ),
        raw("HTTP/1.0 without length", "HTTP/1.0 200 OK\r\n\r\n"),
        raw(
            "length that is no number",
            "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
        ),
        raw(
            "broken chunks",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
        ),
        page(200),
        page(403),
        page(502),
        page(503),
        with("half a body with its length", |reply| {
            reply.body.truncate(reply.body.len() / 2)
        }),
        with("no body", |reply| reply.body.clear()),
        with("no content", |reply| (reply.status, reply.body) = (204, Vec::new())),
        with("random bytes", |reply| {
            reply.body = (0..2_000_u32)
                .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
                .collect()
        }),
        with("zeroes", |reply| reply.body.fill(0)),
        with("byte order mark", |reply| {
            drop(reply.body.splice(0..0, *b"\xef\xbb\xbf"))
        }),
        with("another content type", |reply| {
            reply.set_header("Content-Type", "text/html; charset=utf-16")
        }),
        with("gzip that is none", |reply| {
            reply.set_header("Content-Encoding", "gzip")
        }),
        with("redirect", |reply| {
            reply.status = 307;
            reply.set_header("Location", "http://127.0.0.1:1/");
        }),
        with("server error with a good body", |reply| reply.status = 500),
        with("a date long ago", |reply| {
            reply.set_header("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
        }),
        with("wait for ever", |reply| {
            (reply.status, reply.body) = (503, Vec::new());
            reply.set_header("Retry-After", "18446744073709551615");
            reply.set_header("x-amz-retry-after", "18446744073709551615");
        }),
        edit("another operation's reply", |_, other| Some(other.clone())),
        text("another user", |body| {
            let users = (1..9).map(|number| format!("user{number}"));
            users.fold(body.to_owned(), |body, user| body.replace(&user, "user9"))
        }),
        text("another account", |body| body.replace("123456789012", "210987654321")),
        text("a status never heard of", |body| {
            body.replace(">active<", ">resting<")
                .replace(">modifying<", ">resting<")
                .replace(">available<", ">resting<")
        }),
        text("year 1", |body| dated(body, "-62135596800")),
        text("year 9999", |body| dated(body, "253402300799")),
        text("no number for a date", |body| dated(body, "\"NaN\"")),
    ]
}

/// Puts another number in the place of each date of Secrets Manager.
fn dated(body: &str, date: &str) -> String {
    let mut parts = body.split("Date\":");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || "+-.eE".contains(c));
        text += &format!("Date\":{date}{rest}");
    }
    text
}

/// Changes every value below one.
fn everywhere(value: &mut Value, change: &dyn Fn(&mut Value)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| everywhere(item, change)),
        Value::Object(members) => members.values_mut().for_each(|member| everywhere(member, change)),
        _ => {}
    }
    change(value);
}

/// What can be done to replies of Secrets Manager.
pub fn to_json() -> Vec<Mangle> {
    let mut mangles = vec![
        in_json("lists emptied", |body| {
            everywhere(body, &|value| {
                if value.is_array() {
                    *value = json!([])
                }
            })
        }),
        in_json("entries twice", |body| {
            everywhere(body, &|value| {
                if let Value::Array(items) = value {
                    items.extend(items.clone())
                }
            });
        }),
        in_json("strings for lists", |body| {
            everywhere(body, &|value| {
                if value.is_array() {
                    *value = json!("x")
                }
            })
        }),
        in_json("numbers for strings", |body| {
            everywhere(body, &|value| {
                if value.is_string() {
                    *value = json!(7)
                }
            })
        }),
        in_json("strings for numbers", |body| {
            everywhere(body, &|value| {
                if value.is_number() {
                    *value = json!("x")
                }
            })
        }),
        in_json("nulls for strings", |body| {
            everywhere(body, &|value| {
                if value.is_string() {
                    *value = Value::Null
                }
            })
        }),
        in_json("more members", |body| {
            body["CANARY"] = json!({"deep": [[[[1]]]], "AWSCURRENT": "x"})
        }),
        in_json("another version", |body| {
            if body["VersionId"].is_string() {
                body["VersionId"] = json!("f".repeat(32))
            }
        }),
        in_json("another ARN", |body| {
            if body["ARN"].is_string() {
                body["ARN"] = json!("arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/other-AbCdEf");
            }
        }),
        in_json("a binary value", |body| {
            if let Some(members) = body
                .as_object_mut()
                .filter(|members| members.contains_key("SecretString"))
            {
                members.remove("SecretString");
                members.insert("SecretBinary".to_owned(), json!("Q0FOQVJZ"));
            }
        }),
        in_json("a value that is no document", |body| {
            if body["SecretString"].is_string() {
                body["SecretString"] = json!("CANARY")
            }
        }),
        in_json("AWSPENDING on an unknown version", |body| {
            if body["VersionIdsToStages"].is_object() {
                body["VersionIdsToStages"]["f".repeat(32)] = json!(["AWSPENDING"]);
            }
        }),
        in_json("AWSCURRENT on an unknown version", |body| {
            if body["VersionIdsToStages"].is_object() {
                body["VersionIdsToStages"] = json!({"f".repeat(32): ["AWSCURRENT"]});
            }
        }),
        in_json("AWSCURRENT on two versions", |body| {
            if body["VersionIdsToStages"].is_object() {
                body["VersionIdsToStages"]["f".repeat(32)] = json!(["AWSCURRENT"]);
            }
        }),
        in_json("marked for deletion", |body| {
            if body["VersionIdsToStages"].is_object() {
                body["DeletedDate"] = json!(1.5e9)
            }
        }),
        in_json("rotated by another", |body| {
            if body["VersionIdsToStages"].is_object() {
                body["RotationEnabled"] = json!(true)
            }
        }),
        in_json("another page", |body| {
            if body["Versions"].is_array() {
                body["NextToken"] = json!("again")
            }
        }),
        text("deeply nested", |_| {
            format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))
        }),
        text("no object", |_| "[1,2,3]".to_owned()),
    ];
    for member in [
        "ARN",
        "Name",
        "VersionId",
        "SecretString",
        "VersionIdsToStages",
        "Versions",
        "CreatedDate",
        "LastChangedDate",
    ] {
        mangles.push(in_json(format!("no {member}"), move |body| {
            everywhere(body, &|value| {
                if let Value::Object(members) = value {
                    drop(members.shift_remove(member))
                }
            });
        }));
    }
    mangles
}

/// Changes the text of every element of that name.
fn in_element(body: &str, element: &str, change: impl Fn(&str) -> String) -> String {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let mut parts = body.split(&open);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(&close) {
            Some((inner, rest)) => text += &format!("{}{rest}", change(inner)),
            None => text += &format!("{open}{part}"),
        }
    }
    text
}

/// What can be done to replies of ElastiCache.
pub fn to_xml() -> Vec<Mangle> {
    let set = |element: &'static str, value: &'static str| {
        text(format!("{element} is {value:?}"), move |body| {
            in_element(body, element, |_| format!("<{element}>{value}</{element}>"))
        })
    };
    let mut mangles = vec![
        text("entries twice", |body| {
            in_element(body, "member", |inner| format!("<member>{inner}</member>").repeat(2))
        }),
        text("lists emptied", |body| {
            let body = in_element(body, "ReplicationGroup", |_| String::new());
            let body = in_element(&body, "CacheCluster", |_| String::new());
            in_element(&body, "member", |_| String::new())
        }),
        text("more members", |body| {
            body.replace("</UserId>", "</UserId><CANARY><x>1</x></CANARY>")
                .replace("<ARN>", "<New/><ARN>")
        }),
        text("deeply nested", |_| {
            format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000))
        }),
        text("entities of entities", |body| {
            let entities = "<!DOCTYPE x [<!ENTITY a \"CANARYCANARY\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]>";
            format!("{entities}{}", body.replace("</ARN>", "&b;</ARN>"))
        }),
        set("PasswordCount", "-1"),
        set("PasswordCount", "7"),
        set("PasswordCount", "99999999999"),
        set("Type", "certificate"),
        set("AccessString", "off"),
        set("Status", ""),
        set("CacheNodeStatus", "rebooting"),
        set("Port", "99999"),
        set("Port", "-1"),
        set("Address", ""),
        set("ClusterEnabled", "perhaps"),
        set("TransitEncryptionEnabled", "false"),
        set("UserId", "user9"),
        set("UserGroupId", "group9"),
        set("ReplicationGroupId", "cache9"),
        set("CacheClusterId", "cache9-001"),
        set("ARN", "arn:aws:elasticache:us-east-1:123456789012:user:user9"),
    ];
    for element in [
        "UserId",
        "UserName",
        "ARN",
        "Status",
        "AccessString",
        "UserGroupIds",
        "Authentication",
        "Type",
        "PasswordCount",
        "Users",
        "ReplicationGroups",
        "MemberClusters",
        "NodeGroups",
        "ReadEndpoint",
        "TransitEncryptionEnabled",
        "CacheNodes",
        "CacheNodeStatus",
        "Endpoint",
        "CacheClusterId",
    ] {
        mangles.push(text(format!("no {element}"), move |body| {
            in_element(body, element, |_| String::new())
        }));
    }
    mangles
}
