//! Records in a table that replicas share.

use std::time::Duration;

use super::*;

fn daemon(keys: &str) -> String {
    policy_with(&format!("[daemon]\n{keys}"))
}

const TOOLS: &str = "[aws.tools]\nregion = \"eu-west-1\"\nprofile = \"tools\"";

#[test]
fn a_table_is_reached_through_the_only_place_or_through_the_one_that_is_named() {
    let loaded = load_ok(&daemon("state = \"dynamodb:rekeyd-prod_1.a\""));
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let (table, place) = loaded.config.table().unwrap();
    assert_eq!((table, place.name.as_str()), ("rekeyd-prod_1.a", "main"));
    assert_eq!(loaded.config.daemon.lease, Duration::from_secs(15));
    let named = daemon(&format!(
        "state = \"dynamodb:abc\"\nstate_aws = \"tools\"\nlease = \"1m\"\n{TOOLS}"
    ));
    let loaded = load_ok(&named);
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let (_, place) = loaded.config.table().unwrap();
    assert_eq!((place.name.as_str(), place.region.as_str()), ("tools", "eu-west-1"));
    assert_eq!(loaded.config.daemon.lease, Duration::from_secs(60));
}

#[test]
fn of_several_places_one_has_to_be_named_and_to_be_there() {
    let several = daemon(&format!("state = \"dynamodb:abc\"\n{TOOLS}"));
    assert_refused(
        &several,
        "t.toml:9:1",
        "has no `state_aws`: the place that reaches the table of `state`, one of",
    );
    let unknown = daemon("state = \"dynamodb:abc\"\nstate_aws = \"others\"");
    assert_refused(&unknown, "t.toml:11:13", "there is no place `others`");
}

#[test]
fn a_name_that_no_table_has_is_refused_with_what_to_write() {
    for (state, part) in [
        ("dynamodb:", "3 to 255 letters"),
        ("dynamodb:ab", "3 to 255 letters"),
        ("dynamodb:a b c", "3 to 255 letters"),
        (
            "dynamodb:arn:aws:dynamodb:us-east-1:123456789012:table/rekeyd",
            "write \"dynamodb:rekeyd\"",
        ),
        ("redis:abc", "\"sqlite:PATH\" or \"dynamodb:TABLE\""),
    ] {
        assert_refused(&daemon(&format!("state = {state:?}")), "t.toml:10:9", part);
    }
    let long = "a".repeat(256);
    assert_refused(&daemon(&format!("state = \"dynamodb:{long}\"")), "t.toml:10:9", "255");
}

#[test]
fn a_lease_is_neither_shorter_than_an_attempt_nor_longer_than_minutes() {
    for (lease, part) in [("2s", "at least 3s"), ("6m", "at most 5m"), ("x", "")] {
        let text = daemon(&format!("state = \"dynamodb:abc\"\nlease = {lease:?}"));
        assert_refused(&text, "t.toml:11:9", part);
    }
}

#[test]
fn what_only_a_table_has_is_warned_of_with_a_file() {
    let loaded = load_ok(&daemon("state_aws = \"main\"\nlease = \"30s\""));
    let warned: Vec<bool> = ["state_aws", "lease"]
        .iter()
        .map(|key| {
            let words = format!("`{key}` means nothing");
            loaded.warnings.iter().any(|warning| warning.contains(&words))
        })
        .collect();
    assert_eq!((loaded.warnings.len(), warned), (2, vec![true, true]));
    assert!(loaded.config.table().is_none());
}

#[test]
fn a_table_has_an_endpoint_of_its_own_or_the_one_of_all() {
    let place = |keys: &str| POLICY.replace("region =", &format!("{keys}\nregion ="));
    let endpoint = |keys: &str| {
        let loaded = load_ok(&place(keys));
        loaded.config.places["main"].dynamodb_endpoint.clone()
    };
    let (all, own) = (
        "endpoint_url = \"https://all\"",
        "dynamodb_endpoint_url = \"https://own\"",
    );
    assert_eq!(endpoint(all).as_deref(), Some("https://all"));
    assert_eq!(endpoint(&format!("{all}\n{own}")).as_deref(), Some("https://own"));
    assert_eq!(endpoint("profile = \"p\""), None);
    let fips = place(&format!("use_fips = true\n{own}"));
    assert_refused(&fips, "t.toml:3:12", "cannot be combined with `dynamodb_endpoint_url`");
}
