use serde_json::{Value, json};

use super::*;
use crate::config::{Config, parse_str};

const HEAD: &str = "[daemon]\nadmin_socket = \"/a\"\nstate = \"sqlite:/s\"\n";

fn config(text: &str) -> Config {
    parse_str("test.toml", &format!("{HEAD}{text}"))
        .unwrap_or_else(|errors| panic!("{errors}"))
        .config
}

/// One policy in `main` with these keys.
fn one(keys: &str) -> Config {
    config(&format!(
        "[aws.main]\nregion = \"us-east-1\"\n[policy.orders]\naws = \"main\"\nschedule = \"30d\"\n{keys}\n"
    ))
}

fn given() -> Given {
    Given {
        account: Some("123456789012".to_owned()),
        ..Given::default()
    }
}

fn advice(config: &Config, given: &Given) -> Advice {
    advise(config, given).unwrap_or_else(|error| panic!("{error}"))
}

/// The statement of that name in the first document.
fn statement(advice: &Advice, sid: &str) -> Option<Value> {
    let document = advice.policies[0].document.json();
    let statements = document["Statement"].as_array().cloned().unwrap_or_default();
    statements.into_iter().find(|statement| statement["Sid"] == sid)
}

fn resources(advice: &Advice, sid: &str) -> Value {
    statement(advice, sid).map_or(Value::Null, |statement| statement["Resource"].clone())
}

#[test]
fn secrets_that_are_named_have_the_suffix_of_their_arns_and_nothing_is_listed() {
    let config = one("secrets = [\"a/b\", \"c\"]\nallow_users = [\"User1\", \"orders-*\", \"orders-x*\"]");
    let advice = advice(&config, &given());
    assert_eq!(
        resources(&advice, "RotateSecrets"),
        json!([
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:a/b-??????",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:c-??????",
        ])
    );
    assert_eq!(statement(&advice, "ListSecrets"), None);
    assert_eq!(
        resources(&advice, "SetPasswords"),
        json!([
            "arn:aws:elasticache:us-east-1:123456789012:user:orders-*",
            "arn:aws:elasticache:us-east-1:123456789012:user:user1",
        ]),
        "in lower case, and none that another covers"
    );
    assert_eq!((advice.policies.len(), advice.warnings.len()), (1, 0));
}

#[test]
fn a_prefix_covers_what_begins_so_and_tags_are_conditions() {
    let config = config(
        "[aws.main]\nregion = \"us-east-1\"\n[defaults]\nschedule = \"30d\"\n\
         [policy.a]\naws = \"main\"\nsecrets = [\"p/x\", \"q\"]\nselect = { name_prefix = \"p/\" }\nallow_users = [\"u\"]\n\
         [policy.b]\naws = \"main\"\nselect = { name_prefix = \"r/\", tags = { team = \"o${x}\", Env = \"live\" } }\n\
         allow_users = [\"u\"]\n\
         [policy.c]\naws = \"main\"\nselect = { name_prefix = \"p/y\", tags = { team = \"o\" } }\nallow_users = [\"u\"]\n\
         [policy.d]\naws = \"main\"\nselect = { tags = { team = \"all\" } }\nallow_users = [\"u\"]",
    );
    let advice = advice(&config, &given());
    let secret = |name: &str| format!("arn:aws:secretsmanager:us-east-1:123456789012:secret:{name}");
    assert_eq!(
        resources(&advice, "RotateSecrets"),
        json!([secret("p/*"), secret("q-??????")])
    );
    let tagged: Vec<Value> = ["RotateTaggedSecrets1", "RotateTaggedSecrets2"]
        .iter()
        .map(|sid| statement(&advice, sid).expect("a statement"))
        .collect();
    assert_eq!(tagged[0]["Resource"], json!([secret("r/*")]));
    assert_eq!(
        tagged[0]["Condition"],
        json!({"StringEquals": {"aws:ResourceTag/Env": ["live"], "aws:ResourceTag/team": ["o${$}{x}"]}})
    );
    assert_eq!(tagged[1]["Resource"], json!([secret("*")]));
    assert_eq!(
        statement(&advice, "RotateTaggedSecrets3"),
        None,
        "a prefix without tags covers it"
    );
    assert_eq!(
        statement(&advice, "ListSecrets").expect("a statement")["Resource"],
        json!(["*"])
    );
}

#[test]
fn a_secrets_arn_stands_as_it_is_and_tells_the_account() {
    let full = "arn:aws:secretsmanager:us-east-1:111122223333:secret:a/b-AbCdEf";
    let partial = "arn:aws:secretsmanager:us-east-1:111122223333:secret:c";
    let config = one(&format!("secrets = [{full:?}, {partial:?}]\nallow_users = [\"u\"]"));
    let advice = advice(&config, &Given::default());
    assert_eq!(
        resources(&advice, "RotateSecrets"),
        json!([full, format!("{partial}-??????")])
    );
    assert_eq!(
        resources(&advice, "SetPasswords"),
        json!(["arn:aws:elasticache:us-east-1:111122223333:user:u"])
    );
    let refused = advise(&config, &given()).unwrap_err();
    assert!(matches!(refused, GivenError::OtherAccount { .. }), "{refused}");
}

#[test]
fn nodes_that_are_configured_are_not_looked_up() {
    let keys = "secrets = [\"a\"]\nallow_users = [\"u\"]";
    let all = statement(&advice(&one(keys), &given()), "LookUpUsersAndNodes").expect("a statement");
    assert_eq!(all["Action"].as_array().map(Vec::len), Some(5));
    let named = one(&format!("{keys}\nendpoints = [\"h:6379\"]"));
    let few = statement(&advice(&named, &given()), "LookUpUsersAndNodes").expect("a statement");
    assert_eq!(few["Action"], json!(["elasticache:DescribeUsers"]));
    assert_eq!(
        few["Resource"],
        json!(["arn:aws:elasticache:us-east-1:123456789012:user:*"])
    );
}

#[test]
fn keys_are_for_secrets_manager_alone_and_go_to_the_places_of_their_region() {
    let config = one("secrets = [\"a\"]\nallow_users = [\"u\"]");
    let key: KmsKey = "arn:aws:kms:us-east-1:999988887777:key/k1".parse().expect("a key");
    let with = |key: KmsKey| Given {
        kms_keys: vec![key],
        ..given()
    };
    let use_keys = statement(&advice(&config, &with(key.clone())), "UseKeys").expect("a statement");
    assert_eq!(use_keys["Action"], json!(["kms:Decrypt", "kms:GenerateDataKey"]));
    assert_eq!(
        use_keys["Resource"],
        json!(["arn:aws:kms:us-east-1:999988887777:key/k1"])
    );
    let via = json!({"StringEquals": {"kms:ViaService": ["secretsmanager.us-east-1.amazonaws.com"]}});
    assert_eq!(use_keys["Condition"], via);
    let elsewhere = KmsKey {
        region: "eu-west-1".to_owned(),
        ..key
    };
    let refused = advise(&config, &with(elsewhere)).unwrap_err();
    assert!(matches!(refused, GivenError::NoPlaceForKey(..)), "{refused}");
    assert!("arn:aws:kms:us-east-1:999988887777:alias/k".parse::<KmsKey>().is_err());
}

const CROSS: &str = "[aws.eu]\nregion = \"eu-central-1\"\nrole_arn = \"arn:aws:iam::210987654321:role/path/rekeyd\"\n\
    external_id = \"x1\"\n[policy.orders]\naws = \"eu\"\nschedule = \"30d\"\nsecrets = [\"a\"]\nallow_users = [\"u\"]\n";

#[test]
fn a_role_has_its_permissions_and_its_trust_policy_and_rekeyd_the_right_to_assume_it() {
    let principal: Principal = "arn:aws:iam::123456789012:role/host".parse().expect("a role");
    let given = Given {
        principal: Some(principal.clone()),
        ..Given::default()
    };
    let advice = advice(&config(CROSS), &given);
    let names: Vec<(&str, Option<&str>)> = advice
        .policies
        .iter()
        .map(|policy| (policy.name.as_str(), policy.account.known()))
        .collect();
    let (role, host) = (Some("210987654321"), Some("123456789012"));
    assert_eq!(
        names,
        [
            ("rekeyd-eu", role),
            ("rekeyd-assume-roles", host),
            ("rekeyd-eu-trust", role)
        ]
    );
    assert_eq!(
        resources(&advice, "RotateSecrets"),
        json!(["arn:aws:secretsmanager:eu-central-1:210987654321:secret:a-??????"])
    );
    assert_eq!(
        advice.policies[1].document.json()["Statement"][0]["Resource"],
        json!(["arn:aws:iam::210987654321:role/path/rekeyd"])
    );
    assert_eq!(
        advice.policies[2].document.json()["Statement"],
        json!([{
            "Sid": "LetRekeydIn",
            "Effect": "Allow",
            "Principal": {"AWS": principal.arn},
            "Action": ["sts:AssumeRole"],
            "Condition": {"StringEquals": {"sts:ExternalId": ["x1"]}},
        }])
    );
}

#[test]
fn without_knowing_who_assumes_a_role_no_trust_policy_lets_anybody_in() {
    let advice = advice(&config(CROSS), &Given::default());
    assert!(advice.policies.iter().all(|policy| policy.kind != PolicyKind::Trust));
    assert!(advice.warnings[0].contains("--principal"), "{:?}", advice.warnings);
    let text = format!("{:?}", advice.policies);
    assert!(!text.contains("root"), "{text}");
}

#[test]
fn an_account_that_is_not_known_is_any_in_json_and_ones_own_elsewhere() {
    let mut advice = advice(&one("secrets = [\"a\"]\nallow_users = [\"u\"]"), &Given::default());
    assert_eq!(
        resources(&advice, "SetPasswords"),
        json!(["arn:aws:elasticache:us-east-1:*:user:u"])
    );
    advice.warn_of_open_accounts();
    assert!(advice.warnings[0].contains("--account"), "{:?}", advice.warnings);
    let hcl = terraform(&advice);
    assert!(
        hcl.contains("\"arn:aws:elasticache:us-east-1:${data.aws_caller_identity.current.account_id}:user:u\""),
        "{hcl}"
    );
    let yaml = cloudformation(&advice);
    assert!(
        yaml.contains("!Sub \"arn:aws:elasticache:us-east-1:${AWS::AccountId}:user:u\""),
        "{yaml}"
    );
}

#[test]
fn every_partition_has_its_own_arns() {
    for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")] {
        let text = format!(
            "[aws.main]\nregion = {region:?}\n[policy.o]\naws = \"main\"\nschedule = \"30d\"\nsecrets = [\"a\"]\n\
             allow_users = [\"u\"]\n"
        );
        let advice = advice(&config(&text), &given());
        assert_eq!(
            resources(&advice, "SetPasswords"),
            json!([format!("arn:{partition}:elasticache:{region}:123456789012:user:u")])
        );
    }
}

/// A policy of so many named secrets.
fn many(count: usize) -> Config {
    let names: Vec<String> = (0..count)
        .map(|number| format!("production/ec/user{number:04}"))
        .collect();
    one(&format!("secrets = {names:?}\nallow_users = [\"u\"]"))
}

#[test]
fn what_iam_would_find_too_long_is_several_documents_that_say_the_same() {
    let whole = advice(&many(60), &given());
    assert_eq!(whole.policies.len(), 1);
    let parts = advice(&many(400), &given());
    let names: Vec<&str> = parts.policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names[..2], ["rekeyd-main", "rekeyd-main-2"]);
    let mut secrets = 0;
    for policy in &parts.policies {
        assert!(policy.document.characters() <= LONGEST_DOCUMENT, "{}", policy.name);
        for statement in &policy.document.statements {
            if statement.sid == "RotateSecrets" {
                assert_eq!(statement.actions.len(), 5);
                secrets += statement.resources.len();
            }
        }
    }
    assert_eq!(secrets, 400);
    let fewest = parts
        .policies
        .iter()
        .map(|policy| policy.document.characters())
        .sum::<usize>();
    assert!(
        parts.policies.len() <= fewest.div_ceil(LONGEST_DOCUMENT) + 1,
        "{names:?}"
    );
    assert!(parts.warnings.is_empty(), "{:?}", parts.warnings);
    let too_many = advice(&many(1_200), &given());
    assert!(too_many.warnings[0].contains("select"), "{:?}", too_many.warnings);
}

#[test]
fn what_does_not_go_with_the_configuration_is_refused() {
    let given = Given {
        place: Some("nowhere".to_owned()),
        ..Given::default()
    };
    let refused = advise(&one("secrets = [\"a\"]\nallow_users = [\"u\"]"), &given).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "there is no place `nowhere`; the configuration has main"
    );
    let given = Given {
        account: Some("111111111111".to_owned()),
        principal: Some("arn:aws:iam::222222222222:user/u".parse().expect("a user")),
        ..Given::default()
    };
    let refused = advise(&config(CROSS), &given).unwrap_err();
    assert!(matches!(refused, GivenError::PrincipalElsewhere(..)), "{refused}");
}

#[test]
fn templates_quote_whatever_stands_in_a_tag() {
    let config = one("select = { tags = { team = 'a\"b\\c ${d} %{e}' } }\nallow_users = [\"u\"]");
    let advice = advice(&config, &given());
    let hcl = terraform(&advice);
    assert!(hcl.contains(r#""a\"b\\c $${$}{d} %%{e}""#), "{hcl}");
    let yaml = cloudformation(&advice);
    assert!(yaml.contains(r#"- "a\"b\\c ${$}{d} %{e}""#), "{yaml}");
}
