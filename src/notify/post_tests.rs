//! Receivers that answer, and then go on in odd ways.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::clock::Timestamp;

fn outgoing() -> Outgoing {
    Outgoing {
        target: "oncall".to_owned(),
        id: "msg_1".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        message: "{}".to_owned(),
    }
}

/// What comes of a message whose receiver writes `head`, and then a byte in each tenth of a second for as long as it is let.
async fn attempt(head: &'static str, path: &str) -> Attempt {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{path}", listener.local_addr().unwrap());
    let receiver = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4_096];
        assert!(stream.read(&mut asked).await.unwrap() > 0);
        stream.write_all(head.as_bytes()).await.unwrap();
        drip(stream, head.is_empty()).await;
    });
    let poster = Poster::new(Url::new(url), None, Duration::from_secs(5)).unwrap();
    let attempt = poster.post(&[], "{}".to_owned(), &[outgoing()]).await;
    receiver.abort();
    attempt
}

async fn drip(mut stream: TcpStream, closes: bool) {
    while !closes && stream.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn words(attempt: Attempt) -> String {
    attempt.failure.expect("a failure").words
}

#[tokio::test]
async fn a_message_is_taken_by_a_status_of_success_however_its_body_goes_on() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n",
        "HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\nZZZZ\r\n",
    ] {
        let attempt = attempt(head, "/hook").await;
        assert!(attempt.failure.is_none(), "{head}");
        assert_eq!(attempt.delivered, ["msg_1"], "{head}");
    }
}

#[tokio::test]
async fn only_redirects_are_called_redirects() {
    let moved = attempt(
        "HTTP/1.1 308 Permanent Redirect\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n",
        "/hook",
    )
    .await;
    assert!(words(moved).contains("redirects"));
    let unchanged = attempt("HTTP/1.1 304 Not Modified\r\n\r\n", "/hook").await;
    assert_eq!(words(unchanged), "HTTP 304");
}

#[tokio::test]
async fn a_path_that_is_a_common_word_leaves_the_words_of_an_error_whole() {
    let closed = words(attempt("", "/close").await);
    assert!(closed.contains("closed before message completed"), "{closed}");
}

#[test]
fn a_path_that_may_be_a_secret_is_in_no_words() {
    for path in ["services/T0/B0/x", "T0B0", "abcdefghijklmnop", "close/x"] {
        let url = Url::new(format!("https://hooks.example.com/{path}"));
        let kept = url.keep_out_of(&format!("cannot post to /{path}: no"));
        assert_eq!(kept, "cannot post to /(its path): no");
    }
}
