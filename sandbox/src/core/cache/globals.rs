//! DescribeGlobalReplicationGroups: what there is has been seeded.

use serde::{Deserialize, Serialize};

use super::lenient;
use super::paging::{Bounds, page};
use crate::core::operation::Env;
use crate::error::ApiError;

/// Shows global datastores.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DescribeGlobalReplicationGroups {
    /// Only this one.
    pub global_replication_group_id: Option<String>,
    /// Whether to show its members.
    #[serde(deserialize_with = "lenient::flag")]
    pub show_member_info: Option<bool>,
    /// Where the last page ended.
    pub marker: Option<String>,
    /// How many on a page.
    #[serde(deserialize_with = "lenient::number")]
    pub max_records: Option<i64>,
}

/// One page of global datastores.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeGlobalReplicationGroupsOutput {
    /// The global datastores.
    pub global_replication_groups: Vec<GlobalReplicationGroupOutput>,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// A global datastore as replies show it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GlobalReplicationGroupOutput {
    /// Its id.
    pub global_replication_group_id: String,
    /// Always `available`.
    pub status: String,
    /// Its members, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<GlobalMemberOutput>,
}

/// A member of a global datastore.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GlobalMemberOutput {
    /// The cache.
    pub replication_group_id: String,
    /// Its region.
    pub replication_group_region: String,
    /// `PRIMARY` or `SECONDARY`.
    pub role: String,
    /// `associated`.
    pub status: String,
}

super::elasticache!(DescribeGlobalReplicationGroups => DescribeGlobalReplicationGroupsOutput,
    "DescribeGlobalReplicationGroups", mutates: false, |d| d.global_replication_group_id.as_deref(), globals);

fn globals(
    env: &mut Env<'_>,
    input: DescribeGlobalReplicationGroups,
) -> Result<DescribeGlobalReplicationGroupsOutput, ApiError> {
    let all = &env.account.cache.globals;
    let chosen: Vec<&String> = match &input.global_replication_group_id {
        Some(id) => vec![all.get_key_value(id).map(|(key, _)| key).ok_or_else(|| {
            ApiError::not_found(
                "GlobalReplicationGroupNotFoundFault",
                format!("GlobalReplicationGroup {id} not found."),
            )
        })?],
        None => all.keys().collect(),
    };
    let (page, marker) = page(
        chosen,
        input.marker.as_deref(),
        &Bounds::undocumented(input.max_records),
        |id| (*id).clone(),
    )?;
    let shown = input.show_member_info == Some(true);
    let members = |id: &String| {
        let members = all.get(id).filter(|_| shown).into_iter().flatten();
        members
            .map(|member| GlobalMemberOutput {
                replication_group_id: member.replication_group.clone(),
                replication_group_region: member.region.clone(),
                role: member.role.clone(),
                status: "associated".to_owned(),
            })
            .collect()
    };
    Ok(DescribeGlobalReplicationGroupsOutput {
        global_replication_groups: page
            .into_iter()
            .map(|id| GlobalReplicationGroupOutput {
                global_replication_group_id: id.clone(),
                status: "available".to_owned(),
                members: members(id),
            })
            .collect(),
        marker,
    })
}
