//! systemd/rekeyd.service under a real systemd, installed by the package, in a machine of the test's: rekeyd rotates in the
//! sandbox out here, whose loopback the machine shares.

use std::time::Duration;

use rekeyd::rotation::version::version_id;

use crate::support::deployed::configuration;
use crate::support::machine::Machine;
use crate::support::world::secret_name;
use crate::support::{Fault, FaultKind, OLD, World, eventually};

/// A machine whose rekeyd is configured for `user1` of this world, with further keys of `[daemon]`.
pub(super) async fn configured(world: &World, daemon_keys: &str) -> Machine {
    let machine = Machine::with_package().await;
    let keys = format!("listen = \"127.0.0.1:0\"\n{daemon_keys}");
    machine.give_text(&configuration(world, &keys), "rekeyd.toml");
    machine.give(world.ca_file(), "ca.pem");
    machine.give_text(
        "AWS_ACCESS_KEY_ID=REKEYD\nAWS_SECRET_ACCESS_KEY=secret\n",
        "environment",
    );
    // Where a person would wait for five seconds; and for thirty, until a hung process is killed.
    machine.give_text(
        "[Service]\nRestartSec=200ms\nWatchdogSec=3s\nLoadCredential=webhook-key:/etc/rekeyd/webhook-key\n",
        "quick.conf",
    );
    machine
        .does(
            "cp /mnt/rekeyd.toml /mnt/ca.pem /mnt/environment /etc/rekeyd/
             (umask 077 && echo 'a signing key' >/etc/rekeyd/webhook-key)
             install -D /mnt/quick.conf /run/systemd/system/rekeyd.service.d/quick.conf
             systemctl daemon-reload
             systemctl start rekeyd",
        )
        .await;
    machine
}

/// Waits until the daemon in the machine has proved the current password, or that of another version.
pub(super) async fn proved(machine: &Machine, version: &str) {
    eventually(&format!("{version} is current and proved"), || async {
        let status = machine.run("rekeyd status --json").await;
        let shown: serde_json::Value = serde_json::from_str(&status.stdout).unwrap_or_default();
        let secret = &shown["secrets"][0];
        match secret["phase"] == "idle" && secret["current_version"] == version && secret["proof"]["level"] == "proven"
        {
            true => Ok(()),
            false => Err(format!(
                "{}{}\n{}",
                status.stdout,
                status.stderr,
                machine.journal().await
            )),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unit_is_sound_and_confined_and_a_configuration_that_is_refused_is_not_tried_again() {
    let machine = Machine::with_package().await;
    machine.does("systemd-analyze verify --man=no rekeyd.service").await;
    machine
        .does("systemd-analyze security --offline=true --threshold=12 /usr/lib/systemd/system/rekeyd.service")
        .await;

    let started = machine.run("systemctl start rekeyd").await;
    assert_eq!(started.code, Some(1), "{}", started.stderr);
    assert_eq!(
        machine.service("ActiveState").await,
        "failed",
        "neither running nor tried again"
    );
    assert_eq!(machine.service("ExecMainStatus").await, "78");
    assert_eq!(machine.service("NRestarts").await, "0");
    let journal = machine.journal().await;
    assert!(
        journal.contains("/etc/rekeyd/rekeyd.toml:") && journal.contains("region"),
        "{journal}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_runs_without_privileges_reloads_in_place_and_comes_back_when_it_is_killed_or_hangs() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let machine = configured(&world, "").await;
    assert_eq!(machine.service("ActiveState").await, "active");
    machine
        .until("StatusText", |text| {
            text == "1 secret, 0 rotating, 0 need attention, 0 halted"
        })
        .await;
    proved(&machine, &first).await;

    let pid = machine.service("MainPID").await;
    let status = machine.does(&format!("cat /proc/{pid}/status")).await;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
        line.unwrap_or_else(|| panic!("{name}: {status}")).trim().to_owned()
    };
    let uid: u32 = field("Uid").split_whitespace().next().unwrap().parse().unwrap();
    assert!((61_184..=65_519).contains(&uid), "not of the dynamic users: {uid}");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(
        (field("NoNewPrivs"), field("Seccomp")),
        ("1".to_owned(), "2".to_owned())
    );
    let limits = machine.does(&format!("grep -i 'core file' /proc/{pid}/limits")).await;
    assert_eq!(
        limits.split_whitespace().collect::<Vec<_>>()[4..6],
        ["0", "0"],
        "{limits}"
    );
    let modes = "stat --format '%a %u %n' /var/lib/private/rekeyd /var/lib/private/rekeyd/state.db /run/rekeyd";
    assert_eq!(
        machine.does(modes).await,
        format!("700 {uid} /var/lib/private/rekeyd\n600 {uid} /var/lib/private/rekeyd/state.db\n750 {uid} /run/rekeyd")
    );

    let as_rekeyd = format!("nsenter --mount --target {pid} setpriv --reuid={uid} --regid={uid} --clear-groups");
    let credential = format!("{as_rekeyd} cat /run/credentials/rekeyd.service/webhook-key");
    assert_eq!(machine.does(&credential).await, "a signing key", "LoadCredential=");

    machine.does("systemctl reload rekeyd").await;
    let journal = machine.journal().await;
    assert!(journal.contains("configuration reloaded"), "{journal}");
    machine.does("echo nonsense = 1 >>/etc/rekeyd/rekeyd.toml").await;
    assert_ne!(
        machine.run("systemctl reload rekeyd").await.code,
        Some(0),
        "a refused one counts as reloaded"
    );
    let journal = machine.journal().await;
    assert!(journal.contains("nonsense"), "{journal}");
    machine
        .until("StatusText", |text| {
            text.ends_with("the last reload was refused, see `rekeyd status`")
        })
        .await;
    machine
        .does("cp /mnt/rekeyd.toml /etc/rekeyd/ && systemctl kill --signal=HUP --kill-whom=main rekeyd")
        .await;
    machine.until("StatusText", |text| !text.contains("refused")).await;
    assert_eq!(machine.until("ActiveState", |state| state == "active").await, "active");
    assert_eq!(machine.service("MainPID").await, pid, "the same process");

    machine.does(&format!("kill -KILL {pid}")).await;
    machine.until("NRestarts", |restarts| restarts == "1").await;
    machine.until("ActiveState", |state| state == "active").await;
    let pid = machine.service("MainPID").await;

    machine.does(&format!("kill -STOP {pid}")).await;
    machine.until("NRestarts", |restarts| restarts == "2").await;
    let journal = machine
        .does("journalctl --no-pager --output=cat _PID=1 --unit=rekeyd")
        .await;
    assert!(journal.contains("Watchdog timeout"), "{journal}");
    assert!(!journal.contains("dumped core"), "{journal}");
    machine.until("ActiveState", |state| state == "active").await;
    proved(&machine, &first).await;
    world.assert_current_logs_in(&secret_name("user1"), "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_the_service_in_a_hung_call_takes_the_drain_and_starting_it_again_resumes() {
    let world = World::start().await;
    let arn = world.live_user("user1", OLD).await;
    let secret = secret_name("user1");
    let first = world.holder(&arn, "AWSCURRENT").await.unwrap();
    let second = version_id(&arn, &first, 0);
    let machine = configured(&world, "drain_timeout = \"2s\"\n").await;
    proved(&machine, &first).await;
    world.faults(vec![Fault::next("ModifyUser", FaultKind::Hang)]);
    machine.does(&format!("rekeyd rotate {secret}")).await;
    world.fault_fired().await;

    let began = tokio::time::Instant::now();
    machine.does("systemctl stop rekeyd").await;
    let took = began.elapsed();
    assert!(took > Duration::from_millis(1_900), "not waited for: {took:?}");
    assert!(took < Duration::from_secs(10), "longer than the drain: {took:?}");
    assert_eq!(machine.service("Result").await, "success", "killed, or ended badly");
    assert_eq!(machine.service("ActiveState").await, "inactive");
    assert_eq!(
        world.holder(&secret, "AWSCURRENT").await,
        Some(first),
        "promoted too early"
    );

    world.end_faults();
    machine.does("systemctl start rekeyd").await;
    proved(&machine, &second).await;
    assert_eq!(world.count("secretsmanager.PutSecretValue"), 1, "begun anew");
    world.assert_current_logs_in(&secret, "user1").await;
    assert_eq!(world.logins("user1", OLD).await, (0, 3), "the old password works");
}
