//! Nodes that answer a login with anything but Redis.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::testing::{Pki, plain, tls_node};
use super::{DEFAULT_CONCURRENCY, Login, RedisLogin, resp};
use crate::metrics::Metrics;
use crate::policy::Endpoint;
use crate::rotation::observation::LoginAnswer;
use crate::secret::Password;

const PASSWORD: &str = "CANARY-of-a-password";

/// How long a login may take here; a test that waits for it takes as long.
const DEADLINE: Duration = Duration::from_secs(2);

async fn login(node: &Endpoint) -> LoginAnswer {
    let logins = RedisLogin::new(Arc::new(Metrics::new(&[])), DEADLINE, DEFAULT_CONCURRENCY);
    let password = Password::new(PASSWORD.to_owned());
    let tls = Pki::get().trust("trusted");
    let attempt = logins.login(node, &tls, "app", &password);
    // Far longer than the deadline: what is asserted is that it ends by itself.
    let answer = tokio::time::timeout(Duration::from_secs(60), attempt)
        .await
        .expect("it ends");
    assert!(!format!("{answer:?}").contains("CANARY"), "{answer:?}");
    answer
}

/// At least so many cases; more if `PROPTEST_CASES` says so.
fn cases(least: u32) -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig {
        cases: asked.cases.max(least),
        failure_persistence: None,
        ..asked
    }
}

/// Lines that begin like something of the protocol, and lines that do not.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let head = select(vec![
        "+",
        "-",
        ":",
        "$",
        "*",
        "%",
        "~",
        "|",
        ">",
        "!",
        "=",
        "(",
        "#",
        "_",
        ",",
        "+OK",
        "-WRONGPASS",
        "-WRONGPASS ",
        "",
    ]);
    let tail = prop_oneof![
        select(vec![
            "OK",
            "",
            "9223372036854775807",
            "-9223372036854775808",
            "4294967296",
            "-1",
            "2",
            "WRONGPASS",
            " OK",
            "ok"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 0..40),
    ];
    (head, tail).prop_map(|(head, tail)| [head.as_bytes(), &tail, b"\r\n"].concat())
}

proptest! {
    #![proptest_config(cases(5_000))]

    #[test]
    fn only_ok_itself_accepts_and_only_wrongpass_refuses(line in line()) {
        let wrong = line.starts_with(b"-WRONGPASS\r\n") || line.starts_with(b"-WRONGPASS ");
        match resp::answer(&line) {
            LoginAnswer::Accepted => prop_assert_eq!(&line[..], b"+OK\r\n"),
            LoginAnswer::Refused => prop_assert!(wrong),
            LoginAnswer::TlsFailed(cause) => prop_assert!(false, "{cause}"),
            LoginAnswer::Unreachable(cause) => {
                prop_assert!(line != b"+OK\r\n");
                prop_assert!(!cause.is_empty());
            }
        }
    }
}

#[test]
fn lengths_that_a_node_makes_up_cost_nothing() {
    for head in ["*", "$", "%", "~", ">", "|", "!", "="] {
        for length in [
            "2147483647",
            "9223372036854775807",
            "-9223372036854775808",
            "4611686018427387904",
        ] {
            let line = format!("{head}{length}\r\n");
            let answer = resp::answer(line.as_bytes());
            assert!(matches!(answer, LoginAnswer::Unreachable(_)), "{line}: {answer:?}");
        }
    }
    let nested = "*1\r\n".repeat(1_000);
    assert!(matches!(resp::answer(nested.as_bytes()), LoginAnswer::Unreachable(_)));
}

/// Answers of a node that speaks TLS, and whether they are the proper one.
fn answers() -> Vec<(Vec<u8>, bool)> {
    let refused: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\r\n".to_vec(),
        b"+OK".to_vec(),
        b"+OK\n".to_vec(),
        b"OK\r\n".to_vec(),
        b" +OK\r\n".to_vec(),
        b"\r\n+OK\r\n".to_vec(),
        b"+OK \r\n".to_vec(),
        b"+OKAY\r\n".to_vec(),
        b"$2\r\nOK\r\n".to_vec(),
        b"*1\r\n+OK\r\n".to_vec(),
        b"$9223372036854775807\r\n".to_vec(),
        b"*2147483647\r\n+OK\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\n\r\n+OK\r\n".to_vec(),
        format!("-ERR you said {PASSWORD}\r\n").into_bytes(),
        format!("-{PASSWORD}\r\n").into_bytes(),
        vec![0; 100_000],
        vec![b'+'; 100_000],
        vec![0xff; 5_000],
    ];
    let accepted = [b"+OK\r\n".to_vec(), b"+OK\r\n-WRONGPASS no\r\n".to_vec()];
    let refused = refused.into_iter().map(|answer| (answer, false));
    refused.chain(accepted.map(|answer| (answer, true))).collect()
}

#[tokio::test]
async fn a_node_is_believed_only_when_its_first_line_is_ok() {
    let script = answers();
    let (sent, turn) = (script.clone(), AtomicUsize::new(0));
    let node = tls_node("trusted", move |mut stream| {
        let (answer, _) = &sent[turn.fetch_add(1, Ordering::Relaxed)];
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(answer);
        stream.conn.send_close_notify();
        let _ = stream.flush();
    });
    for (answer, accepts) in script {
        let text = String::from_utf8_lossy(&answer[..answer.len().min(60)]).into_owned();
        assert_eq!(login(&node).await == LoginAnswer::Accepted, accepts, "{text:?}");
    }
}

#[tokio::test]
async fn a_node_that_is_silent_slow_or_endless_is_given_up_in_time() {
    let until_gone = |stream: &mut dyn Write, bytes: &[u8], pause: Duration| {
        while stream.write_all(bytes).and_then(|()| stream.flush()).is_ok() {
            std::thread::sleep(pause);
        }
    };
    let silent = tls_node(
        "trusted",
        |mut stream| while matches!(stream.read(&mut [0; 1024]), Ok(1..)) {},
    );
    let slow = tls_node("trusted", move |mut stream| {
        until_gone(&mut stream, b"+", Duration::from_millis(100))
    });
    let endless = tls_node("trusted", move |mut stream| {
        until_gone(&mut stream, &[b'x'; 16_384], Duration::ZERO)
    });
    let mute = plain(|mut stream| while matches!(stream.read(&mut [0; 1024]), Ok(1..)) {});
    let rubbish = plain(move |mut stream| until_gone(&mut stream, &[0x16, 3, 3, 0xff, 0xff], Duration::ZERO));
    let dripping = plain(move |mut stream| until_gone(&mut stream, &[0x16], Duration::from_millis(100)));
    let redis = plain(|mut stream| drop(stream.write_all(b"+OK\r\n")));
    let closing = plain(drop);
    for (what, node) in [
        ("silent", silent),
        ("slow", slow),
        ("endless", endless),
        ("mute", mute),
        ("rubbish", rubbish),
        ("dripping", dripping),
        ("without TLS", redis),
        ("closing", closing),
    ] {
        let answer = login(&node).await;
        let in_time = matches!(answer, LoginAnswer::Unreachable(_) | LoginAnswer::TlsFailed(_));
        assert!(in_time, "{what}: {answer:?}");
    }
}
