//! A description of the user's own (`openapi.path`).

use std::collections::HashMap;

use serde_json::Value;

use super::{Schema, by_definition};
use crate::error::{Error, Result};

/// An OpenAPI document and an index of its kinds.
#[derive(Debug)]
pub(crate) struct Custom {
    definitions: Value,
    kinds: HashMap<(String, String, String), String>,
    scopes: HashMap<(String, String), bool>,
    /// References may lead to the built-in description, which counts first.
    pub(super) built_in_too: bool,
}

const GVK: &str = "x-kubernetes-group-version-kind";
/// References to references end here at the latest.
const MAX_REFERENCES: usize = 32;

impl Custom {
    /// Reads a document, JSON or YAML.
    pub(crate) fn parse(bytes: &[u8], built_in_too: bool) -> Result<Self> {
        let limits = driftless_yaml::Limits::default();
        let document =
            driftless_yaml::parse_first(bytes, &limits, driftless_yaml::Duplicates::Last)
                .map_err(|error| Error::new(format!("invalid schema file: {}", error.as_go())))?;
        let mut kinds = HashMap::new();
        let definitions = document.get("definitions").cloned().unwrap_or(Value::Null);
        for (name, definition) in definitions.as_object().into_iter().flatten() {
            for entry in definition
                .get(GVK)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                if let Some(key) = names(entry) {
                    kinds.insert(key, name.clone());
                }
            }
        }
        let scopes = scopes(&document);
        Ok(Self {
            definitions,
            kinds,
            scopes,
            built_in_too,
        })
    }

    pub(super) fn kind(&self, group: &str, version: &str, kind: &str) -> Option<&Value> {
        let key = (group.to_owned(), version.to_owned(), kind.to_owned());
        self.definitions.get(self.kinds.get(&key)?)
    }

    pub(super) fn is_namespaced(&self, api_version: &str, kind: &str) -> Option<bool> {
        let key = (api_version.to_owned(), kind.to_owned());
        self.scopes.get(&key).copied()
    }

    pub(super) fn field<'a>(&'a self, schema: &'a Value, name: &str) -> Option<Schema<'a>> {
        let properties = schema.get("properties");
        let found = properties.and_then(|fields| fields.get(name)).or_else(|| {
            schema
                .get("additionalProperties")
                .filter(|value| value.is_object())
        })?;
        self.resolve(found)
    }

    pub(super) fn item<'a>(&'a self, schema: &'a Value) -> Option<Schema<'a>> {
        self.resolve(schema.get("items")?)
    }

    pub(super) fn merge_keys(schema: &Value) -> Option<Vec<String>> {
        let strategy = schema.get("x-kubernetes-patch-strategy")?.as_str()?;
        if !strategy.split(',').any(|part| part == "merge") {
            return None;
        }
        if let Some(keys) = schema.get("x-kubernetes-list-map-keys") {
            let keys = keys.as_array()?.iter();
            return Some(keys.filter_map(Value::as_str).map(str::to_owned).collect());
        }
        let key = schema
            .get("x-kubernetes-patch-merge-key")
            .and_then(Value::as_str);
        Some(key.map(str::to_owned).into_iter().collect())
    }

    fn resolve<'a>(&'a self, mut schema: &'a Value) -> Option<Schema<'a>> {
        for _ in 0..MAX_REFERENCES {
            let Some(reference) = schema.get("$ref").and_then(Value::as_str) else {
                return Some(Schema::Custom(self, schema));
            };
            let name = reference.strip_prefix("#/definitions/")?;
            if self.built_in_too
                && let Some(id) = by_definition(name)
            {
                return Some(Schema::Root(id));
            }
            schema = self.definitions.get(name)?;
        }
        None
    }
}

fn names(entry: &Value) -> Option<(String, String, String)> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    Some((
        text("group").unwrap_or_default().to_owned(),
        text("version")?.to_owned(),
        text("kind")?.to_owned(),
    ))
}

fn scopes(document: &Value) -> HashMap<(String, String), bool> {
    let mut scopes = HashMap::new();
    for (path, item) in document
        .get("paths")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let Some((group, version, kind)) =
            item.get("get").and_then(|get| get.get(GVK)).and_then(names)
        else {
            continue;
        };
        let api_version = if group.is_empty() {
            version
        } else {
            format!("{group}/{version}")
        };
        let namespaced = path.contains("namespaces/{namespace}");
        let known = scopes.entry((api_version, kind)).or_insert(namespaced);
        *known |= namespaced;
    }
    scopes
}
