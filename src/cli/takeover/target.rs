//! Which secret is meant, where it lies, and which policy has it.

use crate::aws::provisioning::{Eyes, Hands};
use crate::aws::{AwsError, ErrorClass};
use crate::cli::client::Client;
use crate::cli::onboard::Around;
use crate::cli::{CliError, denied};
use crate::config::Config;
use crate::iam::Purpose;
use crate::onboard::Refusal;
use crate::onboard::coverage::{ADD, check_policy_name, covering, has};
use crate::policy::{Place, Policy};
use crate::rotation::observation::{AWSCURRENT, SecretState};
use crate::takeover::{policy_lines, policy_name};

use super::args::TakeoverArgs;
use super::claimant;

/// The secret, and what there is around it.
pub(super) struct Target {
    pub(super) secret: SecretState,
    pub(super) place: Place,
    pub(super) eyes: Eyes,
    pub(super) hands: Hands,
    /// The policy that has it, or the lines that it lacks.
    pub(super) policy: Result<Policy, Refusal>,
    /// The policy that was asked for, if it is there.
    pub(super) asked: Option<Policy>,
    /// Its rotation's rules as a policy.
    pub(super) lines: String,
}

/// Looks for the secret in every place that it may lie in.
pub(super) async fn find(
    config: &Config,
    around: &Around,
    args: &TakeoverArgs,
    daemon: &Client,
) -> Result<Target, CliError> {
    let asked = args.policy.as_ref().and_then(|name| config.policies.get(name));
    if let (Some(name), None) = (&args.policy, asked) {
        check_policy_name(name).map_err(CliError::Usage)?;
    }
    if let Some(place) = args.place.as_ref().filter(|place| !config.places.contains_key(*place)) {
        return Err(CliError::Usage(format!(
            "no place is called {place:?}; `rekeyd check` lists them"
        )));
    }
    let wanted = config
        .places
        .values()
        .filter(|place| args.place.as_ref().is_none_or(|name| *name == place.name));
    let (mut found, mut denials) = (Vec::new(), Vec::new());
    for place in wanted {
        let Some((eyes, hands)) = around.at(&place.name) else {
            continue;
        };
        match eyes.secrets.secret(&args.secret).await {
            Ok(secret) => found.push((secret, place, eyes, hands)),
            Err(error) if error.class == ErrorClass::NotFound => {}
            // Whoever may see only the secrets of policies is denied one that lies in another place.
            Err(error) if error.class == ErrorClass::Denied => denials.push(error),
            Err(error) => return Err(failed(&error)),
        }
    }
    if let (true, Some(error)) = (found.is_empty(), denials.first()) {
        return Err(failed(error));
    }
    let mut found = found.into_iter();
    let (Some((secret, place, eyes, hands)), others) = (found.next(), found.count()) else {
        return Err(CliError::Refused(unknown(config, args)));
    };
    if others > 0 {
        return Err(CliError::Usage(format!(
            "several places have a secret {:?}; name one with --place",
            args.secret
        )));
    }
    let rotation = eyes
        .settings
        .managed_rotation(&secret.arn)
        .await
        .map_err(|error| failed(&error))?;
    let user_id = user_of(eyes, &secret).await?;
    let name = match &args.policy {
        Some(name) => name.clone(),
        None => free_name(config, &secret),
    };
    let lines = policy_lines(&name, place, &rotation, &secret.name, &user_id);
    let policy = match claimant::of(config, place, eyes, daemon, &secret, &user_id).await {
        Some(problem) => Err(Refusal::secret(&secret.name, problem)),
        None => policy_of(config, place, &secret, &user_id, asked, &lines),
    };
    Ok(Target {
        place: place.clone(),
        eyes: eyes.clone(),
        hands: hands.clone(),
        policy,
        asked: asked.cloned(),
        lines,
        secret,
    })
}

/// What to do about a secret that nobody has.
fn unknown(config: &Config, args: &TakeoverArgs) -> String {
    let looked = config
        .places
        .values()
        .filter(|place| args.place.as_ref().is_none_or(|name| *name == place.name));
    let looked: Vec<String> = looked
        .map(|place| format!("{} ({})", place.name, place.region))
        .collect();
    format!(
        "no place has a secret {:?}; looked in {}. Give its name or ARN as `aws secretsmanager list-secrets` shows it; if it \
         lies in another account or region, add a place for that, as [aws.NAME], to the configuration",
        args.secret,
        looked.join(", ")
    )
}

/// A name for its policy that no policy has that does not have the secret.
fn free_name(config: &Config, secret: &SecretState) -> String {
    let wanted = policy_name(&secret.name);
    let is_free = |name: &String| {
        let taken = config.policies.get(name);
        taken.is_none_or(|policy| has(&policy.selection, &secret.name, &secret.tags))
    };
    let mut names = std::iter::once(wanted.clone()).chain((2_u64..).map(|number| format!("{wanted}_{number}")));
    names.find(is_free).unwrap_or(wanted)
}

/// The id of the user that it names; empty where it names none, which is refused later.
async fn user_of(eyes: &Eyes, secret: &SecretState) -> Result<String, CliError> {
    let Some(current) = secret.holder(AWSCURRENT).filter(|_| secret.deleted.is_none()) else {
        return Ok(String::new());
    };
    let value = eyes
        .secrets
        .value(&secret.arn, current)
        .await
        .map_err(|error| failed(&error))?;
    Ok(value
        .map(|document| document.user_arn().user_id().to_owned())
        .unwrap_or_default())
}

fn policy_of(
    config: &Config,
    place: &Place,
    secret: &SecretState,
    user_id: &str,
    asked: Option<&Policy>,
    lines: &str,
) -> Result<Policy, Refusal> {
    let mut having = config
        .policies
        .values()
        .filter(|policy| policy.place == place.name && has(&policy.selection, &secret.name, &secret.tags));
    if let Some(asked) = asked.filter(|asked| asked.place != place.name) {
        return Err(Refusal::Request(format!(
            "policy {} works in place {}, and secret {} lies in {}: name a policy of that place, or a new one",
            asked.name, asked.place, secret.name, place.name
        )));
    }
    match having.next().or(asked) {
        Some(policy) => covering(config, &policy.name, user_id, &secret.name, &secret.tags).cloned(),
        None => Err(Refusal::NotConfigured {
            problem: format!("no policy has secret {}", secret.name),
            remedy: ADD.to_owned(),
            lines: lines.to_owned(),
        }),
    }
}

/// A look that failed, before anything was changed.
pub(super) fn failed(error: &AwsError) -> CliError {
    let told = denied::told(error, Purpose::Takeover);
    CliError::Run(format!("{told}; nothing was changed"))
}
