//! serde's messages in the words of someone who writes TOML.

/// The message, with the nearest known key for one that is unknown.
pub(super) fn explain(message: &str) -> String {
    match message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split_once('`'))
    {
        Some((key, known)) => explain_unknown(key, known),
        None => message
            .replace("invalid type: map", "invalid type: table")
            .replace("sequence", "array"),
    }
}

/// `known` is the rest of serde's message, with the keys that would do in backticks.
fn explain_unknown(key: &str, known: &str) -> String {
    // Between backticks is every second piece.
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let nearest = known
        .iter()
        .map(|candidate| (distance(key, candidate), *candidate))
        .min();
    match nearest {
        Some((distance, candidate)) if distance <= 1 + candidate.len() / 4 => {
            format!("unknown key `{key}`; did you mean `{candidate}`?")
        }
        _ => format!("unknown key `{key}`; known here: {}", known.join(", ")),
    }
}

/// How many characters must be added, removed or replaced to turn one word into the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
