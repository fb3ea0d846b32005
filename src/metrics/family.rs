//! Metric families that cannot fail: a metric never stops a rotation, so a family that the registry
//! refused stays silent, after one line in the log. A test renders every family, so none is.

use prometheus::core::Collector;
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

/// Buckets for calls that take milliseconds to seconds.
pub(super) const CALL_SECONDS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Buckets for rotations: ElastiCache propagates in tens of seconds, a window lasts hours.
pub(super) const ROTATION_SECONDS: [f64; 12] = [
    5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 86_400.0,
];

const PREFIX: &str = "rekeyd";

fn declare<T: Collector + Clone + 'static>(
    registry: &Registry,
    name: &str,
    family: prometheus::Result<T>,
) -> Option<T> {
    match family.and_then(|family| registry.register(Box::new(family.clone())).map(|()| family)) {
        Ok(family) => Some(family),
        Err(error) => {
            tracing::error!(metric = name, %error, "this metric is missing");
            None
        }
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(PREFIX)
}

/// A number that only grows.
pub(super) struct Counter(Option<IntCounterVec>);

impl Counter {
    pub(super) fn new(registry: &Registry, name: &str, labels: &[&str], help: &str) -> Self {
        Self(declare(registry, name, IntCounterVec::new(opts(name, help), labels)))
    }

    /// Adds to a series; adding 0 makes it exist.
    pub(super) fn add(&self, labels: &[&str], count: u64) {
        if let Some(series) = self
            .0
            .as_ref()
            .and_then(|family| family.get_metric_with_label_values(labels).ok())
        {
            series.inc_by(count);
        }
    }

    /// Removes a series.
    pub(super) fn remove(&self, labels: &[&str]) {
        if let Some(family) = &self.0 {
            // One that is not there is removed already.
            drop(family.remove_label_values(labels));
        }
    }
}

/// A number that goes up and down.
pub(super) struct Gauge(Option<GaugeVec>);

impl Gauge {
    pub(super) fn new(registry: &Registry, name: &str, labels: &[&str], help: &str) -> Self {
        Self(declare(registry, name, GaugeVec::new(opts(name, help), labels)))
    }

    pub(super) fn set(&self, labels: &[&str], value: f64) {
        if let Some(series) = self
            .0
            .as_ref()
            .and_then(|family| family.get_metric_with_label_values(labels).ok())
        {
            series.set(value);
        }
    }

    /// Removes a series.
    pub(super) fn remove(&self, labels: &[&str]) {
        if let Some(family) = &self.0 {
            // One that is not there is removed already.
            drop(family.remove_label_values(labels));
        }
    }

    /// Removes every series.
    pub(super) fn clear(&self) {
        if let Some(family) = &self.0 {
            family.reset();
        }
    }
}

/// How long things took.
pub(super) struct Histogram(Option<HistogramVec>);

impl Histogram {
    pub(super) fn new(registry: &Registry, name: &str, labels: &[&str], buckets: &[f64], help: &str) -> Self {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        Self(declare(registry, name, HistogramVec::new(opts, labels)))
    }

    pub(super) fn observe(&self, labels: &[&str], took: std::time::Duration) {
        if let Some(series) = self
            .0
            .as_ref()
            .and_then(|family| family.get_metric_with_label_values(labels).ok())
        {
            series.observe(took.as_secs_f64());
        }
    }

    /// Removes a series.
    pub(super) fn remove(&self, labels: &[&str]) {
        if let Some(family) = &self.0 {
            // One that is not there is removed already.
            drop(family.remove_label_values(labels));
        }
    }

    /// Makes a series exist.
    pub(super) fn touch(&self, labels: &[&str]) {
        if let Some(family) = &self.0 {
            // Getting a series creates it; there is nothing to do with it yet.
            drop(family.get_metric_with_label_values(labels));
        }
    }
}
