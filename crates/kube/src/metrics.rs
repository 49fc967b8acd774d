//! Counters about cluster traffic, by Argo CD's names (argocd-contract §11).

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Labels of `argocd_app_k8s_request_total`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) project: String,
    pub(crate) server: String,
    pub(crate) response_code: u16,
    pub(crate) verb: &'static str,
    pub(crate) resource_kind: String,
    pub(crate) resource_namespace: String,
    pub(crate) dry_run: &'static str,
}

/// Labels of `argocd_cluster_events_total`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct EventLabels {
    pub(crate) server: String,
    pub(crate) group: String,
    pub(crate) kind: String,
}

/// Labels of per-cluster gauges.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct ClusterLabels {
    pub(crate) server: String,
}

/// The metrics of this crate. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    pub(crate) app_requests: Family<RequestLabels, Counter>,
    pub(crate) cluster_events: Family<EventLabels, Counter>,
    pub(crate) api_resources: Family<ClusterLabels, Gauge>,
    pub(crate) objects: Family<ClusterLabels, Gauge>,
    pub(crate) connected: Family<ClusterLabels, Gauge>,
}

impl Metrics {
    /// Registers the metrics in `registry`, which must have no prefix.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "argocd_app_k8s_request",
            "Number of Kubernetes requests executed during application sync",
            metrics.app_requests.clone(),
        );
        registry.register(
            "argocd_cluster_events",
            "Number of processed Kubernetes resource events",
            metrics.cluster_events.clone(),
        );
        registry.register(
            "argocd_cluster_api_resources",
            "Number of monitored Kubernetes API resources",
            metrics.api_resources.clone(),
        );
        registry.register(
            "argocd_cluster_api_resource_objects",
            "Number of Kubernetes resource objects in the cache",
            metrics.objects.clone(),
        );
        registry.register(
            "argocd_cluster_connection_status",
            "Whether the cluster answers (1) or not (0)",
            metrics.connected.clone(),
        );
        metrics
    }
}
