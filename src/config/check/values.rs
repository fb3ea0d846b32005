//! Single values: each reader says what is wrong and what to write instead.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::config::raw::RawMost;
use crate::config::{LogLevel, LogLevelError, StateLocation, duration};
use crate::policy::{Endpoint, MaxAttention, Overlap, UserPattern};

/// The longest path that the kernel takes for a Unix socket, without the closing zero.
const LONGEST_SOCKET_PATH: usize = 107;

/// A duration of at least `least`.
pub(super) fn at_least(least: Duration) -> impl Fn(String) -> Result<Duration, String> {
    move |text| {
        let duration = duration::parse(&text).map_err(|error| error.to_string())?;
        if duration < least {
            return Err(format!("too short: at least {}", duration::format(least)));
        }
        Ok(duration)
    }
}

/// A duration from the first of these to the second.
pub(super) fn between([least, most]: [Duration; 2]) -> impl Fn(String) -> Result<Duration, String> {
    move |text| {
        let duration = at_least(least)(text)?;
        match duration > most {
            true => Err(format!("too long: at most {}", duration::format(most))),
            false => Ok(duration),
        }
    }
}

/// A duration or `"none"`.
pub(super) fn optional_duration(text: String) -> Result<Option<Duration>, String> {
    match text.as_str() {
        "none" => Ok(None),
        _ => at_least(Duration::from_secs(1))(text)
            .map(Some)
            .map_err(|error| format!("{error}; or \"none\"")),
    }
}

pub(super) fn overlap(text: String) -> Result<Overlap, String> {
    match text.as_str() {
        "none" => Ok(Overlap::For(Duration::ZERO)),
        "until-next-rotation" => Ok(Overlap::UntilNextRotation),
        _ => match duration::parse(&text) {
            Ok(duration) => Ok(Overlap::For(duration)),
            Err(error) => Err(format!("{error}; or \"none\" or \"until-next-rotation\"")),
        },
    }
}

/// A whole number from `least` to `most`.
pub(super) fn within<T: TryFrom<i64>>(least: i64, most: i64) -> impl Fn(i64) -> Result<T, String> {
    move |number| {
        let refusal = || format!("{number} is out of range: write {least} to {most}");
        let number = if (least..=most).contains(&number) {
            number
        } else {
            return Err(refusal());
        };
        T::try_from(number).map_err(|_| refusal())
    }
}

/// A share from 1% to 100%, or a number of secrets. At least one may always be in trouble.
pub(super) fn max_attention(most: RawMost) -> Result<MaxAttention, String> {
    match most {
        RawMost::Number(number) => within(1, 1_000_000)(number)
            .map(MaxAttention::Secrets)
            .map_err(|error| format!("{error} secrets, or a share like \"5%\"")),
        RawMost::Share(text) => {
            let percent = text
                .strip_suffix('%')
                .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
            let percent = percent.and_then(|digits| digits.parse().ok());
            percent
                .filter(|percent| (1..=100).contains(percent))
                .map(MaxAttention::Percent)
                .ok_or_else(|| format!("`{text}` is no share: \"1%\" to \"100%\", or a number of secrets"))
        }
    }
}

pub(super) fn listen(text: String) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no address: write an IP address and a port, like \"127.0.0.1:9848\""))
}

pub(super) fn socket_path(text: String) -> Result<PathBuf, String> {
    match text.len() {
        0 => Err("empty: write the path of a Unix socket".to_owned()),
        1..=LONGEST_SOCKET_PATH => Ok(PathBuf::from(text)),
        _ => Err(format!(
            "too long for a Unix socket: at most {LONGEST_SOCKET_PATH} bytes"
        )),
    }
}

/// A group by name or number. Whether the machine has it is asked when the socket is made.
pub(super) fn named_group(text: String) -> Result<Option<String>, String> {
    let wrong = text.is_empty() || text.chars().any(|character| character.is_control() || character == ':');
    match wrong {
        true => Err("write the name of a group, or its number".to_owned()),
        false => Ok(Some(text)),
    }
}

/// The path of a file that is appended to.
pub(super) fn log_file(text: String) -> Result<Option<PathBuf>, String> {
    match text.starts_with('/') {
        true => Ok(Some(PathBuf::from(text))),
        false => Err("write the full path of a file".to_owned()),
    }
}

pub(super) fn log_level(text: String) -> Result<Option<LogLevel>, String> {
    text.parse().map(Some).map_err(|error: LogLevelError| error.to_string())
}

pub(super) fn state(text: String) -> Result<StateLocation, String> {
    let Some((kind, path)) = text.split_once(':') else {
        return Err(format!("no kind of store before the path: write \"sqlite:{text}\""));
    };
    match (kind, path) {
        ("dynamodb", table) => table_name(table).map(|table| StateLocation::DynamoDb { table }),
        ("sqlite", "") => Err("no path: write \"sqlite:PATH\"".to_owned()),
        ("sqlite", ":memory:") => Err("pauses would not outlive a restart: write \"sqlite:PATH\"".to_owned()),
        ("sqlite", path) => Ok(StateLocation::Sqlite(PathBuf::from(path))),
        (kind, _) => Err(format!(
            "`{kind}` is no kind of store: write \"sqlite:PATH\" or \"dynamodb:TABLE\""
        )),
    }
}

/// The name of a table ("Naming rules and data types" of the DynamoDB developer guide).
fn table_name(text: &str) -> Result<String, String> {
    if let Some((_, name)) = text.split_once(":table/").filter(|_| text.starts_with("arn:")) {
        return Err(format!(
            "the region and the account of a table are those of the place that `state_aws` names: write \"dynamodb:{name}\""
        ));
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    match (3..=255).contains(&text.len()) && text.bytes().all(fits) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "`{text}` is no name of a table: 3 to 255 letters, digits and _.-"
        )),
    }
}

/// One of a few words.
pub(super) fn word<T: Clone>(words: &'static [(&'static str, T)]) -> impl Fn(String) -> Result<T, String> {
    move |text| match words.iter().find(|(word, _)| *word == text) {
        Some((_, meaning)) => Ok(meaning.clone()),
        None => {
            let known: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            Err(format!("`{text}` is none of {}: write one of them", known.join(", ")))
        }
    }
}

pub(super) fn not_empty(text: String) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("empty".to_owned())
    } else {
        Ok(text)
    }
}

pub(super) fn region(text: String) -> Result<String, String> {
    let parts: Vec<&str> = text.split('-').collect();
    let words = parts
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    let number = parts
        .last()
        .is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit()));
    if parts.len() >= 3 && words && number {
        Ok(text)
    } else {
        let zone = text
            .strip_suffix(|c: char| c.is_ascii_lowercase())
            .and_then(|text| region(text.to_owned()).ok());
        Err(match zone {
            Some(region) => format!("`{text}` is a zone of a region: write \"{region}\""),
            None => format!("`{text}` is no AWS region: write one like \"us-east-1\""),
        })
    }
}

/// A role's ARN.
pub(super) fn role_arn(text: String) -> Result<String, String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let well_formed = match parts[..] {
        ["arn", partition, "iam", "", account, role] => {
            partition.starts_with("aws")
                && is_account(account)
                && role.strip_prefix("role/").is_some_and(|r| !r.is_empty())
        }
        _ => false,
    };
    if well_formed {
        Ok(text)
    } else {
        Err("no role: write its ARN, like \"arn:aws:iam::123456789012:role/rekeyd\"".to_owned())
    }
}

/// What a session of a role is called (`roleSessionNameType` of the STS service model).
pub(super) fn session_name(text: String) -> Result<String, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
    if (2..=64).contains(&text.len()) && text.bytes().all(fits) {
        Ok(text)
    } else {
        Err("no name of a session: 2 to 64 letters, digits and _+=,.@-".to_owned())
    }
}

/// How long a session of a role may last (`roleDurationSecondsType` of the STS service model).
pub(super) fn session_duration(text: String) -> Result<Duration, String> {
    let span = duration::parse(&text).map_err(|error| error.to_string())?;
    let (least, most) = (Duration::from_secs(15 * 60), Duration::from_secs(12 * 3_600));
    if (least..=most).contains(&span) {
        Ok(span)
    } else {
        Err("out of range: 15m to 12h, and no longer than the role allows".to_owned())
    }
}

pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// A base URL. Plain HTTP would show passwords to the network, so it stays on this machine.
pub(super) fn endpoint_url(text: String) -> Result<String, String> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("no URL: write one like \"https://host:port\"")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("a URL here must not carry a user or a password".to_owned());
    }
    if !matches!(path, "" | "/") {
        return Err("a URL here is scheme, host and port; no path".to_owned());
    }
    let (host, port) = split_host(authority).ok_or_else(|| format!("`{authority}` is no host and port"))?;
    if let Some(port) = port {
        port_number(port)?;
    }
    match scheme {
        "https" => Ok(text),
        "http" if is_loopback(host) => Ok(text),
        "http" => Err(format!(
            "plain http would show passwords on the way to `{host}`: use https, or a loopback host"
        )),
        _ => Err(format!("`{scheme}` is neither https nor http")),
    }
}

/// A URL that something is sent to: with a path and a query, if it has them. It may be a secret, and no message holds it.
pub(super) fn url(text: &str) -> Result<(), String> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("no URL: write one like \"https://host/path\"")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("a URL here must not carry a user or a password".to_owned());
    }
    let in_order = |b: u8| b.is_ascii_graphic() && b != b'#';
    if !path.bytes().all(in_order) {
        return Err("a URL here has no fragment, no spaces, and ASCII characters only".to_owned());
    }
    let (host, port) = split_host(authority).ok_or("a URL here begins with https:// and a host")?;
    if let Some(port) = port {
        port_number(port).map_err(|_| "the URL's port is none: 1 to 65535")?;
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_loopback(host) => Ok(()),
        "http" => Err(
            "plain http would show the names of secrets and users on the way: use https, or a loopback host".to_owned(),
        ),
        _ => Err("a URL here begins with https://, or with http:// and a loopback host".to_owned()),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// `host:port`, as a login takes it.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, String> {
    let example = "write host:port, like \"orders.example.cache.amazonaws.com:6379\"";
    if text.contains("://") {
        return Err(format!("a URL is no endpoint: {example}"));
    }
    match split_host(text) {
        Some((host, Some(port))) => Ok(Endpoint {
            host: host.to_owned(),
            port: port_number(port)?,
        }),
        Some((_, None)) => Err(format!("`{text}` has no port: {example}")),
        None => Err(format!("`{text}` is no endpoint: {example}")),
    }
}

/// Host, without the brackets of an IPv6 address, and port.
fn split_host(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return if rest.is_empty() {
            Some((host, None))
        } else {
            Some((host, Some(rest.strip_prefix(':')?)))
        };
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let of_host = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    (!host.is_empty() && host.bytes().all(of_host)).then_some((host, port))
}

fn port_number(text: &str) -> Result<u16, String> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port != 0);
    port.ok_or_else(|| format!("`{text}` is no port: 1 to 65535"))
}

/// A pattern of user ids, which are letters, digits and hyphens.
pub(super) fn user_pattern(text: &str) -> Result<UserPattern, String> {
    if let Some(id) = text.strip_prefix("arn:").and_then(|arn| arn.split_once(":user:")) {
        return Err(format!(
            "an ARN is no user id: write what comes last in it, \"{}\"",
            id.1
        ));
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-*".contains(&b)) {
        return Err(format!(
            "`{text}` is no pattern of user ids: letters, digits, hyphens, and * for any of them"
        ));
    }
    Ok(UserPattern(text.to_owned()))
}

/// The name of a secret, or the beginning of one.
pub(super) fn secret_name(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("empty: write a secret's name or ARN".to_owned());
    }
    if text.contains('*') {
        return Err("`*` has no meaning here: use select = { name_prefix = \"…\" }".to_owned());
    }
    if text.len() > 512
        || !text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/_+=.@-!".contains(&b))
    {
        return Err(format!(
            "`{text}` cannot be a secret's name: up to 512 letters, digits and /_+=.@-"
        ));
    }
    Ok(())
}
