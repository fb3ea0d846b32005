//! Patterns as policies write them: `*` stands for any characters, `?` for one.

/// A pattern, or a text without any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(Vec<Part>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Exactly(char),
}

impl Glob {
    /// Reads a pattern. `${*}`, `${?}` and `${$}` stand for these characters themselves; other policy variables are
    /// beyond this evaluator.
    pub(super) fn pattern(text: &str) -> Result<Self, String> {
        Self::read(text, |character| match character {
            '*' => Part::Any,
            '?' => Part::One,
            other => Part::Exactly(other),
        })
    }

    /// Reads a text in which `*` and `?` stand for themselves.
    pub(super) fn text(text: &str) -> Result<Self, String> {
        Self::read(text, Part::Exactly)
    }

    /// The same in lower case, for what case does not matter in.
    pub(super) fn without_case(self) -> Self {
        let lower = |part| match part {
            Part::Exactly(character) => Part::Exactly(character.to_ascii_lowercase()),
            other => other,
        };
        Self(self.0.into_iter().map(lower).collect())
    }

    fn read(text: &str, part: impl Fn(char) -> Part) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let variable = rest.strip_prefix("${");
            if let Some((name, after)) = variable.and_then(|variable| variable.split_once('}')) {
                let (Some(literal @ ('*' | '?' | '$')), 1) = (name.chars().next(), name.chars().count()) else {
                    return Err(format!("the sandbox knows no policy variable ${{{name}}}"));
                };
                parts.push(Part::Exactly(literal));
                rest = after;
                continue;
            }
            parts.push(part(character));
            rest = &rest[character.len_utf8()..];
        }
        Ok(Self(parts))
    }

    /// Whether the whole of `text` is as the pattern says.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut part) = (0, 0);
        // Where to go on when the characters after the last `*` turn out not to fit.
        let mut back: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(part) {
                Some(Part::Any) => {
                    back = Some((part + 1, at));
                    part += 1;
                }
                Some(Part::One) => (at, part) = (at + 1, part + 1),
                Some(Part::Exactly(character)) if *character == text[at] => (at, part) = (at + 1, part + 1),
                _ => {
                    let Some((after, from)) = back else { return false };
                    back = Some((after, from + 1));
                    (at, part) = (from + 1, after);
                }
            }
        }
        self.0[part..].iter().all(|part| *part == Part::Any)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_a_question_mark_for_one() {
        for (pattern, text, wanted) in [
            ("*", "", true),
            ("a*", "a", true),
            ("a*c", "abcbc", true),
            ("a*c", "abcb", false),
            ("*b?d", "abbcd", true),
            ("name-??????", "name-AbCdEf", true),
            ("name-??????", "name-AbCdE", false),
            ("name-??????", "name-other-AbCdEf", false),
            ("user:*", "user:a:b", true),
            ("user", "users", false),
            ("", "a", false),
            ("a${*}", "a*", true),
            ("a${*}", "ab", false),
            ("${$}{x}", "${x}", true),
        ] {
            assert_eq!(
                Glob::pattern(pattern).unwrap().matches(text),
                wanted,
                "{pattern} {text}"
            );
        }
        assert!(Glob::text("a*").unwrap().matches("a*") && !Glob::text("a*").unwrap().matches("ab"));
    }

    #[test]
    fn a_variable_that_is_not_known_is_refused() {
        assert!(Glob::pattern("user/${aws:username}").is_err());
        assert!(Glob::text("${*?}").is_err());
    }
}
