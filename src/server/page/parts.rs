//! What every page is made of.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use form_urlencoded::Serializer;
use maud::{DOCTYPE, Markup, html};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::words::time::{distance, moment, time};
use crate::words::{Tone, clean};

/// The one style sheet.
const STYLE: &str = include_str!("style.css");

/// What stands beside the title in a browser's tab.
const ICON: &str = include_str!("icon.svg");

/// Assets never change under one address, so that a phone fetches them once.
const FOR_GOOD: &str = "max-age=31536000, immutable";

/// Tells this release's assets from another's.
static ASSETS: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::new().chain_update(STYLE).chain_update(ICON).finalize();
    digest.iter().take(6).fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        write!(hex, "{byte:02x}").unwrap_or_default();
        hex
    })
});

/// `GET /style.css`.
pub(super) async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

/// `GET /icon.svg`.
pub(super) async fn icon() -> Response {
    asset("image/svg+xml", ICON)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, FOR_GOOD)];
    (headers, text).into_response()
}

/// A whole document. `path` leads to the same page again.
pub(super) fn document(title: &str, path: &str, now: Timestamp, main: &Markup) -> String {
    let assets = ASSETS.as_str();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (clean(title)) " · rekeyd" }
                link rel="stylesheet" href={ "/style.css?v=" (assets) };
                link rel="icon" type="image/svg+xml" href={ "/icon.svg?v=" (assets) };
            }
            body {
                a class="skip" href="#main" { "Skip to the content" }
                header {
                    a class="brand" href="/" { "rekeyd" }
                    p class="asof" {
                        "As of " time datetime=(machine(now)) { (moment(now)) } " · "
                        a href=(path) { "Reload" }
                    }
                }
                main id="main" tabindex="-1" { (main) }
                footer {
                    p {
                        "rekeyd " (env!("CARGO_PKG_VERSION")) ". Nothing can be changed here: that is what "
                        code { "rekeyd rotate" } ", " code { "pause" } " and " code { "resume" } " are for."
                    }
                    nav aria-label="For programs" {
                        a href="/api/v1/secrets" { "Status as JSON" } " "
                        a href="/api/v1/rotations" { "History as JSON" } " "
                        a href="/metrics" { "Metrics" }
                    }
                }
            }
        }
    }
    .into_string()
}

/// Words from outside: whatever they hold changes neither what stands around them nor its direction.
pub(super) fn outside(text: &str) -> Markup {
    html! { bdi { (clean(text)) } }
}

/// Text in so many characters at most, and one that tells of more.
pub(super) fn within(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}

/// Words from outside, in so many characters at most.
pub(super) fn outside_within(text: &str, most: usize) -> Markup {
    outside(&within(text, most))
}

/// A time, to the minute, and how far away it is.
pub(super) fn when(at: Timestamp, now: Timestamp) -> Markup {
    html! { time datetime=(machine(at)) { (time(Some(at))) } " " span class="far" { "(" (distance(at, now)) ")" } }
}

/// The same for a time that may not be known.
pub(super) fn maybe(at: Option<Timestamp>, now: Timestamp) -> Markup {
    match at {
        Some(at) => when(at, now),
        None => html! { span class="far" { "not known" } },
    }
}

/// A time for programs.
pub(super) fn machine(at: Timestamp) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A word with a mark, so that neither is told by colour alone.
pub(super) fn badge(tone: Tone, words: &str) -> Markup {
    html! { span class={ "badge " (class(tone)) } { span aria-hidden="true" { (mark(tone)) } " " (words) } }
}

/// The class of a tone.
pub(super) fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Busy => "busy",
        Tone::Bad => "bad",
    }
}

/// The mark of a tone.
pub(super) fn mark(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "○",
        Tone::Good => "✓",
        Tone::Busy => "◐",
        Tone::Bad => "✕",
    }
}

/// A number with its thousands apart.
pub(super) fn number(number: usize) -> String {
    let digits = number.to_string();
    let mut parts = Vec::new();
    let mut rest = digits.as_str();
    while rest.len() > 3 {
        let (front, back) = rest.split_at(rest.len() - 3);
        parts.push(back);
        rest = front;
    }
    parts.push(rest);
    parts.reverse();
    parts.join(",")
}

/// `2 are`, `1 is`.
pub(super) fn some(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A path with a query of these pairs, without those that are empty.
pub(super) fn link<'a>(path: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = Serializer::new(String::new());
    for (name, value) in pairs {
        if !value.is_empty() {
            query.append_pair(name, value);
        }
    }
    match query.finish() {
        empty if empty.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// The page of a secret.
pub(super) fn secret_link(name_or_arn: &str) -> String {
    link("/secret", [("name", name_or_arn)])
}

/// Words as a sentence.
pub(super) fn sentence(words: &str) -> String {
    let sentence = capitalised(words);
    match sentence.ends_with(['.', '!', '?', ')']) {
        true => sentence,
        false => sentence + ".",
    }
}

/// The same without a full stop.
pub(super) fn capitalised(words: &str) -> String {
    let mut characters = words.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}
