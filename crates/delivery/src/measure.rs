//! Where measurements come from.

use async_trait::async_trait;
use driftless_api::analysis::{AnalysisTemplate, Provider};
use driftless_api::rollout::{ModelRolloutSpec, Problem};
use driftless_rollout::Value;
use driftless_rollout::machine::Which;
use driftless_rollout::plan::Plan;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A rollout's spec with its templates, ready to be carried out.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// What the state machine works by.
    pub plan: Plan,
    /// How each metric is measured, arguments filled in.
    pub providers: BTreeMap<(Which, String), Provider>,
}

/// What a measurement is about.
#[derive(Clone, Debug)]
pub struct About {
    /// Namespace of the rollout.
    pub namespace: String,
    /// Name of the rollout.
    pub rollout: String,
    /// Name of the target.
    pub target: String,
    /// Version on its way.
    pub version: String,
    /// Version that serves.
    pub stable: String,
    /// Name of the metric.
    pub metric: String,
    /// When the same metric was measured before, or the step began: counts are about the time since then.
    pub since: Timestamp,
}

/// Lowers specs and measures metrics.
#[async_trait]
pub trait Measurer: Send + Sync {
    /// Makes a plan of a spec that has no problems by itself.
    fn lower(
        &self,
        spec: &ModelRolloutSpec,
        templates: &[AnalysisTemplate],
    ) -> Result<Lowered, Problem>;

    /// Measures once. The error says why there is no value, in words.
    async fn measure(&self, provider: &Provider, about: &About) -> Result<Value, String>;
}
