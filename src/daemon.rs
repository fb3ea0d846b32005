//! The daemon: adapters from a configuration, the engine, the surfaces, and their orderly end.

mod commands;
mod places;
mod reload;
mod state;

use std::sync::Arc;
use std::time::Duration;

use rand::TryRngCore;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::audit::{Actor, AuditError, Trail};
use crate::aws::Share;
use crate::clock::{SharedClock, SystemClock};
use crate::config::{ConfigErrors, Loaded};
use crate::engine::control::Control;
use crate::engine::{Adapters, Engine, Settled};
use crate::login::{DEFAULT_CONCURRENCY, DEFAULT_DEADLINE, RedisLogin};
use crate::metrics::Metrics;
use crate::notify::{self, Bounds, Deliveries};
use crate::server::admin::AdminServer;
use crate::server::configuration::{Configuration, reload_audited};
use crate::server::http::HttpServer;
use crate::server::{ServeError, Surface};
use crate::service_manager::{self, Summary, Watchdog};
use crate::store::StoreError;
use crate::telemetry::LogControl;
use crate::tick::Tick;

use commands::Commands;
use places::{connect_all, share_of};
use reload::Reloader;
pub use reload::Source;
use state::{Member, State};

/// A daemon that could not start, or ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A surface.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The scheduler.
    #[error("the scheduler cannot be started: {0}")]
    Tick(#[from] tokio_cron_scheduler::JobSchedulerError),
    /// What is kept in files for those who are notified.
    #[error("{0}")]
    Notify(#[from] ConfigErrors),
    /// A surface died.
    #[error("a server task ended by itself; the daemon stops, so that it is restarted whole")]
    ServerEnded,
}

impl DaemonError {
    /// Whether a restart cannot help: somebody has to change the configuration or the environment first.
    pub fn takes_a_person(&self) -> bool {
        match self {
            Self::Store(error) => error.takes_a_person(),
            Self::Audit(error) => error.takes_a_person(),
            Self::Serve(error) => error.takes_a_person(),
            Self::Notify(_) => true,
            Self::Tick(_) | Self::ServerEnded => false,
        }
    }
}

/// Runs until `shutdown` ends, then drains. Reads the configuration anew at each of `hangups`, those
/// that came before it was ready included.
///
/// # Errors
/// [`DaemonError`] when it cannot start, or when a surface ends by itself.
pub async fn run(
    loaded: Loaded,
    source: Source,
    log: Arc<LogControl>,
    hangups: Signal,
    shutdown: impl Future<Output = ()>,
) -> Result<(), DaemonError> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let Started {
        engine,
        deliveries,
        metrics,
        audit,
        share,
        member,
    } = start_engine(&loaded, clock.clone()).await?;
    let daemon = &loaded.config.daemon;
    let stop_serving = CancellationToken::new();
    let kept = (metrics.clone(), audit.clone(), log.clone());
    let works = (engine.clone(), deliveries.clone());
    let surroundings = (clock.clone(), share);
    let reloader = Arc::new(Reloader::new(source, &loaded, works, kept, surroundings));
    let alone = Surface {
        control: engine.clone(),
        metrics,
        configuration: reloader.clone(),
        audit: audit.clone(),
        log,
        clock: clock.clone(),
        fleet: None,
    };
    let broken = member
        .as_ref()
        .map_or_else(CancellationToken::new, |member| member.broken.clone());
    let (surface, commands) = match member {
        None => (alone, None),
        Some(member) => {
            let (surface, commands) = Commands::begin(member, alone);
            (surface, Some(commands))
        }
    };
    let configuration = surface.configuration.clone();
    let http = HttpServer::bind(daemon.listen).await?;
    let admin = AdminServer::bind_for(&daemon.admin_socket, daemon.admin_group.as_deref()).await?;
    tracing::info!(event = "serving", listen = %http.address(), admin_socket = %admin.path().display(), "serving");
    let mut servers = tokio::task::JoinSet::new();
    servers.spawn(http.serve(
        surface.clone(),
        daemon.expose_status,
        stop_serving.clone().cancelled_owned(),
    ));
    servers.spawn(admin.serve(surface, stop_serving.clone().cancelled_owned()));
    let tick = start_watched_tick(engine.clone(), clock).await?;
    service_manager::ready();
    let telling = tokio::spawn(tell_status(engine.clone(), reloader.clone()));
    let checking = tokio::spawn(check_store(engine.clone()));
    let reloading = tokio::spawn(reload_at(hangups, configuration, audit));

    let mut died = false;
    let told_or_dead = async {
        tokio::select! {
            biased;
            () = shutdown => {}
            _ = servers.join_next() => died = true,
            () = broken.cancelled() => died = true,
        }
        telling.abort();
        checking.abort();
        service_manager::stopping(engine.drain_timeout());
        tracing::info!(event = "stopping", "stopping: steps under way are finished first");
    };
    engine.run(told_or_dead).await;
    deliveries.stop().await;
    reloading.abort();
    tick.stop().await;
    if let Some(commands) = commands {
        commands.stop().await;
    }
    stop_serving.cancel();
    while servers.join_next().await.is_some() {}
    if died { Err(DaemonError::ServerEnded) } else { Ok(()) }
}

/// Drives what is due until it is proved, or `shutdown` ends, or the longest
/// `propagation_timeout` is over. Serves nothing, and never waits out an overlap.
///
/// # Errors
/// [`DaemonError`] when the store cannot be had.
pub async fn run_once(
    loaded: Loaded,
    mut hangups: Signal,
    shutdown: impl Future<Output = ()>,
) -> Result<Settled, DaemonError> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let Started {
        engine,
        deliveries,
        member,
        ..
    } = start_engine(&loaded, clock).await?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            tracing::warn!(
                event = "hangup_ignored",
                "SIGHUP: a single run does not read its configuration again"
            );
        }
    });
    let longest = loaded
        .config
        .policies
        .values()
        .map(|policy| policy.propagation_timeout)
        .max()
        .unwrap_or_default();
    let ticking = engine.clone();
    let tick = Tick::start(move || ticking.tick()).await?;
    let settled_or_told = async {
        tokio::select! {
            biased;
            () = shutdown => {}
            () = engine.settle() => {}
            () = tokio::time::sleep(longest) => tracing::warn!(event = "run_timed_out", "propagation_timeout is over"),
        }
        // One of several replicas delivers only while it is one: the end of its work gives that up.
        if member.is_some() {
            deliveries.settle(LAST_DELIVERIES).await;
        }
    };
    engine.run(settled_or_told).await;
    tick.stop().await;
    deliveries.settle(LAST_DELIVERIES).await;
    Ok(engine.settled())
}

/// How long a single run waits for notifications to be delivered when everything else is done.
const LAST_DELIVERIES: Duration = Duration::from_secs(10);

/// An engine, and what it shares with the surfaces.
struct Started {
    engine: Arc<Engine>,
    deliveries: Arc<Deliveries>,
    metrics: Arc<Metrics>,
    audit: Arc<Trail>,
    share: Share,
    /// What makes it one of several, where its store is shared.
    member: Option<Member>,
}

async fn start_engine(loaded: &Loaded, clock: SharedClock) -> Result<Started, DaemonError> {
    let config = &loaded.config;
    let targets = notify::open(config, clock.now())?;
    let of_deliveries = clock.clone();
    let policies: Vec<String> = config.policies.keys().cloned().collect();
    let metrics = Arc::new(Metrics::new(&policies));
    metrics.per_secret(config.metrics.per_secret);
    metrics.started(clock.now());
    metrics.config_loaded(true, clock.now());
    for warning in &loaded.warnings {
        tracing::warn!(event = "configuration_warning", "{warning}");
    }
    let State {
        store,
        ownership,
        member,
    } = State::open(config, &clock, &metrics).await?;
    let audit = Trail::open(config.daemon.audit_log.as_deref(), clock.clone(), metrics.clone())?;
    let audit = Arc::new(audit);
    // Nothing waits for it: it is there by the first login.
    drop(tokio::task::spawn_blocking(crate::login::prepare));
    let places = config.places.values().cloned().collect();
    let share = share_of(&ownership);
    let places = connect_all(places, &clock, &metrics, &share).await;
    let adapters = Adapters {
        places,
        login: Arc::new(RedisLogin::new(metrics.clone(), DEFAULT_DEADLINE, DEFAULT_CONCURRENCY)),
        store: store.clone(),
        ownership: ownership.clone(),
        clock,
        randomness: Box::new(rand::rngs::OsRng.unwrap_err()),
        metrics: metrics.clone(),
        audit: audit.clone(),
    };
    tracing::info!(
        event = "starting",
        release = env!("CARGO_PKG_VERSION"),
        policies = policies.len(),
        "rekeyd starts"
    );
    let engine = Engine::new(config.clone(), adapters).await?;
    let saved = engine.outgoing_saved();
    let deliveries = Deliveries::new(
        store,
        ownership,
        of_deliveries,
        metrics.clone(),
        saved,
        Bounds::default(),
    );
    deliveries.replace(targets).await;
    Ok(Started {
        engine,
        deliveries: Arc::new(deliveries),
        metrics,
        audit,
        share,
        member,
    })
}

/// The tick, which feeds the service manager's watchdog. It notes what readiness goes by before that: one that does not
/// come back from it feeds nothing.
async fn start_watched_tick(engine: Arc<Engine>, clock: SharedClock) -> Result<Tick, DaemonError> {
    let watchdog = Watchdog::of_environment();
    let on_tick = move || {
        engine.tick();
        watchdog.iter().for_each(|watchdog| watchdog.ticked(clock.monotonic()));
    };
    Ok(Tick::start(on_tick).await?)
}

/// Keeps the line that `systemctl status` shows, where a service manager listens: looks now and then and after each
/// reload, and tells what has changed.
async fn tell_status(engine: Arc<Engine>, reloader: Arc<Reloader>) {
    if !service_manager::is_there() {
        return;
    }
    let mut shown = None;
    loop {
        let secrets = engine.clone().each_secret();
        let refused = reloader.status().last_reload_failed.is_some();
        // Some 10,000 of them: not on a thread that rotations need.
        let Ok(summary) = tokio::task::spawn_blocking(move || Summary::of(secrets, refused)).await else {
            return;
        };
        let next_look_in = summary.next_look_in();
        if shown.as_ref() != Some(&summary) {
            service_manager::show(&summary);
            shown = Some(summary);
        }
        let _ = tokio::time::timeout(next_look_in, reloader.ended()).await;
    }
}

/// Between two checks of the store.
const STORE_CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// Tries the store now and then, as readiness does, which counts what fails: a daemon at rest writes nothing for days, and
/// would learn that its store is lost no sooner than from a command that it cannot accept.
async fn check_store(engine: Arc<Engine>) {
    loop {
        tokio::time::sleep(STORE_CHECK_INTERVAL).await;
        engine.readiness().await;
    }
}

/// The signals that ask for a reload. From now on none of them kills the process.
///
/// # Errors
/// When the handler cannot be installed.
pub fn hangups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

async fn reload_at(mut hangups: Signal, configuration: Arc<dyn Configuration>, audit: Arc<Trail>) {
    while hangups.recv().await.is_some() {
        tracing::info!(event = "hangup", "SIGHUP: reading the configuration anew");
        // What came of it is logged, shown by status and counted. A panic ends that reload only.
        let (configuration, audit) = (configuration.clone(), audit.clone());
        let by = Actor::Signal { signal: "SIGHUP" };
        let reloading = tokio::spawn(async move { reload_audited(&*configuration, &audit, by).await });
        if reloading.await.is_err() {
            tracing::error!(
                event = "reload_panicked",
                "the reload failed badly: please report this; the configuration before stays in force"
            );
        }
    }
}

/// Ends when the process is told to: SIGTERM or SIGINT. A second signal does not wait.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn termination() -> std::io::Result<impl Future<Output = ()>> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            tracing::warn!(
                event = "told_twice",
                "told twice: ends without waiting; the next start resumes what is under way"
            );
            std::process::exit(1);
        });
    })
}
