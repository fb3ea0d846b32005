//! `schedule` and `timezone`.

use chrono_tz::Tz;

use super::*;
use crate::schedule;

fn scheduled(expression: &str, keys: &str) -> String {
    POLICY.replace("30d", expression) + keys
}

/// What the policy's schedule says, and the zone it is read in.
fn schedule_of(text: &str) -> (String, Option<Tz>) {
    let schedule = orders(text).schedule;
    (schedule::describe(&schedule), schedule::zone_of(&schedule))
}

#[test]
fn cron_expressions_are_read_in_utc_or_in_the_zone_that_is_named() {
    for expression in ["cron(0 8 1 * ? *)", "0 8 1 * *", "@monthly"] {
        assert_eq!(
            schedule_of(&scheduled(expression, "")),
            (expression.to_owned(), Some(Tz::UTC))
        );
        assert_eq!(
            schedule_of(&scheduled(expression, "timezone = \"Europe/Berlin\"")),
            (expression.to_owned(), Some(Tz::Europe__Berlin))
        );
    }
}

#[test]
fn a_zone_of_the_defaults_is_for_those_policies_that_have_dates() {
    let defaults = "[defaults]\ntimezone = \"Asia/Tokyo\"\n";
    assert_eq!(schedule_of(&scheduled("0 8 1 * *", defaults)).1, Some(Tz::Asia__Tokyo));
    let own = format!("timezone = \"UTC\"\n{defaults}");
    assert_eq!(schedule_of(&scheduled("0 8 1 * *", &own)).1, Some(Tz::UTC));
    for schedule in ["30d", "rate(30 days)"] {
        assert_eq!(schedule_of(&scheduled(schedule, defaults)).1, None);
    }
}

#[test]
fn a_schedule_of_the_defaults_is_read_in_a_policys_own_zone() {
    let text = POLICY.replace("schedule = \"30d\"", "timezone = \"Asia/Tokyo\"");
    let text = format!("{text}[defaults]\nschedule = \"0 8 1 * *\"\n");
    assert_eq!(schedule_of(&text), ("0 8 1 * *".to_owned(), Some(Tz::Asia__Tokyo)));
}

#[test]
fn a_policys_own_zone_without_dates_is_refused() {
    for (schedule, described) in [("30d", "30d counts"), ("rate(30 days)", "rate(30 days) counts")] {
        let text = scheduled(schedule, "timezone = \"Europe/Berlin\"");
        assert_refused(&text, "t.toml:9:12", described);
        assert_refused(
            &text,
            "t.toml:9:12",
            "only cron expressions and blackouts have a `timezone`",
        );
    }
}

#[test]
fn a_zone_that_does_not_exist_is_refused_with_the_one_that_was_meant() {
    for (zone, part) in [
        ("Europe/Berln", "did you mean `Europe/Berlin`?"),
        ("europe/berlin", "did you mean `Europe/Berlin`?"),
        ("Berlin", "did you mean `Europe/Berlin`?"),
        ("sao_paulo", "did you mean `America/Sao_Paulo`?"),
        ("utc", "did you mean `UTC`?"),
        ("+02:00", "write a name of the IANA database"),
        ("", "write a name of the IANA database"),
        ("the moon, dark side", "write a name of the IANA database"),
    ] {
        let text = scheduled("0 8 1 * *", &format!("timezone = \"{zone}\""));
        assert_refused(&text, "t.toml:9:12", part);
    }
    let long = format!("timezone = \"{}\"", "Europe/Berlin".repeat(100_000));
    assert_refused(&scheduled("0 8 1 * *", &long), "t.toml:9:12", "IANA database");
    assert_refused(&scheduled("0 8 1 * *", "timezone = 2"), "t.toml:9:12", "expected ");
}

#[test]
fn expressions_that_cannot_be_read_are_refused_where_they_stand() {
    for (expression, part) in [
        ("cron(5 8 1 * ? *)", "write 0"),
        ("cron(0 8 1 * MON *)", "exactly one"),
        ("0 25 * * *", "hours `25`"),
        ("0 0 30 2 *", "no date that ever comes"),
        ("@fortnightly", "@weekly"),
        ("cron(0 /3 * * ? *)", "every 4h at the most"),
    ] {
        assert_refused(&scheduled(expression, ""), "t.toml:6:12", part);
        let in_defaults = policy_with(&format!("[defaults]\nschedule = \"{expression}\"\n"));
        assert_refused(&in_defaults, "t.toml:10:12", part);
    }
    let defaults = policy_with("[defaults]\ntimezone = \"Europe/Berln\"\n");
    assert_refused(&defaults, "t.toml:10:12", "did you mean");
}

#[test]
fn dates_that_are_nearer_than_overlap_and_fence_are_impossible() {
    assert_refused(
        &scheduled("0 3 * * *", ""),
        "t.toml:6:12",
        "due as soon as 24h after the date before it",
    );
    // The night on which the clock is set on is an hour short.
    let overlap = "overlap = \"23h30m\"\n";
    assert_eq!(refusals(&scheduled("0 3 * * *", overlap)), Vec::<String>::new());
    let in_berlin = scheduled("0 3 * * *", &format!("{overlap}timezone = \"Europe/Berlin\"\n"));
    assert_refused(&in_berlin, "t.toml:6:12", "due as soon as 23h after");
}
