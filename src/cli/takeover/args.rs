//! `rekeyd takeover` as it is typed.

use std::time::Duration;

use clap::Args;

use crate::cli::args::span;
use crate::cli::help;

/// `rekeyd takeover`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help::TAKEOVER)]
pub struct TakeoverArgs {
    /// A name or ARN.
    pub secret: String,
    /// What to call the policy that is printed, if none has the secret yet.
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// The place to look for the secret in, if no policy has it yet and there are several.
    #[arg(long, value_name = "PLACE")]
    pub place: Option<String>,
    /// Rotate it then, and wait until the new password is proved.
    #[arg(long)]
    pub rotate: bool,
    /// Do not wait until a rotation that the function began just now must be over. Only if it is not running.
    #[arg(long)]
    pub now: bool,
    /// How long it may take.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = span)]
    pub timeout: Duration,
    /// Print every call that would be made, in order, and make none that changes anything.
    #[arg(long)]
    pub dry_run: bool,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}
