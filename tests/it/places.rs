//! Several places, and credentials that change, with the real daemon.

use rekeyd_sandbox::FaultKind;

use crate::support::gate::Gate;
use crate::support::world::secret_name;
use crate::support::{Fault, OLD, Policy, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_stands_still_holds_up_neither_the_other_nor_readiness() {
    let (living, still) = (World::start().await, World::start().await);
    living.live_user("user1", OLD).await;
    let stuck = still.live_user("user2", OLD).await;
    // The sandbox behind it goes on; nothing of what is sent gets through, as if its process were stopped.
    let gate = Gate::before(&still.sandbox.url(), "").await;
    let there = format!(
        "[aws.still]\nregion = \"us-east-1\"\nendpoint_url = {:?}\n[policy.there]\naws = \"still\"\nschedule = \
         \"1000d\"\nsecrets = [{:?}]\nallow_users = [\"user2\"]\ntls = {{ ca_file = {:?} }}\n",
        gate.url,
        secret_name("user2"),
        still.ca_file(),
    );
    let setup = living.daemon("rekeyd").policy(Policy::new("here", &["user1"]));
    let daemon = setup.more(&there).run().await;
    let (here, there) = (secret_name("user1"), secret_name("user2"));
    daemon.checked(&here).await;
    daemon.checked(&there).await;

    gate.shut();
    daemon.rotate(&there).await;
    gate.holds_one().await;
    daemon.rotate(&here).await;
    daemon
        .wait(&here, "rotated", |status| status.retired_at.is_some())
        .await;
    assert_eq!(daemon.get("/readyz").await.status, 200);
    daemon
        .wait(&there, "not rotated", |status| status.retired_at.is_none())
        .await;

    gate.open();
    daemon
        .wait(&there, "rotated", |status| status.retired_at.is_some())
        .await;
    still.assert_current_logs_in(&stuck, "user2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_credentials_file_that_changed_is_read_again_when_aws_refuses_what_stood_there() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let file = world.path("credentials");
    let write = |key: &str| {
        let text = format!("[rotator]\naws_access_key_id = {key}\naws_secret_access_key = s\n");
        std::fs::write(&file, text).expect("credentials written");
    };
    write("OLDKEY");
    let setup = world
        .daemon("rekeyd")
        .policy(Policy::new("orders", &["user1"]))
        .place_key("profile", "\"rotator\"")
        .env("AWS_SHARED_CREDENTIALS_FILE", file.to_str().expect("a path"));
    let daemon = setup.without_keys().run().await;
    let name = secret_name("user1");
    daemon.checked(&name).await;

    write("NEWKEY");
    world.faults(vec![Fault {
        code: Some("ExpiredTokenException".to_owned()),
        message: Some("The security token included in the request is expired".to_owned()),
        ..Fault::next("DescribeSecret", FaultKind::Code)
    }]);
    daemon.rotate(&name).await;
    daemon
        .wait(&name, "rotated", |status| status.retired_at.is_some())
        .await;
    let log = world.sandbox.sandbox().log();
    let by = |key: &str, operation: &str| {
        let of_it = log.iter().filter(|entry| entry.operation == operation);
        of_it.filter(|entry| entry.access_key == key).count()
    };
    assert!(by("OLDKEY", "DescribeSecret") > 0);
    assert_eq!((by("OLDKEY", "PutSecretValue"), by("NEWKEY", "PutSecretValue")), (0, 1));
}
