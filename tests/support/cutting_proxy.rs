//! A proxy of bytes between a process and a service, which can be cut, or hold back what it was given.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a proxy does to connections, those that are open included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Line {
    /// Forwards everything.
    Whole,
    /// Closes every connection at once.
    Cut,
    /// Takes connections and all that is written to them, and says nothing. What was held back arrives when it ends,
    /// whether anybody still waits for the reply or not.
    Silent,
    /// Forwards requests, and breaks off in the middle of each reply.
    RepliesLost,
}

/// A proxy to a service.
pub struct CuttingProxy {
    pub url: String,
    line: watch::Sender<Line>,
    broken: Arc<AtomicU64>,
}

impl CuttingProxy {
    /// Starts one before the server at `upstream` (`http://host:port`).
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let upstream: SocketAddr = upstream
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .parse()
            .expect("an address");
        let (line, seen) = watch::channel(Line::Whole);
        let broken = Arc::new(AtomicU64::new(0));
        let of_connections = broken.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, upstream, seen.clone(), of_connections.clone()));
            }
        });
        Self { url, line, broken }
    }

    /// What it does from now on.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// How many connections it closed, or broke off in the middle of a reply.
    pub fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }
}

async fn serve(stream: TcpStream, upstream: SocketAddr, line: watch::Receiver<Line>, broken: Arc<AtomicU64>) {
    let mut cut = line.clone();
    let forwarding = async {
        let Ok(server) = TcpStream::connect(upstream).await else {
            return;
        };
        // Small messages go at once, or each waits for the acknowledgement of the one before.
        let _ = (stream.set_nodelay(true), server.set_nodelay(true));
        let ((from_client, to_client), (from_server, to_server)) = (stream.into_split(), server.into_split());
        tokio::join!(
            requests(from_client, to_server, line.clone()),
            replies(from_server, to_client, line.clone(), &broken),
        );
    };
    tokio::select! {
        biased;
        _ = cut.wait_for(|line| *line == Line::Cut) => drop(broken.fetch_add(1, Ordering::Relaxed)),
        () = forwarding => {}
    }
}

/// Waits until something may pass.
async fn speaks(line: &mut watch::Receiver<Line>) -> Line {
    let found = line.wait_for(|line| *line != Line::Silent).await;
    found.map_or(Line::Cut, |line| *line)
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut line: watch::Receiver<Line>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        speaks(&mut line).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

async fn replies(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut line: watch::Receiver<Line>, broken: &AtomicU64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let lost = speaks(&mut line).await == Line::RepliesLost;
        let kept = if lost { length / 2 } else { length };
        if to.write_all(&buffer[..kept]).await.is_err() || lost {
            broken.fetch_add(u64::from(lost), Ordering::Relaxed);
            break;
        }
    }
    let _ = to.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A service that repeats what it is told, and counts.
    async fn echo() -> (String, Arc<AtomicU64>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(AtomicU64::new(0));
        let counted = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counted = counted.clone();
                tokio::spawn(async move {
                    let mut buffer = [0; 64];
                    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                        counted.fetch_add(1, Ordering::Relaxed);
                        let _ = stream.write_all(&buffer[..length]).await;
                    }
                });
            }
        });
        (url, heard)
    }

    async fn connect(proxy: &CuttingProxy) -> TcpStream {
        TcpStream::connect(proxy.url.trim_start_matches("http://"))
            .await
            .unwrap()
    }

    /// What comes back for four bytes within a moment; nothing, if nothing does.
    async fn ask(stream: &mut TcpStream) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 64];
        stream.write_all(b"ping").await.ok()?;
        let read = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut buffer)).await;
        buffer.truncate(read.ok()?.ok()?);
        Some(buffer)
    }

    #[tokio::test]
    async fn a_line_forwards_is_cut_holds_back_and_loses_replies() {
        let (url, heard) = echo().await;
        let proxy = CuttingProxy::start(&url).await;
        let mut open = connect(&proxy).await;
        assert_eq!(ask(&mut open).await.as_deref(), Some(&b"ping"[..]));

        proxy.set(Line::RepliesLost);
        assert_eq!(ask(&mut open).await.as_deref(), Some(&b"pi"[..]));
        assert_eq!(heard.load(Ordering::Relaxed), 2, "the request arrived");

        proxy.set(Line::Silent);
        let mut waiting = connect(&proxy).await;
        assert_eq!(ask(&mut waiting).await, None);
        assert_eq!(heard.load(Ordering::Relaxed), 2);
        proxy.set(Line::Whole);
        let mut held_back = [0; 4];
        waiting.read_exact(&mut held_back).await.unwrap();
        assert_eq!(&held_back, b"ping");

        proxy.set(Line::Cut);
        assert_eq!(waiting.read(&mut held_back).await.unwrap_or_default(), 0);
        assert!(ask(&mut connect(&proxy).await).await.unwrap_or_default().is_empty());
        assert!(proxy.broken() >= 3);
    }
}
