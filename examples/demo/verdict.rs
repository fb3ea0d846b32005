//! The verdict: a table of answers that the sceptic got, and whether all of them are right.

use std::time::Duration;

use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::status::{Phase, SecretStatus};

use crate::Outcome;
use crate::operator::secret_name;
use crate::story::{Story, in_words};

/// How long a run must be to show everything.
const WORTH_SEEING: Duration = Duration::from_secs(45);

/// What a run of a given length must have come to; less is asked of a shorter one.
struct Wanted {
    rotations: usize,
    retirements: usize,
    proof: bool,
}

impl Wanted {
    fn after(span: Option<Duration>) -> Self {
        match span.map(|span| span.as_secs()) {
            Some(45..) => Self {
                rotations: 2,
                retirements: 1,
                proof: true,
            },
            Some(20..45) => Self {
                rotations: 1,
                retirements: 0,
                proof: true,
            },
            _ => Self {
                rotations: 0,
                retirements: 0,
                proof: false,
            },
        }
    }
}

/// Prints the table; whether every answer is right.
pub(crate) async fn give(
    voice: &crate::voice::Voice,
    story: &Story<'_>,
    statuses: &[SecretStatus],
    span: Option<Duration>,
) -> Outcome<bool> {
    let wanted = Wanted::after(span);
    let mut problems = Vec::new();
    let mut rows = Vec::new();
    for (user, chapter) in &story.users {
        problems.extend(chapter.wrong.iter().map(|wrong| format!("{user}: {wrong}")));
        let mut wrong = |problem: String| problems.push(format!("{user}: {problem}"));

        let status = statuses.iter().find(|status| status.secret == secret_name(user));
        let proof = status.and_then(|status| status.proof);
        if wanted.proof && proof != Some(Proof::Proven) {
            wrong("rekeyd does not call its current password proven".to_owned());
        }
        let troubled = status.filter(|status| matches!(status.phase, Phase::Halted | Phase::NeedsAttention));
        let said = match (troubled, proof) {
            (Some(status), _) => format!(
                "{}: {}",
                status.phase.label(),
                status.reason.as_deref().unwrap_or_default()
            ),
            (None, Some(proof)) => proof.label().to_owned(),
            (None, None) => "nothing yet".to_owned(),
        };
        if let Some(status) = troubled {
            wrong(format!("rekeyd reports {}", status.detail.as_deref().unwrap_or(&said)));
        }

        let current = match story.operator.password(user, None).await? {
            None => "none yet".to_owned(),
            Some(current) => {
                let tally = story.sceptic.log_in(user, &current).await;
                if !tally.all_accept() && (wanted.proof || proof == Some(Proof::Proven)) {
                    wrong(format!("its current password is {}", in_words(&tally)));
                }
                format!("{} of {} nodes", tally.accepted, tally.nodes())
            }
        };

        let mut dead = 0;
        for old in &chapter.retired {
            let tally = story.sceptic.log_in(user, old).await;
            if tally.all_refuse() {
                dead += 1;
            } else {
                wrong(format!(
                    "the retired password {} is {}",
                    old.fingerprint(),
                    in_words(&tally)
                ));
            }
        }
        let previous = match chapter.retired.len() {
            0 => "none retired yet".to_owned(),
            count if count == dead => format!("yes, all {dead} of them"),
            count => format!("NO, only {dead} of {count}"),
        };
        if chapter.rotations < wanted.rotations {
            wrong(format!(
                "{} rotations, and at least {} were due",
                chapter.rotations, wanted.rotations
            ));
        }
        if chapter.retired.len() < wanted.retirements {
            wrong("no previous password was retired".to_owned());
        }
        rows.push([user.clone(), chapter.rotations.to_string(), current, previous, said]);
    }

    voice.chapter("the verdict, by logins with redis-cli");
    let head = [
        "user",
        "rotations",
        "current logs in on",
        "previous dead",
        "rekeyd calls it",
    ];
    voice.say(&line(&head));
    for row in &rows {
        voice.say(&line(&row.each_ref().map(String::as_str)));
    }
    for problem in &problems {
        voice.say(&voice.bad(&format!("WRONG: {problem}")));
    }
    if span.is_some_and(|span| span < WORTH_SEEING) {
        voice.say(&voice.bad("Too short to show a scheduled rotation and a retirement: give it DEMO_SECONDS=60."));
        return Ok(false);
    }
    if problems.is_empty() {
        voice.say(&voice.good("Every answer is right."));
    }
    Ok(problems.is_empty())
}

fn line(cells: &[&str; 5]) -> String {
    let [user, rotations, current, previous, proof] = cells;
    format!("  {user:<8}{rotations:<11}{current:<20}{previous:<22}{proof}")
}
