//! Faults as data: *the k-th call to this operation* goes wrong in this way.

use serde::{Deserialize, Serialize};

use super::operation::Service;
use super::stranger::{StrangerAct, When};
use crate::error::ApiError;

/// One fault, as `PUT /_sandbox/faults` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only calls to this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// An operation's name, `*` for all, or `mutations` for those that can change something.
    pub operation: String,
    /// Only calls whose resource (secret name or ARN, user id) contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The first matching call that it hits, counted from when it was set; 1 is the next.
    #[serde(default = "one")]
    pub call: u64,
    /// How many calls it hits from there; 0 is for ever.
    #[serde(default = "one")]
    pub times: u64,
    /// What goes wrong.
    pub kind: FaultKind,
    /// For `delay`: how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// For `code`: the error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// For `code` and `error`: the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// For `code` and `error`: the HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// For `stranger`: what the stranger does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<StrangerAct>,
    /// For `stranger`: when.
    #[serde(default)]
    pub when: When,
}

fn one() -> u64 {
    1
}

/// The ways in which a call can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The service's throttling error; not applied.
    Throttle,
    /// A server error; not applied.
    Error,
    /// Not applied, and no reply.
    Hang,
    /// Applied, and the connection closed without a reply.
    ReplyLost,
    /// Applied, and the reply held until release.
    HoldReply,
    /// Held until release, then handled as if it had arrived then.
    Hold,
    /// The same for a fixed time.
    Delay,
    /// Any error that AWS might give; not applied.
    Code,
    /// Applied, and a stranger acts just before or after.
    Stranger,
}

impl FaultKind {
    /// The word for it in faults and in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Error => "error",
            Self::Hang => "hang",
            Self::ReplyLost => "reply_lost",
            Self::HoldReply => "hold_reply",
            Self::Hold => "hold",
            Self::Delay => "delay",
            Self::Code => "code",
            Self::Stranger => "stranger",
        }
    }
}

impl Fault {
    /// A fault that hits the next call to `operation`.
    #[must_use]
    pub fn next(operation: &str, kind: FaultKind) -> Self {
        Self {
            service: None,
            operation: operation.to_owned(),
            resource: None,
            call: 1,
            times: 1,
            kind,
            ms: None,
            code: None,
            message: None,
            status: None,
            act: None,
            when: When::Before,
        }
    }

    /// A stranger who acts just before or after the next call to `operation` is applied.
    #[must_use]
    pub fn stranger(operation: &str, when: When, act: StrangerAct) -> Self {
        Self {
            act: Some(act),
            when,
            ..Self::next(operation, FaultKind::Stranger)
        }
    }

    /// What is wrong with the fault itself, if anything is. `knows` says whether there is an operation of a name,
    /// in the service if one is given.
    pub(crate) fn defect(&self, knows: impl Fn(Option<Service>, &str) -> bool) -> Option<String> {
        let operation = self.operation.as_str();
        if !matches!(operation, "*" | "mutations") && !knows(self.service, operation) {
            let place = self.service.map_or("the sandbox", Service::name);
            return Some(format!(
                "operation: {place} has no {operation}; give a name without the service, * or mutations"
            ));
        }
        let defect = match (self.kind, &self.act) {
            _ if self.call == 0 => "call: the first call is 1",
            (FaultKind::Stranger, None) => "act: a fault of kind stranger needs one",
            (kind, Some(_)) if kind != FaultKind::Stranger => "act: only a fault of kind stranger has one",
            (FaultKind::Delay, _) if self.ms.is_none() => "ms: a fault of kind delay needs it",
            _ => return None,
        };
        Some(defect.to_owned())
    }

    /// The same for the `call`-th matching call.
    #[must_use]
    pub fn at_call(mut self, call: u64) -> Self {
        self.call = call;
        self
    }

    /// The same for `times` calls in a row; 0 is for ever.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// The same for calls on one resource only.
    #[must_use]
    pub fn on(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        self
    }

    /// The error that it answers with, for the kinds that answer.
    pub(crate) fn error(&self, service: Service) -> Option<ApiError> {
        let text = |default: &str| self.message.clone().unwrap_or_else(|| default.to_owned());
        match self.kind {
            FaultKind::Throttle => {
                let error = ApiError::throttled(service);
                Some(ApiError {
                    message: text(&error.message),
                    ..error
                })
            }
            FaultKind::Error => {
                let status = self.status.unwrap_or(500);
                let code = match (service, status) {
                    (_, 503) => "ServiceUnavailable",
                    (Service::SecretsManager, _) => "InternalServiceError",
                    (Service::ElastiCache, _) => "InternalFailure",
                };
                Some(ApiError::with_status(
                    status,
                    self.code.as_deref().unwrap_or(code),
                    text("An error occurred on the server side."),
                ))
            }
            FaultKind::Code => Some(ApiError::with_status(
                self.status.unwrap_or(400),
                self.code.as_deref().unwrap_or("InternalFailure"),
                text("Injected by the sandbox."),
            )),
            FaultKind::Hang
            | FaultKind::ReplyLost
            | FaultKind::HoldReply
            | FaultKind::Hold
            | FaultKind::Delay
            | FaultKind::Stranger => None,
        }
    }

    fn matches(&self, call: &CallShape<'_>) -> bool {
        if self.service.is_some_and(|service| service != call.service) {
            return false;
        }
        let operation = match self.operation.as_str() {
            "*" => true,
            "mutations" => call.mutates,
            name => name == call.operation,
        };
        operation
            && self
                .resource
                .as_ref()
                .is_none_or(|part| call.resource.is_some_and(|r| r.contains(part.as_str())))
    }
}

/// What a fault can look at in a call.
pub(crate) struct CallShape<'a> {
    pub(crate) service: Service,
    pub(crate) operation: &'a str,
    pub(crate) resource: Option<&'a str>,
    pub(crate) mutates: bool,
}

/// A fault with its history, as `GET /_sandbox/faults` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArmedFault {
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
    /// How many matching calls it has seen.
    pub seen: u64,
    /// How many of them it has hit.
    pub fired: u64,
    /// How many it has still to hit; nothing when it goes on for ever.
    pub remaining: Option<u64>,
}

/// All faults in force.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<ArmedFault>,
}

impl Faults {
    /// Replaces all of them; every count starts anew.
    pub(crate) fn set(&mut self, faults: Vec<Fault>) {
        self.armed = faults
            .into_iter()
            .map(|fault| ArmedFault {
                remaining: (fault.times != 0).then_some(fault.times),
                fault,
                seen: 0,
                fired: 0,
            })
            .collect();
    }

    pub(crate) fn list(&self) -> Vec<ArmedFault> {
        self.armed.clone()
    }

    /// The fault that hits this call. Every fault that matches counts the call, the first that is due hits.
    pub(crate) fn strike(&mut self, call: &CallShape<'_>) -> Option<Fault> {
        let mut hit = None;
        for armed in self.armed.iter_mut().filter(|a| a.fault.matches(call)) {
            armed.seen += 1;
            let due = armed.seen >= armed.fault.call && armed.remaining != Some(0);
            if due && hit.is_none() {
                armed.fired += 1;
                armed.remaining = armed.remaining.map(|left| left.saturating_sub(1));
                hit = Some(armed.fault.clone());
            }
        }
        hit
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn call(operation: &str) -> CallShape<'_> {
        CallShape {
            service: Service::ElastiCache,
            operation,
            resource: Some("user1"),
            mutates: true,
        }
    }

    #[test]
    fn the_kth_call_is_hit_and_no_other() {
        let mut faults = Faults::default();
        faults.set(vec![Fault::next("ModifyUser", FaultKind::Throttle).at_call(2).times(2)]);
        let hits: Vec<bool> = (0..5).map(|_| faults.strike(&call("ModifyUser")).is_some()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert!(faults.strike(&call("CreateUser")).is_none());
        assert_eq!(faults.list()[0].fired, 2);
        assert_eq!(faults.list()[0].seen, 5);
    }

    #[test]
    fn a_fault_for_one_resource_leaves_the_others() {
        let mut faults = Faults::default();
        faults.set(vec![Fault::next("mutations", FaultKind::Hang).on("user2")]);
        assert!(faults.strike(&call("ModifyUser")).is_none());
        faults.set(vec![Fault::next("mutations", FaultKind::Hang).on("ser1")]);
        assert!(faults.strike(&call("ModifyUser")).is_some());
    }
}
