//! `rekeyd rotate --revoke-previous`: which passwords are dead, and how long each took to die.
//!
//! The times are the daemon's, from its record: when the command was stored, and when the last node
//! was seen to refuse the password. They do not depend on how often this command looks.

use serde::Serialize;

use crate::cli::show::pretty;
use crate::cli::text::{Cell, Tone, clean, table};
use crate::cli::wait::{Standing, Watched};
use crate::cli::{CliError, Session};
use crate::clock::Timestamp;
use crate::rotation::observation::Proof;
use crate::rotation::revocation::{DeadPassword, Revocation};
use crate::rotation::status::Phase;
use crate::words::facts::fate;

#[cfg(test)]
mod tests;

/// What no revocation ends, and what does.
const OPEN_CONNECTIONS: &str = "Connections that were opened with these passwords live on until they are closed. \
    To end them: restart the clients; or take the user out of its user group and put it back, upon which ElastiCache \
    closes them; or, on each node, `CLIENT LIST` shows who is connected as which user and `CLIENT KILL USER name` \
    closes those.";

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    /// In the order in which they were asked for.
    secrets: Vec<Outcome<'a>>,
    summary: Summary<'a>,
    /// What no revocation ends.
    open_connections: &'static str,
}

/// What came of one secret.
#[derive(Serialize)]
struct Outcome<'a> {
    secret: &'a str,
    arn: &'a str,
    user_id: Option<&'a str>,
    /// `done`: every password that was valid when asked is dead; `waiting` or `failed` if not.
    result: &'static str,
    phase: Option<Phase>,
    reason: Option<&'a str>,
    detail: String,
    /// What was last proved of the new password.
    proof: Option<Proof>,
    previous_version: Option<&'a str>,
    current_version: Option<&'a str>,
    /// When the command was stored.
    asked_at: Option<Timestamp>,
    /// When nothing was left to do.
    ended_at: Option<Timestamp>,
    /// From `asked_at` to the death of the last password; `null` until all are dead.
    seconds: Option<f64>,
    /// The passwords that died, in order.
    passwords: Vec<Dead<'a>>,
}

/// A password that died.
#[derive(Serialize)]
struct Dead<'a> {
    version: &'a str,
    dead_at: Timestamp,
    /// From `asked_at` to `dead_at`.
    seconds: f64,
    /// `proven`: every node refused it in a login.
    proof: Proof,
    nodes: usize,
}

#[derive(Serialize)]
struct Summary<'a> {
    secrets: usize,
    done: usize,
    waiting: usize,
    failed: usize,
    /// Of those that are done, how many had a password whose death no login proved.
    unproven: usize,
    slowest_secret: Option<&'a str>,
    slowest_seconds: Option<f64>,
}

/// What came of a revocation, for people or programs.
pub(super) fn report(watched: &[Watched], json: bool, session: &Session) -> Result<String, CliError> {
    let summary = Summary::of(watched);
    if json {
        return pretty(&Report {
            secrets: watched.iter().map(Outcome::of).collect(),
            summary,
            open_connections: OPEN_CONNECTIONS,
        });
    }
    let rows: Vec<_> = watched.iter().flat_map(rows).collect();
    let header = ["SECRET", "USER", "RESULT", "AFTER", "PROOF", "NODES", "DETAIL"];
    let table = table(header, &rows, session.colour);
    Ok(format!("{table}\n{}\n{OPEN_CONNECTIONS}\n", summary.told()))
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

fn is_unproven(dead: &DeadPassword) -> bool {
    matches!(dead.proof, Proof::Unproven(_))
}

/// One row for each password that died, and one for what is not over.
fn rows(watched: &Watched) -> Vec<[Cell; 7]> {
    let status = watched.status.as_ref();
    let user = status.and_then(|status| status.user_id.as_deref()).unwrap_or("-");
    let name = || [Cell::from(&watched.accepted.secret), Cell::from(user)];
    let revocation = watched.revocation();
    let mut rows = Vec::new();
    for (revocation, dead) in revocation
        .into_iter()
        .flat_map(|all| all.dead.iter().map(move |dead| (all, dead)))
    {
        let [secret, user] = name();
        rows.push([
            secret,
            user,
            Cell::toned(fate(dead), if is_unproven(dead) { Tone::Busy } else { Tone::Good }),
            Cell::from(seconds(revocation.seconds_to(dead))),
            Cell::proof(Some(dead.proof)),
            Cell::from(dead.nodes.to_string()),
            Cell::from(format!("password of version {}", dead.version)),
        ]);
    }
    let (tone, detail) = match &watched.standing {
        Standing::Done if rows.is_empty() => (Tone::Good, "no password was valid".to_owned()),
        Standing::Done => return rows,
        Standing::Waiting => (Tone::Busy, watched.told()),
        Standing::Failed(_) => (Tone::Bad, watched.told()),
    };
    let [secret, user] = name();
    let dash = || Cell::from("-");
    let result = Cell::toned(watched.standing.label(), tone);
    rows.push([secret, user, result, dash(), dash(), dash(), Cell::from(detail)]);
    rows
}

impl<'a> Outcome<'a> {
    fn of(watched: &'a Watched) -> Self {
        let status = watched.status.as_ref();
        let revocation = watched.revocation();
        let passwords = revocation.into_iter().flat_map(|revocation| {
            revocation.dead.iter().map(|dead| Dead {
                version: &dead.version,
                dead_at: dead.at,
                seconds: revocation.seconds_to(dead),
                proof: dead.proof,
                nodes: dead.nodes,
            })
        });
        Self {
            secret: &watched.accepted.secret,
            arn: &watched.accepted.arn,
            user_id: status.and_then(|status| status.user_id.as_deref()),
            result: watched.standing.label(),
            phase: status.map(|status| status.phase),
            reason: status.and_then(|status| status.reason.as_deref()),
            detail: watched.told(),
            proof: status.and_then(|status| status.proof),
            previous_version: watched.accepted.current_version.as_deref(),
            current_version: status.and_then(|status| status.current_version.as_deref()),
            asked_at: watched.accepted.requested_at,
            ended_at: revocation.and_then(|revocation| revocation.ended_at),
            seconds: revocation.filter(|all| !all.is_open()).map(Revocation::seconds),
            passwords: passwords.collect(),
        }
    }
}

impl<'a> Summary<'a> {
    fn of(watched: &'a [Watched]) -> Self {
        let count = |wanted: fn(&Standing) -> bool| watched.iter().filter(|one| wanted(&one.standing)).count();
        let done = watched.iter().filter(|one| one.standing == Standing::Done);
        let ended = done.filter_map(|one| Some((one.accepted.secret.as_str(), one.revocation()?)));
        let unproven = ended.clone().filter(|(_, all)| all.dead.iter().any(is_unproven));
        let timed = ended.clone().map(|(secret, all)| (secret, all.seconds()));
        let slowest = timed.max_by(|(_, a), (_, b)| a.total_cmp(b));
        Self {
            secrets: watched.len(),
            done: count(|standing| *standing == Standing::Done),
            waiting: count(|standing| *standing == Standing::Waiting),
            failed: count(|standing| matches!(standing, Standing::Failed(_))),
            unproven: unproven.count(),
            slowest_secret: slowest.map(|(secret, _)| secret),
            slowest_seconds: slowest.map(|(_, seconds)| seconds),
        }
    }

    fn told(&self) -> String {
        let mut told = format!(
            "Dead in {} of {} secrets: every password that was valid when the command was given",
            self.done, self.secrets
        );
        if let (Some(secret), Some(longest)) = (self.slowest_secret, self.slowest_seconds) {
            told += &format!("; the slowest was {}, after {}", clean(secret), seconds(longest));
        }
        told += ".";
        for (count, what) in [
            (
                self.unproven,
                "of these had a password that was removed, and that no login could prove dead",
            ),
            (self.waiting, "not over yet; the daemon goes on: see `rekeyd status`"),
            (
                self.failed,
                "FAILED: a password that was valid may still log in; see DETAIL",
            ),
        ] {
            if count > 0 {
                told += &format!("\n{count} {what}.");
            }
        }
        told
    }
}
