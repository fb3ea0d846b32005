//! What promise P2 forbids, and what it does not.

use super::*;

/// What is found when a password has been set and some logins were made, and then it is promoted.
fn found_after_logins(nodes: &'static [&'static str], early: bool) -> Vec<String> {
    found_in(async |stage| {
        stage.request(false);
        stage.put(REKEYD, &stage.second, NEW, "AWSPENDING").await;
        if early {
            stage.log_in(NEW, nodes);
        }
        stage.set(REKEYD, &[NEW, OLD]).await;
        if !early {
            stage.log_in(NEW, nodes);
        }
        stage.promote(REKEYD, &stage.first, &stage.second).await;
    })
}

#[test]
fn a_promotion_that_no_login_proved_does_not_escape() {
    let unproved = "with which no replica has logged in on cache1-00";
    assert_found(&found_after_logins(&[], false), 3, unproved);
    assert_found(
        &found_after_logins(&["001", "003"], false),
        1,
        "has logged in on cache1-002",
    );
    assert_found(&found_after_logins(&ALL, true), 3, unproved);
    assert_found(&found_after_logins(&ALL, false), 0, "");
}

#[test]
fn a_promotion_of_what_nodes_refuse_or_of_a_busy_user_does_not_escape() {
    let found = found_in(async |stage| {
        stage.request(false);
        stage.put(REKEYD, &stage.second, NEW, "AWSPENDING").await;
        stage.promote(REKEYD, &stage.first, &stage.second).await;
    });
    assert_found(&found, 3, &format!("which {CACHE}-00"));
    let found = found_in(async |stage| {
        stage.request(false);
        stage.put(REKEYD, &stage.second, NEW, "AWSPENDING").await;
        stage.set(REKEYD, &[NEW, OLD]).await;
        stage.log_in(NEW, &ALL);
        let request = ModifyUser {
            user_id: USER.to_owned(),
            passwords: Some(vec![NEW.into(), OLD.into()]),
            ..ModifyUser::default()
        };
        stage.sim.call_as(REKEYD, request).await;
        stage.sim.run_for(Duration::from_secs(1)).await;
        stage.promote(REKEYD, &stage.first, &stage.second).await;
    });
    assert_found(&found, 1, "while user user1 was not active");
}

#[test]
fn a_node_that_is_called_unavailable_is_not_asked_and_what_was_not_asked_is_not_proven() {
    let play = async |stage: &Stage, proof: Proof| {
        let away = NodeChange {
            status: Some("modifying".to_owned()),
            ..NodeChange::default()
        };
        stage.sim.change_node(&format!("{CACHE}-002"), &away);
        stage.request(false);
        stage.put(REKEYD, &stage.second, NEW, "AWSPENDING").await;
        stage.set(REKEYD, &[NEW, OLD]).await;
        stage.log_in(NEW, &["001", "003"]);
        stage.promote(REKEYD, &stage.first, &stage.second).await;
        stage.says_promoted(proof);
    };
    let unproven = Proof::Unproven(UnprovenReason::NodeUnavailable);
    assert_found(&found_in(async |stage| play(stage, unproven).await), 0, "");
    let found = found_in(async |stage| play(stage, Proof::Proven).await);
    assert_found(&found, 1, "proven, which was not proved");
}

#[test]
fn where_any_password_would_do_another_one_must_have_been_refused() {
    let play = async |stage: &Stage, others: &[&str]| {
        stage.request(false);
        stage.put(REKEYD, &stage.second, NEW, "AWSPENDING").await;
        stage.set(REKEYD, &[NEW]).await;
        stage.log_in(NEW, &ALL);
        stage.log_in("a-random-password-4", others);
        stage.promote(REKEYD, &stage.first, &stage.second).await;
    };
    let found = |others: &'static [&'static str]| {
        simulate(1, lifelike(), async |sim| {
            sim.call(CreateUser {
                user_id: USER.to_owned(),
                user_name: USER.to_owned(),
                engine: "redis".to_owned(),
                access_string: "on ~keys* -@all +get".to_owned(),
                no_password_required: Some(true),
                ..CreateUser::default()
            })
            .await;
            sim.create_cache(&[USER]).await;
            let arn = sim.create_secret(&secret_name(USER), &document(USER)).await;
            play(&Stage::new(&sim, arn, expectations()).await, others).await;
            sim.world.auditor().take_violations()
        })
    };
    assert_found(&found(&[]), 3, "was not seen to refuse another");
    assert_found(&found(&ALL), 0, "");
}
