//! `rekeyd onboard` as it is typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::args::span;
use crate::cli::help;
use crate::onboard::{UserEngine, csv};

/// `rekeyd onboard`.
#[derive(Args, Clone, Debug)]
#[command(after_help = help::ONBOARD)]
#[command(group(clap::ArgGroup::new("which").args(["user_id", "csv", "by_tag"]).required(true)))]
pub struct OnboardArgs {
    /// The policy that is to rotate it.
    #[arg(long, value_name = "POLICY", conflicts_with = "csv")]
    pub policy: Option<String>,
    /// The user's id. A user that is not there is created.
    #[arg(long, value_name = "ID", requires_all = ["policy", "secret"])]
    pub user_id: Option<String>,
    /// The name that logins take, for a new user; its id if left out.
    #[arg(long, value_name = "NAME", requires = "user_id")]
    pub user_name: Option<String>,
    /// The engine of a new user; redis if left out.
    #[arg(long, value_name = "ENGINE", conflicts_with = "csv")]
    pub engine: Option<UserEngine>,
    /// The secret's name. With --by-tag, `{user_id}` stands for the user's id.
    #[arg(long, value_name = "NAME", conflicts_with = "csv")]
    pub secret: Option<String>,
    /// What the user may do in the end, such as 'on ~app:* +@read'. A user that is there keeps what it has if this is
    /// left out.
    #[arg(long, value_name = "RULES", requires = "user_id")]
    pub access_string: Option<String>,
    /// A user group that it joins once it has a password; may be given several times.
    #[arg(long, value_name = "GROUP", conflicts_with = "csv")]
    pub group: Vec<String>,
    /// A tag of the secret, and of a new user; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = csv::tag, conflicts_with = "csv")]
    pub tag: Vec<(String, String)>,
    /// The KMS key of a new secret.
    #[arg(long, value_name = "KEY", conflicts_with = "csv")]
    pub kms_key_id: Option<String>,
    /// Write `username` and `user_arn` into a secret that is there and lacks them.
    #[arg(long)]
    pub write_bond: bool,
    /// The password that the user has, in a file; - for standard input, or to type it. It is proved before anything is changed, and
    /// goes on working for the overlap.
    #[arg(long, value_name = "PATH", requires = "user_id")]
    pub password_file: Option<PathBuf>,
    /// Many, from this file.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Every secret, and every user, with this tag; with several, those that have all of them.
    #[arg(long, value_name = "KEY=VALUE", value_parser = csv::tag, requires = "policy")]
    pub by_tag: Vec<(String, String)>,
    /// Of many, do those that can be done, although others are refused.
    #[arg(long, conflicts_with = "user_id")]
    pub keep_going: bool,
    /// How long it may take. A user that is off must look settled for five minutes after its first password.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = span)]
    pub timeout: Duration,
    /// Print every call that would be made, in order, and make none that changes anything.
    #[arg(long)]
    pub dry_run: bool,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}
