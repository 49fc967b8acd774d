//! Requests of a warm-up, sent through the API server, which reaches the pods of its cluster from wherever we are.

use std::time::Duration;

use driftless_kube::Cluster;
use futures::StreamExt as _;

/// Requests at once.
const AT_ONCE: usize = 4;
/// A request may take this long: the first one may load a model.
const WITHIN: Duration = Duration::from_secs(30);
/// Requests sent before the rollout hears of them.
pub(crate) const BATCH: u32 = 100;

/// A request of a warm-up.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) namespace: String,
    pub(crate) service: String,
    pub(crate) port: u16,
    pub(crate) path: String,
    pub(crate) body: String,
}

impl Request {
    fn uri(&self) -> String {
        format!(
            "/api/v1/namespaces/{}/services/{}:{}/proxy/{}",
            self.namespace,
            self.service,
            self.port,
            self.path.trim_start_matches('/')
        )
    }

    async fn send(&self, cluster: &Cluster) -> bool {
        let request = if self.body.is_empty() {
            http::Request::get(self.uri()).body(Vec::new())
        } else {
            http::Request::post(self.uri())
                .header("content-type", "application/json")
                .body(self.body.clone().into_bytes())
        };
        let Ok(request) = request else { return false };
        let client = cluster.client();
        let answer = client.request_text(request);
        matches!(tokio::time::timeout(WITHIN, answer).await, Ok(Ok(_)))
    }
}

/// Sends so many requests and returns how many were answered well.
pub(crate) async fn send(cluster: &Cluster, request: &Request, number: u32) -> u32 {
    futures::stream::iter(0..number)
        .map(|_| request.send(cluster))
        .buffer_unordered(AT_ONCE)
        .filter(|good| std::future::ready(*good))
        .count()
        .await as u32
}
