//! Configurations that are documented, and values that are good or bad by themselves.

use crate::support::python;

/// Every configuration that the documents print, whole or a part of one, the shipped one, and the same with every key that it
/// comments out.
pub fn documented() -> Vec<(String, String)> {
    let workspace = python::workspace();
    let listing = std::fs::read_dir(workspace.join("docs")).unwrap();
    let mut pages: Vec<_> = listing.map(|page| page.unwrap().path()).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.push(workspace.join("README.md"));
    pages.sort();
    let mut found = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let blocks = text
            .split("```toml\n")
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap());
        found.extend(blocks.map(|block| (page.display().to_string(), block.to_owned())));
    }
    let shipped = std::fs::read_to_string(workspace.join("config/rekeyd.toml")).unwrap();
    found.push(("config/rekeyd.toml".to_owned(), shipped.clone()));
    found.push(("config/rekeyd.toml with all keys".to_owned(), with_all_keys(&shipped)));
    found
}

/// The shipped configuration with its commented keys and tables, without prose.
fn with_all_keys(shipped: &str) -> String {
    let is_key = |line: &str| {
        let key = line.split_once(" = ").map_or("", |(key, _)| key);
        !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    };
    let lines = shipped.lines().map(|line| {
        line.strip_prefix("# ")
            .filter(|line| is_key(line) || line.starts_with('['))
            .unwrap_or(line)
    });
    lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// A value, as TOML, and whether the configuration takes it.
pub struct Sample {
    pub table: &'static str,
    pub key: &'static str,
    pub value: &'static str,
    pub is_good: bool,
}

/// Those of each form that are unlike each other.
const VALUES: [(&str, &str, &[&str], &[&str]); 26] = [
    (
        "notify.orders",
        "event_bus",
        &["\"a/b\"", "\"arn:aws:events:us-east-1:123456789012:event-bus/x\""],
        &["\"a b\"", "\"\""],
    ),
    ("notify.orders", "timeout", &["\"3s\""], &["3", "\"soon\""]),
    (
        "notify.orders",
        "events",
        &["[\"halted\"]"],
        &["[]", "[\"halt\"]", "\"halted\""],
    ),
    (
        "daemon",
        "listen",
        &["\"[::1]:9848\"", "\"0.0.0.0:1\""],
        &["\"127.0.0.1\"", "9848", "\"\""],
    ),
    ("daemon", "admin_socket", &["\"a.sock\""], &["\"\""]),
    (
        "daemon",
        "state",
        &["\"sqlite:state.db\"", "\"dynamodb:rekeyd-prod_1.a\""],
        &["\"state.db\"", "\"sqlite:\"", "\"dynamodb:\"", "\"dynamodb:a b\""],
    ),
    (
        "daemon",
        "drift_check_interval",
        &["\"none\"", "\"1h30m\""],
        &["\"never\"", "6", "\"6\""],
    ),
    (
        "daemon",
        "drain_timeout",
        &["\"0s\"", "\"250ms\"", "\"36500d\""],
        &["\"\"", "\"5min\"", "\"1 d\"", "\"-1s\""],
    ),
    (
        "aws.orders",
        "region",
        &["\"me-central-1\"", "\"ap-southeast-2\""],
        &["\"us-east-1a\"", "\"Frankfurt\"", "\"us-1\""],
    ),
    (
        "aws.orders",
        "role_arn",
        &["\"arn:aws:iam::123456789012:role/path/rekeyd\""],
        &[
            "\"rekeyd\"",
            "\"arn:aws:iam::12:role/rekeyd\"",
            "\"arn:aws:iam::123456789012:user/rekeyd\"",
        ],
    ),
    (
        "aws.orders",
        "role_session_name",
        &["\"a+=,.@-_1\""],
        &["\"a\"", "\"a b\""],
    ),
    (
        "aws.orders",
        "endpoint_url",
        &[
            "\"http://localhost:1/\"",
            "\"http://[::1]:4566\"",
            "\"http://127.1.2.3\"",
            "\"https://h:65535\"",
        ],
        &[
            "\"http://10.0.0.1:80\"",
            "\"h:80\"",
            "\"ftp://h\"",
            "\"https://u:p@h\"",
            "\"https://h/path\"",
        ],
    ),
    (
        "policy.orders",
        "allow_users",
        &["[\"user1\", \"orders-*\"]"],
        &["[]", "[\"a b\"]", "\"user1\"", "[1]"],
    ),
    (
        "policy.orders",
        "secrets",
        &[
            "[\"a/_+=.@-!b\"]",
            "[\"arn:aws:secretsmanager:us-east-1:123456789012:secret:production/ec/user1-AbCdEf\"]",
        ],
        &["[\"production/*\"]", "[\"\"]", "\"a\""],
    ),
    (
        "policy.orders.select",
        "name_prefix",
        &["\"production/\""],
        &["\"\"", "\"a*\"", "\"a b\""],
    ),
    (
        "policy.orders.select",
        "tags",
        &["{ \"a key\" = \"of any kind\" }"],
        &["{ team = 1 }", "[\"team\"]"],
    ),
    (
        "policy.orders.password",
        "length",
        &["16", "128"],
        &["15", "129", "\"32\""],
    ),
    (
        "policy.orders",
        "overlap",
        &["\"none\"", "\"2h\"", "\"until-next-rotation\""],
        &["\"until next rotation\"", "\"2\"", "2"],
    ),
    ("policy.orders", "verify", &["\"api-only\""], &["\"API\"", "true"]),
    (
        "policy.orders",
        "endpoints",
        &["[\"h:6379\", \"[::1]:1\"]", "[]"],
        &["[\"h\"]", "[\"redis://h:1\"]", "\"h:1\""],
    ),
    (
        "policy.orders",
        "max_attention",
        &["\"1%\"", "\"100%\"", "\"05%\"", "7"],
        &["\"0%\"", "\"101%\"", "\"5\"", "0", "true"],
    ),
    (
        "policy.orders",
        "blackout",
        &["[\"Fri 16:00-24:00\"]", "[]"],
        &["\"Fri\"", "[1]"],
    ),
    ("policy.orders.retry", "jitter", &["0.0", "1.0"], &["1.1", "\"0.2\""]),
    (
        "policy.orders.tls",
        "ca_file",
        &["\"/etc/rekeyd/ca.pem\""],
        &["\"\"", "1"],
    ),
    ("defaults", "fence", &["\"20m\""], &["\"20\"", "20"]),
    ("policy.orders", "paused", &["true"], &["\"yes\"", "1"]),
];

pub fn values() -> Vec<Sample> {
    let of = |table, key, values: &'static [&'static str], is_good| {
        values.iter().map(move |value| Sample {
            table,
            key,
            value,
            is_good,
        })
    };
    let all = VALUES
        .iter()
        .flat_map(|(table, key, good, bad)| of(table, key, good, true).chain(of(table, key, bad, false)));
    all.collect()
}
