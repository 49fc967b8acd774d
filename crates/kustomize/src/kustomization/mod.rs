//! The kustomization file: its fields, reading them, and what is wrong with them.

mod entry;
mod generator;
mod replacement;
mod transform;

use std::collections::BTreeMap;

use driftless_yaml::Duplicates;
use serde_json::Value;

use crate::decode::{At, Unknown, read};
use crate::error::{Context as _, Error, Result};
use crate::options::Edit;

pub(crate) use entry::{
    FieldOptions, GeneratorArgs, GeneratorOptions, HelmChart, HelmGlobals, Image, Label, Patch,
    Replacement, ReplacementField, Replica, Selector, SortOptions, Source, Target, Var,
};
pub(crate) use generator::{
    CHART_FIELDS, GENERATOR_FIELDS, SECRET_FIELDS, chart_field, generator_args,
};
pub(crate) use replacement::{replacement, replacement_fields};
pub(crate) use transform::{image, patch, patch_options, replica, selector};

use generator::{OldChart, generator_options, helm_chart, helm_globals, old_chart};
use replacement::replacement_field;
use transform::{label, sort_options, var};

pub(crate) type StringMap = BTreeMap<String, String>;

pub(crate) const COMPONENT: &str = "Component";
const KUSTOMIZATION: &str = "Kustomization";

/// All fields of a kustomization or component.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kustomization {
    pub(crate) kind: String,
    pub(crate) api_version: String,
    pub(crate) openapi: StringMap,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) namespace: String,
    pub(crate) common_labels: StringMap,
    pub(crate) labels: Vec<Label>,
    pub(crate) common_annotations: StringMap,
    pub(crate) patches_strategic_merge: Vec<String>,
    pub(crate) patches_json: Vec<Patch>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) replacements: Vec<ReplacementField>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) vars: Vec<Var>,
    pub(crate) sort_options: Option<SortOptions>,
    pub(crate) resources: Vec<String>,
    pub(crate) components: Vec<String>,
    pub(crate) crds: Vec<String>,
    pub(crate) config_maps: Vec<GeneratorArgs>,
    pub(crate) secrets: Vec<GeneratorArgs>,
    pub(crate) helm_globals: HelmGlobals,
    pub(crate) helm_charts: Vec<HelmChart>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) configurations: Vec<String>,
    pub(crate) generators: Vec<String>,
    pub(crate) transformers: Vec<String>,
    pub(crate) validators: Vec<String>,
    pub(crate) build_metadata: Vec<String>,
    /// What to warn of.
    pub(crate) warnings: Vec<&'static str>,
}

const FIELDS: [&str; 34] = [
    "TypeMeta.apiVersion",
    "bases",
    "buildMetadata",
    "commonAnnotations",
    "commonLabels",
    "components",
    "configMapGenerator",
    "configurations",
    "crds",
    "generatorOptions",
    "generators",
    "helmChartInflationGenerator",
    "helmCharts",
    "helmGlobals",
    "imageTags",
    "images",
    "TypeMeta.kind",
    "labels",
    "metadata",
    "namePrefix",
    "nameSuffix",
    "namespace",
    "openapi",
    "patches",
    "patchesJson6902",
    "patchesStrategicMerge",
    "replacements",
    "replicas",
    "resources",
    "secretGenerator",
    "sortOptions",
    "transformers",
    "validators",
    "vars",
];

fn warning(field: &str) -> Option<&'static str> {
    Some(match field {
        "bases" => {
            "# Warning: 'bases' is deprecated. Please use 'resources' instead. Run 'kustomize edit fix' to update your Kustomization automatically."
        }
        "commonLabels" => {
            "# Warning: 'commonLabels' is deprecated. Please use 'labels' instead. Run 'kustomize edit fix' to update your Kustomization automatically."
        }
        "imageTags" => {
            "# Warning: 'imageTags' is deprecated. Please use 'images' instead. Run 'kustomize edit fix' to update your Kustomization automatically."
        }
        "patchesJson6902" => {
            "# Warning: 'patchesJson6902' is deprecated. Please use 'patches' instead. Run 'kustomize edit fix' to update your Kustomization automatically."
        }
        "patchesStrategicMerge" => {
            "# Warning: 'patchesStrategicMerge' is deprecated. Please use 'patches' instead. Run 'kustomize edit fix' to update your Kustomization automatically."
        }
        "vars" => {
            "# Warning: 'vars' is deprecated. Please use 'replacements' instead. [EXPERIMENTAL] Run 'kustomize edit fix' to update your Kustomization automatically."
        }
        _ => return None,
    })
}

impl Kustomization {
    /// Reads a kustomization file.
    pub(crate) fn parse(bytes: &[u8], edit: Option<&dyn Edit>) -> Result<Self> {
        let invalid = || "invalid Kustomization";
        let limits = driftless_yaml::Limits::default();
        let mut document = driftless_yaml::parse_first(bytes, &limits, Duplicates::Last)
            .map_err(|error| Error::new(error.as_go()))
            .context(invalid)?;
        if let Some(edit) = edit {
            edit.edit(&mut document)?;
        }
        Self::from_value(&document).context(invalid)
    }

    fn from_value(document: &Value) -> Result<Self> {
        let mut read = Reading::default();
        At::top("Kustomization", Unknown::Refuse).object(
            document,
            "types.Kustomization",
            &FIELDS,
            |field, value, at| read.field(field, value, at),
        )?;
        Ok(read.finish())
    }

    /// Fills in what is left out; `given` says whether anything but the type was written.
    fn fix(&mut self) {
        if self.kind.is_empty() {
            KUSTOMIZATION.clone_into(&mut self.kind);
        }
        if self.api_version.is_empty() {
            self.required_version().clone_into(&mut self.api_version);
        }
    }

    fn required_version(&self) -> &'static str {
        if self.kind == COMPONENT {
            "kustomize.config.k8s.io/v1alpha1"
        } else {
            "kustomize.config.k8s.io/v1beta1"
        }
    }

    /// Returns what is wrong with kind and version.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.kind != KUSTOMIZATION && self.kind != COMPONENT {
            problems.push(format!("kind should be {KUSTOMIZATION} or {COMPONENT}"));
        }
        let required = self.required_version();
        if self.api_version != required {
            let kind = &self.kind;
            problems.push(format!("apiVersion for {kind} should be {required}"));
        }
        problems
    }
}

/// Fields on their way.
#[derive(Default)]
struct Reading {
    out: Kustomization,
    bases: Vec<String>,
    image_tags: Vec<Image>,
    old_charts: Vec<OldChart>,
    anything: bool,
}

impl Reading {
    fn field(&mut self, field: &'static str, value: &Value, at: &At) -> Result<()> {
        if !matches!(field, "kind" | "apiVersion") && value.as_str() != Some("") {
            self.anything = true;
        }
        self.out.warnings.extend(warning(field));
        let out = &mut self.out;
        match field {
            "kind" => out.kind = at.string(value)?,
            "apiVersion" => out.api_version = at.string(value)?,
            "metadata" => drop(metadata(value, at)?),
            "openapi" => out.openapi = at.string_map(value)?,
            "namePrefix" => out.name_prefix = at.string(value)?,
            "nameSuffix" => out.name_suffix = at.string(value)?,
            "namespace" => out.namespace = at.string(value)?,
            "commonLabels" => out.common_labels = at.string_map(value)?,
            "labels" => out.labels = at.list(value, "[]types.Label", label)?,
            "commonAnnotations" => out.common_annotations = at.string_map(value)?,
            "patchesStrategicMerge" => {
                out.patches_strategic_merge =
                    at.list(value, "[]types.PatchStrategicMerge", |item, at| {
                        at.string_of(item, "types.PatchStrategicMerge")
                    })?;
            }
            "patchesJson6902" => out.patches_json = at.list(value, "[]types.Patch", patch)?,
            "patches" => out.patches = at.list(value, "[]types.Patch", patch)?,
            "images" => out.images = at.list(value, "[]types.Image", image)?,
            "imageTags" => self.image_tags = at.list(value, "[]types.Image", image)?,
            _ => self.more(field, value, at)?,
        }
        Ok(())
    }

    fn more(&mut self, field: &'static str, value: &Value, at: &At) -> Result<()> {
        let out = &mut self.out;
        match field {
            "replacements" => {
                out.replacements = at.list(value, "[]types.ReplacementField", replacement_field)?;
            }
            "replicas" => out.replicas = at.list(value, "[]types.Replica", replica)?,
            "vars" => out.vars = at.list(value, "[]types.Var", var)?,
            "sortOptions" => out.sort_options = Some(sort_options(value, at)?),
            "resources" => out.resources = at.strings(value)?,
            "components" => out.components = at.strings(value)?,
            "crds" => out.crds = at.strings(value)?,
            "bases" => self.bases = at.strings(value)?,
            "configMapGenerator" => {
                out.config_maps = at.list(value, "[]types.ConfigMapArgs", |item, at| {
                    generator_args(item, &at.of("ConfigMapArgs"), GENERATOR_FIELDS)
                })?;
            }
            "secretGenerator" => {
                out.secrets = at.list(value, "[]types.SecretArgs", |item, at| {
                    generator_args(item, &at.of("SecretArgs"), &SECRET_FIELDS)
                })?;
            }
            "helmGlobals" => out.helm_globals = helm_globals(value, at)?,
            "helmCharts" => out.helm_charts = at.list(value, "[]types.HelmChart", helm_chart)?,
            "helmChartInflationGenerator" => {
                self.old_charts = at.list(value, "[]types.HelmChartArgs", old_chart)?;
            }
            "generatorOptions" => out.generator_options = Some(generator_options(value, at)?),
            "configurations" => out.configurations = at.strings(value)?,
            "generators" => out.generators = at.strings(value)?,
            "transformers" => out.transformers = at.strings(value)?,
            "validators" => out.validators = at.strings(value)?,
            "buildMetadata" => out.build_metadata = at.strings(value)?,
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Kustomization {
        let mut out = self.out;
        out.fix();
        out.resources.extend(self.bases);
        out.images.extend(self.image_tags);
        for old in self.old_charts {
            if !old.globals.chart_home.is_empty() && out.helm_globals.chart_home.is_empty() {
                out.helm_globals.chart_home = old.globals.chart_home;
            }
            out.helm_charts.push(old.chart);
        }
        if !self.anything {
            // Told by the caller, after the warnings.
            out.warnings.clear();
            out.kind.clear();
            out.api_version.clear();
        }
        out
    }
}

impl Kustomization {
    /// Says whether nothing but the type was written.
    pub(crate) fn is_empty(&self) -> bool {
        self.kind.is_empty()
    }
}

fn metadata(value: &Value, at: &At) -> Result<(String, String)> {
    let (mut name, mut namespace) = (String::new(), String::new());
    at.of("ObjectMeta").object(
        value,
        "types.ObjectMeta",
        &["name", "namespace", "labels", "annotations"],
        |field, value, at| {
            match field {
                "name" => name = at.string(value)?,
                "namespace" => namespace = at.string(value)?,
                _ => drop(at.string_map(value)?),
            }
            Ok(())
        },
    )?;
    Ok((name, namespace))
}

/// Reads the `metadata` of a plugin's configuration: name and namespace.
pub(crate) fn plugin_metadata(value: &Value, at: &At) -> Result<(String, String)> {
    metadata(value, at)
}

/// Reads a text that configures a plugin.
pub(crate) fn read_config(bytes: &[u8]) -> Result<Value> {
    read(bytes, Duplicates::Last)
}
