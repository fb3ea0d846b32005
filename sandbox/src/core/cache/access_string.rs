//! Access strings: what is accepted and how AWS writes them back.

use super::commands;
use super::errors::invalid_value;
use crate::error::ApiError;

/// Brings an access string into the order in which AWS shows it: state, keys, channels, commands.
///
/// The AWS guide "Automatically rotating passwords for users" sends `*off* +get ~keys*` and shows
/// `off ~keys* -@all +get`: the asterisks around a word are typography, a string that names neither
/// state is off, and commands start from none. Passwords and `reset` are refused ("ElastiCache RBAC guide").
pub(crate) fn normalise(text: &str) -> Result<String, ApiError> {
    let mut state = "off";
    let (mut keys, mut channels, mut commands) = (Vec::new(), Vec::new(), Vec::new());
    for word in text.split_whitespace() {
        let word = plain(word);
        match word {
            "on" | "off" => state = word,
            "allkeys" | "~*" => keys = vec!["~*"],
            "resetkeys" => keys.clear(),
            "allchannels" | "&*" => channels = vec!["&*"],
            "resetchannels" => channels.clear(),
            "allcommands" | "+@all" => commands = vec!["+@all"],
            "nocommands" | "-@all" => commands.clear(),
            _ if is_key_pattern(word) => add(&mut keys, word, "~*")?,
            _ if word.starts_with('&') => add(&mut channels, word, "&*")?,
            _ if is_command_rule(word) => {
                if !commands::is_known(word.trim_start_matches(['+', '-'])) {
                    // A command is no secret.
                    let message = format!("Access string names an unknown command or category: {word}.");
                    return Err(invalid_value(message));
                }
                commands.push(word);
            }
            _ => return Err(refused(word)),
        }
    }
    let mut words = vec![state];
    words.append(&mut keys);
    words.append(&mut channels);
    if commands.first() != Some(&"+@all") {
        words.push("-@all");
    }
    words.append(&mut commands);
    Ok(words.join(" "))
}

/// Adds a pattern. Servers refuse one after all of its kind, of which it would be a part already.
fn add<'a>(patterns: &mut Vec<&'a str>, word: &'a str, all: &str) -> Result<(), ApiError> {
    if patterns.contains(&all) {
        return Err(invalid_value(format!(
            "Access string may not contain a pattern after {all}."
        )));
    }
    patterns.push(word);
    Ok(())
}

/// `~pattern`, or with what may be done to such keys: `%R~pattern`, `%W~pattern`, `%RW~pattern`.
fn is_key_pattern(word: &str) -> bool {
    let rights = |text: &str| matches!(text.to_ascii_uppercase().as_str(), "R" | "W" | "RW" | "WR");
    let typed = word.strip_prefix('%').and_then(|rest| rest.split_once('~'));
    word.starts_with('~') || typed.is_some_and(|(text, _)| rights(text))
}

/// Whether a normalised access string lets the user in.
pub(crate) fn is_on(normalised: &str) -> bool {
    normalised.split(' ').next() == Some("on")
}

/// Takes the guide's emphasis off: `*off*` is `off`. Key patterns keep their asterisks.
fn plain(word: &str) -> &str {
    word.strip_prefix('*')
        .and_then(|rest| rest.strip_suffix('*'))
        .unwrap_or(word)
}

fn is_command_rule(word: &str) -> bool {
    let mut letters = word.chars();
    matches!(letters.next(), Some('+' | '-'))
        && letters.next().is_some_and(|c| c == '@' || c.is_ascii_alphanumeric())
        && word.chars().skip(2).all(|c| c.is_ascii_graphic())
}

/// The word is not repeated unless it is harmless: it may be a password that does not belong here.
fn refused(word: &str) -> ApiError {
    match word {
        "reset" | "resetpass" | "nopass" => invalid_value(format!("Access string may not contain {word}.")),
        _ if word.starts_with(['>', '<', '#', '!']) => invalid_value("Access string may not contain passwords."),
        _ => invalid_value("Access string is not valid."),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_guides_access_string_comes_back_as_the_guide_shows_it() {
        assert_eq!(normalise("*off* +get ~keys*").unwrap(), "off ~keys* -@all +get");
    }

    #[test]
    fn a_string_without_a_state_is_off() {
        assert_eq!(normalise("~* +@all").unwrap(), "off ~* +@all");
        assert_eq!(
            normalise("on allkeys &* +@all -@dangerous").unwrap(),
            "on ~* &* +@all -@dangerous"
        );
        assert!(is_on("on ~* -@all"));
    }

    #[test]
    fn what_no_node_would_take_is_refused() {
        for text in [
            "on ~* +gett",
            "on ~* +@reads",
            "on ~* ~a",
            "on &* &a",
            "on %X~a",
            "on ~* +config|gett",
        ] {
            assert_eq!(normalise(text).unwrap_err().code, "InvalidParameterValue", "{text}");
        }
        assert_eq!(
            normalise("on ~a ~* %R~b* +@read -config|get +select|0")
                .unwrap_err()
                .code,
            "InvalidParameterValue"
        );
        assert_eq!(
            normalise("on ~a %R~b* +@read -config|get +select|0").unwrap(),
            "on ~a %R~b* -@all +@read -config|get +select|0"
        );
        assert_eq!(normalise("on allkeys ~* +@all").unwrap(), "on ~* +@all");
    }

    #[test]
    fn passwords_and_reset_are_refused_and_not_repeated() {
        for text in ["on >hunter2hunter2", "on nopass", "reset on", "on what?"] {
            let error = normalise(text).unwrap_err();
            assert_eq!(error.code, "InvalidParameterValue");
            assert!(!error.message.contains("hunter2"));
        }
    }
}
