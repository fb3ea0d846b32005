//! What is refused or warned about, and where.

use super::*;

#[test]
fn what_is_required_is_asked_for_where_it_is_missing() {
    let found = refusals("[aws.main]\n[policy.orders]\n");
    let expected = [
        ("t.toml:1:6", "region"),
        ("t.toml:2:9", "allow_users"),
        ("t.toml:2:9", "aws"),
    ];
    for (place, key) in expected.into_iter().chain([("t.toml:2:9", "schedule")]) {
        assert!(
            found
                .iter()
                .any(|line| line.starts_with(place) && line.contains(&format!("no `{key}`"))),
            "{found:#?}"
        );
    }
    assert!(found.iter().any(|line| line.contains("about no secret")), "{found:#?}");
    assert_eq!(found.len(), 5, "{found:#?}");
}

#[test]
fn a_refused_value_is_not_called_missing_as_well() {
    let text = POLICY
        .replace("schedule = \"30d\"", "schedule = 30")
        .replace("[\"user1\"]", "\"user1\"");
    assert_eq!(refusals(&text).len(), 2, "{:#?}", refusals(&text));
    assert_eq!(refusals(&POLICY.replace("\"us-east-1\"", "1")).len(), 1);
}

#[test]
fn bad_values_of_a_policy_are_refused_where_they_stand() {
    for (keys, place, part) in [
        ("fence = \"20\"", "9:9", "has no unit"),
        ("verify = \"maybe\"", "9:10", "none of \"login\", \"api-only\""),
        ("first_password = \"no\"", "9:18", "inactive-only"),
        ("max_attempts = 0", "9:16", "1 to 1000"),
        ("max_attempts = -1", "9:16", "1 to 1000"),
        ("propagation_timeout = \"0s\"", "9:23", "at least 1s"),
        ("write_deadline = \"0s\"", "9:18", "at least 1s"),
        ("write_deadline = \"15m\"", "9:18", "under 15m"),
        ("retry = { initial = \"1h\" }", "9:21", "exceeds the longest"),
        ("retry = { max = \"1s\" }", "9:17", "exceeds the longest"),
        ("retry = { jitter = 1.5 }", "9:20", "0 to 1"),
        ("retry = { jitter = nan }", "9:20", "0 to 1"),
        ("password = { length = 15 }", "9:23", "16 to 128"),
        ("password = { length = 129 }", "9:23", "16 to 128"),
        (
            "password = { exclude_characters = '!#$%&()*+-.0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmno' }",
            "9:35",
            "fewer than 16",
        ),
        ("endpoints = [\"a:1\", \"redis://b:2\"]", "9:21", "URL"),
        ("endpoints = [\"a\"]", "9:14", "no port"),
        ("endpoints = [\"a:0\"]", "9:14", "1 to 65535"),
        ("endpoints = [\"::1:6379\"]", "9:14", "no endpoint"),
        ("canary = -1", "9:10", "0 to 1000000"),
        ("canary = \"one\"", "9:10", "expected "),
        ("max_attention = \"0%\"", "9:17", "\"1%\" to \"100%\""),
        ("max_attention = \"101%\"", "9:17", "\"1%\" to \"100%\""),
        ("max_attention = \"+5%\"", "9:17", "\"1%\" to \"100%\""),
        ("max_attention = \"5\"", "9:17", "a number of secrets"),
        ("max_attention = 0", "9:17", "1 to 1000000 secrets"),
        ("max_attention = 0.05", "9:17", "a share like \"5%\" or a number"),
        ("tls.ca_file = \"\"", "9:15", "empty"),
        ("select = {}", "9:1", "every secret"),
        ("select = { name_prefix = \"\" }", "9:26", "every secret"),
        ("select = { tags = { \"\" = \"x\" } }", "9", "without a name"),
    ] {
        assert_refused(&policy_with(keys), &format!("t.toml:{place}"), part);
    }
}

#[test]
fn bad_values_of_a_policys_own_keys_are_refused_where_they_stand() {
    for (from, to, place, part) in [
        ("\"main\"", "\"mian\"", "5:7", "no place is named `mian`"),
        ("30d", "whenever", "6:12", "not a schedule"),
        ("30d", "rate(3 hours)", "6:12", "rate(4 hours)"),
        ("[\"ec/user1\"]", "[]", "7:11", "about no secret"),
        ("\"ec/user1\"", "\"ec/*\"", "7:12", "name_prefix"),
        ("\"ec/user1\"", "\"a\", \"a\"", "7:17", "listed twice"),
        ("\"ec/user1\"", "\"arn:aws:s3:::x\"", "7:12", "no ARN of a secret"),
        (
            "\"ec/user1\"",
            "\"arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-abcdef\"",
            "7:12",
            "lies in eu-west-1",
        ),
        ("[\"user1\"]", "[]", "8:15", "empty"),
        ("\"user1\"", "\"user_1\"", "8:16", "no pattern"),
        ("policy.orders", "policy.Orders", "4:9", "cannot name a policy"),
        ("policy.orders", "policy.\"or.ders\"", "4:9", "cannot name a policy"),
        ("us-east-1", "mars", "3:10", "no AWS region"),
    ] {
        assert_refused(&POLICY.replacen(from, to, 1), &format!("t.toml:{place}"), part);
    }
}

#[test]
fn a_schedule_shorter_than_overlap_and_fence_is_impossible() {
    let daily = POLICY.replace("30d", "rate(1 day)");
    assert_refused(&daily, "t.toml:6:12", "lengthen the schedule to 24h20m");
    assert_eq!(refusals(&format!("{daily}overlap = \"23h40m\"")), Vec::<String>::new());
    assert_eq!(
        refusals(&format!("{daily}overlap = \"until-next-rotation\"")),
        Vec::<String>::new()
    );
    let often = POLICY.replace("30d", "90s") + "overlap = \"none\"\n";
    assert_refused(&often, "t.toml:6:12", "impossible combination");
    assert_eq!(refusals(&format!("{often}fence = \"5s\"")), Vec::<String>::new());
    // With a mistake in the overlap nobody knows.
    assert_refused(&format!("{daily}overlap = \"soon\""), "t.toml:9:11", "whole number");
}

#[test]
fn a_short_fence_is_only_a_warning() {
    let warnings = load_ok(&policy_with("fence = \"5s\"")).warnings;
    assert!(
        warnings.len() == 1 && warnings[0].starts_with("t.toml:9:9: a fence under 20m"),
        "{warnings:#?}"
    );
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    for (text, part) in [
        (
            policy_with("[aws.spare]\nregion = \"eu-west-1\""),
            "no policy works in `spare`",
        ),
        (POLICY.replace("[\"user1\"]", "[\"*\"]"), "any user at all"),
        (policy_with("pending_max_age = \"1m\""), "still propagate"),
        (
            policy_with("[daemon]\nlisten = \"0.0.0.0:9848\"\nexpose_status = true"),
            "readable for all",
        ),
        (
            policy_with("verify = \"api-only\"\nendpoints = [\"a:1\"]"),
            "never used",
        ),
        (String::new(), "no policy"),
    ] {
        let warnings = load_ok(&text).warnings;
        assert!(
            warnings.len() == 1 && warnings[0].contains(part),
            "{part}: {warnings:#?}"
        );
    }
    let folder = Folder::new(&policy_with("tls.ca_file = \"/nonexistent/ca.pem\""), &[]);
    let warnings = folder.load(&[]).unwrap().warnings;
    assert!(
        warnings.len() == 1 && warnings[0].contains("rekeyd.toml:9:15: /nonexistent/ca.pem"),
        "{warnings:#?}"
    );
}

#[test]
fn a_secret_belongs_to_one_policy() {
    let other = "[policy.twin]\naws = \"main\"\nschedule = \"30d\"\nallow_users = [\"a\"]\n";
    assert_refused(
        &policy_with(&format!("{other}secrets = [\"b\", \"ec/user1\"]")),
        "t.toml:13:17",
        "policy `orders`",
    );
    // Elsewhere the same name is another secret.
    let elsewhere = other.replace("main", "eu") + "secrets = [\"ec/user1\"]\n[aws.eu]\nregion = \"eu-west-1\"";
    assert_eq!(refusals(&policy_with(&elsewhere)), Vec::<String>::new());
    let by_arn = "secrets = [\"arn:aws:secretsmanager:us-east-1:123456789012:secret:ec/user1-a1B2c3\"]";
    let text = policy_with(&format!("{other}{by_arn}"));
    assert_refused(
        &text,
        "t.toml:13:12",
        "is the same secret as `ec/user1` of policy `orders`",
    );
    // Tags and later names may yet tell them apart: rekeyd halts a secret that two policies do select.
    let selecting = policy_with(&format!("{other}select = {{ name_prefix = \"ec/\" }}"));
    let warnings = load_ok(&selecting).warnings;
    assert!(
        warnings.len() == 1 && warnings[0].contains("also covers `ec/user1`"),
        "{warnings:#?}"
    );
}

#[test]
fn what_names_secrets_and_users_is_never_a_default() {
    for key in [
        "secrets = [\"a\"]",
        "select = { name_prefix = \"a\" }",
        "allow_users = [\"a\"]",
    ] {
        assert_refused(
            &policy_with(&format!("[defaults]\n{key}")),
            "t.toml:10",
            "belongs to a policy",
        );
    }
}

#[test]
fn mistakes_in_defaults_show_once_and_even_if_overridden() {
    let text = policy_with("overlap = \"2h\"\n[defaults]\noverlap = \"soon\"\nfence = \"x\"");
    assert_eq!(refusals(&text).len(), 2, "{:#?}", refusals(&text));
}

#[test]
fn bad_values_of_a_place_are_refused_where_they_stand() {
    for (keys, part) in [
        ("endpoint_url = \"http://aws.example\"", "plain http"),
        ("endpoint_url = \"http://127.0.0.1.example:80\"", "plain http"),
        ("endpoint_url = \"http://10.0.0.1\"", "plain http"),
        (
            "endpoint_url = \"http://127.0.0.1@aws.example\"",
            "must not carry a user",
        ),
        ("endpoint_url = \"https://h/path\"", "no path"),
        ("endpoint_url = \"https://h?q\"", "no path"),
        ("endpoint_url = \"https://\"", "no host"),
        ("endpoint_url = \"https://a b\"", "no host"),
        ("endpoint_url = \"https://h:x\"", "1 to 65535"),
        ("endpoint_url = \"ftp://h\"", "neither https nor http"),
        ("secrets_manager_endpoint_url = \"localhost:4566\"", "no URL"),
        ("elasticache_endpoint_url = \"http://[::2]:1\"", "plain http"),
        ("endpoint_url = \"http://127.0.0.1:9848\"", "daemon's own"),
        ("role_arn = \"arn:aws:iam::1:role/x\"", "no role"),
        ("external_id = \"x\"", "add `role_arn`, or remove it"),
        ("profile = \" \"", "empty"),
    ] {
        let text = POLICY.replace("region =", &format!("{keys}\nregion ="));
        assert_refused(&text, &format!("t.toml:3:{}", keys.find('"').unwrap() + 1), part);
    }
}

#[test]
fn endpoints_of_a_place_are_shared_or_its_own() {
    let keys = "endpoint_url = \"http://[::1]:1/\"\nelasticache_endpoint_url = \"http://localhost:2\"\nregion =";
    let place = load_ok(&POLICY.replace("region =", keys))
        .config
        .places
        .remove("main")
        .unwrap();
    assert_eq!(place.secrets_manager_endpoint.as_deref(), Some("http://[::1]:1/"));
    assert_eq!(place.elasticache_endpoint.as_deref(), Some("http://localhost:2"));
}

#[test]
fn bad_values_of_the_daemon_are_refused_where_they_stand() {
    for (keys, part) in [
        ("listen = \"localhost:1\"", "no address"),
        ("admin_socket = \"\"", "empty"),
        ("state = \"sqlite:\"", "no path"),
        ("state = \"sqlite::memory:\"", "outlive"),
        ("state = \"/var/lib/x\"", "write \"sqlite:/var/lib/x\""),
        ("state = \"sqlite:/run/rekeyd/admin.sock\"", "cannot be one file"),
        ("max_in_flight = 100001", "1 to 100000"),
        ("drain_timeout = \"none\"", "whole number"),
        ("discovery_interval = \"0s\"", "at least 1s"),
        ("drift_check_interval = \"never\"", "or \"none\""),
    ] {
        let column = keys.find("= ").unwrap() + 3;
        assert_refused(
            &policy_with(&format!("[daemon]\n{keys}")),
            &format!("t.toml:10:{column}"),
            part,
        );
    }
    let long = format!("[daemon]\nadmin_socket = \"/{}\"", "x".repeat(107));
    assert_refused(&policy_with(&long), "t.toml:10:16", "too long");
    let loaded = load_ok(&policy_with("[daemon]\ndrift_check_interval = \"none\""));
    assert_eq!(loaded.config.daemon.drift_check_interval, None);
}

#[test]
fn repair_without_logins_is_impossible_and_without_checks_warned_about() {
    let repair = "on_drift = \"repair\"";
    assert_refused(
        &policy_with(&format!("{repair}\nverify = \"api-only\"")),
        "t.toml:9:12",
        "needs logins",
    );
    let by_default = format!("verify = \"api-only\"\n[defaults]\n{repair}");
    assert_refused(&policy_with(&by_default), "t.toml:11:12", "needs logins");
    let overridden = format!("verify = \"login\"\n[defaults]\n{repair}\nverify = \"api-only\"");
    assert_eq!(refusals(&policy_with(&overridden)), Vec::<String>::new());

    let never = "[daemon]\ndrift_check_interval = \"none\"";
    for (text, place) in [
        (format!("{repair}\n{never}"), "t.toml:9:12"),
        (format!("[defaults]\n{repair}\n{never}"), "t.toml:10:12"),
    ] {
        let warnings = load_ok(&policy_with(&text)).warnings;
        let fits = |line: &String| line.starts_with(place) && line.contains("checked at rotations only");
        assert!(warnings.len() == 1 && warnings.iter().all(fits), "{warnings:#?}");
    }
    for quiet in [repair, never] {
        assert_eq!(load_ok(&policy_with(quiet)).warnings, Vec::<String>::new(), "{quiet}");
    }
}
