//! Which secret, and which rotation of it, a line of the log is about.
//!
//! A rotation that waits is a row in a queue and no task, so no span can last as long as it does. Each of its turns is in a
//! span of its own instead, and all of them say the same: the version's id is computed, so that it is the same after a
//! restart and on every replica. What is written beside the engine's own lines, by the SDK for example, is in them too.
//!
//! They are errors, as far as levels go: a line tells of its secret whichever level is asked for.

use tracing::{Span, error_span};

use crate::rotation::event::Event;
use crate::rotation::plan::{Action, Decision};
use crate::rotation::state::Record;
use crate::rotation::step::Step;
use crate::rotation::version::generation_of;

/// What is written about a secret.
pub(super) fn of_secret(secret: &str, policy: &str) -> Span {
    error_span!("secret", secret, policy)
}

/// The same, unless this is written within such a span anyway.
pub(super) fn of_secret_if_none(secret: &str, policy: &str) -> Span {
    let around = Span::current();
    match around.metadata() {
        Some(metadata) if metadata.target() == module_path!() => Span::none(),
        _ => of_secret(secret, policy),
    }
}

/// What is written while a decision is carried out, beside the secret: which rotation, and which step of it.
pub(super) fn of_decision(record: &Record, decision: &Decision) -> Span {
    let step = match decision {
        Decision::Act(action) => Some(action.step()),
        Decision::Look(_) => Some(Step::Observe),
        _ => None,
    };
    of(record, begun_by(decision).or_else(|| under_way(record)), step)
}

/// What is written while a secret is looked at, or while it is concluded what that means.
pub(super) fn of_record(record: Option<&Record>, step: Option<Step>) -> Span {
    record.map_or_else(Span::none, |record| of(record, under_way(record), step))
}

/// A rotation, until its previous password is gone.
struct Under<'a> {
    version: &'a str,
    parent: &'a str,
    /// Which try it is, if that need not be found out.
    generation: Option<u32>,
}

fn of(record: &Record, rotation: Option<Under<'_>>, step: Option<Step>) -> Span {
    let step = step.map(Step::label);
    match rotation {
        Some(under) => {
            let of_ids = || generation_of(&record.secret_arn, under.parent, under.version);
            let generation = || under.generation.or_else(of_ids);
            error_span!("rotation", version = under.version, generation = generation(), step)
        }
        None if step.is_some() => error_span!("step", step),
        None => Span::none(),
    }
}

fn under_way(record: &Record) -> Option<Under<'_>> {
    let rotation = record.rotation.as_deref().map(|rotation| Under {
        version: &rotation.version,
        parent: &rotation.parent,
        generation: Some(rotation.generation),
    });
    rotation.or_else(|| {
        let retirement = record.retirement.as_deref()?;
        Some(retires(&retirement.version, &retirement.previous))
    })
}

fn retires<'a>(version: &'a str, previous: &'a str) -> Under<'a> {
    Under {
        version,
        parent: previous,
        generation: None,
    }
}

/// The rotation or retirement that a decision begins, and that no record has yet.
fn begun_by(decision: &Decision) -> Option<Under<'_>> {
    match decision {
        Decision::Act(Action::CreateSecret {
            version,
            parent,
            generation,
        })
        | Decision::Note(
            Event::RotationStarted {
                version,
                parent,
                generation,
                ..
            }
            | Event::RotationFound {
                version,
                parent,
                generation,
            },
        ) => Some(Under {
            version,
            parent,
            generation: Some(*generation),
        }),
        Decision::Act(Action::Retire { version, previous, .. })
        | Decision::Note(Event::RetirementStarted { version, previous }) => Some(retires(version, previous)),
        _ => None,
    }
}
