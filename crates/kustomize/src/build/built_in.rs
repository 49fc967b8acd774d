//! What the fields of a kustomization ask for: the built-in generators and transformers, in their order.

use serde_json::Value;

use super::{Build, Target};
use crate::config::{self, Config, merge_all, merge_one};
use crate::error::{Context as _, Result};
use crate::generate::helm::ChartGenerator;
use crate::generate::{Kind, merge_options};
use crate::kustomization::Kustomization;
use crate::origin::Origin;
use crate::plugin::Generator;
use crate::transform::Transformer;
use crate::transform::image::ImageTag;
use crate::transform::label::Entries;
use crate::transform::name::Affix;
use crate::transform::namespace::{Existing, Namespace, Subjects};
use crate::transform::patch::{JsonPatches, PatchEntry, StrategicMerge};
use crate::transform::replacement::Replacements;
use crate::transform::replica::Replicas;

impl Build<'_> {
    pub(super) fn built_in_generators(
        &mut self,
        target: &mut Target<'_>,
    ) -> Result<Vec<(Generator, Option<Origin>)>> {
        let origin = |kind: &str| {
            let origin = target.origin.as_ref();
            origin.map(|origin| origin.built_in(target.file, kind))
        };
        let kustomization = &target.kustomization;
        let global = kustomization.generator_options.as_ref();
        let mut generators = Vec::new();
        for (list, kind, name) in [
            (
                &kustomization.config_maps,
                Kind::ConfigMap,
                "ConfigMapGenerator",
            ),
            (&kustomization.secrets, Kind::Secret, "SecretGenerator"),
        ] {
            for args in list {
                let mut args = args.clone();
                args.options = merge_options(args.options.take(), global);
                generators.push((Generator::Data(kind, args), origin(name)));
            }
        }
        let globals = &kustomization.helm_globals;
        for chart in &kustomization.helm_charts {
            let mut chart = chart.clone();
            if chart.namespace.is_empty() {
                chart.namespace = if kustomization.namespace.is_empty() {
                    target.chart_namespace.clone()
                } else {
                    kustomization.namespace.clone()
                };
            }
            let mut given = chart.given.clone();
            if let (Value::Object(entries), false) = (&mut given, chart.namespace.is_empty()) {
                entries.insert("namespace".to_owned(), chart.namespace.clone().into());
            }
            if let (Value::Object(entries), false) = (&mut given, globals.chart_home.is_empty()) {
                entries.insert("chartHome".to_owned(), globals.chart_home.clone().into());
            }
            let generator = ChartGenerator::new(chart, globals, &self.options.helm, &target.loader)
                .context(|| trouble("HelmChartInflationGenerator", &given))?;
            let generator = Generator::Chart(Box::new(generator));
            generators.push((generator, origin("HelmChartInflationGenerator")));
        }
        Ok(generators)
    }

    pub(super) fn built_in_transformers(
        &mut self,
        target: &Target<'_>,
        config: &Config,
    ) -> Result<Vec<(Transformer, Option<Origin>)>> {
        let given = &target.kustomization;
        let mut all: Vec<(&'static str, Transformer)> = Vec::new();
        self.merge_patches(target, &mut all)?;
        if !given.namespace.is_empty() {
            let one = Namespace::new(
                given.namespace.clone(),
                &config.namespace,
                Existing::Replace,
                Subjects::default(),
            );
            all.push(("NamespaceTransformer", Transformer::Namespace(one)));
        }
        if !given.name_prefix.is_empty() {
            let one = Affix::new(given.name_prefix.clone(), Some(&config.name_prefix))?;
            all.push(("PrefixTransformer", Transformer::Prefix(one)));
        }
        if !given.name_suffix.is_empty() {
            let one = Affix::new(given.name_suffix.clone(), Some(&config.name_suffix))?;
            all.push(("SuffixTransformer", Transformer::Suffix(one)));
        }
        label_transformers(given, config, &mut all)?;
        if !given.common_annotations.is_empty() {
            let entries = given.common_annotations.clone();
            let one = Entries::new(entries, &config.common_annotations);
            all.push(("AnnotationsTransformer", Transformer::Annotations(one)));
        }
        json_patches(target, &mut all)?;
        for replica in &given.replicas {
            let one = Replicas::new(replica.clone(), &config.replicas);
            all.push(("ReplicaCountTransformer", Transformer::Replicas(one)));
        }
        for image in &given.images {
            let one = ImageTag::new(image.clone(), &config.images)?;
            all.push(("ImageTagTransformer", Transformer::Image(one)));
        }
        if !given.replacements.is_empty() {
            let kind = "ReplacementTransformer";
            let one =
                Replacements::new(given.replacements.clone(), &target.loader).context(|| {
                    let entries = given.replacements.iter().map(|one| one.given.clone());
                    let entries: Vec<Value> = entries.map(|one| without_empty(&one)).collect();
                    trouble(kind, &serde_json::json!({ "Replacements": entries }))
                })?;
            all.push(("ReplacementTransformer", Transformer::Replacements(one)));
        }
        let origin = target.origin.as_ref();
        let tell = |kind: &str| origin.map(|origin| origin.built_in(target.file, kind));
        Ok(all
            .into_iter()
            .map(|(kind, transformer)| (transformer, tell(kind)))
            .collect())
    }

    fn merge_patches(
        &mut self,
        target: &Target<'_>,
        all: &mut Vec<(&'static str, Transformer)>,
    ) -> Result<()> {
        let given = &target.kustomization;
        let paths = &given.patches_strategic_merge;
        if !paths.is_empty() {
            let kind = "PatchStrategicMergeTransformer";
            let one = StrategicMerge::new(paths, "", &target.loader, &mut self.schemas)
                .context(|| trouble(kind, &serde_json::json!({ "paths": paths })))?;
            all.push((kind, Transformer::StrategicMerge(one)));
        }
        for patch in &given.patches {
            let kind = "PatchTransformer";
            let shown = || driftless_yaml::to_string(&without_empty(&patch.given));
            let one = PatchEntry::new(patch, &target.loader, &mut self.schemas, shown)
                .context(|| trouble(kind, &patch.given))?;
            all.push((kind, Transformer::Patch(one)));
        }
        Ok(())
    }
}

fn json_patches(target: &Target<'_>, all: &mut Vec<(&'static str, Transformer)>) -> Result<()> {
    for patch in &target.kustomization.patches_json {
        let kind = "PatchJson6902Transformer";
        let one = JsonPatches::new(
            patch.target.clone(),
            &patch.path,
            &patch.patch,
            &target.loader,
        )
        .context(|| {
            let mut shown = patch.given.clone();
            if let Value::Object(entries) = &mut shown
                && let Some(text) = entries.remove("patch")
            {
                entries.insert("jsonOp".to_owned(), text);
            }
            trouble(kind, &shown)
        })?;
        all.push((kind, Transformer::Json(one)));
    }
    Ok(())
}

fn label_transformers(
    given: &Kustomization,
    config: &Config,
    all: &mut Vec<(&'static str, Transformer)>,
) -> Result<()> {
    if given.labels.is_empty() && given.common_labels.is_empty() {
        return Ok(());
    }
    for label in &given.labels {
        let failed = || "failed to merge labels";
        let mut specs = label.fields.clone();
        merge_all(&mut specs, &config.labels).context(failed)?;
        if label.include_selectors {
            merge_all(&mut specs, &config.common_labels).context(failed)?;
        } else {
            if label.include_templates {
                merge_all(&mut specs, &config.template_labels)
                    .context(|| "failed to merge template fieldSpec")?;
            }
            let spec = config::FieldSpec {
                path: "metadata/labels".to_owned(),
                create: true,
                ..config::FieldSpec::default()
            };
            merge_one(&mut specs, &spec).context(failed)?;
        }
        let one = Entries::new(label.pairs.clone(), &specs);
        all.push(("LabelTransformer", Transformer::Labels(one)));
    }
    let one = Entries::new(given.common_labels.clone(), &config.common_labels);
    all.push(("LabelTransformer", Transformer::Labels(one)));
    Ok(())
}

/// Says which built-in could not be configured with what.
fn trouble(kind: &str, config: &Value) -> String {
    let config = driftless_yaml::to_string(&without_empty(config));
    format!("trouble configuring builtin {kind} with config: `\n{config}`")
}

/// Leaves out what Go's `omitempty` leaves out.
fn without_empty(value: &Value) -> Value {
    match value {
        Value::Object(entries) => Value::Object(
            entries
                .iter()
                .filter(|(_, value)| match value {
                    Value::Null => false,
                    Value::Bool(set) => *set,
                    Value::String(text) => !text.is_empty(),
                    Value::Array(items) => !items.is_empty(),
                    _ => true,
                })
                .map(|(key, value)| (key.clone(), without_empty(value)))
                .collect(),
        ),
        value => value.clone(),
    }
}
