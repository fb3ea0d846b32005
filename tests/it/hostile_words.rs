//! What somebody words, such as the reason of a pause, in what commands print: it breaks no line, steers no terminal, and
//! stays within the screen.

use crate::status_command::{on_terminal, plain};
use crate::support::cli::orders;
use crate::support::shape::columns;
use crate::support::{Policy, Scene};

/// A colour, a line of its own, a change of direction, wide characters, and many words.
const REASON: &str = "maintenance \u{1b}[31mred\u{1b}[0m\nAll is well: 9 secrets\u{202e}desrever\u{2028}\
    数据库维护数据库维护 数据库维护数据库维护 and the quick brown fox jumps over the lazy dog";

/// Asserts that no line is wider than the screen, unless one word is: such as an ARN, which somebody may want to copy.
fn assert_fits(text: &str, wide: usize) {
    for line in text.lines().filter(|line| columns(line) > wide) {
        let longest = line.split_whitespace().map(columns).max().unwrap_or_default();
        assert!(longest + 20 > wide, "{} columns: {line:?}\n{text}", columns(line));
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
