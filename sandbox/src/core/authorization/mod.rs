//! Whether a caller may make a call, by the identity-based policies that a setting gives its access key.
//!
//! A caller without policies may do everything. One that has any may do what they allow and nothing else: an explicit
//! deny beats every allow, and what nothing allows is denied (IAM user guide, "Policy evaluation logic"). Strangers
//! are asked nothing. `table` says what each operation is checked on.

mod condition;
mod defect;
mod document;
mod glob;
mod kms;
mod table;

use chrono::{DateTime, Utc};

use self::condition::RequestKeys;
use self::document::{Effect, Statement};
use super::operation::{Operation, Service};
use super::{CallContext, State};
use crate::error::ApiError;

pub use self::defect::PolicyDefect;
pub use self::document::{Policies, PolicyDocument};
pub use self::kms::KmsKeyState;

/// What is asked of a caller's policies.
struct Question<'a> {
    /// The action, such as `secretsmanager:GetSecretValue`.
    action: &'a str,
    /// The ARN that it is done to, or `*`.
    resource: &'a str,
    /// What conditions can ask about.
    keys: &'a RequestKeys,
}

/// What a caller's policies answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Allowed,
    /// No statement allows it.
    ImplicitDeny,
    /// A statement denies it.
    ExplicitDeny,
}

impl Policies {
    fn answer(&self, question: &Question<'_>) -> Answer {
        let mut answer = Answer::ImplicitDeny;
        let applies = |statement: &&Statement| statement.applies(question);
        for statement in self.documents().flat_map(PolicyDocument::statements).filter(applies) {
            match statement.effect() {
                Effect::Deny => return Answer::ExplicitDeny,
                Effect::Allow => answer = Answer::Allowed,
            }
        }
        answer
    }
}

impl State {
    /// Refuses a call that the caller's policies do not allow, or whose KMS key is not to be used.
    pub(super) fn authorize<O: Operation>(
        &mut self,
        now: DateTime<Utc>,
        ctx: &CallContext,
        input: &O,
    ) -> Result<(), ApiError> {
        if self.settings.policies.is_empty() && self.settings.kms_keys.is_empty() {
            return Ok(());
        }
        let env = self.env(now, &ctx.account, &ctx.region);
        let policies = env.settings.policies.get(&ctx.access_key);
        let policies = policies.or_else(|| env.settings.policies.get(Policies::OF_OTHERS));
        if let Some(policies) = policies {
            let requested = table::requested(env.account, (O::SERVICE, O::NAME), input.resource());
            let mut keys = requested.keys.with("aws:requestedregion", &ctx.region);
            let tags = input.request_tags();
            for (key, value) in &tags {
                keys = keys.with(&format!("aws:requesttag/{key}"), value);
            }
            let tagging = table::tagging(O::SERVICE, O::NAME).filter(|_| !tags.is_empty());
            for operation in [O::NAME].into_iter().chain(tagging) {
                let action = format!("{}:{operation}", O::SERVICE.name());
                let question = Question {
                    action: &action,
                    resource: &requested.arn,
                    keys: &keys,
                };
                match policies.answer(&question) {
                    Answer::Allowed => {}
                    denied => return Err(refusal(O::SERVICE, ctx, &action, requested.shown.as_deref(), denied)),
                }
            }
        }
        kms::check(&env, ctx, (O::SERVICE, O::NAME), input.resource(), policies)
    }
}

/// AWS's words (IAM user guide, "Troubleshoot access denied error messages"). The JSON services answer HTTP 400 with
/// AccessDeniedException, the query ones HTTP 403 with AccessDenied.
fn refusal(service: Service, ctx: &CallContext, action: &str, resource: Option<&str>, answer: Answer) -> ApiError {
    let partition = super::account::partition_of(&ctx.region);
    let user = format!(
        "arn:{partition}:sts::{}:assumed-role/rekeyd-sandbox/{}",
        ctx.account, ctx.access_key
    );
    let on = resource.map_or_else(String::new, |resource| format!(" on resource: {resource}"));
    let why = match answer {
        Answer::ExplicitDeny => "with an explicit deny in an identity-based policy".to_owned(),
        Answer::ImplicitDeny | Answer::Allowed => {
            format!("because no identity-based policy allows the {action} action")
        }
    };
    let message = format!("User: {user} is not authorized to perform: {action}{on} {why}");
    match service {
        Service::SecretsManager => ApiError::bad_request("AccessDeniedException", message),
        Service::ElastiCache => ApiError::with_status(403, "AccessDenied", message),
    }
}
