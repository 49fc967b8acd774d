//! What must be read before a rollout can become a plan.

use std::collections::BTreeSet;

use driftless_api::analysis::{AnalysisTemplate, Argument, Metric, Provider, TemplateRef};
use driftless_api::rollout::ModelRolloutSpec;
use driftless_api::rollout::strategy::Analysis;

use super::{SecretName, SecretPlace};

/// Names a template.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TemplateName {
    /// `AnalysisTemplate` or `ClusterAnalysisTemplate`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
}

/// What a rollout needs.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Needs {
    /// Templates, those inside templates included as far as they are known.
    pub templates: BTreeSet<TemplateName>,
    /// Secrets.
    pub secrets: BTreeSet<SecretName>,
}

/// Returns what a spec needs, with what the templates among `known` need. Ask again with the templates that were missing:
/// they may need more.
pub fn needs(spec: &ModelRolloutSpec, known: &[AnalysisTemplate]) -> Needs {
    let mut needs = Needs::default();
    let mut analyses: Vec<Analysis> = Vec::new();
    if let Some(canary) = &spec.strategy.canary {
        analyses.extend(
            canary
                .analysis
                .iter()
                .map(|analysis| analysis.to_analysis()),
        );
        let steps = canary
            .steps
            .iter()
            .filter_map(|step| step.analysis.as_deref());
        analyses.extend(steps.cloned());
    }
    if let Some(blue_green) = &spec.strategy.blue_green {
        let both = [
            &blue_green.pre_promotion_analysis,
            &blue_green.post_promotion_analysis,
        ];
        analyses.extend(
            both.into_iter()
                .flatten()
                .map(|analysis| (**analysis).clone()),
        );
    }
    for analysis in &analyses {
        needs.add(&analysis.metrics, &analysis.args);
        needs.follow(&analysis.templates, known);
    }
    needs
}

impl Needs {
    fn add(&mut self, metrics: &[Metric], args: &[Argument]) {
        let args = args.iter().filter_map(|arg| arg.value_from.as_ref());
        let references = args.filter_map(|source| source.secret_key_ref.as_ref());
        self.secrets.extend(references.map(|reference| SecretName {
            place: SecretPlace::Rollout,
            name: reference.name.clone(),
        }));
        let providers = metrics.iter().map(|metric| &metric.provider);
        self.secrets.extend(providers.filter_map(of_provider));
    }

    fn follow(&mut self, names: &[TemplateRef], known: &[AnalysisTemplate]) {
        for wanted in names {
            let name = TemplateName {
                kind: kind(wanted),
                name: wanted.template_name.clone(),
            };
            let found = known
                .iter()
                .find(|template| template.kind == name.kind && template.metadata.name == name.name);
            // Each one once: templates may name each other.
            if self.templates.insert(name)
                && let Some(template) = found
            {
                self.add(&template.spec.metrics, &template.spec.args);
                self.follow(&template.spec.templates, known);
            }
        }
    }
}

pub(super) fn kind(wanted: &TemplateRef) -> &'static str {
    if wanted.cluster_scope {
        AnalysisTemplate::CLUSTER_KIND
    } else {
        AnalysisTemplate::KIND
    }
}

/// Returns the Secret that a provider names itself.
pub(super) fn of_provider(provider: &Provider) -> Option<SecretName> {
    let named = |name: &str, otherwise: &str, place| SecretName {
        place,
        name: if name.is_empty() { otherwise } else { name }.to_owned(),
    };
    if let Some(datadog) = &provider.datadog {
        return Some(match &datadog.secret_ref {
            Some(secret) if secret.namespaced => {
                named(&secret.name, "datadog", SecretPlace::Rollout)
            }
            Some(secret) => named(&secret.name, "datadog", SecretPlace::Instance),
            None => named("", "datadog", SecretPlace::Instance),
        });
    }
    if let Some(new_relic) = &provider.new_relic {
        return Some(named(&new_relic.profile, "newrelic", SecretPlace::Instance));
    }
    if let Some(influxdb) = &provider.influxdb {
        return Some(named(&influxdb.profile, "influxdb", SecretPlace::Instance));
    }
    None
}
