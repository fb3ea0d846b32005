use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

const ARN: &str = "arn:aws:elasticache:us-east-1:123456789012:user:user1";

fn document(rest: &str) -> String {
    format!(r#"{{"username":"user1","user_arn":"{ARN}"{rest}}}"#)
}

#[test]
fn a_document_keeps_everything_but_the_password_as_the_bytes_it_came_as() {
    let before = format!(
        r#"{{ "big": 123456789012345678901234567890, "float": 1.50, "username":"user1", "password" : "old", "esc": "\u00e9\/", "nested": {{"b":1,"a":[ ]}}, "user_arn":"{ARN}" }}"#
    );
    let after = SecretDocument::parse(&before)
        .unwrap()
        .with_password(&Password::new("new".to_owned()));
    let expected = format!(
        r#"{{"big":123456789012345678901234567890,"float":1.50,"username":"user1","password":"new","esc":"\u00e9\/","nested":{{"b":1,"a":[ ]}},"user_arn":"{ARN}"}}"#
    );
    assert_eq!(after.expose_secret(), expected);
}

#[test]
fn a_first_password_comes_last_or_where_null_stood() {
    let password = Password::new("new".to_owned());
    let without = SecretDocument::parse(&document("")).unwrap();
    assert!(without.password().is_none());
    assert!(
        without
            .with_password(&password)
            .expose_secret()
            .ends_with(r#","password":"new"}"#)
    );
    let null = SecretDocument::parse(&document(r#","password":null,"last":1"#)).unwrap();
    assert!(null.password().is_none());
    assert!(
        null.with_password(&password)
            .expose_secret()
            .ends_with(r#","password":"new","last":1}"#)
    );
}

#[test]
fn what_cannot_be_worked_with_is_told_apart() {
    let cases = [
        ("", DocumentError::NotJson),
        ("[]", DocumentError::NotJson),
        ("\"text\"", DocumentError::NotJson),
        (r#"{"username":"u"}"#, DocumentError::UserArnMissing),
        (r#"{"username":"u","user_arn":7}"#, DocumentError::UserArnMissing),
        (&format!(r#"{{"user_arn":"{ARN}"}}"#), DocumentError::UsernameMissing),
        (
            &format!(r#"{{"user_arn":"{ARN}","username":""}}"#),
            DocumentError::UsernameMissing,
        ),
        (
            r#"{"username":"u","user_arn":"arn:aws:elasticache:us-east-1:1:user:u"}"#,
            DocumentError::UserArnInvalid,
        ),
        (&document(r#","password":7"#), DocumentError::PasswordInvalid),
        (&document(r#","password":"""#), DocumentError::PasswordInvalid),
        (
            &document(r#","password":"a","password":"b""#),
            DocumentError::DuplicateKey,
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(SecretDocument::parse(text).err(), Some(wanted), "{text}");
    }
}

#[test]
fn every_truncation_of_a_document_is_an_error_and_no_panic() {
    let whole = document(r#","password":"päss","x":{"y":[1,2,3]}"#);
    for (at, _) in whole.char_indices() {
        assert!(SecretDocument::parse(&whole[..at]).is_err(), "{at}");
    }
}

#[test]
fn an_arn_of_anything_else_is_no_user() {
    let user = UserArn::parse(ARN).unwrap();
    assert_eq!(
        (user.region(), user.account(), user.user_id()),
        ("us-east-1", "123456789012", "user1")
    );
    for wrong in [
        "",
        "user1",
        "arn:aws:elasticache:us-east-1:123456789012:usergroup:user1",
        "arn:aws:rds:us-east-1:123456789012:user:user1",
        "arn:aws:elasticache::123456789012:user:user1",
        "arn:aws:elasticache:us-east-1:123456789012:user:",
        "arn:aws:elasticache:us-east-1:123456789012:user:a:b",
        "arn:aws:elasticache:us-east-1:123456789012:user:a b",
    ] {
        assert_eq!(UserArn::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn passwords_have_their_length_and_only_characters_that_are_allowed() {
    let alphabet = PasswordAlphabet::without("abc%").unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let password = Password::generate(&alphabet, 32, &mut StdRng::seed_from_u64(seed));
        assert_eq!(password.expose().len(), 32);
        assert!(
            password
                .expose()
                .chars()
                .all(|c| c.is_ascii_graphic() && !ALWAYS_EXCLUDED.contains(c))
        );
        assert!(!password.expose().contains(['a', 'b', 'c', '%']));
        seen.insert(password.expose().to_owned());
    }
    assert_eq!(seen.len(), 200);
}

#[test]
fn an_alphabet_that_makes_weak_passwords_is_refused() {
    let nearly_all: String = ('!'..='z').collect();
    assert_eq!(PasswordAlphabet::without(&nearly_all), None);
}
