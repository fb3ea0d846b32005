//! Replies of AWS that are cut, wrong, endless or about something else: whatever comes, rekeyd
//! stays up, every current password goes on logging in, and nothing leaks.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::Phase;
use serde_json::{Value, json};

use crate::support::mangling_proxy::{How, Mangle, ManglingProxy, Reply};
use crate::support::world::{document_with, secret_name};
use crate::support::{Daemon, Policy, World, http};

const USERS: [&str; 4] = ["user1", "user2", "user3", "user4"];
const FIRST: &str = "CANARY-first-password";

/// Everything that a rotation asks, in JSON and in XML.
const SECRETS_MANAGER: [&str; 5] = [
    "DescribeSecret",
    "ListSecretVersionIds",
    "GetSecretValue",
    "PutSecretValue",
    "UpdateSecretVersionStage",
];
const ELASTICACHE: [&str; 5] = [
    "DescribeUsers",
    "DescribeUserGroups",
    "DescribeReplicationGroups",
    "DescribeCacheClusters",
    "ModifyUser",
];

/// What is read of a reply at most is a small part of this.
const HUGE: usize = 512 << 20;

/// What the daemon may take of memory at most, with four secrets. Unbounded, one huge reply alone
/// would take more.
const MOST_MEMORY: u64 = 300 << 20;

/// The seed of the random part. Another one, to look for more: `MANGLE_SEED=7 cargo test mangled`.
fn seed() -> u64 {
    std::env::var("MANGLE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(20_261_122)
}

fn raw(name: &str, bytes: impl Into<Vec<u8>>) -> Mangle {
    Mangle {
        name: name.to_owned(),
        how: How::Raw(bytes.into()),
    }
}

fn edit(name: impl Into<String>, edit: impl Fn(Reply, &mut Reply) -> Option<Reply> + Send + Sync + 'static) -> Mangle {
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
fn to_any_reply() -> Vec<Mangle> {
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
            USERS
                .iter()
                .fold(body.to_owned(), |body, user| body.replace(user, "user9"))
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

fn to_json() -> Vec<Mangle> {
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

fn to_xml() -> Vec<Mangle> {
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

/// Watches over a daemon until told to stop: it answers, and every current password logs in.
struct Watch {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Watch {
    fn begin(world: &Arc<World>, address: String) -> Self {
        let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let over = Arc::clone(&stop);
        let answers = tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let livez =
                    tokio::time::timeout(Duration::from_secs(20), http::tcp(&address, "GET", "/livez", None)).await;
                assert_eq!(
                    livez.expect("/livez answers in time").expect("/livez answers").status,
                    200
                );
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let (world, over, count) = (Arc::clone(world), Arc::clone(&stop), Arc::clone(&looks));
        let logs_in = tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                for user in USERS {
                    world.assert_current_logs_in(&secret_name(user), user).await;
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            stop,
            looks,
            tasks: vec![answers, logs_in],
        }
    }

    /// Whether something is amiss already.
    fn has_failed(&self) -> bool {
        self.tasks.iter().any(tokio::task::JoinHandle::is_finished)
    }

    /// Ends, fails with what was amiss, and tells how many looks there were.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("all the while");
        }
        self.looks.load(Ordering::Relaxed)
    }
}

async fn prepare() -> (Arc<World>, ManglingProxy, Daemon) {
    let world = World::start().await;
    for user in USERS {
        world.create_user(user, FIRST).await;
        world
            .create_secret(&secret_name(user), &document_with(user, FIRST))
            .await;
    }
    world.create_cache_named("group1", "cache1", &USERS, 2).await;
    let proxy = ManglingProxy::start(&world.sandbox.url()).await;
    let daemon = world
        .daemon("rekeyd")
        .endpoint(&proxy.url)
        .policy(Policy::new("orders", &USERS).with("max_attempts", "1000"))
        .default_key("retry", "{ initial = \"20ms\", max = \"200ms\", jitter = 0.2 }")
        .daemon_key("discovery_interval", "\"1s\"")
        .run()
        .await;
    for user in USERS {
        let proven = |status: &rekeyd::rotation::status::SecretStatus| status.proof == Some(Proof::Proven);
        daemon.wait(&secret_name(user), "checked", proven).await;
    }
    (Arc::new(world), proxy, daemon)
}

/// Asks for one rotation after the other until `done`.
async fn rotate_until(daemon: &Daemon, watch: &Watch, patience: Duration, done: impl Fn() -> Result<(), String>) {
    let deadline = tokio::time::Instant::now() + patience;
    while let Err(left) = done() {
        assert!(!watch.has_failed(), "something is amiss; left: {left}");
        assert!(
            tokio::time::Instant::now() < deadline,
            "not through in time; left: {left}; {:#?}",
            daemon.statuses().await
        );
        let answer = daemon.post("/api/v1/rotate", &json!({"all": true})).await;
        assert!(matches!(answer.status, 200 | 409), "{} {}", answer.status, answer.body);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Once replies are good again, every rotation ends by itself, proved and with its retirement.
async fn assert_all_ends_well(world: &World, daemon: &Daemon) {
    for user in USERS {
        let secret = secret_name(user);
        let at_rest =
            |status: &rekeyd::rotation::status::SecretStatus| status.phase == Phase::Idle && !status.requested;
        daemon.wait(&secret, "at rest", at_rest).await;
        let before = world.holder(&secret, "AWSCURRENT").await.expect("a current version");
        daemon.rotate(&secret).await;
        let rotated = |status: &rekeyd::rotation::status::SecretStatus| {
            status
                .current_version
                .as_ref()
                .is_some_and(|current| *current != before)
                && status.phase == Phase::Idle
                && (status.proof, status.retired_proof) == (Some(Proof::Proven), Some(Proof::Proven))
        };
        daemon.wait(&secret, "rotated and retired", rotated).await;
        world.assert_current_logs_in(&secret, user).await;
        let old = world.version_password(&secret, &before).await;
        assert_eq!(world.logins(user, &old).await, (0, 2), "{user}");
    }
}

async fn assert_nothing_leaked(world: &World, daemon: &Daemon) {
    let log = daemon.log_text();
    assert!(
        log.contains("IncompleteResponse") && log.contains("UnreadableResponse"),
        "the log shows what came"
    );
    let mut passwords = BTreeSet::from([FIRST.to_owned()]);
    for user in USERS {
        let secret = secret_name(user);
        for version in world.labels(&secret).await.into_keys() {
            passwords.insert(world.version_password(&secret, &version).await);
        }
    }
    assert!(passwords.len() > USERS.len(), "{}", passwords.len());
    for password in passwords {
        assert!(!log.contains(&password), "a password is in the log");
    }
    assert!(!log.contains("panicked"), "a panic");
}

/// The most memory that a process has had, in bytes.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a peak");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mangled_reply_to_any_call_of_a_rotation_does_harm() {
    let (world, proxy, daemon) = prepare().await;
    let watch = Watch::begin(&world, daemon.listen_address().await);
    let began = std::time::Instant::now();
    for (operations, own) in [(SECRETS_MANAGER, to_json()), (ELASTICACHE, to_xml())] {
        for operation in operations {
            proxy.arm(operation, &to_any_reply());
            proxy.arm(operation, &own);
        }
    }
    rotate_until(&daemon, &watch, Duration::from_secs(240), || {
        let left = proxy.left();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })
    .await;
    let (done, inapplicable) = (proxy.done(), proxy.inapplicable());
    println!(
        "{} combinations of operation and mangle in {:?}, {} more make no sense",
        done.len(),
        began.elapsed(),
        inapplicable.len()
    );
    for operation in SECRETS_MANAGER.iter().chain(&ELASTICACHE) {
        let mangles = done.iter().filter(|(known, _)| known == operation).count();
        assert!(
            mangles >= to_any_reply().len() - 6,
            "{operation}: {mangles}; {inapplicable:?}"
        );
    }

    let all: Vec<Mangle> = [to_any_reply(), to_json(), to_xml()].concat();
    let few = all
        .into_iter()
        .filter(|mangle| !matches!(mangle.how, How::Huge(_)))
        .collect();
    println!("MANGLE_SEED={}", seed());
    proxy.arm_randomly(seed(), 0.2, few);
    let until = tokio::time::Instant::now() + Duration::from_secs(8);
    rotate_until(&daemon, &watch, Duration::from_secs(60), || {
        if tokio::time::Instant::now() > until {
            Ok(())
        } else {
            Err("time".to_owned())
        }
    })
    .await;
    proxy.disarm();
    assert_all_ends_well(&world, &daemon).await;
    let looks = watch.end().await;
    assert!(looks >= 10, "{looks} looks");
    assert_nothing_leaked(&world, &daemon).await;
    let peak = peak_memory(daemon.pid());
    println!("{looks} looks at every login; peak memory {} MiB", peak >> 20);
    assert!(peak < MOST_MEMORY, "{} MiB", peak >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_that_drip_are_given_up_and_do_no_harm() {
    let (world, proxy, daemon) = prepare().await;
    let watch = Watch::begin(&world, daemon.listen_address().await);
    let drip = Mangle {
        name: "drip".to_owned(),
        how: How::Drip,
    };
    for operation in [
        "GetSecretValue",
        "PutSecretValue",
        "ModifyUser",
        "UpdateSecretVersionStage",
    ] {
        proxy.arm(operation, std::slice::from_ref(&drip));
    }
    rotate_until(&daemon, &watch, Duration::from_secs(120), || {
        let left = proxy.left();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })
    .await;
    assert_all_ends_well(&world, &daemon).await;
    watch.end().await;
    assert!(daemon.log_text().contains("Timeout"), "a call was given up");
}
