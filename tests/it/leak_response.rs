//! The answer to a leak: every password that was valid when it was asked for dies, at once, and the time
//! that each took is measured.

use std::process::Stdio;
use std::time::Duration;

use chrono::TimeDelta;
use rekeyd::engine::control::{Control, RotateOptions, Selector};
use rekeyd::rotation::observation::Proof;
use rekeyd::rotation::revocation::Revocation;
use rekeyd::rotation::status::{Phase, SecretStatus};
use rekeyd::rotation::version::version_id;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::support::cli::orders;
use crate::support::report::report;
use crate::support::simulated::{Policy, Replica, Simulation, lifelike, simulate};
use crate::support::status::promoted_to;
use crate::support::world::{document_with, secret_name};
use crate::support::{OLD, World, eventually};

const USER: &str = "user1";
const MINUTE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(6 * 3_600);

const LEAK: RotateOptions = RotateOptions {
    now: false,
    revoke_previous: true,
};

/// A user in use, and a replica that has checked its password.
struct Leak<'a> {
    sim: &'a Simulation,
    replica: Replica,
    secret: String,
    arn: String,
    first: String,
}

async fn leak<'a>(sim: &'a Simulation, overlap: &str) -> Leak<'a> {
    let arn = sim.live_user(USER, OLD).await;
    let secret = secret_name(USER);
    let policy = Policy::new("orders", &[USER]).with("overlap", overlap);
    let replica = sim.replica("rekeyd", policy).await;
    replica
        .until(&secret, "checked", PATIENCE, |status| {
            status.proof == Some(Proof::Proven)
        })
        .await;
    let first = sim.holder(&secret, "AWSCURRENT").unwrap();
    Leak {
        sim,
        replica,
        secret,
        arn,
        first,
    }
}

impl Leak<'_> {
    /// Its secret and no other.
    fn only(&self) -> Selector {
        Selector {
            secrets: vec![self.secret.clone()],
            ..Selector::default()
        }
    }

    fn after(&self, version: &str) -> String {
        version_id(&self.arn, version, 0)
    }

    async fn until(&self, what: &str, wanted: impl Fn(&SecretStatus) -> bool) -> SecretStatus {
        self.replica.until(&self.secret, what, PATIENCE, wanted).await
    }

    async fn overlapping(&self) -> String {
        self.replica.rotate(&self.secret, RotateOptions::default()).await;
        let second = self.after(&self.first);
        let overlapping = |status: &SecretStatus| promoted_to(&second)(status) && status.phase == Phase::Overlap;
        self.until("in its overlap", overlapping).await;
        second
    }

    /// Waits for the end, and gives what was measured.
    async fn ended(&self) -> Revocation {
        let status = self.until("revoked", is_revoked).await;
        assert!(!status.requested, "{status:?}");
        status.revocation.unwrap()
    }

    fn assert_dead(&self, passwords: &[&str]) {
        for password in passwords {
            assert_eq!(self.sim.logins(USER, password), (0, 3), "{password} lives");
        }
        let current = self.sim.password(&self.secret, "AWSCURRENT").unwrap();
        assert_eq!(self.sim.logins(USER, &current), (3, 3));
    }
}

fn is_revoked(status: &SecretStatus) -> bool {
    status
        .revocation
        .as_ref()
        .is_some_and(|revocation| !revocation.is_open())
}

fn versions(revocation: &Revocation) -> Vec<&str> {
    revocation.dead.iter().map(|dead| dead.version.as_str()).collect()
}

#[test]
fn the_password_that_leaked_dies_at_once_and_the_time_it_took_is_measured() {
    for overlap in ["\"24h\"", "\"until-next-rotation\"", "\"none\""] {
        simulate(1, lifelike(), async |sim| {
            let leak = leak(&sim, overlap).await;
            let asked = sim.world.time.elapsed();
            leak.replica.rotate(&leak.secret, LEAK).await;
            let revocation = leak.ended().await;
            let took = (sim.world.time.elapsed() - asked).as_secs_f64();
            assert_eq!(versions(&revocation), [leak.first.as_str()]);
            assert!(revocation.dead[0].proof == Proof::Proven && revocation.dead[0].nodes == 3);
            let measured = revocation.seconds();
            report(&format!(
                "rotate --revoke-previous, overlap {overlap}, simulated: the password that leaked is dead on 3 of 3 nodes \
                 {measured:.1} s after the command"
            ));
            assert!(
                measured > 40.0 && measured <= took && took < 600.0,
                "two changes of 20 to 60 s: {measured} of {took}"
            );
            leak.assert_dead(&[OLD]);
        });
    }
}

#[test]
fn a_password_that_still_overlaps_dies_too_and_first() {
    simulate(2, lifelike(), async |sim| {
        let leak = leak(&sim, "\"24h\"").await;
        let second = leak.overlapping().await;
        let middle = sim.password(&leak.secret, "AWSCURRENT").unwrap();
        leak.replica.rotate(&leak.secret, LEAK).await;
        let revocation = leak.ended().await;
        assert_eq!(versions(&revocation), [leak.first.as_str(), second.as_str()]);
        assert!(revocation.dead[0].at < revocation.dead[1].at);
        assert!(revocation.seconds() < 900.0, "{revocation:?}");
        leak.assert_dead(&[OLD, &middle]);
    });
}

#[test]
fn a_rotation_under_way_ends_with_retirement_at_once_and_the_one_asked_for_still_runs() {
    // A clock that is behind AWS's dates the request before the version that it must outlive.
    for behind in [TimeDelta::zero(), TimeDelta::seconds(-90)] {
        simulate(3, lifelike(), async |sim| {
            let leak = leak(&sim, "\"24h\"").await;
            leak.replica.clock().step(behind);
            leak.replica.rotate(&leak.secret, RotateOptions::default()).await;
            let second = leak.after(&leak.first);
            leak.until("under way", |status| status.pending_version.is_some()).await;
            sim.run_for(Duration::from_secs(10)).await;
            assert_eq!(sim.holder(&leak.secret, "AWSCURRENT"), Some(leak.first.clone()));
            let middle = sim.password(&leak.secret, "AWSPENDING").unwrap();
            leak.replica.rotate(&leak.secret, LEAK).await;
            let revocation = leak.ended().await;
            assert_eq!(versions(&revocation), [leak.first.as_str(), second.as_str()]);
            assert!(revocation.seconds() < 900.0, "{revocation:?}");
            assert_eq!(sim.holder(&leak.secret, "AWSCURRENT"), Some(leak.after(&second)));
            leak.assert_dead(&[OLD, &middle]);
        });
    }
}

#[test]
fn a_document_that_a_person_edits_while_the_answer_waits_does_not_end_it() {
    simulate(7, lifelike(), async |sim| {
        let leak = leak(&sim, "\"24h\"").await;
        let only = leak.only();
        leak.replica.engine.pause(&only, None, None).await.unwrap();
        leak.replica.rotate(&leak.secret, LEAK).await;
        sim.run_for(MINUTE).await;
        let theirs = "11111111-2222-4333-8444-555555555555";
        sim.put(USER, theirs, &document_with(USER, OLD), None).await;
        leak.replica.engine.resume(&only).await.unwrap();
        let revocation = leak.ended().await;
        assert_eq!(versions(&revocation), [theirs]);
        leak.assert_dead(&[OLD]);
    });
}

#[test]
fn a_paused_secret_holds_the_answer_until_it_is_resumed() {
    simulate(4, lifelike(), async |sim| {
        let leak = leak(&sim, "\"24h\"").await;
        let only = leak.only();
        leak.replica.engine.pause(&only, None, None).await.unwrap();
        leak.replica.rotate(&leak.secret, LEAK).await;
        sim.run_for(30 * MINUTE).await;
        let status = leak.replica.status(&leak.secret).unwrap();
        assert!(status.phase == Phase::Paused && status.requested, "{status:?}");
        assert!(status.revocation.unwrap().is_open());
        assert_eq!(sim.logins(USER, OLD), (3, 3));
        leak.replica.engine.resume(&only).await.unwrap();
        let revocation = leak.ended().await;
        assert!(
            revocation.seconds() > 1_800.0,
            "measured from the command: {revocation:?}"
        );
        leak.assert_dead(&[OLD]);
    });
}

#[test]
fn what_is_measured_survives_the_process_and_is_lost_with_its_store() {
    for kept in [true, false] {
        simulate(5, lifelike(), async |sim| {
            let leak = leak(&sim, "\"24h\"").await;
            leak.replica.rotate(&leak.secret, LEAK).await;
            let second = leak.after(&leak.first);
            leak.until("under way", |status| status.pending_version.is_some()).await;
            sim.run_for(Duration::from_secs(10)).await;
            let Leak { replica, secret, .. } = leak;
            let asked_at = replica.status(&secret).unwrap().revocation.unwrap().asked_at;
            let machine = replica.crash();
            let machine = if kept { machine } else { machine.empty_disk() };
            let replica = machine.start().await;
            if kept {
                let status = replica.until(&secret, "revoked", PATIENCE, is_revoked).await;
                assert_eq!(status.revocation.unwrap().asked_at, asked_at);
                assert_eq!(sim.logins(USER, OLD), (0, 3));
            } else {
                let looked = |status: &SecretStatus| promoted_to(&second)(status) && status.phase == Phase::Overlap;
                let status = replica.until(&secret, "in an ordinary overlap", PATIENCE, looked).await;
                assert!(status.revocation.is_none() && !status.requested, "{status:?}");
                assert_eq!(sim.logins(USER, OLD), (3, 3));
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_tells_when_each_password_died_and_that_open_connections_live_on() {
    let world = World::of(&["user1", "user2"]).await;
    for user in ["user1", "user2"] {
        world.create_secret(&secret_name(user), &document_with(user, OLD)).await;
    }
    let setup = orders(&world, &["user1", "user2"]);
    let daemon = orders(&world, &["user1", "user2"]).run().await;
    let (one, two) = (secret_name("user1"), secret_name("user2"));
    daemon.checked(&one).await;
    daemon.checked(&two).await;
    let first = world.holder(&one, "AWSCURRENT").await.unwrap();
    let mut open = Connection::open(&world, "user1", OLD).await;

    let told = setup.cli(&["rotate", &one, "--revoke-previous"]).await.with(0);
    for words in [
        "dead",
        "proven",
        first.as_str(),
        "Dead in 1 of 1 secrets: every password",
        "the slowest was",
        "live on until they are closed",
    ] {
        assert!(told.stdout.contains(words), "{words}: {}", told.stdout);
    }
    assert_eq!(world.logins("user1", OLD).await, (0, 3));
    assert_eq!(open.get().await, "$-1", "a connection that was open goes on");

    let told = setup
        .cli(&["rotate", "--policy", "orders", "--revoke-previous"])
        .await
        .with(0);
    assert!(told.stdout.contains("2 of 2 secrets"), "{}", told.stdout);
    assert_eq!(world.logins("user2", OLD).await, (0, 3));

    let json = setup
        .cli(&["rotate", "--all", "--revoke-previous", "--json"])
        .await
        .with(0)
        .json();
    assert_eq!(json["summary"]["done"], 2, "{json:#}");
    for secret in json["secrets"].as_array().unwrap() {
        assert_eq!(secret["result"], "done", "{json:#}");
        let password = &secret["passwords"][0];
        assert_eq!(password["version"], secret["previous_version"], "{json:#}");
        assert_eq!(password["proof"]["level"], "proven", "{json:#}");
        assert_eq!(password["nodes"], 3, "{json:#}");
        assert_eq!(password["seconds"], secret["seconds"], "{json:#}");
        assert!(secret["seconds"].as_f64().unwrap() > 0.0, "{json:#}");
    }
    let history = setup
        .cli(&["history", &one, "--limit", "500", "--events"])
        .await
        .with(0);
    assert_eq!(
        history.stdout.matches("revocation_ended").count(),
        3,
        "{}",
        history.stdout
    );

    // One that is paused is held, and said so.
    setup.cli(&["pause", &two]).await.with(0);
    let partly = setup.cli(&["rotate", "--all", "--revoke-previous"]).await.with(3);
    for words in ["1 FAILED", "paused", "rekeyd resume"] {
        assert!(partly.stdout.contains(words), "{words}: {}", partly.stdout);
    }
    let quiet = setup
        .cli(&["rotate", &one, "--revoke-previous", "--no-wait"])
        .await
        .with(0);
    assert_eq!(quiet.stdout, "");
    eventually("it goes on by itself", || async {
        let history = daemon.get("/api/v1/rotations?limit=500").await.body;
        match history.matches("revocation_ended").count() {
            7.. => Ok(()),
            ended => Err(format!("{ended} ended")),
        }
    })
    .await;
}

/// A connection by a client that knows nothing of rekeyd.
struct Connection {
    _child: Child,
    stdin: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Connection {
    async fn open(world: &World, user: &str, password: &str) -> Self {
        const CLIENT: &str = "import socket, ssl, sys\n\
            ca, host, port = sys.argv[1:]\n\
            context = ssl.create_default_context(cafile=ca)\n\
            plain = socket.create_connection((host, int(port)))\n\
            context.check_hostname = False\n\
            connection = context.wrap_socket(plain, server_hostname=host)\n\
            answers = connection.makefile('rb')\n\
            for line in sys.stdin:\n    \
                connection.sendall(line.strip().encode() + b'\\r\\n')\n    \
                print(answers.readline().decode().strip(), flush=True)\n";
        let (host, port) = world.addresses().remove(0);
        let mut child = tokio::process::Command::new("python3")
            .args(["-c", CLIENT])
            .arg(world.ca_file())
            .args([host, port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("python3 starts");
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut connection = Self {
            _child: child,
            stdin,
            answers: BufReader::new(stdout).lines(),
        };
        assert_eq!(connection.ask(&format!("AUTH {user} {password}")).await, "+OK");
        connection
    }

    async fn get(&mut self) -> String {
        self.ask("GET keys1").await
    }

    async fn ask(&mut self, line: &str) -> String {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let answer = tokio::time::timeout(crate::support::PATIENCE, self.answers.next_line()).await;
        answer.expect("an answer in time").unwrap().expect("an answer")
    }
}
