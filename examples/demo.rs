//! `make demo`: the real `rekeyd` rotates two users on real `redis-server` processes, in front of a
//! local stand-in for AWS, and this program says what happens and why.
//!
//! It plays the operator, who follows the AWS guide, and a sceptic, who believes nothing that
//! rekeyd says and logs in with `redis-cli`. It goes on until Ctrl-C. With `DEMO_SECONDS=60` it ends
//! by itself, and its exit code says whether every answer was right.

#[path = "demo/daemon.rs"]
mod daemon;
#[path = "demo/operator.rs"]
mod operator;
#[path = "demo/sceptic.rs"]
mod sceptic;
#[path = "demo/story.rs"]
mod story;
#[path = "demo/verdict.rs"]
mod verdict;
#[path = "demo/voice.rs"]
mod voice;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rekeyd_sandbox::{Range, SandboxServer, ServerConfig, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};

use daemon::Daemon;
use operator::Operator;
use sceptic::Sceptic;
use story::Story;
use voice::Voice;

/// What went wrong, in words.
type Outcome<T> = Result<T, String>;

const USERS: [&str; 2] = ["user1", "user2"];

/// How often the daemon is asked what happened.
const POLL: Duration = Duration::from_millis(250);

/// How long the end waits for a rotation or retirement that is under way.
const GRACE: Duration = Duration::from_secs(15);

/// Seconds here, for one sitting. What production has is said beside it on the terminal.
struct Times {
    schedule: u64,
    overlap: u64,
    fence: u64,
    settle: u64,
    signature_window: u64,
    write_deadline: u64,
    longest_retry: u64,
}

const TIMES: Times = Times {
    schedule: 20,
    overlap: 7,
    fence: 6,
    settle: 2,
    signature_window: 4,
    write_deadline: 3,
    longest_retry: 2,
};

fn main() -> ExitCode {
    let voice = Voice::of_terminal();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(demo(&voice)));
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            voice.problem(&error);
            ExitCode::FAILURE
        }
    }
}

/// Whether every answer was right.
async fn demo(voice: &Voice) -> Outcome<bool> {
    let span = seconds_wanted()?;
    let began = Instant::now();
    let mut interrupted = Interrupt::listen()?;
    let seen_by_play = interrupted.clone();
    let files = tempfile::Builder::new()
        .prefix("rekeyd-demo-")
        .tempdir()
        .map_err(|error| format!("no folder for temporary files: {error}"))?;
    let sandbox = start_sandbox(files.path()).await?;
    let mut daemon = None;
    let ended = tokio::select! {
        biased;
        () = interrupted.wait() => None,
        played = play(voice, &sandbox, files.path(), &mut daemon, began, span, seen_by_play) => Some(played),
    };
    let drained = match daemon {
        Some(daemon) => daemon.end().await,
        None => Ok(()),
    };
    sandbox.shutdown().await;
    let right = match ended {
        None => Ok(true),
        Some(played) => played,
    };
    if let Err(error) = &drained {
        voice.problem(error);
    }
    let right = right.map(|right| right && drained.is_ok());
    if matches!(right, Ok(true)) {
        voice.say("rekeyd has drained and ended; the servers and the temporary files are gone.");
    } else {
        let kept = files.keep();
        voice.say(&format!("Configuration and log are kept in {}.", kept.display()));
    }
    right
}

fn seconds_wanted() -> Outcome<Option<Duration>> {
    match std::env::var("DEMO_SECONDS") {
        Err(_) => Ok(None),
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => text
            .parse()
            .map(|seconds| Some(Duration::from_secs(seconds)))
            .map_err(|_| format!("DEMO_SECONDS is no number of seconds: {text:?}")),
    }
}

async fn start_sandbox(files: &Path) -> Outcome<SandboxServer> {
    let settings = Settings {
        propagation_ms: Range { min: 300, max: 1500 },
        signature_window_s: TIMES.signature_window,
        ..Settings::default()
    };
    let config = ServerConfig {
        settings,
        state_dir: Some(files.join("sandbox")),
        ca_file: Some(files.join("ca.pem")),
        ..ServerConfig::default()
    };
    SandboxServer::start(config)
        .await
        .map_err(|error| format!("the sandbox does not start: {error}"))
}

/// The whole play, up to the verdict.
async fn play(
    voice: &Voice,
    sandbox: &SandboxServer,
    files: &Path,
    slot: &mut Option<Daemon>,
    began: Instant,
    span: Option<Duration>,
    interrupted: Interrupt,
) -> Outcome<bool> {
    introduce(voice, sandbox, span);
    let operator = Operator::new(&sandbox.url());
    operator.follow_the_guide(voice, &USERS).await?;
    let nodes = operator.nodes().await?;
    let sceptic = Sceptic::new(nodes, files.join("ca.pem"));
    sceptic.await_nodes().await?;

    let daemon = slot.insert(Daemon::start(files, &sandbox.url()).await?);
    voice.chapter("rekeyd");
    voice.say(&format!(
        "Started as a process of its own (pid {}), with its own configuration. Look at it from another terminal:",
        daemon.pid()
    ));
    voice.say(&format!("  {} status", daemon.command_line()));
    voice.say(&format!("  http://{}/", daemon.listen()));
    voice.chapter("what happens (times are UTC)");

    let mut story = Story::new(voice, &operator, &sceptic, &USERS);
    let mut switched_on = false;
    loop {
        daemon.still_runs()?;
        story.tell(daemon.history().await?).await?;
        if !switched_on && story.all_have_a_first_password() {
            switched_on = true;
            operator.switch_on(voice, &USERS).await?;
        }
        let over = span.is_some_and(|span| began.elapsed() >= span);
        let late = span.is_some_and(|span| began.elapsed() >= span + GRACE);
        if interrupted.raised() || late || (over && story.at_rest()) {
            break;
        }
        sleep(POLL).await;
    }
    let statuses = daemon.statuses().await?;
    verdict::give(voice, &story, &statuses, span.filter(|_| !interrupted.raised())).await
}

fn introduce(voice: &Voice, sandbox: &SandboxServer, span: Option<Duration>) {
    voice.chapter("rekeyd's demo");
    voice.say(&format!(
        "A stand-in for Secrets Manager and ElastiCache listens on {}. Its caches are real redis-server processes \
         with TLS; each keeps its own list of users, and learns of a change 0.3 to 1.5 seconds after it was made.",
        sandbox.url()
    ));
    voice.say(&format!(
        "For one sitting everything is short: a rotation every {} s (production: weeks), {} s in which both passwords \
         work (24 h), {} s between two changes of one user (20 min, longer than AWS accepts a signed request; here \
         that is {} s).",
        TIMES.schedule, TIMES.overlap, TIMES.fence, TIMES.signature_window
    ));
    voice.say("Passwords are never shown; #1a2b3c is the beginning of a password's SHA-256.");
    voice.say(&match span {
        Some(span) => format!("It ends by itself after {} s.", span.as_secs()),
        None => "It goes on until you press Ctrl-C.".to_owned(),
    });
}

/// Ctrl-C, or a polite request to end.
#[derive(Clone)]
struct Interrupt {
    count: tokio::sync::watch::Receiver<u32>,
}

impl Interrupt {
    fn listen() -> Outcome<Self> {
        let (raise, count) = tokio::sync::watch::channel(0);
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            let mut signals = signal(kind).map_err(|error| format!("no signals: {error}"))?;
            let raise = raise.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    raise.send_modify(|count| *count += 1);
                }
            });
        }
        Ok(Self { count })
    }

    fn raised(&self) -> bool {
        *self.count.borrow() > 0
    }

    /// Ends at the second signal, or at the first after a while: the play sees the first by itself
    /// and ends with a verdict.
    async fn wait(&mut self) {
        let first = self.count.wait_for(|count| *count > 0).await.is_ok();
        if !first {
            std::future::pending::<()>().await;
        }
        tokio::select! {
            _ = self.count.wait_for(|count| *count > 1) => {}
            () = sleep(Duration::from_secs(5)) => {}
        }
    }
}
