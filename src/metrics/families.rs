//! Every family, with its labels and its help: the one place that declares them.

use std::collections::BTreeSet;

use prometheus::Registry;

use super::family::{CALL_SECONDS, Catalogue, Counter, Gauge, Histogram, Labelled, ROTATION_SECONDS};

/// All families.
pub(super) struct Families {
    pub(super) process: Process,
    pub(super) work: Work,
    pub(super) calls: Calls,
    pub(super) notifications: Notifications,
    pub(super) shown: Shown,
    pub(super) single: Single,
    all: Vec<Box<dyn Labelled>>,
}

impl Families {
    pub(super) fn declare(registry: &Registry) -> Self {
        let catalogue = Catalogue::new(registry);
        Self {
            process: Process::declare(&catalogue),
            work: Work::declare(&catalogue),
            calls: Calls::declare(&catalogue),
            notifications: Notifications::declare(&catalogue),
            shown: Shown::declare(&catalogue),
            single: Single::declare(&catalogue),
            all: catalogue.into_families(),
        }
    }

    /// The name of each, and the names of its labels.
    pub(super) fn names(&self) -> Vec<(String, Vec<String>)> {
        self.all.iter().filter_map(|family| family.name_and_labels()).collect()
    }

    /// Removes every series in which `label` names none of these, whatever its family.
    pub(super) fn retain(&self, label: &str, names: &BTreeSet<String>) {
        self.all.iter().for_each(|family| family.retain(label, names));
    }
}

/// The process itself.
pub(super) struct Process {
    pub(super) build_info: Gauge,
    pub(super) start_time: Gauge,
    pub(super) reload_successful: Gauge,
    pub(super) reload_timestamp: Gauge,
    pub(super) last_tick: Gauge,
    pub(super) store_errors: Counter,
    pub(super) audit_errors: Counter,
    pub(super) lease_held: Gauge,
    pub(super) replicas: Gauge,
    pub(super) lease_takeovers: Counter,
    pub(super) lease_losses: Counter,
}

impl Process {
    fn declare(catalogue: &Catalogue<'_>) -> Self {
        let gauge = |name, labels: &[&str], help| Gauge::new(catalogue, name, labels, help);
        let labels = ["version", "commit", "arch"];
        let store_errors = "Reads and writes of the store that failed; nothing is changed while it fails.";
        let audit_errors = "Lines that the audit log lacks; nothing is changed while it cannot be written.";
        Self {
            build_info: gauge("build_info", &labels, "Always 1; the labels say what is running."),
            start_time: gauge(
                "start_time_seconds",
                &[],
                "When the process started, in seconds since the epoch; known even where /proc/stat is hidden.",
            ),
            reload_successful: gauge(
                "config_last_reload_successful",
                &[],
                "1 if the configuration was read the last time that it was tried, else 0: the one before is in force.",
            ),
            reload_timestamp: gauge(
                "config_last_reload_success_timestamp_seconds",
                &[],
                "When the configuration in force was read.",
            ),
            last_tick: gauge(
                "scheduler_last_tick_timestamp_seconds",
                &[],
                "When the scheduler last ticked; an old one means that nothing new is started.",
            ),
            store_errors: Counter::new(catalogue, "store_errors_total", &[], store_errors),
            audit_errors: Counter::new(catalogue, "audit_errors_total", &[], audit_errors),
            lease_held: gauge(
                "lease_held",
                &[],
                "1 while this process holds the lease of a secret at least; always, with a store of its own. 0 is no trouble where secrets are fewer than replicas.",
            ),
            replicas: gauge(
                "replicas",
                &[],
                "Replicas that share the table and are alive as this one sees them, itself included; 0 with a store of its own.",
            ),
            lease_takeovers: Counter::new(
                catalogue,
                "lease_takeovers_total",
                &[],
                "Secrets that this process took over from a replica that was dead or had ended.",
            ),
            lease_losses: Counter::new(
                catalogue,
                "lease_losses_total",
                &[],
                "Secrets that this process counted as lost because it could not show in time that it lives.",
            ),
        }
    }
}

/// What is done.
pub(super) struct Work {
    pub(super) rotations: Counter,
    pub(super) rotation_duration: Histogram,
    pub(super) step_duration: Histogram,
    pub(super) step_attempts: Counter,
    pub(super) drifts: Counter,
    pub(super) repairs: Counter,
    pub(super) missed_windows: Counter,
}

impl Work {
    fn declare(catalogue: &Catalogue<'_>) -> Self {
        let counter = |name, labels: &[&str], help| Counter::new(catalogue, name, labels, help);
        let rotation_duration = "From the start of a rotation to the promotion of its password, without the \
                                 retirement of the previous one.";
        Self {
            rotations: counter(
                "rotations_total",
                &["policy", "outcome"],
                "Rotations by what came of them: promoted after proof, promoted_endpoint_proven (a serverless \
                 cache), promoted_unproven, abandoned (another password is tried), halted on the way (once for each \
                 halt; it may still be promoted), or rolled_back (AWSCURRENT moved back, as an operator asked).",
            ),
            rotation_duration: Histogram::new(
                catalogue,
                "rotation_duration_seconds",
                &["policy"],
                &ROTATION_SECONDS,
                rotation_duration,
            ),
            step_duration: Histogram::new(
                catalogue,
                "step_duration_seconds",
                &["step"],
                &CALL_SECONDS,
                "How long an attempt at a step took, without the waiting between attempts.",
            ),
            step_attempts: counter(
                "step_attempts_total",
                &["step", "outcome"],
                "Attempts at steps: ok, wait (the world has to change first) or error (it is tried again).",
            ),
            drifts: counter(
                "drifts_total",
                &["policy", "cause"],
                "Current passwords that were found not to work any more, by cause.",
            ),
            repairs: counter(
                "drift_repairs_total",
                &["policy"],
                "Repairs of drift after which every node accepted the current password again.",
            ),
            missed_windows: counter(
                "missed_windows_total",
                &["policy"],
                "Rotation windows that closed without a start although a rotation was due: one for each secret.",
            ),
        }
    }
}

/// What is asked of nodes and of AWS.
pub(super) struct Calls {
    pub(super) login_probes: Counter,
    pub(super) aws_requests: Counter,
    pub(super) aws_request_duration: Histogram,
    pub(super) aws_budget: Gauge,
}

impl Calls {
    fn declare(catalogue: &Catalogue<'_>) -> Self {
        let counter = |name, labels: &[&str], help| Counter::new(catalogue, name, labels, help);
        Self {
            login_probes: counter(
                "login_probes_total",
                &["outcome"],
                "Logins made for proof: accepted, refused or unreachable.",
            ),
            aws_requests: counter(
                "aws_requests_total",
                &["service", "operation", "outcome"],
                "Requests to AWS, by operation; outcome is ok or the class of the error.",
            ),
            aws_budget: Gauge::new(
                catalogue,
                "aws_budget",
                &["place", "budget"],
                "Calls a second that this process may make in a place at the moment, by budget: halved when AWS throttles, \
                 and growing back. Of several replicas each has a part.",
            ),
            aws_request_duration: Histogram::new(
                catalogue,
                "aws_request_duration_seconds",
                &["service", "operation"],
                &CALL_SECONDS,
                "How long requests to AWS took, failed ones included.",
            ),
        }
    }
}

/// What is told to whoever is not looking.
pub(super) struct Notifications {
    pub(super) told: Counter,
    pub(super) pending: Gauge,
}

impl Notifications {
    fn declare(catalogue: &Catalogue<'_>) -> Self {
        Self {
            told: Counter::new(
                catalogue,
                "notifications_total",
                &["notify", "outcome"],
                "Notifications by what came of them: delivered; failed, once for each attempt, after which it is tried \
                 again; or dropped, because too many waited, for too long, or the receiver would not have this one.",
            ),
            pending: Gauge::new(
                catalogue,
                "notifications_pending",
                &["notify"],
                "Notifications that wait in the store for their receiver.",
            ),
        }
    }
}

/// The gauges that are computed from status.
pub(super) struct Shown {
    pub(super) in_flight: Gauge,
    pub(super) secrets: Gauge,
    pub(super) oldest_rotation: Gauge,
    pub(super) overdue: Gauge,
    pub(super) needs_attention: Gauge,
    pub(super) halted: Gauge,
    pub(super) drifted: Gauge,
    pub(super) unproven: Gauge,
    pub(super) unproven_by_reason: Gauge,
    pub(super) retirement_overdue: Gauge,
    pub(super) paused: Gauge,
    pub(super) held: Gauge,
}

impl Shown {
    fn declare(catalogue: &Catalogue<'_>) -> Self {
        let gauge = |name, labels: &[&str], help| Gauge::new(catalogue, name, labels, help);
        let of_policy = |name, help| Gauge::new(catalogue, name, &["policy"], help);
        Self {
            in_flight: gauge("rotations_in_flight", &[], "Rotations and retirements under way."),
            secrets: gauge("secrets", &["policy", "phase"], "Secrets by where they stand."),
            oldest_rotation: of_policy(
                "policy_oldest_rotation_timestamp_seconds",
                "When the secret of this policy that was rotated longest ago was; absent until one is known.",
            ),
            overdue: of_policy(
                "policy_overdue",
                "Secrets that have been due for more than an hour, whatever holds them back.",
            ),
            needs_attention: gauge(
                "policy_needs_attention",
                &["policy", "reason"],
                "Secrets that a person should look at, although retries go on.",
            ),
            halted: gauge(
                "policy_halted",
                &["policy", "reason"],
                "Secrets that are not changed until what was observed changes or an operator resumes.",
            ),
            drifted: gauge(
                "policy_drifted",
                &["policy", "cause"],
                "Secrets whose current password worked, and does not on every node any more or could not be tried \
                 there, by cause.",
            ),
            unproven: of_policy(
                "policy_unproven",
                "Secrets whose current password could not be proved by a login.",
            ),
            unproven_by_reason: gauge(
                "policy_unproven_by_reason",
                &["policy", "reason"],
                "The same by reason: user_off and api_only may be meant, no_endpoints and node_unavailable are not.",
            ),
            retirement_overdue: of_policy(
                "policy_retirement_overdue",
                "Secrets whose previous password still works more than an hour after its overlap.",
            ),
            paused: of_policy(
                "policy_paused",
                "1 while the configuration pauses the policy; secrets that a command paused are in rekeyd_secrets.",
            ),
            held: gauge(
                "policy_held",
                &["policy", "reason"],
                "1 while the policy's due secrets do not begin: because a canary has no proof yet, or because more \
                 secrets are in trouble than max_attention allows.",
            ),
        }
    }
}

/// The gauges of single secrets.
pub(super) struct Single {
    pub(super) last_rotation: Gauge,
    pub(super) next_rotation: Gauge,
    pub(super) previous_valid: Gauge,
}

impl Single {
    fn declare(catalogue: &Catalogue<'_>) -> Self {
        let gauge = |name, help| Gauge::new(catalogue, name, &["policy", "secret"], help);
        Self {
            last_rotation: gauge(
                "secret_last_rotation_timestamp_seconds",
                "When the current version was created. Only up to 1000 secrets, and unless metrics.per_secret is false.",
            ),
            next_rotation: gauge(
                "secret_next_rotation_timestamp_seconds",
                "When the next rotation is due. Only up to 1000 secrets, and unless metrics.per_secret is false.",
            ),
            previous_valid: gauge(
                "secret_previous_password_valid",
                "1 while the previous password still logs in, as far as the number of the user's passwords tells. \
                 Only up to 1000 secrets, and unless metrics.per_secret is false.",
            ),
        }
    }
}
