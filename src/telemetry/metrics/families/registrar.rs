//! Creates families, registers them, and remembers what they are for the reference (`docs/metrics.md`).

use std::cell::RefCell;

use prometheus::core::Collector;
use prometheus::{
    Counter, CounterVec, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

use crate::telemetry::metrics::MetricsError;

/// Type of a family in the exposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FamilyKind {
    Counter,
    Gauge,
    Histogram,
}

impl FamilyKind {
    /// As the `TYPE` line writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What a family is, whether it has a series yet or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    pub name: String,
    pub kind: FamilyKind,
    pub labels: Vec<String>,
    /// Upper bounds; empty unless a histogram.
    pub buckets: Vec<f64>,
    pub help: String,
}

/// Creates a family and registers it in one step.
#[derive(Default)]
pub(in crate::telemetry::metrics) struct Registrar {
    pub(in crate::telemetry::metrics) registry: Registry,
    pub(super) described: RefCell<Vec<Family>>,
}

impl Registrar {
    fn add<C: Collector + Clone + 'static>(
        &self,
        family: (FamilyKind, &[f64]),
        built: Result<C, prometheus::Error>,
    ) -> Result<C, MetricsError> {
        let collector = built.map_err(MetricsError)?;
        self.registry.register(Box::new(collector.clone())).map_err(MetricsError)?;
        let (kind, buckets) = family;
        self.described.borrow_mut().extend(collector.desc().into_iter().map(|desc| Family {
            name: desc.fq_name.clone(),
            kind,
            labels: desc.variable_labels.clone(),
            buckets: buckets.to_vec(),
            help: desc.help.clone(),
        }));
        Ok(collector)
    }

    pub(in crate::telemetry::metrics) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, MetricsError> {
        self.add((FamilyKind::Counter, &[]), IntCounterVec::new(Opts::new(name, help), labels))
    }

    /// Counters of something that is no whole number.
    pub(in crate::telemetry::metrics) fn real_counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<CounterVec, MetricsError> {
        self.add((FamilyKind::Counter, &[]), CounterVec::new(Opts::new(name, help), labels))
    }

    pub(in crate::telemetry::metrics) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, MetricsError> {
        self.add((FamilyKind::Counter, &[]), IntCounter::new(name, help))
    }

    /// A counter of something that is no whole number.
    pub(in crate::telemetry::metrics) fn real_counter(&self, name: &str, help: &str) -> Result<Counter, MetricsError> {
        self.add((FamilyKind::Counter, &[]), Counter::new(name, help))
    }

    pub(in crate::telemetry::metrics) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, MetricsError> {
        self.add((FamilyKind::Gauge, &[]), IntGauge::new(name, help))
    }

    /// A gauge of something that is no whole number.
    pub(in crate::telemetry::metrics) fn real_gauge(&self, name: &str, help: &str) -> Result<Gauge, MetricsError> {
        self.add((FamilyKind::Gauge, &[]), Gauge::new(name, help))
    }

    pub(in crate::telemetry::metrics) fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, MetricsError> {
        self.add((FamilyKind::Gauge, &[]), IntGaugeVec::new(Opts::new(name, help), labels))
    }

    pub(in crate::telemetry::metrics) fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, MetricsError> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add((FamilyKind::Histogram, buckets), Histogram::with_opts(options))
    }

    pub(in crate::telemetry::metrics) fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, MetricsError> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add((FamilyKind::Histogram, buckets), HistogramVec::new(options, labels))
    }
}
