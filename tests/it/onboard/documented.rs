//! What README.md and docs/OPERATIONS.md print of `rekeyd onboard` is what it prints.

use crate::support::python;

use super::{changes, one};
use crate::support::World;

/// The first `rekeyd onboard` of a page: its arguments, and what the page says that it prints.
fn transcript(page: &str) -> (Vec<String>, String) {
    let text = std::fs::read_to_string(python::workspace().join(page)).expect("page");
    let (_, after) = text.split_once("$ rekeyd onboard").expect("a transcript");
    let (block, _) = after.split_once("```").expect("its end");
    let block = block.replace("\\\n", " ");
    let (command, prints) = block.split_once('\n').expect("an answer");
    (words(&format!("onboard {command}")), prints.to_owned())
}

/// The words of a command; those in single quotes are one.
fn words(command: &str) -> Vec<String> {
    let quoted = command.split('\'').enumerate();
    let words = quoted.flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    words.collect()
}

/// A sandbox with a cache behind a group `orders`.
async fn world_of_orders() -> World {
    let world = World::start().await;
    world.create_cache_named("orders", "orders", &[], 3).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quick_start_of_the_readme_works_and_prints_what_it_says() {
    let world = world_of_orders().await;
    let (command, prints) = transcript("README.md");
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let done = one(&world).cli(&command).await.with(0);
    assert_eq!(done.stdout, prints);
    world.assert_current_logs_in("production/ec/user1", "user1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_that_the_operators_page_shows_is_the_one_that_is_made() {
    let world = world_of_orders().await;
    let (command, prints) = transcript("docs/OPERATIONS.md");
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let before = changes(&world);
    let plan = one(&world).cli(&command).await.with(0);
    assert_eq!(plan.stdout, prints);
    assert_eq!(changes(&world), before);
}
