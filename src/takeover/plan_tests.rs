use super::*;
use crate::rotation::observation::{LoginAnswer, User, Version};
use crate::rotation::version::version_id;

const USER_ARN: &str = "arn:aws:elasticache:us-east-1:123456789012:user:user1";
const SECRET_ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:s-abcdef";

fn document(user: &str, password: &str) -> VersionValue {
    let text = format!("{{\"username\": {user:?}, \"user_arn\": {USER_ARN:?}, \"password\": {password:?}}}");
    SecretDocument::parse(&text)
}

fn answers(answers: &[LoginAnswer]) -> Evidence {
    let answers = answers.iter().enumerate();
    Evidence {
        answers: answers
            .map(|(at, answer)| (format!("n{at}:6379"), answer.clone()))
            .collect(),
    }
}

fn accepted() -> LoginAnswer {
    LoginAnswer::Accepted
}

fn silent() -> LoginAnswer {
    LoginAnswer::Unreachable("timeout".to_owned())
}

/// A secret whose function was stopped, with what the nodes say of the current and of the pending password.
fn stopped(current: &[LoginAnswer], pending: &[LoginAnswer]) -> Sight {
    let version = |stage: &str| Version {
        created: Some(Timestamp::UNIX_EPOCH),
        stages: [stage.to_owned()].into(),
    };
    Sight {
        secret: SecretState {
            arn: SECRET_ARN.to_owned(),
            name: "s".to_owned(),
            deleted: None,
            rotation_enabled: false,
            owning_service: None,
            replicated: false,
            tags: Default::default(),
            last_changed: None,
            versions: [
                ("v1".to_owned(), version(AWSCURRENT)),
                ("v2".to_owned(), version(AWSPENDING)),
            ]
            .into(),
        },
        rotation: ManagedRotation::default(),
        current: Some(document("user1", "the-old-password-1")),
        current_logins: answers(current),
        pending: Some(Pending {
            id: "v2".to_owned(),
            since: Some(Timestamp::UNIX_EPOCH),
            document: Some(document("user1", "the-new-password-2")),
            logins: answers(pending),
        }),
        user: Some(UserSettings {
            user: User {
                id: "user1".to_owned(),
                name: "user1".to_owned(),
                arn: USER_ARN.to_owned(),
                status: UserStatus::Active,
                authentication: Authentication::Password,
                password_count: 2,
                on: true,
                groups: Default::default(),
            },
            engine: "redis".to_owned(),
            access_string: "on ~* +@all".to_owned(),
        }),
        taken: after(Timestamp::UNIX_EPOCH, Duration::from_secs(3_600)),
    }
}

fn refusal(sight: &Sight) -> String {
    plan(sight, false)
        .err()
        .map(|refusal| refusal.to_string())
        .unwrap_or_default()
}

#[test]
fn a_password_is_promoted_only_when_every_node_accepts_it_and_the_user_is_active() {
    let everywhere = [accepted(), accepted()];
    for current in [&everywhere[..], &[LoginAnswer::Refused, LoginAnswer::Refused]] {
        let mut sight = stopped(current, &everywhere);
        let promote = Action::Promote {
            from: "v1".to_owned(),
            to: "v2".to_owned(),
        };
        assert_eq!(plan(&sight, false), Ok(vec![promote]));
        sight.user.as_mut().unwrap().user.status = UserStatus::Modifying;
        assert!(refusal(&sight).contains("is being modified"));
    }
}

#[test]
fn a_password_is_given_up_only_when_every_node_refuses_it_and_accepts_the_current_one() {
    let (everywhere, nowhere) = ([accepted(), accepted()], [LoginAnswer::Refused, LoginAnswer::Refused]);
    let actions = plan(&stopped(&everywhere, &nowhere), false).unwrap();
    assert!(matches!(&actions[..], [Action::GiveUpPending { version, .. }] if version == "v2"));
    for (current, pending, words) in [
        (
            &everywhere[..],
            &[accepted(), LoginAnswer::Refused][..],
            "may still be on its way",
        ),
        (
            &everywhere,
            &[LoginAnswer::Refused, silent()],
            "no answer to the pending password from n1",
        ),
        (&[accepted(), silent()], &nowhere, "neither password logs in everywhere"),
        (&[accepted(), LoginAnswer::Refused], &nowhere, "refused by n1"),
        (&[], &[], "no login can show"),
    ] {
        let told = refusal(&stopped(current, pending));
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn what_belongs_to_another_user_is_never_promoted() {
    let everywhere = [accepted(), accepted()];
    for value in [
        document("user2", "the-new-password-2"),
        SecretDocument::parse("{}"),
        SecretDocument::parse("["),
    ] {
        let with = |logins: &[LoginAnswer]| {
            let mut sight = stopped(&everywhere, logins);
            sight.pending.as_mut().unwrap().document = Some(value.clone());
            sight
        };
        let actions = plan(&with(&[]), false).unwrap();
        assert!(matches!(&actions[..], [Action::GiveUpPending { .. }]), "{actions:?}");
        let accepted_all_the_same = plan(&with(&everywhere), false);
        assert!(!matches!(&accepted_all_the_same, Ok(actions) if matches!(actions[..], [Action::Promote { .. }])));
    }
}

#[test]
fn a_function_that_may_be_running_is_waited_for_and_one_that_put_nothing_leaves_nothing() {
    let mut sight = stopped(&[], &[]);
    sight.taken = after(Timestamp::UNIX_EPOCH, Duration::from_secs(899));
    assert!(refusal(&sight).contains("wait until 1970-01-01 00:15:00Z"));
    sight.pending.as_mut().unwrap().document = None;
    assert!(
        refusal(&sight).contains("may be running"),
        "a version without a value is as young"
    );
    assert!(matches!(
        plan(&sight, true).unwrap()[..],
        [Action::GiveUpPending { .. }]
    ));
    sight.secret.rotation_enabled = true;
    assert_eq!(plan(&sight, true).unwrap()[0], Action::CancelRotation);
}

#[test]
fn whose_the_current_version_is_shows_whether_rekeyd_has_rotated() {
    let mut sight = stopped(&[], &[]);
    assert!(!sight.rotated_by_us());
    let ours = version_id(SECRET_ARN, "v1", 0);
    sight.secret.versions.get_mut("v1").unwrap().stages.clear();
    let version = Version {
        created: None,
        stages: [AWSCURRENT.to_owned()].into(),
    };
    sight.secret.versions.insert(ours, version);
    assert!(sight.rotated_by_us());
}
