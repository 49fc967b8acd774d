//! The kustomization file: its fields, reading them, and what is wrong with them.

use std::collections::BTreeMap;

use driftless_yaml::Duplicates;
use serde_json::Value;

use crate::config::{FieldSpec, field_spec};
use crate::decode::{At, Unknown, read};
use crate::error::{Context as _, Error, Result};
use crate::id::{Gvk, ResId};
use crate::options::Edit;

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

/// `labels`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Label {
    pub(crate) pairs: StringMap,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) fields: Vec<FieldSpec>,
}

/// `patches` and `patchesJson6902`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patch {
    pub(crate) path: String,
    pub(crate) patch: String,
    pub(crate) target: Option<Selector>,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
    /// The entry as it was given, for messages.
    pub(crate) given: Value,
}

/// Which objects are meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    pub(crate) id: ResId,
    pub(crate) annotations: String,
    pub(crate) labels: String,
}

/// `images`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) tag_suffix: String,
    pub(crate) new_tag: String,
    pub(crate) digest: String,
}

/// `replicas`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) count: i64,
}

/// `vars`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Var {
    pub(crate) name: String,
    pub(crate) api_version: String,
    pub(crate) gvk: Gvk,
    pub(crate) object: String,
    pub(crate) namespace: String,
    pub(crate) field_path: String,
}

/// `replacements`.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplacementField {
    pub(crate) path: String,
    pub(crate) replacement: Replacement,
}

/// One replacement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replacement {
    pub(crate) source: Option<Source>,
    pub(crate) source_value: Option<String>,
    pub(crate) targets: Option<Vec<Target>>,
}

/// Where a replacement takes its value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    pub(crate) id: ResId,
    pub(crate) field_path: String,
    pub(crate) options: Option<FieldOptions>,
}

/// Where a replacement puts it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) select: Option<Selector>,
    pub(crate) reject: Vec<Selector>,
    pub(crate) field_paths: Vec<String>,
    pub(crate) options: Option<FieldOptions>,
}

/// Part of a value.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldOptions {
    pub(crate) delimiter: String,
    pub(crate) index: i64,
    pub(crate) create: bool,
}

/// `sortOptions`.
#[derive(Clone, Debug, Default)]
pub(crate) struct SortOptions {
    pub(crate) order: String,
    pub(crate) legacy: Option<(Vec<String>, Vec<String>)>,
}

/// `generatorOptions` and `options`.
#[derive(Clone, Debug, Default)]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: StringMap,
    pub(crate) annotations: StringMap,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

/// `configMapGenerator` and `secretGenerator`.
#[derive(Clone, Debug, Default)]
pub(crate) struct GeneratorArgs {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) behavior: String,
    pub(crate) literals: Vec<String>,
    pub(crate) files: Vec<String>,
    pub(crate) envs: Vec<String>,
    pub(crate) options: Option<GeneratorOptions>,
    /// `type` of a Secret.
    pub(crate) secret_type: String,
}

/// `helmGlobals`.
#[derive(Clone, Debug, Default)]
pub(crate) struct HelmGlobals {
    pub(crate) chart_home: String,
    pub(crate) config_home: String,
}

/// `helmCharts`.
#[derive(Clone, Debug, Default)]
pub(crate) struct HelmChart {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) repo: String,
    pub(crate) release_name: String,
    pub(crate) namespace: String,
    pub(crate) additional_values_files: Vec<String>,
    pub(crate) values_file: String,
    pub(crate) values_inline: Value,
    pub(crate) values_merge: String,
    pub(crate) include_crds: bool,
    pub(crate) skip_hooks: bool,
    pub(crate) api_versions: Vec<String>,
    pub(crate) kube_version: String,
    pub(crate) name_template: String,
    pub(crate) skip_tests: bool,
    /// The entry as it was given, for messages.
    pub(crate) given: Value,
}

const FIELDS: [&str; 34] = [
    "apiVersion",
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
    "kind",
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
                        at.string(item)
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
                    generator_args(item, &at.of("ConfigMapArgs"), &GENERATOR_FIELDS)
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

fn label(value: &Value, at: &At) -> Result<Label> {
    let mut label = Label::default();
    at.of("Label").object(
        value,
        "types.Label",
        &["pairs", "includeSelectors", "includeTemplates", "fields"],
        |field, value, at| {
            match field {
                "pairs" => label.pairs = at.string_map(value)?,
                "includeSelectors" => label.include_selectors = at.boolean(value)?,
                "includeTemplates" => label.include_templates = at.boolean(value)?,
                _ => label.fields = at.list(value, "[]types.FieldSpec", field_spec)?,
            }
            Ok(())
        },
    )?;
    Ok(label)
}

/// Reads a patch entry.
pub(crate) fn patch(value: &Value, at: &At) -> Result<Patch> {
    let mut patch = Patch {
        given: value.clone(),
        ..Patch::default()
    };
    at.of("Patch").object(
        value,
        "types.Patch",
        &["path", "patch", "target", "options"],
        |field, value, at| {
            match field {
                "path" => patch.path = at.string(value)?,
                "patch" => patch.patch = at.string(value)?,
                "target" => patch.target = Some(selector(value, at)?),
                _ => patch_options(value, at, &mut patch)?,
            }
            Ok(())
        },
    )?;
    Ok(patch)
}

/// Reads the options of a patch.
pub(crate) fn patch_options(value: &Value, at: &At, patch: &mut Patch) -> Result<()> {
    let fields = ["allowNameChange", "allowKindChange"];
    at.of("PatchArgs")
        .object(value, "types.PatchArgs", &fields, |field, value, at| {
            match field {
                "allowNameChange" => patch.allow_name_change = at.boolean(value)?,
                _ => patch.allow_kind_change = at.boolean(value)?,
            }
            Ok(())
        })
}

/// Reads a selector.
pub(crate) fn selector(value: &Value, at: &At) -> Result<Selector> {
    let mut selector = Selector::default();
    let fields = [
        "group",
        "version",
        "kind",
        "name",
        "namespace",
        "annotationSelector",
        "labelSelector",
    ];
    at.of("Selector")
        .object(value, "types.Selector", &fields, |field, value, at| {
            match field {
                "annotationSelector" => selector.annotations = at.string(value)?,
                "labelSelector" => selector.labels = at.string(value)?,
                field => id_field(&mut selector.id, field, at.string(value)?),
            }
            Ok(())
        })?;
    Ok(selector)
}

fn id_field(id: &mut ResId, field: &str, text: String) {
    match field {
        "group" => id.gvk.group = text,
        "version" => id.gvk.version = text,
        "kind" => id.gvk.kind = text,
        "name" => id.name = text,
        _ => id.namespace = text,
    }
}

/// Reads an image entry.
pub(crate) fn image(value: &Value, at: &At) -> Result<Image> {
    let mut image = Image::default();
    let fields = ["name", "newName", "tagSuffix", "newTag", "digest"];
    at.of("Image")
        .object(value, "types.Image", &fields, |field, value, at| {
            let text = at.string(value)?;
            match field {
                "name" => image.name = text,
                "newName" => image.new_name = text,
                "tagSuffix" => image.tag_suffix = text,
                "newTag" => image.new_tag = text,
                _ => image.digest = text,
            }
            Ok(())
        })?;
    Ok(image)
}

/// Reads a replicas entry.
pub(crate) fn replica(value: &Value, at: &At) -> Result<Replica> {
    let mut replica = Replica::default();
    at.of("Replica").object(
        value,
        "types.Replica",
        &["name", "count"],
        |field, value, at| {
            match field {
                "name" => replica.name = at.string(value)?,
                _ => replica.count = at.integer(value, "int64")?,
            }
            Ok(())
        },
    )?;
    Ok(replica)
}

fn var(value: &Value, at: &At) -> Result<Var> {
    let mut var = Var::default();
    at.of("Var").object(
        value,
        "types.Var",
        &["name", "objref", "fieldref"],
        |field, value, at| {
            match field {
                "name" => var.name = at.string(value)?,
                "objref" => object_reference(value, at, &mut var)?,
                _ => at.of("FieldSelector").object(
                    value,
                    "types.FieldSelector",
                    &["fieldPath"],
                    |_, value, at| {
                        var.field_path = at.string(value)?;
                        Ok(())
                    },
                )?,
            }
            Ok(())
        },
    )?;
    Ok(var)
}

fn object_reference(value: &Value, at: &At, var: &mut Var) -> Result<()> {
    let fields = [
        "apiVersion",
        "group",
        "version",
        "kind",
        "name",
        "namespace",
    ];
    at.of("Target")
        .object(value, "types.Target", &fields, |field, value, at| {
            let text = at.string(value)?;
            match field {
                "apiVersion" => var.api_version = text,
                "group" => var.gvk.group = text,
                "version" => var.gvk.version = text,
                "kind" => var.gvk.kind = text,
                "name" => var.object = text,
                _ => var.namespace = text,
            }
            Ok(())
        })
}

fn replacement_field(value: &Value, at: &At) -> Result<ReplacementField> {
    let mut out = ReplacementField::default();
    let fields = ["source", "targets", "sourceValue", "path"];
    at.of("ReplacementField").object(
        value,
        "types.ReplacementField",
        &fields,
        |field, value, at| {
            if field == "path" {
                out.path = at.string(value)?;
                return Ok(());
            }
            replacement_part(&mut out.replacement, field, value, at)
        },
    )?;
    Ok(out)
}

/// Reads a replacement from a file of its own.
pub(crate) fn replacement(value: &Value, at: &At) -> Result<Replacement> {
    let mut out = Replacement::default();
    let fields = ["source", "targets", "sourceValue"];
    at.of("Replacement")
        .object(value, "types.Replacement", &fields, |field, value, at| {
            replacement_part(&mut out, field, value, at)
        })?;
    Ok(out)
}

fn replacement_part(out: &mut Replacement, field: &str, value: &Value, at: &At) -> Result<()> {
    match field {
        "source" => out.source = Some(source(value, at)?),
        "targets" => out.targets = Some(at.list(value, "[]*types.TargetSelector", target)?),
        _ => out.source_value = Some(at.string(value)?),
    }
    Ok(())
}

/// Reads the entries of a ReplacementTransformer.
pub(crate) fn replacement_fields(value: &Value, at: &At) -> Result<Vec<ReplacementField>> {
    at.list(value, "[]types.ReplacementField", replacement_field)
}

fn source(value: &Value, at: &At) -> Result<Source> {
    let mut source = Source::default();
    let fields = [
        "group",
        "version",
        "kind",
        "name",
        "namespace",
        "fieldPath",
        "options",
    ];
    at.of("SourceSelector").object(
        value,
        "types.SourceSelector",
        &fields,
        |field, value, at| {
            match field {
                "fieldPath" => source.field_path = at.string(value)?,
                "options" => source.options = Some(field_options(value, at)?),
                field => id_field(&mut source.id, field, at.string(value)?),
            }
            Ok(())
        },
    )?;
    Ok(source)
}

fn target(value: &Value, at: &At) -> Result<Target> {
    let mut target = Target::default();
    let fields = ["select", "reject", "fieldPaths", "options"];
    at.of("TargetSelector").object(
        value,
        "types.TargetSelector",
        &fields,
        |field, value, at| {
            match field {
                "select" => target.select = Some(selector(value, at)?),
                "reject" => target.reject = at.list(value, "[]*types.Selector", selector)?,
                "fieldPaths" => target.field_paths = at.strings(value)?,
                _ => target.options = Some(field_options(value, at)?),
            }
            Ok(())
        },
    )?;
    Ok(target)
}

fn field_options(value: &Value, at: &At) -> Result<FieldOptions> {
    let mut options = FieldOptions::default();
    let fields = ["delimiter", "index", "encoding", "create"];
    at.of("FieldOptions")
        .object(value, "types.FieldOptions", &fields, |field, value, at| {
            match field {
                "delimiter" => options.delimiter = at.string(value)?,
                "index" => options.index = at.integer(value, "int")?,
                "create" => options.create = at.boolean(value)?,
                _ => drop(at.string(value)?),
            }
            Ok(())
        })?;
    Ok(options)
}

fn sort_options(value: &Value, at: &At) -> Result<SortOptions> {
    let mut options = SortOptions::default();
    let fields = ["order", "legacySortOptions"];
    at.of("SortOptions")
        .object(value, "types.SortOptions", &fields, |field, value, at| {
            if field == "order" {
                options.order = at.string(value)?;
                return Ok(());
            }
            let (mut first, mut last) = (Vec::new(), Vec::new());
            at.of("LegacySortOptions").object(
                value,
                "types.LegacySortOptions",
                &["orderFirst", "orderLast"],
                |field, value, at| {
                    match field {
                        "orderFirst" => first = at.strings(value)?,
                        _ => last = at.strings(value)?,
                    }
                    Ok(())
                },
            )?;
            options.legacy = Some((first, last));
            Ok(())
        })?;
    Ok(options)
}

fn generator_options(value: &Value, at: &At) -> Result<GeneratorOptions> {
    let mut options = GeneratorOptions::default();
    let fields = [
        "labels",
        "annotations",
        "disableNameSuffixHash",
        "immutable",
    ];
    at.of("GeneratorOptions").object(
        value,
        "types.GeneratorOptions",
        &fields,
        |field, value, at| {
            match field {
                "labels" => options.labels = at.string_map(value)?,
                "annotations" => options.annotations = at.string_map(value)?,
                "disableNameSuffixHash" => {
                    options.disable_name_suffix_hash = at.boolean(value)?;
                }
                _ => options.immutable = at.boolean(value)?,
            }
            Ok(())
        },
    )?;
    Ok(options)
}

/// Fields of a ConfigMap generator.
pub(crate) const GENERATOR_FIELDS: [&str; 8] = [
    "namespace",
    "name",
    "behavior",
    "literals",
    "files",
    "envs",
    "env",
    "options",
];
/// Fields of a Secret generator.
pub(crate) const SECRET_FIELDS: [&str; 9] = [
    "namespace",
    "name",
    "behavior",
    "literals",
    "files",
    "envs",
    "env",
    "options",
    "type",
];

/// Reads a ConfigMap or Secret generator.
pub(crate) fn generator_args(
    value: &Value,
    at: &At,
    fields: &[&'static str],
) -> Result<GeneratorArgs> {
    let mut args = GeneratorArgs::default();
    let mut env = String::new();
    at.object(value, "types.GeneratorArgs", fields, |field, value, at| {
        match field {
            "namespace" => args.namespace = at.string(value)?,
            "name" => args.name = at.string(value)?,
            "behavior" => args.behavior = at.string(value)?,
            "literals" => args.literals = at.strings(value)?,
            "files" => args.files = at.strings(value)?,
            "envs" => args.envs = at.strings(value)?,
            "env" => env = at.string(value)?,
            "type" => args.secret_type = at.string(value)?,
            _ => args.options = Some(generator_options(value, at)?),
        }
        Ok(())
    })?;
    if !env.is_empty() {
        args.envs.push(env);
    }
    Ok(args)
}

fn helm_globals(value: &Value, at: &At) -> Result<HelmGlobals> {
    let mut globals = HelmGlobals::default();
    let fields = ["chartHome", "configHome"];
    at.of("HelmGlobals")
        .object(value, "types.HelmGlobals", &fields, |field, value, at| {
            match field {
                "chartHome" => globals.chart_home = at.string(value)?,
                _ => globals.config_home = at.string(value)?,
            }
            Ok(())
        })?;
    Ok(globals)
}

/// Fields of a chart.
pub(crate) const CHART_FIELDS: [&str; 17] = [
    "name",
    "version",
    "repo",
    "releaseName",
    "namespace",
    "additionalValuesFiles",
    "valuesFile",
    "valuesInline",
    "valuesMerge",
    "includeCRDs",
    "skipHooks",
    "apiVersions",
    "kubeVersion",
    "nameTemplate",
    "skipTests",
    "debug",
    "devel",
];

fn helm_chart(value: &Value, at: &At) -> Result<HelmChart> {
    let mut chart = HelmChart {
        given: value.clone(),
        ..HelmChart::default()
    };
    at.of("HelmChart").object(
        value,
        "types.HelmChart",
        &CHART_FIELDS,
        |field, value, at| chart_field(&mut chart, field, value, at),
    )?;
    Ok(chart)
}

/// Reads one field of a chart.
pub(crate) fn chart_field(
    chart: &mut HelmChart,
    field: &str,
    value: &Value,
    at: &At,
) -> Result<()> {
    match field {
        "name" => chart.name = at.string(value)?,
        "version" => chart.version = at.string(value)?,
        "repo" => chart.repo = at.string(value)?,
        "releaseName" => chart.release_name = at.string(value)?,
        "namespace" => chart.namespace = at.string(value)?,
        "additionalValuesFiles" => chart.additional_values_files = at.strings(value)?,
        "valuesFile" => chart.values_file = at.string(value)?,
        "valuesInline" => {
            chart.values_inline = at.any_map(value)?;
        }
        "valuesMerge" => chart.values_merge = at.string(value)?,
        "includeCRDs" => chart.include_crds = at.boolean(value)?,
        "skipHooks" => chart.skip_hooks = at.boolean(value)?,
        "apiVersions" => chart.api_versions = at.strings(value)?,
        "kubeVersion" => chart.kube_version = at.string(value)?,
        "nameTemplate" => chart.name_template = at.string(value)?,
        "skipTests" => chart.skip_tests = at.boolean(value)?,
        _ => drop(at.boolean(value)?),
    }
    Ok(())
}

struct OldChart {
    chart: HelmChart,
    globals: HelmGlobals,
}

fn old_chart(value: &Value, at: &At) -> Result<OldChart> {
    let mut chart = HelmChart::default();
    let mut globals = HelmGlobals::default();
    let fields = [
        "chartName",
        "chartVersion",
        "chartRepoUrl",
        "chartHome",
        "chartRepoName",
        "helmBin",
        "helmHome",
        "values",
        "valuesLocal",
        "valuesMerge",
        "releaseName",
        "releaseNamespace",
        "extraArgs",
    ];
    at.of("HelmChartArgs")
        .object(value, "types.HelmChartArgs", &fields, |field, value, at| {
            match field {
                "chartName" => chart.name = at.string(value)?,
                "chartVersion" => chart.version = at.string(value)?,
                "chartRepoUrl" => chart.repo = at.string(value)?,
                "chartHome" => globals.chart_home = at.string(value)?,
                "helmHome" => globals.config_home = at.string(value)?,
                "values" => chart.values_file = at.string(value)?,
                "valuesLocal" => chart.values_inline = value.clone(),
                "valuesMerge" => chart.values_merge = at.string(value)?,
                "releaseName" => chart.release_name = at.string(value)?,
                "extraArgs" => drop(at.strings(value)?),
                _ => drop(at.string(value)?),
            }
            Ok(())
        })?;
    Ok(OldChart { chart, globals })
}

impl Var {
    /// Returns the kind meant: `apiVersion` counts before `group` and `version`.
    pub(crate) fn with_defaults(mut self) -> Self {
        if self.field_path.is_empty() {
            "metadata.name".clone_into(&mut self.field_path);
        }
        self.with_reference()
    }

    /// Returns it with the kind that is meant.
    pub(crate) fn with_reference(mut self) -> Self {
        if !self.api_version.is_empty() {
            let parts: Vec<&str> = self.api_version.split('/').collect();
            match parts.as_slice() {
                [group, version] => {
                    (*group).clone_into(&mut self.gvk.group);
                    (*version).clone_into(&mut self.gvk.version);
                }
                [version] => (*version).clone_into(&mut self.gvk.version),
                _ => {}
            }
        }
        self
    }

    /// Returns Go's way of printing it.
    pub(crate) fn go_text(&self) -> String {
        format!("{{{} {} {{{}}}}}", self.name, self.gvk, self.field_path)
    }
}

/// Reads the `metadata` of a plugin's configuration: name and namespace.
pub(crate) fn plugin_metadata(value: &Value, at: &At) -> Result<(String, String)> {
    metadata(value, at)
}

/// Reads a text that configures a plugin.
pub(crate) fn read_config(bytes: &[u8]) -> Result<Value> {
    read(bytes, Duplicates::Last)
}
