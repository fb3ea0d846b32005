//! Every family, with its labels and its help: the one place that declares them.

use prometheus::Registry;

use super::family::{CALL_SECONDS, Counter, Gauge, Histogram, ROTATION_SECONDS};

pub(super) struct Families {
    pub(super) build_info: Gauge,
    pub(super) start_time: Gauge,
    pub(super) reload_successful: Gauge,
    pub(super) reload_timestamp: Gauge,
    pub(super) last_tick: Gauge,
    pub(super) rotations: Counter,
    pub(super) rotation_duration: Histogram,
    pub(super) step_duration: Histogram,
    pub(super) step_attempts: Counter,
    pub(super) login_probes: Counter,
    pub(super) aws_requests: Counter,
    pub(super) aws_request_duration: Histogram,
    pub(super) store_errors: Counter,
    pub(super) lease_held: Gauge,
    pub(super) shown: Shown,
}

impl Families {
    pub(super) fn declare(registry: &Registry) -> Self {
        let counter = |name, labels: &[&str], help| Counter::new(registry, name, labels, help);
        let gauge = |name, labels: &[&str], help| Gauge::new(registry, name, labels, help);
        let calls = |name, labels: &[&str], help| Histogram::new(registry, name, labels, &CALL_SECONDS, help);
        Self {
            build_info: gauge(
                "build_info",
                &["version", "commit", "arch"],
                "Always 1; the labels say what is running.",
            ),
            start_time: gauge(
                "start_time_seconds",
                &[],
                "When the process started, in seconds since the epoch; known even where /proc/stat is hidden.",
            ),
            reload_successful: gauge(
                "config_last_reload_successful",
                &[],
                "1 if the configuration was read the last time that it was tried, else 0 and the one before is in force.",
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
            rotations: counter(
                "rotations_total",
                &["policy", "outcome"],
                "Rotations by what came of them: promoted after proof, promoted_unproven, abandoned (another password is tried), or halted on the way (counted once for each halt; it may still be promoted).",
            ),
            rotation_duration: Histogram::new(
                registry,
                "rotation_duration_seconds",
                &["policy"],
                &ROTATION_SECONDS,
                "From the start of a rotation to the promotion of its password; the retirement of the previous one is not part of it.",
            ),
            step_duration: calls(
                "step_duration_seconds",
                &["step"],
                "How long an attempt at a step took, waiting for the world between attempts not included.",
            ),
            step_attempts: counter(
                "step_attempts_total",
                &["step", "outcome"],
                "Attempts at steps: ok, wait (the world has to change first) or error (it is tried again).",
            ),
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
            aws_request_duration: calls(
                "aws_request_duration_seconds",
                &["service", "operation"],
                "How long requests to AWS took, failed ones included.",
            ),
            store_errors: counter(
                "store_errors_total",
                &[],
                "Reads and writes of the store that failed; nothing is changed while it fails.",
            ),
            lease_held: gauge(
                "lease_held",
                &[],
                "1 while this process owns its work: always, on a store of its own.",
            ),
            shown: Shown::declare(&gauge),
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
    pub(super) unproven: Gauge,
    pub(super) retirement_overdue: Gauge,
    pub(super) paused: Gauge,
    pub(super) last_rotation: Gauge,
    pub(super) next_rotation: Gauge,
    pub(super) previous_valid: Gauge,
}

impl Shown {
    fn declare(gauge: &dyn Fn(&'static str, &[&str], &'static str) -> Gauge) -> Self {
        Self {
            in_flight: gauge("rotations_in_flight", &[], "Rotations and retirements under way."),
            secrets: gauge("secrets", &["policy", "phase"], "Secrets by where they stand."),
            oldest_rotation: gauge(
                "policy_oldest_rotation_timestamp_seconds",
                &["policy"],
                "When the secret of this policy that was rotated longest ago was; absent until one is known.",
            ),
            overdue: gauge(
                "policy_overdue",
                &["policy"],
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
            unproven: gauge(
                "policy_unproven",
                &["policy"],
                "Secrets whose current password could not be proved by a login.",
            ),
            retirement_overdue: gauge(
                "policy_retirement_overdue",
                &["policy"],
                "Secrets whose previous password still works more than an hour after its overlap.",
            ),
            paused: gauge("policy_paused", &["policy"], "1 while the policy is paused."),
            last_rotation: gauge(
                "secret_last_rotation_timestamp_seconds",
                &["policy", "secret"],
                "When the current version was created. Only up to 1000 secrets.",
            ),
            next_rotation: gauge(
                "secret_next_rotation_timestamp_seconds",
                &["policy", "secret"],
                "When the next rotation is due. Only up to 1000 secrets.",
            ),
            previous_valid: gauge(
                "secret_previous_password_valid",
                &["policy", "secret"],
                "1 while the previous password still logs in, as far as the number of the user's passwords tells. Only up to 1000 secrets.",
            ),
        }
    }
}
