//! Whether a secret that is there is the user's own, and how far it has come.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::rotation::observation::AWSPENDING;
use crate::rotation::version::generation_of;
use crate::secret::{DocumentError, Password, SecretDocument, document_with_bond};

use super::refusal::Refusal;
use super::request::Request;
use super::sight::{CurrentVersion, SecretSight, Sight};

/// How far a secret has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Holding {
    /// There is none.
    Absent,
    /// These keys are to be written into its document.
    Incomplete {
        /// Which.
        keys: Vec<&'static str>,
        /// Whether it has a password then.
        password: bool,
    },
    /// It has the bond and no password.
    Bond,
    /// The same, and its first rotation is under way.
    Pending,
    /// It has the password that it was created with.
    Initial,
    /// It has a password that a rotation, or somebody, put.
    Rotated,
}

/// Looks whether the secret is the user's.
pub(super) fn examine(request: &Request, sight: &Sight, user_name: &str) -> Result<Holding, Refusal> {
    let Some(secret) = &sight.secret else {
        return Ok(Holding::Absent);
    };
    refuse_foreign_hands(request, secret)?;
    let refuse = |problem: String| Err(Refusal::secret(&request.secret, problem));
    let Some(current) = &secret.current else {
        return refuse("has no current version; put one with the bond, or delete the secret".to_owned());
    };
    let document = match current.document() {
        Ok(document) => document,
        Err(error @ (DocumentError::UserArnMissing | DocumentError::UsernameMissing)) => {
            return incomplete(request, sight, secret, current, error, user_name);
        }
        Err(error) => return refuse(format!("version {}: {error}", current.id)),
    };
    if !document.user_arn().to_string().eq_ignore_ascii_case(&sight.user_arn) {
        return refuse(format!(
            "is bound to another user: its user_arn is {}",
            document.user_arn()
        ));
    }
    if document.username() != user_name {
        return refuse(format!(
            "its username is {:?}, and user {} is named {user_name:?}; correct the secret",
            document.username(),
            request.user_id
        ));
    }
    progress(request, sight, secret, current, &document)
}

fn progress(
    request: &Request,
    sight: &Sight,
    secret: &SecretSight,
    current: &CurrentVersion,
    document: &SecretDocument,
) -> Result<Holding, Refusal> {
    let Some(password) = document.password() else {
        let pending = secret.state.holder(AWSPENDING).filter(|id| *id != current.id);
        return match (pending, &request.known_password) {
            (Some(id), _) if generation_of(&secret.state.arn, &current.id, id).is_some() => Ok(Holding::Pending),
            (Some(id), known) if known.is_none() || id != completed_version(&secret.state.arn, &current.id) => {
                Err(foreign_pending(request, id))
            }
            (_, Some(_)) => Ok(Holding::Incomplete {
                keys: vec!["password"],
                password: true,
            }),
            (_, None) => Ok(Holding::Bond),
        };
    };
    let initial = current.id == first_version(&request.secret, &sight.user_arn)
        || secret
            .state
            .versions
            .keys()
            .any(|id| completed_version(&secret.state.arn, id) == current.id);
    let pending = secret.state.holder(AWSPENDING);
    let under_way = pending.is_some_and(|id| generation_of(&secret.state.arn, &current.id, id).is_some());
    match (&request.known_password, initial) {
        (Some(known), true) if !known.same_as(password) => Err(Refusal::secret(
            &request.secret,
            "holds another password than the one in --password-file",
        )),
        (_, true) if under_way => Ok(Holding::Pending),
        (_, true) => Ok(Holding::Initial),
        (_, false) => Ok(Holding::Rotated),
    }
}

fn refuse_foreign_hands(request: &Request, secret: &SecretSight) -> Result<(), Refusal> {
    let state = &secret.state;
    let problem = if state.deleted.is_some() {
        "is marked for deletion; restore it with `aws secretsmanager restore-secret`, or choose another name".to_owned()
    } else if let Some(service) = &state.owning_service {
        format!("is managed by {service}, which rotates it")
    } else if state.rotation_enabled {
        format!(
            "is rotated by Secrets Manager; `rekeyd takeover {}` takes it over",
            state.name
        )
    } else if state.replicated {
        "has replicas, or is one: other regions would read a password that their users lack".to_owned()
    } else {
        return Ok(());
    };
    Err(Refusal::secret(&request.secret, problem))
}

fn incomplete(
    request: &Request,
    sight: &Sight,
    secret: &SecretSight,
    current: &CurrentVersion,
    error: DocumentError,
    user_name: &str,
) -> Result<Holding, Refusal> {
    let refuse = |problem: String| Err(Refusal::secret(&request.secret, problem));
    if !request.write_bond {
        return refuse(format!("version {}: {error}; --write-bond writes it", current.id));
    }
    let document = match completed(current, &sight.user_arn, user_name, None) {
        Ok(document) => document,
        Err(error) => return refuse(format!("version {}: {error}", current.id)),
    };
    let pending = secret.state.holder(AWSPENDING).filter(|id| *id != current.id);
    if let Some(id) = pending.filter(|id| *id != completed_version(&secret.state.arn, &current.id)) {
        return Err(foreign_pending(request, id));
    }
    if document.username() != user_name || !document.user_arn().to_string().eq_ignore_ascii_case(&sight.user_arn) {
        return refuse("the half of the bond that it has names another user".to_owned());
    }
    let mut keys = vec!["username", "user_arn"];
    match (document.password(), &request.known_password) {
        (Some(password), Some(known)) if !password.same_as(known) => {
            return refuse("holds another password than the one in --password-file".to_owned());
        }
        (None, Some(_)) => keys.push("password"),
        _ => {}
    }
    let password = document.password().is_some() || request.known_password.is_some();
    Ok(Holding::Incomplete { keys, password })
}

fn foreign_pending(request: &Request, version: &str) -> Refusal {
    let problem = format!("version {version} carries AWSPENDING, and rekeyd did not put it there; see who rotates it");
    Refusal::secret(&request.secret, problem)
}

/// The document of a version with the keys that it lacks.
fn completed(
    current: &CurrentVersion,
    user_arn: &str,
    user_name: &str,
    password: Option<&Password>,
) -> Result<SecretDocument, DocumentError> {
    let text = completed_text(current, user_arn, user_name, password)?;
    SecretDocument::parse(text.expose_secret())
}

/// The same as the text that is put.
pub(super) fn completed_text(
    current: &CurrentVersion,
    user_arn: &str,
    user_name: &str,
    password: Option<&Password>,
) -> Result<SecretString, DocumentError> {
    let text = current.text.as_ref().ok_or(DocumentError::Binary)?;
    let bonded = document_with_bond(text.expose_secret(), user_arn, user_name)?;
    let document = SecretDocument::parse(bonded.expose_secret())?;
    match password.filter(|_| document.password().is_none()) {
        Some(password) => Ok(document.with_password(password)),
        None => Ok(bonded),
    }
}

/// The id of the first version of a secret that is created here. Derived, so that a second attempt is the same request.
pub(super) fn first_version(secret: &str, user_arn: &str) -> String {
    derived("rekeyd onboard: first version", secret, user_arn)
}

/// The id of the version that completes another.
pub(super) fn completed_version(secret_arn: &str, version: &str) -> String {
    derived("rekeyd onboard: completed version", secret_arn, version)
}

/// A UUID of version 8 made of a digest, like the ids of rotations, but never one of them.
fn derived(domain: &str, one: &str, other: &str) -> String {
    let mut hash = Sha256::new();
    for part in [domain, one, other] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let mut number = digest
        .iter()
        .take(16)
        .fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    number = number & !(0xf << 76) | 0x8 << 76;
    number = number & !(0b11 << 62) | 0b10 << 62;
    let id = format!("{number:032x}");
    [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-")
}
