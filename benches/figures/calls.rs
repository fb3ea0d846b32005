//! What single calls, logins and saves cost the process that makes them, in processor time.
//!
//! They are made by this program, started anew, so that `/proc` shows nothing else: through the
//! library's own ports, with the sandbox and its `redis-server` as processes of their own.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use rekeyd::aws::{PlacePorts, connect};
use rekeyd::clock::{SharedClock, SystemClock};
use rekeyd::login::{DEFAULT_CONCURRENCY, DEFAULT_DEADLINE, Login, RedisLogin};
use rekeyd::metrics::Metrics;
use rekeyd::policy::{Budgets, Endpoint, Place, Tls};
use rekeyd::rotation::observation::LoginAnswer;
use rekeyd::secret::Password;
use rekeyd::store::sqlite::SqliteStore;
use tokio::process::Command;
use tokio::time::Instant;

use crate::Outcome;
use crate::costs;
use crate::fleet::{PASSWORD, region};
use crate::http::Connection;
use crate::process::Watched;
use crate::rotating::Stage;
use crate::sandbox::Pace;
use crate::table::Table;

/// The variables that make this program the one that is measured: where the sandbox answers, and
/// the roots of its nodes.
const URL: &str = "REKEYD_FIGURES_URL";
const CA_FILE: &str = "REKEYD_FIGURES_CA_FILE";
const SPAN: Duration = Duration::from_secs(3);
/// What is under way at a time.
const AT_ONCE: usize = 16;

/// Starts what is measured and takes its figures over.
pub(crate) async fn measure(table: &mut Table) -> Outcome<()> {
    let stage = Stage::build(10, Pace::Quick, true).await?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let measured = Command::new(own)
        .env_clear()
        .envs([
            (URL, stage.sandbox.url()),
            (CA_FILE, stage.sandbox.ca_file.display().to_string()),
        ])
        .envs([("AWS_ACCESS_KEY_ID", "REKEYD"), ("AWS_SECRET_ACCESS_KEY", "bench")])
        .stderr(Stdio::inherit())
        .output()
        .await
        .map_err(|error| error.to_string())?;
    let printed = String::from_utf8_lossy(&measured.stdout);
    for line in printed.lines() {
        let (what, micros) = line.rsplit_once(' ').ok_or("a figure without a value")?;
        let micros: f64 = micros.parse().map_err(|_| format!("no figure: {line}"))?;
        table.add(1, what, (micros, "us"), "processor time of the process that asks");
    }
    stage.sandbox.end().await;
    Ok(())
}

/// The place in the environment, if this is the process that is measured.
pub(crate) fn asked() -> Option<(String, PathBuf)> {
    Some((std::env::var(URL).ok()?, std::env::var_os(CA_FILE)?.into()))
}

/// Makes calls, logins and saves and prints what one costs in microseconds.
pub(crate) async fn spend(url: &str, ca_file: PathBuf) -> Outcome<()> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let metrics = Arc::new(Metrics::new(&[]));
    let ports = connect(&place(url), clock.clone(), metrics.clone()).await;
    let said = |error: rekeyd::aws::AwsError| error.to_string();
    let secret = ports.secrets.secret("bench/u0").await.map_err(said)?;
    let version = secret.versions.keys().next().ok_or("no version")?.clone();
    let node = node(&ports).await?;

    let (to, asked) = (ports.clone(), secret.arn.clone());
    spent("GetSecretValue", move || {
        let (ports, secret, version) = (to.clone(), asked.clone(), version.clone());
        async move { ports.secrets.value(&secret, &version).await.is_ok() }
    })
    .await?;
    let to = ports.clone();
    spent("DescribeUsers of one", move || {
        let ports = to.clone();
        async move { ports.users.user("u0").await.is_ok() }
    })
    .await?;
    let (to, asked) = (ports.clone(), secret.arn.clone());
    let dated = clock.now() - chrono::TimeDelta::seconds(5);
    spent("PutSecretValue, dated", move || {
        let (ports, secret) = (to.clone(), asked.clone());
        // The same version with the same value: AWS takes it again and again.
        let document = format!(r#"{{"username": "u0", "password": "{PASSWORD}"}}"#).into();
        async move {
            let put = ports.secrets_writer.put_pending(&secret, PENDING, &document, dated);
            put.await.is_ok()
        }
    })
    .await?;
    let address = url.trim_start_matches("http://").to_owned();
    bare(&address, &secret.arn).await?;

    let login = Arc::new(RedisLogin::new(metrics, DEFAULT_DEADLINE, DEFAULT_CONCURRENCY));
    let tls = Tls { ca_file: Some(ca_file) };
    spent("a login", move || {
        let (login, node, tls) = (login.clone(), node.clone(), tls.clone());
        async move {
            let password = Password::new(PASSWORD.to_owned());
            login.login(&node, &tls, "u0", &password).await == LoginAnswer::Accepted
        }
    })
    .await?;

    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(|error| error.to_string())?;
    for at_once in [1, 32] {
        let store =
            SqliteStore::open(&folder.path().join(format!("{at_once}.db"))).map_err(|error| error.to_string())?;
        let before = Watched(std::process::id()).cpu()?;
        let saves = costs::saves(Arc::new(store), at_once).await * costs::SPAN.as_secs_f64();
        print(&format!("a durable save, {at_once} at a time"), before, saves)?;
    }
    Ok(())
}

/// The version that is put.
const PENDING: &str = "99999999-0000-4000-8000-000000000000";

fn place(url: &str) -> Place {
    Place {
        name: "main".to_owned(),
        region: region(0),
        profile: None,
        role: None,
        secrets_manager_endpoint: Some(url.to_owned()),
        elasticache_endpoint: Some(url.to_owned()),
        event_bridge_endpoint: None,
        dynamodb_endpoint: None,
        sts_endpoint: None,
        use_fips: None,
        use_dualstack: None,
        // What a call costs is asked here, not how many may be made.
        budgets: Budgets {
            modify_user: 40_000,
            secrets_manager_writes: 40_000,
            secrets_manager_reads: 40_000,
            elasticache_reads: 40_000,
        },
    }
}

async fn node(ports: &PlacePorts) -> Outcome<Endpoint> {
    let group = ports
        .users
        .replication_group("c0")
        .await
        .map_err(|error| error.to_string())?;
    let member = group.members.first().ok_or("the cache has no node")?;
    let cluster = ports
        .users
        .cache_cluster(member)
        .await
        .map_err(|error| error.to_string())?;
    Ok(cluster.nodes.first().ok_or("the cache has no node")?.0.clone())
}

/// The same GetSecretValue without the SDK, on one connection: what HTTP alone costs.
async fn bare(address: &str, secret: &str) -> Outcome<()> {
    let mut connection = Connection::tcp(address).await?;
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=REKEYD/20260101/{}/secretsmanager/aws4_request, SignedHeaders=host, Signature=0",
        region(0)
    );
    let headers = [
        ("authorization", &*authorization),
        ("x-amz-target", "secretsmanager.GetSecretValue"),
    ];
    let body = serde_json::json!({"SecretId": secret}).to_string();
    let (before, begin, mut done) = (Watched(std::process::id()).cpu()?, Instant::now(), 0.0);
    while begin.elapsed() < SPAN {
        connection.ask(Method::POST, "/", &headers, body.clone()).await?;
        done += 1.0;
    }
    print("GetSecretValue by HTTP alone, 1 at a time", before, done)
}

/// Does something for a while, several at a time, and prints what once cost.
async fn spent<F: Future<Output = bool> + Send>(
    what: &str,
    work: impl Fn() -> F + Clone + Send + 'static,
) -> Outcome<()> {
    if !work().await {
        return Err(format!("{what} fails"));
    }
    let (before, begin) = (Watched(std::process::id()).cpu()?, Instant::now());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let work = work.clone();
        tasks.spawn(async move {
            let mut done = 0_u32;
            while begin.elapsed() < SPAN {
                work().await;
                done += 1;
            }
            done
        });
    }
    let done: u32 = tasks.join_all().await.into_iter().sum();
    print(what, before, f64::from(done))
}

fn print(what: &str, before: Duration, done: f64) -> Outcome<()> {
    let spent = Watched(std::process::id()).cpu()? - before;
    println!("{what} {:.1}", spent.as_secs_f64() * 1_000_000.0 / done);
    Ok(())
}
