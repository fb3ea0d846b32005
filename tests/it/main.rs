//! Everything that needs more than one module: the real `rekeyd` binary, real HTTP and real `redis-server`
//! processes; and the engine in simulated time (`support::simulated`), with simulated nodes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

#[path = "../support/mod.rs"]
mod support;

mod admin_socket;
mod audit_log;
mod audit_of_commands;
mod auditor;
mod aws_guide;
mod broken_configurations;
mod busy_users;
mod canary;
mod carried_over;
mod changing_nodes;
mod check_command;
mod claimed_twice;
mod command_line;
mod completions;
mod container;
mod crash;
mod crash_points;
mod cron_dates;
mod damaged_stores;
mod debian_package;
mod discovery;
mod discovery_simulated;
mod documented_configurations;
mod doubts;
mod downtimes;
mod drain;
mod drift;
mod drift_causes;
mod drift_mid_rotation;
mod drift_on_redis;
mod ecs;
mod effective_configuration;
mod environment;
mod exploration;
mod first_rotation_transcript;
mod fleet_simulated;
mod half_discovery;
mod halts;
mod help;
mod history_command;
mod hostile_configuration;
mod hostile_requests;
mod hostile_words;
mod http_port;
mod iam_policy;
mod init_table;
mod json_shapes;
mod killed;
mod kinds_of_caches;
mod leak_response;
mod lifecycle;
mod live_check;
mod logging;
mod lost_replies;
mod lying_records;
mod makespan;
mod mangled_replies;
mod manual;
mod many_at_once;
mod metrics;
mod moto;
mod nodes;
mod notifications;
mod notifications_documented;
mod notifications_event_bus;
mod notifications_held_up;
mod notifications_reloaded;
mod notify_command;
mod onboard;
mod panics;
mod pauses;
mod places;
mod places_simulated;
mod plan_command;
mod planted_bugs;
mod prometheus;
mod public_names;
mod refusals;
mod reload;
mod reload_membership;
mod reload_simulated;
mod revoking_after_a_rollback;
mod rollback;
mod rules;
mod run_once;
mod runbooks;
mod sbom;
mod schedules;
mod schema;
mod secrecy;
mod service_manager;
mod shutdown;
mod simulated;
mod simulated_faults;
mod socket_access;
mod stall;
mod state_command;
mod status_command;
mod status_page;
mod storage;
mod store_at_rest;
mod stored_json;
mod strange_passwords;
mod strange_versions;
mod structure;
mod stuck_partners;
mod table_conformance;
mod takeover;
mod unit_commands;
mod unit_on_systemd;
mod unknown_users;
mod version_ids;
mod windows;
mod windows_held;
mod windows_killed;
