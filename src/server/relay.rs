//! Commands that come through the table which replicas share: for those who have no shell where a replica's admin socket is.
//!
//! One replica takes a command by a conditional write and carries it out as if it had come over its socket, through the same
//! router; it begins none twice, and none that another took. So a command is carried out once at most: one whose taker dies
//! is nobody's, and its asker is told that nobody knows. Whoever may write to the table may ask for anything; who they say
//! they are stands in the audit log as their claim.

mod look;
pub mod reload;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::clock::SharedClock;
use crate::engine::control::ReplicaStatus;
use crate::server::configuration::Configuration;
use crate::server::orders::defect;
use crate::server::peer::Caller;
use crate::server::reply::Failure;
use crate::server::{Fleet, STOP_GRACE, Surface, admin};
use crate::store::shared::command::{self, Command, Reply, STATE, State, TAKEN_BY};
use crate::store::shared::layout::HOST;
use crate::store::shared::leases::{LOOK, Leases, Replica};
use crate::store::shared::presence::Presence;
use crate::store::shared::replying::{self, LONGEST_REPLY, NotWritten, Replier, write_once};
use crate::store::table::{Change, Condition, Item, Table, TableError};

use look::{Action, Now, Seen};

/// How many commands are carried out at once. More of them wait, for this replica or another.
const AT_ONCE: usize = 8;

/// How often taking a command is tried.
const TRIES: u32 = 3;

/// A level of the log is one process's.
const OF_ONE_PROCESS: &str = "/api/v1/log-level";

/// The only command that every replica carries out.
const OF_EACH: (&str, &str) = ("POST", "/api/v1/reload");

/// A replica's end of the commands.
pub struct Relay {
    table: Arc<dyn Table>,
    clock: SharedClock,
    host: String,
    /// What a command for one replica asks.
    router: Router,
    /// What a command for each replica asks: here a reload stays this replica's.
    router_of_each: Router,
    seen: Mutex<Seen>,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Relay {
    /// A relay that asks this surface, whose configuration is read anew by all replicas; `own` is this replica's alone.
    pub fn new(table: Arc<dyn Table>, surface: Surface, own: Arc<dyn Configuration>, host: String) -> Arc<Self> {
        let of_each = Surface {
            configuration: own,
            ..surface.clone()
        };
        Arc::new(Self {
            table,
            clock: surface.clock.clone(),
            host,
            router: admin::router(surface),
            router_of_each: admin::router(of_each),
            seen: Mutex::default(),
            room: Arc::new(Semaphore::new(AT_ONCE)),
            tasks: TaskTracker::new(),
        })
    }

    /// Looks at the fleet's commands and replies as they come, and again twice a second: what was left for want of room is begun
    /// then. Ends when they come no more; dropping it is like a process that dies.
    pub async fn run(self: Arc<Self>, mut items: watch::Receiver<Arc<Vec<Item>>>, presence: Arc<Presence>) {
        loop {
            let seen = Arc::clone(&items.borrow_and_update());
            // Between two sessions nothing is taken: who is told the session must be able to find it alive.
            if let Some(session) = presence.session() {
                self.handle(&seen, &session);
            }
            if let Ok(Err(_)) = tokio::time::timeout(LOOK, items.changed()).await {
                return;
            }
        }
    }

    /// Is told the items of the fleet's partition, at each poll, as this session of a replica that lives. Does not wait for what
    /// it begins.
    pub fn handle(self: &Arc<Self>, items: &[Item], session: &str) {
        let now = Now {
            wall: self.milliseconds(),
            monotonic: self.clock.monotonic(),
        };
        let room = self.room.available_permits();
        let actions = self.seen().look(items, session, now, room);
        for action in actions {
            self.begin(action, session);
        }
    }

    /// Waits for the replies to what is under way, for a short grace, and begins nothing more.
    pub async fn stop(&self) {
        self.room.close();
        self.tasks.close();
        // What is not told by then is answered by nobody, as when the process dies.
        tokio::time::timeout(STOP_GRACE, self.tasks.wait())
            .await
            .unwrap_or_default();
    }

    fn begin(self: &Arc<Self>, action: Action, session: &str) {
        let relay = Arc::clone(self);
        let me = Replier {
            session: session.to_owned(),
            host: self.host.clone(),
        };
        let (command, step) = match action {
            Action::Take(command) => (command, Step::Take),
            Action::CarryOut(command) => (command, Step::CarryOut),
            Action::AsEach(command) => (command, Step::AsEach),
            Action::Complain(key, why) => {
                tracing::warn!(
                    event = "table_command_senseless",
                    item = key.sort,
                    why,
                    "a command in the table makes no sense, and is left alone"
                );
                return;
            }
            Action::Remove(key, on) => {
                // Another replica may have been quicker; it is tried again where it failed.
                self.tasks
                    .spawn(async move { drop(relay.table.delete(&key, on).await) });
                return;
            }
        };
        let Ok(permit) = self.room.clone().try_acquire_owned() else {
            self.seen().forget(&command.id);
            return;
        };
        self.tasks.spawn(async move {
            relay.go(command, step, &me).await;
            drop(permit);
        });
    }

    async fn go(&self, command: Command, step: Step, me: &Replier) {
        if step == Step::Take && !self.take(&command, me).await {
            return;
        }
        if !command.request.is_look() {
            tracing::info!(
                event = "table_command",
                command = command.id,
                claimed_by = command.by,
                method = command.request.method,
                path = command.request.path,
                "a command came through the table"
            );
        }
        let (id, now) = (command.id.clone(), self.milliseconds());
        let replied = match step {
            Step::AsEach => {
                let reply = answer_each(self.router_of_each.clone(), command).await;
                replying::reply_of_one(&*self.table, &id, me, &reply, now).await
            }
            Step::Take | Step::CarryOut => {
                let reply = answer(self.router.clone(), command).await;
                replying::reply_to_taken(&*self.table, &id, me, &reply, now).await
            }
        };
        if let Err(NotWritten { error, .. }) = replied {
            tracing::warn!(
                event = "table_reply_lost",
                command = id,
                %error,
                "a command was carried out, and its reply could not be written into the table"
            );
        }
    }

    /// Takes a command, if nobody has. Where nobody knows, the next poll shows.
    async fn take(&self, command: &Command, me: &Replier) -> bool {
        let change = Change::new()
            .set(STATE, State::Taken.label())
            .set(TAKEN_BY, me.session.as_str())
            .set(HOST, me.host.as_str());
        let on = Condition::is(STATE, State::Waiting.label());
        let is_mine = |item: &Item| item.text(TAKEN_BY) == Some(me.session.as_str());
        match write_once(&*self.table, &command.key(), (change, on), is_mine, TRIES).await {
            Ok(_) => true,
            Err(NotWritten {
                error: TableError::NotAsWanted { .. },
                ..
            }) => false,
            Err(_) => {
                self.seen().forget(&command.id);
                false
            }
        }
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.clock.now().timestamp_millis()).unwrap_or_default()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Each look is made whole, so a poisoned lock guards sound data.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fleet for Leases {
    fn replicas(&self) -> Vec<ReplicaStatus> {
        told_of(Leases::replicas(self))
    }
}

/// What status shows of these: those that live.
fn told_of(all: Vec<Replica>) -> Vec<ReplicaStatus> {
    let mine = all.iter().find(|replica| replica.is_self);
    let mine = mine.and_then(|replica| replica.fingerprint.clone());
    let living = all.into_iter().filter(|replica| replica.alive);
    let told = living.map(|replica| ReplicaStatus {
        // One that has none yet has only just begun.
        same_configuration: mine.is_none() || replica.fingerprint.is_none() || replica.fingerprint == mine,
        session: replica.id,
        host: replica.host,
        leases: usize::try_from(replica.leases).unwrap_or(usize::MAX),
        answers: replica.is_self,
    });
    told.collect()
}

/// What is left to do about a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Take,
    CarryOut,
    AsEach,
}

/// Carries out what each replica does.
async fn answer_each(router: Router, command: Command) -> Reply {
    let (method, path) = OF_EACH;
    if command.request.method == method && command.request.path == path {
        return answer(router, command).await;
    }
    let why = "only a reload is carried out by each replica; ask `any` of them";
    told(Failure::bad_request(why).into_response()).await
}

/// Carries a command out, to its end.
async fn answer(router: Router, command: Command) -> Reply {
    let asked = tokio::spawn(async move {
        match request(command) {
            Ok(request) => router.oneshot(request).await.unwrap_or_else(|never| match never {}),
            Err(failure) => failure.into_response(),
        }
    });
    let response = asked.await.unwrap_or_else(|_| defect().into_response());
    told(response).await
}

/// The request of a command, with who asks.
fn request(command: Command) -> Result<Request<Body>, Failure> {
    let command::Request { method, path, body } = command.request;
    let method: Method = method
        .parse()
        .map_err(|_| Failure::bad_request("the command's method is none"))?;
    let uri: Uri = path
        .parse()
        .map_err(|_| Failure::bad_request("the command's path is none"))?;
    if uri.authority().is_some() || !uri.path().starts_with('/') {
        return Err(Failure::bad_request("the command's path begins with /"));
    }
    if uri.path() == OF_ONE_PROCESS {
        return Err(Failure::bad_request(
            "the level of the log is one process's: ask for it over that replica's socket, or set `daemon.log_level` and \
             reload",
        ));
    }
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header(header::HOST, "rekeyd")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .map_err(|error| Failure::bad_request(error.to_string()))?;
    let caller = Caller::Table {
        by: command.by,
        command: command.id,
    };
    request.extensions_mut().insert(ConnectInfo(caller));
    Ok(request)
}

/// What a response says, if it goes through the table.
async fn told(response: Response) -> Reply {
    let (parts, body) = response.into_parts();
    let body = match Limited::new(body, LONGEST_REPLY).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        Err(_) => return too_long(),
    };
    Reply {
        status: parts.status.as_u16(),
        body,
    }
}

fn too_long() -> Reply {
    let error = format!(
        "the answer is longer than the {} MiB that go through the table: ask for one secret, or over the socket of a replica",
        LONGEST_REPLY >> 20
    );
    Reply {
        status: StatusCode::PAYLOAD_TOO_LARGE.as_u16(),
        body: serde_json::json!({ "error": error }).to_string(),
    }
}
