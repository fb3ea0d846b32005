//! Expressions from manuals and from people's crontabs, with the dates that they are documented to have.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::oracle::{Case, ask};

/// `expression | zone | after | dates, in UTC | what they are, and who says so`.
const TABLE: &str = include_str!("expressions.txt");

struct Row {
    case: Case,
    dates: Vec<DateTime<Utc>>,
}

fn moment(text: &str) -> DateTime<Utc> {
    let moment = NaiveDateTime::parse_from_str(text.trim(), "%Y-%m-%d %H:%M");
    moment.unwrap_or_else(|error| panic!("{text}: {error}")).and_utc()
}

fn rows() -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with("##"));
    lines.map(row).collect()
}

fn row(line: &str) -> Row {
    let columns: Vec<&str> = line.split(" | ").map(str::trim).collect();
    let [expression, zone, after, dates, _] = columns[..] else {
        panic!("not five columns: {line}");
    };
    let dates: Vec<_> = dates.split(", ").map(moment).collect();
    let after = moment(after);
    let case = Case {
        expression: expression.to_owned(),
        zone: zone.parse::<Tz>().unwrap(),
        after,
        until: after + TimeDelta::days(10_000),
        most: dates.len(),
    };
    Row { case, dates }
}

fn seconds(dates: &[DateTime<Utc>]) -> Vec<i64> {
    dates.iter().map(DateTime::timestamp).collect()
}

#[test]
fn expressions_of_manuals_and_crontabs_have_the_dates_that_are_documented() {
    let rows = rows();
    assert!(rows.len() >= 50, "{}", rows.len());
    for Row { case, dates } in rows {
        assert_eq!(case.openings(), seconds(&dates), "{}", case.expression);
    }
}

#[test]
fn the_judges_of_generated_expressions_know_those_dates_as_well() {
    let (aws, crontab): (Vec<Row>, Vec<Row>) = rows()
        .into_iter()
        .filter(|row| !row.case.expression.starts_with("rate"))
        .partition(|row| row.case.expression.starts_with("cron("));
    let cases = |rows: &[Row]| rows.iter().map(|row| row.case.clone()).collect::<Vec<_>>();
    // Walking to a date years ahead takes long.
    let mut walked = cases(&aws);
    for (case, row) in walked.iter_mut().zip(&aws) {
        case.until = *row.dates.last().unwrap();
    }
    let answers = ask(&cases(&crontab), &walked);
    for (row, answer) in crontab.iter().zip(answers.crontab).chain(aws.iter().zip(answers.walk)) {
        assert_eq!(answer, seconds(&row.dates), "{}", row.case.expression);
    }
}
