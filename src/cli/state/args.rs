//! `rekeyd state` as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::help;

/// What to do with all that the store remembers.
#[derive(Subcommand, Clone, Debug)]
pub enum StateCommand {
    /// Write it to a file, or to standard output; the daemon may run meanwhile.
    Export(ExportArgs),
    /// Read such a file into a store that holds nothing yet.
    Import(ImportArgs),
    /// Create the DynamoDB table that the configuration names, or see that it is right.
    InitTable(InitTableArgs),
}

/// `rekeyd state export`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help::STATE_EXPORT)]
pub struct ExportArgs {
    /// Write it to this file, which must not be there yet; only its owner may read it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print as JSON how much there was.
    #[arg(long, requires = "out")]
    pub json: bool,
}

/// `rekeyd state import`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help::STATE_IMPORT)]
pub struct ImportArgs {
    /// A file of `rekeyd state export`, or - for standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print as JSON how much there was.
    #[arg(long)]
    pub json: bool,
}

/// `rekeyd state init-table`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help::STATE_INIT_TABLE)]
pub struct InitTableArgs {
    /// Print the table as a template of this, and create nothing.
    #[arg(long, value_name = "FORM")]
    pub print: Option<TableTemplate>,
    /// Print as JSON what was done.
    #[arg(long, conflicts_with = "print")]
    pub json: bool,
}

/// What a table can be printed as.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableTemplate {
    /// A CloudFormation template.
    Cloudformation,
    /// Terraform.
    Terraform,
}
