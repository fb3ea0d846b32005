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
