//! The plan, without anything around it.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::*;
use crate::aws::provisioning::{GroupSettings, UserSettings};
use crate::clock::Timestamp;
use crate::config;
use crate::policy::Policy;
use crate::rotation::observation::{
    AWSCURRENT, AWSPENDING, Authentication, LoginAnswer, SecretState, User, UserStatus, Version,
};
use crate::rotation::version::version_id;
use crate::secret::Password;

const ARN: &str = "arn:aws:elasticache:us-east-1:123456789012:user:user1";
const SECRET_ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:s-abcdef";
const OLD: &str = "the-old-password-of-user1";

fn policy() -> Policy {
    let text = "[aws.main]\nregion = \"us-east-1\"\n[policy.p]\naws = \"main\"\nschedule = \"30d\"\nsecrets = [\"s\"]\n\
                allow_users = [\"user1\"]\n";
    config::parse_str("x", text)
        .unwrap()
        .config
        .policies
        .remove("p")
        .unwrap()
}

fn request() -> Request {
    Request {
        access_string: Some("on ~app:* +@read".to_owned()),
        groups: ["g".to_owned()].into(),
        ..Request::new("p", "user1", "s")
    }
}

fn nothing() -> Sight {
    let group = GroupSettings {
        engine: "redis".to_owned(),
        status: "active".to_owned(),
        users: ["default".to_owned()].into(),
    };
    Sight {
        user: None,
        user_arn: ARN.to_owned(),
        secret: None,
        groups: [("g".to_owned(), Some(group))].into(),
        known_password: None,
    }
}

fn user(access: &str, passwords: u32) -> Option<UserSettings> {
    Some(UserSettings {
        user: User {
            id: "user1".to_owned(),
            name: "user1".to_owned(),
            arn: ARN.to_owned(),
            status: UserStatus::Active,
            authentication: match passwords {
                0 => Authentication::NoPassword,
                _ => Authentication::Password,
            },
            password_count: passwords,
            on: access.starts_with("on"),
            groups: Default::default(),
        },
        engine: "redis".to_owned(),
        access_string: access.to_owned(),
    })
}

fn secret(current: &str, text: &str) -> Option<SecretSight> {
    let version = Version {
        created: Some(Timestamp::MIN_UTC),
        stages: [AWSCURRENT.to_owned()].into(),
    };
    Some(SecretSight {
        state: SecretState {
            arn: SECRET_ARN.to_owned(),
            name: "s".to_owned(),
            deleted: None,
            rotation_enabled: false,
            owning_service: None,
            replicated: false,
            tags: BTreeMap::new(),
            last_changed: None,
            versions: [(current.to_owned(), version)].into(),
        },
        current: Some(CurrentVersion {
            id: current.to_owned(),
            text: Some(SecretString::from(text)),
        }),
    })
}

fn bond() -> String {
    format!("{{\"username\": \"user1\", \"user_arn\": \"{ARN}\"}}")
}

fn with_password() -> String {
    bond().replace('}', &format!(", \"password\": \"{OLD}\"}}"))
}

/// The first words of the steps that are left.
fn left(request: &Request, sight: &Sight) -> Vec<String> {
    let actions = plan(request, &policy(), sight).unwrap_or_else(|refusal| panic!("{refusal}"));
    let name = |action: &Action| words(action, request).calls.join("+");
    actions.iter().map(name).collect()
}

fn refusal(request: &Request, sight: &Sight) -> String {
    plan(request, &policy(), sight)
        .err()
        .map(|refusal| refusal.to_string())
        .unwrap_or_default()
}

const ROTATION: &str = "PutSecretValue+ModifyUser+UpdateSecretVersionStage";

#[test]
fn each_step_done_leaves_the_rest_and_the_switch_comes_last() {
    let request = request();
    let mut sight = nothing();
    let all = ["CreateUser", "CreateSecret", ROTATION, "ModifyUserGroup", "ModifyUser"];
    assert_eq!(left(&request, &sight), all);
    sight.user = user("off ~app:* -@all +@read", 0);
    assert_eq!(left(&request, &sight), all[1..]);
    sight.secret = secret("v1", &bond());
    assert_eq!(left(&request, &sight), all[2..]);
    sight.user = user("off ~app:* -@all +@read", 1);
    sight.secret = secret("v2", &with_password());
    assert_eq!(left(&request, &sight), all[3..]);
    sight
        .groups
        .get_mut("g")
        .unwrap()
        .as_mut()
        .unwrap()
        .users
        .insert("user1".to_owned());
    assert_eq!(left(&request, &sight), all[4..]);
    sight.user = user("on ~app:* -@all +@read", 1);
    assert_eq!(left(&request, &sight), [""; 0]);
}

#[test]
fn a_user_is_created_off_whatever_its_access_string_says() {
    let actions = plan(&request(), &policy(), &nothing()).unwrap();
    let Action::CreateUser { access_string, .. } = &actions[0] else {
        panic!("{actions:?}")
    };
    assert_eq!(access_string, "off ~app:* +@read");
}

#[test]
fn a_rotation_that_is_under_way_is_gone_on_with_and_not_asked_for_again() {
    let mut sight = nothing();
    sight.user = user("off ~app:* -@all +@read", 1);
    for text in [bond(), with_password()] {
        let current = bond::first_version("s", ARN);
        sight.secret = secret(&current, &text);
        let pending = Version {
            created: Some(Timestamp::MIN_UTC),
            stages: [AWSPENDING.to_owned()].into(),
        };
        let versions = &mut sight.secret.as_mut().unwrap().state.versions;
        versions.insert(version_id(SECRET_ARN, &current, 0), pending);
        let actions = plan(&request(), &policy(), &sight).unwrap();
        assert_eq!(actions[0], Action::Rotate { on_request: false });
    }
}

#[test]
fn nobody_is_switched_on_who_would_accept_any_password() {
    let mut sight = nothing();
    sight.user = user("off ~app:* -@all +@read", 0);
    sight.secret = secret("v2", &with_password());
    assert!(refusal(&request(), &sight).contains("it would accept any"));
}

#[test]
fn a_valkey_user_gets_the_password_that_its_secret_was_created_with() {
    let request = Request {
        engine: Some(UserEngine::Valkey),
        groups: Default::default(),
        ..request()
    };
    let mut sight = nothing();
    assert_eq!(
        left(&request, &sight),
        ["CreateSecret", "CreateUser", ROTATION, "ModifyUser"]
    );
    sight.secret = secret(&bond::first_version("s", ARN), &with_password());
    assert_eq!(left(&request, &sight), ["CreateUser", ROTATION, "ModifyUser"]);
    sight.secret = secret("v1", &bond());
    assert!(refusal(&request, &sight).contains("cannot be created without a password"));
    sight.secret = secret("v2", &with_password());
    assert!(refusal(&request, &sight).contains("holds a password of it"));
}

#[test]
fn a_password_that_is_known_counts_only_where_the_nodes_accept_it() {
    let request = Request {
        known_password: Some(Password::new(OLD.to_owned())),
        access_string: None,
        groups: Default::default(),
        ..request()
    };
    let mut sight = nothing();
    sight.user = user("on ~app:* -@all +@read", 1);
    let mut with_answers = |answers: &[LoginAnswer]| {
        let answers = answers
            .iter()
            .enumerate()
            .map(|(at, answer)| (format!("n{at}:6379"), answer.clone()));
        sight.known_password = Some(Evidence {
            answers: answers.collect(),
        });
        plan(&request, &policy(), &sight)
            .map(|actions| actions.len())
            .map_err(|refusal| refusal.to_string())
    };
    let silent = || LoginAnswer::Unreachable("timeout".to_owned());
    assert_eq!(with_answers(&[LoginAnswer::Accepted, LoginAnswer::Accepted]), Ok(2));
    assert_eq!(with_answers(&[LoginAnswer::Accepted, silent()]), Ok(2));
    assert_eq!(
        with_answers(&[]),
        Ok(2),
        "where there is no node, nothing can be proved"
    );
    assert!(with_answers(&[LoginAnswer::Accepted, LoginAnswer::Refused]).is_err_and(|no| no.contains("refused by n1")));
    assert!(with_answers(&[silent(), silent()]).is_err_and(|no| no.contains("no node answers")));
    sight.user = user("on ~app:* -@all +@read", 2);
    assert!(refusal(&request, &sight).contains("has 2 passwords"));
    sight.user = user("off ~app:* -@all +@read", 0);
    assert!(refusal(&request, &sight).contains("leave --password-file out"));
}
