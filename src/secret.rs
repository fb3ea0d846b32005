//! The secret document: which user a secret belongs to, and its password.
//!
//! A [`Password`] has no `Debug`, `Display` or `Serialize`: it can be shown to a login and to an
//! AWS request, nowhere else. Documents keep every key that is not ours as the bytes it came as.

use std::fmt;

use rand::Rng;
use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// Characters that a password never contains. ElastiCache documents `,"/@` as forbidden; AWS's own
/// rotation function also leaves out `'`, `\` and the space, which break shells and connection URLs.
pub const ALWAYS_EXCLUDED: &str = ",\"/@'\\ ";

/// The shortest password that ElastiCache accepts.
pub const MIN_PASSWORD_LENGTH: usize = 16;

/// The longest password that ElastiCache accepts.
pub const MAX_PASSWORD_LENGTH: usize = 128;

/// A password. Zeroized when dropped.
#[derive(Clone)]
pub struct Password(SecretString);

impl Password {
    /// Takes over a password that is already in memory.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// Draws a password of `length` characters from `alphabet`; `None` if `alphabet` is empty.
    pub fn generate(alphabet: &PasswordAlphabet, length: usize, rng: &mut dyn rand::RngCore) -> Self {
        let text: String = (0..length)
            .map(|_| alphabet.0[rng.random_range(0..alphabet.0.len())])
            .collect();
        Self::new(text)
    }

    /// The password itself, for the AWS request or the login that needs it. Never format it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether both are the same password.
    pub fn same_as(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

/// The characters that passwords are drawn from; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PasswordAlphabet(Vec<char>);

/// Fewer distinct characters than this make weak passwords.
const MIN_ALPHABET: usize = 16;

impl PasswordAlphabet {
    /// Printable ASCII without [`ALWAYS_EXCLUDED`] and without `exclude`; `None` when fewer than
    /// sixteen characters are left.
    pub fn without(exclude: &str) -> Option<Self> {
        let left: Vec<char> = ('!'..='~')
            .filter(|c| !ALWAYS_EXCLUDED.contains(*c) && !exclude.contains(*c))
            .collect();
        (left.len() >= MIN_ALPHABET).then_some(Self(left))
    }
}

/// No partition or region has a name this long.
const LONGEST_PLACE_NAME: usize = 64;

/// An ElastiCache user's ARN: `arn:PARTITION:elasticache:REGION:ACCOUNT:user:USERID`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct UserArn {
    text: String,
    partition: String,
    region: String,
    account: String,
    user_id: String,
}

impl UserArn {
    /// Reads an ARN; `None` when it is not an ElastiCache user's.
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let [arn, partition, service, region, account, kind, user_id] = parts[..] else {
            return None;
        };
        let well_formed = arn == "arn"
            && partition.starts_with("aws")
            && is_place_name(partition)
            && service == "elasticache"
            && kind == "user"
            && is_place_name(region)
            && account.len() == 12
            && account.bytes().all(|b| b.is_ascii_digit())
            && !user_id.is_empty()
            && user_id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        well_formed.then(|| Self {
            text: text.to_owned(),
            partition: partition.to_owned(),
            region: region.to_owned(),
            account: account.to_owned(),
            user_id: user_id.to_owned(),
        })
    }

    /// The user id, which ElastiCache's API takes; not the name that a login takes.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// The partition that the ARN names, such as `aws-cn`.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The region that the ARN names.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The twelve digits of the account that the ARN names.
    pub fn account(&self) -> &str {
        &self.account
    }
}

impl fmt::Display for UserArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a text can name a partition or a region. It is shown to people, and whoever writes the
/// secret chose it.
fn is_place_name(text: &str) -> bool {
    let of_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.len() <= LONGEST_PLACE_NAME && text.bytes().all(of_name)
}

/// The name in a secret's full ARN, which ends with a hyphen and six random characters.
pub fn secret_arn_name(arn: &str) -> Option<&str> {
    let (name, suffix) = arn.splitn(7, ':').nth(6)?.rsplit_once('-')?;
    (suffix.len() == 6).then_some(name)
}

/// Region and account of a secret's ARN: `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME`.
pub fn secret_arn_place(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(7, ':');
    let (first, _, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, kind) = (parts.next()?, parts.next()?, parts.next()?);
    (first == "arn" && service == "secretsmanager" && kind == "secret").then_some((region, account))
}

/// Why a secret's value cannot be worked with. Never holds any of the value's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DocumentError {
    /// The value is binary.
    #[error("the value is binary; store the document as SecretString")]
    Binary,
    /// The value is not one JSON object.
    #[error("the value is not a JSON object")]
    NotJson,
    /// A key that we read stands there more than once.
    #[error("`username`, `user_arn` or `password` stands there twice")]
    DuplicateKey,
    /// `user_arn` is absent or no string.
    #[error("`user_arn` is missing: it names the ElastiCache user that the secret belongs to")]
    UserArnMissing,
    /// `user_arn` is not an ElastiCache user's ARN.
    #[error("`user_arn` is not the ARN of an ElastiCache user (arn:aws:elasticache:REGION:ACCOUNT:user:USERID)")]
    UserArnInvalid,
    /// `username` is absent, empty or no string.
    #[error("`username` is missing: it is the name that clients log in with")]
    UsernameMissing,
    /// `password` is there, but is no string or is empty.
    #[error("`password` is not a string or is empty; leave the key out before the first rotation")]
    PasswordInvalid,
}

/// A secret's value, read. Keys keep their order, and values that are not ours their very bytes.
#[derive(Clone)]
pub struct SecretDocument {
    entries: Vec<(String, Zeroizing<String>)>,
    user_arn: UserArn,
    username: String,
    password: Option<Password>,
}

impl SecretDocument {
    /// Reads a secret's value.
    ///
    /// # Errors
    /// A [`DocumentError`], which never quotes the value.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        let Entries(entries) = serde_json::from_str(text).map_err(|_| DocumentError::NotJson)?;
        let user_arn = string(&entries, "user_arn")?
            .filter(|arn| !arn.is_empty())
            .ok_or(DocumentError::UserArnMissing)?;
        let username = string(&entries, "username")?
            .filter(|name| !name.is_empty())
            .ok_or(DocumentError::UsernameMissing)?;
        let password = match raw(&entries, "password")? {
            None | Some("null") => None,
            Some(_) => Some(
                string(&entries, "password")?
                    .filter(|password| !password.is_empty())
                    .ok_or(DocumentError::PasswordInvalid)?,
            ),
        };
        Ok(Self {
            user_arn: UserArn::parse(&user_arn).ok_or(DocumentError::UserArnInvalid)?,
            username: username.to_string(),
            password: password.map(|text| Password::new(text.to_string())),
            entries,
        })
    }

    /// The user that the secret belongs to.
    pub fn user_arn(&self) -> &UserArn {
        &self.user_arn
    }

    /// The name that clients log in with.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password; `None` before the first rotation.
    pub fn password(&self) -> Option<&Password> {
        self.password.as_ref()
    }

    /// The same document with another password: in the old one's place, or last.
    pub fn with_password(&self, password: &Password) -> SecretString {
        let quoted = Zeroizing::new(quoted(password.expose()));
        // Of its final size at once: a string that grows leaves copies behind.
        let size: usize = self
            .entries
            .iter()
            .map(|(key, value)| 6 * key.len() + value.len() + 4)
            .sum();
        let mut text = Zeroizing::new(String::with_capacity(size + quoted.len() + 32));
        text.push('{');
        let mut placed = false;
        for (key, value) in &self.entries {
            let ours = key == "password";
            placed |= ours;
            push_entry(&mut text, key, if ours { &quoted } else { value });
        }
        if !placed {
            push_entry(&mut text, "password", &quoted);
        }
        text.push('}');
        SecretString::from(text.as_str())
    }
}

/// A secret's text with the bond: `username` and `user_arn` are added at its end where they are missing, and nothing
/// else is touched.
///
/// # Errors
/// A [`DocumentError`] when the value is no JSON object, or holds these keys in a form that cannot be read.
pub fn document_with_bond(text: &str, user_arn: &str, username: &str) -> Result<SecretString, DocumentError> {
    let Entries(mut entries) = serde_json::from_str(text).map_err(|_| DocumentError::NotJson)?;
    for (key, value) in [("username", username), ("user_arn", user_arn)] {
        match raw(&entries, key)? {
            None => entries.push((key.to_owned(), Zeroizing::new(quoted(value)))),
            Some(_) if string(&entries, key)?.is_some_and(|found| !found.is_empty()) => {}
            Some(_) => {
                entries.retain(|(known, _)| known != key);
                entries.push((key.to_owned(), Zeroizing::new(quoted(value))));
            }
        }
    }
    let size: usize = entries.iter().map(|(key, value)| 6 * key.len() + value.len() + 4).sum();
    let mut whole = Zeroizing::new(String::with_capacity(size + 2));
    whole.push('{');
    for (key, value) in &entries {
        push_entry(&mut whole, key, value);
    }
    whole.push('}');
    SecretDocument::parse(&whole)?;
    Ok(SecretString::from(whole.as_str()))
}

/// A JSON string.
fn quoted(text: &str) -> String {
    // Escapes at most double a password, which holds no control characters.
    let mut json = Vec::with_capacity(2 * text.len() + 2);
    if serde_json::to_writer(&mut json, text).is_err() {
        json.clear();
    }
    String::from_utf8(json).unwrap_or_default()
}

fn push_entry(text: &mut String, key: &str, value: &str) {
    if text.len() > 1 {
        text.push(',');
    }
    text.push_str(&quoted(key));
    text.push(':');
    text.push_str(value);
}

fn raw<'a>(entries: &'a [(String, Zeroizing<String>)], key: &str) -> Result<Option<&'a str>, DocumentError> {
    let mut found = entries.iter().filter(|(k, _)| k == key);
    let first = found.next();
    if found.next().is_some() {
        return Err(DocumentError::DuplicateKey);
    }
    Ok(first.map(|(_, value)| value.as_str()))
}

fn string(entries: &[(String, Zeroizing<String>)], key: &str) -> Result<Option<Zeroizing<String>>, DocumentError> {
    Ok(raw(entries, key)?.and_then(|text| serde_json::from_str::<String>(text).ok().map(Zeroizing::new)))
}

/// The members of a JSON object, in order, their values unread.
struct Entries(Vec<(String, Zeroizing<String>)>);

impl<'de> serde::Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    let value: Box<str> = value.into();
                    entries.push((key, Zeroizing::new(String::from(value))));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
