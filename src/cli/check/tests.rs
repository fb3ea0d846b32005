use super::*;

fn sample() -> Loaded {
    crate::config::parse_str(
        "rekeyd.toml",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/config/rekeyd.toml")),
    )
    .unwrap()
}

fn noon() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

#[test]
fn a_policy_is_explained_with_its_secrets_users_and_next_dates() {
    let text = explain(&sample(), noon());
    for part in [
        "configuration         rekeyd.toml\n",
        "127.0.0.1:9848 (health, metrics and status)",
        "sqlite:/var/lib/rekeyd/state.db",
        "policy orders\n",
        "30d after the last rotation",
        "production/ec/user1\n",
        "all that are named production/ec/orders/… and tagged team=orders",
        "only user1, orders-*",
        "stays valid for 24h",
        "if rotated now      Tue 2026-03-31 12:00:00 UTC\n",
        "Wed 2026-07-29 12:00:00 UTC\n",
    ] {
        assert!(text.contains(part), "{part:?} is missing in\n{text}");
    }
    assert_eq!(text.matches(" UTC\n").count(), DATES);
}

#[test]
fn the_json_holds_what_was_configured_and_five_dates() {
    let json = explain_json(&sample(), noon());
    let orders = &json["policy"]["orders"];
    assert_eq!(orders["schedule"], "30d");
    assert_eq!(orders["overlap"], "24h");
    assert_eq!(orders["if_rotated_now"].as_array().unwrap().len(), DATES);
    assert_eq!(orders["if_rotated_now"][0], "2026-03-31T12:00:00Z");
    assert_eq!(json["daemon"]["drift_check_interval"], "6h");
    assert_eq!(json["aws"]["main"]["region"], "us-east-1");
}

#[test]
fn that_single_secrets_have_no_metrics_is_told() {
    let mut loaded = sample();
    assert!(!explain(&loaded, noon()).contains("none of single secrets"));
    assert_eq!(explain_json(&loaded, noon())["metrics"]["per_secret"], true);
    loaded.config.metrics.per_secret = false;
    assert!(explain(&loaded, noon()).contains("none of single secrets"));
    assert_eq!(explain_json(&loaded, noon())["metrics"]["per_secret"], false);
}

#[test]
fn a_paused_daemon_and_warnings_are_plain_to_see() {
    let mut loaded = sample();
    loaded.config.daemon.paused = true;
    loaded.warnings.push("mind the gap".to_owned());
    let text = explain(&loaded, noon());
    assert!(
        text.contains("PAUSED") && text.contains("policy orders (PAUSED)"),
        "{text}"
    );
    assert!(text.ends_with("warnings\n  mind the gap\n"), "{text}");
}

#[test]
fn dates_of_cron_are_shown_by_the_clock_of_the_zone_and_in_utc() {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/config/rekeyd.toml"));
    let cron = "schedule = \"cron(0 8 1 * ? *)\"\ntimezone = \"Europe/Berlin\"\n";
    let text = text.replace("schedule = \"30d\"\n", cron);
    let loaded = crate::config::parse_str("rekeyd.toml", &text).unwrap();
    let explained = explain(&loaded, noon());
    for part in [
        "cron(0 8 1 * ? *), by the clock of Europe/Berlin\n",
        "if rotated now      Wed 2026-04-01 08:00:00 CEST = Wed 2026-04-01 06:00:00 UTC\n",
        "Fri 2026-05-01 08:00:00 CEST = Fri 2026-05-01 06:00:00 UTC\n",
    ] {
        assert!(explained.contains(part), "{part:?} is missing in\n{explained}");
    }
    let json = explain_json(&loaded, "2026-09-15T12:00:00Z".parse().unwrap());
    let orders = &json["policy"]["orders"];
    assert_eq!(orders["schedule"], "cron(0 8 1 * ? *)");
    assert_eq!(orders["timezone"], "Europe/Berlin");
    assert_eq!(orders["if_rotated_now"][0], "2026-10-01T06:00:00Z");
    assert_eq!(orders["if_rotated_now_local"][0], "2026-10-01T08:00:00+02:00");
    assert_eq!(orders["if_rotated_now_local"][1], "2026-11-01T08:00:00+01:00");
    assert_eq!(orders["if_rotated_now"].as_array().unwrap().len(), DATES);
}

#[test]
fn a_schedule_without_a_zone_has_none_in_the_json_and_its_local_dates_are_utc() {
    let json = explain_json(&sample(), noon());
    let orders = &json["policy"]["orders"];
    assert!(orders["timezone"].is_null());
    assert_eq!(orders["if_rotated_now_local"], orders["if_rotated_now"]);
}
