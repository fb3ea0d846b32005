//! What promises P4, P5, P7 and P8 forbid, and what they do not.

use super::*;

#[test]
fn a_previous_password_that_goes_early_does_not_escape() {
    let retired = |expected: Expectations, after: Duration, revoked: bool| {
        found_with(expected, async |stage| {
            stage.rotate().await;
            if revoked {
                stage.request(true);
            }
            stage.sim.run_for(after).await;
            stage.set(REKEYD, &[NEW]).await;
        })
    };
    let early = "P4: REKEYD took the password of version first-version";
    assert_found(&retired(expectations(), 29 * MINUTE, false), 1, early);
    assert_found(&retired(expectations(), 29 * MINUTE, true), 0, "");
    assert_found(&retired(expectations(), 30 * MINUTE, false), 0, "");
    let lasting = || Expectations {
        overlap: Overlap::UntilNextRotation,
        ..expectations()
    };
    assert_found(&retired(lasting(), 29 * DAY, false), 1, early);
    assert_found(&retired(lasting(), 30 * DAY, false), 0, "");
}

#[test]
fn a_password_that_is_called_dead_and_lives_does_not_escape() {
    let found = found_in(async |stage| {
        stage.rotate().await;
        stage.says_retired();
    });
    assert_found(&found, 3, "accepts it");
    let found = found_in(async |stage| {
        stage.rotate().await;
        stage.log_in("a-random-password-4", &ALL);
        stage.sim.run_for(30 * MINUTE).await;
        stage.set(REKEYD, &[NEW]).await;
        stage.log_in(OLD, &["001"]);
        stage.says_retired();
    });
    assert_found(&found, 2, "no replica saw cache1-00");
}

#[test]
fn what_is_left_undone_at_the_end_does_not_escape() {
    let at_end = |exempt: &'static str, play: fn(&Stage)| {
        found_in(async |stage| {
            play(stage);
            stage.sim.run_for(31 * DAY).await;
            stage.sim.audit_end(&[exempt], 2 * DAY);
            stage.sim.run_for(2 * DAY).await;
            stage.sim.audit_end(&[exempt], 2 * DAY);
        })
    };
    assert_found(
        &at_end("", |_| ()),
        1,
        "P5: production/ec/user1: the rotation after version first-version",
    );
    assert_found(&at_end("production/ec/user1", |_| ()), 0, "");
    let found = at_end("", |stage| stage.request(false));
    let asked: Vec<String> = found
        .into_iter()
        .filter(|found| !found.contains("was due on"))
        .collect();
    assert_found(&asked, 2, "that was asked for");
    let found = found_in(async |stage| {
        stage.rotate().await;
        stage
            .put(REKEYD, &version_id(&stage.arn, &stage.second, 0), OTHER, "AWSPENDING")
            .await;
        stage.sim.run_for(DAY).await;
        stage.sim.audit_end(&[], MINUTE);
    });
    let (undue, undone) = found.split_at(1);
    assert_found(undue, 1, "P8");
    assert_found(&undone[..1], 1, "is pending still");
    assert_found(&undone[1..], 3, "lives on cache1-00");
}

#[test]
fn a_replica_that_touches_what_is_not_its_own_does_not_escape() {
    let elsewhere = || Expectations {
        secrets: vec!["another".to_owned()],
        ..expectations()
    };
    let read = async |stage: &Stage| {
        let request = GetSecretValue {
            secret_id: stage.secret.clone(),
            ..GetSecretValue::default()
        };
        stage.sim.call_as(REKEYD, request).await;
    };
    assert_found(
        &found_with(elsewhere(), read),
        1,
        "P7: REKEYD read production/ec/user1, which it does not select",
    );
    assert_found(&found_in(read), 0, "");
    let write = async |stage: &Stage| {
        stage.request(false);
        stage.put(REKEYD, &stage.second, NEW, "AWSPENDING").await;
    };
    let may_not = "P7: REKEYD may not do";
    assert_found(&found_with(elsewhere(), write), 1, may_not);
    assert_found(&found_in(write), 0, "");
    let forbidden = Expectations {
        allow_users: vec![UserPattern("user2".to_owned())],
        ..expectations()
    };
    let found = found_with(forbidden, async |stage| {
        write(stage).await;
        stage.set(REKEYD, &[NEW, OLD]).await;
    });
    assert_found(&found, 1, "P7: REKEYD may not do ModifyUser on user1");
    let found = found_in(async |stage| {
        let request = CreateSecret {
            name: "another".to_owned(),
            client_request_token: Some(STRANGERS.to_owned()),
            secret_string: Some("text".into()),
            ..CreateSecret::default()
        };
        stage.sim.call_as(REKEYD, request).await;
    });
    assert_found(&found, 1, may_not);
}

#[test]
fn a_rotation_that_is_neither_due_nor_asked_for_does_not_escape() {
    let begun = |after: Duration, asked: bool| {
        found_in(async |stage| {
            if asked {
                stage.request(false);
            }
            stage.sim.run_for(after).await;
            stage.put(REKEYD, &stage.second, NEW, "AWSPENDING").await;
        })
    };
    assert_found(&begun(29 * DAY, false), 1, "P8: REKEYD put version");
    assert_found(&begun(30 * DAY, false), 0, "");
    assert_found(&begun(MINUTE, true), 0, "");
    // A request is served once.
    let found = found_in(async |stage| {
        stage.rotate().await;
        let third = version_id(&stage.arn, &stage.second, 0);
        stage.put(REKEYD, &third, OTHER, "AWSPENDING").await;
    });
    assert_found(&found, 1, "although nobody asked");
}

#[test]
fn a_clock_that_is_off_is_allowed_for() {
    let found = found_in(async |stage| {
        let clock = MachineClock::new(stage.sim.world.time.clone(), TimeDelta::minutes(-3));
        stage.rotate().await;
        stage.sim.run_for(28 * MINUTE).await;
        stage.set(REKEYD, &[NEW]).await;
        drop(clock);
    });
    assert_found(&found, 0, "");
}
