//! The status page's tables: policies, and the secrets that were asked for.

use maud::{Markup, html};

use crate::clock::Timestamp;
use crate::engine::control::PolicyStatus;
use crate::rotation::status::{Phase, SecretStatus};
use crate::words::standing::waits;
use crate::words::{Tone, clean};

use super::parts::{badge, machine, maybe, number, outside, outside_within, secret_link, sentence, some, when};
use super::request::{Order, State, Wanted, of_phase};
use super::survey::{Counts, Survey};

/// A reader is lost in more policies; those in trouble are shown first.
const MOST_POLICIES: usize = 50;

/// No more of what a secret waits for is told in its row; its page tells all.
const LONGEST_WAIT: usize = 240;

/// A cell, whose column is named in it where there is no room for a head.
fn cell(column: &'static str, content: &Markup) -> Markup {
    html! { td role="cell" data-column=(column) { div { (content) } } }
}

fn head(columns: &[&'static str]) -> Markup {
    html! {
        thead role="rowgroup" { tr role="row" {
            @for column in columns { th role="columnheader" scope="col" { (column) } }
        } }
    }
}

/// Every policy.
pub(super) fn policies(policies: &[PolicyStatus], survey: &Survey, now: Timestamp) -> Markup {
    let none = Counts::default();
    let counts = |policy: &PolicyStatus| survey.policies.get(&policy.policy).unwrap_or(&none);
    let is_well = |policy: &&PolicyStatus| counts(policy).needs_a_person + counts(policy).overdue == 0;
    let mut shown: Vec<&PolicyStatus> = policies.iter().collect();
    if shown.len() > MOST_POLICIES {
        shown.sort_by_key(is_well);
    }
    let left = shown.len().saturating_sub(MOST_POLICIES);
    shown.truncate(MOST_POLICIES);
    html! {
        section aria-labelledby="policies" {
            h2 id="policies" { "Policies" }
            @if policies.is_empty() { p { "There is none." } } @else {
                table role="table" class="policies" aria-labelledby="policies" {
                    (head(&["Policy", "Schedule", "Secrets", "State", "Next rotation", "Oldest rotation"]))
                    tbody role="rowgroup" {
                        @for policy in shown { (policy_row(policy, counts(policy), now)) }
                    }
                }
                @if left > 0 { p class="far" { (number(left)) " more are not shown; the filter below has all of them." } }
            }
        }
    }
}

fn policy_row(policy: &PolicyStatus, counts: &Counts, now: Timestamp) -> Markup {
    let wanted = Wanted {
        policy: policy.policy.clone(),
        ..Wanted::everything()
    };
    let schedule = html! {
        code { (outside(&policy.schedule)) }
        @if let Some(zone) = &policy.timezone { " " span class="far" { (outside(zone)) } }
    };
    html! {
        tr role="row" {
            th role="rowheader" scope="row" {
                a href=(wanted.link()) { (outside(&policy.policy)) } " "
                span class="far" { (outside(&policy.place)) }
            }
            (cell("Schedule", &schedule))
            (cell("Secrets", &html! { (number(policy.secrets)) }))
            (cell("State", &policy_state(policy, counts)))
            (cell("Next rotation", &maybe(counts.next, now)))
            (cell("Oldest rotation", &maybe(counts.oldest, now)))
        }
    }
}

fn policy_state(policy: &PolicyStatus, counts: &Counts) -> Markup {
    let attention = counts.of(Phase::NeedsAttention);
    let troubles = [
        (Tone::Bad, counts.of(Phase::Halted), "halted"),
        (
            Tone::Bad,
            attention,
            if attention == 1 {
                "needs attention"
            } else {
                "need attention"
            },
        ),
        (Tone::Bad, counts.overdue, "overdue"),
        (Tone::Bad, counts.drifted, "drifted"),
        (Tone::Busy, counts.unproven, "unproven"),
    ];
    let mut troubles = troubles.into_iter().filter(|(_, count, _)| *count > 0).peekable();
    let is_well = troubles.peek().is_none() && !policy.paused && policy.held.is_empty();
    let is_empty = policy.secrets == 0 && troubles.peek().is_none();
    html! {
        @if is_empty { (badge(Tone::Busy, "no secrets")) " " } @else if is_well { (badge(Tone::Good, "well")) " " }
        @for (tone, count, what) in troubles { (badge(tone, &format!("{} {what}", number(count)))) " " }
        @if policy.paused { (badge(Tone::Busy, "paused")) " " }
        @for hold in &policy.held {
            (badge(Tone::Busy, "held")) " " span class="waits" { (outside_within(&hold.detail, LONGEST_WAIT)) }
        }
    }
}

/// The secrets that were asked for, with the form to ask for others.
pub(super) fn secrets(wanted: &Wanted, policies: &[PolicyStatus], survey: &Survey, now: Timestamp) -> Markup {
    html! {
        section aria-labelledby="secrets" {
            h2 id="secrets" { "Secrets" }
            (form(wanted, policies))
            p role="status" class="far" { (extent(wanted, survey)) }
            @if !survey.rows.is_empty() {
                table role="table" class="secrets" aria-labelledby="secrets" {
                    (head(&["Secret", "State", "Last rotation", "Next rotation", "Previous password"]))
                    tbody role="rowgroup" { @for secret in &survey.rows { (row(secret, now)) } }
                }
            }
            (paging(wanted, survey))
        }
    }
}

/// Which secrets are shown of how many.
fn extent(wanted: &Wanted, survey: &Survey) -> Markup {
    let from = (survey.page - 1) * super::request::ROWS;
    let all = || some(survey.all.all, "secret", "secrets");
    html! {
        @if survey.fitting == 0 {
            @if wanted.is_filter() { "None of " (all()) " fits." } @else { "There are no secrets." }
        } @else {
            (number(from + 1)) "–" (number(from + survey.rows.len())) " of " (some(survey.fitting, "secret", "secrets"))
            @if wanted.is_filter() { " that fit" @if survey.fitting == 1 { "s" } ", of " (number(survey.all.all)) " in all" }
        }
        @if wanted.is_filter() { ". " a href="/" { "Show all" } }
    }
}

fn form(wanted: &Wanted, policies: &[PolicyStatus]) -> Markup {
    html! {
        form role="search" aria-label="Secrets" action="/#secrets" method="get" {
            label class="wide" { "Search"
                input type="search" name="q" value=(clean(&wanted.search)) maxlength="512" autocomplete="off"
                    autocapitalize="none" spellcheck="false" placeholder="name, user or reason";
            }
            label { "Policy"
                select name="policy" {
                    option value="" { "any" }
                    @for policy in policies {
                        option value=(policy.policy) selected[policy.policy == wanted.policy] { (clean(&policy.policy)) }
                    }
                }
            }
            label { "State"
                select name="state" {
                    @for state in State::all() {
                        option value=(state.label()) selected[state == wanted.state] { (state.words()) }
                    }
                }
            }
            label { "Order"
                select name="sort" {
                    @for order in Order::ALL {
                        option value=(order.label()) selected[order == wanted.order] { (order.words()) }
                    }
                }
            }
            @if let Some(seconds) = wanted.refresh { input type="hidden" name="refresh" value=(seconds); }
            button type="submit" { "Show" }
        }
    }
}

fn row(secret: &SecretStatus, now: Timestamp) -> Markup {
    let link = secret_link(secret.arn.as_deref().unwrap_or(&secret.secret));
    html! {
        tr role="row" {
            th role="rowheader" scope="row" {
                a href=(link) { (outside(&secret.secret)) } " "
                span class="far" { (outside(&secret.policy)) }
            }
            (cell("State", &html! {
                (badge(tone(secret, now), of_phase(secret.phase))) " "
                (beside(secret, now))
                span class="waits" { (outside_within(&sentence(&waits(secret, now)), LONGEST_WAIT)) }
            }))
            (cell("Last rotation", &maybe(secret.last_rotation_at, now)))
            (cell("Next rotation", &next(secret, now)))
            (cell("Previous password", &previous(secret, now)))
        }
    }
}

/// How bad a phase is: to rest is good, unless something else is wrong.
pub(super) fn tone(secret: &SecretStatus, now: Timestamp) -> Tone {
    match Tone::of_phase(secret.phase) {
        Tone::Plain if secret.drift.is_none() && !secret.is_overdue(now) => Tone::Good,
        tone => tone,
    }
}

/// What else there is to a secret than its phase, a badge each.
pub(super) fn beside(secret: &SecretStatus, now: Timestamp) -> Markup {
    html! {
        @if let Some(cause) = secret.drift { (badge(Tone::Bad, &format!("drift: {}", cause.label().replace('_', " ")))) " " }
        @if secret.is_overdue(now) { (badge(Tone::Bad, "overdue")) " " }
        @if secret.is_unproven() { (badge(Tone::Busy, "unproven")) " " }
    }
}

fn next(secret: &SecretStatus, now: Timestamp) -> Markup {
    html! {
        (maybe(secret.next_rotation_at, now))
        @if secret.requested { " " (badge(Tone::Busy, "asked for")) }
    }
}

/// Whether the password before the current one still logs in, and until when.
fn previous(secret: &SecretStatus, now: Timestamp) -> Markup {
    html! {
        @match (secret.previous_password_valid, secret.overlap_until) {
            (Some(true), Some(until)) => {
                "valid until " (when(until, now))
                @if secret.is_retirement_overdue(now) { " " (badge(Tone::Bad, "overdue")) }
            }
            (Some(true), None) => "still valid",
            (Some(false), _) => { "gone"
                @if let Some(at) = secret.retired_at {
                    " since " time datetime=(machine(at)) { (at.format("%Y-%m-%d").to_string()) }
                }
            }
            (None, _) => span class="far" { "not known" }
        }
    }
}

fn paging(wanted: &Wanted, survey: &Survey) -> Markup {
    let pages = survey.pages();
    let to = |page: usize| Wanted { page, ..wanted.clone() }.link();
    html! {
        @if pages > 1 {
            nav class="pages" aria-label="Pages" {
                @if survey.page > 1 {
                    a href=(to(1)) { "First" } " "
                    a rel="prev" href=(to(survey.page - 1)) { "Previous" } " "
                }
                span aria-current="page" { "Page " (number(survey.page)) " of " (number(pages)) } " "
                @if survey.page < pages {
                    a rel="next" href=(to(survey.page + 1)) { "Next" } " "
                    a href=(to(pages)) { "Last" }
                }
            }
        }
    }
}
