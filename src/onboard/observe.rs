//! Looking: what there is of a user and its secret.

use std::collections::BTreeMap;

use crate::aws::provisioning::Eyes;
use crate::aws::{AwsError, AwsResult, ErrorClass};
use crate::inventory::topology;
use crate::login::Login;
use crate::policy::{Place, Policy, Verify};
use crate::rotation::observation::{AWSCURRENT, Node, SecretState, User};
use crate::secret::{Password, UserArn, secret_arn_place};

use super::request::Request;
use super::sight::{CurrentVersion, Evidence, SecretSight, Sight};

/// The user that every account has (ElastiCache's RBAC guide); its ARN tells the account.
const DEFAULT_USER: &str = "default";

/// Looks at a secret, and at its current version.
///
/// # Errors
/// Any read that failed.
pub async fn secret(eyes: &Eyes, name: &str) -> AwsResult<Option<SecretSight>> {
    let state = match eyes.secrets.secret(name).await {
        Ok(state) => state,
        Err(error) if error.class == ErrorClass::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let current = match state.holder(AWSCURRENT).filter(|_| state.deleted.is_none()) {
        Some(id) => Some(CurrentVersion {
            id: id.to_owned(),
            text: eyes.settings.text(&state.arn, id).await?,
        }),
        None => None,
    };
    Ok(Some(SecretSight { state, current }))
}

/// Looks at everything that a request is about.
///
/// # Errors
/// Any read that failed.
pub async fn observe(
    eyes: &Eyes,
    login: &dyn Login,
    place: &Place,
    policy: &Policy,
    request: &Request,
) -> AwsResult<Sight> {
    let user = eyes.settings.user(&request.user_id).await?;
    let secret = secret(eyes, &request.secret).await?;
    let mut groups = BTreeMap::new();
    for group in &request.groups {
        groups.insert(group.clone(), eyes.settings.group(group).await?);
    }
    let user_arn = match &user {
        Some(settings) => settings.user.arn.clone(),
        None => {
            arn_to_be(
                eyes,
                place,
                secret.as_ref().map(|secret| &secret.state),
                &request.user_id,
            )
            .await?
        }
    };
    let held = secret
        .as_ref()
        .and_then(|secret| secret.current.as_ref()?.document().ok());
    let held = held.is_some_and(|document| document.password().is_some());
    let known_password = match (&request.known_password, &user) {
        (Some(password), Some(settings)) if settings.user.on && !held => {
            Some(logins(eyes, login, policy, &settings.user, password).await?)
        }
        _ => None,
    };
    Ok(Sight {
        user,
        user_arn,
        secret,
        groups,
        known_password,
    })
}

/// The ARN that a user will have.
async fn arn_to_be(eyes: &Eyes, place: &Place, secret: Option<&SecretState>, user_id: &str) -> AwsResult<String> {
    let of_secret = secret.and_then(|secret| secret_arn_place(&secret.arn));
    let account = match of_secret {
        Some((_, account)) => account.to_owned(),
        None => account(eyes).await?,
    };
    Ok(format!(
        "arn:{}:elasticache:{}:{account}:user:{user_id}",
        place.partition(),
        place.region
    ))
}

async fn account(eyes: &Eyes) -> AwsResult<String> {
    let user = eyes.settings.user(DEFAULT_USER).await?;
    let arn = user.and_then(|settings| UserArn::parse(&settings.user.arn));
    arn.map(|arn| arn.account().to_owned()).ok_or_else(|| AwsError {
        class: ErrorClass::Invalid,
        operation: "DescribeUsers",
        resource: DEFAULT_USER.to_owned(),
        code: "UserNotFound".to_owned(),
        message: "the account has no user `default`, whose ARN tells the account's number".to_owned(),
        retry_after: None,
    })
}

/// What every node of a user answers to a password.
///
/// # Errors
/// The nodes cannot be listed.
pub async fn logins(
    eyes: &Eyes,
    login: &dyn Login,
    policy: &Policy,
    user: &User,
    password: &Password,
) -> AwsResult<Evidence> {
    let nodes = nodes(eyes, policy, user).await?;
    let mut evidence = Evidence::default();
    for node in nodes {
        let answer = login.login(&node.endpoint, &policy.tls, &user.name, password).await;
        evidence.answers.insert(node.endpoint.to_string(), answer);
    }
    Ok(evidence)
}

/// The nodes that can be asked; none where the policy has no path to them.
///
/// # Errors
/// They cannot be listed.
pub async fn nodes(eyes: &Eyes, policy: &Policy, user: &User) -> AwsResult<Vec<Node>> {
    if policy.verify == Verify::ApiOnly {
        return Ok(Vec::new());
    }
    let topology = topology(eyes.users.as_ref(), user, &policy.endpoints).await?;
    Ok(topology.nodes.into_iter().collect())
}
