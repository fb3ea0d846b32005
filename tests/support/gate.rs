//! A way to a server that holds back the requests which a test names, and changes none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Dropping it closes the way to new connections.
pub struct Gate {
    /// Where clients go instead.
    pub url: String,
    open: watch::Sender<bool>,
    held: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Gate {
    /// A gate before the server at `url`. While it is shut, requests with `part` in them wait at it.
    pub async fn before(url: &str, part: &'static str) -> Self {
        let server = url.strip_prefix("http://").expect("a plain URL").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (open, opened) = watch::channel(true);
        let held = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&held);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.expect("the server behind the gate");
                tokio::spawn(pass(client, server, part, opened.clone(), Arc::clone(&counter)));
            }
        });
        Self {
            url: format!("http://{address}"),
            open,
            held,
            accepting,
        }
    }

    pub fn shut(&self) {
        self.open.send_replace(false);
    }

    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until a request is held back.
    pub async fn holds_one(&self) {
        super::eventually("a request waits at the gate", || async {
            match self.held.load(Ordering::SeqCst) {
                0 => Err("none has come".to_owned()),
                _ => Ok(()),
            }
        })
        .await;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Carries both directions. The SDK writes a request's head at once, so that its operation is never
/// split over two reads.
async fn pass(
    client: TcpStream,
    server: TcpStream,
    part: &'static str,
    mut opened: watch::Receiver<bool>,
    held: Arc<AtomicU64>,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let replies = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    let mut bytes = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from_client.read(&mut bytes).await {
        if String::from_utf8_lossy(&bytes[..read]).contains(part) && !*opened.borrow() {
            held.fetch_add(1, Ordering::SeqCst);
            let _ = opened.wait_for(|open| *open).await;
        }
        if to_server.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
    replies.abort();
}
