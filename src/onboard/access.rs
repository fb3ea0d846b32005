//! Access strings: the same rules in two spellings, and with the user switched off.
//!
//! ElastiCache writes an access string back in an order of its own: `*off* +get ~keys*` is shown as
//! `off ~keys* -@all +get` (the AWS guide on rotating users' passwords). What is compared is what the rules come to.

/// What an access string comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Rules {
    on: bool,
    keys: Vec<String>,
    channels: Vec<String>,
    /// In order, because a later one holds before an earlier one; from none or all.
    commands: Vec<String>,
}

impl Rules {
    fn of(text: &str) -> Self {
        let mut rules = Self {
            on: false,
            keys: Vec::new(),
            channels: Vec::new(),
            commands: Vec::new(),
        };
        for word in text.split_whitespace() {
            match plain(word) {
                "on" => rules.on = true,
                "off" => rules.on = false,
                "allkeys" => rules.keys.push("~*".to_owned()),
                "resetkeys" => rules.keys.clear(),
                "allchannels" => rules.channels.push("&*".to_owned()),
                "resetchannels" => rules.channels.clear(),
                "nocommands" | "-@all" => rules.commands.clear(),
                "allcommands" | "+@all" => rules.commands = vec!["+@all".to_owned()],
                key if key.starts_with(['~', '%']) => rules.keys.push(key.to_owned()),
                channel if channel.starts_with('&') => rules.channels.push(channel.to_owned()),
                command => rules.commands.push(command.to_owned()),
            }
        }
        for patterns in [&mut rules.keys, &mut rules.channels] {
            patterns.sort();
            patterns.dedup();
        }
        rules
    }
}

/// The AWS guide writes `*off*` for emphasis, and ElastiCache takes it. Key patterns keep their asterisks.
fn plain(word: &str) -> &str {
    match word {
        "*on*" => "on",
        "*off*" => "off",
        other => other,
    }
}

/// Whether both give the same rights, whether or not they switch the user on.
pub(super) fn same_rights(one: &str, other: &str) -> bool {
    let rights = |text: &str| Rules {
        on: false,
        ..Rules::of(text)
    };
    rights(one) == rights(other)
}

/// Whether the last switch in it is `on`; without one a user is off (ElastiCache's RBAC guide).
pub(super) fn switches_on(text: &str) -> bool {
    Rules::of(text).on
}

/// The same rights, switched off.
pub(super) fn switched_off(text: &str) -> String {
    let rights = text
        .split_whitespace()
        .filter(|word| !matches!(plain(word), "on" | "off"));
    let words: Vec<&str> = std::iter::once("off").chain(rights).collect();
    words.join(" ")
}

/// What an access string must not hold: passwords and `reset` (ElastiCache's RBAC guide). The word itself is not
/// repeated, since it may be a password.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    if text.split_whitespace().next().is_none() {
        return Err("the access string is empty; write one such as 'on ~app:* +@read'");
    }
    for word in text.split_whitespace() {
        if word.starts_with(['>', '<', '#', '!']) || matches!(word, "nopass" | "resetpass" | "reset") {
            return Err(
                "the access string holds a password, or a word that changes passwords; leave that out, \
                        passwords come from rotations",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_the_same_in_the_order_in_which_aws_writes_them_back() {
        for (sent, shown, same) in [
            ("*off* +get ~keys*", "off ~keys* -@all +get", true),
            ("on ~app:* +@read", "off ~app:* -@all +@read", true),
            ("on allkeys +@all -@dangerous", "on ~* +@all -@dangerous", true),
            ("on ~a ~b +get", "on ~b ~a -@all +get", true),
            ("on ~a +get -get", "on ~a -@all -get +get", false),
            ("on ~a +get", "on ~b -@all +get", false),
            ("on ~a +get", "on ~a &* -@all +get", false),
        ] {
            assert_eq!(same_rights(sent, shown), same, "{sent} | {shown}");
        }
    }

    #[test]
    fn switching_off_keeps_the_rights_and_the_last_switch_counts() {
        assert_eq!(switched_off("on ~app:* +@read"), "off ~app:* +@read");
        assert_eq!(switched_off("~app:* *on* +@read"), "off ~app:* +@read");
        for (text, on) in [("on ~a", true), ("on ~a off", false), ("~on* +get", false)] {
            assert_eq!(switches_on(text), on, "{text}");
            assert!(!switches_on(&switched_off(text)), "{text}");
            assert!(same_rights(text, &switched_off(text)), "{text}");
        }
    }

    #[test]
    fn passwords_are_refused_and_not_repeated() {
        for text in ["on >hunter2hunter2 ~*", "on nopass", "reset on", "  "] {
            assert!(check(text).is_err_and(|message| !message.contains("hunter2")), "{text}");
        }
        assert!(check("on ~app:* +@read").is_ok());
    }
}
