//! Metric families that cannot fail: a metric never stops a rotation, so a family that the registry
//! refused stays silent, after one line in the log. A test renders every family, so none is.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};

/// Buckets for calls that take milliseconds to seconds.
pub(super) const CALL_SECONDS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Buckets for rotations: ElastiCache propagates in tens of seconds, a window lasts hours.
pub(super) const ROTATION_SECONDS: [f64; 12] = [
    5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 86_400.0,
];

const PREFIX: &str = "rekeyd";

/// A family whose series can be told apart by what their labels name.
pub(super) trait Labelled: Send + Sync {
    /// Removes the series in which `label` names none of these. A family without that label stays whole.
    fn retain(&self, label: &str, names: &BTreeSet<String>);

    /// Its name and the names of its labels.
    fn name_and_labels(&self) -> Option<(String, Vec<String>)>;
}

impl<B: MetricVecBuilder> Labelled for MetricVec<B> {
    fn name_and_labels(&self) -> Option<(String, Vec<String>)> {
        let description = *self.desc().first()?;
        Some((description.fq_name.clone(), description.variable_labels.clone()))
    }

    fn retain(&self, label: &str, names: &BTreeSet<String>) {
        for series in self.collect().iter().flat_map(|family| family.get_metric()) {
            let labels: HashMap<&str, &str> = series
                .get_label()
                .iter()
                .map(|pair| (pair.name(), pair.value()))
                .collect();
            if labels.get(label).is_some_and(|name| !names.contains(*name)) {
                // One that is not there any more is removed already.
                drop(self.remove(&labels));
            }
        }
    }
}

/// Where families are declared: each is registered, and listed so that none is forgotten when what its
/// labels name is gone.
pub(super) struct Catalogue<'a> {
    registry: &'a Registry,
    families: RefCell<Vec<Box<dyn Labelled>>>,
}

impl<'a> Catalogue<'a> {
    pub(super) fn new(registry: &'a Registry) -> Self {
        Self {
            registry,
            families: RefCell::default(),
        }
    }

    /// Every family that was declared.
    pub(super) fn into_families(self) -> Vec<Box<dyn Labelled>> {
        self.families.into_inner()
    }

    fn declare<T: Collector + Labelled + Clone + 'static>(
        &self,
        name: &str,
        family: prometheus::Result<T>,
    ) -> Option<T> {
        match family.and_then(|family| self.registry.register(Box::new(family.clone())).map(|()| family)) {
            Ok(family) => {
                self.families.borrow_mut().push(Box::new(family.clone()));
                Some(family)
            }
            Err(error) => {
                tracing::error!(event = "metric_missing", metric = name, %error, "this metric is missing");
                None
            }
        }
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(PREFIX)
}

/// A number that only grows.
pub(super) struct Counter(Option<IntCounterVec>);

impl Counter {
    pub(super) fn new(catalogue: &Catalogue<'_>, name: &str, labels: &[&str], help: &str) -> Self {
        Self(catalogue.declare(name, IntCounterVec::new(opts(name, help), labels)))
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
}

/// A number that goes up and down.
pub(super) struct Gauge(Option<GaugeVec>);

impl Gauge {
    pub(super) fn new(catalogue: &Catalogue<'_>, name: &str, labels: &[&str], help: &str) -> Self {
        Self(catalogue.declare(name, GaugeVec::new(opts(name, help), labels)))
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
    pub(super) fn new(catalogue: &Catalogue<'_>, name: &str, labels: &[&str], buckets: &[f64], help: &str) -> Self {
        let opts = HistogramOpts::from(opts(name, help)).buckets(buckets.to_vec());
        Self(catalogue.declare(name, HistogramVec::new(opts, labels)))
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

    /// Makes a series exist.
    pub(super) fn touch(&self, labels: &[&str]) {
        if let Some(family) = &self.0 {
            // Getting a series creates it; there is nothing to do with it yet.
            drop(family.get_metric_with_label_values(labels));
        }
    }
}
