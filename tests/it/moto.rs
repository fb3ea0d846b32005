//! moto as Secrets Manager, which nobody here wrote, with the sandbox as ElastiCache: the same
//! rotations pass. What differs between the two is in docs/SANDBOX.md.

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::UnprovenReason;
use rekeyd::rotation::status::SecretStatus;
use rekeyd::rotation::version::version_id;

use crate::support::aws::secrets_client;
use crate::support::daemon::{Setup, delete_store};
use crate::support::gate::Gate;
use crate::support::python::Moto;
use crate::support::status::idle_and_proven;
use crate::support::world::{document, document_with, quick, secret_name};
use crate::support::{Delay, Policy, Settings, World};

const USER: &str = "user1";
const OLD: &str = "the-first-password-1";
const OTHER: &str = "somebody-elses-password-2";
const STRANGERS_VERSION: &str = "11111111-2222-4333-8444-555555555555";

/// A world whose secrets are moto's.
async fn world_with(moto: &Moto) -> World {
    let mut world = World::start().await;
    world.secrets = secrets_client(&moto.url);
    world
}

fn setup<'a>(world: &'a World, secrets_manager: &str) -> Setup<'a> {
    world
        .daemon("rekeyd")
        .secrets_endpoint(secrets_manager)
        .policy(Policy::new("orders", &[USER]))
}

/// Rotated to this version, and the previous password proved dead.
fn retired_at(version: &str) -> impl Fn(&SecretStatus) -> bool + '_ {
    move |status| {
        idle_and_proven(status)
            && status.current_version.as_deref() == Some(version)
            && status.retired_proof == Some(Proof::Proven)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_is_off_gets_its_first_password() {
    let moto = Moto::start().await;
    let world = world_with(&moto).await;
    world.create_inactive_user(USER).await;
    world.create_cache(&[USER]).await;
    let secret = secret_name(USER);
    let arn = world.create_secret(&secret, &document(USER)).await;
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let daemon = setup(&world, &moto.url).run().await;
    let off = Proof::Unproven(UnprovenReason::UserOff);
    let status = daemon
        .wait(&secret, "rotated, unproven", |status| status.proof == Some(off))
        .await;
    assert_eq!(
        status.current_version.as_deref(),
        Some(version_id(&arn, &first, 0).as_str())
    );
    world.switch(USER, true).await;
    daemon.wait(&secret, "proved", idle_and_proven).await;
    world.assert_current_logs_in(&secret, USER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rotations_in_a_row_form_one_chain_and_each_proves_the_old_password_dead() {
    let moto = Moto::start().await;
    let world = world_with(&moto).await;
    let arn = world.live_user(USER, OLD).await;
    let secret = secret_name(USER);
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let daemon = setup(&world, &moto.url).run().await;
    daemon.wait(&secret, "checked", idle_and_proven).await;
    let (mut version, mut password) = (first, OLD.to_owned());
    for rotations in 1..=2 {
        let next = version_id(&arn, &version, 0);
        daemon.rotate(&secret).await;
        daemon.wait(&secret, "rotated and retired", retired_at(&next)).await;
        assert_eq!(world.logins(USER, &password).await, (0, 3), "the old password is dead");
        world.assert_current_logs_in(&secret, USER).await;
        let mut labels = world.labels(&secret).await;
        labels.values_mut().for_each(|labels| labels.sort());
        assert_eq!(labels.len(), 1 + rotations, "{labels:?}");
        assert_eq!(labels[&version], ["AWSPREVIOUS"]);
        assert_eq!(
            labels[&next],
            ["AWSCURRENT", "AWSPENDING"],
            "as a finish leaves them on AWS"
        );
        password = world.password(&secret, "AWSCURRENT").await.unwrap();
        version = next;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_whose_store_is_lost_in_the_middle_is_finished_with_the_same_version() {
    let moto = Moto::start().await;
    let world = world_with(&moto).await;
    let arn = world.live_user(USER, OLD).await;
    let secret = secret_name(USER);
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    let daemon = setup(&world, &moto.url).run().await;
    daemon.wait(&secret, "checked", idle_and_proven).await;
    // The second replica learns nothing, which holds the promotion back.
    world.sandbox.sandbox().set_settings(Settings {
        node_propagation_ms: [("replica-2".to_owned(), Delay::NEVER)].into(),
        ..quick()
    });
    daemon.rotate(&secret).await;
    daemon
        .wait(&secret, "set, and held back by a node", |status| {
            status.reason.as_deref() == Some("node_lagging")
        })
        .await;
    let state_file = daemon.state_file.clone();
    daemon.kill().await;
    delete_store(&state_file);
    world.sandbox.sandbox().set_settings(quick());

    let daemon = setup(&world, &moto.url).run().await;
    let next = version_id(&arn, &first, 0);
    daemon.wait(&secret, "rotated and retired", retired_at(&next)).await;
    assert_eq!(world.labels(&secret).await.len(), 2, "one rotation");
    assert_eq!(world.logins(USER, OLD).await, (0, 3));
    world.assert_current_logs_in(&secret, USER).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finish_that_loses_awscurrent_to_a_stranger_promotes_nothing() {
    let moto = Moto::start().await;
    let gate = Gate::before(&moto.url, "secretsmanager.UpdateSecretVersionStage").await;
    let world = world_with(&moto).await;
    let arn = world.live_user(USER, OLD).await;
    let secret = secret_name(USER);
    let first = world.holder(&secret, "AWSCURRENT").await.unwrap();
    // A halted secret is looked at again as often as that.
    let setup = setup(&world, &gate.url).daemon_key("discovery_interval", "\"1s\"");
    let daemon = setup.daemon_key("drift_check_interval", "\"1s\"").run().await;
    daemon.wait(&secret, "checked", idle_and_proven).await;
    gate.shut();
    daemon.rotate(&secret).await;
    gate.holds_one().await;
    rotate_by_hand(&world, &secret).await;
    gate.open();

    // Made from a version that is not current any more, ours can never be promoted. Moto dates the person's
    // version with whole seconds, so the request may be younger than that and lead on from it at once.
    let ours = version_id(&arn, &first, 0);
    let next = version_id(&arn, STRANGERS_VERSION, 0);
    let given_up = |status: &SecretStatus| {
        let current = status.current_version.as_deref();
        idle_and_proven(status) && (current == Some(STRANGERS_VERSION) || current == Some(&next))
    };
    let status = daemon.wait(&secret, "given up", given_up).await;
    let labels = world.labels(&secret).await;
    assert!(labels.get(&ours).is_none_or(Vec::is_empty), "{labels:?}");
    world.assert_current_logs_in(&secret, USER).await;

    if status.current_version.as_deref() == Some(STRANGERS_VERSION) {
        daemon.rotate(&secret).await;
    }
    daemon.wait(&secret, "rotated and retired", retired_at(&next)).await;
    world.assert_current_logs_in(&secret, USER).await;
    assert_eq!(world.logins(USER, OTHER).await, (0, 3));
}

/// What a person does who rotates by hand: two passwords, the new document current, one password.
async fn rotate_by_hand(world: &World, secret: &str) {
    for passwords in [&[OTHER, OLD][..], &[OTHER]] {
        world.settled(USER).await;
        let request = world.elasticache.modify_user().user_id(USER);
        let passwords = passwords.iter().map(|password| (*password).to_owned()).collect();
        request.set_passwords(Some(passwords)).send().await.expect("passwords");
        world.settled(USER).await;
        if world.holder(secret, "AWSCURRENT").await.as_deref() != Some(STRANGERS_VERSION) {
            let request = world.secrets.put_secret_value().secret_id(secret);
            let request = request.client_request_token(STRANGERS_VERSION);
            request
                .secret_string(document_with(USER, OTHER))
                .send()
                .await
                .expect("a version");
        }
    }
}
