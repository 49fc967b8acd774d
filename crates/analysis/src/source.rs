//! One metric's source, with its arguments filled in.

use std::collections::BTreeMap;

use driftless_api::analysis::Provider;
use driftless_core::Secret;
use driftless_rollout::Value;
use jiff::SignedDuration;

/// Where one metric of one analysis comes from, and what is shown of it.
#[derive(Clone, PartialEq, Debug)]
pub struct MetricSource {
    /// Name of the metric.
    pub metric: String,
    /// Name of the provider: `prometheus`, `web`, ….
    pub provider: String,
    /// The provider with its arguments filled in; it may hold values of Secrets.
    pub(crate) spec: Secret<Provider>,
    /// The Secret that the provider names itself, such as Datadog's keys.
    pub(crate) keys: BTreeMap<String, Secret<String>>,
    /// Values of Secrets that were filled in, which no message may show.
    pub(crate) hidden: Vec<Secret<String>>,
    /// Counts of both versions are wanted (`compare` without a limit), or of the new one alone.
    pub(crate) counts: Option<Counts>,
    /// The condition of success, or what is compared, as text.
    pub success: String,
    /// The condition of failure, as text.
    pub failure: String,
    /// The number that the conditions compare with, when there is one.
    pub threshold: Option<f64>,
    /// How long an answer may take: longer than the provider's own limit.
    pub answer_within: SignedDuration,
    /// Whether it is only looked at.
    pub dry_run: bool,
    /// Measurements kept; `None` for the usual number.
    pub retention: Option<usize>,
}

/// Key of a plugin that means the provider `object`: it survives Argo Rollouts' CRD.
pub(crate) const OBJECT_PLUGIN: &str = "driftless.dev/object";

/// Which counts a test needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Counts {
    /// Of both versions.
    Both,
    /// Of the new version.
    Canary,
}

impl MetricSource {
    /// Replaces values of Secrets in a text.
    pub(crate) fn masked(&self, text: &str) -> String {
        // Two letters replaced everywhere would make a text unreadable and hide nothing.
        let hidden = self.hidden.iter().chain(self.keys.values());
        let mut text = text.to_owned();
        for secret in hidden.filter(|secret| secret.expose().len() > 3) {
            text = text.replace(secret.expose().as_str(), "****");
        }
        text
    }
}

/// Returns the numbers of a measured value that a chart shows: of the new version, and of the stable one where it has both.
pub fn numbers(value: &Value) -> (Option<f64>, Option<f64>) {
    let share = |side: &str| {
        let side = value.field(side)?;
        let bad = side.field("bad")?.as_f64()?;
        let total = side.field("total")?.as_f64()?;
        (total > 0.0).then_some(bad / total)
    };
    match value {
        Value::Map(_) => (share("canary"), share("stable")),
        Value::Bool(value) => (Some(f64::from(u8::from(*value))), None),
        Value::List(items) => match items.as_slice() {
            [one] => (one.as_f64().filter(|number| number.is_finite()), None),
            _ => (None, None),
        },
        other => (other.as_f64().filter(|number| number.is_finite()), None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_of_values() {
        let numbers = |value| numbers(&Value::from(value));
        assert_eq!(numbers(json!(0.5)), (Some(0.5), None));
        assert_eq!(numbers(json!([3])), (Some(3.0), None));
        assert_eq!(numbers(json!([3, 4])), (None, None));
        assert_eq!(numbers(json!(true)), (Some(1.0), None));
        let counts = json!({"canary": {"bad": 1, "total": 4}, "stable": {"bad": 0, "total": 0}});
        assert_eq!(numbers(counts), (Some(0.25), None));
    }
}
