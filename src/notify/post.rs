//! POST to a URL, through the HTTP client that the AWS SDK brings: rustls, a proxy if the environment names one. Redirects
//! are not followed: a signed message goes where the configuration says, or nowhere.

use std::error::Error;
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};

use super::channel::{Attempt, Failure};
use super::keys::Url;
use crate::store::outbox::Outgoing;

/// How the program calls itself.
const USER_AGENT: &str = concat!("rekeyd/", env!("CARGO_PKG_VERSION"));

/// How much of an answer is read, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// How long the rest of an answer is waited for, once its status is there: only the word in it is of use.
const WORD_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest answer that is told, in bytes: Slack's are single words, such as `invalid_payload`.
const LONGEST_WORD: usize = 64;

/// The statuses by which a receiver refuses a message for what it says.
const OF_MESSAGE: [u16; 4] = [400, 413, 415, 422];

/// Posts to one URL.
pub(super) struct Poster {
    url: Url,
    connector: Connector,
    timeout: Duration,
}

impl Poster {
    /// One that trusts these roots, or the system's.
    pub(super) fn new(url: Url, roots: Option<&[u8]>, timeout: Duration) -> Result<Self, String> {
        let provider = Provider::Rustls(CryptoMode::AwsLc);
        let mut connector = ConnectorBuilder::default().tls_provider(provider);
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        if let Some(roots) = roots {
            let store = TrustStore::empty().with_pem_certificate(roots);
            let context = TlsContext::builder().with_trust_store(store).build();
            connector.set_tls_context(context.map_err(|error| format!("its roots cannot be used: {error}"))?);
        }
        Ok(Self {
            url,
            connector: connector.build(),
            timeout,
        })
    }

    /// Sends a body, of which all that it tells of arrives or nothing.
    pub(super) async fn post(&self, headers: &[(&'static str, String)], body: String, group: &[Outgoing]) -> Attempt {
        match self.answer(headers, body).await {
            Ok((status, word, _)) if (200..300).contains(&status) => Attempt::done(group, told(status, &word)),
            Ok((status, word, retry_after)) => Attempt::failed(Failure {
                words: match status {
                    301 | 302 | 303 | 307 | 308 => format!(
                        "{}: it redirects, which is not followed; name the URL that it redirects to",
                        told(status, "")
                    ),
                    _ => told(status, &word),
                },
                retry_after,
                of_message: OF_MESSAGE.contains(&status),
            }),
            Err(words) => Attempt::failed(Failure {
                words: self.url.keep_out_of(&words),
                ..Failure::default()
            }),
        }
    }

    /// The status, a word if it answers with one, and how long it asks to be left alone.
    async fn answer(
        &self,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<(u16, String, Option<Duration>), String> {
        let mut request = HttpRequest::new(SdkBody::from(body));
        let unsendable = |_| "its URL cannot be sent to".to_owned();
        request.set_method("POST").map_err(unsendable)?;
        request
            .set_uri(self.url.expose())
            .map_err(|_| "its URL cannot be sent to".to_owned())?;
        let all = [
            ("content-type", "application/json".to_owned()),
            ("user-agent", USER_AGENT.to_owned()),
        ];
        for (name, value) in all.into_iter().chain(headers.iter().cloned()) {
            request.headers_mut().insert(name, value);
        }
        let answer = tokio::time::timeout(self.timeout, self.connector.call(request))
            .await
            .map_err(|_| format!("no answer within {} s", self.timeout.as_secs()))?
            .map_err(|error| causes(&error))?;
        let retry_after = retry_after(&answer);
        let status = answer.status().as_u16();
        // Who has answered has answered, however much of it can be read, and in whatever time.
        let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect();
        let body = match tokio::time::timeout(WORD_TIMEOUT, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) | Err(_) => Default::default(),
        };
        Ok((status, word(&body), retry_after))
    }
}

fn told(status: u16, word: &str) -> String {
    match word {
        "" => format!("HTTP {status}"),
        word => format!("HTTP {status}, {word}"),
    }
}

/// An answer of one word. Any other may quote what it was asked, the URL among it.
fn word(body: &[u8]) -> String {
    let of_word = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'_';
    match !body.is_empty() && body.len() <= LONGEST_WORD && body.iter().all(of_word) {
        true => String::from_utf8_lossy(body).into_owned(),
        false => String::new(),
    }
}

/// Seconds; a date is not taken, and the pauses between attempts do.
fn retry_after(answer: &HttpResponse) -> Option<Duration> {
    let seconds = answer.headers().get("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What went wrong, from the outermost cause in.
fn causes(error: &dyn Error) -> String {
    let mut words = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        words.push(cause.to_string());
        next = cause.source();
    }
    words.dedup();
    words.join(": ")
}

#[cfg(test)]
#[path = "post_tests.rs"]
mod tests;
