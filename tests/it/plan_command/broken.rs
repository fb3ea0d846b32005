//! Secrets and users that are broken, each in one way, and one that is in order.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_sdk_elasticache::types::{AuthenticationMode, InputAuthenticationType};
use aws_sdk_secretsmanager::primitives::Blob;
use rekeyd_sandbox::{GlobalSeed, Seed};

use crate::support::daemon::Setup;
use crate::support::world::{ACCOUNT, OFF, ON, REGION, document, document_with, secret_name, user_arn};
use crate::support::{OLD, OTHER, Policy, World};

use super::certificates;

/// The users of the cache, by access string and passwords.
const USERS: &[(&str, &str, &[&str])] = &[
    ("fine", ON, &[OLD]),
    ("not-json", ON, &[OLD]),
    ("no-arn", ON, &[OLD]),
    ("other-account", ON, &[OLD]),
    ("other-region", ON, &[OLD]),
    ("not-allowed", ON, &[OLD]),
    ("off-without", OFF, &[OLD]),
    ("two-passwords", ON, &[OLD, OTHER]),
    ("rotation-on", ON, &[OLD]),
    ("owned", ON, &[OLD]),
    ("replicated", ON, &[OLD]),
    ("twin", ON, &[OLD]),
    ("foreign", ON, &[OLD]),
    ("drifted", ON, &[OTHER]),
    ("many-faults", ON, &[OTHER]),
    ("passwordless", ON, &[]),
    ("renamed", ON, &[OLD]),
    ("selected-twice", ON, &[OLD]),
    ("deleted", ON, &[OLD]),
    ("unknown-root", ON, &[OLD]),
    ("expired", ON, &[OLD]),
    ("unreachable", ON, &[OLD]),
    ("no-name", ON, &[OLD]),
    ("modifying", ON, &[OLD]),
    ("old-root", ON, &[OLD]),
    ("damaged-roots", ON, &[OLD]),
];

/// Everything that is broken in a world.
pub(super) struct Broken {
    /// Why each secret is refused, by its name.
    pub(super) reasons: BTreeMap<String, &'static str>,
    /// What is warned of, by the name of the secret.
    pub(super) warnings: BTreeMap<String, &'static str>,
    strangers_root: PathBuf,
    old_root: PathBuf,
    damaged_roots: PathBuf,
    expired: (u16, PathBuf),
}

impl Broken {
    pub(super) async fn make(world: &World) -> Self {
        for (user, access, passwords) in USERS {
            world.create_user_with(user, user, access, passwords).await;
        }
        let users: Vec<&str> = USERS.iter().map(|(user, _, _)| *user).collect();
        world.create_cache_named("group1", "cache1", &users, 2).await;
        let mut broken = Self {
            reasons: BTreeMap::new(),
            warnings: BTreeMap::new(),
            old_root: certificates::with_an_expired_root(world.dir.path(), world.ca_file()),
            damaged_roots: world.path("damaged.ca"),
            strangers_root: certificates::strangers_root(world.dir.path()),
            expired: certificates::expired_server(world.dir.path()),
        };
        broken.documents(world).await;
        broken.other_hands(world).await;
        broken.users(world).await;
        broken.warned_of(world).await;
        std::fs::write(&broken.damaged_roots, "no certificate\n").expect("a file");
        broken.add("damaged-roots", "roots_unreadable");
        for user in [
            "unknown-root",
            "expired",
            "unreachable",
            "no-name",
            "damaged-roots",
            "fine",
        ] {
            world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
        }
        broken.add("unknown-root", "certificate_untrusted");
        broken.add("expired", "certificate_expired");
        broken.add("unreachable", "network");
        broken.add("no-name", "name_unresolved");
        broken.add("no-secret", "secret_not_found");
        broken
    }

    fn add(&mut self, name: &str, reason: &'static str) {
        self.reasons.insert(secret_name(name), reason);
    }

    async fn with(&mut self, world: &World, name: &str, reason: &'static str, document: &str) {
        world.create_secret(&secret_name(name), document).await;
        self.add(name, reason);
    }

    /// What a rotation waits for, or goes on in spite of.
    async fn warned_of(&mut self, world: &World) {
        world.create_user("loner", OLD).await;
        for (name, reason) in [
            ("modifying", "modifying"),
            ("loner", "no_endpoints"),
            ("old-root", "root_expired"),
        ] {
            world.create_secret(&secret_name(name), &document_with(name, OLD)).await;
            self.warnings.insert(secret_name(name), reason);
        }
        let settings = world.sandbox.sandbox().settings();
        let mut slow = settings.clone();
        slow.tag_modifying_ms = 3_600_000;
        world.set_settings(slow);
        let tag = aws_sdk_elasticache::types::Tag::builder().key("team").value("orders");
        let tagged = world.elasticache.add_tags_to_resource().tags(tag.build());
        tagged
            .resource_name(user_arn("modifying"))
            .send()
            .await
            .expect("tagged");
        world.set_settings(settings);
    }

    async fn documents(&mut self, world: &World) {
        let with_arn = |name: &str, arn: &str| document_with(name, OLD).replace(&user_arn(name), arn);
        self.with(world, "not-json", "secret_not_json", "user1:the-first-password-1")
            .await;
        let no_arn = r#"{"username":"no-arn","password":"the-first-password-1"}"#;
        self.with(world, "no-arn", "user_arn_missing", no_arn).await;
        let binary = world.secrets.create_secret().name(secret_name("binary"));
        let binary = binary.secret_binary(Blob::new(document_with("binary", OLD)));
        binary.send().await.expect("a secret");
        self.add("binary", "secret_binary");
        let no_arn = with_arn("no-real-arn", "no-real-arn");
        self.with(world, "no-real-arn", "user_arn_invalid", &no_arn).await;
        let nameless = document("no-username").replace("\"username\"", "\"user\"");
        self.with(world, "no-username", "username_missing", &nameless).await;
        let number = document_with("no-string", OLD).replace(&format!("{OLD:?}"), "7");
        self.with(world, "no-string", "password_invalid", &number).await;
        let account = user_arn("other-account").replace(ACCOUNT, "999999999999");
        let document = with_arn("other-account", &account);
        self.with(world, "other-account", "user_arn_other_account", &document)
            .await;
        let region = user_arn("other-region").replace(REGION, "eu-west-1");
        let document = with_arn("other-region", &region);
        self.with(world, "other-region", "user_arn_other_region", &document)
            .await;
        let renamed = document_with("renamed", OLD).replace("\"username\":\"renamed\"", "\"username\":\"somebody\"");
        self.with(world, "renamed", "username_mismatch", &renamed).await;
    }

    async fn other_hands(&mut self, world: &World) {
        for (name, reason) in [
            ("rotation-on", "rotation_enabled"),
            ("owned", "owned_by_service"),
            ("replicated", "secret_replicated"),
            ("foreign", "foreign_pending"),
            ("many-faults", "current_password_refused"),
            ("selected-twice", "selected_twice"),
            ("deleted", "secret_deleted"),
        ] {
            self.with(world, name, reason, &document_with(name, OLD)).await;
        }
        for name in ["rotation-on", "many-faults"] {
            let lambda = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotator");
            let rotate = world.secrets.rotate_secret().secret_id(secret_name(name));
            let rotate = rotate.rotation_lambda_arn(lambda).rotate_immediately(false);
            rotate.send().await.expect("rotation enabled");
        }
        let seed = |name: &str| Seed {
            secret: Some(secret_name(name)),
            ..Seed::default()
        };
        let owned = Seed {
            owning_service: Some("rds".to_owned()),
            ..seed("owned")
        };
        let replicated = |name: &str| Seed {
            replicated_to: Some(vec!["eu-west-1".to_owned()]),
            ..seed(name)
        };
        for seed in [owned, replicated("replicated"), replicated("many-faults")] {
            world.sandbox.sandbox().seed(seed).expect("seeded");
        }
        let version = "11111111-2222-4333-8444-555555555555";
        let pending = document_with("foreign", OTHER);
        world
            .put_version(&secret_name("foreign"), version, &pending, &["AWSPENDING"])
            .await;
        let delete = world.secrets.delete_secret().secret_id(secret_name("deleted"));
        delete.recovery_window_in_days(7).send().await.expect("deleted");
    }

    async fn users(&mut self, world: &World) {
        for (name, reason, document) in [
            ("not-allowed", "user_not_allowed", document_with("not-allowed", OLD)),
            ("no-user", "user_not_found", document_with("no-user", OLD)),
            ("off-without", "first_password_live_user", document("off-without")),
            ("two-passwords", "unknown_password", document_with("two-passwords", OLD)),
            ("drifted", "current_password_refused", document_with("drifted", OLD)),
            ("passwordless", "user_passwordless", document_with("passwordless", OLD)),
            ("twin-a", "user_claimed_twice", document_with("twin", OLD)),
            ("twin-b", "user_claimed_twice", document_with("twin", OLD)),
            ("iam", "user_is_iam", document_with("iam", OLD)),
        ] {
            self.with(world, name, reason, &document).await;
        }
        let iam = AuthenticationMode::builder().r#type(InputAuthenticationType::Iam);
        let user = world.elasticache.create_user().user_id("iam").user_name("iam");
        let user = user.engine("redis").access_string(ON);
        user.authentication_mode(iam.build()).send().await.expect("user");
        world.create_user_with("own-default", "default", ON, &[OLD]).await;
        let default =
            document_with("own-default", OLD).replace("\"username\":\"own-default\"", "\"username\":\"default\"");
        self.with(world, "own-default", "user_is_default", &default).await;

        world.create_user_with("global", "global", ON, &[OLD]).await;
        world.create_cache_named("group2", "cache2", &["global"], 1).await;
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
        world.sandbox.sandbox().seed(seed).expect("seeded");
        self.with(world, "global", "global_datastore", &document_with("global", OLD))
            .await;
    }

    /// The policies over all of it.
    pub(super) fn configure<'a>(&self, setup: Setup<'a>, schedule: &str) -> Setup<'a> {
        let policy = |name: &str, secrets: &[String], users: &str| {
            let policy = Policy::new(name, &[]).with("secrets", &format!("{secrets:?}"));
            let policy = policy.with("allow_users", users).with("schedule", schedule);
            policy.with("max_attention", "\"100%\"").with("canary", "0")
        };
        let of = |name: &str| {
            let users = format!("[{name:?}]");
            policy(&name.replace('-', "_"), &[secret_name(name)], &users)
        };
        let with_root = |root: &PathBuf| format!("{{ ca_file = {root:?} }}");
        let alone = [
            "unknown-root",
            "expired",
            "unreachable",
            "no-name",
            "damaged-roots",
            "old-root",
            "selected-twice",
            "not-allowed",
            "fine",
        ];
        let alone: Vec<String> = alone.iter().map(|name| secret_name(name)).collect();
        let mut all: Vec<String> = self
            .reasons
            .keys()
            .filter(|name| !alone.contains(name))
            .cloned()
            .collect();
        all.extend(["fine", "modifying", "loner"].map(secret_name));
        let (port, root) = &self.expired;
        setup
            .policy(policy("orders", &all, "[\"*\"]"))
            .policy(policy("careful", &[secret_name("not-allowed")], "[\"nobody\"]"))
            .policy(policy("twice_a", &[secret_name("selected-twice")], "[\"*\"]"))
            .policy(policy("twice_b", &[], "[\"*\"]").with(
                "select",
                &format!("{{ name_prefix = {:?} }}", secret_name("selected-twice")),
            ))
            .policy(of("unknown-root").with("tls", &with_root(&self.strangers_root)))
            .policy(
                of("expired")
                    .with("tls", &with_root(root))
                    .with("endpoints", &format!("[\"localhost:{port}\"]")),
            )
            .policy(of("old-root").with("tls", &with_root(&self.old_root)))
            .policy(of("damaged-roots").with("tls", &with_root(&self.damaged_roots)))
            .policy(of("unreachable").with("endpoints", "[\"localhost:1\"]"))
            .policy(of("no-name").with("endpoints", "[\"cache.invalid:6379\"]"))
    }

    /// How many lines cannot be any shorter: a word of theirs is too long.
    pub(super) fn long_lines(&self, text: &str) -> usize {
        let too_long = |line: &&str| line.chars().count() > 80 && line.split_whitespace().count() <= 2;
        text.lines().filter(too_long).count()
    }
}
