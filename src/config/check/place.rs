//! `[aws.NAME]`.

use std::collections::BTreeMap;

use super::values;
use crate::config::raw::{RawBudget, RawPlace, Table};
use crate::config::source::{Findings, KeyPath};
use crate::policy::{Budgets, Place, Role, partition_of};

/// What CloudTrail calls sessions whose place does not say otherwise.
const SESSION_NAME: &str = "rekeyd";

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
        super::missing(
            &path,
            "region",
            "the AWS region to work in, like \"us-east-1\"",
            findings,
        );
    }
    let both = text("endpoint_url", &raw.endpoint_url);
    let both = super::read_optional(both, values::endpoint_url, findings);
    let mut endpoint =
        |key: &str, value: &Option<String>| super::read_optional(text(key, value), values::endpoint_url, findings);
    let secrets_manager_endpoint = endpoint("secrets_manager_endpoint_url", &raw.secrets_manager_endpoint_url);
    let elasticache_endpoint = endpoint("elasticache_endpoint_url", &raw.elasticache_endpoint_url);
    let event_bridge_endpoint = endpoint("eventbridge_endpoint_url", &raw.eventbridge_endpoint_url);
    let dynamodb_endpoint = endpoint("dynamodb_endpoint_url", &raw.dynamodb_endpoint_url);
    let sts_endpoint = endpoint("sts_endpoint_url", &raw.sts_endpoint_url);
    let region = super::read(text("region", &raw.region), String::new(), values::region, findings);
    let role = check_role(raw, &region, &path, findings);
    check_endpoints(raw, &path, findings);
    Place {
        name: name.to_owned(),
        region,
        profile: super::read_optional(text("profile", &raw.profile), values::not_empty, findings),
        role,
        secrets_manager_endpoint: secrets_manager_endpoint.or_else(|| both.clone()),
        elasticache_endpoint: elasticache_endpoint.or_else(|| both.clone()),
        event_bridge_endpoint: event_bridge_endpoint.or_else(|| both.clone()),
        dynamodb_endpoint: dynamodb_endpoint.or(both),
        sts_endpoint,
        use_fips: raw.use_fips,
        use_dualstack: raw.use_dualstack,
        budgets: budgets(raw.budget.as_ref(), &path.join("budget"), findings),
    }
}

fn check_role(raw: &RawPlace, region: &str, path: &KeyPath, findings: &mut Findings) -> Option<Role> {
    let text = |key: &str, value: &Option<String>| value.clone().map(|value| (value, path.join(key)));
    let arn = super::read_optional(text("role_arn", &raw.role_arn), values::role_arn, findings);
    let external_id = super::read_optional(text("external_id", &raw.external_id), values::not_empty, findings);
    let name = text("role_session_name", &raw.role_session_name);
    let session_name = super::read(name, SESSION_NAME.to_owned(), values::session_name, findings);
    let span = text("role_session_duration", &raw.role_session_duration);
    let session_duration = super::read_optional(span, values::session_duration, findings);
    if raw.role_arn.is_none() && !findings.was_dropped(&path.join("role_arn")) {
        for (key, given) in [
            ("external_id", raw.external_id.is_some()),
            ("role_session_name", raw.role_session_name.is_some()),
            ("role_session_duration", raw.role_session_duration.is_some()),
            ("sts_endpoint_url", raw.sts_endpoint_url.is_some()),
        ] {
            if given {
                findings.error(
                    &path.join(key),
                    format!("`{key}` goes with a role: add `role_arn`, or remove it"),
                );
            }
        }
    }
    let arn = arn?;
    let (partition, other) = (partition_of(region), arn.split(':').nth(1).unwrap_or_default());
    if !region.is_empty() && partition != other {
        let message = format!(
            "a role of partition {other} cannot work in {region}, which lies in {partition}: write a role's ARN that \
             begins with arn:{partition}:"
        );
        findings.error(&path.join("role_arn"), message);
    }
    Some(Role {
        arn,
        external_id,
        session_name,
        session_duration,
    })
}

/// FIPS and dual-stack choose among AWS's own endpoints; the SDK refuses to send anything if one is
/// given by URL, too.
fn check_endpoints(raw: &RawPlace, path: &KeyPath, findings: &mut Findings) {
    let urls = [
        ("endpoint_url", &raw.endpoint_url),
        ("secrets_manager_endpoint_url", &raw.secrets_manager_endpoint_url),
        ("elasticache_endpoint_url", &raw.elasticache_endpoint_url),
        ("eventbridge_endpoint_url", &raw.eventbridge_endpoint_url),
        ("dynamodb_endpoint_url", &raw.dynamodb_endpoint_url),
        ("sts_endpoint_url", &raw.sts_endpoint_url),
    ];
    let Some((url, _)) = urls.into_iter().find(|(_, url)| url.is_some()) else {
        return;
    };
    for (key, on) in [("use_fips", raw.use_fips), ("use_dualstack", raw.use_dualstack)] {
        if on == Some(true) {
            let message =
                format!("cannot be combined with `{url}`: it chooses among AWS's own endpoints; remove one of the two");
            findings.error(&path.join(key), message);
        }
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
