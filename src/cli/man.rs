//! `rekeyd man`: manual pages, made from the command line and its help.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::{CliError, Reply};

/// Prints the main page, or writes all of them into a folder.
pub(super) fn man(out: Option<&Path>) -> Result<Reply, CliError> {
    let page = |command: &Command| page(command).map_err(|error| CliError::Run(format!("no manual page: {error}")));
    let main = command();
    let Some(folder) = out else {
        return Ok(Reply::new(Exit::Done, page(&main)?));
    };
    let failed = |path: &Path, error: io::Error| {
        CliError::Run(format!(
            "{} cannot be written: {error}; name a folder that can",
            path.display()
        ))
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for command in with_subcommands(&main) {
        let path = folder.join(format!("{}.1", name(command)));
        std::fs::write(&path, page(command)?).map_err(|error| failed(&path, error))?;
    }
    Ok(Reply::new(Exit::Done, String::new()))
}

/// The command line with what clap adds to each command, but for `help`, of which every page would speak.
fn command() -> Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

/// A command, its subcommands, and theirs.
fn with_subcommands(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().flat_map(with_subcommands);
    std::iter::once(command).chain(below).collect()
}

/// `rekeyd`, or `rekeyd-run`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> io::Result<String> {
    let man = Man::new(command.clone());
    // A page of the release that made it, without a date of its own; clap_mangen would leave the empty word out.
    let (title, version) = (name(command).to_uppercase(), env!("CARGO_PKG_VERSION"));
    let mut text = format!(".TH {title} 1 \"\" \"rekeyd {version}\" rekeyd\n").into_bytes();
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    sections(&help).to_writer(&mut text)?;
    see_also(command).to_writer(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The sections of a help text, line by line as they are there. What stands before the first heading is a note.
fn sections(help: &str) -> Roff {
    let mut roff = Roff::new();
    for section in help.split("\n\n") {
        let heading = section.lines().next().and_then(|line| line.strip_suffix(':'));
        let (heading, body) = match heading {
            Some("Exit codes") => ("EXIT STATUS".to_owned(), section.split_once('\n')),
            Some(heading) => (heading.to_uppercase(), section.split_once('\n')),
            None => ("NOTES".to_owned(), Some(("", section))),
        };
        roff.control("SH", [heading.as_str()]);
        roff.control("nf", []);
        for line in body.map_or("", |(_, body)| body).lines() {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    }
    roff
}

fn see_also(command: &Command) -> Roff {
    let others: Vec<String> = match command.has_subcommands() {
        true => with_subcommands(command)
            .into_iter()
            .skip(1)
            .map(|other| format!("{}(1)", name(other)))
            .collect(),
        false => vec!["rekeyd(1)".to_owned()],
    };
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(others.join(", "))]);
    roff
}
