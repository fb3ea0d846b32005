//! `[notify.NAME]`: what it means, and what is refused.

use std::time::Duration;

use super::*;
use crate::config::{Channel, NotifyTarget, UrlFrom};
use crate::rotation::notice::NoticeKind;

const POLICIES: &str = "[aws.main]\nregion = \"us-east-1\"\n[policy.orders]\naws = \"main\"\nschedule = \"30d\"\n\
                        secrets = [\"s\"]\nallow_users = [\"u\"]\n";

fn with(tables: &str) -> String {
    format!("{POLICIES}{tables}")
}

fn target(tables: &str, name: &str) -> NotifyTarget {
    let loaded = parse_str("t.toml", &with(tables)).unwrap_or_else(|errors| panic!("{errors}"));
    loaded.config.notify[name].clone()
}

/// Everything that is wrong with these tables, without the lines that it is shown in.
fn problems(tables: &str) -> Vec<String> {
    let errors = parse_str("t.toml", &with(tables)).expect_err("it is refused");
    let told = |problem: &Problem| format!("{}: {}", problem.place, problem.message);
    errors.problems().iter().map(told).collect()
}

#[test]
fn a_webhook_is_told_of_trouble_and_its_end_unless_it_says_otherwise() {
    let oncall = target(
        "[notify.oncall]\ntype = \"webhook\"\nurl = \"https://hooks.example.com/rekeyd?team=1\"\nsecret_file = \"/k\"\n",
        "oncall",
    );
    assert_eq!(oncall.kinds, NoticeKind::DEFAULT.into());
    assert_eq!(
        (oncall.policies.as_ref(), oncall.timeout),
        (None, Duration::from_secs(10))
    );
    let Channel::Webhook { url, keys, roots } = &oncall.channel else {
        panic!("{oncall:?}");
    };
    assert_eq!(
        *url,
        UrlFrom::Written("https://hooks.example.com/rekeyd?team=1".to_owned())
    );
    assert_eq!(
        (keys.path.as_path(), keys.key.as_str()),
        (Path::new("/k"), "notify.oncall.secret_file")
    );
    assert_eq!(keys.location.to_string(), "t.toml:11:15");
    assert_eq!(*roots, None);
    assert!(oncall.wants(NoticeKind::Halted, "orders") && !oncall.wants(NoticeKind::Succeeded, "orders"));
}

#[test]
fn each_type_has_keys_of_its_own() {
    let team = target(
        "[notify.team]\ntype = \"slack\"\nurl_file = \"/u\"\nevents = [\"succeeded\"]\npolicies = [\"orders\"]\n\
         timeout = \"3s\"\nca_file = \"/c\"\n",
        "team",
    );
    assert!(matches!(&team.channel, Channel::Slack { url, roots: Some(_) } if url.path == Path::new("/u")));
    assert_eq!(team.timeout, Duration::from_secs(3));
    assert!(team.wants(NoticeKind::Succeeded, "orders") && !team.wants(NoticeKind::Succeeded, "others"));
    for (key, bus) in [
        ("", "default"),
        ("event_bus = \"security\"\n", "security"),
        (
            "event_bus = \"arn:aws:events:us-east-1:210987654321:event-bus/security\"\n",
            "arn:aws:events:us-east-1:210987654321:event-bus/security",
        ),
    ] {
        let text = format!("[notify.bus]\ntype = \"eventbridge\"\naws = \"main\"\n{key}");
        let expected = Channel::EventBridge {
            place: "main".to_owned(),
            bus: bus.to_owned(),
        };
        assert_eq!(target(&text, "bus").channel, expected);
    }
}

#[test]
fn what_cannot_be_a_webhook_is_refused_where_it_stands() {
    let webhook = "[notify.a]\ntype = \"webhook\"\nsecret_file = \"/k\"\n";
    let cases = [
        (
            "[notify.a]\n".to_owned(),
            "t.toml:8:9: `notify.a` has no `type`: how it is reached",
        ),
        (
            "[notify.a]\ntype = \"pager\"\n".to_owned(),
            "t.toml:9:8: `pager` is none of \"webhook\"",
        ),
        (webhook.to_owned(), "t.toml:8:9: `notify.a` has no `url`"),
        (
            "[notify.a]\ntype = \"webhook\"\nurl = \"https://h\"\n".to_owned(),
            "t.toml:8:9: `notify.a` has no `secret_file`",
        ),
        (
            format!("{webhook}url = \"http://h/\"\n"),
            "t.toml:11:7: plain http would show",
        ),
        (
            format!("{webhook}url = \"https://u:p@h/\"\n"),
            "t.toml:11:7: a URL here must not carry",
        ),
        (
            format!("{webhook}url = \"https://h\"\nurl_file = \"/u\"\n"),
            "t.toml:12:12: beside `url`",
        ),
        (
            format!("{webhook}url = \"https://h\"\naws = \"main\"\n"),
            "t.toml:12:7: `aws` means nothing to",
        ),
        (
            format!("{webhook}url = \"https://h\"\ntimeout = \"2m\"\n"),
            "t.toml:12:11: too long",
        ),
        (
            format!("{webhook}url = \"https://h\"\nevents = []\n"),
            "t.toml:12:10: an empty list",
        ),
        (
            format!("{webhook}url = \"https://h\"\nevents = [\"halted\", \"suceeded\"]\n"),
            "t.toml:12:21: `suceeded` is no event; did you mean \"succeeded\"?",
        ),
        (
            format!("{webhook}url = \"https://h\"\npolicies = [\"order\"]\n"),
            "t.toml:12:13: there is no policy `order`; known: orders",
        ),
    ];
    assert_refused(&cases);
}

#[test]
fn what_cannot_be_reached_otherwise_is_refused_where_it_stands() {
    let cases = [
        (
            "[notify.a]\ntype = \"webhook\"\nurl = \"https://h\"\nsecret_file = \"k\"\n".to_owned(),
            "t.toml:11:15: write the full path",
        ),
        (
            "[notify.a]\ntype = \"slack\"\n".to_owned(),
            "t.toml:8:9: `notify.a` has no `url_file`",
        ),
        (
            "[notify.a]\ntype = \"eventbridge\"\n".to_owned(),
            "t.toml:8:9: `notify.a` has no `aws`",
        ),
        (
            "[notify.a]\ntype = \"eventbridge\"\naws = \"other\"\n".to_owned(),
            "t.toml:10:7: there is no place `other`; known: main",
        ),
        (
            "[notify.a]\ntype = \"eventbridge\"\naws = \"main\"\n\
             event_bus = \"arn:aws:events:eu-west-1:123456789012:event-bus/b\"\n"
                .to_owned(),
            "t.toml:11:13: a bus in eu-west-1",
        ),
        (
            "[notify.a]\ntype = \"eventbridge\"\naws = \"main\"\nevent_bus = \"a bus\"\n".to_owned(),
            "t.toml:11:13: `a bus` is no event bus",
        ),
        (
            "[notify.A]\ntype = \"slack\"\nurl_file = \"/u\"\n".to_owned(),
            "t.toml:8:9: `A` cannot name a",
        ),
        (
            "[notify.a]\ntyp = \"slack\"\n".to_owned(),
            "t.toml:9:1: unknown key `typ`; did you mean `type`?",
        ),
    ];
    assert_refused(&cases);
}

#[track_caller]
fn assert_refused(cases: &[(String, &str)]) {
    for (tables, told) in cases {
        let found = problems(tables);
        assert!(
            found.iter().any(|problem| problem.starts_with(told)),
            "{tables}{told}: {found:?}"
        );
    }
}

#[test]
fn a_url_of_slack_that_stands_in_the_configuration_is_refused_without_being_shown() {
    let text = with("[notify.team]\ntype = \"slack\"\nurl = \"https://hooks.slack.com/services/T0/B0/CANARY\"\n");
    let told = parse_str("t.toml", &text).unwrap_err().to_string();
    assert!(
        told.contains("put it into a file of its own") && !told.contains("CANARY"),
        "{told}"
    );
}

#[test]
fn a_place_from_which_a_bus_is_reached_is_not_called_unused() {
    let text = with("[aws.tools]\nregion = \"us-east-1\"\nprofile = \"tools\"\n");
    assert!(parse_str("t.toml", &text).unwrap().warnings[0].contains("no policy works in `tools`"));
    let text = format!("{text}[notify.bus]\ntype = \"eventbridge\"\naws = \"tools\"\n");
    assert_eq!(parse_str("t.toml", &text).unwrap().warnings, Vec::<String>::new());
}
