//! What holds for every document, sensible or not.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Stands in every password and in every value that is not ours.
const CANARY: &str = "CANARY";
const ARN: &str = "arn:aws:elasticache:us-east-1:123456789012:user:user1";

/// What Secrets Manager takes as a value at most, in bytes (its quotas).
const LONGEST_VALUE: usize = 65_536;

/// At least so many cases; more if `PROPTEST_CASES` says so.
fn cases(least: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig {
        cases: asked.cases.max(least),
        failure_persistence: None,
        ..asked
    }
}

/// A JSON value as somebody may have typed it: numbers that no machine holds, needless escapes,
/// space where it may be.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        select(vec![
            "null",
            "true",
            "false",
            "-0",
            "1.50",
            "1E400",
            "-0.0e-7",
            "123456789012345678901234567890",
            r#""""#,
            r#""\u0000""#,
            r#""\/\b\f""#,
            r#""\ud83d\ude00""#,
            r#""\ud800""#,
            "\"\u{feff}\u{7f}\"",
            "[ ]",
            "{ }",
        ])
        .prop_map(str::to_owned),
        "[a-z0-9\u{e4}\u{1f511} ]{0,12}".prop_map(|text| format!("\"{text}{CANARY}\"")),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        let member = ("[a-z]{0,4}", inner.clone()).prop_map(|(key, value)| format!(" \"{key}\" :\t{value}"));
        prop_oneof![
            vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(" , "))),
            vec(member, 0..5).prop_map(|members| format!("{{{}\n}}", members.join(","))),
        ]
    })
}

/// A document's members as texts: key, without its quotes, and value.
type Members = Vec<(String, String)>;

fn stranger() -> impl Strategy<Value = (String, String)> {
    ("[A-Za-z_.\u{e4}\u{4e2d}-]{0,9}", json()).prop_filter("not one of ours", |(key, _)| {
        !["username", "user_arn", "password"].contains(&key.as_str())
    })
}

/// A document that can be worked with: keys of others before, between and after ours.
fn good() -> impl Strategy<Value = Members> {
    let password = proptest::option::of("[!#-.0-?A-\\[\\]-~\u{e4}]{1,130}");
    (vec(stranger(), 0..8), password, any::<u64>()).prop_map(|(mut members, password, mut order)| {
        members.push(("username".to_owned(), "\"user1\"".to_owned()));
        members.push(("user_arn".to_owned(), format!("\"{ARN}\"")));
        let password = password.map_or_else(|| "null".to_owned(), |text| format!("\"{text}{CANARY}\""));
        members.push(("password".to_owned(), password));
        for last in (1..members.len()).rev() {
            let other = usize::try_from(order % (last as u64 + 1)).unwrap();
            order = order.rotate_right(7).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            members.swap(last, other);
        }
        members
    })
}

/// A document in which one of our keys may be missing, twice, or something that it must not be.
fn near_miss() -> impl Strategy<Value = String> {
    let ours = (
        select(vec!["username", "user_arn", "password", "Password", r"pass\u0077ord"]),
        prop_oneof![
            json(),
            Just(format!("\"{ARN}\"")),
            Just(format!("\"{}\"", ARN.replace("aws:", "aws-cn:"))),
            Just(format!("\"{}\"", ARN.replace("123456789012", "210987654321"))),
            Just(format!("\"{}\"", ARN.replace("user1", &"u".repeat(5_000)))),
            Just(r#""arn:aws:elasticache:\u001b[2J:123456789012:user:user1""#.to_owned()),
        ],
    );
    let ours = ours.prop_map(|(key, value)| (key.to_owned(), value));
    let edges = select(vec!["", " ", "\u{feff}", "\0", "[", "}", ",", "//", "\n\n"]);
    (vec(prop_oneof![ours, stranger()], 0..7), edges.clone(), edges)
        .prop_map(|(members, before, after)| format!("{before}{}{after}", written(&members, " ")))
}

fn written(members: &Members, space: &str) -> String {
    let members: Vec<String> = members
        .iter()
        .map(|(key, value)| format!("{space}\"{key}\"{space}:{space}{value}"))
        .collect();
    format!("{{{}{space}}}", members.join(","))
}

/// Parses, and sees to it that an error says nothing of the value.
fn parse(text: &str) -> Result<SecretDocument, TestCaseError> {
    SecretDocument::parse(text).map_err(|error| {
        let said = format!("{error} {error:?}");
        assert!(!said.contains(CANARY), "{said}");
        TestCaseError::reject("refused")
    })
}

/// What must hold for whatever was read.
fn stands(document: &SecretDocument) {
    let arn = document.user_arn().to_string();
    assert!(arn.chars().all(|c| c.is_ascii_graphic()), "{arn:?}");
    assert!(!document.username().is_empty());
    assert!(document.password().is_none_or(|password| !password.expose().is_empty()));
    let again = document.with_password(&Password::new("a\"new\\one\u{1}".to_owned()));
    let again = SecretDocument::parse(again.expose_secret()).expect("what was written can be read");
    assert_eq!(again.password().unwrap().expose(), "a\"new\\one\u{1}");
    assert_eq!(
        (again.user_arn(), again.username()),
        (document.user_arn(), document.username())
    );
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = parse(&String::from_utf8_lossy(&bytes)).map(|document| stands(&document));
    }

    #[test]
    fn no_json_makes_the_parser_panic(text in json()) {
        let _ = parse(&text).map(|document| stands(&document));
    }

    #[test]
    fn a_near_miss_is_refused_in_silence_or_stands(text in near_miss()) {
        let _ = parse(&text).map(|document| stands(&document));
    }

    #[test]
    fn a_document_with_one_byte_changed_is_refused_in_silence_or_stands(
        members in good(),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = written(&members, " ").into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = parse(&String::from_utf8_lossy(&bytes)).map(|document| stands(&document));
    }
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_new_password_changes_nothing_else(
        members in good(),
        space in select(vec!["", " ", "\n\t "]),
        new in "[!-~]{16,128}",
    ) {
        let document = SecretDocument::parse(&written(&members, space)).expect("a good document");
        let after = document.with_password(&Password::new(new.clone()));
        let escaped = new.replace('\\', "\\\\").replace('"', "\\\"");
        let expected: Members = members
            .iter()
            .map(|(key, value)| match key.as_str() {
                "password" => (key.clone(), format!("\"{escaped}\"")),
                _ => (key.clone(), value.clone()),
            })
            .collect();
        prop_assert_eq!(after.expose_secret(), written(&expected, ""));
        // The same once more, from what was written.
        let again = SecretDocument::parse(after.expose_secret()).expect("its own writing");
        let twice = again.with_password(&Password::new(new));
        prop_assert_eq!(twice.expose_secret(), after.expose_secret());
    }

    #[test]
    fn a_document_grows_by_no_more_than_its_password(members in good(), filler in 0..LONGEST_VALUE) {
        let mut members = members;
        members.push(("filler".to_owned(), format!("\"{}\"", "x".repeat(filler))));
        let before = written(&members, "");
        let document = SecretDocument::parse(&before).expect("a good document");
        let new = Password::new("n".repeat(MAX_PASSWORD_LENGTH));
        let after = document.with_password(&new);
        let old = document.password().map_or(0, |password| password.expose().len());
        let room = MAX_PASSWORD_LENGTH.saturating_sub(old);
        prop_assert!(after.expose_secret().len() <= before.len() + room);
    }
}

#[test]
fn depth_and_size_exhaust_neither_stack_nor_patience() {
    let deep = 200_000;
    for value in [
        format!("{}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("{}1{}", r#"{"a":"#.repeat(deep), "}".repeat(deep)),
        "[".repeat(deep),
        format!("\"{}\"", "\\u0041".repeat(deep)),
        "9".repeat(deep),
    ] {
        for key in ["other", "password", "username", "user_arn"] {
            let text = format!(r#"{{"{key}":{value},"username":"u","user_arn":"{ARN}"}}"#);
            if let Ok(document) = SecretDocument::parse(&text) {
                stands(&document);
            }
        }
    }
    let many: String = (0..50_000).map(|n| format!("\"k{n}\":{n},")).collect();
    let document = SecretDocument::parse(&format!(r#"{{{many}"username":"u","user_arn":"{ARN}"}}"#)).unwrap();
    stands(&document);
}

#[test]
fn an_arn_that_would_steer_a_terminal_or_fill_a_log_is_none() {
    let long = "r".repeat(65);
    for region in ["\u{1b}[2J", "us east", "us-east-1\n", "US-EAST-1", "\u{202e}", &long] {
        let arn = ARN.replace("us-east-1", region);
        assert_eq!(UserArn::parse(&arn), None, "{region:?}");
    }
    for partition in ["aws\u{7}", "aws x", "awsé"] {
        let arn = ARN.replace("arn:aws:", &format!("arn:{partition}:"));
        assert_eq!(UserArn::parse(&arn), None, "{partition:?}");
    }
    for partition in ["aws", "aws-cn", "aws-us-gov"] {
        let arn = ARN.replace("arn:aws:", &format!("arn:{partition}:"));
        assert!(UserArn::parse(&arn).is_some(), "{partition}");
    }
}
