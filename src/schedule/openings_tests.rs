use super::*;
use std::time::Duration;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn each_interval_that_passes_without_a_rotation_is_another_opening() {
    let last = at("2026-03-01T08:15:30Z");
    let until = at("2026-03-01T20:30:00Z");
    let opened = |schedule| openings_between(&schedule, last, until).collect::<Vec<_>>();
    assert_eq!(
        opened(Schedule::RateHours(4)),
        ["12:00", "16:00", "20:00"].map(|time| at(&format!("2026-03-01T{time}:00Z")))
    );
    assert_eq!(opened(Schedule::Every(12 * HOUR)), [at("2026-03-01T20:15:30Z")]);
    assert!(opened(Schedule::RateDays(1)).is_empty());
}

#[test]
fn the_latest_opening_is_the_last_of_all_that_passed() {
    let last = at("2026-03-01T08:15:30.250Z");
    for schedule in [
        Schedule::Every(Duration::from_millis(1_250)),
        Schedule::RateHours(7),
        Schedule::RateDays(3),
    ] {
        for passed in [0, 1, 3_600, 10_000, 1_000_000] {
            let now = clock::after(last, Duration::from_secs(passed));
            assert_eq!(
                opening_at_or_before(&schedule, last, now),
                openings_between(&schedule, last, now).last(),
                "{schedule:?} {passed}"
            );
        }
    }
}
