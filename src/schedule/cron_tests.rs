use chrono_tz::Tz;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn refusal(text: &str) -> String {
    parse(text, Tz::UTC).unwrap_err().to_string()
}

fn dates(text: &str, zone: Tz, after: &str, count: usize) -> Vec<String> {
    let schedule = parse(text, zone).unwrap();
    let dates = upcoming(&schedule, at(after), count);
    dates.iter().map(|date| date.format("%F %R").to_string()).collect()
}

#[test]
fn secrets_managers_rules_are_kept_and_every_refusal_says_what_to_write() {
    for (text, part) in [
        ("cron 0 8 * * ? *", "write cron(Minutes"),
        ("cron(0 8 * * ? *", "write cron(Minutes"),
        ("cron(0 8 * * ?)", "this has 5; five fields are written without"),
        ("cron(0 0 8 * * ? *)", "this has 7"),
        ("cron()", "this has 0"),
        ("cron(5 8 * * ? *)", "windows open on the hour, so write 0"),
        ("cron(* 8 * * ? *)", "windows open on the hour"),
        ("cron(00 8 * * ? *)", "windows open on the hour"),
        ("cron(0 8 * * ? 2030)", "only *, every year"),
        ("cron(0 8 * * ? ?)", "only *, every year"),
        ("cron(0 8 * * * *)", "write ? in exactly one"),
        ("cron(0 8 1 * MON *)", "write ? in exactly one"),
        ("cron(0 8 ? * ? *)", "write ? in exactly one"),
        ("cron(0 8 15W * ? *)", "no W, the nearest weekday"),
        ("cron(0 8 LW * ? *)", "no W, the nearest weekday"),
        ("cron(0 8 1,L * ? *)", "`L` stands alone"),
        ("cron(0 8 L-3 * ? *)", "`L` stands alone"),
        ("cron(0 8 ? * 2#1,3#2 *)", "`#` stands alone"),
        ("cron(0 8 ? * 2L,3L *)", "`L` stands alone"),
        ("cron(0 8 ? * MON#6 *)", "# and 1 to 5"),
        ("cron(0 8 ? * MON# *)", "# and 1 to 5"),
        ("cron(0 8 ? * 0 *)", "write 1 to 7 or SUN to SAT"),
        ("cron(0 8 ? * 8 *)", "write 1 to 7 or SUN to SAT"),
        ("cron(0 8 ? * 8L *)", "write 1 to 7 or SUN to SAT"),
        ("cron(0 8 ? * FRI-MON *)", "write it as two, `FRI-7,1-MON`"),
        ("cron(0 24 * * ? *)", "write 0 to 23"),
        ("cron(0 8 0 * ? *)", "write 1 to 31"),
        ("cron(0 8 32 * ? *)", "write 1 to 31"),
        ("cron(0 8 1 13 ? *)", "write 1 to 12 or JAN to DEC"),
        ("cron(0 8 1 MON ? *)", "write 1 to 12 or JAN to DEC"),
        ("cron(0 ? * * ? *)", "hours `?`"),
        ("cron(0 8 1 ? ? *)", "months `?`"),
        ("cron(0 8/0 * * ? *)", "never gets anywhere"),
        ("cron(0 0/24 * * ? *)", "longer than the field"),
        ("cron(0 8, * * ? *)", "nothing stands between"),
        (
            "cron(0 * * * ? *)",
            "opens every 1h, and Secrets Manager rotates every 4h",
        ),
        ("cron(0 /3 * * ? *)", "opens every 3h"),
        ("cron(0 1/22 * * ? *)", "opens every 2h"),
        ("cron(0 0 31 2 ? *)", "names no date that ever comes"),
        ("cron(0 0 31 4,6,9,11 ? *)", "names no date that ever comes"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(part), "{text}: {refusal}");
    }
}

#[test]
fn what_crontabs_do_not_have_is_refused_with_what_they_do_have() {
    for (text, part) in [
        ("0 0 8 1 * ?", "this has 6; Secrets Manager's six"),
        ("0 0 8 1 * ? 2027", "this has 7"),
        ("0 3 * *", "this has 4"),
        ("0 3 ? * MON", "no `?`"),
        ("0 3 L * *", "no `L`"),
        ("0 3 15W * *", "no `W`"),
        ("0 3 * * 5L", "no `L`"),
        ("0 3 * * MON#1", "no `#`"),
        ("5/15 * * * *", "write `5-59/15`"),
        ("/15 * * * *", "nothing stands between"),
        ("*/90 * * * *", "a duration like \"90m\""),
        ("*/0 * * * *", "never gets anywhere"),
        ("60 * * * *", "write 0 to 59"),
        ("0 24 * * *", "write 0 to 23"),
        ("0 0 * * 8", "write 0 to 7 or SUN to SAT"),
        ("0 0 * * 6-2", "write it as two, `6-7,0-2`"),
        ("0 0 * * SUNDAY", "write 0 to 7 or SUN to SAT"),
        ("0 0 * JAN-MAR-MAY *", "write 1 to 12 or JAN to DEC"),
        ("-5 0 * * *", "write 0 to 59"),
        ("1.5 0 * * *", "write 0 to 59"),
        ("0 0 30 2 *", "names no date that ever comes"),
        ("@reboot", "write @hourly, @daily"),
        ("@every 5m", "write @hourly, @daily"),
        ("@", "write @hourly, @daily"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(part), "{text}: {refusal}");
    }
}

#[test]
fn a_refusal_names_the_field() {
    assert_eq!(
        refusal("0 25 * * *"),
        "hours `25`: `25` is no value of this field: write 0 to 23"
    );
}

#[test]
fn a_cron_expression_is_described_as_it_was_written() {
    for (text, described) in [
        (" cron( 0  8 1 * ?   * ) ", "cron(0 8 1 * ? *)"),
        ("0  3 * *   mon-fri", "0 3 * * mon-fri"),
        ("@daily", "@daily"),
    ] {
        let schedule = parse(text, Tz::Europe__Berlin).unwrap();
        assert_eq!(describe(&schedule), described);
        assert_eq!(parse(described, Tz::Europe__Berlin), Ok(schedule));
    }
}

#[test]
fn a_bare_l_is_the_last_day_of_the_week_or_of_the_month() {
    assert_eq!(
        dates("cron(0 8 ? * L *)", Tz::UTC, "2026-03-01T00:00:00Z", 2),
        ["2026-03-07 08:00", "2026-03-14 08:00"]
    );
    assert_eq!(
        dates("cron(0 8 L * ? *)", Tz::UTC, "2028-01-01T00:00:00Z", 2),
        ["2028-01-31 08:00", "2028-02-29 08:00"]
    );
    let in_the_other_field = dates("cron(0 8 SUNL * ? *)", Tz::UTC, "2026-03-01T00:00:00Z", 2);
    assert_eq!(in_the_other_field, ["2026-03-29 08:00", "2026-04-26 08:00"]);
}

#[test]
fn a_crontab_runs_on_days_that_either_field_names_and_on_days_of_both_once_one_begins_with_a_star() {
    let first = |text| dates(text, Tz::UTC, "2026-03-01T12:00:00Z", 3);
    assert_eq!(
        first("0 0 13 * FRI"),
        ["2026-03-06 00:00", "2026-03-13 00:00", "2026-03-20 00:00"]
    );
    assert_eq!(
        first("0 0 5 * FRI"),
        ["2026-03-05 00:00", "2026-03-06 00:00", "2026-03-13 00:00"]
    );
    assert_eq!(
        first("0 0 */2 * FRI"),
        ["2026-03-13 00:00", "2026-03-27 00:00", "2026-04-03 00:00"]
    );
    assert_eq!(first("0 0 1-31/2 * FRI")[..2], ["2026-03-03 00:00", "2026-03-05 00:00"]);
}

#[test]
fn intervals_are_the_shortest_ones_with_the_clocks_changes() {
    let hours = |text: &str, zone| interval(&parse(text, zone).unwrap()).as_secs_f64() / 3_600.0;
    for (text, zone, expected) in [
        ("* * * * *", Tz::UTC, 1.0 / 60.0),
        ("@hourly", Tz::UTC, 1.0),
        ("@hourly", Tz::Australia__Lord_Howe, 1.0),
        ("30 * * * *", Tz::Australia__Lord_Howe, 0.5),
        ("0 3 * * *", Tz::UTC, 24.0),
        ("0 3 * * *", Tz::Europe__Berlin, 23.0),
        ("30 2 * * *", Tz::Europe__Berlin, 23.5),
        ("0 4,20 * * *", Tz::UTC, 8.0),
        ("0 0 29 2 *", Tz::UTC, 1_461.0 * 24.0),
        ("cron(0 8 1 * ? *)", Tz::UTC, 28.0 * 24.0),
        ("cron(0 2/10 * * ? *)", Tz::UTC, 4.0),
        ("cron(0 2/10 * * ? *)", Tz::Europe__London, 3.0),
        ("0 0,23 31 * *", Tz::UTC, 23.0),
        ("0 0,23 1,31 * *", Tz::UTC, 1.0),
    ] {
        assert_eq!(hours(text, zone), expected, "{text} in {zone}");
    }
}

#[test]
fn no_moment_is_too_far_away() {
    for text in ["* * * * *", "30 2 * * *", "0 0 29 2 *", "cron(0 0 ? * MON#5 *)"] {
        for zone in [
            Tz::UTC,
            Tz::America__New_York,
            Tz::Pacific__Kiritimati,
            Tz::Pacific__Apia,
        ] {
            let schedule = parse(text, zone).unwrap();
            assert!(next_after(&schedule, Timestamp::MIN_UTC) < at("0012-01-01T00:00:00Z"));
            for year in ["0001-01-01", "1700-06-01", "4990-01-01", "4999-12-28"] {
                let moment = at(&format!("{year}T00:00:00.5Z"));
                assert!(next_after(&schedule, moment) > moment, "{text} {zone} {year}");
            }
            for moment in [
                at("+5000-01-01T00:00:00Z"),
                at("+262000-01-01T00:00:00Z"),
                Timestamp::MAX_UTC,
            ] {
                assert_eq!(next_after(&schedule, moment), Timestamp::MAX_UTC);
            }
            let all = opening_at_or_before(&schedule, Timestamp::MIN_UTC, Timestamp::MAX_UTC).unwrap();
            assert!(all > at("4980-01-01T00:00:00Z"), "{text} {zone}: {all}");
        }
    }
}

#[test]
fn no_words_make_a_reader_of_cron_panic_and_what_is_read_is_described_alike() {
    const PIECES: [&str; 24] = [
        "*",
        "?",
        "L",
        "W",
        "#",
        "/",
        "-",
        ",",
        "0",
        "1",
        "7",
        "31",
        "59",
        "99999999999",
        "MON",
        "sun",
        "JAN",
        "*/5",
        "1-5",
        "é",
        "cron(",
        ")",
        "@",
        "\u{0}",
    ];
    let mut number: u64 = 7;
    let mut below = |limit: u64| {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((number >> 33) % limit).unwrap()
    };
    let mut read = 0;
    for _ in 0..4_000 {
        let mut field = || match below(3) {
            0 => (0..1 + below(3)).map(|_| PIECES[below(24)]).collect(),
            _ => ["*", "?", "1", "7", "1-5", "*/5", "1,2", "L", "0"][below(9)].to_owned(),
        };
        let fields: [String; 3] = std::array::from_fn(|_| field());
        let line = fields.join(" ");
        for text in [
            line.clone(),
            format!("cron({line})"),
            format!("cron(0 8 {line} *)"),
            format!("0 8 {line}"),
        ] {
            if let Ok(schedule) = parse(&text, Tz::UTC) {
                assert_eq!(parse(&describe(&schedule), Tz::UTC), Ok(schedule), "{text}");
                read += 1;
            }
        }
    }
    assert!(read > 100, "{read}");
}
