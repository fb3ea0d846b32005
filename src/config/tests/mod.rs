mod access;
mod damaged;
mod notify;
mod places;
mod properties;
mod refused;
mod roots;
mod schedules;
mod table;
mod timing;

use std::time::Duration;

use super::*;
use crate::policy::{Endpoint, Overlap, Schedule, Verify};

const SAMPLE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/config/rekeyd.toml"));

/// A policy that lacks nothing, in a place that lacks nothing; more keys may follow.
const POLICY: &str = r#"
[aws.main]
region = "us-east-1"
[policy.orders]
aws = "main"
schedule = "30d"
secrets = ["ec/user1"]
allow_users = ["user1"]
"#;

fn policy_with(keys: &str) -> String {
    format!("{POLICY}{keys}\n")
}

fn load_ok(text: &str) -> Loaded {
    parse_str("t.toml", text).unwrap_or_else(|errors| panic!("{errors}"))
}

fn orders(text: &str) -> Policy {
    load_ok(text).config.policies.remove("orders").unwrap()
}

/// The problems, without their excerpts.
fn refusals(text: &str) -> Vec<String> {
    match parse_str("t.toml", text) {
        Ok(_) => Vec::new(),
        Err(errors) => lines(&errors),
    }
}

fn lines(errors: &ConfigErrors) -> Vec<String> {
    errors
        .problems()
        .iter()
        .map(|problem| format!("{}: {}", problem.place, problem.message))
        .collect()
}

/// That `text` has just one problem, which begins with its place and holds `part`.
fn assert_refused(text: &str, place: &str, part: &str) {
    let found = refusals(text);
    let fits = |line: &String| line.starts_with(&format!("{place}:")) && line.contains(part);
    assert!(
        found.len() == 1 && found.iter().all(fits),
        "wanted {place}: …{part}…, got {found:#?} for {text}"
    );
}

/// A folder with a main file and drop-ins.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(main: &str, drop_ins: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rekeyd.toml"), main).unwrap();
        std::fs::create_dir(folder.path().join("rekeyd.d")).unwrap();
        for (name, text) in drop_ins {
            std::fs::write(folder.path().join("rekeyd.d").join(name), text).unwrap();
        }
        Self(folder)
    }

    fn load(&self, env: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        load(&self.0.path().join("rekeyd.toml"), env)
    }

    fn refusals(&self, env: &[(&str, &str)]) -> Vec<String> {
        let prefix = format!("{}/", self.0.path().display());
        lines(&self.load(env).unwrap_err())
            .iter()
            .map(|line| line.replace(&prefix, ""))
            .collect()
    }
}

#[test]
fn the_sample_file_loads_without_a_warning() {
    let loaded = load_ok(SAMPLE);
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert_eq!(loaded.sources, [PathBuf::from("t.toml")]);
    assert_eq!(loaded.config.policies["orders"].allow_users.len(), 2);
}

#[test]
fn every_value_that_the_sample_comments_out_is_accepted() {
    // Lines like `# key = value` and `# [table]`, which prose never is.
    let is_key = |line: &str| {
        let key = line.strip_prefix("# ").and_then(|rest| rest.split_once(" = "));
        let is_value = key.is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        is_value || line.starts_with("# [")
    };
    let lines = SAMPLE.lines().map(|line| if is_key(line) { &line[2..] } else { line });
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let loaded = load_ok(&text);
    let mut expected = load_ok(SAMPLE).config;
    let main = expected.places.get_mut("main").unwrap();
    let given = loaded.config.places["main"].clone();
    assert!(given.profile.is_some() && given.role.is_some() && given.secrets_manager_endpoint.is_some());
    *main = given;
    let policy = expected.policies.get_mut("orders").unwrap();
    policy.tls = loaded.config.policies["orders"].tls.clone();
    policy.endpoints = loaded.config.policies["orders"].endpoints.clone();
    assert_eq!(policy.endpoints.len(), 1);
    let examples = &loaded.config.policies["orders"];
    policy.window = examples.window;
    policy.blackout = examples.blackout.clone();
    policy.together = examples.together.clone();
    assert!(policy.window.is_some() && policy.together.is_some() && !policy.blackout.spans.is_empty());
    let daemon = &loaded.config.daemon;
    assert!(daemon.admin_group.is_some() && daemon.audit_log.is_some());
    expected.daemon.admin_group.clone_from(&daemon.admin_group);
    expected.daemon.audit_log.clone_from(&daemon.audit_log);
    assert_eq!(daemon.log_level.as_ref().map(LogLevel::as_str), Some("info"));
    expected.daemon.log_level.clone_from(&daemon.log_level);
    assert_eq!(
        loaded.config.notify.keys().collect::<Vec<_>>(),
        ["bus", "oncall", "team"]
    );
    expected.notify.clone_from(&loaded.config.notify);
    // All the others claim to be the built-in defaults.
    assert_eq!(loaded.config, expected);
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let loaded = load_ok(POLICY);
    let daemon = &loaded.config.daemon;
    assert_eq!(daemon.listen.to_string(), "127.0.0.1:9848");
    assert_eq!(daemon.max_in_flight, 1000);
    assert_eq!(daemon.drift_check_interval, Some(Duration::from_secs(21_600)));
    let policy = &loaded.config.policies["orders"];
    assert_eq!(policy.schedule, Schedule::Every(Duration::from_secs(30 * 86_400)));
    assert_eq!(policy.overlap, Overlap::For(Duration::from_secs(86_400)));
    assert_eq!(policy.verify, Verify::Login);
    assert_eq!(policy.password.length, 32);
    assert_eq!(policy.fence, Duration::from_secs(1_200));
    assert_eq!(policy.settle, Duration::from_secs(300));
    assert_eq!(policy.write_deadline, Duration::from_secs(10));
    assert_eq!(policy.pending_max_age, Duration::from_secs(7 * 86_400));
    assert!((policy.retry.jitter - 0.2).abs() < f64::EPSILON);
    assert!(!policy.allow_default_user && !policy.paused);
}

#[test]
fn a_policy_overrides_defaults_key_by_key() {
    let policy = orders(&policy_with(
        r#"
        retry = { max = "1m" }
        overlap = "none"
        endpoints = ["[::1]:6379", "cache.example:7000"]
        [defaults]
        retry = { initial = "5s", jitter = 0 }
        overlap = "2h"
        verify = "api-only"
        password.length = 64
        "#,
    ));
    assert_eq!(policy.retry.initial, Duration::from_secs(5));
    assert_eq!(policy.retry.max, Duration::from_secs(60));
    assert_eq!(policy.overlap, Overlap::For(Duration::ZERO));
    assert_eq!(policy.verify, Verify::ApiOnly);
    assert_eq!(policy.password.length, 64);
    assert_eq!(
        policy.endpoints[0],
        Endpoint {
            host: "::1".into(),
            port: 6379
        }
    );
}

#[test]
fn a_bad_value_is_shown_with_file_line_column_and_caret() {
    let error = parse_str("t.toml", &policy_with("overlap = \"2 parsecs\""))
        .unwrap_err()
        .to_string();
    let expected = "t.toml:9:11: ` parsecs` is no unit; the units are d, h, m, s and ms, with no space before them; \
                    or \"none\" or \"until-next-rotation\"\n\
                    9 | overlap = \"2 parsecs\"\n  |           ^^^^^^^^^^^";
    assert_eq!(error, expected);
}

#[test]
fn columns_count_characters_and_control_characters_stay_out_of_the_excerpt() {
    let error = parse_str("t.toml", "daemon = { state = \"é\u{1f511}\", x\u{1b}")
        .unwrap_err()
        .to_string();
    assert!(!error.contains('\u{1b}'), "{error:?}");
    let error = parse_str("t.toml", "[daemon]\nlisten = \"\\u001b[2J\"")
        .unwrap_err()
        .to_string();
    assert!(!error.contains('\u{1b}') && error.contains("`\\u{1b}[2J`"), "{error:?}");
    // A byte order mark is no column.
    assert_refused(
        "\u{feff}daemon = { drain_timeout = \"é\" }",
        "t.toml:1:28",
        "whole number",
    );
    assert_refused(
        "daemon = { state = \"sqlite:é\", listen = \"é\" }",
        "t.toml:1:41",
        "no address",
    );
}

#[test]
fn syntax_errors_have_their_place() {
    assert_refused("[daemon]\nlisten = ", "t.toml:2:10", "");
    assert_refused("[daemon]\n[daemon]\n", "t.toml:2:2", "is there already, further up");
}

#[test]
fn unknown_keys_are_refused_and_the_nearest_is_named() {
    assert_refused(
        &policy_with("overlp = \"2h\""),
        "t.toml:9:1",
        "unknown key `overlp`; did you mean `overlap`?",
    );
    assert_refused(
        &policy_with("[deamon]\npaused = true"),
        "t.toml:9:2",
        "did you mean `daemon`?",
    );
    assert_refused(
        &policy_with("retry = { forever = 1 }"),
        "t.toml:9:11",
        "known here: initial, max, jitter",
    );
}

#[test]
fn values_of_the_wrong_type_are_refused_as_written() {
    for (keys, place) in [
        ("overlap = 2", "t.toml:9:11"),
        ("paused = \"true\"", "t.toml:9:10"),
        ("max_attempts = \"3\"", "t.toml:9:16"),
        ("max_attempts = 3.0", "t.toml:9:16"),
        ("endpoints = \"a:1\"", "t.toml:9:13"),
        ("endpoints = [\"a:1\", 2]", "t.toml:9:21"),
        ("retry = [\"2s\", \"10m\", 0.2]", "t.toml:9:9"),
        ("[[defaults]]", "t.toml:9:1"),
    ] {
        assert_refused(&policy_with(keys), place, "expected ");
    }
    assert_refused("policy = 3", "t.toml:1:10", "expected ");
}

#[test]
fn all_problems_of_all_files_are_reported_at_once() {
    let folder = Folder::new(
        &policy_with("overlap = \"2 parsecs\"\nfence = 3\n[daemon]\nlisten = \"here\"\nmax_in_flight = 0"),
        &[
            ("10.toml", "[policy.orders]\naws = \"mian\"\nwat = 1"),
            ("20.toml", "[daemon]\nstate = \"paper:x\""),
        ],
    );
    let found = folder.refusals(&[
        ("REKEYD__POLICY__ORDERS__VERIFY", "\"hope\""),
        ("REKEYD__DAEMON__PORT", "1"),
    ]);
    let places: Vec<&str> = found.iter().map(|line| line.split(": ").next().unwrap()).collect();
    let expected = [
        "rekeyd.toml:9:11",
        "rekeyd.toml:10:9",
        "rekeyd.toml:12:10",
        "rekeyd.toml:13:17",
        "rekeyd.d/10.toml:2:7",
        "rekeyd.d/10.toml:3:1",
        "rekeyd.d/20.toml:2:9",
        "REKEYD__DAEMON__PORT",
        "REKEYD__POLICY__ORDERS__VERIFY",
    ];
    assert_eq!(places, expected, "{found:#?}");
}

#[test]
fn drop_ins_come_in_order_and_the_environment_last() {
    let folder = Folder::new(
        &policy_with("overlap = \"1h\"\nretry = { initial = \"1s\" }\nendpoints = [\"a:1\", \"b:2\"]"),
        &[
            ("20.toml", "[policy.orders]\noverlap = \"3h\"\nendpoints = [\"c:3\"]"),
            ("10.toml", "[policy.orders]\noverlap = \"2h\"\nretry = { max = \"2m\" }"),
            (".hidden.toml", "not even TOML"),
            ("readme.txt", "not even TOML"),
        ],
    );
    let loaded = folder.load(&[("HOME", "/root"), ("REKEYD_LOG", "info")]).unwrap();
    let policy = &loaded.config.policies["orders"];
    assert_eq!(policy.overlap, Overlap::For(Duration::from_secs(3 * 3600)));
    assert_eq!(policy.retry.initial, Duration::from_secs(1));
    assert_eq!(policy.retry.max, Duration::from_secs(120));
    assert_eq!(policy.endpoints.len(), 1);
    assert_eq!(loaded.sources.len(), 3);

    let loaded = folder.load(&[
        ("REKEYD__POLICY__ORDERS__OVERLAP", "\"none\""),
        ("REKEYD__POLICY__ORDERS__RETRY__MAX", " \"3m\" "),
        ("REKEYD__DAEMON", "{ paused = true, max_in_flight = 7 }"),
        ("REKEYD__POLICY__ORDERS__SELECT", "{ tags = { \"Team.Name\" = \"x\" } }"),
    ]);
    let loaded = loaded.unwrap();
    let policy = &loaded.config.policies["orders"];
    assert_eq!(policy.overlap, Overlap::For(Duration::ZERO));
    assert_eq!(policy.retry.max, Duration::from_secs(180));
    assert_eq!(policy.selection.tags["Team.Name"], "x");
    assert!(loaded.config.daemon.paused);
    assert_eq!(loaded.config.daemon.max_in_flight, 7);
}

#[test]
fn a_later_layer_mends_an_earlier_value_and_a_problem_names_the_layer_that_won() {
    let folder = Folder::new(
        &policy_with("overlap = \"nonsense\""),
        &[("a.toml", "policy.orders.overlap = \"2h\"")],
    );
    assert!(folder.load(&[]).is_ok());
    let found = folder.refusals(&[("REKEYD__POLICY__ORDERS__OVERLAP", "\"2 moons\"")]);
    assert!(
        found.len() == 1 && found[0].starts_with("REKEYD__POLICY__ORDERS__OVERLAP: "),
        "{found:#?}"
    );
}

#[test]
fn mistakes_in_variables_name_the_variable() {
    let folder = Folder::new(POLICY, &[]);
    for (name, value, part) in [
        (
            "REKEYD__POLICY__ORDERS__OVERLAP",
            "2h",
            "a string needs quotes; to set this string, write '\"2h\"'",
        ),
        ("REKEYD__POLICY__ORDERS__OVERLAP", "", "not a TOML value"),
        ("REKEYD__POLICY__ORDERS__OVERLP", "\"2h\"", "did you mean `overlap`?"),
        ("REKEYD__POLICY__ORDERS", "5", "expected a table"),
        ("REKEYD__", "5", "names no key"),
        ("REKEYD__DAEMON____PAUSED", "true", "names no key"),
        ("REKEYD__DAEMON__LISTEN", "\"nowhere\"", "no address"),
        ("REKEYD__POLICY__ORDERS__BLACKOUT", "1", "expected "),
    ] {
        let found = folder.refusals(&[(name, value)]);
        let fits = found.len() == 1 && found[0].starts_with(&format!("{name}: ")) && found[0].contains(part);
        assert!(fits, "{name}={value}: {found:#?}");
    }
    let twice = [("REKEYD__DAEMON__PAUSED", "true"), ("REKEYD__daemon__paused", "false")];
    assert!(folder.refusals(&twice)[0].contains("same key as REKEYD__DAEMON__PAUSED"));
    let deep = format!("REKEYD__{}", "A__".repeat(50_000) + "A");
    assert_eq!(folder.refusals(&[(&deep, "1")]).len(), 1);
}

#[test]
fn files_that_cannot_be_read_are_reported_by_their_path() {
    let errors = load(Path::new("/nonexistent/rekeyd.toml"), std::iter::empty()).unwrap_err();
    assert_eq!(lines(&errors).len(), 1);
    assert!(
        errors
            .to_string()
            .starts_with("/nonexistent/rekeyd.toml: cannot be read: "),
        "{errors}"
    );

    let folder = Folder::new(POLICY, &[]);
    std::fs::write(folder.0.path().join("rekeyd.d/x.toml"), b"[daemon]\n# \xff\n").unwrap();
    assert_eq!(
        folder.refusals(&[]),
        ["rekeyd.d/x.toml:2:3: not UTF-8, which TOML is written in: save the file as UTF-8"]
    );
    std::fs::create_dir(folder.0.path().join("rekeyd.d/y.toml")).unwrap();
    assert_eq!(folder.refusals(&[]).len(), 2);
}
