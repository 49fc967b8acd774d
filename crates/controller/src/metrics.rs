//! What the controller counts, under the incumbent's names (argocd-contract §11).

use std::sync::Arc;
use std::time::Instant;

use driftless_api::Application;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::calm::{Talkers, TalkersMetric};

/// Bounds in seconds of the reconcile histogram.
const RECONCILE_BUCKETS: [f64; 9] = [0.01, 0.05, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct SyncLabels {
    namespace: String,
    name: String,
    project: String,
    dest_server: String,
    phase: String,
    dry_run: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ReconcileLabels {
    namespace: String,
    dest_server: String,
}

/// Counters and histograms of the controller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    syncs: Family<SyncLabels, Counter>,
    reconciles: Family<ReconcileLabels, Histogram>,
    pub(crate) talkers: Arc<Talkers>,
}

impl Metrics {
    /// Registers the metrics.
    pub fn register(registry: &mut Registry) -> Self {
        let syncs = Family::default();
        let reconciles = Family::new_with_constructor(
            (|| Histogram::new(RECONCILE_BUCKETS)) as fn() -> Histogram,
        );
        registry.register(
            "argocd_app_sync",
            "Number of application syncs",
            syncs.clone(),
        );
        registry.register(
            "argocd_app_reconcile",
            "Application reconciliation performance in seconds",
            reconciles.clone(),
        );
        let talkers = Arc::new(Talkers::default());
        registry.register_collector(Box::new(TalkersMetric(Arc::clone(&talkers))));
        Self {
            syncs,
            reconciles,
            talkers,
        }
    }

    /// Counts a finished sync.
    pub(crate) fn count_sync(&self, app: &Application, phase: &str, dry_run: bool) {
        let labels = SyncLabels {
            namespace: app.metadata.namespace.clone(),
            name: app.metadata.name.clone(),
            project: app.spec.project().to_owned(),
            dest_server: app.spec.destination.server.clone(),
            phase: phase.to_owned(),
            dry_run: dry_run.to_string(),
        };
        self.syncs.get_or_create(&labels).inc();
    }

    /// Measures a pass until the guard is dropped.
    pub(crate) fn time_reconcile(&self, app: &Application) -> ReconcileTimer {
        let labels = ReconcileLabels {
            namespace: app.metadata.namespace.clone(),
            dest_server: app.spec.destination.server.clone(),
        };
        ReconcileTimer {
            metrics: self.clone(),
            labels,
            began: Instant::now(),
        }
    }
}

/// Measures one pass.
pub(crate) struct ReconcileTimer {
    metrics: Metrics,
    labels: ReconcileLabels,
    began: Instant,
}

impl Drop for ReconcileTimer {
    fn drop(&mut self) {
        let elapsed = self.began.elapsed().as_secs_f64();
        self.metrics
            .reconciles
            .get_or_create(&self.labels)
            .observe(elapsed);
    }
}
