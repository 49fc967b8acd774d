//! `spec.source.kustomize`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Error, wrong};

/// The section as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct Section {
    pub(super) name_prefix: String,
    pub(super) name_suffix: String,
    pub(super) images: Vec<String>,
    pub(super) replicas: Vec<Replica>,
    pub(super) common_labels: BTreeMap<String, String>,
    pub(super) common_annotations: BTreeMap<String, String>,
    pub(super) force_common_labels: bool,
    pub(super) force_common_annotations: bool,
    pub(super) label_without_selector: bool,
    pub(super) label_include_templates: bool,
    pub(super) namespace: String,
    pub(super) patches: Vec<Value>,
    pub(super) components: Vec<String>,
    pub(super) ignore_missing_components: bool,
    pub(super) kube_version: String,
    pub(super) api_versions: Vec<String>,
}

/// A number of replicas, written as a number or as text.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Replica {
    pub(super) name: String,
    count: Value,
}

impl Replica {
    pub(super) fn count(&self) -> Result<i64, Error> {
        let count = match &self.count {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        count.filter(|count| *count >= 0).ok_or_else(|| {
            wrong(format!(
                "replicas[{}].count: expected a whole number, found {}",
                self.name, self.count
            ))
        })
    }
}

impl Section {
    /// Reads the section; one that is not there changes nothing.
    pub(super) fn read(parameters: &Value) -> Result<Self, Error> {
        if parameters.is_null() {
            return Ok(Self::default());
        }
        Self::deserialize(parameters).map_err(|error| wrong(error.to_string()))
    }
}
