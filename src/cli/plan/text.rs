//! A plan for people: a line for each secret that is fine, a block for each that has something to say, and the totals.

use crate::cli::text::clean;
use crate::preflight::{Checked, Due, DueFor, Moment, Outcome, SecretOutlook, Totals, Verdict};
use crate::rotation::status::Phase;

use super::{PlanReply, StoreSight};

/// How wide text may be; words that are longer, such as ARNs, stand alone on their line.
const WIDTH: usize = 80;

/// Where the words of a block begin.
const INDENT: usize = 12;

/// The whole.
pub(super) fn shown(reply: &PlanReply, colour: bool) -> String {
    let mut text = String::new();
    let (fine, telling): (Vec<_>, Vec<_>) = reply.outlook.secrets.iter().partition(|secret| is_fine(secret));
    for secret in telling {
        text += &block(secret, colour);
        text.push('\n');
    }
    for secret in &fine {
        text += &line(secret, colour);
    }
    if !fine.is_empty() {
        text.push('\n');
    }
    text += &wrapped("", &totals(&reply.outlook.totals), 0);
    text += &wrapped("", &store(&reply.store), 0);
    if reply.outlook.totals.secrets > 0 {
        let told = "Not checked, since no look can try it: whether rekeyd may write (secretsmanager:PutSecretValue and \
                    UpdateSecretVersionStage, elasticache:ModifyUser, and kms:GenerateDataKey on a customer key). `rekeyd \
                    iam-policy` prints all that it needs; what is missing `rekeyd status` names when a rotation meets it.";
        text += &wrapped("", told, 0);
    }
    text
}

/// Whether there is nothing to say of a secret but its date.
fn is_fine(secret: &SecretOutlook) -> bool {
    let rests = matches!(
        secret.verdict,
        Some(Verdict::Rest {
            phase: Phase::Idle | Phase::Overlap,
            detail: None,
            ..
        })
    );
    rests && secret.outcome == Outcome::Ok && !secret.due.due
}

fn line(secret: &SecretOutlook, colour: bool) -> String {
    let name = clean(secret.secret.as_deref().unwrap_or_default());
    let next = secret
        .due
        .next
        .as_ref()
        .map_or_else(String::new, |next| format!(", next {}", moment(next)));
    let overlap = secret.due.overlap_until.as_ref();
    let overlap = overlap.map_or_else(String::new, |until| {
        format!("; both passwords work until {}", moment(until))
    });
    format!("{}  {name}{next}{overlap}\n", paint("ok", Outcome::Ok, colour))
}

fn block(secret: &SecretOutlook, colour: bool) -> String {
    let mut text = heading(secret);
    if secret.arn.is_some() {
        text += &labelled("due", &due(&secret.due));
    }
    if let Some(next) = secret.due.next.as_ref().filter(|_| secret.due.because.is_none()) {
        text += &labelled("next", &moment(next));
    }
    if let Some(until) = &secret.due.overlap_until {
        text += &labelled("overlap", &format!("both passwords work until {}", moment(until)));
    }
    if let Some(verdict) = &secret.verdict {
        text += &labelled("would", &would(verdict, &secret.checks));
    }
    for (number, planned) in secret.steps.iter().enumerate() {
        let told = format!("{}. {}: {}", number + 1, planned.step.label(), planned.does);
        text += &wrapped(&" ".repeat(INDENT), &told, INDENT + 3);
    }
    for checked in secret.checks.iter().filter(|checked| is_told_apart(checked)) {
        text += &found(checked, colour);
    }
    text += &together(&secret.checks, Outcome::Unknown, "unknown", colour);
    text += &unchecked(&secret.checks, colour);
    text += &together(&secret.checks, Outcome::Ok, "ok", colour);
    text
}

fn heading(secret: &SecretOutlook) -> String {
    let policy = &secret.policy;
    match (&secret.secret, &secret.user_id) {
        (Some(name), Some(user)) => format!("{} (policy {policy}, user {user})\n", clean(name)),
        (Some(name), None) => format!("{} (policy {policy})\n", clean(name)),
        (None, _) => format!("everything that policy {policy} selects\n"),
    }
}

fn due(due: &Due) -> String {
    let missed = match due.missed_windows {
        0 => String::new(),
        1 => "; 1 window was missed".to_owned(),
        windows => format!("; {windows} windows were missed"),
    };
    let why = match due.because {
        None => "no".to_owned(),
        Some(DueFor::Schedule) => {
            let since = due
                .since
                .as_ref()
                .map_or_else(String::new, |since| format!(" since {}", moment(since)));
            format!("by its schedule{since}")
        }
        Some(DueFor::Requested) => "because it was asked for".to_owned(),
        Some(DueFor::FirstPassword) => "at once: it has no password yet".to_owned(),
        Some(DueFor::UnderWay) => "a rotation or a retirement is under way".to_owned(),
        Some(DueFor::Change) => "not for a rotation, but something is to be done".to_owned(),
    };
    why + &missed
}

/// What the daemon would do. What a check tells in words anyway is not told here.
fn would(verdict: &Verdict, checks: &[Checked]) -> String {
    let is_told = checks
        .iter()
        .any(|checked| checked.outcome == Outcome::Refused || checked.reason.is_some());
    let about = |reason: &str, detail: &str| match is_told {
        true => format!("({reason})"),
        false => format!("({reason}): {detail}"),
    };
    match verdict {
        Verdict::Act { step } => format!("begin with {step} now"),
        Verdict::Wait { reason, detail } => format!("wait {}", about(reason, detail)),
        Verdict::Halt { reason, detail } => format!("halt {}", about(reason, detail)),
        Verdict::Retry { reason, detail } => format!("try again until it can look {}", about(reason, detail)),
        Verdict::Rest { phase, detail, .. } => {
            let stands = match phase {
                Phase::Paused => "do nothing while it is paused",
                Phase::Overlap => "rest in the overlap",
                Phase::Due => "wait",
                _ => "rest",
            };
            let detail = detail.as_ref().map_or_else(String::new, |detail| format!(": {detail}"));
            format!("{stands}{detail}")
        }
    }
}

fn is_told_apart(checked: &Checked) -> bool {
    match checked.outcome {
        Outcome::Refused | Outcome::Warning => true,
        Outcome::Unknown => checked.reason.is_some(),
        Outcome::Ok | Outcome::NotChecked => false,
    }
}

fn found(checked: &Checked, colour: bool) -> String {
    let reason = checked
        .reason
        .as_ref()
        .map_or_else(String::new, |reason| format!(" ({reason})"));
    let told = format!("{}{reason}: {}", checked.check.label(), checked.found);
    let mut text = toned(checked.outcome.label(), checked.outcome, &told, colour);
    if let Some(advice) = &checked.advice {
        text += &wrapped(&format!("{}-> ", " ".repeat(INDENT)), advice, INDENT + 3);
    }
    text
}

/// The checks that need no words of their own, in one line.
fn together(checks: &[Checked], outcome: Outcome, label: &str, colour: bool) -> String {
    let such = checks
        .iter()
        .filter(|checked| checked.outcome == outcome && !is_told_apart(checked));
    let names: Vec<&str> = such.map(|checked| checked.check.label()).collect();
    match names.is_empty() {
        true => String::new(),
        false => toned(label, outcome, &names.join(", "), colour),
    }
}

/// The checks that had nothing to be made on, and why.
fn unchecked(checks: &[Checked], colour: bool) -> String {
    let mut by_why: Vec<(&str, Vec<&str>)> = Vec::new();
    for checked in checks.iter().filter(|checked| checked.outcome == Outcome::NotChecked) {
        match by_why.iter_mut().find(|(why, _)| *why == checked.found) {
            Some((_, labels)) => labels.push(checked.check.label()),
            None => by_why.push((&checked.found, vec![checked.check.label()])),
        }
    }
    let lines = by_why.into_iter().map(|(why, labels)| {
        toned(
            "unchecked",
            Outcome::NotChecked,
            &format!("{}: {why}", labels.join(", ")),
            colour,
        )
    });
    lines.collect()
}

fn moment(moment: &Moment) -> String {
    let utc = moment.utc.format("%a %Y-%m-%d %H:%M UTC").to_string();
    match moment.local == utc {
        true => utc,
        false => format!("{} = {utc}", moment.local),
    }
}

fn totals(totals: &Totals) -> String {
    let Totals {
        secrets,
        due,
        ok,
        warning,
        unknown,
        refused,
        not_looked_at,
    } = totals;
    let blind = match not_looked_at {
        0 => String::new(),
        blind => format!(" {blind} could not be looked at, or not whole."),
    };
    let secrets = match secrets {
        0 => return "No secret: the policies select none.".to_owned(),
        1 => "1 secret".to_owned(),
        secrets => format!("{secrets} secrets"),
    };
    format!(
        "{secrets}: {due} due; {ok} in order, {warning} with a warning, {unknown} unknown, {refused} refused.{blind}"
    )
}

fn store(store: &StoreSight) -> String {
    match &store.problem {
        None => format!("Store {}: read.", store.location),
        Some(problem) => format!(
            "Store {}: not read: {problem}. So this is what a daemon with a new store would do; requests, pauses and halts \
             are not known.",
            store.location
        ),
    }
}

fn labelled(label: &str, words: &str) -> String {
    wrapped(&format!("  {label:10}"), words, INDENT)
}

fn toned(label: &str, outcome: Outcome, words: &str, colour: bool) -> String {
    let plain = labelled(label, words);
    plain.replacen(label, &paint(label, outcome, colour), 1)
}

fn paint(label: &str, outcome: Outcome, colour: bool) -> String {
    let code = match outcome {
        Outcome::Ok => 32,
        Outcome::Warning | Outcome::Unknown | Outcome::NotChecked => 33,
        Outcome::Refused => 31,
    };
    match colour {
        true => format!("\u{1b}[{code}m{label}\u{1b}[0m"),
        false => label.to_owned(),
    }
}

/// Words after `begin`, in lines that fit, the later ones indented so far.
fn wrapped(begin: &str, words: &str, indent: usize) -> String {
    let mut text = begin.to_owned();
    let mut width = begin.chars().count();
    let mut at_beginning = true;
    for word in clean(words).split_whitespace() {
        let length = word.chars().count();
        if !at_beginning && width + 1 + length > WIDTH {
            text.push('\n');
            text += &" ".repeat(indent);
            width = indent;
            at_beginning = true;
        }
        if !at_beginning {
            text.push(' ');
            width += 1;
        }
        text += word;
        width += length;
        at_beginning = false;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_the_later_ones_are_indented() {
        let words = "one after the other ".repeat(20);
        let text = labelled("due", &words);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() > 4);
        assert!(lines[0].starts_with("  due       one after"));
        for line in &lines {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(lines[1..].iter().all(|line| line.starts_with(&" ".repeat(INDENT))));
        assert_eq!(wrapped("> ", &"x".repeat(100), 4), format!("> {}\n", "x".repeat(100)));
    }

    #[test]
    fn colour_paints_the_outcome_and_moves_nothing() {
        let plain = toned("refused", Outcome::Refused, "refused by a node", false);
        let painted = toned("refused", Outcome::Refused, "refused by a node", true);
        assert_eq!(plain, "  refused   refused by a node\n");
        assert_eq!(painted, "  \u{1b}[31mrefused\u{1b}[0m   refused by a node\n");
    }

    #[test]
    fn what_aws_worded_does_not_steer_the_terminal() {
        assert_eq!(wrapped("", "a\u{1b}[2Jb", 0), "a [2Jb\n");
    }
}
