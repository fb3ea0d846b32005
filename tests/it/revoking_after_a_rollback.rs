//! `rekeyd rotate --revoke-previous` of a secret that was rolled back: halts that are over do not end the wait.

use crate::support::Scene;
use crate::support::cli::orders;

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_after_a_rollback_is_followed_to_its_end() {
    let scene = Scene::start(&[("overlap", "\"24h\"")]).await;
    let (world, _daemon, secret) = scene.parts();
    let setup = orders(world, &["user1"]);
    setup.cli(&["rotate", secret, "--wait"]).await.with(0);
    setup.cli(&["rollback", secret, "--now"]).await.with(0);
    setup.cli(&["resume", secret]).await.with(0);
    setup.cli(&["rotate", secret, "--now"]).await.with(0);
    let ended = setup
        .cli(&["rotate", secret, "--revoke-previous", "--now", "--json"])
        .await;
    let told = ended.with(0).json();
    assert_eq!(told["secrets"][0]["result"], "done", "{told:#}");
    world.assert_current_logs_in(secret, "user1").await;
}
