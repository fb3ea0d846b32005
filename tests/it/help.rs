//! `--help` of every command: what it does, examples that are real command lines, and exit codes.

use std::collections::BTreeMap;

use clap::{Command, CommandFactory, Parser};
use rekeyd::cli::args::Cli;
use rekeyd::cli::exit::Exit;

use crate::support::cli::ended;

/// Every command, but for the one that only shows the help of the others.
pub fn commands() -> Vec<Command> {
    let mut main = Cli::command();
    main.build();
    let mut commands = vec![main.clone()];
    for command in below(&main) {
        commands.push(command.clone());
        let name = command.get_name().to_owned();
        // A command keeps no name but one that lasts as long as the process.
        let named = |own: &Command| own.clone().name(&*format!("{name} {}", own.get_name()).leak());
        commands.extend(below(command).map(named));
    }
    commands
}

fn below(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| command.get_name() != "help")
}

/// The lines of a section of a command's help.
fn section(command: &Command, heading: &str) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let name = command.get_name().to_owned();
    let (_, rest) = help
        .split_once(&format!("{heading}:\n"))
        .unwrap_or_else(|| panic!("`rekeyd {name} --help` has no {heading:?}:\n{help}"));
    let lines = rest.lines().take_while(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// The examples of a command: lines that go on in the next are one, and remarks on lines of their own are left out.
fn examples(command: &Command) -> Vec<String> {
    let mut examples: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in section(command, "Examples") {
        let (line, more) = match line.trim().strip_suffix(" \\") {
            Some(line) => (line.to_owned(), true),
            None => (line.trim().to_owned(), false),
        };
        match examples.last_mut().filter(|_| goes_on) {
            Some(begun) => *begun = format!("{begun} {line}"),
            None => examples.push(line),
        }
        goes_on = more;
    }
    examples.retain(|line| !line.starts_with('#'));
    examples
}

/// The command line of an example: without what the shell does, and without the remark after it.
fn example(line: &str) -> Vec<String> {
    let line = line.split("  ").next().unwrap();
    let mut words: Vec<String> = Vec::new();
    // Every second piece between single quotes is one word.
    for (index, piece) in line.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(piece.split_whitespace().map(|word| word.trim_matches('"').to_owned())),
            _ => words.push(piece.to_owned()),
        }
    }
    let ends = ["|", "<", ">", "&&"];
    words
        .into_iter()
        .take_while(|word| !ends.contains(&word.as_str()))
        .collect()
}

#[test]
fn every_command_is_taught_by_examples_that_are_command_lines_of_it() {
    for command in commands() {
        let examples = examples(&command);
        assert!(!examples.is_empty(), "{}", command.get_name());
        for line in examples {
            let words = example(&line);
            assert_eq!(words.first().map(String::as_str), Some("rekeyd"), "{line}");
            if words.get(1).is_some_and(|word| word == "help") {
                continue;
            }
            let parsed = Cli::try_parse_from(&words);
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
            let about = |name: &str| command.get_name() == "rekeyd" || words[1..].join(" ").starts_with(name);
            assert!(about(command.get_name()), "{line} is about another command");
        }
    }
}

#[test]
fn every_command_tells_its_exit_codes_and_the_main_help_tells_all_of_them() {
    let known: Vec<u8> = Exit::ALL.iter().map(|exit| *exit as u8).collect();
    for command in commands() {
        let mut codes = BTreeMap::new();
        for line in section(&command, "Exit codes") {
            let Some((code, words)) = line.trim().split_once("  ") else {
                continue;
            };
            let code: u8 = code.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(known.contains(&code), "{}: {line}", command.get_name());
            codes.insert(code, words.trim().to_owned());
        }
        assert!(codes.contains_key(&0), "{}: {codes:?}", command.get_name());
        if command.get_name() == "rekeyd" {
            assert_eq!(codes.keys().copied().collect::<Vec<_>>(), known);
        }
    }
}

#[test]
fn every_command_and_option_says_what_it_is_in_lines_that_fit_a_terminal() {
    for command in commands() {
        let name = command.get_name();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(about.len() > 6, "{name} does not say what it does");
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.len() > 5, "{name} {} does not say what it is", argument.get_id());
        }
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in help.lines() {
            assert!(line.chars().count() <= 90, "{name}: {line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_prints_that_help_and_ends_with_0() {
    for args in [&["--help"][..], &["check", "--help"], &["help", "rotate"]] {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_rekeyd"));
        command.args(args).env_clear().stdin(std::process::Stdio::null());
        let help = ended(command).await.with(0);
        assert!(
            help.stdout.contains("\nExamples:\n  rekeyd ") && help.stderr.is_empty(),
            "{}",
            help.stdout
        );
        assert!(help.stdout.contains("\nExit codes:\n   0  "), "{}", help.stdout);
    }
}
