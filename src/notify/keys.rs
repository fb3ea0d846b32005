//! What is kept in files beside the configuration: URLs, keys that sign, roots.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::signing::Keys;
use crate::certificates;
use crate::clock::Timestamp;
use crate::config::webhook_url;

/// No such file is longer: a bundle of a whole system's roots has some 220 KB.
const LONGEST: u64 = 4 * 1024 * 1024;

/// A URL, which may be a secret: nothing can print it.
#[derive(Clone)]
pub(super) struct Url(SecretString);

impl Url {
    pub(super) fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The URL itself, for the request. Never format it.
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether both are the same.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }

    /// Words without the URL, its path and its query, should somebody's error have quoted them.
    pub(super) fn keep_out_of(&self, words: &str) -> String {
        let url = self.expose();
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        let words = words.replace(url, "(its URL)");
        // Too short to be a secret, or a word like those that errors are made of.
        let is_common = path.len() < 4 || path.len() < 16 && path.bytes().all(|byte| byte.is_ascii_lowercase());
        match is_common {
            true => words,
            false => words.replace(path, "(its path)"),
        }
    }
}

/// The URL that stands alone in a file.
pub(super) fn url(path: &Path) -> Result<Url, String> {
    let text = read(path)?;
    let text = std::str::from_utf8(&text).map_err(|_| "is no text".to_owned())?.trim();
    if text.is_empty() {
        return Err("is empty: write the URL into it".to_owned());
    }
    if text.lines().count() > 1 {
        return Err("has several lines: write the URL into it, and nothing else".to_owned());
    }
    let url = webhook_url(text.to_owned()).map_err(|problem| format!("does not hold what it should: {problem}"))?;
    Ok(Url::new(url))
}

/// The keys that stand in a file.
pub(super) fn keys(path: &Path) -> Result<Keys, String> {
    let text = read(path)?;
    let text = std::str::from_utf8(&text).map_err(|_| "is no text: write `whsec_` and base64".to_owned())?;
    Keys::read(text)
}

/// The roots that stand in a PEM file. All of them are sound, which the TLS library takes for granted.
pub(super) fn roots(path: &Path, now: Timestamp) -> Result<Vec<u8>, String> {
    let pem = read(path)?.to_vec();
    match certificates::doubt(&pem, now).filter(certificates::RootsDoubt::stops_logins) {
        None => Ok(pem),
        Some(_) => {
            Err("is no PEM file of certificates, or one of them is damaged: put the receiver's roots there".to_owned())
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let refused = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => "is not there: put it there, or correct the path".to_owned(),
        kind => format!("cannot be read ({kind}): let the daemon's user read it"),
    };
    let metadata = std::fs::metadata(path).map_err(refused)?;
    // A pipe or a device might be read for ever.
    if !metadata.is_file() {
        return Err("is no file".to_owned());
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(refused)?;
    file.take(LONGEST).read_to_end(&mut bytes).map_err(refused)?;
    Ok(bytes)
}
