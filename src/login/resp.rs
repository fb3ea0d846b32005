//! The two messages of a login: AUTH, and the one line that answers it.
//!
//! redis-rs cannot be asked for the answer itself: when it connects with a password it reports
//! every error of AUTH as a failed authentication (`-LOADING` and `-ERR` like `-WRONGPASS`), and
//! for one of them it tries again without the user name. So AUTH is written here and its answer
//! is read with redis-rs's parser.

use redis::Value;
use zeroize::Zeroizing;

use crate::rotation::observation::LoginAnswer;
use crate::secret::Password;

/// `AUTH username password` in RESP, which needs no quoting: every part is preceded by its length.
pub(super) fn auth(username: &str, password: &Password) -> Zeroizing<Vec<u8>> {
    let parts = ["AUTH", username, password.expose()];
    // Room for all of it, so that no growth leaves a copy of the password behind.
    let room = parts.iter().map(|part| part.len() + 32).sum();
    let mut message = Zeroizing::new(Vec::with_capacity(room));
    message.extend_from_slice(b"*3\r\n");
    for part in parts {
        message.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        message.extend_from_slice(part.as_bytes());
        message.extend_from_slice(b"\r\n");
    }
    message
}

/// Error codes that may be named. A server's own words are not, because a hostile one could say
/// the password back to us, and it would stand in a log.
const KNOWN: &[&str] = &[
    "BUSY",
    "CLUSTERDOWN",
    "DENIED",
    "ERR",
    "LOADING",
    "MASTERDOWN",
    "MAXCLIENTS",
    "MOVED",
    "NOAUTH",
    "NOPERM",
    "NOPROTO",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "UNKILLABLE",
];

/// What a reply to AUTH says. `line` ends with CR LF.
///
/// `+OK` is the only success and WRONGPASS the only refusal (both of Redis and Valkey, for a wrong
/// password, an unknown user and one that is off alike). Anything else says nothing about the
/// password.
pub(super) fn answer(line: &[u8]) -> LoginAnswer {
    if !matches!(line.first(), Some(b'+' | b'-')) {
        // A number or the head of a list: the lengths that a stranger names are not even read.
        return not_redis();
    }
    match redis::parse_redis_value(line) {
        Ok(Value::Okay) => LoginAnswer::Accepted,
        Ok(Value::ServerError(error)) if error.code() == "WRONGPASS" => LoginAnswer::Refused,
        Ok(Value::ServerError(error)) => {
            let code = error.code();
            match KNOWN.iter().find(|known| **known == code) {
                Some(known) => LoginAnswer::Unreachable(format!("the node answered AUTH with {known}")),
                None => LoginAnswer::Unreachable("the node answered AUTH with an unknown error".to_owned()),
            }
        }
        Ok(_) | Err(_) => not_redis(),
    }
}

fn not_redis() -> LoginAnswer {
    LoginAnswer::Unreachable("the node's answer to AUTH is not one of Redis".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_is_counted_in_bytes_and_quotes_nothing() {
        let password = Password::new("p\u{fc}\r\nQUIT".to_owned());
        assert_eq!(
            &auth("ann", &password)[..],
            b"*3\r\n$4\r\nAUTH\r\n$3\r\nann\r\n$9\r\np\xc3\xbc\r\nQUIT\r\n"
        );
    }

    #[test]
    fn the_message_never_outgrows_its_first_allocation() {
        let message = auth(&"u".repeat(128), &Password::new("p".repeat(128)));
        assert!(message.len() <= message.capacity() && message.capacity() < 400 + 96);
    }

    #[test]
    fn only_ok_accepts_and_only_wrongpass_refuses() {
        assert_eq!(answer(b"+OK\r\n"), LoginAnswer::Accepted);
        let refused = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n";
        assert_eq!(answer(refused), LoginAnswer::Refused);
        for other in [
            "-LOADING Redis is loading the dataset in memory\r\n",
            "-ERR max number of clients reached\r\n",
            "-ERR wrong number of arguments for 'auth' command\r\n",
            "-NOPERM this user has no permissions\r\n",
            "-MASTERDOWN Link with MASTER is down\r\n",
            "-WRONGPASSWORD\r\n",
            "-wrongpass\r\n",
            "-CANARYsecret CANARYsecret\r\n",
            "+PONG\r\n",
            "+QUEUED\r\n",
            ":1\r\n",
            "$2\r\nOK\r\n",
            "HTTP/1.1 400 Bad Request\r\n",
            "\r\n",
        ] {
            let LoginAnswer::Unreachable(cause) = answer(other.as_bytes()) else {
                panic!("{other}");
            };
            assert!(!cause.contains("CANARY"), "{cause}");
        }
        assert_eq!(
            answer(b"-LOADING Redis is loading\r\n"),
            LoginAnswer::Unreachable("the node answered AUTH with LOADING".to_owned())
        );
    }
}
