//! What a cache was given and shows again, and nothing depends on. Clients that compare what they asked for with what
//! they read, as Terraform's AWS provider does, find it again.

use serde::{Deserialize, Serialize};

use super::lenient;

/// What a request says of it. All of it is shown again, and nothing else comes of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LooksInput {
    /// The kind of machine.
    pub cache_node_type: Option<String>,
    /// Such as `7.1`; the servers are those that are installed.
    pub engine_version: Option<String>,
    /// The parameter group. Of a new cache, a name that ends in `.cluster.on` enables cluster mode.
    pub cache_parameter_group_name: Option<String>,
    /// The subnet group.
    pub cache_subnet_group_name: Option<String>,
    /// The security groups.
    #[serde(deserialize_with = "lenient::list")]
    pub security_group_ids: Option<Vec<String>>,
    /// Whether a replica is to take over by itself. None does here.
    #[serde(deserialize_with = "lenient::flag")]
    pub automatic_failover_enabled: Option<bool>,
    /// Whether nodes are to be in several zones.
    #[serde(rename = "MultiAZEnabled", deserialize_with = "lenient::flag")]
    pub multi_az_enabled: Option<bool>,
    /// Whether data at rest are encrypted.
    #[serde(deserialize_with = "lenient::flag")]
    pub at_rest_encryption_enabled: Option<bool>,
    /// Whether new versions are taken by themselves.
    #[serde(deserialize_with = "lenient::flag")]
    pub auto_minor_version_upgrade: Option<bool>,
    /// Days for which snapshots are kept. There are none.
    #[serde(deserialize_with = "lenient::number")]
    pub snapshot_retention_limit: Option<i64>,
    /// When snapshots begin.
    pub snapshot_window: Option<String>,
    /// When maintenance may happen. It never does.
    pub preferred_maintenance_window: Option<String>,
}

/// What a cache shows of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Looks {
    pub(crate) node_type: String,
    engine_version: String,
    parameter_group: String,
    subnet_group: String,
    security_groups: Vec<String>,
    automatic_failover: bool,
    multi_az: bool,
    at_rest: bool,
    auto_minor: bool,
    snapshot_retention: i64,
    snapshot_window: String,
    maintenance_window: String,
}

impl Looks {
    /// Of a new cache, with defaults such as AWS has.
    pub(crate) fn new(engine: &str, cluster: bool, input: LooksInput) -> Self {
        let (version, family) = match engine {
            "valkey" => ("8.0.1", "default.valkey8"),
            _ => ("7.1.0", "default.redis7"),
        };
        let mut looks = Self {
            node_type: "cache.t4g.micro".to_owned(),
            engine_version: version.to_owned(),
            parameter_group: format!("{family}{}", if cluster { ".cluster.on" } else { "" }),
            subnet_group: "default".to_owned(),
            security_groups: Vec::new(),
            automatic_failover: cluster,
            multi_az: false,
            at_rest: false,
            auto_minor: true,
            snapshot_retention: 0,
            snapshot_window: "05:00-06:00".to_owned(),
            maintenance_window: "sun:07:00-sun:08:00".to_owned(),
        };
        looks.change(input);
        looks
    }

    /// Takes over what a request speaks of.
    pub(crate) fn change(&mut self, input: LooksInput) {
        let LooksInput {
            cache_node_type,
            engine_version,
            cache_parameter_group_name,
            cache_subnet_group_name,
            security_group_ids,
            automatic_failover_enabled,
            multi_az_enabled,
            at_rest_encryption_enabled,
            auto_minor_version_upgrade,
            snapshot_retention_limit,
            snapshot_window,
            preferred_maintenance_window,
        } = input;
        put(&mut self.node_type, cache_node_type);
        put(&mut self.engine_version, engine_version.as_deref().map(full_version));
        put(&mut self.parameter_group, cache_parameter_group_name);
        put(&mut self.subnet_group, cache_subnet_group_name);
        put(&mut self.security_groups, security_group_ids);
        put(&mut self.automatic_failover, automatic_failover_enabled);
        put(&mut self.multi_az, multi_az_enabled);
        put(&mut self.at_rest, at_rest_encryption_enabled);
        put(&mut self.auto_minor, auto_minor_version_upgrade);
        put(&mut self.snapshot_retention, snapshot_retention_limit);
        put(&mut self.snapshot_window, snapshot_window);
        put(&mut self.maintenance_window, preferred_maintenance_window);
    }

    /// As a replication group shows it.
    pub(crate) fn of_group(&self) -> GroupLooks {
        GroupLooks {
            automatic_failover: able(self.automatic_failover).to_owned(),
            multi_az: able(self.multi_az).to_owned(),
            at_rest_encryption_enabled: self.at_rest,
            auto_minor_version_upgrade: self.auto_minor,
            snapshot_retention_limit: self.snapshot_retention,
            snapshot_window: self.snapshot_window.clone(),
            data_tiering: able(false).to_owned(),
            network_type: "ipv4".to_owned(),
            ip_discovery: "ipv4".to_owned(),
        }
    }

    /// As one of its nodes shows it.
    pub(crate) fn of_cluster(&self) -> ClusterLooks {
        let member = |id: &String| SecurityGroupOutput {
            security_group_id: id.clone(),
            status: "active".to_owned(),
        };
        ClusterLooks {
            engine_version: self.engine_version.clone(),
            cache_parameter_group: ParameterGroupOutput {
                cache_parameter_group_name: self.parameter_group.clone(),
                parameter_apply_status: "in-sync".to_owned(),
                cache_node_ids_to_reboot: Vec::new(),
            },
            cache_subnet_group_name: self.subnet_group.clone(),
            security_groups: self.security_groups.iter().map(member).collect(),
            at_rest_encryption_enabled: self.at_rest,
            auto_minor_version_upgrade: self.auto_minor,
            snapshot_retention_limit: self.snapshot_retention,
            snapshot_window: self.snapshot_window.clone(),
            preferred_maintenance_window: self.maintenance_window.clone(),
            network_type: "ipv4".to_owned(),
            ip_discovery: "ipv4".to_owned(),
        }
    }
}

fn put<T>(into: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *into = value;
    }
}

fn able(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}

/// Versions come back with three parts: `7.1` as `7.1.0`, and `6.x` as the last that there was.
fn full_version(text: &str) -> String {
    match text {
        "6.x" => "6.2.6".to_owned(),
        _ if text.split('.').count() == 2 => format!("{text}.0"),
        _ => text.to_owned(),
    }
}

/// What a replication group was given, of which nothing depends.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupLooks {
    /// `enabled` or `disabled`.
    pub automatic_failover: String,
    /// `enabled` or `disabled`.
    #[serde(rename = "MultiAZ")]
    pub multi_az: String,
    /// Whether it was asked for.
    pub at_rest_encryption_enabled: bool,
    /// Whether it was asked for.
    pub auto_minor_version_upgrade: bool,
    /// Days.
    pub snapshot_retention_limit: i64,
    /// Such as `05:00-06:00`.
    pub snapshot_window: String,
    /// `disabled`.
    pub data_tiering: String,
    /// `ipv4`.
    pub network_type: String,
    /// `ipv4`.
    pub ip_discovery: String,
}

/// What the cache of a node was given, of which nothing depends.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClusterLooks {
    /// Such as `7.1.0`.
    pub engine_version: String,
    /// The parameter group.
    pub cache_parameter_group: ParameterGroupOutput,
    /// The subnet group.
    pub cache_subnet_group_name: String,
    /// The security groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<SecurityGroupOutput>,
    /// Whether it was asked for.
    pub at_rest_encryption_enabled: bool,
    /// Whether it was asked for.
    pub auto_minor_version_upgrade: bool,
    /// Days.
    pub snapshot_retention_limit: i64,
    /// Such as `05:00-06:00`.
    pub snapshot_window: String,
    /// Such as `sun:07:00-sun:08:00`.
    pub preferred_maintenance_window: String,
    /// `ipv4`.
    pub network_type: String,
    /// `ipv4`.
    pub ip_discovery: String,
}

/// A parameter group of a node.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ParameterGroupOutput {
    /// Its name.
    pub cache_parameter_group_name: String,
    /// `in-sync`.
    pub parameter_apply_status: String,
    /// None.
    pub cache_node_ids_to_reboot: Vec<String>,
}

/// A security group of a node.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecurityGroupOutput {
    /// Its id.
    pub security_group_id: String,
    /// `active`.
    pub status: String,
}
