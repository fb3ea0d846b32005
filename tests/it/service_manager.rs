//! What the real process tells a service manager (sd_notify(3)), with the test listening in its place.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::support::cli::orders;
use crate::support::clocks::faked;
use crate::support::daemon::Setup;
use crate::support::status::rotated_to;
use crate::support::world::secret_name;
use crate::support::{Fault, FaultKind, OLD, World, eventually};
use rekeyd::rotation::version::version_id;

/// A service manager that writes down each message and when it came.
#[derive(Clone)]
struct Manager {
    socket: PathBuf,
    heard: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Manager {
    fn listen(world: &World) -> Self {
        let socket = world.path("notify");
        let listening = UnixDatagram::bind(&socket).unwrap();
        let heard: Arc<Mutex<Vec<(Instant, String)>>> = Arc::default();
        let written = heard.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            let mut message = vec![0; 65_536];
            while let Ok(length) = listening.recv(&mut message) {
                let text = String::from_utf8(message[..length].to_vec()).unwrap();
                written.lock().unwrap().push((Instant::now(), text));
            }
        });
        Self { socket, heard }
    }

    /// A daemon under this manager, of one policy that has `user1`.
    fn daemon<'a>(&self, world: &'a World) -> Setup<'a> {
        orders(world, &["user1"]).env("NOTIFY_SOCKET", self.socket.to_str().unwrap())
    }

    fn messages(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|(_, message)| message.clone()).collect()
    }

    /// When the pings of the watchdog came.
    fn pings(&self) -> Vec<Instant> {
        let heard = self.heard.lock().unwrap();
        let pings = heard.iter().filter(|(_, message)| message == "WATCHDOG=1\n");
        pings.map(|(at, _)| *at).collect()
    }

    /// Waits for a message that has all these lines, or lines that begin so; after the first `since` messages.
    async fn hears(&self, since: usize, lines: &[&str]) -> String {
        eventually(&format!("{lines:?} is told"), || async {
            let messages = self.messages();
            let tells = |message: &String, wanted: &str| message.lines().any(|line| line.starts_with(wanted));
            let has = |message: &&String| lines.iter().all(|wanted| tells(message, wanted));
            let found = messages.iter().skip(since).find(has).cloned();
            found.ok_or_else(|| format!("{messages:?}"))
        })
        .await
    }
}

fn microseconds(message: &str, key: &str) -> u128 {
    let value = message
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("{key}: {message}"))
}

/// Microseconds of CLOCK_MONOTONIC, by which systemd orders a reload and its end.
fn monotonic_now() -> u128 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
    Duration::from(now).as_micros()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_is_told_of_readiness_state_reloads_and_the_end_in_this_order() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let manager = Manager::listen(&world);
    let daemon = manager
        .daemon(&world)
        .daemon_key("drain_timeout", "\"100s\"")
        .run()
        .await;
    manager.hears(0, &["READY=1"]).await;
    manager
        .hears(0, &["STATUS=1 secret, 0 rotating, 0 need attention, 0 halted"])
        .await;

    let (before, since) = (monotonic_now(), manager.messages().len());
    daemon.signal("-HUP");
    let reloading = manager.hears(since, &["RELOADING=1", "MONOTONIC_USEC="]).await;
    let told_at = microseconds(&reloading, "MONOTONIC_USEC");
    assert!((before..=monotonic_now()).contains(&told_at), "{before} {told_at}");
    manager.hears(since + 1, &["READY=1"]).await;

    let since = manager.messages().len();
    let config = world.path("rekeyd.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{good}\nnonsense = 1\n")).unwrap();
    daemon.signal("-HUP");
    manager.hears(since, &["RELOADING=1"]).await;
    manager.hears(since + 1, &["READY=1"]).await;
    let status = manager.hears(since + 1, &["STATUS="]).await;
    assert!(status.contains("the last reload was refused"), "{status}");
    std::fs::write(&config, good).unwrap();

    let mut slow = Fault::next("ModifyUser", FaultKind::Delay);
    slow.ms = Some(1_500);
    world.faults(vec![slow]);
    daemon.rotate(&secret).await;
    world.fault_fired().await;
    let since = manager.messages().len();
    assert_eq!(daemon.end("-TERM").await, Some(0));
    let stopping = manager.hears(since, &["STOPPING=1", "STATUS=stopping"]).await;
    let extended = microseconds(&stopping, "EXTEND_TIMEOUT_USEC");
    assert!(extended > 100_000_000, "no longer than drain_timeout: {stopping}");
    assert!(!manager.messages().join("").contains(OLD));

    let daemon = manager.daemon(&world).run().await;
    daemon
        .wait(&secret, "rotated", rotated_to(&version_id(&arn, &first, 0)))
        .await;
}

/// A wall clock that is off by what a file says at each look at it.
fn with_a_wall_clock_of_its_own<'a>(setup: Setup<'a>, offset: &std::path::Path) -> Setup<'a> {
    let faked = faked(("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap())).into_iter();
    let setup = faked.fold(setup, |setup, (key, value)| setup.env(key, &value));
    setup.env("FAKETIME_NO_CACHE", "1")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watchdog_is_fed_while_the_scheduler_ticks_and_starves_when_it_does_not_although_the_process_lives() {
    let timeout = Duration::from_secs(4);
    let world = World::of(&[]).await;
    let manager = Manager::listen(&world);
    let offset = world.path("offset");
    std::fs::write(&offset, "+0\n").unwrap();
    let setup = manager
        .daemon(&world)
        .env("WATCHDOG_USEC", &timeout.as_micros().to_string());
    let daemon = with_a_wall_clock_of_its_own(setup, &offset).run().await;
    eventually("it was fed three times", || async {
        let fed = manager.pings().len();
        if fed >= 3 { Ok(()) } else { Err(fed.to_string()) }
    })
    .await;
    let pings = manager.pings();
    for pair in pings.windows(2) {
        let between = pair[1] - pair[0];
        assert!(
            between > timeout / 4,
            "at every tick, not at half of the time: {between:?}"
        );
    }

    // A wall clock that is set back silences the scheduler until its next date comes again.
    std::fs::write(&offset, "-3600\n").unwrap();
    eventually("the tick is stale", || async {
        let answer = daemon.get("/readyz").await;
        if answer.status == 503 && answer.body.contains("last ticked") {
            Ok(())
        } else {
            Err(answer.body)
        }
    })
    .await;
    let last = *manager.pings().last().unwrap();
    let enough = last + timeout + timeout / 2;
    tokio::time::sleep_until(enough).await;
    assert_eq!(daemon.get("/livez").await.status, 200, "the process lives");
    assert_eq!(manager.pings().last(), Some(&last), "fed without a tick");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watchdog_of_another_process_is_not_fed() {
    let world = World::of(&[]).await;
    let manager = Manager::listen(&world);
    let setup = manager.daemon(&world).env("WATCHDOG_USEC", "2000000");
    let _daemon = setup.env("WATCHDOG_PID", "1").run().await;
    manager.hears(0, &["STATUS="]).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(manager.pings().is_empty(), "{:?}", manager.pings());
}
