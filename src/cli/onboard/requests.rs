//! From what was typed to requests: one user, a file of them, or whatever bears a tag.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

use crate::aws::AwsError;
use crate::cli::CliError;
use crate::onboard::observe;
use crate::onboard::{Request, csv};
use crate::policy::Selection;
use crate::secret::{MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH, Password};

use super::Around;
use super::args::OnboardArgs;

/// What stands for the user's id in a secret's name.
const USER_ID: &str = "{user_id}";

/// The requests, each with its line if it came from a file.
pub(super) async fn read(args: &OnboardArgs, around: &Around) -> Result<Vec<(Option<u64>, Request)>, CliError> {
    if let Some(file) = &args.csv {
        return of_file(file, args.write_bond);
    }
    if !args.by_tag.is_empty() {
        let found = by_tag(args, around).await?;
        return Ok(found.into_iter().map(|request| (None, request)).collect());
    }
    let policy = args.policy.as_deref().unwrap_or_default();
    let user_id = args.user_id.as_deref().unwrap_or_default();
    let mut request = Request::new(policy, user_id, args.secret.as_deref().unwrap_or_default());
    request.user_name.clone_from(&args.user_name);
    request.access_string.clone_from(&args.access_string);
    if let Some(path) = &args.password_file {
        request.known_password = Some(password(path)?);
    }
    Ok(vec![(None, with_common(request, args))])
}

fn with_common(mut request: Request, args: &OnboardArgs) -> Request {
    request.engine = args.engine;
    request.groups = args.group.iter().cloned().collect();
    request.tags.extend(args.tag.iter().cloned());
    request.kms_key_id.clone_from(&args.kms_key_id);
    request.write_bond = args.write_bond;
    request
}

fn of_file(path: &Path, write_bond: bool) -> Result<Vec<(Option<u64>, Request)>, CliError> {
    let unreadable = |error: std::io::Error| CliError::Usage(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let rows = csv::read(file).map_err(|problems| {
        CliError::Refused(format!(
            "{} is not as it should be, and nothing was changed:\n{}",
            path.display(),
            problems.join("\n")
        ))
    })?;
    let request = |row: csv::Row| {
        let mut request = row.request;
        request.write_bond = write_bond;
        if let Some(file) = &row.password_file {
            request.known_password = Some(password(file)?);
        }
        Ok((Some(row.line), request))
    };
    rows.into_iter().map(request).collect()
}

/// A password from a file, or from standard input for `-`. A line's end after it is not part of it.
fn password(path: &Path) -> Result<Password, CliError> {
    let unreadable = |error: std::io::Error| CliError::Usage(format!("{}: {error}", path.display()));
    let is_typed = path == Path::new("-") && std::io::stdin().is_terminal();
    let text = match is_typed {
        true => typed().map_err(unreadable)?,
        false => read_whole(path).map_err(unreadable)?,
    };
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    match password.chars().count() {
        MIN_PASSWORD_LENGTH..=MAX_PASSWORD_LENGTH => Ok(Password::new(password.to_owned())),
        length => Err(CliError::Usage(format!(
            "{} holds {length} characters, and passwords have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH}",
            path.display()
        ))),
    }
}

/// What somebody types, unseen. A password at a prompt ends with its line.
fn typed() -> std::io::Result<Zeroizing<String>> {
    write!(std::io::stderr(), "The user's current password, which is not shown: ")?;
    rpassword::read_password().map(Zeroizing::new)
}

/// What a file holds, or standard input for `-`.
fn read_whole(path: &Path) -> std::io::Result<Zeroizing<String>> {
    // Room for more than any password, so that the buffer does not grow and leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(4_096));
    let source: Box<dyn Read> = match path == Path::new("-") {
        true => Box::new(std::io::stdin()),
        false => Box::new(File::open(path)?),
    };
    source.take(4_096).read_to_string(&mut text)?;
    Ok(text)
}

/// Secrets with the tags, and users with them that none of these secrets names.
async fn by_tag(args: &OnboardArgs, around: &Around) -> Result<Vec<Request>, CliError> {
    let policy = args.policy.as_deref().unwrap_or_default();
    let Some(eyes) = around.eyes(policy) else {
        return Err(CliError::Refused(format!(
            "no policy is called {policy:?}; `rekeyd check` lists them"
        )));
    };
    let failed = |error: AwsError| super::failed(&error);
    let tags: BTreeMap<String, String> = args.by_tag.iter().cloned().collect();
    let selection = Selection {
        tags: tags.clone(),
        ..Selection::default()
    };
    let mut requests = Vec::new();
    for listed in eyes.secrets.select(&selection).await.map_err(failed)? {
        let secret = observe::secret(eyes, &listed.arn).await.map_err(failed)?;
        let document = secret.and_then(|secret| secret.current.and_then(|current| current.document().ok()));
        let Some(document) = document else {
            return Err(CliError::Refused(format!(
                "secret {} names no user, so that it cannot be onboarded by its tag; name it and its user with --secret \
                 and --user-id, and --write-bond. Nothing was changed",
                listed.name
            )));
        };
        requests.push(Request::new(policy, document.user_arn().user_id(), &listed.name));
    }
    let named: BTreeSet<String> = requests.iter().map(|request| request.user_id.clone()).collect();
    for user in eyes.users.users().await.map_err(failed)? {
        let has_secret = named.contains(&user.id.to_ascii_lowercase());
        if !has_secret && has_tags(&eyes.settings.user_tags(&user.arn).await.map_err(failed)?, &tags) {
            let mut request = Request::new(policy, &user.id, &secret_of(&user.id, args)?);
            request.tags.clone_from(&tags);
            requests.push(request);
        }
    }
    match requests.is_empty() {
        true => Err(CliError::Refused("no secret and no user has that tag".to_owned())),
        false => Ok(requests.into_iter().map(|request| with_common(request, args)).collect()),
    }
}

fn has_tags(has: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| has.get(key) == Some(value))
}

/// What the secret of a user is called that has none yet.
fn secret_of(user_id: &str, args: &OnboardArgs) -> Result<String, CliError> {
    match args.secret.as_ref().filter(|name| name.contains(USER_ID)) {
        Some(name) => Ok(name.replace(USER_ID, user_id)),
        None => Err(CliError::Usage(format!(
            "user {user_id} has the tag and no secret with it names it; say what its secret is called, such as --secret \
             'production/ec/{USER_ID}'"
        ))),
    }
}
