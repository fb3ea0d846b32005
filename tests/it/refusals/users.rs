//! Users that are not those of their secrets, or that rekeyd must not touch.

use aws_sdk_elasticache::types::{AuthenticationMode, InputAuthenticationType};
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::reason::UnprovenReason;
use rekeyd_sandbox::{GlobalSeed, Seed};

use super::case::Cases;
use crate::support::world::{OFF, ON, REGION, document, document_with, secret_name};
use crate::support::{OLD, OTHER};

/// The users that are in the cache's group, by access string and passwords.
pub(super) const USERS: &[(&str, &str, &[&str])] = &[
    ("deleted", ON, &[OLD]),
    ("rotation-on", ON, &[OLD]),
    ("rotation-begun", ON, &[OLD]),
    ("owned", ON, &[OLD]),
    ("replicated", ON, &[OLD]),
    ("replica", ON, &[OLD]),
    ("no-current", ON, &[OLD]),
    ("binary", ON, &[OLD]),
    ("not-json", ON, &[OLD]),
    ("not-an-object", ON, &[OLD]),
    ("duplicate-key", ON, &[OLD]),
    ("no-arn", ON, &[OLD]),
    ("bad-arn", ON, &[OLD]),
    ("other-region", ON, &[OLD]),
    ("other-account", ON, &[OLD]),
    ("no-username", ON, &[OLD]),
    ("number-password", ON, &[OLD]),
    ("empty-password", ON, &[OLD]),
    ("not-allowed", ON, &[OLD]),
    ("wrong-name", ON, &[OLD]),
    ("no-password-now", ON, &[]),
    ("nopass-without", ON, &[]),
    ("on-without", ON, &[OLD]),
    ("off-without", OFF, &[OLD]),
    ("two-passwords", ON, &[OLD, OTHER]),
    ("two-while-off", OFF, &[OLD, OTHER]),
    ("drifted", ON, &[OTHER]),
    ("foreign-pending", ON, &[OLD]),
    ("pending-moved", ON, &[OLD]),
    ("pending-renamed", ON, &[OLD]),
    ("pending-no-json", ON, &[OLD]),
    ("pending-no-word", ON, &[OLD]),
    ("rolled-back", ON, &[OLD]),
    ("twin", ON, &[OLD]),
    ("paused-twin", ON, &[OLD]),
    ("global", ON, &[OLD]),
];

pub(super) async fn users_unfit(cases: &mut Cases<'_>) {
    let world = cases.world;
    cases
        .with_document("not-allowed", "user_not_allowed", &document_with("not-allowed", OLD))
        .await;
    let renamed = document_with("wrong-name", OLD).replace("\"username\":\"wrong-name\"", "\"username\":\"twin\"");
    cases.with_document("wrong-name", "username_mismatch", &renamed).await;
    for (name, secret) in [
        ("iam-user", document_with("iam-user", OLD)),
        ("iam-without", document("iam-without")),
    ] {
        let iam = AuthenticationMode::builder().r#type(InputAuthenticationType::Iam);
        let user = world.elasticache.create_user().user_id(name).user_name(name);
        let user = user.engine("redis").access_string(ON);
        user.authentication_mode(iam.build()).send().await.expect("user");
        cases.with_document(name, "user_is_iam", &secret).await;
    }
    for (id, secret) in [
        ("own-default", document_with("own-default", OLD)),
        ("empty-default", document("empty-default")),
    ] {
        let secret = secret.replace(&format!("\"username\":\"{id}\""), "\"username\":\"default\"");
        world
            .create_user_with(
                id,
                "default",
                if id == "own-default" { ON } else { OFF },
                if id == "own-default" { &[OLD] } else { &[] },
            )
            .await;
        cases.with_document(id, "user_is_default", &secret).await;
    }
    let nopass = document_with("no-password-now", OLD);
    cases
        .with_document("no-password-now", "user_passwordless", &nopass)
        .await;
    for name in ["nopass-without", "on-without", "off-without"] {
        cases
            .with_document(name, "first_password_live_user", &document(name))
            .await;
    }
    // A second password does no harm until a rotation would drop it.
    for (name, at_rest) in [
        ("two-passwords", Proof::Proven),
        ("two-while-off", Proof::Unproven(UnprovenReason::UserOff)),
    ] {
        cases
            .with_document(name, "unknown_password", &document_with(name, OLD))
            .await;
        cases.all.last_mut().unwrap().at_rest = Some(at_rest);
    }
    cases
        .with_document("drifted", "current_password_refused", &document_with("drifted", OLD))
        .await;
    let nodes: Vec<String> = world
        .addresses()
        .iter()
        .map(|(host, port)| format!("{host}:{port}"))
        .collect();
    cases.all.last_mut().unwrap().says = format!("refused by {}", sorted(nodes).join(", "));

    for (first, second, user) in [("twin-a", "twin-b", "twin"), ("twin-c", "paused-d", "paused-twin")] {
        for (name, rival) in [(first, second), (second, first)] {
            cases
                .with_document(name, "user_claimed_twice", &document_with(user, OLD))
                .await;
            cases.all.last_mut().unwrap().says = secret_name(rival);
        }
    }
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}

pub(super) async fn global_datastore(cases: &mut Cases<'_>) {
    cases.world.create_cache_named("group2", "cache2", &["global"], 1).await;
    let member = |region: &str, role: &str| GlobalSeed {
        replication_group: "cache2".to_owned(),
        region: region.to_owned(),
        role: role.to_owned(),
    };
    let seed = Seed {
        global_replication_group: Some("global1".to_owned()),
        members: Some(vec![member(REGION, "PRIMARY"), member("eu-west-1", "SECONDARY")]),
        ..Seed::default()
    };
    cases.world.sandbox.sandbox().seed(seed).expect("seeded");
    cases.good_secret("global").await;
    cases.add("global", "global_datastore").says = "cache2".to_owned();
}
