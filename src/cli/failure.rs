//! How a command says why it ends without a result: in words, or as JSON for those who asked for JSON.

use std::ffi::OsString;
use std::process::ExitCode;

use serde_json::json;

use super::complain;
use super::exit::Exit;
use crate::telemetry;

/// Says it on standard error: words, or an object in one line. Standard output stays empty.
pub(super) fn fail(as_json: bool, reason: &str, exit: Exit) -> Exit {
    let text = match as_json {
        true => json!({"error": reason, "exit_code": exit as u8}).to_string(),
        false => format!("rekeyd: {reason}"),
    };
    complain(&telemetry::failure(&text));
    exit
}

/// Says what is wrong with a command line, or prints the help or the version that it asks for.
pub fn unparsed(error: &clap::Error, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let as_json = arguments.into_iter().any(|argument| argument == "--json");
    if as_json && error.use_stderr() {
        return fail(true, &reason(error), Exit::Usage).into();
    }
    match error.print() {
        Ok(()) => u8::try_from(error.exit_code()).map_or(Exit::Usage.into(), ExitCode::from),
        Err(_) => Exit::Failed.into(),
    }
}

/// What is wrong, and what might have been meant; without the usage, which is for eyes.
fn reason(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let before_usage = text.split("\n\nUsage:").next().unwrap_or(text);
    before_usage.trim().to_owned()
}
