//! The store's files under everything that befalls files, in the middle of an overlap: refused in clear words, or
//! good enough to go on with, and never a change that is not due.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rekeyd::rotation::status::{Phase, SecretStatus};
use tokio::process::{Child, Command};

use crate::support::cli::{ended, orders};
use crate::support::daemon::{Setup, delete_store};
use crate::support::environment::number;
use crate::support::status::proven;
use crate::support::world::secret_name;
use crate::support::{OLD, World, eventually, http};

/// The writes that rekeyd has sent so far.
fn writes(world: &World) -> Vec<String> {
    let log = world.sandbox.sandbox().log();
    let writes = log
        .into_iter()
        .filter(|call| call.access_key == "REKEYD" && call.mutated);
    writes.map(|call| call.operation).collect()
}

fn setup(world: &World) -> Setup<'_> {
    orders(world, &["user1"]).default_key("overlap", "\"1h\"")
}

/// The database and its log.
type Files = [Vec<u8>; 2];

/// `user1` in its overlap, and the store as a daemon left it that ended, and as one left it that was killed.
async fn overlap(world: &World) -> [Files; 2] {
    world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let selection = serde_json::json!({"secrets": [secret]});
    let daemon = setup(world).run().await;
    let state_file = daemon.state_file.clone();
    daemon.checked(&secret).await;
    for _ in 0..20 {
        daemon.order("pause", &selection).await;
        daemon.order("resume", &selection).await;
    }
    daemon.rotate(&secret).await;
    let in_overlap = |status: &SecretStatus| status.phase == Phase::Overlap;
    daemon.wait(&secret, "in its overlap", in_overlap).await;
    assert_eq!(daemon.end("-TERM").await, Some(0));
    let ended = [std::fs::read(&state_file).unwrap(), Vec::new()];

    let daemon = setup(world).run().await;
    daemon.wait(&secret, "in its overlap", in_overlap).await;
    daemon.order("pause", &selection).await;
    daemon.order("resume", &selection).await;
    daemon.kill().await;
    let killed = [state_file.clone(), beside(&state_file, "-wal")].map(|path| std::fs::read(path).unwrap());
    [ended, killed]
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// Cuts and flips in one of the files, with what to call them.
fn damages(sound: &Files, file: usize, chance: &mut StdRng) -> Vec<(String, Files)> {
    let (name, length) = (["database", "log"][file], sound[file].len());
    let mut damages = Vec::new();
    let odd = [0, 1, 16, 31, 99, 100, 4_095, 4_096, 4_097, length - 1];
    let cuts = odd.into_iter().chain((0..2).map(|_| chance.random_range(0..length)));
    for cut in cuts {
        let mut files = sound.clone();
        files[file].truncate(cut);
        damages.push((format!("{name} cut to {cut} of {length} bytes"), files));
    }
    for round in 0..12 {
        // Headers first: they are few bytes, and decide the most.
        let within = if round < 3 { 100.min(length) } else { length };
        let mut files = sound.clone();
        let spots: Vec<usize> = (0..1 << (round % 7)).map(|_| chance.random_range(0..within)).collect();
        for spot in &spots {
            files[file][*spot] ^= chance.random_range(1..=255_u8);
        }
        damages.push((format!("{name} with other bytes at {spots:?}"), files));
    }
    damages
}

/// Starts a daemon on what is there. `Err` is how it refused.
async fn looked_at(world: &World) -> Result<(), String> {
    let mut daemon = setup(world).start();
    let socket = daemon.socket.clone();
    let looked = eventually("the secret is looked at", || async {
        let answer = http::unix(&socket, "GET", "/api/v1/secrets", None).await;
        let body = answer.map_err(|error| error.to_string())?.json();
        let status = &body["secrets"][0];
        if status["proof"].is_null() && status["reason"].is_null() {
            Err(body.to_string())
        } else {
            Ok(())
        }
    });
    tokio::select! {
        () = looked => {
            daemon.kill().await;
            Ok(())
        }
        code = daemon.exit_code() => {
            let log = daemon.log_text();
            assert_eq!(code, Some(1), "{log}");
            Err(log.lines().last().unwrap_or_default().to_owned())
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_cut_or_corrupted_anywhere_is_refused_in_clear_words_or_changes_nothing() {
    let seed = number("REKEYD_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    println!("again with REKEYD_SEED={seed}");
    let world = World::start().await;
    let [ended, killed] = overlap(&world).await;
    let mut chance = StdRng::seed_from_u64(seed);
    let damages = [damages(&ended, 0, &mut chance), damages(&killed, 1, &mut chance)].concat();
    let before = writes(&world);
    assert_eq!(before.len(), 3, "{before:?}");
    let state_file = setup(&world).state_file();
    let (mut refused, mut gone_on) = (0, 0);
    for (what, [database, log]) in damages {
        delete_store(&state_file);
        std::fs::write(&state_file, database).unwrap();
        std::fs::write(beside(&state_file, "-wal"), log).unwrap();
        match looked_at(&world).await {
            Ok(()) => gone_on += 1,
            Err(words) => {
                let named = words.contains(&state_file.display().to_string());
                assert!(
                    named && (words.contains("failed: ") || words.contains("newer release")),
                    "{what}, REKEYD_SEED={seed}: {words}"
                );
                refused += 1;
            }
        }
        assert_eq!(writes(&world), before, "{what}, REKEYD_SEED={seed}");
    }
    println!("{refused} damaged stores were refused, {gone_on} gone on with");
    assert!(refused > 0 && gone_on > 0);
    let password = world.password(&secret_name("user1"), "AWSCURRENT").await.unwrap();
    assert_eq!(
        (world.logins("user1", OLD).await, world.logins("user1", &password).await),
        ((3, 3), (3, 3))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_moved_away_while_in_use_is_named_and_nothing_is_written_until_it_is_back() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let daemon = setup(&world).run().await;
    daemon.checked(&secret).await;
    let request = serde_json::json!({"secrets": [secret]});
    for suffix in ["", "-wal", ".lock"] {
        let (path, away) = (beside(&daemon.state_file, suffix), beside(&daemon.state_file, ".away"));
        std::fs::rename(&path, &away).unwrap();
        let refused = daemon.post("/api/v1/rotate", &request).await;
        assert_eq!(refused.status, 503, "{suffix}: {}", refused.body);
        assert!(refused.body.contains("deleted or replaced"), "{}", refused.body);
        assert!(refused.body.contains(&path.display().to_string()), "{}", refused.body);
        assert_eq!(daemon.get("/readyz").await.status, 503);
        std::fs::rename(&away, &path).unwrap();
        eventually("the daemon is ready again", || async {
            match daemon.get("/readyz").await {
                answer if answer.status == 200 => Ok(()),
                answer => Err(answer.body),
            }
        })
        .await;
    }
    assert_eq!(writes(&world), Vec::<String>::new());

    // Deleted for good, it is begun anew by the next process.
    delete_store(&daemon.state_file);
    assert_eq!(daemon.post("/api/v1/rotate", &request).await.status, 503);
    daemon.kill().await;
    let daemon = setup(&world).run().await;
    daemon.checked(&secret).await;
    assert_eq!(writes(&world), Vec::<String>::new());
    daemon.rotate(&secret).await;
    daemon
        .wait(&secret, "in its overlap", |status| status.phase == Phase::Overlap)
        .await;
    world.assert_current_logs_in(&secret, "user1").await;
}

/// Where the store is, on a file system of its own.
struct OwnDisk<'a> {
    world: &'a World,
    folder: PathBuf,
}

impl<'a> OwnDisk<'a> {
    fn new(world: &'a World) -> Self {
        let folder = world.path("disk");
        std::fs::create_dir(&folder).unwrap();
        Self { world, folder }
    }

    fn flag(&self, name: &str) -> PathBuf {
        self.world.path(&format!("disk.{name}"))
    }

    /// rekeyd in a mount namespace, with a small file system on the folder, prepared by a line of shell. A user
    /// namespace around it spares the need for root.
    fn command(&self, prepare: &str) -> Command {
        let setup = setup(self.world).env(
            "REKEYD__DAEMON__STATE",
            &format!("'sqlite:{}'", self.folder.join("state.db").display()),
        );
        let rekeyd = setup.command(&["--log-format", "text", "run"]);
        let rekeyd = rekeyd.as_std();
        let script = format!("mount -t tmpfs -o size=512k tmpfs \"$DISK\" && {{ {prepare}; }} && exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
        command.arg(rekeyd.get_program()).args(rekeyd.get_args());
        let env = rekeyd.get_envs().filter_map(|(key, value)| Some((key, value?)));
        command.env_clear().envs(env);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env("PATH", path).env("DISK", &self.folder);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Asks something of the daemon there.
    async fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Result<http::Answer, String> {
        let answer = http::unix(&self.world.path("rekeyd.sock"), method, path, body).await;
        answer.map_err(|error| error.to_string())
    }

    async fn ready(&self) {
        eventually("the daemon is ready", || async {
            match self.ask("GET", "/readyz", None).await? {
                answer if answer.status == 200 => Ok(()),
                answer => Err(answer.body),
            }
        })
        .await;
    }

    async fn status(&self, what: &str, wanted: impl Fn(&SecretStatus) -> bool) {
        eventually(what, || async {
            let mut body = self.ask("GET", "/api/v1/secrets", None).await?.json();
            let statuses: Vec<_> = serde_json::from_value(body["secrets"].take()).map_err(|error| error.to_string())?;
            if statuses.iter().any(&wanted) {
                Ok(())
            } else {
                Err(format!("{statuses:?}"))
            }
        })
        .await;
    }

    /// Has the shell beside the daemon do what it waits for.
    async fn signal(&self, go: &str, done: &str) {
        std::fs::write(self.flag(go), "").unwrap();
        let done = self.flag(done);
        eventually("the disk has changed", || async {
            if done.exists() {
                Ok(())
            } else {
                Err(format!("{} is missing", done.display()))
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_or_leave_to_write_a_daemon_without_a_store_does_not_start_and_says_why() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let disk = OwnDisk::new(&world);
    let full = "dd if=/dev/zero of=\"$DISK/filler\" bs=4k 2>/dev/null || true";
    for (prepare, words) in [
        (full, "Make room"),
        ("mount -o remount,ro \"$DISK\"", "Read-only file system"),
    ] {
        let refused = ended(disk.command(prepare)).await.with(1);
        let last = refused.stderr.lines().last().unwrap_or_default();
        assert!(last.contains(words), "{prepare}: {}", refused.stderr);
        assert!(
            last.contains(&disk.folder.join("state.db").display().to_string()),
            "{last}"
        );
    }
    assert_eq!(writes(&world), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_holds_everything_back_until_there_is_room_again() {
    let world = World::start().await;
    world.live_user("user1", OLD).await;
    let disk = OwnDisk::new(&world);
    let secret = secret_name("user1");
    let body = serde_json::json!({"secrets": [secret]}).to_string();
    // A shell beside the daemon fills the disk and empties it; it ends with the daemon.
    let fill = "( wait_for() { while [ ! -e \"$DISK.$1\" ]; do kill -0 $$ || exit; sleep 0.05; done; }; \
                wait_for fill; dd if=/dev/zero of=\"$DISK/filler\" bs=1k 2>/dev/null; : >\"$DISK.filled\"; \
                wait_for free; rm \"$DISK/filler\"; : >\"$DISK.freed\" ) &";
    let log = std::fs::File::create(world.path("disk.log")).unwrap();
    let _daemon: Child = disk
        .command(&format!("{fill} true"))
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .spawn()
        .unwrap();
    disk.ready().await;
    disk.status("the password is proved", proven).await;

    disk.signal("fill", "filled").await;
    // What the log has room for already is still accepted; then no more.
    let refusal = eventually("a request is refused", || async {
        let answer = disk.ask("POST", "/api/v1/pause", Some(&body)).await?;
        if answer.status == 503 {
            Ok(answer.body)
        } else {
            Err(answer.body)
        }
    })
    .await;
    assert!(refusal.contains("state.db"), "{refusal}");
    let refused = disk.ask("POST", "/api/v1/rotate", Some(&body)).await.unwrap();
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_eq!(disk.ask("GET", "/readyz", None).await.unwrap().status, 503);
    assert_eq!(disk.ask("GET", "/livez", None).await.unwrap().status, 200);
    assert_eq!(writes(&world), Vec::<String>::new());
    assert_eq!(world.logins("user1", OLD).await, (3, 3));

    disk.signal("free", "freed").await;
    disk.ready().await;
    for command in ["resume", "rotate"] {
        let answer = disk
            .ask("POST", &format!("/api/v1/{command}"), Some(&body))
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    disk.status("it is in its overlap", |status| status.phase == Phase::Overlap)
        .await;
    world.assert_current_logs_in(&secret, "user1").await;
}
