//! What the pages say, in every state that there is.

use maud::Markup;

use super::listing;
use super::request::{Order, ROWS, State, Wanted};
use super::secret;
use super::survey::Survey;
use super::verdict::verdict;
use crate::clock::Timestamp;
use crate::config::{Location, Problem};
use crate::engine::control::{PolicyHold, PolicyStatus, Readiness};
use crate::rotation::observation::Proof;
use crate::rotation::reason::{AttentionReason, DriftCause, HaltReason, HoldReason, UnprovenReason, WaitReason};
use crate::rotation::status::{Phase, SecretStatus};
use crate::rotation::step::Step;
use crate::server::configuration::{ConfigurationStatus, FailedReload, NeedsRestart};
use crate::server::testing::{at, configuration, status};
use crate::words::standing::waits;

fn policy(name: &str) -> PolicyStatus {
    PolicyStatus {
        policy: name.to_owned(),
        place: "main".to_owned(),
        schedule: "30d".to_owned(),
        timezone: None,
        secrets: 1,
        paused: false,
        held: Vec::new(),
    }
}

/// A whole text without its tags.
pub(super) fn plain(markup: &Markup) -> String {
    let mut text = String::new();
    let mut inside = false;
    for character in markup.0.chars() {
        match character {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            other if !inside => text.push(other),
            _ => {}
        }
    }
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn survey(secrets: &[SecretStatus], wanted: &Wanted) -> Survey {
    Survey::of(secrets.iter().cloned(), wanted, at(0))
}

/// The row of one secret, and its page.
fn shown(secret: &SecretStatus) -> [String; 2] {
    let all = survey(std::slice::from_ref(secret), &Wanted::everything());
    let listed = listing::secrets(&Wanted::everything(), &[policy("orders")], &all, at(0));
    let page = secret::secret(std::slice::from_ref(secret), &Ok(Vec::new()), at(0));
    [plain(&listed), plain(&page)]
}

/// Every phase with every reason that it can have, as label and meaning.
fn every_standing() -> Vec<(Phase, Option<(&'static str, &'static str)>)> {
    let mut all: Vec<_> = Phase::ALL.map(|phase| (phase, None)).into();
    let halts = HaltReason::ALL.iter().map(|reason| (reason.label(), reason.meaning()));
    all.extend(halts.map(|reason| (Phase::Halted, Some(reason))));
    let attentions = AttentionReason::ALL
        .iter()
        .map(|reason| (reason.label(), reason.meaning()));
    all.extend(attentions.map(|reason| (Phase::NeedsAttention, Some(reason))));
    for phase in [Phase::Due, Phase::Rotating, Phase::Retiring] {
        let waits = WaitReason::ALL.iter().map(|reason| (reason.label(), reason.meaning()));
        all.extend(waits.map(|reason| (phase, Some(reason))));
    }
    all
}

#[test]
fn every_phase_and_every_reason_is_said_in_words_in_the_list_and_on_the_secrets_page() {
    for (phase, reason) in every_standing() {
        let mut secret = status("a");
        secret.phase = phase;
        secret.reason = reason.map(|(label, _)| label.to_owned());
        secret.detail = reason.map(|(_, meaning)| format!("{meaning} (on node1)"));
        let said = State::In(phase).words();
        let waits = waits(&secret, at(0));
        for text in shown(&secret) {
            let lower = text.to_lowercase();
            assert!(lower.contains(said), "{phase:?}: {text}");
            let begin: String = waits.to_lowercase().chars().take(200).collect();
            assert!(lower.contains(&begin), "{phase:?} {reason:?}: {text}");
        }
        let [_, page] = shown(&secret);
        if let Some((_, meaning)) = reason {
            assert!(page.contains(meaning), "{phase:?}: {page}");
        }
        let needs = matches!(phase, Phase::Halted | Phase::NeedsAttention);
        assert_eq!(page.contains("What to do: docs/"), needs, "{phase:?}: {page}");
        // A label alone means as much, whoever left the detail out.
        secret.detail = None;
        if let Some((_, meaning)) = reason {
            let [_, page] = shown(&secret);
            assert!(page.contains(meaning), "{phase:?}: {page}");
        }
    }
    for cause in DriftCause::ALL {
        let mut secret = status("a");
        secret.drift = Some(*cause);
        let [listed, page] = shown(&secret);
        assert!(
            listed.contains(&format!("drift: {}", cause.label().replace('_', " "))),
            "{listed}"
        );
        assert!(
            page.contains(cause.meaning()) && page.contains("What to do: docs/"),
            "{page}"
        );
    }
    for step in Step::ALL {
        let mut secret = status("a");
        (secret.phase, secret.step) = (Phase::Rotating, Some(step));
        assert!(shown(&secret)[0].contains("Waits for "), "{step}");
    }
}

/// What is said at the top.
fn said(
    secrets: &[SecretStatus],
    change: impl FnOnce(&mut Readiness, &mut ConfigurationStatus, &mut PolicyStatus),
) -> (String, String) {
    let mut readiness = Readiness {
        ready: true,
        problems: Vec::new(),
    };
    let (mut configuration, mut orders) = (configuration(), policy("orders"));
    change(&mut readiness, &mut configuration, &mut orders);
    let survey = survey(secrets, &Wanted::everything());
    let whole = verdict(&readiness, &configuration, &[orders, policy("billing")], &survey);
    let (heading, _) = whole.0.split_once("</h1>").unwrap();
    (plain(&maud::PreEscaped(heading.to_owned())), plain(&whole))
}

fn nothing(_: &mut Readiness, _: &mut ConfigurationStatus, _: &mut PolicyStatus) {}

#[test]
fn the_first_sentence_is_the_answer() {
    let idle = |count: usize| {
        (0..count)
            .map(|number| status(&format!("s{number}")))
            .collect::<Vec<_>>()
    };
    let with = |change: fn(&mut SecretStatus)| {
        let mut secrets = idle(3);
        change(&mut secrets[1]);
        secrets
    };
    for (secrets, answer) in [
        (idle(1_204), "✓ All 1,204 passwords are fresh"),
        (idle(1), "✓ The only password is fresh"),
        (idle(0), "◐ No policy covers a secret"),
        (
            with(|one| one.phase = Phase::Halted),
            "✕ 1 of 3 passwords needs a person",
        ),
        (
            with(|one| one.drift = Some(DriftCause::Network)),
            "✕ 1 of 3 passwords needs a person",
        ),
        (
            with(|one| one.phase = Phase::Starting),
            "◐ 1 secret was not looked at yet since the start",
        ),
        (
            with(|one| one.phase = Phase::Paused),
            "◐ 1 password is paused: not rotated until resumed",
        ),
        (with(|one| one.due_since = Some(at(-7_200))), "✕ 1 password is overdue"),
        (with(|one| one.phase = Phase::Rotating), "✓ All 3 passwords are fresh"),
        (
            with(|one| one.proof = Some(Proof::Unproven(UnprovenReason::UserOff))),
            "✓ All 3 passwords are fresh",
        ),
        (
            with(|one| {
                one.previous_password_valid = Some(true);
                one.overlap_until = Some(at(-7_200));
            }),
            "✕ 1 previous password should be gone by now, and still logs in",
        ),
    ] {
        assert_eq!(said(&secrets, nothing).0, answer);
    }
    let mut all = idle(2);
    all.iter_mut().for_each(|one| one.phase = Phase::NeedsAttention);
    assert_eq!(said(&all, nothing).0, "✕ 2 of 2 passwords need a person");
    all.iter_mut().for_each(|one| one.phase = Phase::Paused);
    assert!(said(&all, nothing).0.starts_with("◐ Every password is paused"));
}

#[test]
fn what_is_bad_of_the_daemon_itself_is_said_first_and_nothing_is_left_out() {
    let (first, all) = said(&[status("a")], |readiness, _, _| {
        readiness.ready = false;
        readiness.problems = vec!["the store cannot be written".to_owned()];
    });
    assert_eq!(first, "✕ rekeyd is not ready: the store cannot be written");
    assert!(all.contains("1 in all"), "{all}");

    let problem = |message: &str| {
        let mut problem = Problem::at(Location::default(), message.to_owned());
        problem.place = "/etc/rekeyd/rekeyd.toml:3:1".to_owned();
        problem
    };
    let (first, _) = said(&[status("a")], |_, configuration, _| {
        configuration.last_reload_failed = Some(FailedReload {
            at: at(-60),
            problems: vec![problem("no such key")],
        });
    });
    assert!(
        first.contains("The configuration of 2027-01-15 07:59Z was refused") && first.contains("3:1: no such key"),
        "{first}"
    );

    let (first, all) = said(&[status("a")], |_, configuration, orders| {
        orders.paused = true;
        orders.held = vec![PolicyHold {
            reason: HoldReason::Canary,
            detail: "waits for the proof of a".to_owned(),
        }];
        configuration.needs_restart = vec![NeedsRestart {
            key: "daemon.listen".to_owned(),
            running: "a".to_owned(),
            configured: "b".to_owned(),
        }];
    });
    assert_eq!(first, "◐ 1 policy is paused: orders");
    assert!(
        all.contains("Policy orders starts nothing new: waits for the proof of a"),
        "{all}"
    );
    assert!(all.contains("daemon.listen: a is in force, b is configured"), "{all}");
}

#[test]
fn the_worst_are_named_at_the_top_with_a_way_to_the_others() {
    let mut secrets: Vec<_> = (0..20).map(|number| status(&format!("s{number:02}"))).collect();
    for secret in &mut secrets[4..11] {
        (secret.phase, secret.reason) = (Phase::NeedsAttention, Some("access_denied".to_owned()));
    }
    (secrets[19].phase, secrets[19].reason) = (Phase::Halted, Some("user_is_iam".to_owned()));
    let (_, all) = said(&secrets, nothing);
    assert!(
        all.contains("s19 halted: user is iam s04 needs attention: access denied s05"),
        "{all}"
    );
    assert!(
        all.contains("All 8 that need a person") && !all.contains("s09 needs"),
        "{all}"
    );
}

#[test]
fn pages_hold_every_secret_once_in_the_order_that_was_asked_for() {
    let mut secrets: Vec<_> = (0..ROWS * 2 + 7)
        .map(|number| status(&format!("s{number:03}")))
        .collect();
    secrets[100].phase = Phase::Halted;
    secrets[3].phase = Phase::Rotating;
    secrets[50].due_since = Some(at(-7_200));
    secrets[60].last_rotation_at = None;
    secrets[70].next_rotation_at = Some(at(5));
    secrets.reverse();
    for (order, first) in [
        (Order::Trouble, "s100"),
        (Order::Name, "s000"),
        (Order::LastRotation, "s000"),
        (Order::NextRotation, "s070"),
    ] {
        let mut names = Vec::new();
        for page in 1..=3 {
            let wanted = Wanted {
                order,
                page,
                ..Wanted::everything()
            };
            let found = survey(&secrets, &wanted);
            assert_eq!((found.pages(), found.page, found.fitting), (3, page, ROWS * 2 + 7));
            names.extend(found.rows.into_iter().map(|secret| secret.secret));
        }
        assert_eq!(names[0], first, "{order:?}");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), secrets.len(), "{order:?}");
    }
    let troubled = survey(&secrets, &Wanted::everything());
    let names: Vec<_> = troubled
        .rows
        .iter()
        .take(4)
        .map(|secret| secret.secret.as_str())
        .collect();
    assert_eq!(names, ["s100", "s050", "s003", "s000"]);
    let beyond = Wanted {
        page: 99,
        ..Wanted::everything()
    };
    let last = survey(&secrets, &beyond);
    assert_eq!(
        (last.page, last.rows.len()),
        (3, 7),
        "the last page stands for those that there are not"
    );
}

#[test]
fn what_a_link_says_is_what_is_read_from_it() {
    let words = ["", "orders", "a/../b?c=1&d=#e", "\u{202e}<script>", "100%+ä"];
    for state in State::all() {
        for (order, text) in Order::ALL.into_iter().zip(words) {
            let wanted = Wanted {
                policy: text.to_owned(),
                state,
                search: text.to_owned(),
                order,
                page: 1 + text.len(),
                refresh: (!text.is_empty()).then_some(30),
            };
            let address = wanted.address();
            let query = address.split_once('?').map_or("", |(_, query)| query);
            assert_eq!(Wanted::parse(query).unwrap(), wanted, "{address}");
        }
    }
    assert_eq!(
        Wanted::parse("policy=&state=&q=&sort=&page=").unwrap(),
        Wanted::everything()
    );
    for (query, words) in [
        ("page=0", "from 1 to"),
        ("page=-1", "from 1 to"),
        ("refresh=4", "from 5 to 3600"),
        ("state=idl", "idle, due, rotating"),
        ("sort=size", "name, last, next"),
        ("limit=3", "knows nothing of \"limit\""),
        ("q=a&q=b", "given twice"),
    ] {
        let error = Wanted::parse(query).unwrap_err();
        assert!(error.contains(words), "{query}: {error}");
    }
    assert!(Wanted::parse(&format!("q={}", "x".repeat(513))).is_err());
}

#[test]
fn a_policy_says_when_it_is_next_and_what_is_wrong_with_it() {
    let mut secrets = vec![status("a"), status("b"), status("c")];
    secrets[0].next_rotation_at = Some(at(-5));
    secrets[1].last_rotation_at = Some(at(-90_000));
    secrets[2].phase = Phase::NeedsAttention;
    let all = survey(&secrets, &Wanted::everything());
    let mut orders = policy("orders");
    orders.timezone = Some("Europe/Berlin".to_owned());
    let text = plain(&listing::policies(&[orders, policy("billing")], &all, at(0)));
    assert!(
        text.contains("orders main 30d Europe/Berlin 1 ✕ 1 needs attention"),
        "{text}"
    );
    let (next, oldest): (Timestamp, Timestamp) = (at(86_400), at(-90_000));
    for date in [next, oldest] {
        assert!(text.contains(&date.format("%Y-%m-%d %H:%MZ").to_string()), "{text}");
    }
    assert!(text.contains("billing main 30d 1 ✓ well not known not known"), "{text}");
    let mut empty = policy("billing");
    empty.secrets = 0;
    let text = plain(&listing::policies(&[empty], &all, at(0)));
    assert!(text.contains("billing main 30d 0 ◐ no secrets"), "{text}");
}

#[test]
fn ten_thousand_secrets_and_a_hundred_policies_make_a_page_that_stays_small() {
    let secrets: Vec<_> = (0..10_000)
        .map(|number| {
            let mut secret = status(&format!("production/{}/{number}", "x".repeat(60)));
            secret.policy = format!("policy-{}", number % 100);
            (secret.phase, secret.detail) = (Phase::Halted, Some("why ".repeat(500)));
            secret
        })
        .collect();
    let policies: Vec<_> = (0..100).map(|number| policy(&format!("policy-{number}"))).collect();
    let all = survey(&secrets, &Wanted::everything());
    assert_eq!(all.all.needs_a_person, 10_000);
    let listed = listing::policies(&policies, &all, at(0)).0
        + &listing::secrets(&Wanted::everything(), &policies, &all, at(0)).0;
    assert!(listed.len() < 150_000, "{} bytes", listed.len());
    assert!(listed.contains("50 more are not shown"));
}
