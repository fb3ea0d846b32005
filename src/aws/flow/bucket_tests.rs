use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// How many calls go until `until`, one after the other, each at its first moment. AWS lets `allowed` a
/// second go, if it throttles at all.
fn calls(bucket: &mut Bucket, from: Duration, until: Duration, allowed: Option<f64>) -> (u32, u32) {
    let (mut now, mut went, mut throttled) = (from, 0, 0);
    let mut aws = allowed.map(|rate| Bucket::new(rate, from));
    while now < until {
        match bucket.take(1.0, now) {
            Err(wait) => now += wait.max(ms(1)),
            Ok(()) if aws.as_mut().is_some_and(|aws| aws.take(1.0, now).is_err()) => {
                throttled += 1;
                bucket.throttled(now, now, None);
            }
            Ok(()) => went += 1,
        }
    }
    (went, throttled)
}

#[test]
fn half_a_second_of_calls_goes_at_once_and_then_its_rate() {
    let mut bucket = Bucket::new(10.0, ms(0));
    assert!((0..5).all(|_| bucket.take(1.0, ms(0)).is_ok()));
    let wait = bucket.take(1.0, ms(0)).unwrap_err();
    assert!((wait.as_secs_f64() - 0.1).abs() < 1e-6, "{wait:?}");
    let (went, _) = calls(&mut bucket, ms(0), ms(60_000), None);
    assert!((599..=600).contains(&went), "{went}");
}

#[test]
fn whatever_is_asked_for_and_when_no_more_goes_than_the_rate_and_what_it_holds() {
    for (seed, rate) in [(1, 0.5), (2, 3.0), (3, 10.0), (4, 50.0)] {
        let mut bucket = Bucket::new(rate, ms(0));
        let (mut now, mut went, mut chance) = (0_u64, 0.0, seed);
        for _ in 0..5_000 {
            chance = (chance * 1_103_515_245 + 12_345) % 2_147_483_648_u64;
            now += chance % 700;
            let wanted = (1 + chance % 3) as f64;
            if bucket.take(wanted, ms(now)).is_ok() {
                went += wanted;
            }
            // Calls that go together may overdraw it by themselves.
            assert!(
                went <= rate * now as f64 / 1_000.0 + rate.max(1.0) + 3.0,
                "{went} by {now} ms"
            );
        }
        assert!(went > 100.0);
    }
}

#[test]
fn a_burst_halves_the_rate_once_and_a_later_one_again() {
    let mut bucket = Bucket::new(16.0, ms(0));
    for _ in 0..10 {
        bucket.throttled(ms(1), ms(100), None);
    }
    assert!((bucket.rate() - 8.0).abs() < 0.1, "{}", bucket.rate());
    bucket.throttled(ms(100), ms(150), None);
    assert!((bucket.rate() - 8.0).abs() < 0.5, "sent before it was halved");
    bucket.throttled(ms(200), ms(250), None);
    assert!((bucket.rate() - 4.0).abs() < 0.5, "{}", bucket.rate());
    for sent in 3..1_000 {
        bucket.throttled(ms(sent * 100), ms(sent * 100), None);
    }
    assert!(bucket.rate() >= 16.0 * FLOOR, "never below a floor");
    let (_, throttled) = calls(&mut bucket, ms(100_000), ms(900_000), None);
    assert_eq!((throttled, bucket.rate()), (0, 16.0), "the whole budget again");
}

#[test]
fn what_aws_asks_for_is_waited_for_within_reason() {
    let mut bucket = Bucket::new(10.0, ms(0));
    bucket.throttled(ms(0), ms(10), Some(ms(5_000)));
    assert_eq!(bucket.take(1.0, ms(1_010)), Err(ms(4_000)));
    assert!(bucket.take(1.0, ms(5_010)).is_ok());
    bucket.throttled(ms(5_010), ms(5_020), Some(Duration::from_secs(86_400)));
    assert!(bucket.take(1.0, ms(5_020) + LONGEST_PAUSE).is_ok());
}

#[test]
fn at_a_tenth_of_the_budget_most_calls_are_not_throttled_and_most_of_it_is_used() {
    let mut bucket = Bucket::new(10.0, ms(0));
    let (went, throttled) = calls(&mut bucket, ms(0), ms(3_600_000), Some(1.0));
    assert!(went > 3_600 * 6 / 10, "{went} of 3600 go");
    assert!(
        f64::from(throttled) < 0.15 * f64::from(went),
        "{throttled} throttled, {went} go"
    );
}

#[test]
fn calls_that_go_together_may_be_more_than_the_bucket_holds() {
    let mut bucket = Bucket::new(4.0, ms(0));
    assert!(bucket.take(10.0, ms(0)).is_ok());
    let wait = bucket.take(1.0, ms(0)).unwrap_err();
    assert!((wait.as_secs_f64() - 9.0 / 4.0).abs() < 1e-6, "{wait:?}");
}

#[test]
fn those_who_share_a_budget_send_as_much_together_as_one() {
    let mut went = 0;
    for part in [0.5, 0.3, 0.2] {
        let mut bucket = Bucket::new(10.0, ms(0));
        bucket.share(part, ms(0));
        went += calls(&mut bucket, ms(0), ms(60_000), None).0;
    }
    assert!((590..=605).contains(&went), "{went} in a minute, of 10 a second");
}

#[test]
fn whoever_is_left_alone_has_the_whole_budget() {
    let mut bucket = Bucket::new(10.0, ms(0));
    bucket.share(0.1, ms(0));
    let (went, _) = calls(&mut bucket, ms(0), ms(60_000), None);
    assert!((59..=61).contains(&went), "{went} in a minute");
    bucket.share(1.0, ms(60_000));
    let (went, _) = calls(&mut bucket, ms(60_000), ms(120_000), None);
    assert!((590..=605).contains(&went), "{went} in a minute, alone");
}

#[test]
fn a_rate_at_which_aws_throttled_is_shared_as_well() {
    let mut bucket = Bucket::new(12.0, ms(0));
    bucket.throttled(ms(100), ms(100), None);
    bucket.share(1.0 / 3.0, ms(100));
    assert!((bucket.rate() - 2.0).abs() < 0.1, "{}", bucket.rate());
    bucket.share(1.0, ms(100));
    assert!((bucket.rate() - 6.0).abs() < 0.2, "{}", bucket.rate());
    assert!(!bucket.is_throttled(), "a half is not less than a half");
    bucket.share(0.0, ms(100));
    assert!(bucket.rate() > 0.0, "nothing is no part");
}
