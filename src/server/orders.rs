//! What is asked for over the admin socket: announced in the audit log, carried out to its end, and told of there.

use std::future::Future;

use axum::Json;
use axum::http::StatusCode;

use crate::audit::requester::on_behalf_of;
use crate::audit::{AuditError, Begun, Change, Outcome, Subject, Trail};
use crate::engine::control::{Accepted, ControlError};
use crate::server::Surface;
use crate::server::peer::Caller;
use crate::server::reply::Failure;
use crate::server::wire::AcceptedReply;

/// What is asked for.
pub(super) struct Order {
    pub(super) surface: Surface,
    pub(super) caller: Caller,
    pub(super) change: Change,
    pub(super) about: Subject,
}

impl Order {
    /// Carries it out to its end, even if the client has gone: half of a selection changed would be neither what it
    /// asked for nor nothing.
    pub(super) async fn carry_out(
        self,
        command: impl Future<Output = Result<Vec<Accepted>, ControlError>> + Send + 'static,
    ) -> Result<Json<AcceptedReply>, Failure> {
        let carried_out = async move {
            let (actor, by) = self.caller.named().await;
            let audit = &self.surface.audit;
            let begun = audit.begin(actor, self.change, self.about).await?;
            let accepted = on_behalf_of(by, command).await;
            tell(audit, &begun, &accepted).await;
            Ok::<_, Failure>(Json(AcceptedReply { accepted: accepted? }))
        };
        tokio::spawn(carried_out).await.unwrap_or_else(|_| Err(defect()))
    }
}

/// Tells what came of a command: of each secret that it was accepted for, or why of none.
async fn tell(audit: &Trail, begun: &Begun, accepted: &Result<Vec<Accepted>, ControlError>) {
    let (outcome, error) = match accepted {
        Ok(accepted) => {
            for accepted in accepted {
                let about = Subject {
                    secret: Some(accepted.arn.clone()),
                    version: accepted.current_version.clone(),
                    ..Subject::default()
                };
                audit.end(&begun.about(about), Outcome::Accepted, None, None).await;
            }
            return;
        }
        // Some of the secrets may have it.
        Err(error @ ControlError::Store(_)) => (Outcome::Unknown, error),
        Err(error) => (Outcome::Refused, error),
    };
    audit.end(begun, outcome, None, Some(error.to_string())).await;
}

pub(super) fn defect() -> Failure {
    Failure::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the command failed on a defect of rekeyd; the log says where",
    )
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::unavailable(format!("not accepted: {error}"))
    }
}
