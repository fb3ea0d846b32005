//! The answer to the question that everybody has: are the passwords fresh?

use maud::{Markup, html};

use crate::engine::control::{PolicyStatus, Readiness};
use crate::rotation::status::{Phase, SecretStatus};
use crate::server::configuration::ConfigurationStatus;
use crate::words::Tone;

use super::parts::{class, mark, number, outside, outside_within, secret_link, some, within};
use super::request::{State, Wanted, of_phase};
use super::survey::{Counts, Survey};

/// No more problems are told of one thing; there is a command for the rest.
const MOST_TOLD: usize = 5;

/// No more of each is told.
const LONGEST: usize = 300;

/// Something that somebody should know.
struct Concern {
    tone: Tone,
    sentence: String,
    more: Vec<Markup>,
}

impl Concern {
    fn new(tone: Tone, sentence: impl Into<String>) -> Self {
        Self {
            tone,
            sentence: sentence.into(),
            more: Vec::new(),
        }
    }

    fn with(mut self, texts: &[String]) -> Self {
        if let [only] = texts {
            self.sentence += ": ";
            self.sentence += &within(only, LONGEST);
            return self;
        }
        let told = texts.iter().take(MOST_TOLD);
        self.more.extend(told.map(|text| outside_within(text, LONGEST)));
        if texts.len() > MOST_TOLD {
            let left = number(texts.len() - MOST_TOLD);
            self.more.push(html! { (left) " more" });
        }
        self
    }
}

/// The answer in one sentence, with what else is to be said, and what is counted.
pub(super) fn verdict(
    readiness: &Readiness,
    configuration: &ConfigurationStatus,
    policies: &[PolicyStatus],
    survey: &Survey,
) -> Markup {
    let mut concerns = concerns(readiness, configuration, policies, survey);
    // What is bad comes first; the order is kept otherwise.
    concerns.sort_by_key(|concern| match concern.tone {
        Tone::Bad => 0,
        Tone::Busy => 1,
        Tone::Good | Tone::Plain => 2,
    });
    let mut concerns = concerns.into_iter();
    let first = concerns
        .next()
        .unwrap_or_else(|| Concern::new(Tone::Good, fresh(survey.all.all)));
    html! {
        section class={ "verdict " (class(first.tone)) } aria-labelledby="verdict" {
            h1 id="verdict" { span class="mark" aria-hidden="true" { (mark(first.tone)) } " " (outside(&first.sentence)) }
            (list(&first.more))
            @for concern in concerns {
                p class={ "concern " (class(concern.tone)) } {
                    span aria-hidden="true" { (mark(concern.tone)) } " " (outside(&concern.sentence))
                }
                (list(&concern.more))
            }
            (counted(&survey.all))
        }
    }
}

fn list(items: &[Markup]) -> Markup {
    html! {
        @if !items.is_empty() {
            ul class="more" { @for item in items { li { (item) } } }
        }
    }
}

/// What is said when nothing is wrong.
fn fresh(secrets: usize) -> String {
    match secrets {
        1 => "The only password is fresh".to_owned(),
        secrets => format!("All {} passwords are fresh", number(secrets)),
    }
}

fn concerns(
    readiness: &Readiness,
    configuration: &ConfigurationStatus,
    policies: &[PolicyStatus],
    survey: &Survey,
) -> Vec<Concern> {
    let all = &survey.all;
    let mut concerns = Vec::new();
    if !readiness.ready {
        concerns.push(Concern::new(Tone::Bad, "rekeyd is not ready").with(&readiness.problems));
    }
    concerns.extend(trouble(survey));
    concerns.extend(refused(configuration));
    let mut count = |tone: Tone, count: usize, one: &str, many: &str| {
        if count > 0 {
            concerns.push(Concern::new(tone, some(count, one, many)));
        }
    };
    count(Tone::Bad, all.overdue, "password is overdue", "passwords are overdue");
    count(
        Tone::Bad,
        all.retirement_overdue,
        "previous password should be gone by now, and still logs in",
        "previous passwords should be gone by now, and still log in",
    );
    count(
        Tone::Busy,
        all.of(Phase::Starting),
        "secret was not looked at yet since the start",
        "secrets were not looked at yet since the start",
    );
    if all.all == 0 {
        concerns.push(Concern::new(Tone::Busy, "No policy covers a secret"));
    }
    concerns.extend(paused(all, policies));
    for policy in policies.iter().filter(|policy| !policy.held.is_empty()) {
        let why: Vec<String> = policy.held.iter().map(|hold| hold.detail.clone()).collect();
        let sentence = format!("Policy {} starts nothing new", policy.policy);
        concerns.push(Concern::new(Tone::Busy, sentence).with(&why));
    }
    let restart = configuration.needs_restart.iter();
    let restart: Vec<String> = restart
        .map(|key| {
            format!(
                "{}: {} is in force, {} is configured",
                key.key, key.running, key.configured
            )
        })
        .collect();
    if !restart.is_empty() {
        concerns.push(Concern::new(Tone::Busy, "The configuration has changes that take a restart").with(&restart));
    }
    concerns
}

/// Who needs a person, the worst of them by name.
fn trouble(survey: &Survey) -> Option<Concern> {
    let needs = survey.all.needs_a_person;
    let of = match survey.all.all {
        1 => "The only password needs a person".to_owned(),
        all => format!("{} of {} passwords", number(needs), number(all)),
    };
    let sentence = match (survey.all.all, needs) {
        (_, 0) => return None,
        (1, _) => of,
        (_, 1) => of + " needs a person",
        _ => of + " need a person",
    };
    let mut concern = Concern::new(Tone::Bad, sentence);
    concern.more.extend(survey.worst.iter().map(named));
    if needs > survey.worst.len() {
        let wanted = Wanted {
            state: State::NeedsAPerson,
            ..Wanted::everything()
        };
        concern.more.push(html! {
            a href=(wanted.link()) { "All " (number(needs)) " that need a person" }
        });
    }
    Some(concern)
}

fn named(secret: &SecretStatus) -> Markup {
    let label = secret.arn.as_deref().unwrap_or(&secret.secret);
    let drift = secret.drift.map(|cause| cause.label().to_owned());
    let why = secret.reason.clone().or(drift).unwrap_or_default().replace('_', " ");
    html! {
        a href=(secret_link(label)) { (outside(&secret.secret)) } " "
        (of_phase(secret.phase)) @if !why.is_empty() { ": " (outside(&why)) }
    }
}

fn refused(configuration: &ConfigurationStatus) -> Option<Concern> {
    let failed = configuration.last_reload_failed.as_ref()?;
    let problems: Vec<String> = failed
        .problems
        .iter()
        .map(|problem| format!("{}: {}", problem.place, problem.message))
        .collect();
    let sentence = format!(
        "The configuration of {} was refused, and that of {} stays in force",
        failed.at.format("%Y-%m-%d %H:%MZ"),
        configuration.loaded_at.format("%Y-%m-%d %H:%MZ")
    );
    Some(Concern::new(Tone::Bad, sentence).with(&problems))
}

/// What an operator or the configuration has paused.
fn paused(all: &Counts, policies: &[PolicyStatus]) -> Option<Concern> {
    let paused: Vec<String> = policies
        .iter()
        .filter(|policy| policy.paused)
        .map(|policy| policy.policy.clone())
        .collect();
    if !policies.is_empty() && paused.len() == policies.len() {
        return Some(Concern::new(Tone::Busy, "Rotation is paused by the configuration"));
    }
    let secrets = all.of(Phase::Paused);
    let sentence = match secrets {
        0 if paused.is_empty() => return None,
        0 => format!("{} paused", some(paused.len(), "policy is", "policies are")),
        all_of_them if all_of_them == all.all => {
            "Every password is paused: nothing rotates until it is resumed".to_owned()
        }
        some_of_them => format!(
            "{} paused: not rotated until resumed",
            some(some_of_them, "password is", "passwords are")
        ),
    };
    Some(Concern::new(Tone::Busy, sentence).with(&paused))
}

/// How many secrets stand how, each a way to those.
fn counted(all: &Counts) -> Markup {
    let count = |state: State| match state {
        State::Any => all.all,
        State::NeedsAPerson => all.needs_a_person,
        State::Overdue => all.overdue,
        State::Drifted => all.drifted,
        State::Unproven => all.unproven,
        State::In(phase) => all.of(phase),
    };
    let tone = |state: State| match state {
        State::Any => Tone::Plain,
        State::NeedsAPerson | State::Overdue | State::Drifted => Tone::Bad,
        State::Unproven => Tone::Busy,
        State::In(phase) => Tone::of_phase(phase),
    };
    html! {
        ul class="counts" aria-label="Secrets by state" {
            @for state in State::all().filter(|state| *state == State::Any || count(*state) > 0) {
                @let wanted = Wanted { state, ..Wanted::everything() };
                li { a href=(wanted.link()) class=(class(tone(state))) {
                    strong { (number(count(state))) } " "
                    @if state == State::Any { "in all" } @else { (state.counted(count(state))) }
                } }
            }
        }
    }
}
