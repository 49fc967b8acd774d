//! A chart in memory.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use driftless_gotemplate::{Map, Str};

use crate::engine::Parsed;
use crate::metadata::Metadata;
use crate::schema::Schema;

/// A file of a chart.
#[derive(Clone, Debug)]
pub struct File {
    /// Path from the chart's root.
    pub name: Str,
    /// Content.
    pub data: Bytes,
    /// What was read of it as a template, for all copies of the file.
    pub(crate) parsed: Arc<OnceLock<ParsedFile>>,
}

/// The templates that a file defines, and the path it was read under.
pub(crate) struct ParsedFile {
    pub(crate) path: Str,
    pub(crate) templates: Parsed,
}

impl std::fmt::Debug for ParsedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path)
    }
}

impl File {
    /// Makes a file.
    pub fn new(name: impl Into<Str>, data: Bytes) -> Self {
        Self {
            name: name.into(),
            data,
            parsed: Arc::default(),
        }
    }
}

/// A chart with its subcharts.
#[derive(Clone)]
pub struct Chart {
    /// `Chart.yaml`, and `requirements.yaml` of older charts.
    pub metadata: Metadata,
    /// `values.yaml`
    pub values: Map,
    /// `values.schema.json`
    pub schema: Option<Schema>,
    /// Files below `templates/`.
    pub templates: Vec<File>,
    /// Files that templates may read, CRDs among them.
    pub files: Vec<File>,
    /// Charts below `charts/`.
    pub dependencies: Vec<Chart>,
}

impl Chart {
    /// Returns the chart's name, or its alias in the chart that uses it.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Says whether the chart only holds what others include.
    pub fn is_library(&self) -> bool {
        self.metadata.kind.eq_ignore_ascii_case("library")
    }

    /// Returns the CRDs of the chart and its subcharts with their paths.
    pub fn crds(&self) -> Vec<(String, &File)> {
        let mut out = Vec::new();
        self.add_crds(self.name(), &mut out);
        out
    }

    fn add_crds<'a>(&'a self, path: &str, out: &mut Vec<(String, &'a File)>) {
        for file in &self.files {
            let manifest = [".yaml", ".yml", ".json"]
                .iter()
                .any(|end| file.name.ends_with(end));
            if manifest && file.name.starts_with("crds/") {
                out.push((format!("{path}/{}", file.name), file));
            }
        }
        for chart in &self.dependencies {
            chart.add_crds(&format!("{path}/charts/{}", chart.name()), out);
        }
    }
}
