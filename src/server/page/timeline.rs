//! A picture of an episode: a bar for each step, in the order in which they began.

use maud::{Markup, html};

use crate::clock::{Timestamp, between};
use crate::history::episode::{Episode, Kind, Outcome, Stage};
use crate::rotation::step::Step;
use crate::words::time::{exact_span, moment};

/// Between the tops of two bars, in pixels.
const ROW: u32 = 36;

/// How tall a bar is, in pixels.
const BAR: u32 = 10;

/// The narrowest bar that can be seen, in percent of the picture.
const NARROWEST: f64 = 0.8;

/// A step as it is drawn.
struct Bar {
    name: &'static str,
    class: &'static str,
    from: Timestamp,
    /// Nothing if it is not over.
    until: Option<Timestamp>,
    waits: Vec<(Timestamp, Option<Timestamp>)>,
}

/// Steps that share a scale: beside an overlap of a day nothing else could be seen.
struct Part {
    from: Timestamp,
    until: Timestamp,
    bars: Vec<Bar>,
}

impl Part {
    fn of(bars: Vec<Bar>, now: Timestamp) -> Option<Self> {
        let from = bars.iter().map(|bar| bar.from).min()?;
        let until = bars.iter().map(|bar| bar.until.unwrap_or(now)).max()?;
        Some(Self { from, until, bars })
    }

    /// Where a span begins and how wide it is, in percent.
    fn place(&self, from: Timestamp, until: Timestamp) -> (f64, f64) {
        let whole = between(self.from, self.until).as_secs_f64().max(0.001);
        let share = |at: Timestamp| (100.0 * between(self.from, at).as_secs_f64() / whole).clamp(0.0, 100.0);
        let begin = share(from).min(100.0 - NARROWEST);
        let width = (share(until) - begin).max(NARROWEST);
        (begin, width)
    }
}

/// The picture; nothing if no step of it is in the history. `number` tells several on one page apart, and `overlaps` is the
/// version whose predecessor still logs in, if any: a first password has none, and no retirement follows it.
pub(super) fn timeline(episode: &Episode, number: usize, overlaps: Option<&str>, now: Timestamp) -> Option<Markup> {
    let (steps, after) = bars(episode, overlaps);
    let parts: Vec<Part> = [steps, after]
        .into_iter()
        .filter_map(|bars| Part::of(bars, now))
        .collect();
    let first = parts.first()?;
    let rows: usize = parts.iter().map(|part| part.bars.len()).sum();
    let height = u32::try_from(rows).ok()?.saturating_mul(ROW) + 4;
    let (title, told) = (format!("timeline-{number}"), format!("timeline-{number}-steps"));
    let described: Vec<String> = parts
        .iter()
        .flat_map(|part| &part.bars)
        .map(|bar| described(bar, now))
        .collect();
    let waited = parts
        .iter()
        .flat_map(|part| &part.bars)
        .any(|bar| !bar.waits.is_empty());
    Some(html! {
        figure {
            svg role="img" aria-labelledby=(title) aria-describedby=(told) width="100%" height=(height) {
                title id=(title) { "Steps of the " (kind(episode.kind)) " that began at " (moment(first.from)) }
                desc id=(told) { (described.join("; ")) }
                @for (row, (part, bar)) in parts.iter().flat_map(|part| part.bars.iter().map(move |bar| (part, bar))).enumerate() {
                    (drawn(part, bar, row, now))
                }
            }
            figcaption {
                (scale(first, now))
                @if let Some(after) = parts.get(1) { " After that: " (scale(after, now)) }
                @if waited { " Hollow: waiting." }
            }
        }
    })
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Rotation => "rotation",
        Kind::Repair => "repair",
        Kind::Rollback => "rollback",
    }
}

fn scale(part: &Part, now: Timestamp) -> String {
    let whole = exact_span(between(part.from, part.until).as_secs_f64());
    let open = part.bars.iter().any(|bar| bar.until.is_none());
    let so_far = if open && part.until == now { " so far" } else { "" };
    format!("{whole}{so_far} from {}.", moment(part.from))
}

/// The steps of an episode, and what followed it.
fn bars(episode: &Episode, overlaps: Option<&str>) -> (Vec<Bar>, Vec<Bar>) {
    let (retirement, steps): (Vec<&Stage>, Vec<&Stage>) =
        episode.steps.iter().partition(|stage| stage.step == Step::Retire);
    let mut after: Vec<Bar> = Vec::new();
    let overlapped = !retirement.is_empty() || overlaps == Some(&episode.version);
    if let (Outcome::Promoted, true, Some(promoted)) = (episode.result, overlapped, episode.ended_at) {
        after.push(Bar {
            name: "overlap: both passwords log in",
            class: "overlap",
            from: promoted,
            until: retirement.first().map(|stage| stage.began_at),
            waits: Vec::new(),
        });
    }
    after.extend(retirement.into_iter().map(bar));
    (steps.into_iter().map(bar).collect(), after)
}

fn bar(stage: &Stage) -> Bar {
    let (name, class) = named(stage.step);
    Bar {
        name,
        class,
        from: stage.began_at,
        until: stage.ended_at,
        waits: stage.waits.clone(),
    }
}

fn named(step: Step) -> (&'static str, &'static str) {
    match step {
        Step::Observe => ("look", "step"),
        Step::CreateSecret => ("create: the new password is written", "step"),
        Step::SetSecret => ("set: ElastiCache takes it", "step"),
        Step::TestSecret => ("test: every node accepts it", "step"),
        Step::FinishSecret => ("finish: AWSCURRENT moves", "step"),
        Step::Retire => ("retire: the previous one is removed", "retire"),
        Step::Abandon => ("abandon: it is given up", "retire"),
        Step::Repair => ("repair: the user gets it again", "step"),
        Step::Rollback => ("rollback: AWSCURRENT moves back", "step"),
    }
}

/// How long a step took, and how much of that it waited.
fn took(bar: &Bar, now: Timestamp) -> String {
    let seconds = |from: Timestamp, until: Option<Timestamp>| between(from, until.unwrap_or(now)).as_secs_f64();
    let waited: f64 = bar.waits.iter().map(|(from, until)| seconds(*from, *until)).sum();
    let whole = exact_span(seconds(bar.from, bar.until));
    let open = if bar.until.is_none() { " so far" } else { "" };
    match waited > 0.05 {
        true => format!("{whole}{open}, {} waiting", exact_span(waited)),
        false => format!("{whole}{open}"),
    }
}

fn described(bar: &Bar, now: Timestamp) -> String {
    format!("{}: {}", bar.name, took(bar, now))
}

fn drawn(part: &Part, bar: &Bar, row: usize, now: Timestamp) -> Markup {
    let top = u32::try_from(row).unwrap_or_default().saturating_mul(ROW);
    let (name, _) = bar.name.split_once(": ").unwrap_or((bar.name, ""));
    let place = |from: Timestamp, until: Option<Timestamp>| part.place(from, until.unwrap_or(now));
    let (x, width) = place(bar.from, bar.until);
    html! {
        text x="0" y=(top + 14) { (name) }
        text x="100%" y=(top + 14) text-anchor="end" { (took(bar, now)) }
        rect class="track" x="0" y=(top + 20) width="100%" height=(BAR) rx="3" {}
        rect class=(bar.class) x={ (percent(x)) } y=(top + 20) width={ (percent(width)) } height=(BAR) rx="3" {}
        @for (from, until) in &bar.waits {
            @let (x, width) = place(*from, *until);
            rect class="wait" x={ (percent(x)) } y=(top + 22) width={ (percent(width)) } height=(BAR - 4) {}
        }
    }
}

fn percent(share: f64) -> String {
    format!("{share:.2}%")
}
