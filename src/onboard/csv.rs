//! Many at once: a table of users and secrets.
//!
//! The first line names the columns, in any order: `user_id`, `secret` and `policy` must be there; `user_name`,
//! `engine`, `access_string`, `groups`, `tags`, `kms_key_id` and `password_file` may be. An empty field is one that is
//! left out. Groups and tags are separated by `;`, tags are written `key=value`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use clap::ValueEnum;
use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use super::request::{Request, UserEngine};

const COLUMNS: [&str; 10] = [
    "user_id",
    "user_name",
    "secret",
    "policy",
    "engine",
    "access_string",
    "groups",
    "tags",
    "kms_key_id",
    "password_file",
];

/// No table is longer: that of a hundred thousand users fits. A device may have no end.
const LONGEST: u64 = 32 * 1024 * 1024;

/// One line.
#[derive(Clone)]
pub struct Row {
    /// Its number in the file, the header being line 1.
    pub line: u64,
    /// What it asks for.
    pub request: Request,
    /// Where the user's password stands.
    pub password_file: Option<PathBuf>,
}

/// Reads a table.
///
/// # Errors
/// Everything that is wrong with it, each with its line.
pub fn read(source: impl Read) -> Result<Vec<Row>, Vec<String>> {
    let mut text = String::new();
    source
        .take(LONGEST + 1)
        .read_to_string(&mut text)
        .map_err(|error| vec![format!("it cannot be read as text in UTF-8: {error}")])?;
    if u64::try_from(text.len()).is_ok_and(|length| length > LONGEST) {
        return Err(vec![format!(
            "it is longer than {LONGEST} bytes; is it a table of users?"
        )]);
    }
    let mut reader = ReaderBuilder::new()
        .trim(Trim::All)
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| vec![in_words(&error, &text)])?.clone();
    check_header(&header)?;
    let (mut rows, mut problems) = (Vec::new(), Vec::new());
    for record in reader.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, |position| line_at(&text, position.byte()));
                match row(&header, &record, line) {
                    Ok(row) => rows.push(row),
                    Err(problem) => problems.push(format!("line {line}: {problem}")),
                }
            }
            Err(error) => problems.push(in_words(&error, &text)),
        }
    }
    problems.extend(doubled(&rows));
    if rows.is_empty() && problems.is_empty() {
        problems.push("the file holds no line but its header".to_owned());
    }
    if problems.is_empty() { Ok(rows) } else { Err(problems) }
}

/// What the reader found wrong, with the line.
fn in_words(error: &csv::Error, text: &str) -> String {
    let line = error.position().map_or(0, |position| line_at(text, position.byte()));
    match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => format!(
            "line {line}: it has {len} fields, and the header names {expected_len} columns; a field with a comma in it stands \
             in double quotes, and every quote has its second"
        ),
        _ => format!("line {line}: {error}"),
    }
}

/// The number of the line at this place, or of the next one that is neither empty nor a remark: the reader skips those,
/// and gives the place before them.
fn line_at(text: &str, byte: u64) -> u64 {
    let at = usize::try_from(byte).unwrap_or(usize::MAX).min(text.len());
    let (before, rest) = text.split_at_checked(at).unwrap_or((text, ""));
    let skipped = rest
        .lines()
        .take_while(|line| line.trim().is_empty() || line.starts_with('#'));
    (before.matches('\n').count() + skipped.count() + 1) as u64
}

fn check_header(header: &StringRecord) -> Result<(), Vec<String>> {
    let unknown = header.iter().filter(|name| !COLUMNS.contains(name));
    let mut problems: Vec<String> = unknown
        .map(|name| format!("line 1: no column is called {name:?}; known: {}", COLUMNS.join(", ")))
        .collect();
    for needed in ["user_id", "secret", "policy"] {
        match header.iter().filter(|name| *name == needed).count() {
            1 => {}
            0 => problems.push(format!("line 1: the column {needed} is missing")),
            _ => problems.push(format!("line 1: the column {needed} stands there twice")),
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn row(header: &StringRecord, record: &StringRecord, line: u64) -> Result<Row, String> {
    let field = |name: &str| {
        let at = header.iter().position(|known| known == name);
        at.and_then(|at| record.get(at)).filter(|text| !text.is_empty())
    };
    let needed = |name: &str| field(name).ok_or_else(|| format!("{name} is empty"));
    let mut request = Request::new(needed("policy")?, needed("user_id")?, needed("secret")?);
    request.user_name = field("user_name").map(str::to_owned);
    request.engine = match field("engine") {
        Some(text) => {
            Some(UserEngine::from_str(text, true).map_err(|_| format!("engine {text:?} is neither redis nor valkey"))?)
        }
        None => None,
    };
    request.access_string = field("access_string").map(str::to_owned);
    request.groups = parts(field("groups")).map(str::to_owned).collect();
    request.tags = parts(field("tags")).map(tag).collect::<Result<BTreeMap<_, _>, _>>()?;
    request.kms_key_id = field("kms_key_id").map(str::to_owned);
    request.check()?;
    Ok(Row {
        line,
        request,
        password_file: field("password_file").map(PathBuf::from),
    })
}

fn parts(field: Option<&str>) -> impl Iterator<Item = &str> {
    let parts = field.into_iter().flat_map(|text| text.split(';'));
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// Reads `key=value`.
///
/// # Errors
/// How to write it.
pub fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is no tag; write key=value")),
    }
}

/// A user or a secret that stands in two lines would be worked on by both at once.
fn doubled(rows: &[Row]) -> Vec<String> {
    let mut seen: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut problems = Vec::new();
    for row in rows {
        for key in [
            ("user", row.request.user_id.as_str()),
            ("secret", row.request.secret.as_str()),
        ] {
            if let Some(first) = seen.insert(key, row.line) {
                problems.push(format!(
                    "line {}: {} {} stands in line {first} already",
                    row.line, key.0, key.1
                ));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> String {
        read(text.as_bytes())
            .err()
            .map(|problems| problems.join("\n"))
            .unwrap_or_default()
    }

    #[test]
    fn a_file_without_an_end_is_no_table() {
        let problems = read(std::io::repeat(b'a')).err().unwrap_or_default();
        assert!(problems[0].contains("longer than"), "{problems:?}");
    }

    #[test]
    fn a_table_is_read_whatever_the_order_of_its_columns() {
        let text = "secret,user_id,policy,engine,access_string,groups,tags\n\
                    # a remark\n\n\
                    p/a, User-A ,orders,VALKEY,on ~app:* +@read,g1; g2,team=orders;env=\n\
                    p/b,b,orders,,,,\n";
        let rows = read(text.as_bytes()).unwrap();
        let [a, b] = &rows[..] else { panic!("{}", rows.len()) };
        assert_eq!(
            (a.line, a.request.user_id.as_str(), a.request.secret.as_str()),
            (4, "user-a", "p/a")
        );
        assert_eq!(a.request.engine, Some(UserEngine::Valkey));
        assert_eq!(a.request.groups.len(), 2);
        assert_eq!(a.request.tags.get("env").map(String::as_str), Some(""));
        assert_eq!(b.line, 5);
        assert!(b.request.access_string.is_none() && b.request.engine.is_none());
    }

    #[test]
    fn a_line_with_too_few_or_too_many_fields_is_told_in_words() {
        let told = problems("# users\nuser_id,secret,policy\n\na,s1,p\nb,s2\n# a remark\nc,s3,p,redis\n1d,s4,p\n");
        for (line, words) in [
            (5, "2 fields, and the header names 3 columns"),
            (7, "4 fields, and the header names 3 columns"),
            (8, "is no user id"),
        ] {
            let begins = format!("line {line}: ");
            let found = told
                .lines()
                .any(|told| told.starts_with(&begins) && told.contains(words));
            assert!(found, "{line} {words}: {told}");
        }
        assert!(!told.contains("CSV error") && !told.contains("byte"), "{told}");
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_with_its_line() {
        assert!(problems("user_id,secret\n").contains("the column policy is missing"));
        assert!(problems("user_id,secret,policy,colour\n").contains("no column is called \"colour\""));
        assert!(problems("user_id,secret,policy\n").contains("no line but its header"));
        let told = problems(
            "user_id,secret,policy,engine,tags,access_string\n\
             a,s1,p,redis,,\n\
             b,,p,redis,,\n\
             c,s3,p,memcached,,\n\
             d,s4,p,redis,team,\n\
             1e,s5,p,redis,,\n\
             f,s6,p,redis,,on >hunter2hunter2hunter2\n\
             A,s7,p,redis,,\n",
        );
        for (line, words) in [
            (3, "secret is empty"),
            (4, "neither redis nor valkey"),
            (5, "is no tag"),
            (6, "is no user id"),
            (7, "holds a password"),
            (8, "stands in line 2 already"),
        ] {
            let found = told
                .lines()
                .any(|told| told.starts_with(&format!("line {line}:")) && told.contains(words));
            assert!(found, "{line} {words}: {told}");
        }
        assert!(!told.contains("hunter2"), "{told}");
    }
}
