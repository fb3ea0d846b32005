//! Promise P6: passwords are nowhere but in Secrets Manager, ElastiCache and memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::Phase;
use sha2::{Digest, Sha256};

use crate::support::daemon::Setup;
use crate::support::world::{document_with, secret_name, user_arn};
use crate::support::{Daemon, Fault, FaultKind, Policy, World, eventually, http};

/// First passwords. Characters that encodings change are among them.
const MARKER: &str = "marker+of=user1&%<first>~0001";
const MARKER_UNREACHABLE: &str = "marker+of=user2&%<first>~0002";
const MARKER_NOT_JSON: &str = "marker+of=user3&%<first>~0003";
const MARKER_IN_LIST: &str = "marker+of=user4&%<first>~0004";
const MARKER_TWICE: &str = "marker+of=user5&%<first>~0005";

fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(alphabet[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn escaped(text: &str, keep: impl Fn(char) -> bool, escape: impl Fn(char) -> String) -> String {
    text.chars()
        .map(|c| if keep(c) { c.to_string() } else { escape(c) })
        .collect()
}

/// What a password may look like where it should not be.
fn forms(password: &str) -> BTreeMap<String, String> {
    const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const FOR_URLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut forms = BTreeMap::new();
    let mut add = |form: String, text: String| forms.insert(form, text);
    add("plain".into(), password.into());
    for (name, alphabet) in [("base64", STANDARD), ("base64url", FOR_URLS)] {
        // Within a longer text a password begins at any of three places of a group; what the
        // neighbours decide is left out.
        for shift in 0..3 {
            let padded = [&vec![0; shift][..], password.as_bytes()].concat();
            let text = base64(&padded, alphabet);
            let (from, to) = ((shift * 8).div_ceil(6), padded.len() * 8 / 6);
            add(format!("{name} at {shift}"), text[from..to].to_owned());
        }
    }
    let unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let percent = |c: char| format!("%{:02X}", u32::from(c));
    add("percent-encoded".into(), escaped(password, unreserved, percent));
    add(
        "percent-encoded in small letters".into(),
        escaped(password, unreserved, |c| percent(c).to_lowercase()),
    );
    // As forms and JavaScript leave it.
    add(
        "percent-encoded, sparing some".into(),
        escaped(password, |c| unreserved(c) || "!*'()".contains(c), percent),
    );
    add(
        "as HTML".into(),
        password.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
    );
    add(
        "as cautious JSON".into(),
        escaped(password, |c| !"<>&".contains(c), |c| format!("\\u{:04x}", u32::from(c))),
    );
    add("hex".into(), hex(password.as_bytes()));
    let decimal = format!("{:?}", password.as_bytes());
    add("bytes in decimal".into(), decimal.trim_matches(['[', ']']).to_owned());
    let digest = Sha256::digest(password.as_bytes());
    add("sha256".into(), hex(&digest));
    add("sha256 in capitals".into(), hex(&digest).to_uppercase());
    add("sha256 in base64".into(), base64(&digest, STANDARD));
    forms
}

/// In which forms the passwords occur in some bytes.
fn found(passwords: &BTreeSet<String>, haystack: &[u8]) -> Vec<String> {
    // All forms are ASCII, which survives; and searching text is what std is quick at.
    let haystack = String::from_utf8_lossy(haystack);
    passwords
        .iter()
        .flat_map(|password| forms(password))
        .filter(|(_, needle)| haystack.contains(needle))
        .map(|(form, _)| form)
        .collect()
}

/// Everything that was seen of a daemon, by where.
#[derive(Default)]
struct Seen(BTreeMap<String, Vec<u8>>);

impl Seen {
    fn add(&mut self, place: impl Into<String>, bytes: impl AsRef<[u8]>) {
        self.0
            .entry(place.into())
            .or_default()
            .extend_from_slice(bytes.as_ref());
    }

    fn file(&mut self, place: impl Into<String>, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.add(place, bytes);
    }

    /// All replies that can be had, errors among them.
    async fn replies(&mut self, socket: &Path, address: &str) {
        let secret = secret_name("user1");
        for path in [
            "/",
            "/livez",
            "/readyz",
            "/metrics",
            "/api/v1/secrets",
            &format!("/api/v1/secrets/{secret}"),
            &format!("/api/v1/secrets?secret={secret}"),
            "/api/v1/secrets/none",
            "/api/v1/policies",
            "/api/v1/rotations?limit=10000",
            "/api/v1/rotations?limit=x",
        ] {
            let answer = http::tcp(address, "GET", path, None).await.unwrap();
            self.add(format!("TCP {path}"), answer.head + &answer.body);
            let answer = http::unix(socket, "GET", path, None).await.unwrap();
            self.add(format!("socket {path}"), answer.head + &answer.body);
        }
        for (path, body) in [
            ("/api/v1/rotate", "{\"secrets\": [\"none\"]}"),
            ("/api/v1/rotate", "{"),
            ("/api/v1/resume", "{\"all\": true}"),
        ] {
            let answer = http::unix(socket, "POST", path, Some(body)).await.unwrap();
            self.add(format!("socket POST {path}"), answer.head + &answer.body);
        }
    }

    /// What the operating system shows of a process.
    fn process(&mut self, pid: u32) {
        for file in ["cmdline", "environ"] {
            self.file(format!("/proc/PID/{file}"), format!("/proc/{pid}/{file}"));
        }
    }

    /// Every file beside the configuration.
    fn files(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                self.file(format!("file {name}"), path);
            }
        }
    }

    async fn command(&mut self, setup: &Setup<'_>, args: &[&str]) {
        let ended = setup.cli(args).await;
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!said.is_empty(), "{args:?}");
        self.add(format!("rekeyd {}", args.join(" ")), said);
    }

    /// Asserts that none of the passwords is anywhere, and that every place was looked at in
    /// earnest: each holds what is no secret.
    fn assert_none_of(&self, passwords: &BTreeSet<String>, controls: &[(&str, &str)]) {
        for (place, control) in controls {
            let seen = self.0.get(*place).unwrap_or_else(|| panic!("nothing seen of {place}"));
            assert!(
                String::from_utf8_lossy(seen).contains(control),
                "{place} does not hold {control:?}, so this looks at the wrong thing: {}",
                String::from_utf8_lossy(&seen[..seen.len().min(3_000)])
            );
        }
        let leaks: Vec<String> = self
            .0
            .iter()
            .flat_map(|(place, seen)| {
                found(passwords, seen)
                    .into_iter()
                    .map(move |form| format!("{place}: a password, {form}"))
            })
            .collect();
        assert!(leaks.is_empty(), "{leaks:#?}");
    }
}

/// Adds the passwords of all versions of a secret.
async fn collect(world: &World, secret: &str, passwords: &mut BTreeSet<String>) {
    for version in world.labels(secret).await.into_keys() {
        let value = world
            .secrets
            .get_secret_value()
            .secret_id(secret)
            .version_id(version)
            .send()
            .await
            .unwrap();
        let document: serde_json::Value = serde_json::from_str(value.secret_string().unwrap()).unwrap();
        passwords.extend(document["password"].as_str().map(str::to_owned));
    }
}

#[test]
fn a_password_that_is_planted_is_found_in_every_form() {
    let planted = BTreeSet::from([MARKER.to_owned()]);
    for (form, needle) in forms(MARKER) {
        let text = [b"before \xff\xfe\0", needle.as_bytes(), b"\xc3 after"].concat();
        assert!(found(&planted, &text).contains(&form), "{form}");
    }
    // Encoded by somebody else, in the midst of other text.
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_eq!(base64(b"Man", ALPHABET), "TWFu");
    assert_eq!(base64(b"Ma", ALPHABET), "TWE");
    for before in ["", "x", "xy", "xyz"] {
        let text = base64(format!("{before}{MARKER} and more").as_bytes(), ALPHABET);
        let form = found(&planted, text.as_bytes());
        assert!(
            form.iter().any(|form| form.starts_with("base64 ")),
            "{before:?}: {text}"
        );
    }
    assert_eq!(
        hex(&Sha256::digest(b"abc")),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    let safe = format!("{} {}", &MARKER[1..], MARKER_UNREACHABLE);
    assert_eq!(found(&planted, safe.as_bytes()), Vec::<String>::new());
}

/// One user that rotates, and four whose secrets cannot be used.
async fn create(world: &World) {
    let users = ["user1", "user2", "user3", "user4", "user5"];
    for (user, password) in users.iter().zip([
        MARKER,
        MARKER_UNREACHABLE,
        MARKER_NOT_JSON,
        MARKER_IN_LIST,
        MARKER_TWICE,
    ]) {
        world.create_user(user, password).await;
    }
    world.create_cache(&["user1", "user2"]).await;
    let arn = user_arn;
    for (user, document) in [
        ("user1", document_with("user1", MARKER)),
        ("user2", document_with("user2", MARKER_UNREACHABLE)),
        (
            "user3",
            format!(
                "{{\"username\": \"user3\", \"password\": \"{MARKER_NOT_JSON}\", \"user_arn\": {:?},, }}",
                arn("user3")
            ),
        ),
        (
            "user4",
            serde_json::json!({"username": "user4", "password": [MARKER_IN_LIST], "user_arn": arn("user4")})
                .to_string(),
        ),
        (
            "user5",
            format!(
                "{{\"username\": \"user5\", \"password\": \"{MARKER_TWICE}\", \"password\": \"{MARKER_TWICE}\", \"user_arn\": {:?}}}",
                arn("user5")
            ),
        ),
    ] {
        world.create_secret(&secret_name(user), &document).await;
    }
}

fn setup(world: &World) -> Setup<'_> {
    // What answers at the sandbox's own address speaks no TLS.
    let unreachable = format!("[\"{}\"]", world.sandbox.addr());
    world
        .daemon("rekeyd")
        .policy(Policy::new("orders", &["user1"]))
        .policy(
            Policy::new("unreachable", &["user2"])
                .with("endpoints", &unreachable)
                .with("propagation_timeout", "\"1s\""),
        )
        .policy(Policy::new("broken", &["user3", "user4", "user5"]))
        .env("RUST_LOG", "trace")
        .env("HARMLESS", "this-may-be-seen")
}

/// A rotation of `user1` on which each write is refused, lost or held up in some way.
async fn rotate_through(world: &World, daemon: &Daemon, faults: Vec<Fault>) {
    let secret = secret_name("user1");
    let before = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let armed = faults.len();
    world.faults(faults);
    daemon.rotate(&secret).await;
    daemon
        .wait(&secret, "rotated", |status| {
            status
                .current_version
                .as_ref()
                .is_some_and(|current| *current != before)
                && status.phase == Phase::Idle
                && status.proof == Some(Proof::Proven)
        })
        .await;
    let fired = world.fired();
    assert_eq!(fired.len(), armed);
    assert!(fired.iter().all(|fired| *fired > 0), "{fired:?}");
    world.faults(Vec::new());
}

fn refused(operation: &str, code: &str, status: u16) -> Fault {
    let mut fault = Fault::next(operation, FaultKind::Code);
    fault.code = Some(code.to_owned());
    fault.message = Some("Passwords length must be between 16-128 characters.".to_owned());
    fault.status = Some(status);
    fault
}

/// Waits until the secrets that cannot be used are reported.
async fn trouble_is_reported(daemon: &Daemon) {
    daemon
        .wait_reason(&secret_name("user2"), Phase::NeedsAttention, "node_unreachable")
        .await;
    for (user, reason) in [
        ("user3", "secret_not_json"),
        ("user4", "password_invalid"),
        ("user5", "secret_not_json"),
    ] {
        daemon.wait_reason(&secret_name(user), Phase::Halted, reason).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_in_no_log_metric_reply_file_or_process_table() {
    let world = World::start().await;
    create(&world).await;
    let secret = secret_name("user1");
    let mut passwords: BTreeSet<String> = [
        MARKER,
        MARKER_UNREACHABLE,
        MARKER_NOT_JSON,
        MARKER_IN_LIST,
        MARKER_TWICE,
    ]
    .map(str::to_owned)
    .into();
    let mut seen = Seen::default();

    let daemon = setup(&world).run().await;
    let address = daemon.listen_address().await;
    seen.process(daemon.pid());
    daemon
        .wait(&secret, "checked", |status| status.proof == Some(Proof::Proven))
        .await;
    trouble_is_reported(&daemon).await;
    seen.replies(&daemon.socket, &address).await;

    rotate_through(
        &world,
        &daemon,
        vec![
            Fault::next("PutSecretValue", FaultKind::ReplyLost),
            Fault::next("ModifyUser", FaultKind::ReplyLost),
            Fault::next("UpdateSecretVersionStage", FaultKind::ReplyLost),
        ],
    )
    .await;
    collect(&world, &secret, &mut passwords).await;
    // Refused once as denied; then as invalid, which gives the pending password up.
    rotate_through(&world, &daemon, vec![refused("ModifyUser", "AccessDenied", 403)]).await;
    rotate_through(
        &world,
        &daemon,
        vec![refused("ModifyUser", "InvalidParameterValue", 400)],
    )
    .await;
    rotate_through(
        &world,
        &daemon,
        vec![refused("PutSecretValue", "InvalidRequestException", 400)],
    )
    .await;
    seen.replies(&daemon.socket, &address).await;
    collect(&world, &secret, &mut passwords).await;

    // Logins that are refused: somebody else changes the user.
    let overwritten = "somebody-elses-password-1";
    passwords.insert(overwritten.to_owned());
    let modify = world.elasticache.modify_user().user_id("user1").passwords(overwritten);
    modify.send().await.unwrap();
    world.settled("user1").await;
    daemon.rotate(&secret).await;
    daemon
        .wait_reason(&secret, Phase::Halted, "current_password_refused")
        .await;
    seen.replies(&daemon.socket, &address).await;
    seen.process(daemon.pid());
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["status", &secret],
        &["history", "--limit", "10000"],
        &["rotate", &secret, "--wait", "--timeout", "5s"],
        &["rotate", &secret_name("user3"), "--wait"],
        &["rotate", "none"],
        &["check"],
        &["run"],
    ] {
        seen.command(&setup(&world), args).await;
    }
    // The files of the store as they lie there while it is open, and after it was closed.
    for suffix in ["", "-wal", "-shm"] {
        let mut path = daemon.state_file.clone().into_os_string();
        path.push(suffix);
        seen.file(format!("open store{suffix}"), PathBuf::from(path));
    }
    assert_eq!(daemon.end("-TERM").await, Some(0));
    collect(&world, &secret, &mut passwords).await;
    seen.files(world.dir.path());

    assert!(passwords.len() >= 5 + 1 + 5, "{} passwords", passwords.len());
    seen.assert_none_of(
        &passwords,
        &[
            ("/proc/PID/cmdline", "--log-format"),
            ("/proc/PID/environ", "this-may-be-seen"),
            // No library has anything to say at TRACE that may be said: they are stopped at DEBUG.
            (
                "file rekeyd.log",
                "\"target\":\"aws_smithy_runtime::client::orchestrator\"",
            ),
            ("file rekeyd.log", "current_password_refused"),
            ("file rekeyd.log", "Passwords length must be between"),
            ("file rekeyd.log", "secret_not_json"),
            ("file rekeyd.log", "does not speak TLS"),
            ("file rekeyd.db", "production/ec/user1"),
            ("open store", "SQLite format 3"),
            ("open store-wal", "password_invalid"),
            ("open store-shm", "\0"),
            (
                "TCP /metrics",
                "rekeyd_policy_halted{policy=\"broken\",reason=\"password_invalid\"} 1",
            ),
            ("TCP /", "production/ec/user5"),
            ("TCP /api/v1/secrets", "does not speak TLS"),
            ("socket /api/v1/rotations?limit=10000", "abandon_started"),
            ("socket POST /api/v1/rotate", "none"),
            ("rekeyd status", "secret_not_json"),
            ("rekeyd history --limit 10000", "rotation_started"),
            ("rekeyd check", "policy orders"),
            ("rekeyd run", "holds this store"),
        ],
    );

    // And that search would have found one in the very same places.
    let planted = BTreeSet::from(["this-may-be-seen".to_owned()]);
    assert!(found(&planted, &seen.0["/proc/PID/environ"]).contains(&"plain".to_owned()));
    let logged = BTreeSet::from([secret]);
    assert!(found(&logged, &seen.0["file rekeyd.log"]).contains(&"plain".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_text_holds_no_password_either() {
    let world = World::start().await;
    create(&world).await;
    let secret = secret_name("user1");
    let mut passwords: BTreeSet<String> = [
        MARKER,
        MARKER_UNREACHABLE,
        MARKER_NOT_JSON,
        MARKER_IN_LIST,
        MARKER_TWICE,
    ]
    .map(str::to_owned)
    .into();
    // Directives of an operator who wants to see everything there is.
    let everything = "trace,aws_smithy_runtime=trace,aws_smithy_http_client=trace,aws_sdk_elasticache=trace,\
                      aws_sdk_secretsmanager=trace,aws_config=trace,hyper=trace,hyper_util=trace,rustls=trace,\
                      rusqlite=trace,tokio=trace,mio=trace,rekeyd=trace";
    let log = world.path("text.log");
    let file = std::fs::File::create(&log).unwrap();
    let mut child = setup(&world)
        .env("RUST_LOG", everything)
        .env("RUST_BACKTRACE", "full")
        .command(&["--log-format", "text", "run"])
        .stdout(Stdio::from(file.try_clone().unwrap()))
        .stderr(Stdio::from(file))
        .spawn()
        .unwrap();
    let socket = world.path("rekeyd.sock");
    let post =
        async |path: &str, body: serde_json::Value| http::unix(&socket, "POST", path, Some(&body.to_string())).await;
    eventually("the rotation is accepted", || async {
        let body = serde_json::json!({"secrets": [secret]});
        let answer = post("/api/v1/rotate", body).await.map_err(|error| error.to_string())?;
        if answer.status == 200 { Ok(()) } else { Err(answer.body) }
    })
    .await;
    eventually("the rotation is over, and the trouble is reported", || async {
        let text = std::fs::read_to_string(&log).unwrap();
        for words in [
            "AWSCURRENT moved",
            "previous password removed",
            "secret_not_json",
            "node_unreachable",
        ] {
            if !text.contains(words) {
                return Err(format!("no {words:?}"));
            }
        }
        Ok(())
    })
    .await;
    child.kill().await.unwrap();
    collect(&world, &secret, &mut passwords).await;
    assert!(passwords.len() >= 6);
    let mut seen = Seen::default();
    seen.files(world.dir.path());
    seen.assert_none_of(
        &passwords,
        &[
            ("file text.log", "DEBUG"),
            ("file text.log", "aws_smithy_runtime::client::orchestrator"),
            ("file text.log", "secret_not_json"),
            ("file rekeyd.db-wal", "production/ec/user1"),
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_in_which_the_sdk_logs_bodies_is_refused() {
    let world = World::start().await;
    for value in ["true", "false", ""] {
        for command in [&["run"][..], &["run", "--once"], &["check"]] {
            let refused = setup(&world)
                .env("LOG_SENSITIVE_BODIES", value)
                .cli(command)
                .await
                .with(78);
            assert!(refused.stderr.contains("LOG_SENSITIVE_BODIES"), "{}", refused.stderr);
            assert_eq!(refused.stdout, "");
        }
    }
    assert!(!world.path("rekeyd.db").exists(), "it went on to open the store");
    setup(&world).cli(&["check"]).await.with(0);
}

/// AWS is not known to quote passwords in its errors; should it, they would go everywhere.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_aws_that_quotes_the_password_is_passed_on_without_it() {
    let world = World::start().await;
    world.live_user("user1", MARKER).await;
    let secret = secret_name("user1");
    let daemon = world
        .daemon("rekeyd")
        .policy(Policy::new("orders", &["user1"]))
        .run()
        .await;
    daemon
        .wait(&secret, "checked", |status| status.proof == Some(Proof::Proven))
        .await;
    let mut fault = refused("ModifyUser", "InvalidParameterValue", 400);
    fault.message = Some(format!(
        "Value '[{MARKER}]' at 'passwords' failed to satisfy constraint"
    ));
    rotate_through(&world, &daemon, vec![fault]).await;
    assert_eq!(daemon.end("-TERM").await, Some(0));
    let mut seen = Seen::default();
    seen.files(world.dir.path());
    seen.assert_none_of(
        &BTreeSet::from([MARKER.to_owned()]),
        &[("file rekeyd.log", "failed to satisfy constraint")],
    );
}
