//! What would be done, step by step. Pure.

use serde::Serialize;

use crate::clock::{Timestamp, after};
use crate::policy::{Overlap, Policy, Verify};
use crate::rotation::observation::{Observation, UserSight};
use crate::rotation::plan::{Action, Decision};
use crate::rotation::state::Record;
use crate::rotation::status::Phase;
use crate::rotation::step::Step;
use crate::schedule::duration;

use super::document;

/// A step that would be made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PlannedStep {
    /// Its name.
    pub step: Step,
    /// What it does, in words.
    pub does: String,
}

/// The steps from here on to the end of the rotation, in their order; none if nothing is to be done.
pub(super) fn steps(
    decision: &Decision,
    observation: &Observation,
    record: &Record,
    policy: &Policy,
    now: Timestamp,
) -> Vec<PlannedStep> {
    let rotation = Rotation {
        observation,
        policy,
        now,
    };
    match decision {
        Decision::Act(action) => rotation.begun_with(action),
        Decision::Rest { phase: Phase::Due, .. } => rotation.from(Step::CreateSecret),
        Decision::Wait { step, .. } if record.rotation.is_some() => rotation.from(match step {
            Step::Observe => Step::SetSecret,
            step => *step,
        }),
        Decision::Wait { .. } if record.retirement.is_some() => rotation.from(Step::Retire),
        Decision::Look(_)
        | Decision::Note(_)
        | Decision::Wait { .. }
        | Decision::Halt { .. }
        | Decision::Rest { .. } => Vec::new(),
    }
}

struct Rotation<'a> {
    observation: &'a Observation,
    policy: &'a Policy,
    now: Timestamp,
}

impl Rotation<'_> {
    fn begun_with(&self, action: &Action) -> Vec<PlannedStep> {
        let only = |does: String| {
            vec![PlannedStep {
                step: action.step(),
                does,
            }]
        };
        let user = self.user();
        match action {
            Action::CreateSecret { .. } | Action::SetSecret { .. } | Action::FinishSecret { .. } => {
                self.from(action.step())
            }
            Action::Retire { .. } => only(format!("take the previous password from user {user}, and see it die")),
            Action::Repair { .. } => only(format!("give user {user} the password under AWSCURRENT again")),
            Action::Abandon { version } => only(format!(
                "take AWSPENDING from version {version}, which is given up; after the fence another is tried"
            )),
            Action::RollBack { previous, .. } => only(format!("move AWSCURRENT back to version {previous}")),
        }
    }

    /// The steps of a rotation from this one on.
    fn from(&self, first: Step) -> Vec<PlannedStep> {
        let all = [
            (Step::CreateSecret, self.create()),
            (Step::SetSecret, self.set()),
            (Step::TestSecret, self.test()),
            (Step::FinishSecret, "move AWSCURRENT to the new password".to_owned()),
            (Step::Retire, self.retire()),
        ];
        let begin = all.iter().position(|(step, _)| *step == first).unwrap_or_default();
        let planned = all.into_iter().skip(begin).filter(|(_, does)| !does.is_empty());
        planned.map(|(step, does)| PlannedStep { step, does }).collect()
    }

    fn user(&self) -> &str {
        document(self.observation).map_or("USERID", |document| document.user_arn().user_id())
    }

    fn is_first(&self) -> bool {
        document(self.observation).is_none_or(|document| document.password().is_none())
    }

    fn create(&self) -> String {
        format!(
            "put a new password of {} characters under AWSPENDING",
            self.policy.password.length
        )
    }

    fn set(&self) -> String {
        match self.is_first() {
            true => format!("give user {} the new password, its first", self.user()),
            false => format!("give user {} the new password beside the current one", self.user()),
        }
    }

    fn test(&self) -> String {
        let off = matches!(&self.observation.user, UserSight::Seen(user) if !user.on);
        let nodes = self
            .observation
            .topology
            .as_ref()
            .map_or(0, |topology| topology.nodes.len());
        let settle = duration::format(self.policy.settle);
        match (self.policy.verify, nodes) {
            (Verify::ApiOnly, _) => format!("wait until ElastiCache has called the user active for {settle}: unproven"),
            (Verify::Login, _) if off => {
                format!("the user is off: wait until it has looked settled for {settle}: unproven")
            }
            (Verify::Login, 0) => format!("there is no node: wait until it has looked settled for {settle}: unproven"),
            (Verify::Login, 1) => "log in with it on the node".to_owned(),
            (Verify::Login, nodes) => format!("log in with it on all {nodes} nodes"),
        }
    }

    /// Nothing is retired after a first password.
    fn retire(&self) -> String {
        if self.is_first() {
            return String::new();
        }
        let user = self.user();
        match self.policy.overlap {
            Overlap::For(span) if span.is_zero() => {
                format!("at once take the previous password from user {user}, and see it die")
            }
            Overlap::For(span) => format!(
                "{} later, not before {}, take the previous password from user {user}, and see it die",
                duration::format(span),
                after(self.now, span).format("%Y-%m-%d %H:%MZ")
            ),
            Overlap::UntilNextRotation => {
                format!("when the next rotation is due, take the previous password from user {user}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::testing;
    use crate::rotation::observation::{AWSCURRENT, SecretState, Taken, Version};
    use crate::rotation::reason::WaitReason;
    use crate::secret::SecretDocument;

    const ARN: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:orders/user1-AbCdEf";
    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn observation(password: &str) -> Observation {
        let document = format!(
            r#"{{"username":"user1","user_arn":"arn:aws:elasticache:us-east-1:123456789012:user:user1"{password}}}"#
        );
        let version = Version {
            created: Some(NOW),
            stages: [AWSCURRENT.to_owned()].into(),
        };
        let secret = SecretState {
            arn: ARN.to_owned(),
            name: "orders/user1".to_owned(),
            deleted: None,
            rotation_enabled: false,
            owning_service: None,
            replicated: false,
            tags: Default::default(),
            last_changed: None,
            versions: [("v1".to_owned(), version)].into(),
        };
        let taken = Taken {
            wall: NOW,
            monotonic: std::time::Duration::ZERO,
        };
        let mut observation = Observation::new(taken, secret);
        let document = SecretDocument::parse(&document).expect("a document");
        observation.values.insert("v1".to_owned(), Ok(document));
        observation
    }

    fn planned(decision: &Decision, password: &str) -> Vec<PlannedStep> {
        let record = Record::new(ARN.to_owned(), NOW);
        steps(decision, &observation(password), &record, &testing::policy(), NOW)
    }

    fn create() -> Decision {
        Decision::Act(Action::CreateSecret {
            version: "v2".to_owned(),
            parent: "v1".to_owned(),
            generation: 0,
        })
    }

    #[test]
    fn a_rotation_ends_with_the_retirement_at_the_end_of_the_overlap() {
        let planned = planned(&create(), r#","password":"the-first-password-1""#);
        let names: Vec<&str> = planned.iter().map(|planned| planned.step.label()).collect();
        assert_eq!(
            names,
            ["createSecret", "setSecret", "testSecret", "finishSecret", "retire"]
        );
        assert_eq!(
            planned[4].does,
            "24h later, not before 1970-01-02 00:00Z, take the previous password from user user1, and see it die"
        );
    }

    #[test]
    fn after_a_first_password_nothing_is_retired() {
        let planned = planned(&create(), "");
        assert_eq!(planned.len(), 4);
        assert_eq!(planned[1].does, "give user user1 the new password, its first");
    }

    #[test]
    fn what_only_waits_to_be_looked_at_has_no_steps() {
        let waits = Decision::Wait {
            reason: WaitReason::Modifying,
            detail: String::new(),
            step: Step::Observe,
        };
        assert_eq!(planned(&waits, ""), []);
    }
}
