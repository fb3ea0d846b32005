//! Who may use the admin socket, tried by real users of the machine.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use crate::support::cli::{Ended, ended, orders};
use crate::support::daemon::Setup;
use crate::support::world::{document_with, secret_name};
use crate::support::{OLD, Policy, World};

/// Numbers that no user and no group of the machine has.
const STRANGER: u32 = 64_321;
const MEMBER: u32 = 64_322;
const ADMINS: u32 = 64_400;

/// A command of the real binary, run by this user with these groups.
async fn run_as(setup: &Setup<'_>, uid: u32, groups: &[u32], args: &[&str]) -> Ended {
    let daemon = setup.command(args);
    let command = daemon.as_std();
    let groups: Vec<String> = groups.iter().map(u32::to_string).collect();
    let mut other = tokio::process::Command::new("setpriv");
    other.arg(format!("--reuid={uid}")).arg(format!("--regid={uid}"));
    match groups.is_empty() {
        true => other.arg("--clear-groups"),
        false => other.arg(format!("--groups={}", groups.join(","))),
    };
    other.arg("--").arg(command.get_program()).args(command.get_args());
    other.env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            other.env(name, value);
        }
    }
    ended(other).await
}

/// Lets every user read the configuration and reach the binary; the socket and its folder are as they are.
fn open_to_all(world: &World) {
    std::fs::set_permissions(world.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_can_neither_look_nor_change_unless_the_group_allows_it() {
    let world = World::of(&["user1"]).await;
    let secret = secret_name("user1");
    world.create_secret(&secret, &document_with("user1", OLD)).await;
    open_to_all(&world);
    let group = format!("\"{ADMINS}\"");
    let setup = || orders(&world, &["user1"]).daemon_key("admin_group", &group);
    let daemon = setup().run().await;
    daemon.checked(&secret).await;
    let metadata = std::fs::symlink_metadata(&daemon.socket).unwrap();
    assert_eq!((metadata.gid(), mode(&daemon.socket)), (ADMINS, 0o660));

    let cli = setup();
    let binary_reads = std::fs::metadata(cli.write_config()).unwrap().mode() & 0o004 != 0;
    assert!(binary_reads, "the configuration of this test is readable");
    let before = world.traces(&daemon).await;
    for line in [
        &["status"][..],
        &["status", &secret, "--json"],
        &["history"],
        &["rotate", &secret],
        &["rotate", "--all", "--wait"],
        &["pause", "--all"],
        &["resume", "--all"],
        &["rollback", &secret],
        &["reload"],
    ] {
        let refused = run_as(&cli, STRANGER, &[], line).await.with(13);
        assert_eq!(refused.stdout, "", "{line:?}");
        for words in [
            "refuses you (uid 64321)",
            "members of group 64400",
            "`usermod -aG 64400 64321`",
            "daemon.admin_group",
        ] {
            assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
        }
    }
    assert_eq!(world.traces(&daemon).await, before);

    let seen = run_as(&cli, MEMBER, &[ADMINS], &["status"]).await.with(0);
    assert!(seen.stdout.contains(&secret), "{}", seen.stdout);
    run_as(&cli, MEMBER, &[ADMINS], &["pause", &secret]).await.with(0);
    let told = cli.cli(&["history", &secret, "--limit", "1"]).await.with(0);
    assert!(told.stdout.contains("paused by uid 64322"), "{}", told.stdout);

    // Not around the socket either: the store is the daemon's own.
    daemon.kill().await;
    let away = run_as(&cli, MEMBER, &[ADMINS], &["status"]).await.with(12);
    assert!(
        away.stderr.contains("its store cannot be read") && away.stdout.is_empty(),
        "{}",
        away.stderr
    );
    assert!(
        away.stderr.contains("permission denied for ") && away.stderr.contains("as the daemon's user"),
        "{}",
        away.stderr
    );
}

/// A daemon whose files are all in a folder of that name, and its policy's group.
fn in_folder<'a>(world: &'a World, folder: &str, group: &str) -> Setup<'a> {
    let policy = Policy::new("orders", &["user1"]);
    let group = format!("{group:?}");
    world
        .daemon(&format!("{folder}/rekeyd"))
        .policy(policy)
        .daemon_key("admin_group", &group)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_shuts_the_group_out_is_told_and_one_that_is_everybodys_is_refused() {
    let world = World::of(&["user1"]).await;
    open_to_all(&world);
    let folder = world.path("run");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o750)).unwrap();
    let setup = |group: &str| in_folder(&world, "run", group);

    // A group that the machine does not know.
    let unknown = setup("no-such-group").cli(&["run"]).await.with(78);
    assert!(
        unknown.stderr.contains("no-such-group") && unknown.stderr.contains("groupadd"),
        "{}",
        unknown.stderr
    );

    // Closed to the group: it runs, and says so. Whoever is shut out is told by which folder.
    let daemon = setup("64400").run().await;
    let said = daemon.log_text();
    assert!(said.contains("cannot reach the admin socket"), "{said}");
    let socket = daemon.socket.display().to_string();
    let elsewhere = orders(&world, &["user1"]);
    let refused = run_as(&elsewhere, MEMBER, &[ADMINS], &["--socket", &socket, "status"])
        .await
        .with(13);
    assert!(
        refused.stderr.contains("/run is closed to you") && refused.stderr.contains("mode 750"),
        "{}",
        refused.stderr
    );
    daemon.kill().await;
    // One that systemd made for rekeyd is given to the group.
    let made = folder.display().to_string();
    let daemon = setup("64400").env("RUNTIME_DIRECTORY", &made).run().await;
    assert!(!daemon.log_text().contains("cannot reach the admin socket"));
    let metadata = std::fs::metadata(&folder).unwrap();
    assert_eq!((metadata.gid(), mode(&folder)), (ADMINS, 0o750));
    run_as(&elsewhere, MEMBER, &[ADMINS], &["--socket", &socket, "status"])
        .await
        .with(0);
    run_as(&elsewhere, STRANGER, &[], &["--socket", &socket, "status"])
        .await
        .with(13);
    daemon.kill().await;

    // Everybody's: anybody could put a socket of theirs there, with the sticky bit as long as rekeyd is down.
    for open in [0o777, 0o1777] {
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(open)).unwrap();
        let refused = setup("64400").cli(&["run"]).await.with(78);
        assert!(refused.stderr.contains("writable for every user"), "{}", refused.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_no_member_of_the_group_says_so_and_a_link_in_the_sockets_place_is_left_alone() {
    let world = World::of(&["user1"]).await;
    open_to_all(&world);
    let folder = world.path("theirs");
    std::fs::create_dir(&folder).unwrap();
    chown(&folder, Some(MEMBER), Some(MEMBER)).unwrap();
    let socket = folder.join("rekeyd.sock");
    let refused = run_as(&in_folder(&world, "theirs", "64400"), MEMBER, &[], &["run"])
        .await
        .with(78);
    for words in ["group 64400", "SupplementaryGroups="] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    assert!(!socket.exists(), "nothing is left behind");

    let victim = world.path("victim");
    std::fs::write(&victim, "notes").unwrap();
    std::os::unix::fs::symlink(&victim, &socket).unwrap();
    let own = MEMBER.to_string();
    let refused = run_as(&in_folder(&world, "theirs", &own), MEMBER, &[], &["run"])
        .await
        .with(78);
    assert!(
        refused.stderr.contains("is no socket, so it is left alone"),
        "{}",
        refused.stderr
    );
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "notes");
    assert!(std::fs::symlink_metadata(&socket).unwrap().is_symlink());
}
