//! Reading what makes objects: ConfigMaps, Secrets, charts.

use serde_json::Value;

use super::entry::{GeneratorArgs, GeneratorOptions, HelmChart, HelmGlobals};
use crate::decode::At;
use crate::error::Result;

pub(super) fn generator_options(value: &Value, at: &At) -> Result<GeneratorOptions> {
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

/// Fields of a Secret generator.
pub(crate) const SECRET_FIELDS: [&str; 9] = [
    "GeneratorArgs.namespace",
    "GeneratorArgs.name",
    "GeneratorArgs.behavior",
    "GeneratorArgs.KvPairSources.literals",
    "GeneratorArgs.KvPairSources.files",
    "GeneratorArgs.KvPairSources.envs",
    "GeneratorArgs.KvPairSources.env",
    "GeneratorArgs.options",
    "type",
];
/// Fields of a ConfigMap generator: all but the type, which is the last.
pub(crate) const GENERATOR_FIELDS: &[&str] = SECRET_FIELDS.split_at(SECRET_FIELDS.len() - 1).0;

/// Reads a ConfigMap or Secret generator.
pub(crate) fn generator_args(
    value: &Value,
    at: &At,
    fields: &[&'static str],
) -> Result<GeneratorArgs> {
    let mut args = GeneratorArgs::default();
    let mut env = String::new();
    let wanted = format!("types.{}", at.holder());
    at.object(value, &wanted, fields, |field, value, at| {
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

pub(super) fn helm_globals(value: &Value, at: &At) -> Result<HelmGlobals> {
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

pub(super) fn helm_chart(value: &Value, at: &At) -> Result<HelmChart> {
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

pub(super) struct OldChart {
    pub(super) chart: HelmChart,
    pub(super) globals: HelmGlobals,
}

pub(super) fn old_chart(value: &Value, at: &At) -> Result<OldChart> {
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
