//! What comparisons cost.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counters of comparisons. Cheap to clone; those of [`Metrics::default`] are shown nowhere.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Objects compared.
    pub(crate) comparisons: Counter,
    /// Objects compared although neither side nor what a comparison depends on had changed.
    pub(crate) needless: Counter,
    /// Objects that the API server was asked about.
    pub(crate) dry_runs: Counter,
}

impl Metrics {
    /// Registers the metrics.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "driftless_object_comparisons",
            "Objects compared with what Git says",
            metrics.comparisons.clone(),
        );
        registry.register(
            "driftless_object_comparisons_needless",
            "Objects compared although nothing had changed",
            metrics.needless.clone(),
        );
        registry.register(
            "driftless_diff_dry_runs",
            "Objects that the API server was asked about by a dry run",
            metrics.dry_runs.clone(),
        );
        metrics
    }
}
