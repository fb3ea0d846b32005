//! What `allow_users` means, by itself: the engine is judged by it.

/// Whether a pattern covers a user id, whatever the case. `*` stands for any characters, or none.
pub fn covers(pattern: &str, user_id: &str) -> bool {
    let lower = |text: &str| text.to_ascii_lowercase().into_bytes();
    covers_bytes(&lower(pattern), &lower(user_id))
}

fn covers_bytes(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|from| covers_bytes(rest, &text[from..])),
        Some((wanted, rest)) => text
            .split_first()
            .is_some_and(|(first, tail)| first == wanted && covers_bytes(rest, tail)),
    }
}
