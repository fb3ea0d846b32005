//! What holds for every configuration, sensible or not.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// At least so many cases; more if `PROPTEST_CASES` says so.
fn cases(least: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig {
        cases: asked.cases.max(least),
        failure_persistence: None,
        ..asked
    }
}

/// The sample with every key and table that it comments out, and without its prose.
fn everything() -> String {
    let is_key = |line: &str| {
        let key = line.split_once(" = ").map_or("", |(key, _)| key);
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    let lines = SAMPLE.lines().map(|line| {
        line.strip_prefix("# ")
            .filter(|line| is_key(line) || line.starts_with('['))
            .unwrap_or(line)
    });
    lines
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// Words, runs of space, and single signs.
fn tokens(text: &str) -> Vec<String> {
    let kind = |c: char| {
        if c.is_alphanumeric() || c == '_' {
            1
        } else if c == ' ' {
            2
        } else {
            0
        }
    };
    let mut tokens: Vec<String> = Vec::new();
    let mut last = 0;
    for c in text.chars() {
        match tokens.last_mut() {
            Some(token) if kind(c) != 0 && kind(c) == last => token.push(c),
            _ => tokens.push(c.to_string()),
        }
        last = kind(c);
    }
    tokens
}

/// What may stand in a token's place.
fn odd_token() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec![
            "",
            "\n",
            "\r",
            "\0",
            "\u{feff}",
            "\u{1f511}",
            "\u{1b}[2J",
            "'",
            "\"",
            "'''",
            "\"\"\"",
            "[",
            "]",
            "[[",
            "{",
            "}",
            "=",
            ".",
            ",",
            "#",
            "\\",
            "nan",
            "inf",
            "-1",
            "0",
            "1e999",
            "0x7fffffffffffffff",
            "9223372036854775807",
            "99999999999999999999999999",
            "1979-05-27T00:00:00Z",
            "true",
            "[1]",
            "{ a = 1 }",
            "defaults",
            "policy",
            "aws",
            "daemon",
            "metrics",
            "106751991167d",
            "18446744073709551615h",
            "none",
            "rate(1 day)",
            "cron(* * * * *)",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}",
    ]
}

#[derive(Clone, Debug)]
enum Change {
    Delete(Index),
    Duplicate(Index),
    Replace(Index, String),
    Swap(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        any::<Index>().prop_map(Change::Delete),
        any::<Index>().prop_map(Change::Duplicate),
        (any::<Index>(), odd_token()).prop_map(|(at, token)| Change::Replace(at, token)),
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut tokens = tokens(text);
    for change in changes {
        if tokens.is_empty() {
            break;
        }
        let count = tokens.len();
        match change {
            Change::Delete(at) => drop(tokens.remove(at.index(count))),
            Change::Duplicate(at) => tokens.insert(at.index(count), tokens[at.index(count)].clone()),
            Change::Replace(at, token) => tokens[at.index(count)].clone_from(token),
            Change::Swap(one, other) => tokens.swap(one.index(count), other.index(count)),
        }
    }
    tokens.concat()
}

/// Whether a problem's place lies within the text: `t.toml:LINE:COLUMN`, both from one, with room
/// for what is missing at the end.
fn lies_within(place: &str, text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut numbers = place
        .strip_prefix("t.toml:")
        .unwrap_or("")
        .split(':')
        .map(str::parse::<usize>);
    let (Some(Ok(line)), Some(Ok(column)), None) = (numbers.next(), numbers.next(), numbers.next()) else {
        return false;
    };
    let lines: Vec<&str> = text.split('\n').collect();
    (1..=lines.len()).contains(&line) && (1..=lines[line - 1].chars().count() + 1).contains(&column)
}

/// Reads a text, and sees to it that whatever is wrong has a place and words for a terminal.
fn read(text: &str) -> bool {
    let Err(errors) = parse_str("t.toml", text) else {
        return true;
    };
    assert!(!errors.problems().is_empty());
    for problem in errors.problems() {
        assert!(lies_within(&problem.place, text), "{problem:?} in {text:?}");
        assert!(!problem.message.trim().is_empty(), "{problem:?}");
        let said = problem.to_string();
        assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{said:?}");
    }
    false
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}") {
        read(&text);
    }

    #[test]
    fn no_heap_of_tokens_makes_it_panic(tokens in vec(odd_token(), 0..60)) {
        read(&tokens.concat());
    }

    #[test]
    fn a_changed_sample_loads_or_says_where_it_does_not(changes in vec(change(), 1..6)) {
        read(&changed(&everything(), &changes));
    }

    #[test]
    fn variables_never_make_it_panic(
        names in vec(select(vec![
            "DAEMON", "LISTEN", "POLICY", "ORDERS", "OVERLAP", "DEFAULTS", "AWS", "MAIN", "REGION", "SELECT", "TAGS", "", "_", "é",
        ]), 1..6),
        value in prop_oneof![odd_token(), "(?s).{0,40}"],
    ) {
        let name = format!("REKEYD__{}", names.join("__"));
        let mut layers = layers::Layers::default();
        layers.add_text(SourceKind::File, Path::new("t.toml"), everything());
        layers.add_variables([(name.clone(), value)].into_iter());
        if let Err(errors) = layers.finish(|_| None) {
            for problem in errors.problems() {
                let within = lies_within(&problem.place, &everything());
                assert!(within || problem.place == name, "{problem:?}");
                assert!(!problem.to_string().contains(|c: char| c.is_control() && c != '\n'), "{problem:?}");
            }
        }
    }

    #[test]
    fn the_order_of_tables_changes_nothing(order in Just(blocks()).prop_shuffle()) {
        let shuffled = load_ok(&order.concat());
        prop_assert_eq!(shuffled.config, load_ok(&everything()).config);
    }
}

/// The sample's tables, each with its keys.
fn blocks() -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    for line in everything().lines() {
        if line.starts_with('[') {
            blocks.push(String::new());
        }
        let block = blocks.last_mut().expect("the sample begins with a table");
        block.push_str(line);
        block.push('\n');
    }
    blocks
}

#[test]
fn every_key_refuses_what_it_cannot_be_where_it_stands() {
    let text = everything();
    assert!(read(&text));
    let wrong = [
        "1",
        "-1",
        "1.5",
        "nan",
        "true",
        "\"\"",
        "\"x\"",
        "\"-1s\"",
        "[]",
        "[1]",
        "[[]]",
        "[\"\"]",
        "{}",
        "{ a = 1 }",
        "{ length = -1 }",
        "1979-05-27",
        "99999999999999999999",
        "\"\\u0000\"",
        "\"99999999999999999999d\"",
    ];
    let (mut tried, mut refused) = (0, 0);
    for (number, line) in text.lines().enumerate() {
        let Some((key, _)) = line.split_once(" = ") else {
            continue;
        };
        for value in wrong {
            let lines = text.lines().enumerate();
            let lines = lines.map(|(at, line)| {
                if at == number {
                    format!("{key} = {value}\n")
                } else {
                    format!("{line}\n")
                }
            });
            tried += 1;
            refused += usize::from(!read(&lines.collect::<String>()));
        }
    }
    assert!(tried >= 30 * wrong.len(), "{tried}");
    assert!(refused * 10 >= tried * 8, "{refused} of {tried}");
}

#[test]
fn depth_does_not_exhaust_the_stack() {
    let deep = 20_000;
    for text in [
        format!("[{}a]\nb = 1", "a.".repeat(deep)),
        format!("{}a = 1", "a.".repeat(deep)),
        format!("a = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("a = {}1{}", "{ a = ".repeat(deep), " }".repeat(deep)),
        format!("[policy.orders]\nselect.tags.{}a = 1", "a.".repeat(deep)),
        "[[a]]\n".repeat(deep),
        "[a]\n".repeat(deep),
        format!("a = \"{}\"", "\\u0041".repeat(deep)),
    ] {
        assert!(!read(&text));
    }
}

#[test]
fn of_thousands_of_mistakes_the_first_hundred_are_shown() {
    let text = "[a]\n".repeat(20_000);
    let errors = parse_str("t.toml", &text).unwrap_err();
    assert_eq!(errors.problems().len(), 101);
    let last = errors.problems().last().unwrap();
    assert!(last.message.contains("more from here on"), "{last}");
}
