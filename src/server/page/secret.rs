//! The page of one secret: where it stands, all that is known of it, and its history.

use maud::{Markup, html};

use crate::clock::Timestamp;
use crate::history::words::{Telling, of_episode, of_event};
use crate::history::{Told, gather};
use crate::rotation::event::Event;
use crate::rotation::reason::{AttentionReason, HaltReason, WaitReason};
use crate::rotation::status::{Phase, SecretStatus};
use crate::store::HistoryEntry;
use crate::words::Tone;
use crate::words::facts::{Fact, facts};
use crate::words::standing::waits;
use crate::words::time::moment;

use super::listing::{beside, tone};
use super::parts::{capitalised, class, machine, mark, number, outside, secret_link, sentence, when};
use super::request::{Wanted, of_phase};
use super::runbook::runbook;
use super::timeline::timeline;

/// How much of the history is read: as much as the store keeps of a secret.
pub(super) const EVENTS: usize = 500;

/// How much of it is told; `rekeyd history` tells all.
const MOST_TOLD: usize = 30;

/// How many episodes have a picture.
const MOST_PICTURES: usize = 5;

/// What is said at the top, and not again among the facts.
const SAID_ABOVE: [&str; 5] = ["secret", "phase", "since", "waits", "waits for"];

/// The page of a secret that is shown under each of its policies.
pub(super) fn secret(shown: &[SecretStatus], history: &Result<Vec<HistoryEntry>, String>, now: Timestamp) -> Markup {
    html! {
        nav aria-label="Way back" { a href="/" { "All secrets" } }
        h1 class="name" { (outside(shown.first().map(|secret| secret.secret.as_str()).unwrap_or_default())) }
        @for (index, secret) in shown.iter().enumerate() {
            (standing(secret, index, shown.len() > 1, now))
        }
        section aria-labelledby="history" {
            h2 id="history" { "History" }
            @match history {
                Ok(events) => (told(events, overlaps(shown), now)),
                Err(why) => p { "It cannot be told: " (outside(why)) }
            }
        }
    }
}

fn standing(secret: &SecretStatus, index: usize, several: bool, now: Timestamp) -> Markup {
    let tone = match secret.needs_a_person() {
        true => Tone::Bad,
        false => tone(secret, now),
    };
    let policy = Wanted {
        policy: secret.policy.clone(),
        ..Wanted::everything()
    };
    let id = format!("state-{index}");
    html! {
        section class={ "verdict " (class(tone)) } aria-labelledby=(id) {
            h2 id=(id) {
                span class="mark" aria-hidden="true" { (mark(tone)) } " " (capitalised(of_phase(secret.phase)))
                @if several { " under policy " (outside(&secret.policy)) }
            }
            p { @if let Some(since) = secret.since { "Since " (when(since, now)) " " } (beside(secret, now)) }
            @if let Some(meaning) = meaning(secret) { p class="meaning" { (meaning) } }
            p { (outside(&sentence(&waits(secret, now)))) }
            @if let Some(page) = runbook(secret) {
                p { "What to do: " code { (page) } " among rekeyd's documents." }
            }
        }
        section aria-labelledby={ "facts-" (index) } {
            h2 id={ "facts-" (index) } { "Details" }
            dl class="facts" {
                @for (name, fact) in facts(secret, now).iter().filter(|(name, _)| !SAID_ABOVE.contains(name)) {
                    div class=[(*name == "arn").then_some("long")] { dt { (name) } dd {
                        @match fact {
                            Fact::At(at) => (when(*at, now)),
                            Fact::Text(text) if *name == "policy" => a href=(policy.link()) { (outside(text)) },
                            Fact::Text(text) => (outside(text)),
                        }
                    } }
                }
            }
        }
    }
}

/// What the label of a reason means.
fn meaning(secret: &SecretStatus) -> Option<&'static str> {
    let label = secret.reason.as_deref()?;
    // Some labels are in several sets.
    let meaning = match secret.phase {
        Phase::Halted => HaltReason::ALL.iter().find(|reason| reason.label() == label)?.meaning(),
        Phase::NeedsAttention => {
            let reason = AttentionReason::ALL.iter().find(|reason| reason.label() == label)?;
            reason.meaning()
        }
        _ => WaitReason::ALL.iter().find(|reason| reason.label() == label)?.meaning(),
    };
    // The detail begins with it, as a rule.
    let said = secret.detail.as_deref().is_some_and(|detail| detail.contains(meaning));
    (!said).then_some(meaning)
}

/// Something that is told, with how often the same was seen before it without anything in between.
struct Item<'a> {
    told: &'a Told,
    again: usize,
}

/// Proofs that follow each other are one item: they are made every few hours.
fn items(told: &[Told]) -> Vec<Item<'_>> {
    let is_check = |told: &Told| matches!(told, Told::Event(entry) if matches!(entry.event, Event::Checked { .. }));
    let same = |a: &Told, b: &Told| match (a, b) {
        (Told::Event(a), Told::Event(b)) => a.event == b.event,
        _ => false,
    };
    let mut items: Vec<Item<'_>> = Vec::new();
    for told in told {
        match items.last_mut().filter(|last| is_check(told) && same(last.told, told)) {
            Some(last) => last.again += 1,
            None => items.push(Item { told, again: 0 }),
        }
    }
    items
}

/// The version whose predecessor still logs in.
fn overlaps(shown: &[SecretStatus]) -> Option<&str> {
    let secret = shown.first()?;
    let current = secret.current_version.as_deref();
    current.filter(|_| secret.previous_password_valid == Some(true))
}

fn told(events: &[HistoryEntry], overlaps: Option<&str>, now: Timestamp) -> Markup {
    let told = gather(events);
    let items = items(&told);
    let mut pictures = 0;
    html! {
        @if items.is_empty() { p { "Nothing has happened yet." } }
        ol class="history" {
            @for item in items.iter().take(MOST_TOLD) {
                @match item.told {
                    Told::Episode(episode) => li class="episode" {
                        div { (telling(&of_episode(episode), 0, now)) }
                        @if pictures < MOST_PICTURES {
                            @if let Some(picture) = timeline(episode, { pictures += 1; pictures }, overlaps, now) { (picture) }
                        }
                    },
                    Told::Event(entry) => @if let Ok(event) = of_event(entry) {
                        li { (telling(&event, item.again, now)) }
                    },
                }
            }
        }
        @if items.len() > MOST_TOLD {
            p class="far" { "There is more: " code { "rekeyd history" } " tells all of it." }
        }
    }
}

fn telling(telling: &Telling, again: usize, now: Timestamp) -> Markup {
    html! {
        h3 class=(class(telling.tone)) {
            span aria-hidden="true" { (mark(telling.tone)) } " " (outside(&capitalised(&telling.verdict)))
        }
        p class="far" {
            @match telling.at {
                Some(at) => {
                    time datetime=(machine(at)) { (moment(at)) } " (" (crate::words::time::distance(at, now)) ")"
                }
                None => "earlier than this history tells",
            }
            @if again > 0 { ", and " (number(again)) " times before" }
        }
        @if !telling.lines.is_empty() {
            dl class="lines" {
                @for (name, what) in &telling.lines { div { dt { (name) } dd { (outside(what)) } } }
            }
        }
    }
}

/// What is asked when several secrets have the name.
pub(super) fn several(name: &str, found: &[SecretStatus]) -> Markup {
    html! {
        h1 { (number(found.len())) " secrets are called " (outside(name)) }
        ul {
            @for secret in found {
                li {
                    a href=(secret_link(secret.arn.as_deref().unwrap_or(&secret.secret))) {
                        (outside(secret.arn.as_deref().unwrap_or(&secret.secret)))
                    }
                    " in policy " (outside(&secret.policy)) ", place " (outside(&secret.place))
                }
            }
        }
    }
}
