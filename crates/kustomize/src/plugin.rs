//! Generators and transformers given as YAML: the built-in ones. Others are programs, which never run here.

use serde_json::Value;

use crate::config::{FieldSpec, field_spec};
use crate::decode::{At, Unknown};
use crate::error::{Context as _, Error, Result};
use crate::generate::helm::{ChartGenerator, HelmOptions};
use crate::generate::{self, Kind};
use crate::kustomization::{
    CHART_FIELDS, GENERATOR_FIELDS, GeneratorArgs, HelmChart, HelmGlobals, Image, Patch, Replica,
    SECRET_FIELDS, Selector, StringMap, chart_field, generator_args, image, patch_options,
    plugin_metadata, read_config, replacement_fields, replica, selector,
};
use crate::load::Loader;
use crate::node::to_json;
use crate::resource::Resource;
use crate::schema::Schemas;
use crate::transform::Transformer;
use crate::transform::image::ImageTag;
use crate::transform::label::Entries;
use crate::transform::name::Affix;
use crate::transform::namespace::{Existing, Namespace, Subjects};
use crate::transform::patch::{JsonPatches, PatchEntry, StrategicMerge};
use crate::transform::replacement::Replacements;
use crate::transform::replica::Replicas;
use crate::transform::value_add::{Target, ValueAdd};

/// A generator that was configured.
pub(crate) enum Generator {
    Data(Kind, GeneratorArgs),
    Chart(Box<ChartGenerator>),
    Cloud(Value),
}

impl Generator {
    /// Makes the objects.
    pub(crate) fn run(
        &self,
        loader: &Loader<'_>,
        charts: Option<&dyn generate::helm::Charts>,
        schemas: &mut Schemas,
    ) -> Result<Vec<Resource>> {
        match self {
            Self::Data(kind, args) => {
                generate::generate(*kind, args, loader, schemas).map(|one| vec![one])
            }
            Self::Chart(chart) => chart.generate(loader, charts, schemas),
            Self::Cloud(config) => generate::cloud::generate(config, schemas).map(|one| vec![one]),
        }
    }
}

const GENERATORS: [&str; 4] = [
    "ConfigMapGenerator",
    "SecretGenerator",
    "HelmChartInflationGenerator",
    "IAMPolicyGenerator",
];

fn check_built_in(resource: &Resource) -> Result<()> {
    let gvk = &resource.id().gvk;
    if gvk.group.is_empty() && gvk.version == "builtin" {
        return Ok(());
    }
    let kind = &resource.original_id().gvk.kind;
    Err(Error::new(format!(
        "external plugins disabled; unable to load external plugin '{kind}'"
    )))
}

fn config_of(resource: &Resource) -> Result<Value> {
    to_json(resource.node())
        .context(|| format!("marshalling yaml from res {}", resource.original_id()))
}

fn unable(resource: &Resource) -> Error {
    Error::new(format!("unable to load builtin {}", resource.id().gvk))
}

/// Configures a generator.
pub(crate) fn generator(
    resource: &Resource,
    options: &HelmOptions,
    loader: &Loader<'_>,
) -> Result<Generator> {
    check_built_in(resource)?;
    let config = config_of(resource)?;
    let failed = || format!("plugin {} fails configuration", resource.original_id());
    match resource.id().gvk.kind.as_str() {
        "ConfigMapGenerator" => {
            data_generator(&config, Kind::ConfigMap, GENERATOR_FIELDS).context(failed)
        }
        "SecretGenerator" => data_generator(&config, Kind::Secret, &SECRET_FIELDS).context(failed),
        "HelmChartInflationGenerator" => chart_generator(&config, options, loader).context(failed),
        "IAMPolicyGenerator" => Ok(Generator::Cloud(config)),
        kind if is_transformer(kind) => Err(Error::new(format!(
            "plugin {} not a generator",
            resource.original_id()
        ))),
        _ => Err(unable(resource)),
    }
}

fn data_generator(config: &Value, kind: Kind, fields: &[&'static str]) -> Result<Generator> {
    let at = At::top("GeneratorArgs", Unknown::Ignore);
    let mut args = generator_args(config, &at, fields)?;
    if let Some(metadata) = config.get("metadata") {
        let (name, namespace) = plugin_metadata(metadata, &at)?;
        if args.name.is_empty() {
            args.name = name;
        }
        if args.namespace.is_empty() {
            args.namespace = namespace;
        }
    }
    Ok(Generator::Data(kind, args))
}

fn chart_generator(
    config: &Value,
    options: &HelmOptions,
    loader: &Loader<'_>,
) -> Result<Generator> {
    let mut chart = HelmChart::default();
    let mut globals = HelmGlobals::default();
    let at = At::top("HelmChartInflationGeneratorPlugin", Unknown::Ignore);
    at.object(config, "HelmChart", &CHART_FIELDS, |field, value, at| {
        chart_field(&mut chart, field, value, at)
    })?;
    at.object(
        config,
        "HelmGlobals",
        &["chartHome", "configHome"],
        |field, value, at| {
            match field {
                "chartHome" => globals.chart_home = at.string(value)?,
                _ => globals.config_home = at.string(value)?,
            }
            Ok(())
        },
    )?;
    let generator = ChartGenerator::new(chart, &globals, options, loader)?;
    Ok(Generator::Chart(Box::new(generator)))
}

const TRANSFORMERS: [&str; 14] = [
    "AnnotationsTransformer",
    "HashTransformer",
    "ImageTagTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PatchJson6902Transformer",
    "PatchStrategicMergeTransformer",
    "PatchTransformer",
    "PrefixSuffixTransformer",
    "PrefixTransformer",
    "SuffixTransformer",
    "ReplacementTransformer",
    "ReplicaCountTransformer",
    "ValueAddTransformer",
];

fn is_transformer(kind: &str) -> bool {
    TRANSFORMERS.contains(&kind)
}

/// Configures a transformer.
pub(crate) fn transformer(
    resource: &Resource,
    loader: &Loader<'_>,
    schemas: &mut Schemas,
) -> Result<Transformer> {
    check_built_in(resource)?;
    let config = config_of(resource)?;
    let kind = resource.id().gvk.kind.clone();
    if GENERATORS.contains(&kind.as_str()) {
        return Err(Error::new(format!(
            "plugin {} not a transformer",
            resource.original_id()
        )));
    }
    if !is_transformer(&kind) {
        return Err(unable(resource));
    }
    let mut fields = Fields::default();
    let failed = || format!("plugin {} fails configuration", resource.original_id());
    fields.read(&config).context(failed)?;
    fields
        .into_transformer(&kind, loader, schemas, &config)
        .context(failed)
}

/// All that transformers can be told.
#[derive(Default)]
struct Fields {
    specs: Option<Vec<FieldSpec>>,
    prefix: String,
    suffix: String,
    labels: StringMap,
    annotations: StringMap,
    image: Image,
    replica: Replica,
    namespace: String,
    unset_only: bool,
    subjects: String,
    patch: Patch,
    json: String,
    target: Option<Selector>,
    paths: Vec<String>,
    patches: String,
    value: String,
    targets: Vec<Target>,
    target_file: String,
}

const CONFIG_FIELDS: [&str; 20] = [
    "fieldSpecs",
    "prefix",
    "suffix",
    "labels",
    "annotations",
    "imageTag",
    "replica",
    "metadata",
    "unsetOnly",
    "setRoleBindingSubjects",
    "path",
    "patch",
    "options",
    "jsonOp",
    "target",
    "paths",
    "patches",
    "value",
    "targets",
    "targetFilePath",
];

impl Fields {
    fn read(&mut self, config: &Value) -> Result<()> {
        At::top("Plugin", Unknown::Ignore).object(
            config,
            "Plugin",
            &CONFIG_FIELDS,
            |field, value, at| self.field(field, value, at),
        )
    }

    fn field(&mut self, field: &str, value: &Value, at: &At) -> Result<()> {
        match field {
            "fieldSpecs" => self.specs = Some(at.list(value, "[]types.FieldSpec", field_spec)?),
            "prefix" => self.prefix = at.string(value)?,
            "suffix" => self.suffix = at.string(value)?,
            "labels" => self.labels = at.string_map(value)?,
            "annotations" => self.annotations = at.string_map(value)?,
            "imageTag" => self.image = image(value, at)?,
            "replica" => self.replica = replica(value, at)?,
            "metadata" => self.namespace = plugin_metadata(value, at)?.1,
            "unsetOnly" => self.unset_only = at.boolean(value)?,
            "setRoleBindingSubjects" => self.subjects = at.string(value)?,
            "path" => self.patch.path = at.string(value)?,
            "patch" => self.patch.patch = at.string(value)?,
            "options" => patch_options(value, at, &mut self.patch)?,
            "jsonOp" => self.json = at.string(value)?,
            "target" => self.target = Some(selector(value, at)?),
            "paths" => self.paths = at.strings(value)?,
            "patches" => self.patches = at.string(value)?,
            "value" => self.value = at.string(value)?,
            "targets" => self.targets = at.list(value, "[]Target", value_target)?,
            _ => self.target_file = at.string(value)?,
        }
        Ok(())
    }

    fn into_transformer(
        mut self,
        kind: &str,
        loader: &Loader<'_>,
        schemas: &mut Schemas,
        config: &Value,
    ) -> Result<Transformer> {
        let specs = self.specs.clone().unwrap_or_default();
        Ok(match kind {
            "AnnotationsTransformer" => {
                Transformer::Annotations(Entries::new(self.annotations, &specs))
            }
            "HashTransformer" => Transformer::Hash,
            "ImageTagTransformer" => Transformer::Image(ImageTag::new(self.image, &specs)?),
            "LabelTransformer" => Transformer::Labels(Entries::new(self.labels, &specs)),
            "NamespaceTransformer" => Transformer::Namespace(self.into_namespace(&specs)?),
            "PatchJson6902Transformer" => Transformer::Json(JsonPatches::new(
                self.target,
                &self.patch.path,
                &self.json,
                loader,
            )?),
            "PatchStrategicMergeTransformer" => Transformer::StrategicMerge(StrategicMerge::new(
                &self.paths,
                &self.patches,
                loader,
                schemas,
            )?),
            "PatchTransformer" => {
                self.patch.target = self.target;
                let shown = || driftless_yaml::to_string(config);
                Transformer::Patch(PatchEntry::new(&self.patch, loader, schemas, shown)?)
            }
            "PrefixTransformer" => {
                Transformer::Prefix(Affix::new(self.prefix, self.specs.as_deref())?)
            }
            "SuffixTransformer" => {
                Transformer::Suffix(Affix::new(self.suffix, self.specs.as_deref())?)
            }
            "PrefixSuffixTransformer" => Transformer::Several(vec![
                Transformer::Prefix(Affix::new(self.prefix, self.specs.as_deref())?),
                Transformer::Suffix(Affix::new(self.suffix, self.specs.as_deref())?),
            ]),
            "ReplacementTransformer" => {
                let at = At::top("ReplacementTransformerPlugin", Unknown::Ignore);
                let empty = Value::Null;
                let entries = config.get("replacements").unwrap_or(&empty);
                let entries = replacement_fields(entries, &at)?;
                Transformer::Replacements(Replacements::new(entries, loader)?)
            }
            "ReplicaCountTransformer" => Transformer::Replicas(Replicas::new(self.replica, &specs)),
            _ => Transformer::ValueAdd(self.into_value_add(loader)?),
        })
    }

    fn into_namespace(self, specs: &[FieldSpec]) -> Result<Namespace> {
        let existing = if self.unset_only {
            Existing::Keep
        } else {
            Existing::Replace
        };
        let subjects = Subjects::parse(&self.subjects)?;
        Ok(Namespace::new(self.namespace, specs, existing, subjects))
    }

    fn into_value_add(mut self, loader: &Loader<'_>) -> Result<ValueAdd> {
        let mut value = self.value.trim().to_owned();
        if value.is_empty() {
            value = loader.root_name();
        }
        if !self.target_file.is_empty() {
            let file = read_config(&loader.load(&self.target_file)?)?;
            let mut more = Fields::default();
            more.read(&file)?;
            self.targets.extend(more.targets);
        }
        if self.targets.is_empty() {
            return Err(Error::new("must specify at least one target"));
        }
        for target in &self.targets {
            if target.field_path.is_empty() {
                return Err(Error::new("fieldPath cannot be empty"));
            }
            if target.position < 0 {
                return Err(Error::new(format!(
                    "value of FilePathPosition ({}) cannot be negative",
                    target.position
                )));
            }
        }
        Ok(ValueAdd {
            value,
            targets: self.targets,
        })
    }
}

fn value_target(value: &Value, at: &At) -> Result<Target> {
    let mut target = Target {
        selector: None,
        field_path: String::new(),
        position: 0,
    };
    at.of("Target").object(
        value,
        "Target",
        &["selector", "fieldPath", "filePathPosition"],
        |field, value, at| {
            match field {
                "selector" => target.selector = Some(selector(value, at)?),
                "fieldPath" => target.field_path = at.string(value)?,
                _ => target.position = at.integer(value, "int")?,
            }
            Ok(())
        },
    )?;
    Ok(target)
}
