//! What the server counts (argocd-contract §11).

use std::sync::atomic::AtomicU64;

use http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Login {
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Info {
    version: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handled {
    method: String,
    route: String,
    code: &'static str,
}

/// The server's counters.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    logins: Family<Login, Counter>,
    info: Family<Info, Gauge>,
    handled: Family<Handled, Counter>,
    streams: Gauge<i64, std::sync::atomic::AtomicI64>,
    stream_documents: Counter<u64, AtomicU64>,
    webhooks: Counter,
}

impl Metrics {
    /// Registers the counters.
    pub fn register(registry: &mut Registry, version: &str) -> Self {
        let metrics = Self::default();
        registry.register(
            "argocd_login_request",
            "Number of login requests.",
            metrics.logins.clone(),
        );
        registry.register(
            "argocd_info",
            "The version of the server.",
            metrics.info.clone(),
        );
        registry.register(
            "driftless_api_handled",
            "Number of answered API requests.",
            metrics.handled.clone(),
        );
        registry.register(
            "driftless_api_streams",
            "Streams that are open.",
            metrics.streams.clone(),
        );
        registry.register(
            "driftless_api_stream_documents",
            "Documents sent on streams.",
            metrics.stream_documents.clone(),
        );
        registry.register(
            "driftless_webhooks",
            "Webhook payloads accepted.",
            metrics.webhooks.clone(),
        );
        let info = Info {
            version: version.to_owned(),
        };
        metrics.info.get_or_create(&info).set(1);
        metrics
    }

    pub(crate) fn login(&self, status: &'static str) {
        self.logins.get_or_create(&Login { status }).inc();
    }

    pub(crate) fn answered(&self, method: &Method, route: &str, code: &'static str) {
        let labels = Handled {
            method: method.as_str().to_owned(),
            route: route.to_owned(),
            code,
        };
        self.handled.get_or_create(&labels).inc();
    }

    pub(crate) fn webhook(&self) {
        self.webhooks.inc();
    }

    pub(crate) fn sent(&self, documents: usize) {
        self.stream_documents.inc_by(documents as u64);
    }

    /// Counts a stream as open for as long as the answer lives.
    pub(crate) fn stream(&self) -> OpenStream {
        self.streams.inc();
        OpenStream(self.streams.clone())
    }
}

/// An open stream.
pub(crate) struct OpenStream(Gauge<i64, std::sync::atomic::AtomicI64>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}
