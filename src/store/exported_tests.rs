//! Files that are whole, and files that are not.

use super::*;
use crate::rotation::event::Event;

const RELEASE: &str = env!("CARGO_PKG_VERSION");

fn at(second: i64) -> Timestamp {
    Timestamp::from_timestamp(1_800_000_000 + second, 5).expect("a valid time")
}

fn outgoing() -> Outgoing {
    Outgoing {
        target: "oncall".to_owned(),
        id: "msg_1".to_owned(),
        at: at(2),
        message: "{}".to_owned(),
    }
}

fn exported() -> Exported {
    let entry = |second, name: &str| HistoryEntry {
        at: at(second),
        secret_arn: name.to_owned(),
        event: Event::Resumed,
    };
    Exported {
        header: Header {
            rekeyd_state: FORMAT,
            exported_at: at(9),
            release: RELEASE.to_owned(),
            records: 2,
            history: 3,
            outbox: 1,
        },
        records: vec![Record::new("arn:a".into(), at(0)), Record::new("arn:b".into(), at(1))],
        history: vec![entry(1, "arn:a"), entry(2, "arn:b"), entry(2, "arn:a")],
        outbox: vec![outgoing()],
    }
}

fn lines(exported: &Exported) -> Vec<String> {
    let mut lines = vec![serde_json::to_string(&exported.header).unwrap()];
    lines.extend(
        exported
            .records
            .iter()
            .map(|record| serde_json::to_string(record).unwrap()),
    );
    lines.extend(
        exported
            .history
            .iter()
            .map(|entry| serde_json::to_string(entry).unwrap()),
    );
    let outbox = exported.outbox.iter();
    lines.extend(outbox.map(|outgoing| serde_json::to_string(outgoing).unwrap()));
    lines
}

/// What is said of a file of these lines.
fn refusal(lines: &[String]) -> String {
    Exported::read((lines.join("\n") + "\n").as_bytes())
        .expect_err("it is refused")
        .to_string()
}

#[test]
fn a_whole_file_is_read_as_it_was_written() {
    let text = lines(&exported()).join("\n");
    assert_eq!(Exported::read(text.as_bytes()), Ok(exported()));
    assert_eq!(Exported::read((text + "\n").as_bytes()), Ok(exported()));
    let empty = Exported {
        header: Header {
            records: 0,
            history: 0,
            outbox: 0,
            ..exported().header
        },
        records: Vec::new(),
        history: Vec::new(),
        outbox: Vec::new(),
    };
    assert_eq!(Exported::read(lines(&empty)[0].as_bytes()), Ok(empty));
}

#[test]
fn a_file_of_the_first_form_has_no_notifications_and_is_read() {
    let mut old = exported();
    old.outbox.clear();
    let mut lines = lines(&old);
    lines[0] = lines[0]
        .replace("\"rekeyd_state\":2", "\"rekeyd_state\":1")
        .replace(",\"outbox\":1", "");
    let read = Exported::read(lines.join("\n").as_bytes()).unwrap();
    assert_eq!((read.header.rekeyd_state, read.header.outbox), (1, 0));
    assert_eq!(
        (read.records, read.history, read.outbox),
        (old.records, old.history, Vec::new())
    );
}

#[test]
fn a_file_cut_short_anywhere_is_refused_with_the_line_where_it_ends() {
    let text = lines(&exported()).join("\n");
    for cut in 0..text.len() {
        let error = Exported::read(&text.as_bytes()[..cut]).expect_err("it is refused");
        let line = text[..cut].trim_end_matches('\n').matches('\n').count() + 1;
        assert!(
            error.to_string().starts_with(&format!("line {line}: ")),
            "cut to {cut} bytes: {error}"
        );
    }
    assert_eq!(
        refusal(&lines(&exported())[..4]),
        "line 4: the file ends here, and 3 of the 6 lines that its header announces are missing: copy or export it again"
    );
}

#[test]
fn each_kind_of_broken_line_is_told_with_its_number() {
    type Breaking = fn(&mut Vec<String>);
    let cases: [(&str, Breaking); 9] = [
        ("line 3: this is not a record: ", |lines| lines[2] = "{}".into()),
        ("line 3: a second record of arn:a", |lines| {
            lines[2] = lines[1].clone();
        }),
        ("line 3: this is not a record: ", |lines| drop(lines.remove(2))),
        ("line 4: this is not an entry of the history: ", |lines| {
            lines[3] = lines[3].replace("resumed", "exploded");
        }),
        ("line 5: this is not an entry of the history: ", |lines| {
            lines[4].clear();
        }),
        ("line 7: this is not a notification: ", |lines| {
            lines[6] = lines[6].replace("target", "aim");
        }),
        ("line 8: more lines than the header announces", |lines| {
            lines.push(lines[6].clone());
        }),
        ("line 1: this is no file of `rekeyd state export`", |lines| {
            drop(lines.remove(0));
        }),
        ("line 1: written in a newer form (3; this release knows 2)", |lines| {
            lines[0] = lines[0].replace("\"rekeyd_state\":2", "\"rekeyd_state\":3");
        }),
    ];
    for (words, broken) in cases {
        let mut lines = lines(&exported());
        broken(&mut lines);
        let told = refusal(&lines);
        assert!(told.starts_with(words), "{words}: {told}");
        assert!(!told.contains("column 1 column") && !told.contains("at line"), "{told}");
    }
}

#[test]
fn a_header_that_announces_more_than_can_be_counted_is_refused() {
    let mut exported = exported();
    exported.header.records = usize::MAX;
    exported.header.history = usize::MAX;
    let told = refusal(&lines(&exported)[..3]);
    assert!(told.contains("line 3: the file ends here"), "{told}");
}

#[test]
fn a_broken_line_of_another_release_says_which_release_wrote_it() {
    let mut exported = exported();
    exported.header.release = "9.9.9".into();
    let mut lines = lines(&exported);
    lines[3] = lines[3].replace("resumed", "exploded");
    let told = refusal(&lines);
    assert!(
        told.ends_with(&format!(
            " (release 9.9.9 wrote it, this is {RELEASE}); export it again"
        )),
        "{told}"
    );
}

#[test]
fn a_file_of_something_else_is_refused_without_a_word_of_what_stands_in_it() {
    for file in [
        r#"{"username": "user1", "password": "hunter2-hunter2-hunter2"}"#,
        r#"{"rekeyd_state": "hunter2-hunter2-hunter2"}"#,
        r#"{"rekeyd_state": 1, "exported_at": "hunter2-hunter2-hunter2"}"#,
        "hunter2-hunter2-hunter2",
        "",
    ] {
        let told = refusal(&[file.to_owned()]);
        assert!(
            told.starts_with("line 1: this is no file of") && !told.contains("hunter2"),
            "{told}"
        );
    }
}
