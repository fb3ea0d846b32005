//! Places: roles, endpoints and partitions.

use std::time::Duration;

use super::*;

fn place(keys: &str) -> String {
    POLICY.replace("region =", &format!("{keys}\nregion ="))
}

const ROLE: &str = "role_arn = \"arn:aws:iam::123456789012:role/rekeyd\"";

#[test]
fn a_role_has_an_external_id_a_session_name_and_a_duration() {
    let keys = format!(
        "{ROLE}\nexternal_id = \"shared\"\nrole_session_name = \"rekeyd-prod\"\nrole_session_duration = \
         \"30m\"\nsts_endpoint_url = \"https://sts.internal\""
    );
    let main = load_ok(&place(&keys)).config.places.remove("main").unwrap();
    let role = main.role.unwrap();
    assert_eq!(role.external_id.as_deref(), Some("shared"));
    assert_eq!(role.session_name, "rekeyd-prod");
    assert_eq!(role.session_duration, Some(Duration::from_secs(1_800)));
    assert_eq!(main.sts_endpoint.as_deref(), Some("https://sts.internal"));
    let plain = load_ok(&place(ROLE))
        .config
        .places
        .remove("main")
        .unwrap()
        .role
        .unwrap();
    assert_eq!((plain.session_name.as_str(), plain.session_duration), ("rekeyd", None));
}

#[test]
fn what_goes_with_a_role_or_with_aws_own_endpoints_is_refused_without() {
    for (keys, at, part) in [
        (
            "role_session_name = \"rekeyd\"",
            "t.toml:3:21",
            "add `role_arn`, or remove it",
        ),
        (
            "role_session_duration = \"1h\"",
            "t.toml:3:25",
            "add `role_arn`, or remove it",
        ),
        (
            "sts_endpoint_url = \"https://h\"",
            "t.toml:3:20",
            "add `role_arn`, or remove it",
        ),
    ] {
        assert_refused(&place(keys), at, part);
    }
    for (key, value, part) in [
        ("role_session_name", "\"a b\"", "2 to 64 letters"),
        ("role_session_duration", "\"14m\"", "15m to 12h"),
        ("role_session_duration", "\"13h\"", "15m to 12h"),
    ] {
        let text = place(&format!("{ROLE}\n{key} = {value}"));
        assert_refused(&text, &format!("t.toml:4:{}", key.len() + 4), part);
    }
    for key in ["use_fips", "use_dualstack"] {
        let text = place(&format!("endpoint_url = \"https://h\"\n{key} = true"));
        assert_refused(&text, &format!("t.toml:4:{}", key.len() + 4), "`endpoint_url`");
        let alone = load_ok(&place(&format!("{key} = true")))
            .config
            .places
            .remove("main")
            .unwrap();
        assert!(alone.use_fips == Some(true) || alone.use_dualstack == Some(true));
    }
}

#[test]
fn roles_and_secrets_of_another_partition_than_the_regions_are_refused() {
    let chinese = POLICY.replace("us-east-1", "cn-north-1");
    let role = |arn: &str| chinese.replace("region =", &format!("role_arn = \"{arn}\"\nregion ="));
    assert_refused(
        &role("arn:aws:iam::123456789012:role/x"),
        "t.toml:3:12",
        "cannot work in cn-north-1, which lies in aws-cn",
    );
    load_ok(&role("arn:aws-cn:iam::123456789012:role/x"));
    let secret = |partition: &str| {
        let arn = format!("arn:{partition}:secretsmanager:cn-north-1:123456789012:secret:ec/user1-a1B2c3");
        chinese.replace("ec/user1", &arn)
    };
    load_ok(&secret("aws-cn"));
    let refused = refusals(&secret("aws"));
    assert!(
        refused.len() == 1 && refused[0].contains("lies in partition aws, but cn-north-1 lies in aws-cn"),
        "{refused:#?}"
    );
}

#[test]
fn two_places_that_are_one_account_and_region_are_told_and_share_their_secrets() {
    let twin = "\n[aws.twin]\nregion = \"us-east-1\"\n[policy.twin]\naws = \"twin\"\nschedule = \"30d\"\nallow_users = \
                [\"a\"]\n";
    let warnings = load_ok(&format!("{POLICY}{twin}secrets = [\"other\"]\n")).warnings;
    assert!(
        warnings.len() == 1 && warnings[0].contains("`twin` and `main` are the same account and region"),
        "{warnings:#?}"
    );
    let refused = refusals(&format!("{POLICY}{twin}secrets = [\"ec/user1\"]\n"));
    assert!(
        refused.len() == 1 && refused[0].contains("already in policy"),
        "{refused:#?}"
    );
    // Another account, by its role: nothing is the same.
    let elsewhere = twin.replace("region =", &format!("{ROLE}\nregion ="));
    let loaded = load_ok(&format!("{POLICY}{elsewhere}secrets = [\"ec/user1\"]\n"));
    assert_eq!(loaded.warnings, Vec::<String>::new());
}
