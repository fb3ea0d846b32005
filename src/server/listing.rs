//! The answer to `GET /api/v1/secrets`, written as it is read: held whole, 10,000 secrets take 20 MiB.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde::Serialize;

use crate::engine::control::ReplicaStatus;
use crate::rotation::status::SecretStatus;
use crate::server::configuration::ConfigurationStatus;

/// How many bytes are written at once, and a secret more.
const CHUNK: usize = 16 * 1024;

/// A [`SecretsReply`](crate::server::wire::SecretsReply) of these secrets.
pub(super) struct Listing {
    secrets: Box<dyn Iterator<Item = SecretStatus> + Send>,
    /// Nothing once all is written.
    configuration: Option<ConfigurationStatus>,
    replicas: Option<Vec<ReplicaStatus>>,
    is_first: bool,
}

impl Listing {
    pub(super) fn new(
        secrets: Box<dyn Iterator<Item = SecretStatus> + Send>,
        configuration: ConfigurationStatus,
        replicas: Option<Vec<ReplicaStatus>>,
    ) -> Self {
        Self {
            secrets,
            configuration: Some(configuration),
            replicas,
            is_first: true,
        }
    }

    /// The next part of the text.
    fn part(&mut self) -> Result<Option<Vec<u8>>, serde_json::Error> {
        if self.configuration.is_none() {
            return Ok(None);
        }
        let mut text = Vec::with_capacity(CHUNK * 2);
        if self.is_first {
            text.extend_from_slice(b"{\"secrets\":[");
        }
        while text.len() < CHUNK {
            let Some(secret) = self.secrets.next() else {
                return self.end(text).map(Some);
            };
            if !std::mem::take(&mut self.is_first) {
                text.push(b',');
            }
            write(&mut text, &secret)?;
        }
        Ok(Some(text))
    }

    fn end(&mut self, mut text: Vec<u8>) -> Result<Vec<u8>, serde_json::Error> {
        text.push(b']');
        if let Some(configuration) = self.configuration.take() {
            text.extend_from_slice(b",\"configuration\":");
            write(&mut text, &configuration)?;
        }
        if let Some(replicas) = self.replicas.take() {
            text.extend_from_slice(b",\"replicas\":");
            write(&mut text, &replicas)?;
        }
        text.push(b'}');
        Ok(text)
    }
}

fn write(text: &mut Vec<u8>, value: &impl Serialize) -> Result<(), serde_json::Error> {
    serde_json::to_writer(text, value)
}

impl hyper::body::Body for Listing {
    type Data = Bytes;
    type Error = serde_json::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, serde_json::Error>>> {
        let part = self.get_mut().part().transpose();
        Poll::Ready(part.map(|part| part.map(|text| Frame::data(text.into()))))
    }
}

impl IntoResponse for Listing {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], Body::new(self)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::server::testing::{configuration, status};
    use crate::server::wire::SecretsReply;

    #[tokio::test]
    async fn what_is_written_part_by_part_is_the_whole_reply() {
        for count in [0, 1, 2, 40, 400] {
            let secrets: Vec<_> = (0..count).map(|number| status(&format!("s{number}"))).collect();
            let reply = SecretsReply {
                secrets: secrets.clone(),
                configuration: Some(configuration()),
                replicas: (count != 1).then(|| {
                    vec![ReplicaStatus {
                        session: "s1".to_owned(),
                        host: "h1".to_owned(),
                        leases: count,
                        answers: true,
                        same_configuration: true,
                    }]
                }),
            };
            let listing = Listing::new(Box::new(secrets.into_iter()), configuration(), reply.replicas.clone());
            let mut parts: Vec<Bytes> = Vec::new();
            let mut body = listing.into_response().into_body();
            while let Some(frame) = body.frame().await {
                parts.extend(frame.unwrap().into_data());
            }
            assert_eq!(parts.concat(), serde_json::to_vec(&reply).unwrap(), "{count}");
            let longest = parts.iter().map(Bytes::len).max().unwrap();
            assert!(
                longest < CHUNK * 2 && (parts.len() > 1) == (count > 39),
                "{count}: {longest}"
            );
        }
    }
}
