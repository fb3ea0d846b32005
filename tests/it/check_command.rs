//! `rekeyd check`: what it explains, and how every command names what is wrong with a configuration.

use crate::support::cli::{Ended, ended};

/// `rekeyd check` on a configuration that was written to `main.toml`, with drop-ins and variables.
async fn check(text: &str, drop_in: Option<&str>, env: &[(&str, &str)], args: &[&str]) -> (tempfile::TempDir, Ended) {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main.toml");
    std::fs::write(&main, text).unwrap();
    if let Some(text) = drop_in {
        std::fs::create_dir(folder.path().join("main.d")).unwrap();
        std::fs::write(folder.path().join("main.d/10-more.toml"), text).unwrap();
    }
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rekeyd"));
    command
        .arg("--config")
        .arg(&main)
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(std::process::Stdio::null());
    let ended = ended(command).await;
    (folder, ended)
}

const GOOD: &str = concat!(
    "[daemon]\nlisten = \"127.0.0.1:0\"\n\n",
    include_str!("../fixtures/smallest.toml")
);

#[tokio::test(flavor = "multi_thread")]
async fn check_explains_a_good_configuration_and_its_next_five_dates() {
    let (_folder, text) = check(GOOD, None, &[], &["check"]).await;
    let text = text.with(0);
    for words in [
        "policy orders",
        "production/ec/user1",
        "only user1",
        "us-east-1",
        "main.toml",
    ] {
        assert!(text.stdout.contains(words), "{words}: {}", text.stdout);
    }
    assert!(
        text.stdout.contains("drift               halts the secret"),
        "{}",
        text.stdout
    );
    let repair = "[policy.orders]\non_drift = \"repair\"\nfence = \"40m\"\n";
    let (_folder, repairing) = check(GOOD, Some(repair), &[], &["check"]).await;
    let repairing = repairing.with(0).stdout;
    assert!(
        repairing.contains("is repaired after 40m, 3 times a day: passwords that others gave the user are lost"),
        "{repairing}"
    );
    let dates = text.stdout.lines().filter(|line| line.ends_with(" UTC"));
    assert_eq!(dates.count(), 5, "{}", text.stdout);
    assert_eq!(text.stderr, "");
    assert!(!text.stdout.contains('\u{1b}'), "colour in a pipe");

    let more = "[policy.orders]\noverlap = \"3h\"\n";
    let variable = [("REKEYD__POLICY__ORDERS__SCHEDULE", "\"7d\"")];
    let (_folder, json) = check(GOOD, Some(more), &variable, &["check", "--json"]).await;
    let json = json.with(0);
    let policy = json.json()["policy"]["orders"].clone();
    assert!(policy.to_string().contains("7d"), "the variable holds: {policy}");
    assert!(policy.to_string().contains("3h"), "the drop-in holds: {policy}");
}

/// Two policies that use every key of when rotations begin, in places that use every key of how AWS is reached.
const FLEET: &str = r#"[daemon]
listen = "127.0.0.1:0"

[aws.eu]
region = "eu-central-1"
role_arn = "arn:aws:iam::123456789012:role/rekeyd"
external_id = "of-the-customer"
role_session_name = "rekeyd-eu"
role_session_duration = "2h"
use_dualstack = true
use_fips = false
budget = { modify_user = 3, elasticache_reads = 7 }

[aws.us]
region = "us-east-1"
role_arn = "arn:aws:iam::123456789012:role/rekeyd"
sts_endpoint_url = "https://sts.example.com"

[policy.nightly]
aws = "eu"
schedule = "cron(0 3 * * ? *)"
timezone = "Europe/Berlin"
window = "3h"
blackout = ["Mon-Sun 00:00-04:00", "2020-12-24/2021-01-02", "Fri 16:00-24:00", "Sat-Sun", "22:00-01:00"]
together = "pair"
never_within = "15m"
max_versions_per_day = 6
overlap = "12h"
secrets = ["nightly"]
allow_users = ["user1"]

[policy.monthly]
aws = "us"
schedule = "30d"
secrets = ["monthly"]
allow_users = ["user2"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn check_explains_when_rotations_may_begin_and_how_each_place_is_reached() {
    let (_folder, text) = check(FLEET, None, &[], &["check"]).await;
    let text = text.with(0).stdout;
    for words in [
        "sessions            named rekeyd-eu, 2h each",
        "external id         of-the-customer",
        "endpoints           never FIPS, dual-stack",
        "calls               at most 3 ModifyUser, 7 reads of ElastiCache, 50 writes and 500 reads of Secrets Manager a second",
        "STS at              https://sts.example.com",
        "window              each date opens one of 3h; every secret has its own place in the first 2h50m",
        "blackout            00:00-04:00, by the clock of Europe/Berlin",
        "2020-12-24T00:00/2021-01-03T00:00, by the clock of Europe/Berlin",
        "Fri 16:00-24:00, by",
        "Sat-Sun, by",
        "22:00-01:00, by",
        "kept apart          no two of \"pair\" at a time, nor within 15m of each other",
        "versions            no new one beyond 6 within 24h",
        "versions            no new one beyond 4 within 24h",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // Whatever today is, five mornings in a row hold weekdays, which begin an hour late.
    let held = text
        .lines()
        .filter(|line| line.contains("(held by the blackout until "));
    assert!(held.count() >= 1, "{text}");

    let (_folder, json) = check(FLEET, None, &[], &["check", "--json"]).await;
    let json = json.with(0).json();
    let nightly = &json["policy"]["nightly"];
    let spans = [
        "00:00-04:00",
        "2020-12-24T00:00/2021-01-03T00:00",
        "Fri 16:00-24:00",
        "Sat-Sun",
        "22:00-01:00",
    ];
    assert_eq!(
        nightly["blackout"],
        serde_json::json!({ "timezone": "Europe/Berlin", "spans": spans })
    );
    assert_eq!(
        (&nightly["window"], &nightly["never_within"]),
        (&"3h".into(), &"15m".into())
    );
    assert_eq!(
        (&nightly["together"], &nightly["max_versions_per_day"]),
        (&"pair".into(), &6.into())
    );
    let monthly = &json["policy"]["monthly"];
    for key in ["window", "together", "never_within"] {
        assert_eq!(monthly[key], serde_json::Value::Null, "{key}");
    }
    assert_eq!(
        monthly["if_rotated_now_not_before"], monthly["if_rotated_now"],
        "no blackout"
    );
    let eu = &json["aws"]["eu"];
    assert_eq!(eu["budget"]["modify_user"], 3);
    assert_eq!((&eu["use_fips"], &eu["use_dualstack"]), (&false.into(), &true.into()));
    assert_eq!(
        (&eu["role_session_name"], &eu["role_session_duration"]),
        (&"rekeyd-eu".into(), &"2h".into())
    );
    assert_eq!(json["aws"]["us"]["sts_endpoint_url"], "https://sts.example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_configuration_is_told_with_its_place_and_ends_with_78() {
    let unknown = GOOD.replace("schedule =", "shedule =");
    let value = GOOD.replace("\"30d\"", "\"soon\"");
    let syntax = GOOD.replace("[aws.main]", "[aws.main");
    let more = Some("[policy.orders]\nfence = \"20\"\n");
    let variable = ("REKEYD__POLICY__ORDERS__OVERLAP", "\"2 fortnights\"");
    let mistyped = ("REKEYD__POLICY__ORDERS__OVERLAPP", "\"2h\"");
    type Case<'a> = (&'a str, Option<&'a str>, Vec<(&'a str, &'a str)>, &'a str, &'a str);
    let cases: [Case<'_>; 7] = [
        (&unknown, None, vec![], "main.toml:9:1: ", "shedule"),
        (&value, None, vec![], "main.toml:9:12: ", "soon"),
        (&syntax, None, vec![], "main.toml:4:", ""),
        (GOOD, more, vec![], "main.d/10-more.toml:2:9: ", "20"),
        (
            GOOD,
            None,
            vec![variable],
            "REKEYD__POLICY__ORDERS__OVERLAP: ",
            "fortnights",
        ),
        (
            GOOD,
            None,
            vec![mistyped],
            "REKEYD__POLICY__ORDERS__OVERLAPP: ",
            "overlapp",
        ),
        (
            &unknown,
            more,
            vec![variable],
            "main.d/10-more.toml:2:9: ",
            "fortnights",
        ),
    ];
    for (text, drop_in, env, place, words) in cases {
        // Every command that reads the configuration ends so, `run` above all: systemd must not
        // start it again.
        for command in ["check", "run", "status"] {
            let (folder, ended) = check(text, drop_in, &env, &[command]).await;
            let ended = ended.with(78);
            let place = match place.starts_with("main") {
                true => format!("{}/{place}", folder.path().display()),
                false => place.to_owned(),
            };
            assert!(ended.stderr.contains(&place), "{place}: {}", ended.stderr);
            assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
            assert_eq!(ended.stdout, "", "{command}");
        }
    }
    let (folder, _) = check(GOOD, None, &[], &["check"]).await;
    let missing = folder.path().join("none.toml");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rekeyd"));
    command.args(["check", "--config"]).arg(&missing).env_clear();
    let ended = ended(command).await.with(78);
    assert!(
        ended.stderr.contains(&missing.display().to_string()),
        "{}",
        ended.stderr
    );
}
