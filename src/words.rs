//! How rekeyd says things, on the command line and on the status page alike.

pub mod facts;
pub mod standing;
pub mod time;

use crate::rotation::observation::Proof;
use crate::rotation::status::Phase;

/// How bad what is said is. It is never told by colour alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// Neither.
    Plain,
    /// As it should be.
    Good,
    /// Something goes on, or waits.
    Busy,
    /// A person should look.
    Bad,
}

impl Tone {
    /// How bad it is to stand there.
    pub fn of_phase(phase: Phase) -> Self {
        match phase {
            Phase::Halted | Phase::NeedsAttention => Self::Bad,
            Phase::Due | Phase::Rotating | Phase::Retiring | Phase::Paused => Self::Busy,
            Phase::Starting | Phase::Idle | Phase::Overlap => Self::Plain,
        }
    }

    /// How good a proof is.
    pub fn of_proof(proof: Option<Proof>) -> Self {
        match proof {
            Some(Proof::Proven | Proof::EndpointProven) => Self::Good,
            Some(Proof::Unproven(_)) => Self::Busy,
            None => Self::Plain,
        }
    }
}

/// What was proved, and if nothing was, why.
pub fn proof(proof: Option<Proof>) -> String {
    match proof {
        Some(Proof::Unproven(reason)) => format!("unproven ({reason})"),
        Some(proof) => proof.label().to_owned(),
        None => "-".to_owned(),
    }
}

/// Text without control characters, and without those that change the direction of what follows: what AWS or an operator
/// worded must not steer what shows it.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|character| if steers(character) { ' ' } else { character })
        .collect()
}

fn steers(character: char) -> bool {
    // The embeddings, overrides and isolates of UAX #9, and the separators of lines and paragraphs.
    let is_direction = matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || is_direction || matches!(character, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_words_steer_what_shows_them() {
        let told = "gone\u{1b}[2J\nnew line\u{202e}desrever\u{2028}and 漢字";
        assert_eq!(clean(told), "gone [2J new line desrever and 漢字");
    }
}
