//! Where the metrics of rollouts come from.

use async_trait::async_trait;
use driftless_analysis::MetricSource;
use driftless_delivery::{About, Measurer};
use driftless_rollout::Value;

/// Asks nobody: an analysis pauses its rollout, and a person decides.
pub(crate) struct Unmeasured;

#[async_trait]
impl Measurer for Unmeasured {
    async fn measure(&self, source: &MetricSource, _: &About) -> Result<Value, String> {
        Err(format!(
            "the provider {} is not asked by this version",
            source.provider
        ))
    }
}
