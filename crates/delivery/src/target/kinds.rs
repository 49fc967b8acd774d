//! Kinds that several targets are made of.

use driftless_core::GroupVersionKind;

/// Workloads that hold a version's pods.
pub(super) fn deployments() -> GroupVersionKind {
    GroupVersionKind::new("apps", "v1", "Deployment")
}

/// Routes of the Gateway API.
pub(super) fn http_routes() -> GroupVersionKind {
    GroupVersionKind::new("gateway.networking.k8s.io", "v1", "HTTPRoute")
}

/// Routes of Istio.
pub(super) fn virtual_services() -> GroupVersionKind {
    GroupVersionKind::new("networking.istio.io", "v1", "VirtualService")
}
