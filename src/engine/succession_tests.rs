use super::*;
use crate::config::parse_str;

const PLACES: &str = "[aws.main]\nregion = \"us-east-1\"\n[aws.far]\nregion = \"eu-west-1\"\n";

fn policy(name: &str, keys: &str) -> String {
    let given = |key: &str| keys.lines().any(|line| line.starts_with(key));
    let mut text = format!("[policy.{name}]\n{keys}\n");
    for (key, value) in [
        ("aws", "\"main\""),
        ("schedule", "\"30d\""),
        ("allow_users", "[\"*-user\"]"),
    ] {
        if !given(key) {
            text += &format!("{key} = {value}\n");
        }
    }
    text
}

fn config(parts: &[String]) -> Config {
    let text = PLACES.to_owned() + &parts.concat();
    parse_str("test.toml", &text)
        .unwrap_or_else(|error| panic!("{error}"))
        .config
}

fn running(parts: &[String]) -> Running {
    Running::new(config(parts), BTreeMap::new())
}

fn secret(name: &str) -> ListedSecret {
    ListedSecret {
        arn: format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}-AbCdEf"),
        name: name.to_owned(),
    }
}

/// What becomes of a secret of policy `p`.
fn fate(old: &[String], new: &[String], name: &str) -> Fate {
    let (old, new) = (running(old), config(new));
    let succession = Succession::of(&old, &new);
    let new = succession.successor(&old, new, BTreeMap::new());
    fate_under(&succession, (&old, &new), "p", &secret(name))
}

fn fate_under(succession: &Succession, (old, new): (&Running, &Running), of: &str, secret: &ListedSecret) -> Fate {
    let of = of.to_owned();
    let kept_by = succession.keeps(old, new, &of, secret).then_some(&of);
    succession.fate(old, new, &of, &kept_by.into_iter().collect(), secret)
}

#[test]
fn the_same_configuration_changes_nothing_and_every_policy_stays_the_same_object() {
    let parts = [
        policy("p", "secrets = [\"a\"]"),
        policy("q", "secrets = [\"b\"]\naws = \"far\""),
    ];
    let old = running(&parts);
    let succession = Succession::of(&old, &config(&parts));
    assert_eq!(succession, Succession::default());
    let new = succession.successor(&old, config(&parts), BTreeMap::new());
    assert!(old.policies.values().all(|policy| new.has(policy)));
}

#[test]
fn a_policy_that_changed_is_another_object_and_the_others_are_not() {
    let q = policy("q", "secrets = [\"b\"]");
    let old = running(&[policy("p", "secrets = [\"a\"]"), q.clone()]);
    let changed = config(&[policy("p", "secrets = [\"a\"]\ncanary = 3"), q]);
    let succession = Succession::of(&old, &changed);
    let new = succession.successor(&old, changed, BTreeMap::new());
    assert!(!new.has(&old.policies["p"]) && new.has(&old.policies["q"]));
}

#[test]
fn whatever_a_resting_secret_rests_on_lets_it_be_looked_at_and_nothing_else_does() {
    let before = [policy("p", "secrets = [\"a\"]")];
    for (keys, look) in [
        ("schedule = \"20d\"", true),
        ("overlap = \"3h\"", true),
        ("allow_users = [\"other\"]", true),
        ("paused = true", true),
        ("verify = \"api-only\"", true),
        ("on_drift = \"repair\"", true),
        ("canary = 7", false),
        ("max_attention = 9", false),
        ("retry = { initial = \"1s\", max = \"2m\", jitter = 0.1 }", false),
        ("password = { length = 40 }", false),
    ] {
        let after = [policy("p", &format!("secrets = [\"a\"]\n{keys}"))];
        assert_eq!(fate(&before, &after, "a"), Fate::Stays { look }, "{keys}");
    }
    let daemon = |keys: &str| format!("[daemon]\n{keys}\n");
    for (keys, disturbed) in [
        ("paused = true", true),
        ("drift_check_interval = \"1h\"", true),
        ("max_in_flight = 3", false),
        ("discovery_interval = \"1m\"", false),
        ("drain_timeout = \"1s\"", false),
    ] {
        let after = [daemon(keys), before[0].clone()];
        let wanted = match disturbed {
            true => Fate::Stays { look: true },
            false => Fate::Undisturbed,
        };
        assert_eq!(fate(&before, &after, "a"), wanted, "{keys}");
    }
}

#[test]
fn a_secret_stays_only_where_it_is_certain_that_it_is_selected() {
    let p = |keys: &str| [policy("p", keys)];
    let tagged = "select = { tags = { team = \"orders\" } }";
    let prefixed = "select = { name_prefix = \"orders/\" }";
    let stays = Fate::Stays { look: false };
    for (before, after, wanted) in [
        ("secrets = [\"orders/a\"]", "secrets = [\"orders/a\", \"b\"]", &stays),
        ("secrets = [\"orders/a\"]", "secrets = [\"b\"]", &Fate::Leaves),
        ("secrets = [\"orders/a\"]", prefixed, &stays),
        // Whether it has the tag only AWS knows.
        ("secrets = [\"orders/a\"]", tagged, &Fate::Leaves),
        (tagged, "secrets = [\"orders/a\"]", &stays),
        (tagged, "select = { tags = { team = \"other\" } }", &Fate::Leaves),
        (
            tagged,
            "select = { name_prefix = \"orders/\", tags = { team = \"orders\" } }",
            &stays,
        ),
        (
            tagged,
            "select = { name_prefix = \"other/\", tags = { team = \"orders\" } }",
            &Fate::Leaves,
        ),
        (prefixed, "select = { name_prefix = \"orders/b\" }", &Fate::Leaves),
        (prefixed, "select = { name_prefix = \"ord\" }", &stays),
    ] {
        assert_eq!(fate(&p(before), &p(after), "orders/a"), *wanted, "{before} -> {after}");
    }
}

#[test]
fn a_secret_moves_to_the_policy_of_its_place_that_certainly_has_it() {
    let moved = Fate::Moves("q".to_owned());
    let before = [policy("p", "secrets = [\"orders/a\"]")];
    for (after, wanted) in [
        (policy("q", "secrets = [\"orders/a\"]"), &moved),
        (policy("q", "select = { name_prefix = \"orders/\" }"), &moved),
        (
            policy("q", "select = { name_prefix = \"orders/\", tags = { a = \"b\" } }"),
            &Fate::Leaves,
        ),
        (policy("q", "secrets = [\"other\"]"), &Fate::Leaves),
        (policy("q", "secrets = [\"orders/a\"]\naws = \"far\""), &Fate::Leaves),
    ] {
        assert_eq!(
            fate(&before, std::slice::from_ref(&after), "orders/a"),
            *wanted,
            "{after}"
        );
    }
}

#[test]
fn another_place_or_other_settings_of_it_begin_as_at_a_start_and_only_those_are_connected() {
    let p = policy("p", "secrets = [\"a\"]");
    let old = running(&[p.clone(), policy("q", "secrets = [\"b\"]\naws = \"far\"")]);
    let elsewhere = format!(
        "{}{}",
        PLACES.replace(
            "eu-west-1\"\n",
            "eu-west-1\"\nrole_arn = \"arn:aws:iam::123456789012:role/r\"\n"
        ),
        [p, policy("q", "secrets = [\"b\"]\naws = \"far\"")].concat()
    );
    let new = parse_str("test.toml", &elsewhere).unwrap().config;
    let succession = Succession::of(&old, &new);
    let connected: Vec<&str> = succession
        .places_to_connect(&new)
        .iter()
        .map(|place| place.name.as_str())
        .collect();
    assert_eq!(connected, ["far"]);
    assert_eq!(succession.newcomers().collect::<Vec<_>>(), ["q"]);
    let after = succession.successor(&old, new, BTreeMap::new());
    assert!(after.has(&old.policies["p"]) && !after.has(&old.policies["q"]));
    let of_q = |name: &str| fate_under(&succession, (&old, &after), "q", &secret(name));
    assert_eq!(of_q("b"), Fate::Leaves);
}

#[test]
fn a_secret_that_another_policy_has_too_goes_to_that_one_when_its_own_has_it_no_more() {
    let (p, q) = (
        policy("p", "secrets = [\"a\"]"),
        policy("q", "select = { tags = { a = \"b\" } }"),
    );
    let old = running(&[p, q.clone()]);
    let new = config(&[q]);
    let succession = Succession::of(&old, &new);
    let new = succession.successor(&old, new, BTreeMap::new());
    assert!(!succession.keeps(&old, &new, "p", &secret("a")) && succession.keeps(&old, &new, "q", &secret("a")));
    let q = "q".to_owned();
    let fate = succession.fate(&old, &new, "p", &[&q].into(), &secret("a"));
    assert_eq!(fate, Fate::Moves(q));
}

#[test]
fn replicas_that_know_other_targets_of_notifications_do_not_share_their_delivery() {
    let parts = vec![policy("p", "secrets = [\"a\"]")];
    let notify = "[notify.ops]\ntype = \"webhook\"\nurl = \"https://ops.example/\"\nsecret_file = \"/k\"\n".to_owned();
    let more = [parts.clone(), vec![notify]].concat();
    assert_eq!(running(&parts).fingerprint(), running(&parts).fingerprint());
    assert_ne!(running(&parts).fingerprint(), running(&more).fingerprint());
}
