//! What the component counts.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Phases of a target, as its status has them.
pub(crate) const PHASES: [&str; 8] = [
    "Healthy",
    "Waiting",
    "Progressing",
    "Paused",
    "Held",
    "RollingBack",
    "Degraded",
    "Invalid",
];

/// Bounds in seconds of the histogram of passes.
const PASS_BUCKETS: [f64; 8] = [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct PhaseLabels {
    phase: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

/// Counters and gauges of rollouts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    phases: Family<PhaseLabels, Gauge<i64, AtomicI64>>,
    decisions: Family<ReasonLabels, Counter>,
    measurements: Family<ResultLabels, Counter>,
    passes: Histogram,
}

impl Metrics {
    /// Registers the metrics.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            phases: Family::default(),
            decisions: Family::default(),
            measurements: Family::default(),
            passes: Histogram::new(PASS_BUCKETS),
        };
        registry.register(
            "driftless_rollout_phase",
            "Number of rollout targets by phase",
            metrics.phases.clone(),
        );
        registry.register(
            "driftless_rollout_decisions",
            "Number of decisions of rollouts by reason",
            metrics.decisions.clone(),
        );
        registry.register(
            "driftless_rollout_measurements",
            "Number of measurements by what came of them",
            metrics.measurements.clone(),
        );
        registry.register(
            "driftless_rollout_pass",
            "Time one look at a rollout takes, in seconds",
            metrics.passes.clone(),
        );
        metrics
    }

    /// Notes that a target went from one phase to another; empty for none.
    pub(crate) fn moved(&self, from: &str, to: &str) {
        let known = |phase: &str| PHASES.into_iter().find(|known| *known == phase);
        if from == to {
            return;
        }
        if let Some(phase) = known(from) {
            self.phases.get_or_create(&PhaseLabels { phase }).dec();
        }
        if let Some(phase) = known(to) {
            self.phases.get_or_create(&PhaseLabels { phase }).inc();
        }
    }

    pub(crate) fn decided(&self, reason: &'static str) {
        self.decisions.get_or_create(&ReasonLabels { reason }).inc();
    }

    pub(crate) fn measured(&self, result: &'static str) {
        self.measurements
            .get_or_create(&ResultLabels { result })
            .inc();
    }

    pub(crate) fn passed(&self, seconds: f64) {
        self.passes.observe(seconds);
    }
}
