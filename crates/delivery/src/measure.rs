//! Where measurements come from.

use async_trait::async_trait;
use driftless_analysis::MetricSource;
use driftless_rollout::Value;
use jiff::Timestamp;

/// What a measurement is about.
#[derive(Clone, PartialEq, Debug)]
pub struct About {
    /// Namespace of the rollout.
    pub namespace: String,
    /// Name of the rollout.
    pub rollout: String,
    /// Unique id of the rollout.
    pub uid: String,
    /// Name of the target.
    pub target: String,
    /// Version on its way.
    pub version: String,
    /// Version that serves.
    pub stable: String,
    /// When the same metric was measured before, or the step began: counts are about the time since then.
    pub since: Timestamp,
}

/// Measures metrics.
#[async_trait]
pub trait Measurer: Send + Sync {
    /// Measures once. The error says why there is no value, in words.
    async fn measure(&self, source: &MetricSource, about: &About) -> Result<Value, String>;
}
