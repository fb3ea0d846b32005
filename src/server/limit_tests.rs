//! Connections that nothing comes of.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// How long connections may wait here, and far longer than that on a busy machine.
const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(60);

async fn limited(connections: usize, patience: Duration) -> (Limited<TcpListener>, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (Limited::with(listener, connections, patience), address)
}

async fn connected(
    limited: &mut Limited<TcpListener>,
    address: std::net::SocketAddr,
) -> (Impatient<TcpStream>, TcpStream) {
    let client = TcpStream::connect(address).await.unwrap();
    let accepted = tokio::time::timeout(LONG, limited.accept());
    (accepted.await.expect("room").0, client)
}

async fn ends(what: &str, io: impl Future<Output = io::Result<()>>) {
    let ended = tokio::time::timeout(LONG, io)
        .await
        .unwrap_or_else(|_| panic!("{what} does not end"));
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut, "{what}");
}

async fn read_on(mut io: Impatient<TcpStream>) -> io::Result<()> {
    while io.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

#[tokio::test]
async fn a_silent_a_dripping_and_a_flooding_client_all_come_to_an_end() {
    let (mut limited, address) = limited(8, SHORT).await;
    let (silent, _client) = connected(&mut limited, address).await;
    ends("a silent client", read_on(silent)).await;
    for (what, bytes, pause) in [
        ("a dripping client", 1, Duration::from_millis(20)),
        ("a flooding client", 4096, Duration::ZERO),
    ] {
        let (io, mut client) = connected(&mut limited, address).await;
        let sending = tokio::spawn(async move {
            while client.write_all(&vec![b'x'; bytes]).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        });
        ends(what, read_on(io)).await;
        sending.await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_comes_to_an_end() {
    let (mut limited, address) = limited(8, SHORT).await;
    let (mut io, _client) = connected(&mut limited, address).await;
    ends("writing", async {
        loop {
            io.write_all(&[0; 65_536]).await?
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_drained_a_few_bytes_at_a_time_comes_to_an_end() {
    let (limited, _) = limited(8, PATIENCE).await;
    let (near, mut client) = tokio::io::duplex(8);
    let mut io = Impatient::new(near, PATIENCE, None, &limited.open);
    client.write_all(b"?").await.unwrap();
    io.read_exact(&mut [0]).await.unwrap();
    let (began, nearly) = (Instant::now(), PATIENCE - Duration::from_secs(1));
    // A slow answer to begin with does not count against the client.
    tokio::time::sleep(nearly).await;
    let draining = tokio::spawn(async move {
        while client.read(&mut [0; 8]).await.is_ok_and(|read| read > 0) {
            tokio::time::sleep(nearly).await;
        }
    });
    ends("a draining client", io.write_all(&[b'!'; 1_000])).await;
    assert_eq!(began.elapsed().as_secs(), (nearly + PATIENCE).as_secs());
    drop(io);
    draining.await.unwrap();
}

#[tokio::test]
async fn a_client_that_is_answered_goes_on_for_as_long_as_it_likes() {
    let (mut limited, address) = limited(8, Duration::from_secs(5)).await;
    let (mut io, mut client) = connected(&mut limited, address).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(6) {
        client.write_all(b"?").await.unwrap();
        io.read_exact(&mut [0]).await.unwrap();
        io.write_all(b"!").await.unwrap();
        client.read_exact(&mut [0]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn with_no_place_left_the_oldest_makes_room() {
    let (mut limited, address) = limited(2, LONG * 10).await;
    let (oldest, _first) = connected(&mut limited, address).await;
    let (mut second, mut other) = connected(&mut limited, address).await;
    let oldest = tokio::spawn(read_on(oldest));
    let (third, _client) = connected(&mut limited, address).await;
    ends("the oldest", async { oldest.await.unwrap() }).await;
    // The others are as they were, and places of those that end are given again.
    other.write_all(b"?").await.unwrap();
    second.read_exact(&mut [0]).await.unwrap();
    drop((second, third));
    for _ in 0..10 {
        connected(&mut limited, address).await;
    }
    assert_eq!(limited.places.available_permits(), 2);
    assert_eq!(limited.open.lock().connections.len(), 0);
}

#[tokio::test]
async fn a_request_under_way_is_not_ended_while_another_connection_has_none() {
    let (mut limited, address) = limited(3, LONG * 10).await;
    let mut asking = Vec::new();
    for _ in 0..2 {
        let (mut io, mut client) = connected(&mut limited, address).await;
        client.write_all(b"?").await.unwrap();
        io.read_exact(&mut [0]).await.unwrap();
        asking.push((io, client));
    }
    let (mut answered, mut between) = connected(&mut limited, address).await;
    let mut byte = [0];
    between.write_all(b"?").await.unwrap();
    answered.read_exact(&mut byte).await.unwrap();
    answered.write_all(b"!").await.unwrap();
    // The youngest is between two requests, and goes before the older ones.
    let answered = tokio::spawn(read_on(answered));
    let (mut fourth, mut client) = connected(&mut limited, address).await;
    ends("the one without a request", async { answered.await.unwrap() }).await;
    // All have one: the oldest goes.
    client.write_all(b"?").await.unwrap();
    fourth.read_exact(&mut byte).await.unwrap();
    let (oldest, _first) = asking.remove(0);
    let oldest = tokio::spawn(read_on(oldest));
    let (_fifth, _client) = connected(&mut limited, address).await;
    ends("the oldest", async { oldest.await.unwrap() }).await;
    let (mut second, mut other) = asking.remove(0);
    other.write_all(b"?").await.unwrap();
    second.read_exact(&mut byte).await.unwrap();
}

#[tokio::test]
async fn http_2_is_not_spoken() {
    for pieces in [
        &["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"][..],
        &["P", "RI * HT", "TP/2.0\r\n"],
    ] {
        let (mut limited, address) = limited(8, LONG).await;
        let (mut io, mut client) = connected(&mut limited, address).await;
        let saying = async {
            for piece in pieces {
                client.write_all(piece.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let hearing = async {
            let mut buffer = [0; 64];
            loop {
                match io.read(&mut buffer).await {
                    Ok(1..) => {}
                    ended => return ended,
                }
            }
        };
        let ((), heard) = tokio::join!(saying, hearing);
        assert_eq!(heard.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
    let (mut limited, address) = limited(8, LONG).await;
    let (mut io, mut client) = connected(&mut limited, address).await;
    client.write_all(b"PRI * HTTP/1.1\r\nPRI * HTTP/2.0").await.unwrap();
    client.shutdown().await.unwrap();
    let mut read = Vec::new();
    io.read_to_end(&mut read).await.unwrap();
}
