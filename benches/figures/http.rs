//! A connection that asks one thing after the other.

use std::path::Path;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::Outcome;

/// A kept-alive connection.
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

impl Connection {
    pub(crate) async fn tcp(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await.map_err(text)?;
        stream.set_nodelay(true).map_err(text)?;
        Self::over(stream).await
    }

    pub(crate) async fn unix(socket: &Path) -> Outcome<Self> {
        Self::over(UnixStream::connect(socket).await.map_err(text)?).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Outcome<Self> {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(text)?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// The body of the answer; an error unless its status is 200.
    pub(crate) async fn ask(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Outcome<String> {
        let mut request = Request::builder().method(&method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(text)?;
        self.0.ready().await.map_err(text)?;
        let reply = self.0.send_request(request).await.map_err(text)?;
        let status = reply.status();
        let body = reply.into_body().collect().await.map_err(text)?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        match status.as_u16() {
            200 => Ok(body),
            status => Err(format!("{method} {path}: {status} {body}")),
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
