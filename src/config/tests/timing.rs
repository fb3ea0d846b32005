//! When due rotations may begin.

use std::time::Duration;

use super::*;

#[test]
fn the_keys_of_timing_are_read_from_policies_and_defaults() {
    let keys = "window = \"3h\"\ntimezone = \"Europe/Berlin\"\nblackout = [\"Fri 16:00-24:00\", \"2026-12-24/2027-01-02\"]\n\
                together = \"pair\"\nmax_versions_per_day = 9";
    let policy = orders(&policy_with(keys));
    let with_defaults = orders(&policy_with(&format!("[defaults]\n{keys}")));
    for policy in [policy, with_defaults] {
        assert_eq!(policy.window.unwrap().length, Duration::from_secs(3 * 3_600));
        assert_eq!(policy.blackout.spans.len(), 2);
        assert_eq!(policy.blackout.timezone, chrono_tz::Tz::Europe__Berlin);
        let together = policy.together.unwrap();
        assert_eq!((together.name.as_str(), together.never_within.as_secs()), ("pair", 600));
        assert_eq!(policy.max_versions_per_day, 9);
    }
    let plain = orders(POLICY);
    assert_eq!(
        (plain.window, plain.together, plain.max_versions_per_day),
        (None, None, 4)
    );
    assert_eq!(orders(&policy_with("[defaults]\nnever_within = \"5m\"")).together, None);
}

#[test]
fn what_cannot_be_kept_is_refused_where_it_stands() {
    for (keys, place, part) in [
        ("window = \"soon\"", "9:10", "whole number"),
        ("window = \"30d\"", "9:10", "before the next one opens"),
        (
            "overlap = \"until-next-rotation\"\nwindow = \"20m\"",
            "10:10",
            "longer than 30m",
        ),
        ("blackout = \"Fri\"", "9:12", "expected "),
        ("blackout = [\"Sat\", \"Someday\"]", "9:20", "`Someday` is no blackout"),
        ("blackout = [\"Mon-Sun\"]", "9:12", "leaves no room"),
        ("together = \"\"", "9:12", "empty"),
        ("never_within = \"5m\"", "9:16", "without `together`"),
        ("together = \"a\"\nnever_within = \"0s\"", "10:16", "at least 1s"),
        ("max_versions_per_day = 0", "9:24", "1 to 90"),
        ("max_versions_per_day = 91", "9:24", "1 to 90"),
    ] {
        assert_refused(&policy_with(keys), &format!("t.toml:{place}"), part);
    }
    let nightly = POLICY.replace("30d", "cron(0 3 * * ? *)") + "overlap = \"1h\"\nwindow = \"2h\"\n";
    assert_refused(
        &format!("{nightly}blackout = [\"22:00-06:00\"]"),
        "t.toml:11:12",
        "leaves no room",
    );
    assert_eq!(
        refusals(&format!("{nightly}blackout = [\"22:00-04:00\"]")),
        Vec::<String>::new()
    );
}

#[test]
fn policies_of_one_name_keep_the_same_distance() {
    let twin = "[policy.twin]\naws = \"main\"\nschedule = \"30d\"\nsecrets = [\"b\"]\nallow_users = [\"b\"]\ntogether = \"pair\"\n";
    let text = |span: &str| policy_with(&format!("together = \"pair\"\nnever_within = \"{span}\"\n{twin}"));
    assert_eq!(refusals(&text("10m")), Vec::<String>::new());
    assert_refused(&text("20m"), "t.toml:16:12", "together with policy `orders`");
}

#[test]
fn what_is_kept_at_times_only_is_a_warning() {
    for (keys, part) in [
        (
            "max_versions_per_day = 1\noverlap = \"1h\"",
            Some("only 1 new versions a day"),
        ),
        // Its windows open when the blackout ends.
        ("window = \"1h\"\nblackout = [\"Sat-Sun\"]", None),
    ] {
        let text = POLICY.replace("30d", if part.is_some() { "12h" } else { "7d" });
        let warnings = load_ok(&format!("{text}{keys}\n")).warnings;
        assert_eq!(warnings.len(), usize::from(part.is_some()), "{warnings:#?}");
        assert!(
            part.is_none_or(|part| warnings[0].contains(part)),
            "{part:?}: {warnings:#?}"
        );
    }
}
