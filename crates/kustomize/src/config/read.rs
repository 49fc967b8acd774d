//! Reading `configurations` files.

use driftless_yaml::Duplicates;
use serde_json::Value;

use super::{BackReference, Config, FieldSpec};
use crate::decode::{At, Unknown, read};
use crate::error::{Context as _, Result};
use crate::id::Gvk;

const FIELDS: [&str; 11] = [
    "namePrefix",
    "nameSuffix",
    "namespace",
    "commonLabels",
    "labels",
    "templateLabels",
    "commonAnnotations",
    "nameReference",
    "varReference",
    "images",
    "replicas",
];

/// Reads the files of `configurations` as one.
pub(crate) fn from_documents<'a>(
    documents: impl Iterator<Item = Result<bytes::Bytes>> + 'a,
) -> Result<Config> {
    let mut all = Config::default();
    for document in documents {
        let value = read(&document?, Duplicates::Refuse)?;
        let mut one =
            from_value(&value).context(|| "error unmarshaling JSON: while decoding JSON")?;
        one.sort();
        all.merge(&one)?;
    }
    Ok(all)
}

fn from_value(value: &Value) -> Result<Config> {
    let mut config = Config::default();
    At::top("TransformerConfig", Unknown::Refuse).object(
        value,
        "builtinconfig.TransformerConfig",
        &FIELDS,
        |field, value, at| {
            if field == "nameReference" {
                config.name_reference =
                    at.list(value, "[]builtinconfig.NameBackReferences", back_reference)?;
            } else if let Some(list) = config.list_mut(field) {
                *list = at.list(value, "types.FsSlice", field_spec)?;
            }
            Ok(())
        },
    )?;
    Ok(config)
}

fn back_reference(value: &Value, at: &At) -> Result<BackReference> {
    let mut reference = BackReference::default();
    at.of("NameBackReferences").object(
        value,
        "builtinconfig.NameBackReferences",
        &["Gvk.group", "Gvk.version", "Gvk.kind", "fieldSpecs"],
        |field, value, at| {
            if field == "fieldSpecs" {
                reference.referrers = at.list(value, "types.FsSlice", field_spec)?;
                return Ok(());
            }
            gvk_field(&mut reference.gvk, field, at.string(value)?);
            Ok(())
        },
    )?;
    Ok(reference)
}

fn gvk_field(gvk: &mut Gvk, field: &str, text: String) {
    match field {
        "group" => gvk.group = text,
        "version" => gvk.version = text,
        _ => gvk.kind = text,
    }
}

/// Reads one field.
pub(crate) fn field_spec(value: &Value, at: &At) -> Result<FieldSpec> {
    let mut spec = FieldSpec::default();
    at.of("FieldSpec").object(
        value,
        "types.FieldSpec",
        &["Gvk.group", "Gvk.version", "Gvk.kind", "path", "create"],
        |field, value, at| {
            match field {
                "path" => spec.path = at.string(value)?,
                "create" => spec.create = at.boolean(value)?,
                field => gvk_field(&mut spec.gvk, field, at.string(value)?),
            }
            Ok(())
        },
    )?;
    Ok(spec)
}
