//! The status page: one plain HTML document, without scripts.

use std::fmt::Write;

use crate::clock::Timestamp;
use crate::engine::control::{PolicyStatus, Readiness};
use crate::rotation::status::SecretStatus;

/// A browser has trouble with more rows, and a reader too.
const MOST_ROWS: usize = 1_000;

const HEAD: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><title>rekeyd</title><style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color:#222;background:#fff}
table{border-collapse:collapse;margin-bottom:2rem}
th,td{text-align:left;padding:.2rem 1rem .2rem 0;border-bottom:1px solid #ddd;vertical-align:top}
.halted,.needs_attention{color:#a40000;font-weight:600}
</style></head><body><h1>rekeyd</h1>
";

/// The page.
pub(super) fn render(readiness: &Readiness, policies: &[PolicyStatus], secrets: &[SecretStatus]) -> String {
    let mut page = String::from(HEAD);
    match readiness.ready {
        true => page.push_str("<p>Ready.</p>\n"),
        false => push(
            &mut page,
            format_args!(
                "<p class=\"halted\">Not ready: {}</p>\n",
                escape(&readiness.problems.join("; "))
            ),
        ),
    }
    let header = ["Policy", "Place", "Schedule", "Secrets", "Paused", "Held"];
    table(&mut page, "Policies", &header, policies, |policy, page| {
        let paused = if policy.paused { "yes" } else { "" };
        let count = policy.secrets.to_string();
        let zone = policy.timezone.iter().map(|zone| format!(" ({zone})"));
        let schedule = zone.fold(policy.schedule.clone(), |schedule, zone| schedule + &zone);
        let held: Vec<&str> = policy.held.iter().map(|hold| hold.detail.as_str()).collect();
        cells(
            page,
            "",
            &[
                &policy.policy,
                &policy.place,
                &schedule,
                &count,
                paused,
                &held.join("; "),
            ],
        );
    });
    let header = ["Secret", "Policy", "Phase", "Proof", "Last rotation", "Next", "Detail"];
    table(&mut page, "Secrets", &header, secrets, |secret, page| {
        let proof = secret.proof.map_or("", |proof| proof.label());
        let (last, next) = (time(secret.last_rotation_at), time(secret.next_rotation_at));
        let detail = secret.detail.as_deref().unwrap_or_default();
        let phase = secret.phase.label();
        cells(
            page,
            phase,
            &[&secret.secret, &secret.policy, phase, proof, &last, &next, detail],
        );
    });
    page.push_str("</body></html>\n");
    page
}

fn table<T>(page: &mut String, title: &str, header: &[&str], rows: &[T], row: impl Fn(&T, &mut String)) {
    push(page, format_args!("<h2>{title}</h2>\n<table><tr>"));
    for name in header {
        push(page, format_args!("<th>{name}</th>"));
    }
    page.push_str("</tr>\n");
    rows.iter().take(MOST_ROWS).for_each(|each| row(each, page));
    page.push_str("</table>\n");
    if rows.len() > MOST_ROWS {
        let more = rows.len() - MOST_ROWS;
        push(
            page,
            format_args!("<p>{more} more are not shown; <code>rekeyd status</code> lists all.</p>\n"),
        );
    }
}

fn cells(page: &mut String, class: &str, texts: &[&str]) {
    push(page, format_args!("<tr class=\"{class}\">"));
    for text in texts {
        push(page, format_args!("<td>{}</td>", escape(text)));
    }
    page.push_str("</tr>\n");
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    page.write_fmt(text).unwrap_or_default();
}

fn time(at: Option<Timestamp>) -> String {
    at.map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M:%SZ").to_string())
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
