//! Other writers, in the middle of a rotation and between rotations: versions that somebody else
//! puts into the secret, and labels that somebody else removes.

use rekeyd::rotation::status::Phase;
use rekeyd::rotation::version::version_id;

use crate::support::status::proven;
use crate::support::world::{document_with, quick, user_arn};
use crate::support::{Fault, FaultKind, OLD, OTHER, Scene};

const STRANGERS_VERSION: &str = "11111111-2222-4333-8444-555555555555";

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_by_hand_in_the_middle_of_one_of_rekeyds_wins_without_fork_or_lockout() {
    let created = async {
        let scene = Scene::hasty("created", &[]).await;
        scene.rotate_until_created().await;
        rotated_by_hand(&scene).await;
        scene.release_late().await;
        given_up(&scene).await;
    };

    let set = async {
        let scene = Scene::hasty("set", &[]).await;
        scene.rotate_until_set().await;
        scene.daemon.stop();
        scene.world.set_settings(quick());
        rotated_by_hand(&scene).await;
        scene.daemon.go_on();
        given_up(&scene).await;
    };

    // The last call of the rotation is on its way to AWS already.
    let finishing = async {
        let scene = Scene::hasty("finishing", &[]).await;
        scene.world.faults(vec![
            Fault::next("UpdateSecretVersionStage", FaultKind::Hold).on(&scene.secret),
        ]);
        scene.daemon.rotate(&scene.secret).await;
        scene.world.fault_fired().await;
        scene.world.faults(Vec::new());
        rotated_by_hand(&scene).await;
        scene.world.end_faults();
        given_up(&scene).await;
    };
    tokio::join!(created, set, finishing);
}

async fn rotated_by_hand(scene: &Scene) {
    scene.world.set_passwords(&scene.user, &[OTHER, OLD]).await;
    let document = document_with(&scene.user, OTHER);
    scene
        .world
        .put_version(&scene.secret, STRANGERS_VERSION, &document, &["AWSCURRENT"])
        .await;
    scene.world.set_passwords(&scene.user, &[OTHER]).await;
}

async fn given_up(scene: &Scene) {
    let (world, user) = (&scene.world, scene.user.as_str());
    let ours = scene.successor(0);
    // Made from a version that is not current any more, ours can never be promoted.
    scene
        .daemon
        .wait(&scene.secret, "given up", |status| {
            status.current_version.as_deref() == Some(STRANGERS_VERSION)
                && status.phase == Phase::Idle
                && proven(status)
        })
        .await;
    let labels = world.labels(&scene.secret).await;
    assert!(
        labels.values().flatten().all(|label| label != "AWSPENDING"),
        "case {user}: {ours} of {labels:?}"
    );
    assert_eq!(scene.current().await, STRANGERS_VERSION, "case {user}");
    assert_eq!(world.logins(user, OTHER).await, (3, 3), "case {user}: locked out");

    scene.daemon.rotate(&scene.secret).await;
    scene.rotated_to(&version_id(&scene.arn, STRANGERS_VERSION, 0)).await;
    world.assert_current_logs_in(&scene.secret, user).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_label_that_a_stranger_removes_gives_the_rotation_up() {
    // Nothing was set yet: the next generation takes over.
    let created = async {
        let scene = Scene::hasty("created", &[]).await;
        scene.rotate_until_created().await;
        scene.world.remove_pending(&scene.secret).await;
        scene.release_late().await;
        scene.rotated_to(&scene.successor(1)).await;
        scene.world.assert_current_logs_in(&scene.secret, "created").await;
        assert_eq!(scene.world.labels(&scene.secret).await.len(), 3);
    };

    // The user has a password that no label names any more; its version still tells that it is ours.
    let set = async {
        let scene = Scene::hasty("set", &[]).await;
        scene.rotate_until_set().await;
        scene.world.remove_pending(&scene.secret).await;
        scene.world.set_settings(quick());
        scene.rotated_to(&scene.successor(1)).await;
        scene.world.assert_current_logs_in(&scene.secret, "set").await;
        let given_up = scene.world.version_password(&scene.secret, &scene.successor(0)).await;
        assert_eq!(
            scene.world.logins("set", &given_up).await,
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
        let overlap = ("overlap", "\"until-next-rotation\"");
        let scene = Scene::hasty("overlapping", &[overlap]).await;
        scene.daemon.rotate(&scene.secret).await;
        scene
            .daemon
            .wait(&scene.secret, "in the overlap", |status| status.phase == Phase::Overlap)
            .await;
        edit(&scene, &[]).await;
        scene.daemon.rotate(&scene.secret).await;
        scene.halted("unknown_password").await;
        scene.assert_left_alone("unknown_password").await;
        assert_eq!(scene.world.logins("overlapping", OLD).await, (3, 3));
        scene.world.assert_current_logs_in(&scene.secret, "overlapping").await;
    };
    let (plain, labelled) = (carried_over("plain", &[]), carried_over("labelled", &["AWSCURRENT"]));
    tokio::join!(plain, labelled, overlapping);
}

async fn carried_over(user: &str, labels: &[&str]) {
    let scene = Scene::hasty(user, &[]).await;
    scene.daemon.rotate(&scene.secret).await;
    scene.rotated_to(&scene.successor(0)).await;
    edit(&scene, labels).await;
    scene.daemon.rotate(&scene.secret).await;
    scene.rotated_to(&version_id(&scene.arn, STRANGERS_VERSION, 0)).await;
    let current = scene.world.secrets.get_secret_value().secret_id(&scene.secret);
    let value = current.send().await.unwrap();
    let password = scene.world.password(&scene.secret, "AWSCURRENT").await.unwrap();
    assert_eq!(
        value.secret_string(),
        Some(edited(user, &password).as_str()),
        "case {user}"
    );
    scene.world.assert_current_logs_in(&scene.secret, user).await;
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
async fn edit(scene: &Scene, labels: &[&str]) {
    let password = scene.world.password(&scene.secret, "AWSCURRENT").await.unwrap();
    let document = edited(&scene.user, &password);
    scene
        .world
        .put_version(&scene.secret, STRANGERS_VERSION, &document, labels)
        .await;
}
