//! Other writers: in the middle of a rotation, between rotations, and the operator's pause.

use std::time::Duration;

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::rotation::version::version_id;

use crate::refusals::{
    OLD, ON, OTHER, assert_comes_to_rest, assert_only_reads, calls_of, is_read, put, set_passwords, user_with,
};
use crate::support::world::{GROUP, document_with, quick, secret_name, user_arn};
use crate::support::{Daemon, Delay, Fault, FaultKind, Policy, Settings, World, eventually};

const THIRD: &str = "yet-another-password-3";
const STRANGERS_VERSION: &str = "11111111-2222-4333-8444-555555555555";

/// Settings under which the second replica learns nothing, which holds every promotion back.
fn stuck() -> Settings {
    Settings {
        node_propagation_ms: [("replica-2".to_owned(), Delay::NEVER)].into(),
        ..quick()
    }
}

/// A user in use, its secret, and a daemon that has just checked it and looks often.
struct Scene<'a> {
    world: &'a World,
    user: String,
    keys: Vec<(&'a str, &'a str)>,
    secret: String,
    arn: String,
    first: String,
    daemon: Daemon,
}

impl<'a> Scene<'a> {
    async fn new(world: &'a World, user: &str, keys: &[(&'a str, &'a str)]) -> Self {
        let secret = secret_name(user);
        let arn = world.create_secret(&secret, &document_with(user, OLD)).await;
        let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
        let daemon = start(world, user, keys).await;
        daemon
            .wait(&secret, "checked", |status| status.proof == Some(Proof::Proven))
            .await;
        Self {
            world,
            user: user.to_owned(),
            keys: keys.to_vec(),
            secret,
            arn,
            first,
            daemon,
        }
    }

    async fn start_again(mut self) -> Self {
        self.daemon.kill().await;
        self.daemon = start(self.world, &self.user, &self.keys).await;
        self
    }

    fn writes(&self) -> usize {
        calls_of(self.world, &self.user, |operation| !is_read(operation))
    }

    /// Asks for a rotation, and waits until its new password was written and the reply is held.
    async fn rotate_until_created(&self) {
        self.world.faults(vec![
            Fault::next("PutSecretValue", FaultKind::HoldReply).on(&self.secret),
        ]);
        self.daemon.rotate(&self.secret).await;
        self.world.fault_fired().await;
        self.world.faults(Vec::new());
    }

    /// Lets the daemon have its reply, when it is too old to write on.
    async fn release_late(&self) {
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        self.world.sandbox.sandbox().release();
    }

    /// Asks for a rotation, and waits until the user has both passwords and one node knows but the
    /// old one.
    async fn rotate_until_set(&self) {
        self.world.sandbox.sandbox().set_settings(stuck());
        self.daemon.rotate(&self.secret).await;
        self.daemon
            .wait(&self.secret, "set, and held back by a node", |status| {
                status.reason.as_deref() == Some("node_lagging")
            })
            .await;
    }

    async fn halted(&self, reason: &str) -> SecretStatus {
        self.daemon.wait_reason(&self.secret, Phase::Halted, reason).await
    }

    /// Asserts that the daemon writes nothing over several looks at a halted secret.
    async fn assert_left_alone(&self, reason: &str) {
        let looks = || calls_of(self.world, &self.user, |operation| operation == "GetSecretValue");
        let (writes, looked) = (self.writes(), looks());
        eventually("the halted secret was looked at twice more", || async {
            if looks() >= looked + 2 {
                Ok(())
            } else {
                Err(format!("{} looks", looks() - looked))
            }
        })
        .await;
        self.halted(reason).await;
        assert_eq!(self.writes(), writes, "{}: a halted secret was written to", self.user);
    }

    async fn current(&self) -> String {
        self.world.holder(&self.secret, "AWSCURRENT").await.unwrap()
    }

    async fn rotated_to(&self, version: &str) -> SecretStatus {
        self.daemon
            .wait(&self.secret, "rotated", |status| {
                status.current_version.as_deref() == Some(version)
                    && status.phase == Phase::Idle
                    && status.proof == Some(Proof::Proven)
                    && status.retired_proof == Some(Proof::Proven)
            })
            .await
    }
}

async fn start(world: &World, user: &str, keys: &[(&str, &str)]) -> Daemon {
    let policy = Policy::new("orders", &[user])
        .with("write_deadline", "\"1s\"")
        .with("propagation_timeout", "\"2s\"");
    let policy = keys.iter().fold(policy, |policy, (key, value)| policy.with(key, value));
    let setup = world.daemon(user).policy(policy);
    let setup = setup.daemon_key("discovery_interval", "\"1s\"");
    setup.daemon_key("drift_check_interval", "\"1s\"").run().await
}

async fn world_of(users: &[&str]) -> World {
    let world = World::start().await;
    for user in users {
        world.create_user(user, OLD).await;
    }
    world.create_cache(users).await;
    world
}

async fn remove_pending(world: &World, secret: &str) {
    let version = world.holder(secret, "AWSPENDING").await.expect("a pending version");
    let request = world.secrets.update_secret_version_stage().secret_id(secret);
    let request = request.version_stage("AWSPENDING").remove_from_version_id(version);
    request.send().await.expect("AWSPENDING removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_reset_between_set_and_finish_is_named_and_nothing_is_promoted() {
    let cases: [(&str, &[&str], &str); 4] = [
        ("one-other", &[OTHER], "current_password_refused"),
        ("two-others", &[OTHER, THIRD], "current_password_refused"),
        ("nopass", &[], "user_passwordless"),
        // The current one stays, the pending one does not: nobody but the stranger knows the second.
        ("added", &[OLD, OTHER], "unknown_password"),
    ];
    let [first, second, third, fourth] = cases.map(reset);
    tokio::join!(first, second, third, fourth);
}

/// One reset of a user's passwords, in a world of its own.
async fn reset((user, passwords, reason): (&str, &[&str], &str)) {
    let world = world_of(&[user]).await;
    let scene = Scene::new(&world, user, &[]).await;
    scene.rotate_until_set().await;
    let writes = scene.writes();
    set_passwords(&world, user, passwords).await;
    world.sandbox.sandbox().set_settings(quick());
    let status = scene.halted(reason).await;
    let detail = status.detail.as_ref().unwrap();
    if reason == "current_password_refused" {
        assert!(
            detail.contains(&world.addresses()[0].1.to_string()),
            "case {user}: {detail}"
        );
    }
    scene.assert_left_alone(reason).await;
    assert_eq!(scene.writes(), writes, "case {user}: written after the stranger");
    assert_eq!(scene.current().await, scene.first, "case {user}: promoted");
    for password in passwords {
        eventually("what the stranger set logs in everywhere", || async {
            match world.logins(user, password).await {
                (3, 3) => Ok(()),
                other => Err(format!("case {user}: {other:?}")),
            }
        })
        .await;
    }
    // Once the old password is back, the rotation goes on where it stopped.
    set_passwords(&world, user, &[OLD]).await;
    scene.rotated_to(&version_id(&scene.arn, &scene.first, 0)).await;
    world.assert_current_logs_in(&scene.secret, user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_a_stranger_adds_before_set_secret_is_not_overwritten() {
    // The process was slow, and knows that its view is too old.
    let stale = async {
        let world = world_of(&["stale"]).await;
        let scene = Scene::new(&world, "stale", &[]).await;
        scene.rotate_until_created().await;
        set_passwords(&world, "stale", &[OLD, OTHER]).await;
        scene.release_late().await;
        let status = scene.halted("unknown_password").await;
        let detail = status.detail.unwrap();
        assert!(detail.contains("a password that rekeyd did not set"), "{detail}");
        not_overwritten(&world, scene).await;
    };

    // The process was killed before it knew that its new password was written.
    let killed = async {
        let world = world_of(&["killed"]).await;
        let scene = Scene::new(&world, "killed", &[]).await;
        scene.rotate_until_created().await;
        scene.daemon.stop();
        set_passwords(&world, "killed", &[OLD, OTHER]).await;
        let scene = scene.start_again().await;
        world.sandbox.sandbox().release();
        not_overwritten(&world, scene).await;
    };

    // AWS did not let it set its password at first.
    let throttled = async {
        let world = world_of(&["throttled"]).await;
        let retry = ("retry", "{ initial = \"3s\", max = \"3s\", jitter = 0.0 }");
        let scene = Scene::new(&world, "throttled", &[retry]).await;
        world.faults(vec![Fault::next("ModifyUser", FaultKind::Throttle).on("throttled")]);
        scene.daemon.rotate(&scene.secret).await;
        world.fault_fired().await;
        world.faults(Vec::new());
        set_passwords(&world, "throttled", &[OLD, OTHER]).await;
        not_overwritten(&world, scene).await;
    };
    tokio::join!(stale, killed, throttled);
}

async fn not_overwritten(world: &World, scene: Scene<'_>) {
    let user = scene.user.clone();
    scene.halted("unknown_password").await;
    scene.assert_left_alone("unknown_password").await;
    for password in [OLD, OTHER] {
        assert_eq!(world.logins(&user, password).await, (3, 3), "case {user}: {password}");
    }
    assert_eq!(scene.current().await, scene.first, "case {user}: promoted");
    set_passwords(world, &user, &[OLD]).await;
    scene.rotated_to(&version_id(&scene.arn, &scene.first, 0)).await;
    world.assert_current_logs_in(&scene.secret, &user).await;
    assert_eq!(world.labels(&scene.secret).await.len(), 2, "case {user}: rotated once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_by_hand_in_the_middle_of_one_of_rekeyds_wins_without_fork_or_lockout() {
    let created = async {
        let world = world_of(&["created"]).await;
        let scene = Scene::new(&world, "created", &[]).await;
        scene.rotate_until_created().await;
        rotated_by_hand(&scene).await;
        scene.release_late().await;
        given_up(&scene).await;
    };

    let set = async {
        let world = world_of(&["set"]).await;
        let scene = Scene::new(&world, "set", &[]).await;
        scene.rotate_until_set().await;
        scene.daemon.stop();
        world.sandbox.sandbox().set_settings(quick());
        rotated_by_hand(&scene).await;
        scene.daemon.go_on();
        given_up(&scene).await;
    };

    // The last call of the rotation is on its way to AWS already.
    let finishing = async {
        let world = world_of(&["finishing"]).await;
        let scene = Scene::new(&world, "finishing", &[]).await;
        world.faults(vec![
            Fault::next("UpdateSecretVersionStage", FaultKind::Hold).on(&scene.secret),
        ]);
        scene.daemon.rotate(&scene.secret).await;
        world.fault_fired().await;
        world.faults(Vec::new());
        rotated_by_hand(&scene).await;
        world.sandbox.sandbox().release();
        given_up(&scene).await;
    };
    tokio::join!(created, set, finishing);
}

async fn rotated_by_hand(scene: &Scene<'_>) {
    set_passwords(scene.world, &scene.user, &[OTHER, OLD]).await;
    let document = document_with(&scene.user, OTHER);
    put(scene.world, &scene.secret, STRANGERS_VERSION, &document, "AWSCURRENT").await;
    set_passwords(scene.world, &scene.user, &[OTHER]).await;
}

async fn given_up(scene: &Scene<'_>) {
    let (world, user) = (scene.world, scene.user.as_str());
    let ours = version_id(&scene.arn, &scene.first, 0);
    let status = scene.halted("foreign_pending").await;
    assert!(
        status.detail.as_ref().unwrap().contains(&ours),
        "case {user}: {status:?}"
    );
    assert_eq!(status.pending_version, None, "case {user}: no rotation is under way");
    scene.assert_left_alone("foreign_pending").await;
    assert_eq!(scene.current().await, STRANGERS_VERSION, "case {user}");
    assert_eq!(world.logins(user, OTHER).await, (3, 3), "case {user}: locked out");

    // The leftover label removed, it rotates on from the stranger's version.
    remove_pending(world, &scene.secret).await;
    scene
        .daemon
        .wait(&scene.secret, "at rest", |status| {
            status.phase == Phase::Idle && status.proof == Some(Proof::Proven)
        })
        .await;
    scene.daemon.rotate(&scene.secret).await;
    scene.rotated_to(&version_id(&scene.arn, STRANGERS_VERSION, 0)).await;
    world.assert_current_logs_in(&scene.secret, user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_label_that_a_stranger_removes_gives_the_rotation_up() {
    // Nothing was set yet: the next generation takes over.
    let created = async {
        let world = world_of(&["created"]).await;
        let scene = Scene::new(&world, "created", &[]).await;
        scene.rotate_until_created().await;
        remove_pending(&world, &scene.secret).await;
        scene.release_late().await;
        scene.rotated_to(&version_id(&scene.arn, &scene.first, 1)).await;
        world.assert_current_logs_in(&scene.secret, "created").await;
        assert_eq!(world.labels(&scene.secret).await.len(), 3);
    };

    // The user has a password that no label names any more; its version still tells that it is ours.
    let set = async {
        let world = world_of(&["set"]).await;
        let scene = Scene::new(&world, "set", &[]).await;
        scene.rotate_until_set().await;
        remove_pending(&world, &scene.secret).await;
        world.sandbox.sandbox().set_settings(quick());
        scene.rotated_to(&version_id(&scene.arn, &scene.first, 1)).await;
        world.assert_current_logs_in(&scene.secret, "set").await;
        let given_up = world
            .version_password(&scene.secret, &version_id(&scene.arn, &scene.first, 0))
            .await;
        assert_eq!(
            world.logins("set", &given_up).await,
            (0, 3),
            "the one given up is retired first"
        );
    };
    tokio::join!(created, set);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_another_key_between_rotations_is_carried_over() {
    // During an overlap the edit hides the previous password, which is then nobody's for all that
    // AWS shows: it is not dropped.
    let overlapping = async {
        let world = world_of(&["overlapping"]).await;
        let overlap = ("overlap", "\"until-next-rotation\"");
        let scene = Scene::new(&world, "overlapping", &[overlap]).await;
        scene.daemon.rotate(&scene.secret).await;
        scene
            .daemon
            .wait(&scene.secret, "in the overlap", |status| status.phase == Phase::Overlap)
            .await;
        edit(&scene, None).await;
        scene.daemon.rotate(&scene.secret).await;
        scene.halted("unknown_password").await;
        scene.assert_left_alone("unknown_password").await;
        assert_eq!(world.logins("overlapping", OLD).await, (3, 3));
        world.assert_current_logs_in(&scene.secret, "overlapping").await;
    };
    let (plain, labelled) = (
        carried_over("plain", None),
        carried_over("labelled", Some("AWSCURRENT")),
    );
    tokio::join!(plain, labelled, overlapping);
}

async fn carried_over(user: &str, label: Option<&str>) {
    let world = world_of(&[user]).await;
    let scene = Scene::new(&world, user, &[]).await;
    scene.daemon.rotate(&scene.secret).await;
    scene.rotated_to(&version_id(&scene.arn, &scene.first, 0)).await;
    edit(&scene, label).await;
    scene.daemon.rotate(&scene.secret).await;
    scene.rotated_to(&version_id(&scene.arn, STRANGERS_VERSION, 0)).await;
    let current = world.secrets.get_secret_value().secret_id(&scene.secret);
    let value = current.send().await.unwrap();
    let password = world.password(&scene.secret, "AWSCURRENT").await.unwrap();
    assert_eq!(
        value.secret_string(),
        Some(edited(user, &password).as_str()),
        "case {user}"
    );
    world.assert_current_logs_in(&scene.secret, user).await;
}

fn edited(user: &str, password: &str) -> String {
    let arn = user_arn(user);
    format!(
        "{{\"host\":\"db.example\",\"username\":\"{user}\",\"password\":{},\"user_arn\":\"{arn}\"}}",
        quoted(password)
    )
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Edits another key of the document, as a person does: `put-secret-value` without labels, upon
/// which AWS takes AWSPENDING off the version that was current; or with the label, and it does not.
async fn edit(scene: &Scene<'_>, label: Option<&str>) {
    let password = scene.world.password(&scene.secret, "AWSCURRENT").await.unwrap();
    let request = scene.world.secrets.put_secret_value().secret_id(&scene.secret);
    let request = request.client_request_token(STRANGERS_VERSION);
    let request = request.secret_string(edited(&scene.user, &password));
    let labels = label.map(|label| vec![label.to_owned()]);
    request.set_version_stages(labels).send().await.expect("edited");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_that_elasticache_does_not_know_hold_nobody_up_and_recover_by_themselves() {
    let world = world_of(&["good", "gone"]).await;
    for user in ["good", "gone", "never"] {
        world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    let delete = world.elasticache.delete_user().user_id("gone");
    delete.send().await.unwrap();
    let policy = Policy::new("orders", &["good", "gone", "never"]).with("schedule", "\"2s\"");
    let daemon = world.daemon("rekeyd").policy(policy).run().await;
    for user in ["gone", "never"] {
        let secret = secret_name(user);
        let status = daemon
            .wait_reason(&secret, Phase::NeedsAttention, "user_not_found")
            .await;
        assert!(status.detail.as_ref().unwrap().contains(user), "{status:?}");
    }
    let attempts = |user: &'static str| {
        let log = world.sandbox.sandbox().log();
        let of_user = log.iter().filter(|call| {
            call.access_key == "REKEYD" && call.operation == "DescribeUsers" && call.resource.as_deref() == Some(user)
        });
        of_user.count()
    };
    // They are asked for less and less often, down to once in retry.max, which is a second here.
    let since = tokio::time::Instant::now();
    let before = ["gone", "never"].map(attempts);
    let mut versions = vec![world.holder(&secret_name("good"), "AWSCURRENT").await];
    while versions.len() < 4 {
        eventually("the good user is rotated again", || async {
            let current = world.holder(&secret_name("good"), "AWSCURRENT").await;
            if versions.contains(&current) {
                Err(daemon.log_text())
            } else {
                Ok(())
            }
        })
        .await;
        versions.push(world.holder(&secret_name("good"), "AWSCURRENT").await);
        world.assert_current_logs_in(&secret_name("good"), "good").await;
    }
    let at_most = (since.elapsed().as_secs_f64() / 0.8) as usize + 4;
    for (user, before) in ["gone", "never"].into_iter().zip(before) {
        let calls = attempts(user) - before;
        assert!(
            (2..=at_most).contains(&calls),
            "{user}: {calls} calls in {:?}",
            since.elapsed()
        );
        let secret = secret_name(user);
        let status = daemon
            .wait_reason(&secret, Phase::NeedsAttention, "user_not_found")
            .await;
        assert!(status.attempts > 3 && status.next_attempt_at.is_some(), "{status:?}");
        assert_eq!(world.labels(&secret).await.len(), 1, "{user} was given a new version");
    }

    for user in ["gone", "never"] {
        user_with(&world, user, user, ON, &[OLD]).await;
    }
    let add = world.elasticache.modify_user_group().user_group_id(GROUP);
    add.user_ids_to_add("gone")
        .user_ids_to_add("never")
        .send()
        .await
        .unwrap();
    for user in ["gone", "never"] {
        daemon
            .wait(&secret_name(user), "rotated and proved", |status| {
                status.retired_proof == Some(Proof::Proven) && status.attempts == 0
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_changes_while_the_configuration_pauses_and_unpausing_goes_on() {
    let world = world_of(&["open", "shut"]).await;
    for user in ["open", "shut"] {
        world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    let setup = |name: &'static str, paused: &str, shut: &str| {
        let open = Policy::new("open", &["open"]).with("schedule", "\"1s\"");
        let policy = Policy::new("shut", &["shut"])
            .with("schedule", "\"1s\"")
            .with("paused", shut);
        let setup = world.daemon(name).policy(open).policy(policy);
        setup.daemon_key("paused", paused)
    };
    let daemon = setup("all", "true", "false").run().await;
    for user in ["open", "shut"] {
        stays_paused(&world, &daemon, user).await;
    }
    assert_comes_to_rest(&world, "all").await;
    assert_only_reads(&world, "all");
    daemon.kill().await;

    let daemon = setup("one", "false", "true").run().await;
    stays_paused(&world, &daemon, "shut").await;
    let rotated = |status: &SecretStatus| status.retired_proof == Some(Proof::Proven);
    daemon.wait(&secret_name("open"), "rotated meanwhile", rotated).await;
    assert_eq!(world.labels(&secret_name("shut")).await.len(), 1);
    daemon.kill().await;

    let daemon = setup("one", "false", "false").run().await;
    daemon.wait(&secret_name("shut"), "rotated", rotated).await;
    world.assert_current_logs_in(&secret_name("shut"), "shut").await;
}

async fn stays_paused(world: &World, daemon: &Daemon, user: &str) {
    let secret = secret_name(user);
    daemon
        .wait(&secret, "paused", |status| status.phase == Phase::Paused)
        .await;
    daemon.rotate(&secret).await;
    daemon
        .wait(&secret, "paused, and says that it was asked for", |status| {
            status.phase == Phase::Paused && status.requested
        })
        .await;
    assert_eq!(world.labels(&secret).await.len(), 1, "{user} was rotated while paused");
    assert_eq!(world.logins(user, OLD).await, (3, 3), "{user} was changed while paused");
}

async fn command(daemon: &Daemon, command: &str, body: serde_json::Value) {
    let answer = daemon.post(&format!("/api/v1/{command}"), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_by_hand_stops_at_once_and_ends_by_itself_or_when_resumed() {
    // For a while: it is due, it is asked for, and it waits.
    let timed = async {
        let world = world_of(&["timed"]).await;
        let scene = Scene::new(&world, "timed", &[("schedule", "\"3s\"")]).await;
        let since = tokio::time::Instant::now();
        let body = serde_json::json!({"secrets": [scene.secret], "for_seconds": 4, "reason": "a sale"});
        command(&scene.daemon, "pause", body).await;
        let paused = |status: &SecretStatus| {
            status.phase == Phase::Paused
                && status
                    .detail
                    .as_ref()
                    .is_some_and(|detail| detail.starts_with("until ") && detail.ends_with(": a sale"))
        };
        scene.daemon.wait(&scene.secret, "paused", paused).await;
        scene.daemon.rotate(&scene.secret).await;
        let labels = eventually("a rotation starts", || async {
            let labels = world.labels(&scene.secret).await;
            if labels.len() > 1 {
                Ok(labels)
            } else {
                Err(format!("{:?}", since.elapsed()))
            }
        })
        .await;
        let waited = since.elapsed();
        assert!(
            waited >= Duration::from_secs(4),
            "rotated {waited:?} into a pause of 4 s"
        );
        assert!(labels.contains_key(&version_id(&scene.arn, &scene.first, 0)));
        scene
            .daemon
            .wait(&scene.secret, "rotated", |status| {
                status.retired_proof == Some(Proof::Proven)
            })
            .await;
        scene.daemon.kill().await;
    };

    // In the middle of a rotation, over a restart, until resumed.
    let midway = async {
        let world = world_of(&["midway"]).await;
        let scene = Scene::new(&world, "midway", &[]).await;
        scene.rotate_until_set().await;
        let body = serde_json::json!({"secrets": [scene.secret]});
        command(&scene.daemon, "pause", body.clone()).await;
        let scene = still_paused(scene).await;
        assert_eq!(scene.current().await, scene.first, "promoted while paused");
        command(&scene.daemon, "resume", body).await;
        scene.rotated_to(&version_id(&scene.arn, &scene.first, 0)).await;
        world.assert_current_logs_in(&scene.secret, "midway").await;
        scene.daemon.kill().await;
    };

    // In the overlap: the previous password is not retired.
    let retiring = async {
        let world = world_of(&["retiring"]).await;
        let scene = Scene::new(&world, "retiring", &[("overlap", "\"1s\"")]).await;
        let fault = Fault::next("ModifyUser", FaultKind::Hang).on("retiring").at_call(2);
        world.faults(vec![fault]);
        scene.daemon.rotate(&scene.secret).await;
        world.fault_fired().await;
        let body = serde_json::json!({"all": true});
        command(&scene.daemon, "pause", body.clone()).await;
        world.faults(Vec::new());
        world.sandbox.sandbox().release();
        let scene = still_paused(scene).await;
        assert_eq!(world.logins("retiring", OLD).await, (3, 3), "retired while paused");
        command(&scene.daemon, "resume", body).await;
        scene.rotated_to(&version_id(&scene.arn, &scene.first, 0)).await;
        assert_eq!(world.logins("retiring", OLD).await, (0, 3));
        world.assert_current_logs_in(&scene.secret, "retiring").await;
    };
    tokio::join!(timed, midway, retiring);
}

/// Asserts that nothing is written although nothing but the pause forbids it, over a restart too.
async fn still_paused(scene: Scene<'_>) -> Scene<'_> {
    scene.world.sandbox.sandbox().set_settings(quick());
    looked_at_while_paused(&scene).await;
    let scene = scene.start_again().await;
    looked_at_while_paused(&scene).await;
    scene
}

async fn looked_at_while_paused(scene: &Scene<'_>) {
    let paused = |status: &SecretStatus| status.phase == Phase::Paused;
    scene.daemon.wait(&scene.secret, "paused", paused).await;
    let looks = || calls_of(scene.world, &scene.user, |operation| operation == "GetSecretValue");
    let (writes, looked) = (scene.writes(), looks());
    eventually("the paused secret was looked at twice", || async {
        if looks() >= looked + 2 {
            Ok(())
        } else {
            Err("no".to_owned())
        }
    })
    .await;
    scene.daemon.wait(&scene.secret, "still paused", paused).await;
    assert_eq!(scene.writes(), writes, "{}: written while paused", scene.user);
}
