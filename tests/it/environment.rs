//! What a process takes from the machine that it runs on, and what it refuses.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::cli::{ended, orders};
use crate::support::{PATIENCE, World};

/// The most that a process's core file may take, as the kernel tells it.
fn core_limits(pid: u32) -> Option<String> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"))?;
    let words: Vec<&str> = line.split_whitespace().take(2).collect();
    Some(words.join(" "))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_that_reads_passwords_may_leave_a_core_file() {
    let world = World::of(&["user1"]).await;
    // It takes connections and never answers, so that the command stays where it can be looked at.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let lines: [&[&str]; 4] = [
        &["run"],
        &["plan"],
        &[
            "onboard",
            "--policy",
            "orders",
            "--user-id",
            "user1",
            "--secret",
            "production/ec/user1",
        ],
        &["takeover", "production/ec/user1"],
    ];
    for line in lines {
        let setup = orders(&world, &["user1"]).endpoint(&url);
        let wanted = setup.command(line);
        // A shell, because whoever starts it may allow any size.
        let mut command = tokio::process::Command::new("sh");
        command.args(["-c", "ulimit -c unlimited && exec \"$0\" \"$@\""]);
        command
            .arg(wanted.as_std().get_program())
            .args(wanted.as_std().get_args());
        for (name, value) in wanted.as_std().get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let pid = child.id().unwrap();
        let asked = tokio::time::timeout(PATIENCE, silent.accept()).await;
        assert!(asked.is_ok(), "{line:?} asks AWS");
        assert_eq!(core_limits(pid).as_deref(), Some("0 0"), "{line:?}");
        child.kill().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_restart_can_mend_ends_the_daemon_with_78() {
    let world = World::of(&["user1"]).await;
    let (file, open) = (world.path("a-file"), world.path("open"));
    std::fs::write(&file, "not a socket").unwrap();
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o777)).unwrap();
    let (file, open) = (file.display().to_string(), open.display().to_string());
    let cases = [
        ("ADMIN_GROUP", "nosuchgroup".to_owned(), "nosuchgroup"),
        (
            "ADMIN_SOCKET",
            "/nowhere/admin.sock".to_owned(),
            "its folder does not exist",
        ),
        ("ADMIN_SOCKET", file, "is no socket"),
        ("ADMIN_SOCKET", format!("{open}/admin.sock"), "writable for every user"),
        ("AUDIT_LOG", "/nowhere/audit.jsonl".to_owned(), "/nowhere/audit.jsonl"),
        (
            "STATE",
            "sqlite:/nowhere/state.db".to_owned(),
            "create it, owned by the user",
        ),
    ];
    for (key, value, words) in cases {
        let setup = orders(&world, &["user1"]).env(&format!("REKEYD__DAEMON__{key}"), &format!("{value:?}"));
        let ended = ended(setup.command(&["run"])).await;
        assert_eq!(ended.code, Some(78), "{key} = {value}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{key} = {value}: {}", ended.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_may_be_free_after_a_restart() {
    let world = World::of(&["user1"]).await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("\"{}\"", taken.local_addr().unwrap());
    let setup = orders(&world, &["user1"]).env("REKEYD__DAEMON__LISTEN", &address);
    let ended = ended(setup.command(&["run"])).await;
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("daemon.listen"), "{}", ended.stderr);
}
