use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::testing::{Pki, Redis, free_port, localhost, plain, scripted};
use super::*;

const GOOD: &str = "first-password-CANARY";
const OTHER: &str = "other-password-CANARY";

fn logins(deadline: Duration, concurrency: usize) -> RedisLogin {
    RedisLogin::new(Arc::new(Metrics::new(&[])), deadline, concurrency)
}

async fn login(node: &Endpoint, username: &str, password: &str) -> LoginAnswer {
    let tls = Pki::get().trust("trusted");
    let logins = logins(DEFAULT_DEADLINE, DEFAULT_CONCURRENCY);
    logins
        .login(node, &tls, username, &Password::new(password.to_owned()))
        .await
}

async fn cause(node: &Endpoint) -> String {
    match login(node, "app", GOOD).await {
        LoginAnswer::Unreachable(cause) => {
            assert!(!cause.contains("CANARY"), "{cause}");
            assert!(
                !cause.starts_with("TLS:"),
                "not told apart from a network's fault: {cause}"
            );
            cause
        }
        LoginAnswer::TlsFailed(cause) => {
            assert!(cause.starts_with("TLS:") && !cause.contains("CANARY"), "{cause}");
            cause
        }
        answer => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn a_real_node_accepts_each_valid_password_and_refuses_all_others() {
    let redis = Redis::start(&[
        &format!("app on >{GOOD} >{OTHER} resetkeys -@all"),
        &format!("idle off >{GOOD} ~* +@all"),
        "open on nopass ~* +@all",
        "default off",
    ]);
    let table = [
        // A user that may run nothing at all, not even PING, still logs in.
        ("app", GOOD, LoginAnswer::Accepted),
        ("app", OTHER, LoginAnswer::Accepted),
        ("app", "wrong", LoginAnswer::Refused),
        ("nobody", GOOD, LoginAnswer::Refused),
        ("idle", GOOD, LoginAnswer::Refused),
        ("open", "anything", LoginAnswer::Accepted),
        ("app", "with space\r\nand \"quotes\"", LoginAnswer::Refused),
    ];
    for (username, password, expected) in table {
        assert_eq!(
            login(&redis.node, username, password).await,
            expected,
            "{username} {password}"
        );
    }
}

#[tokio::test]
async fn a_thousand_logins_on_one_node_all_have_their_answer() {
    let redis = Redis::start(&[&format!("app on >{GOOD} -@all"), "default off"]);
    let logins = Arc::new(logins(Duration::from_secs(60), DEFAULT_CONCURRENCY));
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..1000 {
        let (logins, node) = (Arc::clone(&logins), redis.node.clone());
        tasks.spawn(async move {
            let password = Password::new(if index % 2 == 0 { GOOD } else { OTHER }.to_owned());
            let answer = logins
                .login(&node, &Pki::get().trust("trusted"), "app", &password)
                .await;
            (index % 2 == 0, answer)
        });
    }
    while let Some(done) = tasks.join_next().await {
        let (good, answer) = done.unwrap();
        assert_eq!(
            answer,
            if good {
                LoginAnswer::Accepted
            } else {
                LoginAnswer::Refused
            }
        );
    }
}

#[tokio::test]
async fn auth_is_all_that_a_node_is_sent() {
    let (node, told) = scripted("trusted", b"+OK\r\n");
    assert_eq!(login(&node, "app", GOOD).await, LoginAnswer::Accepted);
    let sent = told.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(sent, resp::auth("app", &Password::new(GOOD.to_owned()))[..]);
}

#[tokio::test]
async fn what_is_not_an_answer_to_the_password_is_unreachable() {
    let (loading, _told) = scripted("trusted", b"-LOADING Redis is loading the dataset in memory\r\n");
    assert_eq!(cause(&loading).await, "the node answered AUTH with LOADING");
    let (echo, _told) = scripted("trusted", b"-first-password-CANARY first-password-CANARY\r\n");
    assert_eq!(cause(&echo).await, "the node answered AUTH with an unknown error");
    let (endless, _told) = scripted("trusted", &[b'x'; 20_000]);
    assert_eq!(cause(&endless).await, "the node's answer to AUTH is not one of Redis");
}

#[tokio::test]
async fn a_certificate_of_a_stranger_ends_the_login_before_the_password_is_sent() {
    let (node, told) = scripted("stranger", b"+OK\r\n");
    assert_eq!(
        cause(&node).await,
        "TLS: the certificate is not signed by a trusted root"
    );
    assert_eq!(told.recv_timeout(Duration::from_secs(5)).unwrap(), b"");
}

#[tokio::test]
async fn a_certificate_for_another_host_ends_the_login_before_the_password_is_sent() {
    let (mut node, told) = scripted("trusted", b"+OK\r\n");
    node.host = "127.0.0.1".to_owned();
    assert_eq!(cause(&node).await, "TLS: the certificate is for another host name");
    assert_eq!(told.recv_timeout(Duration::from_secs(5)).unwrap(), b"");
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_is_named_with_the_cause() {
    assert_eq!(cause(&localhost(free_port())).await, "refused connection");
    let nowhere = Endpoint {
        host: "nowhere.invalid".to_owned(),
        port: 6379,
    };
    assert_eq!(cause(&nowhere).await, "the host name does not resolve");
    let full = plain(|mut stream| {
        let _ = stream.write_all(b"-ERR max number of clients reached\r\n");
    });
    assert_eq!(cause(&full).await, "TLS: the node does not speak TLS on this port");
    let closing = plain(drop);
    let cause = cause(&closing).await;
    assert!(cause.starts_with("connection "), "{cause}");
}

#[tokio::test]
async fn a_node_that_hangs_costs_its_deadline_and_not_more() {
    let streams = std::sync::Mutex::new(Vec::new());
    let node = plain(move |stream| streams.lock().unwrap().push(stream));
    let logins = logins(Duration::from_millis(200), 1);
    let tls = Pki::get().trust("trusted");
    let password = Password::new(GOOD.to_owned());
    let both = async {
        tokio::join!(
            logins.login(&node, &tls, "app", &password),
            logins.login(&node, &tls, "app", &password)
        )
    };
    let (first, second) = tokio::time::timeout(Duration::from_secs(5), both).await.unwrap();
    let expected = LoginAnswer::Unreachable("timeout: no answer within 0.2 s".to_owned());
    assert_eq!((&first, &second), (&expected, &expected));
}

/// How many logins were under way at a node at most, of `count` that were asked for at once.
async fn most_at_once(concurrency: usize, count: usize) -> usize {
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = (open, most.clone());
    let node = plain(move |stream| {
        let (open, most) = counted.clone();
        std::thread::spawn(move || {
            most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(30));
            open.fetch_sub(1, Ordering::SeqCst);
            drop(stream);
        });
    });
    let logins = Arc::new(logins(DEFAULT_DEADLINE, concurrency));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        let (logins, node) = (Arc::clone(&logins), node.clone());
        tasks.spawn(async move {
            let password = Password::new(GOOD.to_owned());
            logins
                .login(&node, &Pki::get().trust("trusted"), "app", &password)
                .await
        });
    }
    while tasks.join_next().await.is_some() {}
    most.load(Ordering::SeqCst)
}

#[tokio::test]
async fn no_more_logins_than_allowed_go_on_at_once() {
    assert_eq!(most_at_once(3, 12).await, 3);
}

#[tokio::test]
async fn no_more_logins_go_on_at_one_node_than_it_bears() {
    assert_eq!(most_at_once(DEFAULT_CONCURRENCY, 40).await, AT_ONE_NODE);
}

#[tokio::test]
async fn roots_that_cannot_be_used_are_said_so() {
    let password = Password::new(GOOD.to_owned());
    let logins = logins(DEFAULT_DEADLINE, 1);
    for (file, cause) in [
        ("absent", "TLS: cannot read the roots in"),
        ("trusted.key", "is not a PEM file of certificates"),
    ] {
        let tls = Tls {
            ca_file: Some(Pki::get().path(file)),
        };
        let answer = logins.login(&localhost(1), &tls, "app", &password).await;
        assert!(
            matches!(&answer, LoginAnswer::TlsFailed(text) if text.contains(cause)),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn roots_that_change_are_read_again() {
    let (node, _told) = scripted("trusted", b"+OK\r\n");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roots.pem");
    let tls = Tls {
        ca_file: Some(file.clone()),
    };
    let logins = logins(DEFAULT_DEADLINE, 1);
    let password = Password::new(GOOD.to_owned());
    std::fs::copy(Pki::get().path("stranger.ca"), &file).unwrap();
    assert!(matches!(
        logins.login(&node, &tls, "app", &password).await,
        LoginAnswer::TlsFailed(_)
    ));
    let both = ["stranger.ca", "trusted.ca"].map(|name| std::fs::read(Pki::get().path(name)).unwrap());
    std::fs::write(&file, both.concat()).unwrap();
    assert_eq!(logins.login(&node, &tls, "app", &password).await, LoginAnswer::Accepted);
}
