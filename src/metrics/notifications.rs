//! What moves the metrics of notifications.

use std::collections::BTreeSet;

use super::Metrics;

/// What came of a notification, for `rekeyd_notifications_total`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NotificationOutcome {
    /// The receiver took it.
    Delivered,
    /// An attempt failed; it is tried again.
    Failed,
    /// Nobody will try any more.
    Dropped,
}

impl NotificationOutcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::Dropped];

    /// Its name in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

impl Metrics {
    /// Says who is notified, at the start and after a reload. The series of others end.
    pub fn notify_targets(&self, names: BTreeSet<String>) {
        let mut memory = self.memory();
        self.families.retain("notify", &names);
        for name in &names {
            for outcome in NotificationOutcome::ALL {
                self.families.notifications.told.add(&[name, outcome.label()], 0);
            }
            if !memory.notify_targets.contains(name) {
                self.families.notifications.pending.set(&[name], 0.0);
            }
        }
        memory.notify_targets = names;
    }

    /// Counts what came of notifications. What ends for a target that is gone brings no series back.
    pub fn notified(&self, target: &str, outcome: NotificationOutcome, count: u64) {
        let memory = self.memory();
        if memory.notify_targets.contains(target) {
            self.families.notifications.told.add(&[target, outcome.label()], count);
        }
    }

    /// Notes how many notifications wait for a target.
    pub fn notifications_pending(&self, target: &str, count: u64) {
        let memory = self.memory();
        if memory.notify_targets.contains(target) {
            self.families.notifications.pending.set(&[target], count as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn series_begin_at_zero_count_and_end_with_their_target() {
        let metrics = Metrics::new(&[]);
        metrics.notify_targets(names(&["oncall", "bus"]));
        metrics.notified("oncall", NotificationOutcome::Delivered, 3);
        metrics.notifications_pending("bus", 7);
        let text = metrics.render();
        for line in [
            "rekeyd_notifications_total{notify=\"oncall\",outcome=\"delivered\"} 3",
            "rekeyd_notifications_total{notify=\"bus\",outcome=\"dropped\"} 0",
            "rekeyd_notifications_pending{notify=\"oncall\"} 0",
            "rekeyd_notifications_pending{notify=\"bus\"} 7",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        metrics.notify_targets(names(&["bus"]));
        metrics.notified("oncall", NotificationOutcome::Failed, 1);
        metrics.notifications_pending("oncall", 1);
        let text = metrics.render();
        assert!(!text.contains("oncall"), "{text}");
        assert!(
            text.contains("rekeyd_notifications_pending{notify=\"bus\"} 7"),
            "{text}"
        );
    }
}
