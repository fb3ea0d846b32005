//! `rekeyd status`: is all well, and if not, what needs a person.

use serde::Serialize;

use crate::cli::args::StatusArgs;
use crate::cli::client::ClientError;
use crate::cli::show::{about_configuration, pretty, view};
use crate::cli::source::{Source, View};
use crate::cli::text::{Cell, NARROWEST_NAME, Tone, line, painted, time, widths, wrapped};
use crate::cli::{CliError, Reply, Session};
use crate::clock::Timestamp;
use crate::engine::control::ReplicaStatus;
use crate::rotation::observation::Proof;
use crate::rotation::status::{Phase, SecretStatus};
use crate::server::configuration::ConfigurationStatus;
use crate::words::standing::{waits, waits_for};

/// Where secrets stand.
pub(super) async fn status(source: &Source, args: &StatusArgs, session: &Session) -> Result<Reply, CliError> {
    let (from, found) = source.secrets(args.secret.as_deref()).await?;
    let mut secrets = found.secrets;
    if let Some(policy) = &args.policy {
        secrets.retain(|secret| secret.policy == *policy);
        if secrets.is_empty() {
            has_policy(source, &from, policy).await?;
        }
    }
    let summary = Summary::of(&secrets);
    if args.attention {
        secrets.retain(SecretStatus::needs_a_person);
    }
    let configuration = found.configuration.as_ref();
    let replicas = found.replicas.as_deref();
    let text = match args {
        StatusArgs { json: true, .. } => pretty(&Report {
            view: &from,
            summary: &summary,
            secrets: &secrets,
            configuration,
            replicas,
        })?,
        StatusArgs { secret: Some(_), .. } => {
            let now = session.clock.now();
            let views: Vec<_> = secrets.iter().map(|secret| view(secret, now, session.width)).collect();
            views.join("\n")
        }
        _ => {
            let complaints = configuration
                .iter()
                .flat_map(|configuration| about_configuration(configuration));
            let complaints: String = complaints.map(|line| wrapped(&line, 0, session.width)).collect();
            secrets.sort_by_key(|secret| (!secret.needs_a_person(), secret.phase.urgency()));
            let replicas = replicas.map(|replicas| wrapped(&about_replicas(replicas), 0, session.width));
            summary.headline(!complaints.is_empty(), session)
                + &complaints
                + &replicas.unwrap_or_default()
                + &listed(&secrets, session)
        }
    };
    Ok(Reply::new(from.exit(), text).with_caution(from.caution()))
}

/// Refuses a policy that there is none of; one without secrets is no mistake.
async fn has_policy(source: &Source, from: &View, policy: &str) -> Result<(), CliError> {
    if *from != View::Daemon {
        return Ok(());
    }
    let known = source.client().policies().await?;
    match known.iter().any(|known| known.policy == policy) {
        true => Ok(()),
        false => Err(ClientError::Answered {
            status: hyper::StatusCode::NOT_FOUND,
            message: format!("no policy is called {policy:?}; `rekeyd check` lists them"),
        }
        .into()),
    }
}

/// `status --json`.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    view: &'a View,
    summary: &'a Summary,
    /// In the order of policies and names.
    secrets: &'a [SecretStatus],
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration: Option<&'a ConfigurationStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replicas: Option<&'a [ReplicaStatus]>,
}

/// Which replicas live, how many secrets each holds, and which of them tells this.
fn about_replicas(replicas: &[ReplicaStatus]) -> String {
    let each = replicas.iter().map(|replica| {
        let answers = if replica.answers { ", which answers" } else { "" };
        let differs = match replica.same_configuration {
            true => "",
            false => ", of another configuration: `rekeyd reload`",
        };
        let leases = if replica.leases == 1 { "lease" } else { "leases" };
        format!(
            "{} {} ({} {leases}{answers}{differs})",
            replica.host, replica.session, replica.leases
        )
    });
    let each: Vec<String> = each.collect();
    match replicas.len() {
        1 => format!("1 replica: {}", each.join("; ")),
        count => format!("{count} replicas: {}", each.join("; ")),
    }
}

/// Whether all is well, in numbers.
#[derive(Default, Serialize)]
struct Summary {
    /// How many secrets there are.
    secrets: usize,
    /// Halted, in need of attention, or drifted.
    needs_a_person: usize,
    /// Nothing is changed until a person or the world does something.
    halted: usize,
    /// A person should look; retries go on.
    needs_attention: usize,
    /// The current password, which worked, does not everywhere any more.
    drifted: usize,
    paused: usize,
    /// Due, rotating or retiring.
    busy: usize,
    /// Not looked at since the daemon started.
    starting: usize,
    /// The current password was shown to log in.
    proven: usize,
    /// It could not be.
    unproven: usize,
    /// When the next rotation may begin.
    next_rotation_at: Option<Timestamp>,
}

impl Summary {
    fn of(secrets: &[SecretStatus]) -> Self {
        let count = |fits: &dyn Fn(&SecretStatus) -> bool| secrets.iter().filter(|secret| fits(secret)).count();
        let phase = |phase: Phase| count(&|secret| secret.phase == phase);
        Self {
            secrets: secrets.len(),
            needs_a_person: count(&SecretStatus::needs_a_person),
            halted: phase(Phase::Halted),
            needs_attention: phase(Phase::NeedsAttention),
            drifted: count(&|secret| secret.drift.is_some()),
            paused: phase(Phase::Paused),
            busy: phase(Phase::Due) + phase(Phase::Rotating) + phase(Phase::Retiring),
            starting: phase(Phase::Starting),
            proven: count(&|secret| matches!(secret.proof, Some(Proof::Proven | Proof::EndpointProven))),
            unproven: count(&|secret| matches!(secret.proof, Some(Proof::Unproven(_)))),
            next_rotation_at: secrets.iter().filter_map(|secret| secret.next_rotation_at).min(),
        }
    }

    /// The answer to the question that everybody has.
    fn headline(&self, about_configuration: bool, session: &Session) -> String {
        let of = match self.secrets {
            1 => "1 secret".to_owned(),
            secrets => format!("{secrets} secrets"),
        };
        let needs = self.needs_a_person;
        let (verdict, tone) = match (needs, self.secrets) {
            (_, 0) => ("No secrets.".to_owned(), Tone::Busy),
            (0, _) if self.starting > 0 => (
                format!("Starting: {} of {of} not looked at yet", self.starting),
                Tone::Busy,
            ),
            (0, _) if about_configuration => (
                format!("The configuration needs a person; the rest is well: {of}"),
                Tone::Bad,
            ),
            (0, _) => (format!("All is well: {of}"), Tone::Good),
            (1, _) => (format!("1 of {of} needs a person"), Tone::Bad),
            _ => (format!("{needs} of {of} need a person"), Tone::Bad),
        };
        let counts = [
            (self.halted, "halted"),
            (self.needs_attention, "in need of attention"),
            (self.drifted, "drifted"),
            (self.paused, "paused"),
            (self.busy, "under way or due"),
            (self.proven, "proven"),
            (self.unproven, "unproven"),
        ];
        let mut parts: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if let Some(at) = self.next_rotation_at.filter(|_| needs == 0) {
            parts.push(format!("next rotation {}", time(Some(at))));
        }
        let parts = match parts.is_empty() {
            true => String::new(),
            false => format!(": {}", parts.join(", ")),
        };
        let text = match self.secrets {
            0 => verdict,
            _ if verdict.contains(": ") => format!("{verdict}{}", parts.replacen(": ", "; ", 1)),
            _ => format!("{verdict}{parts}"),
        };
        let text = wrapped(&text, 0, session.width);
        match session.colour {
            true => painted(text.trim_end(), tone) + "\n",
            false => text,
        }
    }
}

/// A line for each secret, with what it waits for at its end; on a terminal that goes below, in whole words.
fn listed(secrets: &[SecretStatus], session: &Session) -> String {
    if secrets.is_empty() {
        return String::new();
    }
    let now = session.clock.now();
    let header = ["SECRET", "POLICY", "PHASE", "PROOF", "LAST ROTATION", "WAITS FOR"].map(Cell::from);
    let mut rows: Vec<[Cell; 6]> = secrets.iter().map(|secret| row(secret, now)).collect();
    rows.insert(0, header);
    let Some(columns) = session.width else {
        let widths = widths(&rows);
        return rows
            .iter()
            .map(|row| line(row, &widths, session.colour) + "\n")
            .collect();
    };
    let rows: Vec<[Cell; 5]> = rows
        .into_iter()
        .map(|[secret, policy, phase, proof, last, _]| [secret, policy, phase, proof, last])
        .collect();
    let rows = fitted(rows, columns);
    let widths = rows.iter().fold(Vec::new(), |mut widths: Vec<usize>, row| {
        widths.resize(row.len(), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width().max(*width);
        }
        widths
    });
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        text += &(line(row, &widths, session.colour) + "\n");
        if let Some(secret) = number.checked_sub(1).and_then(|number| secrets.get(number)) {
            text += &wrapped(&waits(secret, now), 2, Some(columns));
        }
    }
    text
}

fn row(secret: &SecretStatus, now: Timestamp) -> [Cell; 6] {
    [
        Cell::from(&secret.secret),
        Cell::from(&secret.policy),
        Cell::phase(secret.phase),
        Cell::proof(secret.proof),
        Cell::from(time(secret.last_rotation_at)),
        Cell::from(waits_for(secret, now)),
    ]
}

/// The rows in so many columns: the last rotation is left out first, then the policy, then names are shortened. What
/// tells where a secret stands is never cut.
fn fitted(rows: Vec<[Cell; 5]>, columns: usize) -> Vec<Vec<Cell>> {
    let widest = widths(&rows);
    let takes = |kept: &[usize]| kept.iter().map(|column| widest[*column] + 2).sum::<usize>() - 2;
    let choices: [&[usize]; 3] = [&[0, 1, 2, 3, 4], &[0, 1, 2, 3], &[0, 2, 3]];
    let kept = choices
        .into_iter()
        .find(|kept| takes(kept) <= columns)
        .unwrap_or(&[0, 2, 3]);
    let too_wide = takes(kept).saturating_sub(columns);
    let name = widest[0].saturating_sub(too_wide).max(NARROWEST_NAME);
    let fit = |row: [Cell; 5]| {
        let cells = kept.iter().map(|column| match column {
            0 => row[0].within(name),
            column => row[*column].clone(),
        });
        cells.collect()
    };
    rows.into_iter().map(fit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_told_in_a_line_with_the_one_that_answers() {
        let replica = |host: &str, answers| ReplicaStatus {
            session: format!("id-{host}"),
            host: host.to_owned(),
            leases: 3,
            answers,
            same_configuration: true,
        };
        assert_eq!(
            about_replicas(&[replica("a", true), replica("b", false)]),
            "2 replicas: a id-a (3 leases, which answers); b id-b (3 leases)"
        );
        assert_eq!(
            about_replicas(&[replica("a", true)]),
            "1 replica: a id-a (3 leases, which answers)"
        );
    }

    #[test]
    fn a_replica_of_another_configuration_is_told_of_with_what_to_do() {
        let replica = |leases, same_configuration| ReplicaStatus {
            session: format!("id-{leases}"),
            host: "a".to_owned(),
            leases,
            answers: same_configuration,
            same_configuration,
        };
        assert_eq!(
            about_replicas(&[replica(1, true), replica(0, false)]),
            "2 replicas: a id-1 (1 lease, which answers); a id-0 (0 leases, of another configuration: `rekeyd reload`)"
        );
    }
}
