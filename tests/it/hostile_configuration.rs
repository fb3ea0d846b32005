//! Configurations that are none, through the real binary: exit code 78, and a place in the file.

use crate::support::World;
use crate::support::cli::{ended, orders};

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_none_ends_every_command_with_78_and_says_where() {
    let world = World::start().await;
    let setup = orders(&world, &["user1"]);
    let path = setup.write_config();
    let good = std::fs::read_to_string(&path).expect("the configuration");
    let deep = 20_000;
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("not UTF-8", [good.as_bytes(), b"\n# \xff\xfe\n"].concat()),
        ("zeroes", vec![0; 4_096]),
        ("a gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec()),
        ("cut", good.as_bytes()[..good.len() * 2 / 3].to_vec()),
        ("JSON", b"{\"daemon\": {\"listen\": \"127.0.0.1:0\"}}".to_vec()),
        (
            "lists in lists",
            format!("a = {}{}", "[".repeat(deep), "]".repeat(deep)).into_bytes(),
        ),
        (
            "tables in tables",
            format!("[{}a]\nb = 1\n", "a.".repeat(deep)).into_bytes(),
        ),
        ("a table over and over", "[a]\n".repeat(deep).into_bytes()),
        (
            "a number beyond all",
            good.replace("[defaults]", "[defaults]\nmax_attempts = 99999999999999999999")
                .into_bytes(),
        ),
        (
            "a duration beyond all",
            good.replace("[defaults]", "[defaults]\nwrite_deadline = \"99999999999999999999d\"")
                .into_bytes(),
        ),
        (
            "a list for a table",
            good.replace("[defaults]", "[[defaults]]").into_bytes(),
        ),
        (
            "an unknown key",
            good.replace("[daemon]", "[daemon]\n\"\\u001b[2J\" = 1").into_bytes(),
        ),
    ];
    for (what, text) in bad {
        for command in [&["check"][..], &["run", "--once"]] {
            let mut process = setup.command(command);
            // Only now, because the command wrote the good one.
            std::fs::write(&path, &text).expect("written");
            process.env_remove("RUST_LOG");
            let ended = ended(process).await;
            assert_eq!(ended.code, Some(78), "{what} {command:?}: {}", ended.stderr);
            let place = format!("{}:", path.display());
            assert!(ended.stderr.contains(&place), "{what}: {}", ended.stderr);
            assert!(
                !ended.stderr.contains("panicked") && !ended.stderr.contains('\u{1b}'),
                "{what}: {}",
                ended.stderr
            );
            assert!(ended.stderr.len() < 200_000, "{what}: {} bytes", ended.stderr.len());
        }
    }
    setup.cli(&["check"]).await.with(0);
}
