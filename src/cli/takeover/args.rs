//! `rekeyd takeover` as it is typed.

use std::time::Duration;

use clap::Args;

use crate::cli::args::span;

/// `rekeyd takeover`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Runs with your AWS credentials. Prints the policy that the secret's rotation rules come to, cancels its rotation in
Secrets Manager, and settles what the function left under AWSPENDING: a password that logs in on every node becomes the
current one, as the function would have made it; one that does not is given up, if the current one logs in on every node.
Otherwise nothing is changed. Prints how to go back.

Exit codes: 0 done, or done already; 1 failed, 3 done in part: run it again; 11 another process holds the store; 13 refused,
nothing was changed; 78 the configuration is wrong.

Examples:
  rekeyd takeover production/ec/user1 --dry-run
  rekeyd takeover production/ec/user1
  rekeyd takeover production/ec/user1 --rotate --timeout 1h")]
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
