//! `rekeyd healthcheck`: what a container's health check runs, since it has no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use tokio::net::TcpStream;

use crate::cli::Reply;
use crate::cli::client::{ClientError, exchange};
use crate::cli::exit::Exit;

/// A health check that takes longer has failed anyway: ECS gives it five seconds.
const DEADLINE: Duration = Duration::from_secs(4);

/// Asks `/livez`, and `/readyz` if told to.
pub(super) async fn check(listen: SocketAddr, ready: bool) -> Result<Reply, ClientError> {
    let address = SocketAddr::new(reachable(listen.ip()), listen.port());
    let unreachable = |cause: String| ClientError::Unreachable {
        target: format!("http://{address}"),
        cause,
        advice: "look into its log, and compare `daemon.listen`".to_owned(),
    };
    let paths: &[&str] = if ready { &["/livez", "/readyz"] } else { &["/livez"] };
    for path in paths {
        let answer = tokio::time::timeout(DEADLINE, async {
            let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
            exchange(stream, Method::GET, path, Bytes::new()).await
        });
        let (status, body) = answer
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", DEADLINE.as_secs())))
            .map_err(unreachable)?;
        if status != StatusCode::OK {
            let words = String::from_utf8_lossy(&body);
            return Ok(Reply::new(
                Exit::Failed,
                format!("{path}: {status}: {}\n", words.trim()),
            ));
        }
    }
    Ok(Reply::new(Exit::Done, String::new()))
}

/// Who listens everywhere is asked where the health check runs.
fn reachable(listen: IpAddr) -> IpAddr {
    match listen {
        IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        named => named,
    }
}
