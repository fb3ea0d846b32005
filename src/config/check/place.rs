//! `[aws.NAME]`.

use std::collections::BTreeMap;

use super::values;
use crate::config::raw::{RawBudget, RawPlace, Table};
use crate::config::source::{Findings, KeyPath};
use crate::policy::{Budgets, Place, Role};

pub(super) fn check_all(raw: &BTreeMap<String, Table<RawPlace>>, findings: &mut Findings) -> BTreeMap<String, Place> {
    raw.iter()
        .map(|(name, Table(raw))| (name.clone(), check(name, raw, findings)))
        .collect()
}

fn check(name: &str, raw: &RawPlace, findings: &mut Findings) -> Place {
    let path = KeyPath::of(&["aws", name]);
    super::check_name("place", name, &path, findings);
    let text = |key: &str, value: &Option<String>| value.clone().map(|value| (value, path.join(key)));
    if raw.region.is_none() {
        super::missing(&path, "region", "the AWS region to work in", findings);
    }
    let both = text("endpoint_url", &raw.endpoint_url);
    let both = super::read_optional(both, values::endpoint_url, findings);
    let mut endpoint = |key: &str, value: &Option<String>| {
        super::read_optional(text(key, value), values::endpoint_url, findings).or_else(|| both.clone())
    };
    let secrets_manager_endpoint = endpoint("secrets_manager_endpoint_url", &raw.secrets_manager_endpoint_url);
    let elasticache_endpoint = endpoint("elasticache_endpoint_url", &raw.elasticache_endpoint_url);
    let role_arn = super::read_optional(text("role_arn", &raw.role_arn), values::role_arn, findings);
    let external_id = super::read_optional(text("external_id", &raw.external_id), values::not_empty, findings);
    if external_id.is_some() && raw.role_arn.is_none() && !findings.was_dropped(&path.join("role_arn")) {
        findings.error(
            &path.join("external_id"),
            "an external id goes with a role: `role_arn` is missing",
        );
    }
    Place {
        name: name.to_owned(),
        region: super::read(text("region", &raw.region), String::new(), values::region, findings),
        profile: super::read_optional(text("profile", &raw.profile), values::not_empty, findings),
        role: role_arn.map(|arn| Role { arn, external_id }),
        secrets_manager_endpoint,
        elasticache_endpoint,
        budgets: budgets(raw.budget.as_ref(), &path.join("budget"), findings),
    }
}

/// The most calls a second that a budget may allow: what AWS allows of DescribeSecret.
const MOST_CALLS: i64 = 40_000;

fn budgets(raw: Option<&Table<RawBudget>>, path: &KeyPath, findings: &mut Findings) -> Budgets {
    let default = Budgets::default();
    let Some(Table(raw)) = raw else { return default };
    let mut read = |key: &str, value: Option<i64>, default: u32| {
        let value = value.map(|value| (value, path.join(key)));
        super::read(value, default, values::within(1, MOST_CALLS), findings)
    };
    Budgets {
        modify_user: read("modify_user", raw.modify_user, default.modify_user),
        secrets_manager_writes: read(
            "secrets_manager_writes",
            raw.secrets_manager_writes,
            default.secrets_manager_writes,
        ),
        secrets_manager_reads: read(
            "secrets_manager_reads",
            raw.secrets_manager_reads,
            default.secrets_manager_reads,
        ),
        elasticache_reads: read("elasticache_reads", raw.elasticache_reads, default.elasticache_reads),
    }
}
