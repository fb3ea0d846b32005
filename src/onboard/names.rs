//! What AWS takes as a name, an id or a tag: checked before anything is made.

use std::collections::BTreeMap;

/// The longest name of a secret (CreateSecret's `Name` in Secrets Manager's API reference).
const LONGEST_SECRET_NAME: usize = 512;

/// What a secret's name consists of, beside letters and digits (the same).
const SECRET_NAME_SIGNS: &str = "/_+=.@-";

/// How many tags a secret or a user has at most (the tag limits of Secrets Manager and of ElastiCache are the same).
const MOST_TAGS: usize = 50;

/// The longest key of a tag (the `Tag` types of both APIs).
const LONGEST_TAG_KEY: usize = 128;

/// The longest value of a tag (the same).
const LONGEST_TAG_VALUE: usize = 256;

/// What tags of AWS's own begin with, in any case.
const RESERVED_TAG_PREFIX: &str = "aws:";

/// Whether a user or a user group can have this id: ElastiCache's model gives users the pattern `[a-zA-Z][a-zA-Z0-9\-]*`.
///
/// # Errors
/// How ids are written.
pub(super) fn check_id(what: &str, id: &str) -> Result<(), String> {
    let mut letters = id.chars();
    let begins = letters.next().is_some_and(|letter| letter.is_ascii_alphabetic());
    match begins && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '-') {
        true => Ok(()),
        false => Err(format!(
            "{id:?} is no {what}: a letter, then letters, digits and hyphens"
        )),
    }
}

/// Whether a secret can have this name.
///
/// # Errors
/// How names are written.
pub(super) fn check_secret(name: &str) -> Result<(), String> {
    if name.starts_with("arn:") {
        return Err(format!("{name:?} is no secret's name; write its name, not its ARN"));
    }
    let fits = (1..=LONGEST_SECRET_NAME).contains(&name.len());
    let good = |letter: char| letter.is_ascii_alphanumeric() || SECRET_NAME_SIGNS.contains(letter);
    match fits && name.chars().all(good) {
        true => Ok(()),
        false => Err(format!(
            "{name:?} is no secret's name: 1 to {LONGEST_SECRET_NAME} ASCII letters, digits and {SECRET_NAME_SIGNS}"
        )),
    }
}

/// Whether a secret and a user can have these tags.
///
/// # Errors
/// Which of them, and how tags are written.
pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), String> {
    if tags.len() > MOST_TAGS {
        return Err(format!(
            "{} tags are more than the {MOST_TAGS} that AWS takes",
            tags.len()
        ));
    }
    for (key, value) in tags {
        let length = key.chars().count();
        if length == 0 || length > LONGEST_TAG_KEY {
            return Err(format!(
                "the tag {key:?} has a key of {length} characters; AWS takes 1 to {LONGEST_TAG_KEY}"
            ));
        }
        if key.to_ascii_lowercase().starts_with(RESERVED_TAG_PREFIX) {
            return Err(format!(
                "the tag {key:?} begins with {RESERVED_TAG_PREFIX}, which only AWS gives"
            ));
        }
        let length = value.chars().count();
        if length > LONGEST_TAG_VALUE {
            return Err(format!(
                "the tag {key:?} has a value of {length} characters; AWS takes {LONGEST_TAG_VALUE} at most"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secrets_name_is_what_create_secret_takes() {
        let longest = "s".repeat(LONGEST_SECRET_NAME);
        for good in ["s", "production/ec/user_1+=.@-", "name-abcdef", &longest] {
            assert_eq!(check_secret(good), Ok(()), "{good}");
        }
        let longer = longest.clone() + "s";
        for bad in [
            "",
            "production/ec/us er?1",
            "a:b",
            "caf\u{e9}",
            "arn:aws:secretsmanager:x:1:secret:s-abcdef",
            &longer,
        ] {
            assert!(check_secret(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_begins_with_a_letter_and_has_no_other_sign_than_the_hyphen() {
        for good in ["a", "Group-1"] {
            assert_eq!(check_id("user id", good), Ok(()), "{good}");
        }
        for bad in ["", "1a", "-a", "a b", "a_b", "a/b"] {
            assert!(
                check_id("user id", bad).is_err_and(|told| told.contains("is no user id")),
                "{bad}"
            );
        }
    }

    #[test]
    fn tags_are_as_many_and_as_long_as_aws_takes_them() {
        let tags = |key: &str, value: &str| check_tags(&[(key.to_owned(), value.to_owned())].into());
        assert_eq!(tags(&"k".repeat(128), &"\u{e9}".repeat(256)), Ok(()));
        assert!(tags(&"k".repeat(129), "").is_err());
        assert!(tags("", "v").is_err());
        assert!(tags("k", &"v".repeat(257)).is_err());
        assert!(tags("AWS:team", "v").is_err_and(|told| told.contains("only AWS gives")));
        let many = |count: usize| (0..count).map(|at| (format!("k{at}"), String::new())).collect();
        assert_eq!(check_tags(&many(50)), Ok(()));
        assert!(check_tags(&many(51)).is_err());
    }
}
