//! Reading the entries that change objects: labels, patches, images, replicas, vars, the order of the result.

use serde_json::Value;

use super::entry::{Image, Label, Patch, Replica, Selector, SortOptions, Var};
use crate::config::field_spec;
use crate::decode::At;
use crate::error::Result;
use crate::id::ResId;

pub(super) fn label(value: &Value, at: &At) -> Result<Label> {
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
        "ResId.Gvk.group",
        "ResId.Gvk.version",
        "ResId.Gvk.kind",
        "ResId.name",
        "ResId.namespace",
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

pub(super) fn id_field(id: &mut ResId, field: &str, text: String) {
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

pub(super) fn var(value: &Value, at: &At) -> Result<Var> {
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

pub(super) fn object_reference(value: &Value, at: &At, var: &mut Var) -> Result<()> {
    let fields = [
        "apiVersion",
        "Gvk.group",
        "Gvk.version",
        "Gvk.kind",
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

pub(super) fn sort_options(value: &Value, at: &At) -> Result<SortOptions> {
    let mut options = SortOptions::default();
    let fields = ["order", "legacySortOptions"];
    at.of("SortOptions")
        .object(value, "types.SortOptions", &fields, |field, value, at| {
            if field == "order" {
                options.order = at.string_of(value, "types.SortOrder")?;
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
