//! `rekeyd reload`: asks the daemon to read its configuration anew, and tells what came of it.

use crate::cli::client::{Client, ClientError};
use crate::cli::exit::Exit;
use crate::cli::show::{about_configuration, pretty};
use crate::cli::text::clean;
use crate::cli::{CliError, Reply, Session};
use crate::server::configuration::{ReloadReply, ReplicaReload};

/// Asks for a reload, and waits until it is in force.
pub(super) async fn reload(client: &Client, json: bool, session: &Session) -> Result<Reply, CliError> {
    let reply = match client.reload().await? {
        Ok(reply) => reply,
        Err(refused) if json => return Ok(Reply::new(Exit::Refused, pretty(&refused)?)),
        Err(refused) => {
            return Err(ClientError::Answered {
                status: hyper::StatusCode::UNPROCESSABLE_ENTITY,
                message: format!(
                    "not reloaded: the configuration before stays in force\n{}",
                    refused.error
                ),
            }
            .into());
        }
    };
    let behind = not_reloaded(&reply).next().is_some();
    let exit = match reply.configuration.needs_restart.is_empty() && !behind {
        true => Exit::Done,
        false => Exit::Partly,
    };
    let text = match json {
        true => pretty(&reply)?,
        false => told(&reply, session.terminal),
    };
    Ok(Reply::new(exit, text))
}

/// The other replicas that have not taken the configuration.
fn not_reloaded(reply: &ReloadReply) -> impl Iterator<Item = &ReplicaReload> {
    let others = reply.replicas.iter().flatten();
    others.filter(|replica| !replica.reloaded)
}

/// What was changed, for a terminal; and what somebody should know, for everybody.
fn told(reply: &ReloadReply, terminal: bool) -> String {
    let changes = &reply.changes;
    let mut lines = Vec::new();
    if terminal {
        let kinds = [
            ("added", &changes.added),
            ("removed", &changes.removed),
            ("changed", &changes.changed),
        ];
        let kinds = kinds.into_iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<String> = kinds
            .map(|(kind, names)| format!("{kind} {}", names.join(", ")))
            .collect();
        lines.push(match parts.is_empty() {
            true => "reloaded; no policy is another one".to_owned(),
            false => format!("reloaded; policies: {}", parts.join("; ")),
        });
        let others = reply.replicas.iter().flatten();
        let hosts: Vec<&str> = others
            .filter(|replica| replica.reloaded)
            .map(|replica| replica.host.as_str())
            .collect();
        if !hosts.is_empty() {
            lines.push(format!("reloaded by other replicas as well: {}", hosts.join(", ")));
        }
    }
    lines.extend(changes.left_alone.iter().map(|left| {
        format!(
            "left alone: {}, which {} had, with a {} under way; it goes on when a policy has it again",
            left.secret, left.policy, left.under_way
        )
    }));
    lines.extend(
        changes.unfinished.iter().map(|secret| {
            format!("not finished: a call for {secret} that began before the reload; no other follows it")
        }),
    );
    lines.extend(not_reloaded(reply).map(|replica| {
        format!(
            "not reloaded by the replica {} on {}: {}",
            replica.session,
            replica.host,
            replica.error.as_deref().unwrap_or("it does not say why")
        )
    }));
    lines.extend(about_configuration(&reply.configuration));
    lines.extend(
        reply
            .configuration
            .warnings
            .iter()
            .map(|warning| format!("warning: {warning}")),
    );
    lines.into_iter().map(|line| clean(&line) + "\n").collect()
}

#[cfg(test)]
mod tests;
