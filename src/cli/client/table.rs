//! The way through the table that replicas share: a command is written there, and whichever replica lives answers.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use nix::unistd::{Uid, User};
use rand::TryRngCore;

use super::ClientError;
use crate::clock::SharedClock;
use crate::store::shared::asking::{NotAnswered, Patience, Sessions, ask, withdraw};
use crate::store::shared::command::{Command, LONGEST_REQUEST, Request, Scope, new_id};
use crate::store::table::{Table, TableError};

/// What a process that a signal ended is known by: 128 and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// A client's end of the table.
#[derive(Clone)]
pub struct TableEnd {
    table: Arc<dyn Table>,
    clock: SharedClock,
    by: String,
    /// The command that waits for its reply.
    pending: Arc<Mutex<Option<Command>>>,
}

impl TableEnd {
    /// An end for whoever runs this process.
    pub fn new(table: Arc<dyn Table>, clock: SharedClock) -> Self {
        Self {
            table,
            clock,
            by: asker(),
            pending: Arc::default(),
        }
    }

    /// What error messages call it.
    pub(super) fn shown(&self) -> String {
        format!("the table {}", self.table.location())
    }

    /// One request and its answer, in time.
    pub(super) async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        if body.len() > LONGEST_REQUEST {
            return Err(ClientError::Answered {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                message: format!(
                    "the request is longer than the {} KiB that go through the table: name fewer secrets at a time",
                    LONGEST_REQUEST >> 10
                ),
            });
        }
        let patience = match method {
            Method::GET => Patience::LOOK,
            _ => Patience::COMMAND,
        };
        let request = Request {
            method: method.to_string(),
            path: path.to_owned(),
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        let id = new_id(&mut rand::rngs::OsRng.unwrap_err());
        let command = Command::new(id, request, self.by.clone(), self.clock.now(), Scope::Any);
        self.set_pending(Some(command.clone()));
        let reply = ask(&*self.table, &command, patience).await;
        self.set_pending(None);
        let reply = reply.map_err(|error| self.told(error, patience))?;
        let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Ok((status, reply.body.into()))
    }

    /// Ends the process when it is interrupted, once the command that waits is withdrawn: nobody should carry it out later.
    pub fn withdraw_on_interrupt(&self) {
        let end = self.clone();
        tokio::spawn(async move {
            // Without a handler the signal ends the process at once, as it does with every other command.
            if tokio::signal::ctrl_c().await.is_ok() {
                let pending = end.pending.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(command) = pending {
                    withdraw(&*end.table, &command).await;
                }
                std::process::exit(INTERRUPTED);
            }
        });
    }

    fn set_pending(&self, command: Option<Command>) {
        *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = command;
    }

    /// Why there is no answer.
    fn told(&self, error: NotAnswered, patience: Patience) -> ClientError {
        let maybe = "it may have been carried out: look at `rekeyd status` before you ask again";
        let (cause, advice) = match error {
            NotAnswered::NotAsked(TableError::Refused { cause, advice }) => {
                return ClientError::Answered {
                    status: StatusCode::FORBIDDEN,
                    message: format!(
                        "nothing was asked for: {} refuses the command: {cause}; {advice}",
                        self.shown()
                    ),
                };
            }
            NotAnswered::NotAsked(error) => (error.to_string(), "nothing was asked for; ask again".to_owned()),
            NotAnswered::Withdrawn { sessions } => {
                let (seen, advice) = nobody(&sessions);
                let cause =
                    format!("no replica took the command, so it was withdrawn and will not be carried out: {seen}");
                (cause, advice.to_owned())
            }
            NotAnswered::Lost { by } => (
                format!(
                    "the replica {by} took the command, and did not reply within {} s",
                    patience.answered.as_secs()
                ),
                maybe.to_owned(),
            ),
            NotAnswered::Unknown(error) => (
                format!("nobody knows how far the command has come: {error}"),
                maybe.to_owned(),
            ),
        };
        ClientError::Unreachable {
            target: self.shown(),
            cause,
            advice,
        }
    }
}

/// What was seen of the replicas, and what to do.
fn nobody(sessions: &Sessions) -> (String, &'static str) {
    const START: &str = "start one with `rekeyd run`, with the same table in `daemon.state`";
    match (sessions.known(), sessions.alive()) {
        (0, _) => ("the table names no replica".to_owned(), START),
        (1, 0) => (
            "the one replica that the table names gave no sign of life".to_owned(),
            START,
        ),
        (known, 0) => (
            format!("none of the {known} replicas that the table names gave a sign of life"),
            START,
        ),
        (known, alive) => (
            format!("{alive} of the {known} replicas that the table names live, and had no room for it"),
            "look into their logs, and ask again",
        ),
    }
}

/// Who asks, as far as this process knows: a user and a host. Nobody vouches for it.
fn asker() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let user = user.map_or_else(|| format!("uid {uid}"), |user| user.name);
    let system = rustix::system::uname();
    format!("{user}@{}", system.nodename().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Client;
    use super::*;
    use crate::cli::exit::Exit;
    use crate::clock::SystemClock;
    use crate::engine::control::{RotateOptions, Selector};
    use crate::server::relay::Relay;
    use crate::server::testing::{FakeControl, status, surface};
    use crate::store::shared::layout::{FLEET, session};
    use crate::store::table::memory::MemoryTable;
    use crate::store::table::{Change, Condition, Query};

    fn client(table: &Arc<MemoryTable>) -> Client {
        Client::through(TableEnd::new(table.clone(), Arc::new(SystemClock::new())))
    }

    #[tokio::test(start_paused = true)]
    async fn commands_and_looks_go_through_the_table_as_over_a_socket() {
        let table = Arc::new(MemoryTable::new());
        let control = FakeControl::new(vec![status("a")]);
        let relay = Relay::new(table.clone(), surface(&control), control.clone(), "h".to_owned());
        let polled = table.clone();
        tokio::spawn(async move {
            loop {
                relay.handle(&polled.query(&Query::all(FLEET)).await.unwrap(), "s1");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        });
        let client = client(&table);
        assert_eq!(client.secrets(Some("a")).await.unwrap(), [status("a")]);
        let all = Selector {
            all: true,
            ..Selector::default()
        };
        let accepted = client.rotate(all, RotateOptions::default()).await.unwrap();
        assert_eq!(accepted.len(), 1);
        let refused = client.secrets(Some("none")).await.unwrap_err();
        assert_eq!(refused.exit(), Exit::Refused);
        assert!(client.reload().await.unwrap().is_ok());
        assert_eq!(control.know().asked.len(), 2);
        let many = Selector {
            secrets: vec!["x".repeat(LONGEST_REQUEST)],
            ..Selector::default()
        };
        let long = client.resume(many).await.unwrap_err();
        assert!(long.to_string().contains("fewer secrets at a time"), "{long}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_replica_that_lives_the_command_is_withdrawn_and_nobody_is_left_in_doubt() {
        let table = Arc::new(MemoryTable::new());
        let client = client(&table);
        let none = client.secrets(None).await.unwrap_err();
        let beat = Change::new().set("beat", 1);
        table.write(&session("dead"), beat, Condition::Absent).await.unwrap();
        let dead = client.resume(Selector::default()).await.unwrap_err();
        for (error, words) in [(none, "the table names no replica"), (dead, "gave no sign of life")] {
            let told = error.to_string();
            assert_eq!(error.exit(), Exit::Unreachable);
            for words in [words, "was withdrawn and will not be carried out", "the table memory"] {
                assert!(told.contains(words), "no {words:?} in {told}");
            }
        }
    }
}
