//! The judge of the simulation can condemn, and acquits who did right: calls made by hand, with a replica's access key
//! or a stranger's, and no rekeyd anywhere.

mod claims;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rekeyd::policy::{Overlap, Schedule, UserPattern};
use rekeyd::rotation::event::Event;
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::UnprovenReason;
use rekeyd::rotation::version::version_id;
use rekeyd_sandbox::elasticache::{CreateUser, ModifyUser, ModifyUserGroup};
use rekeyd_sandbox::secretsmanager::{CreateSecret, GetSecretValue, PutSecretValue, UpdateSecretVersionStage};
use rekeyd_sandbox::{CallContext, NodeChange, StrangerAct};

use crate::support::simulated::{Expectations, MachineClock, Simulation, lifelike, simulate};
use crate::support::world::{CACHE, GROUP, REGION, document, document_with, secret_name};

const REKEYD: &str = "REKEYD";
const STRANGER: &str = "OPERATOR";
const USER: &str = "user1";
const OLD: &str = "the-first-password-1";
const NEW: &str = "the-second-password-2";
const OTHER: &str = "a-password-of-a-person-3";
const STRANGERS: &str = "11111111-2222-4333-8444-555555555555";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// One user in use, its secret, and a hand that plays the replica.
struct Stage {
    sim: Simulation,
    secret: String,
    arn: String,
    first: String,
    second: String,
}

fn expectations() -> Expectations {
    Expectations {
        region: REGION.to_owned(),
        secrets: vec![secret_name(USER)],
        name_prefix: None,
        tags: [].into(),
        allow_users: vec![UserPattern(USER.to_owned())],
        schedule: Schedule::Every(30 * DAY),
        overlap: Overlap::For(30 * MINUTE),
        api_only: false,
        settle: Duration::from_secs(300),
        takes_any_user: false,
        repairs: false,
        endpoints: Vec::new(),
        paused: false,
    }
}

/// What the auditor finds in this play.
fn found_in(play: impl AsyncFnOnce(&Stage)) -> Vec<String> {
    found_with(expectations(), play)
}

fn found_with(expectations: Expectations, play: impl AsyncFnOnce(&Stage)) -> Vec<String> {
    simulate(1, lifelike(), async |sim| {
        let arn = sim.live_user(USER, OLD).await;
        play(&Stage::new(&sim, arn, expectations).await).await;
        sim.run_for(5 * MINUTE).await;
        sim.world.auditor().take_violations()
    })
}

impl Stage {
    async fn new(sim: &Simulation, arn: String, expectations: Expectations) -> Self {
        // Nobody knows what happens while he looks.
        sim.run_for(MINUTE).await;
        sim.world.auditor().register(REKEYD, vec![expectations]);
        let secret = secret_name(USER);
        let first = sim.holder(&secret, "AWSCURRENT").expect("a current version");
        Self {
            sim: sim.clone(),
            second: version_id(&arn, &first, 0),
            secret,
            arn,
            first,
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.sim.world.sandbox.now()
    }

    fn request(&self, revoke_previous: bool) {
        let mut auditor = self.sim.world.auditor();
        auditor.requested(self.now(), &self.secret, revoke_previous);
        auditor.acknowledged(REKEYD, &self.secret);
    }

    async fn put(&self, key: &str, version: &str, password: &str, label: &str) {
        let request = PutSecretValue {
            secret_id: self.secret.clone(),
            client_request_token: Some(version.to_owned()),
            secret_string: Some(document_with(USER, password).as_str().into()),
            secret_binary: None,
            version_stages: Some(vec![label.to_owned()]),
        };
        self.sim.call_as(key, request).await;
    }

    async fn set(&self, key: &str, passwords: &[&str]) {
        self.set_signed(key, passwords, self.now()).await;
    }

    /// Sets passwords by a call that rests on what was seen at `signed_at`, and waits until all nodes know.
    async fn set_signed(&self, key: &str, passwords: &[&str], signed_at: DateTime<Utc>) {
        let request = ModifyUser {
            user_id: USER.to_owned(),
            passwords: Some(passwords.iter().map(|password| (*password).into()).collect()),
            ..ModifyUser::default()
        };
        let context = CallContext::new(key, REGION).signed_at(signed_at);
        self.sim.world.process(&context, request).await.expect("an active user");
        self.sim.run_for(2 * MINUTE).await;
    }

    /// Logs in on these nodes, as a replica does.
    fn log_in(&self, password: &str, nodes: &[&str]) {
        for node in nodes {
            let node = format!("{CACHE}-{node}");
            let answer = self.sim.world.sandbox.node_accepts(&node, USER, password);
            let mut auditor = self.sim.world.auditor();
            auditor.logged_in(self.now(), USER, &node, password, answer);
        }
    }

    async fn promote(&self, key: &str, from: &str, to: &str) {
        let request = UpdateSecretVersionStage {
            secret_id: self.secret.clone(),
            version_stage: "AWSCURRENT".to_owned(),
            remove_from_version_id: Some(from.to_owned()),
            move_to_version_id: Some(to.to_owned()),
        };
        self.sim.call_as(key, request).await;
    }

    /// A rotation as it should be, up to its promotion.
    async fn rotate(&self) {
        self.request(false);
        self.put(REKEYD, &self.second, NEW, "AWSPENDING").await;
        self.set(REKEYD, &[NEW, OLD]).await;
        self.log_in(NEW, &ALL);
        self.promote(REKEYD, &self.first, &self.second).await;
    }

    fn note(&self, event: &Event) {
        let world = &self.sim.world;
        world.auditor().noted(&world.sandbox, "rekeyd 1", &self.arn, event);
    }

    fn says_promoted(&self, proof: Proof) {
        self.note(&Event::Promoted {
            version: self.second.clone(),
            previous: self.first.clone(),
            proof: Some(proof),
            nodes: 3,
        });
    }

    fn says_retired(&self) {
        self.note(&Event::Retired {
            version: self.second.clone(),
            previous: self.first.clone(),
            proof: Proof::Proven,
            nodes: 3,
        });
    }
}

const ALL: [&str; 3] = ["001", "002", "003"];

/// Asserts that there are so many violations, each with this text.
fn assert_found(found: &[String], count: usize, text: &str) {
    assert!(
        found.len() == count && found.iter().all(|found| found.contains(text)),
        "{count} with {text:?}: {found:#?}"
    );
}

#[test]
fn a_whole_rotation_with_its_retirement_is_right() {
    let found = found_in(async |stage| {
        stage.rotate().await;
        stage.says_promoted(Proof::Proven);
        stage.sim.run_for(30 * MINUTE).await;
        stage.set(REKEYD, &[NEW]).await;
        stage.log_in(OLD, &ALL);
        stage.says_retired();
        stage.sim.audit_end(&[], MINUTE);
    });
    assert_found(&found, 0, "");
}

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

#[test]
fn a_promotion_of_a_version_that_is_not_derived_from_the_one_before_does_not_escape() {
    let promoted = |version: fn(&str, &str) -> String| {
        found_in(async |stage| {
            let version = version(&stage.arn, &stage.first);
            stage.put(STRANGER, &version, OLD, "AWSPENDING").await;
            stage.log_in(OLD, &ALL);
            stage.promote(REKEYD, &stage.first, &version).await;
        })
    };
    assert_found(&promoted(|arn, first| version_id(arn, first, 3)), 0, "");
    let foreign: [fn(&str, &str) -> String; 3] = [
        |_, _| STRANGERS.to_owned(),
        |_, first| version_id("another secret", first, 0),
        |arn, first| version_id(arn, &version_id(arn, first, 0), 0),
    ];
    for foreign in foreign {
        assert_found(
            &promoted(foreign),
            1,
            "was promoted by REKEYD, which is not derived from",
        );
    }
}

#[test]
fn a_replica_that_takes_awspending_from_a_stranger_does_not_escape() {
    let found = found_in(async |stage| {
        stage.put(STRANGER, STRANGERS, OTHER, "AWSPENDING").await;
        stage.sim.run_for(MINUTE).await;
        stage.request(false);
        stage.put(REKEYD, &stage.second, NEW, "AWSPENDING").await;
    });
    assert_found(&found, 1, "P3: REKEYD took AWSPENDING off the foreign version 11111111");
}

#[test]
fn a_move_back_to_the_parent_is_right_once_an_operator_asked_for_it() {
    let rolled_back = |asked: usize, times: usize| {
        found_in(async |stage| {
            stage.rotate().await;
            for _ in 0..asked {
                stage.sim.world.auditor().allow_rollback(&stage.secret);
            }
            stage.log_in(OLD, &ALL);
            for _ in 0..times {
                stage.promote(REKEYD, &stage.second, &stage.first).await;
                stage.promote(STRANGER, &stage.first, &stage.second).await;
            }
        })
    };
    assert_found(&rolled_back(1, 1), 0, "");
    let undone = "P3: version first-version";
    assert_found(&rolled_back(0, 1), 1, undone);
    assert_found(&rolled_back(1, 2), 1, undone);
}

#[test]
fn a_promotion_that_a_person_has_taken_back_is_not_made_again() {
    let found = found_in(async |stage| {
        stage.rotate().await;
        stage.promote(STRANGER, &stage.second, &stage.first).await;
        stage.sim.run_for(MINUTE).await;
        stage.promote(REKEYD, &stage.first, &stage.second).await;
    });
    assert_found(&found, 1, "from which AWSCURRENT was taken back");
}

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
