//! Counters and timers of Git work, under Argo CD's names (argocd-contract §11).

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// What was asked of a Git host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum RequestType {
    /// The list of refs.
    LsRemote,
    /// Objects.
    Fetch,
}

impl RequestType {
    fn as_str(self) -> &'static str {
        match self {
            Self::LsRemote => "ls-remote",
            Self::Fetch => "fetch",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct RequestLabels {
    repo: String,
    request_type: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct FailureLabels {
    repo: String,
    revision: String,
}

/// The answer of the render cache.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelValue)]
pub(crate) enum CacheResult {
    /// Nothing the render read has changed.
    Hit,
    /// Rendered anew.
    Miss,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CacheLabels {
    result: CacheResult,
}

/// Metrics of this crate. Cheap to clone: clones share their values.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    durations: Family<RequestLabels, Histogram, fn() -> Histogram>,
    fetch_failures: Family<FailureLabels, Counter>,
    ls_remote_failures: Family<FailureLabels, Counter>,
    renders: Family<CacheLabels, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| {
                Histogram::new([0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 20.0])
            }),
            fetch_failures: Family::default(),
            ls_remote_failures: Family::default(),
            renders: Family::default(),
        }
    }
}

impl Metrics {
    /// Creates the metrics and adds them to `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "argocd_git_request",
            "Number of git requests",
            metrics.requests.clone(),
        );
        registry.register(
            "argocd_git_request_duration_seconds",
            "Duration of git requests",
            metrics.durations.clone(),
        );
        registry.register(
            "argocd_git_fetch_fail",
            "Number of failed git fetches",
            metrics.fetch_failures.clone(),
        );
        registry.register(
            "argocd_git_lsremote_fail",
            "Number of failed requests for refs",
            metrics.ls_remote_failures.clone(),
        );
        registry.register(
            "driftless_render",
            "Number of renders asked for, by cache result",
            metrics.renders.clone(),
        );
        metrics
    }

    /// Counts one request; `repo` is an address without credentials.
    pub(crate) fn request(&self, repo: &str, request_type: RequestType, elapsed: Duration) {
        let labels = RequestLabels {
            repo: repo.to_owned(),
            request_type: request_type.as_str(),
        };
        self.requests.get_or_create(&labels).inc();
        self.durations
            .get_or_create(&labels)
            .observe(elapsed.as_secs_f64());
    }

    /// Counts one failure.
    pub(crate) fn failure(&self, repo: &str, request_type: RequestType, revision: &str) {
        let labels = FailureLabels {
            repo: repo.to_owned(),
            revision: revision.to_owned(),
        };
        match request_type {
            RequestType::LsRemote => self.ls_remote_failures.get_or_create(&labels).inc(),
            RequestType::Fetch => self.fetch_failures.get_or_create(&labels).inc(),
        };
    }

    /// Counts one render.
    pub(crate) fn render(&self, result: CacheResult) {
        self.renders.get_or_create(&CacheLabels { result }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_dashboards_ask_for() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.request(
            "https://h/x",
            RequestType::LsRemote,
            Duration::from_millis(3),
        );
        metrics.failure("https://h/x", RequestType::Fetch, "main");
        metrics.failure("https://h/x", RequestType::LsRemote, "");
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"argocd_git_request_total{repo="https://h/x",request_type="ls-remote"} 1"#,
            r#"argocd_git_request_duration_seconds_count{repo="https://h/x",request_type="ls-remote"} 1"#,
            r#"argocd_git_fetch_fail_total{repo="https://h/x",revision="main"} 1"#,
            r#"argocd_git_lsremote_fail_total{repo="https://h/x",revision=""} 1"#,
        ] {
            assert!(text.contains(line), "{line} not in {text}");
        }
    }
}
