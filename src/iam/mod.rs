//! The least IAM policies that a configuration needs, from the configuration alone: no call to AWS. The daemon's, and those of
//! the commands that run with an operator's credentials ([`Purpose`]).
//!
//! ```text
//!   Config, Given ─► needs ─► documents ─► split by IAM's size ─► JSON, Terraform, CloudFormation
//! ```
//!
//! Which actions there are follows from the calls of `aws`; a test runs whole rotations against a sandbox that enforces
//! these policies, and again without each action.
//!
//! Sources: Service Authorization Reference for Secrets Manager, ElastiCache, KMS and STS (which action is checked on
//! which resource); Secrets Manager user guide, "Permissions policy examples" (six random characters end a secret's ARN).

mod accounts;
mod advice;
#[cfg(test)]
mod bus_tests;
mod cloudformation;
mod document;
mod given;
mod needs;
mod onboarding;
mod purpose;
#[cfg(test)]
mod purpose_tests;
mod split;
#[cfg(test)]
mod table_tests;
mod terraform;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use advice::{Advice, IamPolicy, PolicyKind, advise};
pub use cloudformation::cloudformation;
pub use document::{Account, Arn, Condition, Document, Resource, Statement};
pub use given::{Given, GivenError, KmsKey, Principal, is_account};
pub use purpose::Purpose;
pub use split::LONGEST_DOCUMENT;
pub use terraform::terraform;
