//! Control paths under `/_sandbox/`.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::object::Object;
use super::{Reply, reply};
use crate::core::CallContext;
use crate::core::faults::Fault;
use crate::core::nodes::NodeChange;
use crate::core::stranger::StrangerAct;
use crate::dispatch;
use crate::redis::plane::Plane;
use crate::sandbox::Sandbox;
use crate::settings::check_delay;

/// All control paths: method, path and what for. `GET /_sandbox/` shows them, and README.md has an example of each.
const PATHS: &[(&str, &str, &str)] = &[
    ("GET", "", "this list"),
    (
        "POST",
        "reset",
        "forgets everything, a state file's content too; settings are those of the start again",
    ),
    ("GET", "calls", "how often each operation was called"),
    ("GET", "log", "the calls in order, with their outcomes and durations"),
    ("GET", "operations", "the names of all operations"),
    ("GET", "faults", "the faults with what they have hit"),
    ("PUT", "faults", "replaces all faults"),
    ("POST", "release", "lets all held and hanging calls go on"),
    ("GET", "settings", "the settings in force"),
    ("PUT", "settings", "changes the settings that it names"),
    ("GET", "nodes", "the nodes of all caches, with the users that they know"),
    ("POST", "nodes/{id}", "stops, starts, delays or replaces a node"),
    ("GET", "ca.pem", "the CA certificate of the nodes"),
    ("POST", "seed", "makes what no API call can make"),
    ("POST", "stranger", "has somebody else change something"),
];

/// What the control paths work on.
#[derive(Clone)]
pub(crate) struct Control {
    pub(crate) sandbox: Sandbox,
    pub(crate) plane: Plane,
    pub(crate) ca_pem: Arc<str>,
}

/// `POST /_sandbox/stranger`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stranger {
    act: Object<StrangerAct>,
    account: Option<String>,
    region: Option<String>,
}

impl Stranger {
    /// Where the stranger acts.
    fn place(&self) -> CallContext {
        let mut place = CallContext::default();
        place.account = self.account.clone().unwrap_or(place.account);
        place.region = self.region.clone().unwrap_or(place.region);
        place
    }
}

impl Control {
    pub(crate) async fn answer(&self, method: &Method, path: &str, body: &[u8]) -> Reply {
        match (method.as_str(), path) {
            ("GET", "") => json_reply(&index()),
            ("POST", "reset") => {
                self.sandbox.reset();
                self.plane.settled().await;
                ok()
            }
            ("POST", "release") => {
                self.sandbox.release();
                ok()
            }
            ("GET", "calls") => json_reply(&self.sandbox.calls()),
            ("GET", "log") => json_reply(&self.sandbox.log()),
            ("GET", "operations") => json_reply(&dispatch::operations()),
            ("GET", "nodes") => json_reply(&self.sandbox.nodes()),
            ("GET", "faults") => json_reply(&self.sandbox.faults()),
            ("GET", "settings") => json_reply(&self.sandbox.settings()),
            ("GET", "ca.pem") => reply(
                StatusCode::OK,
                "application/x-pem-file",
                self.ca_pem.as_bytes().to_vec(),
            ),
            ("PUT", "faults") => self.put_faults(body),
            ("PUT", "settings") => self.put_settings(body),
            ("POST", "seed") => match read(body).map(|Object(seed)| self.sandbox.seed(seed)) {
                Ok(Ok(())) => ok(),
                Ok(Err(error)) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
                Err(error) => refuse(StatusCode::BAD_REQUEST, &error),
            },
            ("POST", "stranger") => self.stranger(body),
            ("POST", path) => match path.strip_prefix("nodes/") {
                Some(node) => self.change_node(node, body).await,
                None => no_such_path(),
            },
            _ => no_such_path(),
        }
    }

    fn put_faults(&self, body: &[u8]) -> Reply {
        let faults: Vec<Object<Fault>> = match read(body) {
            Ok(faults) => faults,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &error),
        };
        let faults: Vec<Fault> = faults.into_iter().map(|Object(fault)| fault).collect();
        if let Some(defect) = faults.iter().find_map(|fault| fault.defect(dispatch::knows)) {
            return refuse(StatusCode::BAD_REQUEST, &defect);
        }
        self.sandbox.set_faults(faults);
        json_reply(&self.sandbox.faults())
    }

    fn stranger(&self, body: &[u8]) -> Reply {
        let stranger: Stranger = match read(body) {
            Ok(Object(stranger)) => stranger,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &error),
        };
        match self.sandbox.stranger(&stranger.place(), &stranger.act.0) {
            Ok(()) => ok(),
            Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }

    fn put_settings(&self, body: &[u8]) -> Reply {
        let patch: Value = match read(body) {
            Ok(patch) => patch,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &error),
        };
        match self.sandbox.settings().patched(&patch) {
            Ok(settings) => {
                self.sandbox.set_settings(settings.clone());
                json_reply(&settings)
            }
            Err(error) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        }
    }

    async fn change_node(&self, id: &str, body: &[u8]) -> Reply {
        let change: NodeChange = match read(body) {
            Ok(Object(change)) => change,
            Err(error) => return refuse(StatusCode::BAD_REQUEST, &error),
        };
        let delay = change.propagation_ms.flatten();
        if let Some(Err(error)) = delay.map(|delay| check_delay("propagation_ms", delay)) {
            return refuse(StatusCode::BAD_REQUEST, &error.to_string());
        }
        match self.plane.change_node(&self.sandbox, id, &change).await {
            Ok(true) => ok(),
            Ok(false) => refuse(StatusCode::NOT_FOUND, "There is no such node."),
            Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }
}

/// Reads a body; the error is for the reply.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn ok() -> Reply {
    json_reply(&json!({"ok": true}))
}

fn json_reply(value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => reply(StatusCode::OK, "application/json", body),
        Err(error) => refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn refuse(status: StatusCode, why: &str) -> Reply {
    reply(status, "application/json", json!({"error": why}).to_string())
}

fn index() -> Value {
    let path = |(method, path, what): &(&str, &str, &str)| json!({"method": method, "path": format!("/_sandbox/{path}"), "what": what});
    json!({
        "name": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "services": ["elasticache", "secretsmanager", "sts"],
        "paths": PATHS.iter().map(path).collect::<Vec<_>>(),
    })
}

fn no_such_path() -> Reply {
    refuse(
        StatusCode::NOT_FOUND,
        "There is no such control path; GET /_sandbox/ lists all of them.",
    )
}
