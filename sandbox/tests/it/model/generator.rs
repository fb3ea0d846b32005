//! Draws cases. The domains are small, so that names, tokens, values and labels collide all the time.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rekeyd_sandbox::FaultKind;

use super::call::{Auth, Call, Case, Step, Version, World};

pub const SECRETS: [&str; 2] = ["s1", "s2"];
pub const VALUES: [&str; 2] = ["value-red", "value-blue"];
pub const NODES: [&str; 3] = ["rg0-001", "rg0-002", "rg1-001"];
pub const NAMES: [&str; 3] = ["default", "alice", "bob"];
/// Good ones; the last has a character that is refused by default.
pub const PASSWORDS: [&str; 4] = [
    "password-one-11111",
    "password-two-22222",
    "password-three-333",
    "password,with,comma",
];

const TOKENS: [&str; 4] = [
    "version-1-aaaaaaaaaaaaaaaaaaaaaa",
    "version-2-bbbbbbbbbbbbbbbbbbbbbb",
    "version-3-cccccccccccccccccccccc",
    "version-4-dddddddddddddddddddddd",
];
const LABELS: [&str; 4] = ["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS", "CUSTOM"];
const USERS: [&str; 4] = ["u1", "u2", "u3", "default"];
/// Whom calls change: now and then they try the default user.
const CHANGED_USERS: [&str; 8] = ["u1", "u1", "u1", "u2", "u2", "u2", "u3", "default"];
const GROUPS: [&str; 2] = ["g0", "g1"];
const DAY: u64 = 86_400_000;

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(texts).prop_map(str::to_owned)
}

/// A case of up to `steps` steps after its opening; `faults` says whether calls may be hit by faults.
pub fn case(steps: usize, faults: bool) -> impl Strategy<Value = Case> {
    (world(), opening(), vec(step(faults), 1..=steps)).prop_map(|(world, mut opening, mut steps)| {
        opening.append(&mut steps);
        Case { world, steps: opening }
    })
}

/// Some of what most later calls need: a secret, users, one of them in a group.
fn opening() -> impl Strategy<Value = Vec<Step>> {
    let secret = |name: &str| Call::CreateSecret {
        name: name.to_owned(),
        token: Some(TOKENS[0].to_owned()),
        value: Some(VALUES[0].to_owned()),
    };
    let user = |user: &str, name: &str, password: &str| Call::CreateUser {
        user: user.to_owned(),
        name: name.to_owned(),
        access: "on ~* +@all".to_owned(),
        auth: Auth {
            passwords: vec![password.to_owned()],
            ..Auth::default()
        },
    };
    let join = Call::ModifyUserGroup {
        group: GROUPS[0].to_owned(),
        add: vec!["u1".to_owned()],
        remove: Vec::new(),
    };
    let users = [("u1", "alice"), ("u2", "bob"), ("u3", "default")].map(|(id, name)| user(id, name, PASSWORDS[0]));
    let calls = [secret("s1"), secret("s2")].into_iter().chain(users).chain([join]);
    let fill = Call::PutSecretValue {
        secret: "s2".to_owned(),
        token: Some(TOKENS[1].to_owned()),
        value: VALUES[0].to_owned(),
        stages: Some(all_labels()),
    };
    let steps = calls.map(|call| Step::Call(call, None)).chain([Step::Wait(2000)]);
    let mut maybe: Vec<_> = steps.map(|step| option::weighted(0.9, Just(step))).collect();
    maybe.push(option::weighted(0.1, Just(Step::Call(fill, None))));
    maybe.prop_map(|steps| steps.into_iter().flatten().collect())
}

/// With AWSCURRENT these are as many as a secret may have.
fn all_labels() -> Vec<String> {
    (1..=19).map(|n| format!("L{n}")).collect()
}

fn world() -> impl Strategy<Value = World> {
    let delay = || prop_oneof![3 => select(&[0, 100, 700, 1500][..]).prop_map(|ms| (ms, ms)), 1 => Just((100, 1000))];
    (
        [delay(), delay(), delay()],
        option::of(one_of(&GROUPS)),
        select(&[0, 500][..]),
        prop::bool::weighted(0.25),
        prop::bool::weighted(0.75),
        one_of(&["InvalidParameterException", "InvalidRequestException"]),
    )
        .prop_map(
            |(delays, second_cache, detached_modifying_ms, collisions_refused, enforce_password_characters, code)| {
                World {
                    delays,
                    second_cache,
                    detached_modifying_ms,
                    collisions_refused,
                    enforce_password_characters,
                    wrong_remove_from_code: code,
                }
            },
        )
}

fn step(faults: bool) -> impl Strategy<Value = Step> {
    let mut kinds = vec![None; 15];
    if faults {
        kinds.extend([FaultKind::Throttle, FaultKind::Error, FaultKind::Code].map(Some));
        kinds.extend([Some(FaultKind::ReplyLost); 2]);
    }
    let fault = select(kinds);
    let wait = prop_oneof![
        8 => select(&[1, 50, 100, 300, 600, 1000, 2000, 5000][..]),
        1 => select(&[8 * DAY, 31 * DAY][..]),
    ];
    prop_oneof![
        10 => (secret_call(), fault.clone()).prop_map(|(call, fault)| Step::Call(call, fault)),
        10 => (user_call(), fault).prop_map(|(call, fault)| Step::Call(call, fault)),
        4 => wait.prop_map(Step::Wait),
        3 => (one_of(&NODES), one_of(&NAMES), one_of(&PASSWORDS))
            .prop_map(|(node, name, password)| Step::Login { node, name, password }),
    ]
}

fn secret() -> impl Strategy<Value = String> {
    prop_oneof![8 => one_of(&SECRETS), 2 => one_of(&["arn of s1", "arn of s2"])]
}

fn token() -> impl Strategy<Value = Option<String>> {
    let wrong = [
        "too-short-a-token",
        "far-too-long-a-token-of-more-than-sixty-four-characters-in-all-aaa",
    ];
    prop_oneof![
        16 => one_of(&TOKENS).prop_map(Some),
        1 => Just(None),
        1 => select(wrong.to_vec()).prop_map(|token| Some(token.to_owned())),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    let never = "version-5-that-no-call-ever-makes".to_owned();
    prop_oneof![
        6 => one_of(&TOKENS).prop_map(Version::Id),
        9 => one_of(&LABELS).prop_map(Version::HolderOf),
        1 => Just(Version::Id(never)),
    ]
}

fn stages() -> impl Strategy<Value = Option<Vec<String>>> {
    let list = |labels: &[&str]| Some(labels.iter().map(|&label| label.to_owned()).collect());
    prop_oneof![
        10 => Just(None),
        10 => Just(list(&["AWSPENDING"])),
        3 => Just(list(&["AWSCURRENT"])),
        1 => Just(list(&["AWSPREVIOUS"])),
        2 => Just(list(&["CUSTOM"])),
        2 => Just(list(&["AWSPENDING", "CUSTOM"])),
        2 => Just(list(&["AWSCURRENT", "CUSTOM"])),
        2 => Just(Some(all_labels())),
    ]
}

fn stage_call() -> impl Strategy<Value = Call> {
    let any = (secret(), one_of(&LABELS), option::of(version()), option::of(version()));
    let finish = (
        secret(),
        one_of(&["AWSCURRENT", "AWSCURRENT", "AWSPENDING", "CUSTOM"]),
        version(),
    );
    // Versions that are there, for the most part: the wrong one is named, or none where one has to be.
    let held = || one_of(&LABELS).prop_map(Version::HolderOf);
    let wrong = (secret(), one_of(&LABELS), option::of(held()), held());
    prop_oneof![
        wrong.prop_map(|(secret, stage, remove_from, to)| Call::UpdateSecretVersionStage {
            secret,
            stage,
            remove_from,
            move_to: Some(to),
        }),
        any.prop_map(|(secret, stage, remove_from, move_to)| Call::UpdateSecretVersionStage {
            secret,
            stage,
            remove_from,
            move_to
        }),
        finish.prop_map(|(secret, stage, to)| Call::UpdateSecretVersionStage {
            secret,
            remove_from: Some(Version::HolderOf(stage.clone())),
            stage,
            move_to: Some(to),
        }),
        (secret(), one_of(&["AWSPENDING", "AWSPREVIOUS", "CUSTOM"])).prop_map(|(secret, stage)| {
            let remove_from = Some(Version::HolderOf(stage.clone()));
            Call::UpdateSecretVersionStage {
                secret,
                stage,
                remove_from,
                move_to: None,
            }
        }),
    ]
}

fn secret_call() -> impl Strategy<Value = Call> {
    let value = || one_of(&VALUES);
    let maybe_stage = option::of(one_of(&["AWSCURRENT", "AWSPENDING", "AWSPREVIOUS", "CUSTOM", "NOBODY"]));
    let days = option::of(select(&[6, 7, 30, 31][..]));
    prop_oneof![
        4 => (one_of(&SECRETS), token(), option::weighted(0.8, value()))
            .prop_map(|(name, token, value)| Call::CreateSecret { name, token, value }),
        8 => (secret(), token(), value(), stages())
            .prop_map(|(secret, token, value, stages)| Call::PutSecretValue { secret, token, value, stages }),
        3 => (secret(), token(), value()).prop_map(|(secret, token, value)| {
            Call::UpdateSecret { secret, token, value: Some(value), description: None }
        }),
        1 => (secret(), one_of(&["a description", "another"])).prop_map(|(secret, text)| {
            Call::UpdateSecret { secret, token: None, value: None, description: Some(text) }
        }),
        8 => stage_call(),
        4 => (secret(), option::of(version()), maybe_stage)
            .prop_map(|(secret, version, stage)| Call::GetSecretValue { secret, version, stage }),
        1 => secret().prop_map(|secret| Call::DescribeSecret { secret }),
        1 => (secret(), any::<bool>())
            .prop_map(|(secret, include_deprecated)| Call::ListSecretVersionIds { secret, include_deprecated }),
        1 => (secret(), days, prop::bool::weighted(0.3))
            .prop_map(|(secret, recovery_days, force)| Call::DeleteSecret { secret, recovery_days, force }),
        2 => secret().prop_map(|secret| Call::RestoreSecret { secret }),
        1 => (secret(), one_of(&["team", "stage"]), one_of(&["x", "y"]))
            .prop_map(|(secret, key, value)| Call::TagResource { secret, key, value }),
        1 => (secret(), one_of(&["team", "stage"])).prop_map(|(secret, key)| Call::UntagResource { secret, key }),
    ]
}

fn auth() -> impl Strategy<Value = Auth> {
    let password = prop_oneof![
        20 => one_of(&PASSWORDS[..3]),
        1 => one_of(&PASSWORDS[3..]),
        1 => Just("too-short".to_owned()),
        1 => Just("l".repeat(129)),
        1 => Just("a-tab\tin-the-password".to_owned()),
    ];
    let passwords = prop_oneof![
        8 => vec(password.clone(), 1..=2),
        1 => vec(password, 3..=3),
        1 => Just(Vec::new()),
    ];
    (passwords, prop::bool::weighted(0.1), prop::bool::weighted(0.2)).prop_map(
        |(mut passwords, no_password, by_mode)| {
            if no_password && passwords.len() == 1 {
                passwords.clear();
            }
            Auth {
                passwords,
                no_password,
                by_mode,
            }
        },
    )
}

fn access() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just("on ~* +@all"),
        3 => Just("off ~keys* -@all +get"),
        1 => Just("~* +@all"),
        1 => Just("on >password-in-access-string"),
        1 => Just("on reset"),
    ]
    .prop_map(str::to_owned)
}

fn modify_user() -> impl Strategy<Value = Call> {
    // A call that changes nothing is not documented, and an `AuthenticationMode` without passwords is refused.
    let auth = || {
        auth().prop_filter("something to change", |auth| {
            auth.by_mode || auth.no_password || !auth.passwords.is_empty()
        })
    };
    prop_oneof![
        6 => (one_of(&CHANGED_USERS), auth())
            .prop_map(|(user, auth)| Call::ModifyUser { user, access: None, append: None, auth: Some(auth) }),
        1 => (one_of(&CHANGED_USERS), access(), option::of(auth()))
            .prop_map(|(user, access, auth)| Call::ModifyUser { user, access: Some(access), append: None, auth }),
        1 => (one_of(&CHANGED_USERS), one_of(&["on", "off", "+get"]))
            .prop_map(|(user, append)| Call::ModifyUser { user, access: None, append: Some(append), auth: None }),
    ]
}

fn user_call() -> impl Strategy<Value = Call> {
    let group = || one_of(&GROUPS);
    let several =
        |most| subsequence(USERS.to_vec(), 0..=most).prop_map(|ids| ids.into_iter().map(str::to_owned).collect());
    let one = || one_of(&USERS[..3]).prop_map(|user| vec![user]);
    let members = prop_oneof![
        one().prop_map(|user| [user, vec!["default".to_owned()]].concat()),
        several(4)
    ];
    prop_oneof![
        5 => (one_of(&USERS[..3]), one_of(&NAMES), access(), auth())
            .prop_map(|(user, name, access, auth)| Call::CreateUser { user, name, access, auth }),
        10 => modify_user(),
        1 => option::of(one_of(&USERS)).prop_map(|user| Call::DescribeUsers { user }),
        2 => one_of(&CHANGED_USERS).prop_map(|user| Call::DeleteUser { user }),
        2 => (group(), members).prop_map(|(group, users)| Call::CreateUserGroup { group, users }),
        3 => (group(), one()).prop_map(|(group, add)| Call::ModifyUserGroup { group, add, remove: Vec::new() }),
        2 => (group(), one()).prop_map(|(group, remove)| Call::ModifyUserGroup { group, add: Vec::new(), remove }),
        2 => (group(), one())
            .prop_map(|(group, add)| Call::ModifyUserGroup { group, add, remove: vec!["default".to_owned()] }),
        2 => (group(), several(2), several(2))
            .prop_map(|(group, add, remove)| Call::ModifyUserGroup { group, add, remove }),
        1 => option::of(group()).prop_map(|group| Call::DescribeUserGroups { group }),
        1 => group().prop_map(|group| Call::DeleteUserGroup { group }),
    ]
}
