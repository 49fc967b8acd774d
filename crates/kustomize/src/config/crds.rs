//! Fields that OpenAPI definitions of custom kinds add (`crds`).

use serde_json::Value;

use super::{BackReference, Config, FieldSpec, merge_one, merge_reference};
use crate::decode::read;
use crate::error::{Context as _, Result};
use crate::id::Gvk;

/// Definitions that refer to each other end here at the latest.
const MAX_DEPTH: usize = 32;

/// Reads one file of `crds`.
pub(crate) fn from_crds(bytes: &[u8], path: &str) -> Result<Config> {
    let document = read(bytes, driftless_yaml::Duplicates::Last)
        .context(|| format!("unable to parse open API definition from '{path}'"))?;
    let mut config = Config::default();
    for (name, definition) in document.as_object().into_iter().flatten() {
        let Some(properties) = properties(definition) else {
            continue;
        };
        if !["kind", "apiVersion", "metadata"]
            .iter()
            .all(|field| properties.contains_key(*field))
        {
            continue;
        }
        let gvk = Gvk {
            kind: name.rsplit('.').next().unwrap_or_default().to_owned(),
            ..Gvk::default()
        };
        let mut one = Config::default();
        let mut walk = Walk {
            document: &document,
            gvk,
            config: &mut one,
        };
        walk.definition(name, &mut Vec::new())?;
        config.merge(&one)?;
    }
    Ok(config)
}

fn properties(definition: &Value) -> Option<&serde_json::Map<String, Value>> {
    let schema = definition
        .get("Schema")
        .or_else(|| definition.get("schema"))?;
    schema.get("properties")?.as_object()
}

struct Walk<'a> {
    document: &'a Value,
    gvk: Gvk,
    config: &'a mut Config,
}

impl Walk<'_> {
    fn definition(&mut self, name: &str, path: &mut Vec<String>) -> Result<()> {
        let document = self.document;
        let Some(properties) = document.get(name).and_then(properties) else {
            return Ok(());
        };
        if path.len() > MAX_DEPTH {
            return Ok(());
        }
        for (field, property) in properties {
            path.push(field.clone());
            self.property(property, path)?;
            path.pop();
        }
        Ok(())
    }

    fn spec(&self, path: &[String]) -> FieldSpec {
        FieldSpec {
            gvk: self.gvk.clone(),
            path: path.join("/"),
            create: false,
        }
    }

    fn property(&mut self, property: &Value, path: &mut Vec<String>) -> Result<()> {
        let text = |key: &str| property.get(key).and_then(Value::as_str);
        if text("x-kubernetes-annotation").is_some() {
            let spec = self.spec(path);
            merge_one(&mut self.config.common_annotations, &spec)?;
        }
        if text("x-kubernetes-label-selector").is_some() {
            let spec = self.spec(path);
            merge_one(&mut self.config.common_labels, &spec)?;
        }
        if text("x-kubernetes-identity").is_some() {
            let spec = self.spec(path);
            merge_one(&mut self.config.name_prefix, &spec)?;
        }
        if let (Some(version), Some(kind)) = (
            text("x-kubernetes-object-ref-api-version"),
            text("x-kubernetes-object-ref-kind"),
        ) {
            let key = text("x-kubernetes-object-ref-name-key").unwrap_or("name");
            path.push(key.to_owned());
            let reference = BackReference {
                gvk: Gvk {
                    version: version.to_owned(),
                    kind: kind.to_owned(),
                    group: String::new(),
                },
                referrers: vec![self.spec(path)],
            };
            path.pop();
            merge_reference(&mut self.config.name_reference, &reference)?;
        }
        if let Some(reference) = text("$ref") {
            self.definition(reference, path)?;
        }
        Ok(())
    }
}
