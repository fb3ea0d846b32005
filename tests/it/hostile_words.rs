//! What somebody words, such as the reason of a pause, in what commands print: it breaks no line, steers no terminal, and
//! stays within the screen.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::status_command::{on_terminal, plain};
use crate::support::cli::orders;
use crate::support::shape::columns;
use crate::support::{Policy, Scene, World};

/// A colour, a line of its own, a change of direction, wide characters, and many words.
const REASON: &str = "maintenance \u{1b}[31mred\u{1b}[0m\nAll is well: 9 secrets\u{202e}desrever\u{2028}\
    数据库维护数据库维护 数据库维护数据库维护 and the quick brown fox jumps over the lazy dog";

/// Asserts that no line is wider than the screen.
fn assert_fits(text: &str, wide: usize) {
    for line in text.lines() {
        assert!(columns(line) <= wide, "{} columns: {line:?}\n{text}", columns(line));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_of_a_pause_stays_what_it_is_words() {
    let scene = Scene::start(&[]).await;
    let (world, daemon, secret) = scene.parts();
    let setup = orders(world, &["user1"]);
    daemon.checked(secret).await;
    setup.cli(&["pause", secret, "--reason", REASON]).await.with(0);
    let broken = orders(world, &["user1"]).policy(Policy::new("Not_A_Name", &["user2"]));
    broken.cli(&["reload"]).await.with(13);
    let lines: [&[&str]; 4] = [
        &["status"],
        &["status", secret],
        &["history", secret],
        &["history", secret, "--events"],
    ];
    for line in lines {
        let piped = setup.cli(line).await.with(0).stdout;
        let shown = plain(&on_terminal(&setup, 80, line).await);
        for text in [&piped, &shown] {
            let steering = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2028}');
            assert!(!text.contains(steering), "{line:?}: {text:?}");
            assert!(!text.lines().any(|line| line.starts_with("All is well: 9")), "{text}");
            assert!(text.contains("maintenance"), "{line:?}: {text}");
        }
        if line != ["history", secret, "--events"] {
            assert_fits(&shown, 80);
        }
    }
    let json = setup.cli(&["status", secret, "--json"]).await.with(0).json();
    assert!(
        json["secrets"][0]["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains(REASON))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_of_any_length_may_be_asked_for_with_a_daemon_and_without() {
    let scene = Scene::start(&[]).await;
    let (world, _, secret) = scene.parts();
    let setup = orders(world, &["user1"]);
    setup.cli(&["rotate", secret, "--wait"]).await.with(0);
    let longest = usize::MAX.to_string();
    for (limit, rotations) in [("0", 0), ("1", 1), ("20000", 1), (longest.as_str(), 1)] {
        let told = setup.cli(&["history", "--limit", limit, "--json"]).await.with(0).json();
        assert_eq!(told["rotations"].as_array().map(Vec::len), Some(rotations), "{limit}");
        setup.cli(&["history", "--limit", limit, "--events"]).await.with(0);
    }
    let Scene { daemon, world, .. } = scene;
    daemon.kill().await;
    let setup = orders(&world, &["user1"]);
    let told = setup.cli(&["history", "--limit", &longest, "--json"]).await.with(12);
    assert_eq!(told.json()["rotations"].as_array().map(Vec::len), Some(1));
}

/// So long a person waits for a prompt.
const PROMPT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_typed_at_a_prompt_and_never_shown() {
    const TYPED: &str = "typed-unseen";
    let world = World::of(&[]).await;
    let setup = orders(&world, &["user1"]);
    let onboard = [
        "onboard",
        "--policy",
        "orders",
        "--user-id",
        "user1",
        "--secret",
        "production/ec/user1",
        "--password-file",
        "-",
        "--dry-run",
    ];
    let command = setup.command(&onboard);
    let command = command.as_std();
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .collect();
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    let mut script = tokio::process::Command::new("script");
    let mut child = script
        .args(["--quiet", "--return", "--command"])
        .arg(format!("tty; exec {}", words.join(" ")))
        .arg("/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let typing = async {
        let mut shown = Vec::new();
        while !String::from_utf8_lossy(&shown).contains("which is not shown: ") {
            let read = screen.read_buf(&mut shown).await.unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&shown));
        }
        let terminal = String::from_utf8_lossy(&shown)
            .lines()
            .next()
            .unwrap()
            .trim()
            .to_owned();
        while !is_silent(&terminal).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        keys.write_all(format!("{TYPED}\n").as_bytes()).await.unwrap();
        screen.read_to_end(&mut shown).await.unwrap();
        String::from_utf8_lossy(&shown).into_owned()
    };
    let shown = tokio::time::timeout(PROMPT, typing).await.unwrap();
    assert!(shown.contains("- holds 12 characters"), "{shown}");
    assert!(!shown.contains(TYPED), "{shown}");
    assert_eq!(child.wait().await.unwrap().code(), Some(2), "{shown}");
}

/// Whether a terminal shows nothing of what is typed.
async fn is_silent(terminal: &str) -> bool {
    let asked = tokio::process::Command::new("stty")
        .args(["-F", terminal, "-a"])
        .output()
        .await
        .unwrap();
    String::from_utf8_lossy(&asked.stdout)
        .split_whitespace()
        .any(|word| word == "-echo")
}
