//! Signatures after the Standard Webhooks specification, version 1: HMAC-SHA256 over id, time and body.
//!
//! Source: the specification of standardwebhooks.com, "Signature scheme" and "Webhook metadata".

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use aws_smithy_types::base64;
use zeroize::Zeroizing;

/// What a key may begin with.
const PREFIX: &str = "whsec_";

/// How long a key is, in bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

/// More keys than two are wanted by nobody who changes one for another.
const MOST_KEYS: usize = 4;

/// The keys that sign, the newest first. There is at least one.
#[derive(Clone)]
pub(super) struct Keys(Vec<Zeroizing<Vec<u8>>>);

impl Keys {
    /// Reads a key a line. No message holds any of them.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let lines = (1..).zip(text.lines().map(str::trim));
        let mut keys = Vec::new();
        for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
            let encoded = line.strip_prefix(PREFIX).unwrap_or(line);
            let key = base64::decode(encoded).map(Zeroizing::new);
            let key = key.map_err(|_| format!("line {number} is no key: write `whsec_` and base64"))?;
            if !LENGTHS.contains(&key.len()) {
                return Err(format!(
                    "the key in line {number} has {} bytes: 24 to 64 are wanted; `openssl rand -base64 32` draws one",
                    key.len()
                ));
            }
            keys.push(key);
        }
        match keys.len() {
            0 => Err("holds no key: write `whsec_` and base64; `openssl rand -base64 32` draws one".to_owned()),
            1..=MOST_KEYS => Ok(Self(keys)),
            _ => Err(format!("holds more than {MOST_KEYS} keys")),
        }
    }

    /// Whether both are the same keys.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// The signatures of a message, one by each key, as the header has them.
    pub(super) fn signatures(&self, id: &str, seconds: i64, body: &str) -> String {
        let content = format!("{id}.{seconds}.{body}");
        let signature = |key: &Zeroizing<Vec<u8>>| {
            let tag = sign(&Key::new(HMAC_SHA256, key), content.as_bytes());
            format!("v1,{}", base64::encode(tag))
        };
        self.0.iter().map(signature).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn the_example_of_the_reference_libraries_is_signed_as_they_sign_it() {
        let keys = Keys::read(KEY).unwrap();
        let signed = keys.signatures("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn while_a_key_changes_both_sign_and_the_prefix_may_be_left_out() {
        let both = format!("\n{}\n{KEY}\n", KEY.trim_start_matches(PREFIX));
        let signed = Keys::read(&both).unwrap().signatures("msg_1", 1, "{}");
        let one = Keys::read(KEY).unwrap().signatures("msg_1", 1, "{}");
        assert_eq!(signed, format!("{one} {one}"));
    }

    #[test]
    fn what_is_no_key_is_refused_without_showing_it() {
        for (text, told) in [
            ("", "holds no key"),
            ("whsec_not-base64-at-all!", "line 1 is no key"),
            ("whsec_c2hvcnQ=", "the key in line 1 has 5 bytes"),
        ] {
            let refused = Keys::read(text).err().unwrap();
            assert!(refused.contains(told), "{refused}");
            assert!(!refused.contains("c2hvcnQ") && !refused.contains("at-all"), "{refused}");
        }
    }
}
