//! dynalite, which stands for DynamoDB and was not written here, behind a front that counts what it is asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use hyper::Method;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::Outcome;
use crate::http::Connection;

/// Forwards everything, asks for the consumed capacity with it, and adds that up by operation. A write whose condition did
/// not hold consumes at least one unit, and its reply does not say so.
const SERVE: &str = r#"
const http = require("http"), counts = {};
const counted = ["GetItem", "Query", "UpdateItem", "DeleteItem", "PutItem"];
const dynalite = require("dynalite")({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });
const whole = (stream, then) => {
  const parts = [];
  stream.on("data", part => parts.push(part)).on("end", () => then(Buffer.concat(parts)));
};
dynalite.listen(0, "127.0.0.1", () => {
  const agent = new http.Agent({ keepAlive: true }), port = dynalite.address().port;
  const front = http.createServer((request, response) => whole(request, body => {
    if (request.url === "/counts") return response.end(JSON.stringify(counts));
    const operation = (request.headers["x-amz-target"] || "").split(".").pop();
    if (counted.includes(operation))
      body = Buffer.from(JSON.stringify({ ...JSON.parse(body), ReturnConsumedCapacity: "TOTAL" }));
    const headers = { ...request.headers, "content-length": body.length };
    const { method, url: path } = request;
    const onward = http.request({ host: "127.0.0.1", port, agent, method, path, headers }, reply => whole(reply, text => {
      const count = counts[operation] = counts[operation] || { requests: 0, units: 0 };
      const consumed = JSON.parse(text).ConsumedCapacity;
      count.requests += 1;
      count.units += consumed ? consumed.CapacityUnits : 1;
      response.writeHead(reply.statusCode, reply.headers);
      response.end(text);
    }));
    onward.on("error", () => response.destroy());
    onward.end(body);
  }));
  front.keepAliveTimeout = 3600000;
  front.listen(0, "127.0.0.1", () => console.log(`127.0.0.1:${front.address().port}`));
});
"#;

/// What was asked by one operation.
#[derive(Clone, Copy, Default, Deserialize)]
pub(crate) struct Count {
    pub(crate) requests: f64,
    /// Capacity units: of 4 KB, consistently read, or of 1 KB written.
    pub(crate) units: f64,
}

/// Counts by operation.
pub(crate) type Counts = BTreeMap<String, Count>;

/// The process.
pub(crate) struct Dynalite {
    address: String,
    /// Held for the sake of `kill_on_drop`.
    _child: Child,
}

impl Dynalite {
    pub(crate) async fn start() -> Outcome<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/dynalite");
        let mut child = Command::new("node")
            .args(["-e", SERVE])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                format!(
                    "node in {}: {error}; run scripts/install-tools.sh dynalite",
                    folder.display()
                )
            })?;
        let out = child.stdout.take().ok_or("no output of dynalite")?;
        let address = BufReader::new(out).lines().next_line().await.ok().flatten();
        Ok(Self {
            address: address.ok_or("dynalite ended at once; run scripts/install-tools.sh dynalite")?,
            _child: child,
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far.
    pub(crate) async fn counts(&self) -> Outcome<Counts> {
        let mut connection = Connection::tcp(&self.address).await?;
        let counts = connection.ask(Method::GET, "/counts", &[], String::new()).await?;
        serde_json::from_str(&counts).map_err(|error| error.to_string())
    }
}
