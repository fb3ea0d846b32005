//! `rekeyd rotate`, and what acknowledges a command.

use serde::Serialize;

use crate::cli::args::RotateArgs;
use crate::cli::client::Client;
use crate::cli::exit::Exit;
use crate::cli::revoke;
use crate::cli::show::pretty;
use crate::cli::text::{Cell, NARROWEST_NAME, Tone, line, table, widths, wrapped};
use crate::cli::wait::{Standing, Watched, wait};
use crate::cli::{CliError, Reply, Session};
use crate::engine::control::{Accepted, RotateOptions};
use crate::rotation::observation::Proof;
use crate::rotation::status::Phase;
use crate::server::wire::AcceptedReply;

/// Asks for rotations, and waits for them if told to.
pub(super) async fn rotate(client: &Client, args: RotateArgs, session: &Session) -> Result<Reply, CliError> {
    let options = RotateOptions {
        now: args.now,
        revoke_previous: args.revoke_previous,
    };
    let accepted = client.rotate(args.selection.into(), options).await?;
    if args.revoke_previous && args.no_wait || !(args.wait || args.revoke_previous) {
        return acknowledge(&accepted, "will be rotated", args.json, session);
    }
    let watched = wait(client, accepted, args.revoke_previous, args.timeout, session).await?;
    let text = match args.json {
        _ if args.revoke_previous => revoke::report(&watched, args.json, session)?,
        true => pretty(&Results {
            secrets: watched.iter().map(Outcome::of).collect(),
        })?,
        false => {
            let rows: Vec<_> = watched.iter().map(row).collect();
            match session.width {
                Some(columns) => narrow(rows, columns, session.colour),
                None => table(HEADER, &rows, session.colour),
            }
        }
    };
    Ok(Reply::new(verdict(&watched), text))
}

fn verdict(watched: &[Watched]) -> Exit {
    let done = watched
        .iter()
        .filter(|watched| watched.standing == Standing::Done)
        .count();
    match done {
        all if all == watched.len() => Exit::Done,
        0 => Exit::Failed,
        _ => Exit::Partly,
    }
}

const HEADER: [&str; 5] = ["SECRET", "RESULT", "PROOF", "VERSION", "DETAIL"];

/// The table in so many columns: version and detail stand below each secret, and names that are too long lose their middle.
fn narrow(rows: Vec<[Cell; 5]>, columns: usize, colour: bool) -> String {
    let all: Vec<[Cell; 5]> = std::iter::once(HEADER.map(Cell::from)).chain(rows).collect();
    let [name, result, proof, ..] = widths(&all);
    let room = columns.saturating_sub(result + proof + 4).max(NARROWEST_NAME);
    let widths = [name.min(room), result, proof];
    let lines = all.into_iter().enumerate().map(|(number, row)| {
        let [name, result, proof, version, detail] = row;
        let first = line(&[name.within(room), result, proof], &widths, colour) + "\n";
        match number {
            0 => first,
            _ => {
                first
                    + &wrapped(
                        &format!("version {}; {}", version.text(), detail.text()),
                        2,
                        Some(columns),
                    )
            }
        }
    });
    lines.collect()
}

fn row(watched: &Watched) -> [Cell; 5] {
    let tone = match watched.standing {
        Standing::Done => Tone::Good,
        Standing::Waiting => Tone::Busy,
        Standing::Failed(_) => Tone::Bad,
    };
    let status = watched.status.as_ref();
    [
        Cell::from(&watched.accepted.secret),
        Cell::toned(watched.standing.label(), tone),
        Cell::proof(status.and_then(|status| status.proof)),
        Cell::from(
            status
                .and_then(|status| status.current_version.as_deref())
                .unwrap_or("-"),
        ),
        Cell::from(watched.told()),
    ]
}

/// `rotate --wait --json`.
#[derive(Serialize)]
struct Results<'a> {
    secrets: Vec<Outcome<'a>>,
}

/// What came of one secret.
#[derive(Serialize)]
struct Outcome<'a> {
    secret: &'a str,
    arn: &'a str,
    /// `done`, `waiting` or `failed`.
    result: &'static str,
    phase: Option<Phase>,
    reason: Option<&'a str>,
    detail: String,
    proof: Option<Proof>,
    previous_version: Option<&'a str>,
    current_version: Option<&'a str>,
}

impl<'a> Outcome<'a> {
    fn of(watched: &'a Watched) -> Self {
        let status = watched.status.as_ref();
        Self {
            secret: &watched.accepted.secret,
            arn: &watched.accepted.arn,
            result: watched.standing.label(),
            phase: status.map(|status| status.phase),
            reason: status.and_then(|status| status.reason.as_deref()),
            detail: watched.told(),
            proof: status.and_then(|status| status.proof),
            previous_version: watched.accepted.current_version.as_deref(),
            current_version: status.and_then(|status| status.current_version.as_deref()),
        }
    }
}

/// Says what a command was accepted for; nothing in a pipe, where the exit code says it.
pub(super) fn acknowledge(accepted: &[Accepted], verb: &str, json: bool, session: &Session) -> Result<Reply, CliError> {
    let text = match (json, session.terminal) {
        (true, _) => pretty(&AcceptedReply {
            accepted: accepted.to_vec(),
        })?,
        (false, true) => accepted
            .iter()
            .map(|accepted| format!("{} {verb}\n", accepted.secret))
            .collect(),
        (false, false) => String::new(),
    };
    Ok(Reply::new(Exit::Done, text))
}
