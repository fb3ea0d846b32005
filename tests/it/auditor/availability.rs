//! What promise P1 forbids, and what it does not.

use super::*;

#[test]
fn a_replica_that_locks_clients_out_does_not_escape() {
    let found = found_in(async |stage| {
        stage.request(false);
        stage.put(REKEYD, &stage.second, NEW, "AWSPENDING").await;
        stage.set(REKEYD, &[NEW]).await;
    });
    assert_found(&found, 4, "P1: ");
    assert_found(
        &found[..1],
        1,
        "REKEYD took the password under AWSCURRENT from user user1",
    );
    assert_found(&found[1..], 3, "user1 is locked out of cache1-00");
}

#[test]
fn a_stranger_who_locks_clients_out_is_not_held_against_replicas() {
    let found = found_in(async |stage| {
        stage.set(STRANGER, &[OTHER]).await;
        stage.set(STRANGER, &[OLD]).await;
        stage.put(STRANGER, STRANGERS, OTHER, "AWSCURRENT").await;
        let out = ModifyUserGroup {
            user_group_id: GROUP.to_owned(),
            user_ids_to_add: None,
            user_ids_to_remove: Some(vec![USER.to_owned()]),
            ..ModifyUserGroup::default()
        };
        stage.sim.call(out).await;
    });
    assert_found(&found, 0, "");
}

#[test]
fn a_stranger_excuses_no_later_lockout_by_a_replica() {
    let rotated = async |stage: &Stage| {
        let act = StrangerAct::RotateSecret {
            secret: stage.secret.clone(),
        };
        let place = CallContext::new(STRANGER, REGION);
        stage.sim.world.sandbox.stranger(&place, &act).expect("a rotation");
        stage.sim.world.changed();
    };
    let found = found_in(async |stage| {
        rotated(stage).await;
        stage.sim.run_for(2 * MINUTE).await;
        stage.set(REKEYD, &[OLD]).await;
    });
    assert_found(&found[1..], 3, "user1 is locked out of cache1-00");
    // Nobody can respect what happened after he looked.
    let found = found_in(async |stage| {
        let before = stage.now();
        stage.sim.run_for(MINUTE).await;
        rotated(stage).await;
        stage.sim.run_for(2 * MINUTE).await;
        stage.set_signed(REKEYD, &[OLD], before).await;
    });
    assert_found(&found, 0, "");
}

#[test]
fn a_password_that_a_person_set_is_nobodys_to_take() {
    let found = found_in(async |stage| {
        stage.set(STRANGER, &[OLD, OTHER]).await;
        stage.set(REKEYD, &[OLD]).await;
    });
    assert_found(
        &found,
        1,
        "P1: REKEYD took a password from user user1, which no version holds",
    );
    let repairing = || Expectations {
        repairs: true,
        ..expectations()
    };
    let found = found_with(repairing(), async |stage| {
        stage.set(STRANGER, &[OLD, OTHER]).await;
        stage.set(REKEYD, &[OLD]).await;
    });
    assert_found(&found, 1, "which no version holds");
    let found = found_with(repairing(), async |stage| {
        stage.set(STRANGER, &[OTHER]).await;
        stage.set(REKEYD, &[OLD]).await;
    });
    assert_found(&found, 0, "");
    let any = Expectations {
        takes_any_user: true,
        ..expectations()
    };
    let found = found_with(any, async |stage| {
        stage.set(STRANGER, &[OLD, OTHER]).await;
        stage.set(REKEYD, &[OLD]).await;
    });
    assert_found(&found, 1, "which no version holds");
}

#[test]
fn a_password_that_no_version_holds_is_not_given_to_a_user() {
    let found = found_in(async |stage| stage.set(REKEYD, &[OLD, OTHER]).await);
    assert_found(
        &found,
        1,
        "P1: REKEYD gave user user1 a password, which no version holds",
    );
}

#[test]
fn a_current_version_that_holds_no_password_does_not_escape() {
    let without = r#"{"username":"user1"}"#;
    for (text, binary) in [(Some(without), None), (Some("no JSON"), None), (None, Some("AAEC"))] {
        let found = found_in(async |stage| {
            let request = PutSecretValue {
                secret_id: stage.secret.clone(),
                client_request_token: Some(stage.second.clone()),
                secret_string: text.map(Into::into),
                secret_binary: binary.map(Into::into),
                ..PutSecretValue::default()
            };
            stage.request(false);
            stage.sim.call_as(REKEYD, request).await;
        });
        assert_found(&found, 3, "holds no password, and one worked on cache1-00");
    }
}
