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

const GOOD: &str = r#"[daemon]
listen = "127.0.0.1:0"

[aws.main]
region = "us-east-1"

[policy.orders]
aws = "main"
schedule = "30d"
secrets = ["production/ec/user1"]
allow_users = ["user1"]
"#;

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
