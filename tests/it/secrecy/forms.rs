//! What a password may look like where it should not be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::{MARKER, MARKER_UNREACHABLE};

fn base64(bytes: &[u8], alphabet: &[u8; 64]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(alphabet[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn escaped(text: &str, keep: impl Fn(char) -> bool, escape: impl Fn(char) -> String) -> String {
    text.chars()
        .map(|c| if keep(c) { c.to_string() } else { escape(c) })
        .collect()
}

/// What a password may look like where it should not be.
fn forms(password: &str) -> BTreeMap<String, String> {
    const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const FOR_URLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut forms = BTreeMap::new();
    let mut add = |form: String, text: String| forms.insert(form, text);
    add("plain".into(), password.into());
    for (name, alphabet) in [("base64", STANDARD), ("base64url", FOR_URLS)] {
        // Within a longer text a password begins at any of three places of a group; what the
        // neighbours decide is left out.
        for shift in 0..3 {
            let padded = [&vec![0; shift][..], password.as_bytes()].concat();
            let text = base64(&padded, alphabet);
            let (from, to) = ((shift * 8).div_ceil(6), padded.len() * 8 / 6);
            add(format!("{name} at {shift}"), text[from..to].to_owned());
        }
    }
    let unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let percent = |c: char| format!("%{:02X}", u32::from(c));
    add("percent-encoded".into(), escaped(password, unreserved, percent));
    add(
        "percent-encoded in small letters".into(),
        escaped(password, unreserved, |c| percent(c).to_lowercase()),
    );
    // As forms and JavaScript leave it.
    add(
        "percent-encoded, sparing some".into(),
        escaped(password, |c| unreserved(c) || "!*'()".contains(c), percent),
    );
    add(
        "as HTML".into(),
        password.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
    );
    add(
        "as cautious JSON".into(),
        escaped(password, |c| !"<>&".contains(c), |c| format!("\\u{:04x}", u32::from(c))),
    );
    add("hex".into(), hex(password.as_bytes()));
    let decimal = format!("{:?}", password.as_bytes());
    add("bytes in decimal".into(), decimal.trim_matches(['[', ']']).to_owned());
    let digest = Sha256::digest(password.as_bytes());
    add("sha256".into(), hex(&digest));
    add("sha256 in capitals".into(), hex(&digest).to_uppercase());
    add("sha256 in base64".into(), base64(&digest, STANDARD));
    forms
}

/// In which forms the passwords occur in some bytes.
pub(super) fn found(passwords: &BTreeSet<String>, haystack: &[u8]) -> Vec<String> {
    // All forms are ASCII, which survives; and searching text is what std is quick at.
    let haystack = String::from_utf8_lossy(haystack);
    passwords
        .iter()
        .flat_map(|password| forms(password))
        .filter(|(_, needle)| haystack.contains(needle))
        .map(|(form, _)| form)
        .collect()
}

#[test]
fn a_password_that_is_planted_is_found_in_every_form() {
    let planted = BTreeSet::from([MARKER.to_owned()]);
    for (form, needle) in forms(MARKER) {
        let text = [b"before \xff\xfe\0", needle.as_bytes(), b"\xc3 after"].concat();
        assert!(found(&planted, &text).contains(&form), "{form}");
    }
    // Encoded by somebody else, in the midst of other text.
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_eq!(base64(b"Man", ALPHABET), "TWFu");
    assert_eq!(base64(b"Ma", ALPHABET), "TWE");
    for before in ["", "x", "xy", "xyz"] {
        let text = base64(format!("{before}{MARKER} and more").as_bytes(), ALPHABET);
        let form = found(&planted, text.as_bytes());
        assert!(
            form.iter().any(|form| form.starts_with("base64 ")),
            "{before:?}: {text}"
        );
    }
    assert_eq!(
        hex(&Sha256::digest(b"abc")),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    let safe = format!("{} {}", &MARKER[1..], MARKER_UNREACHABLE);
    assert_eq!(found(&planted, safe.as_bytes()), Vec::<String>::new());
}
