//! A reload of the whole fleet: the replica that is asked reads its configuration anew, and has the others do the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::TryRngCore;
use serde::Deserialize;

use crate::clock::SharedClock;
use crate::config::Problem;
use crate::engine::control::ReplicaStatus;
use crate::server::Fleet;
use crate::server::configuration::{
    Configuration, ConfigurationStatus, ReloadError, ReloadReply, ReplicaReload, without_lines,
};
use crate::store::shared::asking::ask_each;
use crate::store::shared::command::{Command, Reply, Request, Scope, new_id};
use crate::store::table::Table;

use super::OF_EACH;

/// How long the other replicas may take. Each looks at the table twice a second, and reads files and the environment.
const PATIENCE: Duration = Duration::from_secs(10);

/// The configuration of a replica whose reloads are the fleet's.
pub struct FleetConfiguration {
    own: Arc<dyn Configuration>,
    table: Arc<dyn Table>,
    fleet: Arc<dyn Fleet>,
    clock: SharedClock,
}

impl FleetConfiguration {
    /// That of a replica which reads its own by itself, among those of `fleet`.
    pub fn new(
        own: Arc<dyn Configuration>,
        table: Arc<dyn Table>,
        fleet: Arc<dyn Fleet>,
        clock: SharedClock,
    ) -> Arc<Self> {
        Arc::new(Self {
            own,
            table,
            fleet,
            clock,
        })
    }

    /// Has the others reload, and tells what each said.
    async fn others(&self) -> Vec<ReplicaReload> {
        let replicas = self.fleet.replicas();
        let me = replicas.iter().find(|replica| replica.answers);
        let by = me.map_or_else(
            || "a replica that reloads".to_owned(),
            |me| format!("rekeyd on {}, which reloads", me.host),
        );
        let (method, path) = OF_EACH;
        let request = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            body: String::new(),
        };
        let id = new_id(&mut rand::rngs::OsRng.unwrap_err());
        let command = Command::new(id, request, by, self.clock.now(), Scope::Each);
        let command = command.except(me.map(|me| me.session.clone()));
        let others: Vec<&ReplicaStatus> = replicas.iter().filter(|replica| !replica.answers).collect();
        let expected: Vec<String> = others.iter().map(|replica| replica.session.clone()).collect();
        let told: Vec<_> = match ask_each(&*self.table, &command, &expected, PATIENCE).await {
            Ok(replies) => others.into_iter().map(|replica| said(replica, &replies)).collect(),
            Err(error) => {
                let why = format!("it could not be asked: {error}");
                others
                    .into_iter()
                    .map(|replica| of_replica(replica, Err(why.clone())))
                    .collect()
            }
        };
        complain(&told);
        told
    }
}

#[async_trait]
impl Configuration for FleetConfiguration {
    fn status(&self) -> ConfigurationStatus {
        self.own.status()
    }

    async fn reload(&self) -> Result<ReloadReply, ReloadError> {
        // What this replica refuses, the others are not asked to take.
        let own = self.own.reload().await?;
        Ok(ReloadReply {
            replicas: Some(self.others().await),
            ..own
        })
    }
}

/// What a replica said; nothing is not a word.
fn said(replica: &ReplicaStatus, replies: &BTreeMap<String, Reply>) -> ReplicaReload {
    let said = match replies.get(&replica.session) {
        Some(Reply { status: 200, .. }) => Ok(()),
        Some(reply) => Err(refusal(reply)),
        None => Err(format!(
            "no answer within {} s; it may reload yet: look at its log",
            PATIENCE.as_secs()
        )),
    };
    of_replica(replica, said)
}

fn of_replica(replica: &ReplicaStatus, said: Result<(), String>) -> ReplicaReload {
    ReplicaReload {
        session: replica.session.clone(),
        host: replica.host.clone(),
        reloaded: said.is_ok(),
        error: said.err(),
    }
}

/// Why a replica has not reloaded, in one line.
fn refusal(reply: &Reply) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
        #[serde(default)]
        problems: Vec<Problem>,
    }
    match serde_json::from_str::<Refusal>(&reply.body) {
        Ok(refusal) if refusal.problems.is_empty() => refusal.error,
        Ok(refusal) => without_lines(&refusal.problems),
        Err(_) => format!("it answered {}", reply.status),
    }
}

fn complain(told: &[ReplicaReload]) {
    for replica in told.iter().filter(|replica| !replica.reloaded) {
        tracing::warn!(
            event = "replica_not_reloaded",
            session = replica.session,
            host = replica.host,
            error = replica.error,
            "another replica has not taken the configuration"
        );
    }
}
