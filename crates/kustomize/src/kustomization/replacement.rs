//! Reading replacements.

use serde_json::Value;

use super::entry::{FieldOptions, Replacement, ReplacementField, Source, Target};
use super::transform::{id_field, selector};
use crate::decode::At;
use crate::error::Result;

pub(super) fn replacement_field(value: &Value, at: &At) -> Result<ReplacementField> {
    let mut out = ReplacementField {
        given: value.clone(),
        ..ReplacementField::default()
    };
    let fields = [
        "Replacement.source",
        "Replacement.targets",
        "Replacement.sourceValue",
        "path",
    ];
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

pub(super) fn replacement_part(
    out: &mut Replacement,
    field: &str,
    value: &Value,
    at: &At,
) -> Result<()> {
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

pub(super) fn source(value: &Value, at: &At) -> Result<Source> {
    let mut source = Source::default();
    let fields = [
        "ResId.Gvk.group",
        "ResId.Gvk.version",
        "ResId.Gvk.kind",
        "ResId.name",
        "ResId.namespace",
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

pub(super) fn target(value: &Value, at: &At) -> Result<Target> {
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

pub(super) fn field_options(value: &Value, at: &At) -> Result<FieldOptions> {
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
