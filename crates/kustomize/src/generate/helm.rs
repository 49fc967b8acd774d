//! `helmCharts`: values are merged here, the chart is rendered by whoever was given to the build.

use driftless_core::Tree;
use driftless_core::tree::{self, TreePath};
use serde_json::Value;

use crate::error::{Context as _, Error, Result};
use crate::kustomization::{HelmChart, HelmGlobals};
use crate::load::Loader;
use crate::merge::{Direction, merge};
use crate::node::{first_document, from_json, to_json};
use crate::resource::Resource;
use crate::schema::Schemas;
use crate::set::read_objects;

/// A chart to render.
pub struct ChartRequest<'a> {
    /// The files around the chart.
    pub tree: &'a dyn Tree,
    /// The chart's folder in `tree`; nothing is there when the chart has to be fetched.
    pub folder: TreePath,
    /// Whether the chart is there.
    pub is_local: bool,
    /// The chart's name.
    pub name: &'a str,
    /// Version asked for; empty for any.
    pub version: &'a str,
    /// Repository to fetch it from; empty when it has to be local.
    pub repo: &'a str,
    /// Name of the release; empty to generate one.
    pub release: &'a str,
    /// Template for the name of the release; empty for none.
    pub name_template: &'a str,
    /// Namespace of the release; empty for the default.
    pub namespace: &'a str,
    /// Value files in order, as text: the first is what `valuesFile` and `valuesInline` make.
    pub values: Vec<String>,
    /// API versions the chart may ask for.
    pub api_versions: Vec<String>,
    /// Kubernetes version the chart may ask for; empty for the default.
    pub kube_version: String,
    /// Whether CRDs of the chart are included.
    pub include_crds: bool,
    /// Whether hooks are left out.
    pub skip_hooks: bool,
    /// Whether tests are left out.
    pub skip_tests: bool,
}

/// Renders charts for a build.
pub trait Charts {
    /// Returns the manifests of a chart as YAML.
    fn render(&self, request: &ChartRequest<'_>) -> std::result::Result<String, Error>;
}

/// How charts are rendered.
#[derive(Clone, Debug, Default)]
pub struct HelmOptions {
    /// Whether `helmCharts` may be used at all (`--enable-helm`).
    pub enabled: bool,
    /// Kubernetes version charts see (`--helm-kube-version`); empty for each chart's own setting.
    pub kube_version: String,
    /// API versions charts see (`--helm-api-versions`); empty for each chart's own setting.
    pub api_versions: Vec<String>,
}

const DEFAULT_HOME: &str = "charts";

/// A chart generator that was configured.
pub(crate) struct ChartGenerator {
    chart: HelmChart,
    home: String,
}

impl ChartGenerator {
    pub(crate) fn new(
        mut chart: HelmChart,
        globals: &HelmGlobals,
        options: &HelmOptions,
        loader: &Loader<'_>,
    ) -> Result<Self> {
        if !options.enabled {
            return Err(Error::new("must specify --enable-helm"));
        }
        if chart.kube_version.is_empty() {
            chart.kube_version.clone_from(&options.kube_version);
        }
        if chart.api_versions.is_empty() {
            chart.api_versions.clone_from(&options.api_versions);
        }
        if chart.name.is_empty() {
            return Err(Error::new("chart name cannot be empty"));
        }
        let mut home = globals.chart_home.clone();
        if home.is_empty() {
            DEFAULT_HOME.clone_into(&mut home);
        }
        if !chart.version.is_empty() && !chart.repo.is_empty() {
            home = format!("{home}/{}-{}", chart.name, chart.version);
        }
        if chart.values_file.is_empty() {
            chart.values_file = format!("{home}/{}/values.yaml", chart.name);
        }
        for file in &chart.additional_values_files {
            loader
                .load(file)
                .context(|| "could not load additionalValuesFile")?;
        }
        match chart.values_merge.as_str() {
            "" => "override".clone_into(&mut chart.values_merge),
            "merge" | "override" | "replace" => {}
            _ => {
                return Err(Error::new(
                    "valuesMerge must be one of [merge override replace]",
                ));
            }
        }
        Ok(Self { chart, home })
    }

    pub(crate) fn generate(
        &self,
        loader: &Loader<'_>,
        charts: Option<&dyn Charts>,
        schemas: &mut Schemas,
    ) -> Result<Vec<Resource>> {
        let chart = &self.chart;
        let Some(charts) = charts else {
            return Err(Error::denied(format!(
                "chart {} is not rendered: no chart engine was given to this build",
                chart.name
            )));
        };
        let path = format!("{}/{}", self.home, chart.name);
        let (files, folder) = loader.tree_at(&path)?;
        let is_local = tree::is_folder(files, &folder).unwrap_or_default();
        if !is_local && chart.repo.is_empty() {
            return Err(Error::new(
                "no repo specified for pull, no chart found at ''",
            ));
        }
        let mut values = vec![self.values(loader, schemas)?];
        for file in &chart.additional_values_files {
            values.push(String::from_utf8_lossy(&loader.load(file)?).into_owned());
        }
        let request = ChartRequest {
            tree: files,
            folder,
            is_local,
            name: &chart.name,
            version: &chart.version,
            repo: &chart.repo,
            release: &chart.release_name,
            name_template: &chart.name_template,
            namespace: &chart.namespace,
            values,
            api_versions: chart.api_versions.clone(),
            kube_version: chart.kube_version.clone(),
            include_crds: chart.include_crds,
            skip_hooks: chart.skip_hooks,
            skip_tests: chart.skip_tests,
        };
        let text = charts.render(&request)?;
        let limits = driftless_yaml::Limits::default();
        let mut objects = read_objects(text.as_bytes(), &limits, schemas)
            .context(|| "could not parse bytes into resource map")?;
        for object in &mut objects {
            object.marks.helm = true;
        }
        Ok(objects)
    }

    /// Returns the first value file: `valuesFile`, changed by `valuesInline`.
    fn values(&self, loader: &Loader<'_>, schemas: &Schemas) -> Result<String> {
        let chart = &self.chart;
        let has_inline = chart
            .values_inline
            .as_object()
            .is_some_and(|entries| !entries.is_empty());
        if !has_inline {
            let bytes = loader.load(&chart.values_file)?;
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        if chart.values_merge == "replace" {
            return Ok(driftless_yaml::to_string(&chart.values_inline));
        }
        let limits = driftless_yaml::Limits::default();
        let bytes = loader.load(&chart.values_file)?;
        let file =
            first_document(&bytes, &limits).context(|| "could not parse values file into rnode")?;
        let inline = Some(from_json(&chart.values_inline));
        let (dest, patch) = if chart.values_merge == "override" {
            (file, inline)
        } else {
            (inline, file)
        };
        let merged =
            merge(dest, patch, schemas, Direction::Append).context(|| "could not merge values")?;
        let json = merged.as_ref().map_or(Ok(Value::Null), to_json)?;
        Ok(driftless_yaml::to_string(&json))
    }
}
